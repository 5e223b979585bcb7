import Columnar
import Features
import Sharding

/// All candidates, fitted on what was known some days before as-of and judged on what came after.
package struct HoldoutComparison: Sendable, Codable, Equatable {
  /// Days from the split to as-of.
  package let days: Int
  /// Days of the earlier split's outcome that regressions learned from; nil where the ledger is too
  /// short for one.
  package let innerDays: Int?
  /// Customers judged: all that were known at the split, every n-th of a very large base.
  package let customers: Int
  package let actualDays: Double
  package let actualAmount: Double
  package let candidates: [Candidate]
  /// The least absolute error of purchase days among those whose total is not far off.
  package let chosen: ValueCandidate
  /// The same of amounts: a salary repeats itself to the cent, the days of a card do not.
  package let chosenForAmounts: ValueCandidate
  /// Of the churn risk that goes with the chosen one, against "no purchase in the holdout".
  package let churn: ProbabilityCalibration?

  package struct Candidate: Sendable, Codable, Equatable {
    package let name: ValueCandidate
    /// Of purchase days.
    package let days: HoldoutMetrics
    package let amounts: HoldoutMetrics
    /// How its fits ended, where they did not simply converge.
    package let notes: [String]
  }

  /// A candidate whose total is off by more than this is passed over while others are not: the least
  /// absolute error alone would reward forecasting too little for everybody.
  static let largestTotalError = 0.25
  /// Customers that candidates are fitted on and judged by: a total is then off by chance by less
  /// than 1 %.
  static let sampleSize = 1 << 17
  /// Fewer customers before the inner split teach nothing.
  static let leastSample = 50
}

/// The two splits of a comparison, and what is fitted at them.
struct HoldoutSplit: Sendable {
  let purchases: CustomerPurchases
  let unit: PurchaseTimeUnit
  /// Days from the split to as-of.
  let length: Int
  let workers: Workers

  let outer: PurchaseSnapshot
  let outerCells: PurchaseCells
  let features: SnapshotFeatures
  let models: PurchaseModelSet
  let forecasts: PurchaseModelForecasts
  let outcome: (days: Buffer<Double>, amounts: Buffer<Double>)

  /// Nil without customers before the split.
  init?(
    _ purchases: CustomerPurchases, length: Int, unit: PurchaseTimeUnit, workers: Workers
  ) throws {
    let outer = try PurchaseSnapshot(
      purchases, age: length, unit: unit, limit: HoldoutComparison.sampleSize, workers: workers)
    guard outer.count > 0 else { return nil }
    self.purchases = purchases
    self.unit = unit
    self.length = length
    self.workers = workers
    self.outer = outer
    outerCells = try PurchaseCells(outer.summary, workers: workers)
    models = try PurchaseModelSet(
      PurchaseModelKind.allCases, outer.summary, outerCells, workers: workers)
    forecasts = try PurchaseModelForecasts(
      models.fits.map { ($0.kind, $0.model) }, spend: models.spend.fit.model, outer, outerCells,
      length: length, workers: workers)
    features = try SnapshotFeatures(
      purchases, outer, window: Self.window(of: length), workers: workers)
    outcome = try outer.outcome(purchases, length: length, workers: workers)
  }

  /// Days of the shortest feature window: the grid of the fold's amounts.
  static func window(of length: Int) -> Int { min(30, length) }
  var window: Int { Self.window(of: length) }

  /// Edges of amount windows that every split and feature of a holdout needs.
  static func edges(length: Int) -> [Int] {
    let grid = window(of: length)
    let steps = 0...((length + 12 * grid) / grid + 1)
    return [0, grid, 3 * grid, 12 * grid, length, 2 * length] + steps.map { length + grid * $0 }
  }

  /// Days of the earlier split's outcome: as long as the holdout, if half of what is known before it
  /// remains to learn from.
  var innerLength: Int? {
    let known = purchases.oldestAge - length
    let steps = min(length, known / 2) / window
    return steps > 0 ? steps * window : nil
  }

