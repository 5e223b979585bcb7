import Columnar
import CustomerValue
import Sharding

/// Margin and acquisition cost of the simple formula frequency × average value × margin − cost: of
/// the base, and of groups that have their own.
struct SimpleParameters {
  private let base: SimpleValue.Parameters
  private let byGroup: [String: SimpleValue.Parameters]

  private static let margins = "value.margins"
  private static let costs = "value.acquisition_costs"

  /// Whether groups have parameters of their own, so that it must be known who is in which.
  static func areByGroup(_ configuration: Configuration) -> Bool {
    configuration.table(margins) != nil || configuration.table(costs) != nil
  }

  init(_ configuration: Configuration) throws {
    let margin = configuration.number("value.margin") ?? 1
    let cost = configuration.number("value.acquisition_cost") ?? 0
    do {
      base = try SimpleValue.Parameters(margin: margin, acquisitionCost: cost)
    } catch {
      throw configuration.refuse(
        "value.margin", "or value.acquisition_cost makes no sense",
        hint: "give a margin from -1 to 1 and a cost of 0 or more")
    }
    let (margins, costs) = (
      try Self.numbers(Self.margins, configuration), try Self.numbers(Self.costs, configuration)
    )
    guard !Self.areByGroup(configuration) || configuration.text("value.by") != nil else {
      throw configuration.refuse(
        configuration.table(Self.margins) != nil ? Self.margins : Self.costs,
        "names groups, but nothing says what groups there are",
        hint: "set value.by, such as \"segment\" or a column of --customers")
    }
    var byGroup: [String: SimpleValue.Parameters] = [:]
    for name in Set(margins.keys).union(costs.keys).sorted() {
      do {
        byGroup[name] = try SimpleValue.Parameters(
          margin: margins[name] ?? margin, acquisitionCost: costs[name] ?? cost)
      } catch {
        throw configuration.refuse(
          margins[name] != nil ? Self.margins : Self.costs, "makes no sense for \"\(name)\"",
          hint: "give a margin from -1 to 1 and a cost of 0 or more")
      }
    }
    self.byGroup = byGroup
  }

  private static func numbers(
    _ path: String, _ configuration: Configuration
  ) throws -> [String: Double] {
    var numbers: [String: Double] = [:]
    for (name, text) in (configuration.table(path) ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let number = Double(text), number.isFinite else {
        throw configuration.refuse(
          path, "has \"\(text)\" for \"\(name)\"", hint: "give a number a group, such as 0.2")
      }
      numbers[name] = number
    }
    return numbers
  }

  /// Customers of groups that are not named, and those without a group, by the base's.
  func value(
    frequency: Buffer<Double>, averageValue: Buffer<Double>, _ groups: CustomerGroups?,
    workers: Workers
  ) throws -> Buffer<Double> {
    guard let groups, !byGroup.isEmpty else {
      return try SimpleValue.turnover(
        frequency: frequency, averageValue: averageValue, parameters: [base], workers: workers)
    }
    return try SimpleValue.turnover(
      frequency: frequency, averageValue: averageValue,
      segments: Buffer(groups.codes.values.map { $0 + 1 }),
      parameters: [base] + groups.names.map { byGroup[$0] ?? base }, workers: workers)
  }

  /// Names that are no group's.
  func unused(_ groups: CustomerGroups?) -> [String] {
    byGroup.keys.sorted().filter { !(groups?.names ?? []).contains($0) }
  }
}
