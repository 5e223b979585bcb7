import CustomerValue
import Foundation

/// Model parameters as `--parameters` reads them and as results print them:
/// `{"bg-nbd": {"r": …, "alpha": …, "a": …, "b": …}, "gamma-gamma": {…}, "time_unit": "weeks"}`.
public struct ValueParameters: Sendable, Equatable {
  static let spendName = "gamma-gamma"

  /// By model, then by parameter.
  public var models: [String: [String: Double]] = [:]
  /// days or weeks; nil where a file does not say.
  public var timeUnit: String?

  /// - Throws: ``RunFailure`` that names what the file has and what it may have.
  static func read(_ path: String) throws -> ValueParameters {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RunFailure(
        .noInput, "the parameters cannot be read", hint: "check --parameters", file: path)
    }
    let example = "write {\"bg-nbd\": {\"r\": 0.24, \"alpha\": 4.4, \"a\": 0.8, \"b\": 2.4}}"
    guard let object = try? JSONDecoder().decode([String: Entry].self, from: data) else {
      throw RunFailure(.badData, "is not a JSON object", hint: example, file: path)
    }
    var parameters = ValueParameters()
    let known = PurchaseModelKind.allCases.map(\.rawValue) + [spendName]
    for (name, value) in object.sorted(by: { $0.key < $1.key }) {
      if name == "time_unit" {
        guard case .text(let unit) = value, PurchaseTimeUnit(rawValue: unit) != nil else {
          throw RunFailure(
            .badData, "time_unit is neither days nor weeks", hint: "write \"days\" or \"weeks\"",
            file: path)
        }
        parameters.timeUnit = unit
        continue
      }
      guard known.contains(name) else {
        throw RunFailure(
          .badData, "there is no model \"\(name)\"",
          hint: NearestName.of(name, among: known).map { "did you mean \($0)?" }
            ?? "models are \(known.joined(separator: ", "))", file: path)
      }
      parameters.models[name] = try numbers(value, of: name, path)
    }
    guard !parameters.models.isEmpty else {
      throw RunFailure(.badData, "names no model", hint: example, file: path)
    }
    return parameters
  }

  private static func numbers(
    _ value: Entry, of model: String, _ path: String
  ) throws -> [String: Double] {
    let required =
      PurchaseModelKind(rawValue: model)?.parameterNames ?? ["p", "q", "gamma"]
    let allowed = required + (model == spendName ? ["observed_mean"] : [])
    guard case .numbers(let entries) = value else {
      throw RunFailure(
        .badData, "\(model) is not an object",
        hint: "give \(required.joined(separator: ", ")) in it", file: path)
    }
    if let name = required.first(where: { entries[$0] == nil }) {
      throw RunFailure(
        .badData, "\(model) has no parameter \(name)",
        hint: "give \(required.joined(separator: ", "))", file: path)
    }
    var numbers: [String: Double] = [:]
    for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
      guard allowed.contains(name) else {
        throw RunFailure(
          .badData, "\(model) has no parameter \"\(name)\"",
          hint: "its parameters are \(allowed.joined(separator: ", "))", file: path)
      }
      guard let number = entry.value, number.isFinite else {
        throw RunFailure(
          .badData, "\(model).\(name) is not a number", hint: "write it like 4.41", file: path)
      }
      numbers[name] = number
    }
    return numbers
  }

  /// What may stand under a name.
  private enum Entry: Decodable {
    case text(String)
    case numbers([String: Scalar])
    case other

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .text(text)
      } else if let numbers = try? container.decode([String: Scalar].self) {
        self = .numbers(numbers)
      } else {
        self = .other
      }
    }
  }

  /// A number, or something else.
  private struct Scalar: Decodable {
    let value: Double?

    init(from decoder: any Decoder) throws {
      value = try? decoder.singleValueContainer().decode(Double.self)
    }
  }

  func purchases(
    _ kind: PurchaseModelKind, unit: PurchaseTimeUnit, file: String
  ) throws -> (any PurchaseModel)? {
    try models[kind.rawValue].map { numbers in
      do {
        return try kind.model(numbers, unit: unit)
      } catch let error as ModelParameterError {
        throw Self.refuse(error, kind.rawValue, file)
      }
    }
  }

  func spend(file: String) throws -> GammaGamma? {
    try models[Self.spendName].map { numbers in
      do {
        return try GammaGamma(
          p: numbers["p"] ?? 0, q: numbers["q"] ?? 0, gamma: numbers["gamma"] ?? 0,
          observedMean: numbers["observed_mean"])
      } catch let error as ModelParameterError {
        throw Self.refuse(error, Self.spendName, file)
      }
    }
  }

  private static func refuse(
    _ error: ModelParameterError, _ model: String, _ file: String
  ) -> RunFailure {
    switch error {
    case .outOfRange(let name, let value, let allowed):
      RunFailure(
        .badData, "\(model).\(name) = \(value) is out of range", hint: "give a number \(allowed)",
        file: file)
    }
  }
}

extension ValueParameters: Codable {
  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      // Keys come as written, or in camel case where the decoder converts them.
      if key.stringValue == "time_unit" || key.stringValue == "timeUnit" {
        timeUnit = try container.decode(String.self, forKey: key)
      } else {
        models[key.stringValue] = try container.decode([String: Double].self, forKey: key)
      }
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    for (name, numbers) in models.sorted(by: { $0.key < $1.key }) {
      try container.encode(numbers, forKey: Key(stringValue: name))
    }
    try container.encodeIfPresent(timeUnit, forKey: Key(stringValue: "time_unit"))
  }
}