  func compare(choosing asked: ValueCandidate?) throws -> HoldoutComparison {
    var forecasts: [ValueCandidate: SnapshotForecast] = [:]
    let inner = try innerSplit()
    for candidate in ValueCandidate.allCases where candidate.parts == [candidate] {
      if !candidate.isRegression {
        forecasts[candidate] = try forecast(candidate)
      } else if let inner {
        forecasts[candidate] = try learned(candidate, from: inner)
      }
    }
    var all: [(name: ValueCandidate, forecast: SnapshotForecast)] = []
    for candidate in ValueCandidate.allCases {
      let parts = candidate.parts.compactMap { forecasts[$0] }
      if parts.count == candidate.parts.count { all.append((candidate, .mean(parts))) }
    }
    let (days, amounts) = (Array(outcome.days.values), Array(outcome.amounts.values))
    let judged = all
    let (ascendingDays, ascendingAmounts) = (days.sorted(), amounts.sorted())
    let candidates = try workers.map(judged.count) { index in
      HoldoutComparison.Candidate(
        name: judged[index].name,
        days: HoldoutMetrics(
          predicted: judged[index].forecast.days, actual: days, ascending: ascendingDays),
        amounts: HoldoutMetrics(
          predicted: judged[index].forecast.amounts, actual: amounts, ascending: ascendingAmounts),
        notes: notes(judged[index].name))
    }
    let chosen = asked ?? Self.best(candidates, \.days)
    let churn = try inner.map {
      try ChurnModel.fit($0.features, $0.outcome.days, workers: workers)
    }
    return HoldoutComparison(
      days: length, innerDays: inner?.length, customers: outer.count,
      actualDays: days.reduce(0, +), actualAmount: amounts.reduce(0, +), candidates: candidates,
      chosen: chosen, chosenForAmounts: asked ?? Self.best(candidates, \.amounts),
      churn: try churnCalibration(chosen, churn, inner))
  }

  /// Least absolute error, ties to the first; with every total far off, the nearest total.
  private static func best(
    _ candidates: [HoldoutComparison.Candidate],
    _ metrics: KeyPath<HoldoutComparison.Candidate, HoldoutMetrics>
  ) -> ValueCandidate {
    func bias(_ candidate: HoldoutComparison.Candidate) -> Double {
      abs(candidate[keyPath: metrics].totalError ?? 0)
    }
    let usable = candidates.filter { bias($0) <= HoldoutComparison.largestTotalError }
    let best =
      usable.min {
        $0[keyPath: metrics].meanAbsoluteError < $1[keyPath: metrics].meanAbsoluteError
      } ?? candidates.min { bias($0) < bias($1) }
    guard let best else { preconditionFailure("there are candidates without an inner split") }
    return best.name
  }

  private func notes(_ candidate: ValueCandidate) -> [String] {
    candidate.purchaseModels.compactMap { kind in
      guard let fit = models.fit(kind), fit.status.kind != .converged else { return nil }
      return "\(kind.rawValue): \(fit.status.sentence)"
    }
  }

  private func forecast(_ candidate: ValueCandidate) throws -> SnapshotForecast {
    guard let days = candidate.purchaseModel.flatMap({ forecasts.expected[$0] }) else {
      return try SimpleRule.forecast(
        candidate, purchases, outer, length: length, workers: workers)
    }
    return SnapshotForecast(days: days, amounts: zip(days, forecasts.spend).map(*))
  }

  // MARK: - The earlier split

  struct Inner {
    let length: Int
    let snapshot: PurchaseSnapshot
    let features: SnapshotFeatures
    let forecasts: PurchaseModelForecasts
    let outcome: (days: Buffer<Double>, amounts: Buffer<Double>)
    /// The outer split's forecasts of the inner length, and what a day of it becomes in the holdout.
    let applied: PurchaseModelForecasts
    let growth: [Double]
  }

  private func innerSplit() throws -> Inner? {
    guard let inner = innerLength else { return nil }
    let snapshot = try PurchaseSnapshot(
      purchases, age: length + inner, unit: unit, limit: HoldoutComparison.sampleSize,
      workers: workers)
    guard snapshot.count >= HoldoutComparison.leastSample else { return nil }
    let cells = try PurchaseCells(snapshot.summary, workers: workers)
    let fitted = try PurchaseModelSet(
      PurchaseModelKind.allCases, snapshot.summary, cells, near: models, workers: workers)
    let known = try PurchaseModelForecasts(
      fitted.fits.map { ($0.kind, $0.model) }, spend: fitted.spend.fit.model, snapshot, cells,
      length: inner, workers: workers)
    let applied =
      inner == length
      ? forecasts
      : try PurchaseModelForecasts(
        models.fits.map { ($0.kind, $0.model) }, spend: models.spend.fit.model, outer, outerCells,
        length: inner, workers: workers)
    return Inner(
      length: inner, snapshot: snapshot,
      features: try SnapshotFeatures(purchases, snapshot, window: window, workers: workers),
      forecasts: known,
      outcome: try snapshot.outcome(purchases, length: inner, workers: workers),
      applied: applied,
      growth: PurchaseModelForecasts.growth(
        from: applied, to: forecasts, otherwise: Double(length) / Double(inner)))
  }

