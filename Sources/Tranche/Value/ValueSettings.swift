import CustomerValue
import Features
import Sharding

/// `[value]` of the configuration, checked.
struct ValueSettings: Sendable {
  let unit: PurchaseTimeUnit
  /// Nil: the best one.
  let candidate: ValueCandidate?
  /// In the time unit.
  let length: Double
  let monthlyDiscount: Double
  let margin: Double
  /// Days; nil: chosen by the ledger's length.
  let holdoutDays: Int?
  let purchases: PurchaseWindows.Kind

  static let models = ValueCandidate.allCases.map(\.rawValue)

  init(
    _ configuration: Configuration, unit: PurchaseTimeUnit = .days, hasLedger: Bool = true
  ) throws {
    self.unit = unit
    let name = configuration.text("value.model") ?? "auto"
    candidate = ValueCandidate(rawValue: name)
    length = configuration.number("value.horizon") ?? 12 * unit.month
    guard length > 0, length <= 36_525 / unit.days else {
      throw configuration.refuse(
        "value.horizon", "is \(length) \(unit.rawValue)",
        hint: "give more than 0 days, up to 100 years")
    }
    monthlyDiscount = configuration.number("value.monthly_discount") ?? 0.01
    guard monthlyDiscount >= 0, monthlyDiscount <= 1 else {
      throw configuration.refuse(
        "value.monthly_discount", "is \(monthlyDiscount)", hint: "give 0 to 1, such as 0.01")
    }
    margin = configuration.number("value.margin") ?? 1
    guard margin >= 0, margin <= 1 else {
      throw configuration.refuse(
        "value.margin", "is \(margin)", hint: "give 0 to 1 for a modelled value")
    }
    holdoutDays = configuration.integer("value.holdout")
    if let holdoutDays, !(1...1_365).contains(holdoutDays) {
      throw configuration.refuse("value.holdout", "is \(holdoutDays)", hint: "give 1 to 1365 days")
    }
    let isDebit = configuration.text("ledger.negative") == "debit"
    purchases =
      configuration.text("value.purchases").flatMap(PurchaseWindows.Kind.init)
      ?? (isDebit ? .all : .positive)
    _ = try horizon()
  }

  func horizon() throws -> ValueHorizon {
    try ValueHorizon(length: length, monthlyDiscount: monthlyDiscount, margin: margin)
  }

  private func options(_ asOf: Int, compares: Bool) -> ValueModel.Options {
    var options = ValueModel.Options(asOf: asOf)
    options.candidate = candidate
    options.unit = unit
    options.holdoutDays = holdoutDays
    options.compares = compares
    return options
  }

  func fit(
    _ purchases: CustomerPurchases, _ base: PurchaseBase, asOf: Int, compares: Bool,
    workers: Workers
  ) throws -> BaseFit {
    do {
      return try BaseFit.fit(
        purchases, base, options: options(asOf, compares: compares), workers: workers)
    } catch let error as ValueModelError {
      throw Self.failure(error)
    }
  }

  /// Beside the model of the base.
  func fit(
    _ groups: CustomerGroups, of purchases: CustomerPurchases, base: BaseFit, asOf: Int,
    compares: Bool, workers: Workers
  ) throws -> ValueGroups {
    try ValueGroups.fit(
      purchases, groups, base: base, options: options(asOf, compares: compares), workers: workers)
  }

  /// By parameters that a file gives.
  func model(
    _ given: ValueParameters, _ file: String, _ purchases: CustomerPurchases, workers: Workers
  ) throws -> BaseFit {
    let kind = try given.kind(asked: candidate, file: file)
    _ = try given.purchases(kind, unit: unit, file: file)
    do {
      return BaseFit(
        try ValueModel.given(
          kind, parameters: given.models[kind.rawValue] ?? [:], spend: try given.spend(file: file),
          purchases, unit: unit, workers: workers))
    } catch let error as ValueModelError {
      throw Self.failure(error)
    }
  }

  static func failure(_ error: ValueModelError) -> RunFailure {
    switch error {
    case .noPurchases:
      RunFailure(
        .badData, error.description,
        hint: "set ledger.negative to \"debit\" where negative amounts are money going out")
    case .nothingBeforeHoldout:
      RunFailure(.usage, error.description, hint: "give a shorter --holdout")
    case .tooShort:
      RunFailure(.badData, error.description, hint: "use --model auto, or a longer ledger")
    }
  }
}

extension ValueParameters {
  /// The purchase model to use: the one asked for, else the only one there is.
  func kind(asked: ValueCandidate?, file: String) throws -> PurchaseModelKind {
    let there = PurchaseModelKind.allCases.filter { models[$0.rawValue] != nil }
    if let asked {
      guard let kind = PurchaseModelKind(rawValue: asked.rawValue), there.contains(kind) else {
        throw RunFailure(
          .badData, "has no parameters of \(asked.rawValue)",
          hint: there.isEmpty
            ? "give those of a purchase model"
            : "use --model \(there.map(\.rawValue).joined(separator: " or "))", file: file)
      }
      return kind
    }
    guard let only = there.first, there.count == 1 else {
      throw RunFailure(
        there.isEmpty ? .badData : .usage,
        there.isEmpty
          ? "has no purchase model"
          : "has several purchase models: \(there.map(\.rawValue).joined(separator: ", "))",
        hint: there.isEmpty
          ? "give parameters of bg-nbd, mbg-nbd or pareto-nbd" : "choose one with --model",
        file: file)
    }
    return only
  }
}

extension Configuration {
  /// What `--model` of `value` may name beside auto.
  public static let valueModels = ValueSettings.models

  /// Takes what the command line says of [value].
  public mutating func setValue(
    model: String?, horizon: Double?, holdout: Int?, by: String?
  ) throws {
    if let by { set("value.by", .text(by), flag: "--by") }
    if let model { try setChoice("value.model", model, flag: "--model") }
    if let horizon {
      guard horizon.isFinite else {
        throw RunFailure(.usage, "--horizon is no number", hint: "give more than 0")
      }
      set("value.horizon", .number(horizon), flag: "--horizon")
    }
    if let holdout { set("value.holdout", .integer(holdout), flag: "--holdout") }
  }
}
