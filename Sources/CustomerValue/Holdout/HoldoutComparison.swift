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
  package let chosen: ValueCandidate
  /// Of the churn risk that goes with the chosen one, against "no purchase in the holdout".
  package let churn: ProbabilityCalibration?

  package struct Candidate: Sendable, Codable, Equatable {
    package let name: ValueCandidate
    /// Of purchase days.
    package let days: HoldoutMetrics
    package let amounts: HoldoutMetrics
    /// Mean of both absolute errors, each over the least of all candidates': lowest wins.
    package let score: Double
    /// Off by so much in total, of days or of amounts, that it is not chosen.
    package let isBiased: Bool
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
    var forecasts: [(ValueCandidate, SnapshotForecast)] = []
    for candidate in ValueCandidate.allCases where !candidate.isRegression {
      forecasts.append((candidate, try forecast(candidate)))
    }
    let inner = try innerSplit()
    var churn: GeneralizedLinearModel?
    if let inner {
      for candidate in ValueCandidate.allCases where candidate.isRegression {
        forecasts.append((candidate, try learned(candidate, from: inner)))
      }
      churn = try ChurnModel.fit(
        purchases, inner.snapshot, inner.outcome.days, window: window, workers: workers)
    }
    let (days, amounts) = (Array(outcome.days.values), Array(outcome.amounts.values))
    let all = forecasts
    let metrics = try workers.map(all.count) { index in
      (
        HoldoutMetrics(predicted: all[index].1.days, actual: days),
        HoldoutMetrics(predicted: all[index].1.amounts, actual: amounts)
      )
    }
    let leastDays = metrics.map(\.0.meanAbsoluteError).min() ?? 0
    let leastAmounts = metrics.map(\.1.meanAbsoluteError).min() ?? 0
    let candidates = zip(all, metrics).map { entry, metrics in
      HoldoutComparison.Candidate(
        name: entry.0, days: metrics.0, amounts: metrics.1,
        score: 0.5
          * (Self.ratio(metrics.0.meanAbsoluteError, leastDays)
            + Self.ratio(metrics.1.meanAbsoluteError, leastAmounts)),
        isBiased: [metrics.0, metrics.1].contains {
          abs($0.totalError ?? 0) > HoldoutComparison.largestTotalError
        },
        notes: notes(entry.0))
    }.sorted { Self.order($0.name) < Self.order($1.name) }
    let usable = candidates.filter { !$0.isBiased }
    // With every total off, the nearest one is the least evil.
    let best =
      usable.isEmpty
      ? candidates.min { abs($0.days.totalError ?? 0) < abs($1.days.totalError ?? 0) }
      : usable.min { $0.score < $1.score }
    guard let chosen = asked ?? best?.name else { preconditionFailure("there are candidates") }
    return HoldoutComparison(
      days: length, innerDays: inner?.length, customers: outer.count,
      actualDays: days.reduce(0, +), actualAmount: amounts.reduce(0, +), candidates: candidates,
      chosen: chosen, churn: try churnCalibration(chosen, churn, inner?.length))
  }

  private static func ratio(_ value: Double, _ least: Double) -> Double {
    least > 0 ? value / least : value == 0 ? 1 : .greatestFiniteMagnitude
  }

  private static func order(_ candidate: ValueCandidate) -> Int {
    ValueCandidate.allCases.firstIndex(of: candidate) ?? 0
  }

  private func notes(_ candidate: ValueCandidate) -> [String] {
    candidate.purchaseModels.compactMap { kind in
      guard let fit = models.fit(kind), fit.status.kind != .converged else { return nil }
      return "\(kind.rawValue): \(fit.status.sentence)"
    }
  }

  private func forecast(_ candidate: ValueCandidate) throws -> SnapshotForecast {
    guard !candidate.purchaseModels.isEmpty else {
      return try SimpleRule.forecast(
        candidate, purchases, outer, length: length, workers: workers)
    }
    let parts = candidate.purchaseModels.compactMap { forecasts.expected[$0] }
    let days = (0..<outer.count).map { row in
      parts.reduce(0) { $0 + $1[row] } / Double(parts.count)
    }
    return SnapshotForecast(days: days, amounts: zip(days, forecasts.spend).map(*))
  }

  // MARK: - The earlier split

  struct Inner {
    let length: Int
    let snapshot: PurchaseSnapshot
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
      PurchaseModelKind.allCases, snapshot.summary, cells, workers: workers)
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
      length: inner, snapshot: snapshot, forecasts: known,
      outcome: try snapshot.outcome(purchases, length: inner, workers: workers),
      applied: applied,
      growth: PurchaseModelForecasts.growth(
        from: applied, to: forecasts, otherwise: Double(length) / Double(inner)))
  }

  private func learned(_ candidate: ValueCandidate, from inner: Inner) throws -> SnapshotForecast {
    let input = RegressionInput(
      candidate, window: window, purchases, inner.snapshot, inner.forecasts)
    let regression = try ValueRegression(
      candidate, input, days: inner.outcome.days, amounts: inner.outcome.amounts, workers: workers)
    var forecast = try regression.forecast(
      RegressionInput(candidate, window: window, purchases, outer, inner.applied),
      longest: inner.length, workers: workers)
    for row in 0..<outer.count {
      forecast.days[row] *= inner.growth[row]
      forecast.amounts[row] *= inner.growth[row]
    }
    return forecast
  }

  // MARK: - Churn

  private func churnCalibration(
    _ chosen: ValueCandidate, _ churn: GeneralizedLinearModel?, _ innerLength: Int?
  ) throws -> ProbabilityCalibration? {
    if !chosen.purchaseModels.isEmpty {
      let parts = chosen.purchaseModels.compactMap { forecasts.alive[$0] }
      let risk = (0..<outer.count).map { row in
        1 - parts.reduce(0) { $0 + $1[row] } / Double(parts.count)
      }
      return ProbabilityCalibration(
        probabilities: risk, happened: outcome.days.values.map { $0 == 0 ? 1 : 0 })
    }
    guard let churn, let innerLength else { return nil }
    // The event it learned: nothing in the inner length, here counted from the outer split.
    let gone = (0..<outer.count).map { place -> Double in
      let row = Int(outer.rows[place])
      return purchases.dayCount(row, from: length - innerLength, to: length) == 0 ? 1 : 0
    }
    let risk = try churn.predictions(
      ChurnModel.input(purchases, outer, window: window).matrix(workers), workers: workers)
    return ProbabilityCalibration(probabilities: risk, happened: gone)
  }
}

extension PurchaseModelForecasts {
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
  static func input(
    _ purchases: CustomerPurchases, _ snapshot: PurchaseSnapshot, window: Int
  ) -> RegressionInput {
    RegressionInput(.poisson, window: window, purchases, snapshot, nil)
  }

  static func fit(
    _ purchases: CustomerPurchases, _ snapshot: PurchaseSnapshot, _ days: Buffer<Double>,
    window: Int, workers: Workers
  ) throws -> GeneralizedLinearModel {
    try GeneralizedLinearModel(
      .binomial, input(purchases, snapshot, window: window).matrix(workers),
      target: Buffer(days.values.map { $0 == 0 ? 1 : 0 }), workers: workers)
  }
}