  private func learned(_ candidate: ValueCandidate, from inner: Inner) throws -> SnapshotForecast {
    let regression = try ValueRegression(
      candidate,
      RegressionInput(candidate, window: window, 0..<inner.snapshot.count, inner.forecasts),
      inner.features, days: inner.outcome.days, amounts: inner.outcome.amounts, workers: workers)
    var forecast = try regression.forecast(
      RegressionInput(candidate, window: window, 0..<outer.count, inner.applied), features,
      longest: inner.length, workers: workers)
    for row in 0..<outer.count {
      forecast.days[row] *= inner.growth[row]
      forecast.amounts[row] *= inner.growth[row]
    }
    return forecast
  }

  // MARK: - Churn

  /// How the risk holds that goes with the chosen one: fitted, and recalibrated, by the earlier
  /// split's outcome, and judged by what came after the later one.
  private func churnCalibration(
    _ chosen: ValueCandidate, _ churn: GeneralizedLinearModel?, _ inner: Inner?
  ) throws -> ProbabilityCalibration? {
    let kinds = chosen.purchaseModels
    guard let inner else {
      return kinds.isEmpty
        ? nil
        : ProbabilityCalibration(probabilities: forecasts.risks(kinds), happened: gone)
    }
    // The event that was learned: nothing in the inner length, here counted from the outer split.
    let happened = (0..<outer.count).map { place -> Double in
      let row = Int(outer.rows[place])
      return purchases.dayCount(row, from: length - inner.length, to: length) == 0 ? 1 : 0
    }
    if kinds.isEmpty {
      guard let churn else { return nil }
      let risk = try churn.predictions(
        ChurnModel.input(features).dayMatrix(features, workers), workers: workers)
      return ProbabilityCalibration(probabilities: risk, happened: happened)
    }
    let risks = forecasts.risks(kinds)
    let before = ProbabilityCalibration(probabilities: risks, happened: happened)
    let map = RiskCalibration(
      inner.forecasts.risks(kinds), happened: inner.outcome.days.values.map { $0 == 0 ? 1 : 0 })
    let after = ProbabilityCalibration(
      probabilities: risks.map { map($0) }, happened: happened, before: before.brier)
    return after.brier < before.brier ? after : before
  }

  /// 1 for customers who bought nothing in the holdout.
  private var gone: [Double] { outcome.days.values.map { $0 == 0 ? 1 : 0 } }

  /// What a risk of these models becomes, by the whole holdout's outcome.
  func riskCalibration(_ kinds: [PurchaseModelKind]) -> RiskCalibration {
    RiskCalibration(forecasts.risks(kinds), happened: gone)
  }
}

extension PurchaseModelForecasts {
  /// 1 − P(alive), the mean of the models.
  func risks(_ kinds: [PurchaseModelKind]) -> [Double] {
    let parts = kinds.compactMap { alive[$0] }
    return spend.indices.map { row in
      1 - parts.reduce(0) { $0 + $1[row] } / Double(parts.count)
    }
  }

  /// How much more is expected in the longer time, customer by customer: the mean of the models.
  static func growth(
    from short: PurchaseModelForecasts, to long: PurchaseModelForecasts, otherwise: Double
  ) -> [Double] {
    let kinds = PurchaseModelKind.allCases.filter {
      short.expected[$0] != nil && long.expected[$0] != nil
    }
    let count = short.spend.count
    var (before, after) = (
      [Double](repeating: 0, count: count), [Double](repeating: 0, count: count)
    )
    for kind in kinds {
      guard let a = short.expected[kind], let b = long.expected[kind] else { continue }
      for row in 0..<count {
        before[row] += a[row]
        after[row] += b[row]
      }
    }
    return zip(before, after).map { $0 > 1e-12 ? $1 / $0 : otherwise }
  }
}

/// The logistic model of "no purchase in the days after".
enum ChurnModel {
  static func input(_ features: SnapshotFeatures) -> RegressionInput {
    RegressionInput(.poisson, window: features.window, features.places, nil)
  }

  static func fit(
    _ features: SnapshotFeatures, _ days: Buffer<Double>, workers: Workers
  ) throws -> GeneralizedLinearModel {
    try GeneralizedLinearModel(
      .binomial, input(features).dayMatrix(features, workers),
      target: Buffer(days.values.map { $0 == 0 ? 1 : 0 }), workers: workers)
  }
}
