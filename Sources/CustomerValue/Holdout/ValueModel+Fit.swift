import Columnar
import Features
import Sharding

/// The model of a base, with what its groups are judged against.
package struct BaseFit: Sendable {
  package let model: ValueModel
  /// The model as it was at the split; nil where nothing was held out in this fit.
  let atSplit: BaseAtSplit?

  /// A model that is there already.
  package init(_ model: ValueModel) { (self.model, atSplit) = (model, nil) }

  private init(_ model: ValueModel, _ atSplit: BaseAtSplit) {
    (self.model, self.atSplit) = (model, atSplit)
  }

  /// - Parameter known: The base of these purchases in the options' unit, where it is known already.
  /// - Throws: ``ValueModelError``; ``Cancelled``.
  package static func fit(
    _ purchases: CustomerPurchases, _ known: PurchaseBase? = nil, options: ValueModel.Options,
    workers: Workers
  ) throws -> BaseFit {
    let known = try known ?? PurchaseBase(purchases, unit: options.unit, workers: workers)
    guard known.snapshot.count > 0 else { throw ValueModelError.noPurchases }
    guard let split = try ValueModel.split(purchases, options, workers) else {
      return BaseFit(try ValueModel.likeliest(known, purchases, options, workers))
    }
    let (comparison, fits) = try split.compare(choosing: options.candidate)
    return BaseFit(
      try ValueModel.refit(known, comparison, split),
      BaseAtSplit(
        chosen: comparison.chosen, chosenForAmounts: comparison.chosenForAmounts, fits: fits))
  }
}

/// The model of a group, chosen among candidates of its own and the model of its base.
struct GroupFit {
  /// Nil where the base's does better in everything.
  let model: ValueModel?
  /// Nil where nothing was held out.
  let comparison: HoldoutComparison?

  /// - Throws: ``ValueModelError``; ``Cancelled``.
  init(
    _ purchases: CustomerPurchases, options: ValueModel.Options, against base: BaseAtSplit?,
    workers: Workers
  ) throws {
    let known = try PurchaseBase(purchases, unit: options.unit, workers: workers)
    guard known.snapshot.count > 0 else { throw ValueModelError.noPurchases }
    guard let split = try ValueModel.split(purchases, options, workers) else {
      model = try ValueModel.likeliest(known, purchases, options, workers)
      comparison = nil
      return
    }
    let table = try split.compare(choosing: options.candidate, against: base).comparison
    let isLost = table.base.map { $0.isChosen && $0.isChosenForAmounts } ?? false
    model = isLost ? nil : try ValueModel.refit(known, table, split)
    comparison = table
  }
}

extension ValueModel {
  /// Nil where none is needed, or the ledger is too short for one.
  fileprivate static func split(
    _ purchases: CustomerPurchases, _ options: Options, _ workers: Workers
  ) throws -> HoldoutSplit? {
    guard options.candidate?.needsSplit ?? true || options.compares,
      let days = options.holdoutDays ?? holdoutDays(oldestAge: purchases.oldestAge)
    else { return nil }
    let split = try HoldoutSplit(
      purchases, length: days, unit: options.unit, asOf: options.asOf, workers: workers)
    if split == nil, options.holdoutDays != nil {
      throw ValueModelError.nothingBeforeHoldout(days: days, oldest: purchases.oldestAge)
    }
    return split
  }

  /// The candidate asked for, else the likeliest purchase model: without a holdout.
  fileprivate static func likeliest(
    _ base: PurchaseBase, _ purchases: CustomerPurchases, _ options: Options, _ workers: Workers
  ) throws -> ValueModel {
    guard options.candidate?.needsSplit != true else {
      throw ValueModelError.tooShort(days: purchases.oldestAge + 1)
    }
    let kinds = options.candidate?.purchaseModels ?? PurchaseModelKind.allCases
    let models = try PurchaseModelSet(kinds, base.snapshot.summary, base.cells, workers: workers)
    let likeliest = models.fits.max { $0.logLikelihood < $1.logLikelihood }
    let candidate =
      options.candidate ?? likeliest.flatMap { ValueCandidate(rawValue: $0.kind.rawValue) }
      ?? .bgNBD
    let isShort = options.candidate == nil || options.compares
    return ValueModel(
      candidate, candidate, options.unit, models, base.snapshot, split: nil, regressions: [:],
      churn: nil, comparison: nil,
      warnings: isShort
        ? [
          "the ledger is too short for a holdout (\(purchases.oldestAge + 1) days): the model is "
            + "the likeliest one"
        ] : [])
  }

  /// What was chosen, fitted to everything that is known by now.
  fileprivate static func refit(
    _ base: PurchaseBase, _ comparison: HoldoutComparison, _ split: HoldoutSplit
  ) throws -> ValueModel {
    let (purchases, workers) = (split.purchases, split.workers)
    let chosen = [comparison.chosen, comparison.chosenForAmounts]
    let parts = Set(chosen.flatMap(\.parts))
    // Beyond the holdout a forecast keeps the shape of the purchase models.
    let kinds = PurchaseModelKind.allCases.filter { kind in
      parts.contains { $0.purchaseModel ?? kind == kind }
    }
    // Models that only shape regressions are fitted to as many customers as are judged.
    let shaping = kinds.filter { kind in !parts.contains { $0.purchaseModel == kind } }
    let sample =
      shaping.isEmpty || base.snapshot.count <= HoldoutComparison.sampleSize
      ? nil
      : try PurchaseBase(
        purchases, unit: split.unit, limit: HoldoutComparison.sampleSize, workers: workers)
    let models = try PurchaseModelSet(
      kinds, base.snapshot.summary, base.cells, near: split.models,
      sample: sample.map { (shaping, $0.cells) }, workers: workers)
    var regressions: [String: ValueRegression] = [:]
    for part in ValueCandidate.allCases where part.isRegression && parts.contains(part) {
      let recurring = part == .recurring ? try split.recurring(length: split.length) : nil
      regressions[part.rawValue] = try ValueRegression(
        part,
        RegressionInput(
          part, window: split.window, 0..<split.outer.count, split.forecasts, recurring),
        split.features, days: split.outcome.days, amounts: split.outcome.amounts, workers: workers)
    }
    let churn =
      comparison.chosen.purchaseModels.isEmpty
      ? try ChurnModel.fit(split.features, split.outcome.days, workers: workers) : nil
    return ValueModel(
      comparison.chosen, comparison.chosenForAmounts, split.unit, models, base.snapshot,
      split: split, regressions: regressions, churn: churn, comparison: comparison, warnings: [])
  }
}
