import Columnar
import Features
import Sharding

/// The two splits of a comparison, and what is fitted at them.
struct HoldoutSplit: Sendable {
  let purchases: CustomerPurchases
  let unit: PurchaseTimeUnit
  /// Days since 1970-01-01.
  let asOf: Int
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
    _ purchases: CustomerPurchases, length: Int, unit: PurchaseTimeUnit, asOf: Int,
    workers: Workers
  ) throws {
    let outer = try PurchaseSnapshot(
      purchases, age: length, unit: unit, limit: HoldoutComparison.sampleSize, workers: workers)
    guard outer.count > 0 else { return nil }
    self.purchases = purchases
    self.unit = unit
    self.asOf = asOf
    self.length = length
    self.workers = workers
    self.outer = outer
    outerCells = try PurchaseCells(outer.summary, workers: workers)
    models = try PurchaseModelSet(
      PurchaseModelKind.allCases, outer.summary, outerCells, workers: workers)
    forecasts = try models.forecasts(outer, outerCells, length: length, workers: workers)
    features = try SnapshotFeatures(outer, window: Self.window(of: length), workers: workers)
    outcome = try outer.outcome(length: length, workers: workers)
  }

  /// - Parameter length: Days.
  func forecasts(of models: PurchaseModelSet, length: Int) throws -> PurchaseModelForecasts {
    try models.forecasts(outer, outerCells, length: length, workers: workers)
  }

  /// - Parameter length: Days.
  func recurring(length: Int) throws -> RecurringColumns {
    try RecurringColumns(outer, asOf: asOf, length: length, workers: workers)
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

  /// Judges all candidates by what came after the split.
  ///
  /// - Parameters:
  ///   - asked: Chosen whatever it does; nil: the best one.
  ///   - base: Of a group: its base's model as it was at this split.
  /// - Returns: The comparison, and what was fitted for it on nothing that came after the split.
  func compare(
    choosing asked: ValueCandidate?, against base: BaseAtSplit? = nil
  ) throws -> (comparison: HoldoutComparison, fits: SplitFits) {
    let inner = try innerSplit()
    let fits = try SplitFits(models, inner, workers: workers)
    let own = try SplitForecasts(fits, forecasts, self)
    var all: [(name: ValueCandidate, forecast: SnapshotForecast)] = []
    for candidate in ValueCandidate.allCases where candidate.parts == [candidate] {
      if let forecast = try own.forecast(candidate) { all.append((candidate, forecast)) }
    }
    let known = Dictionary(uniqueKeysWithValues: all)
    all = ValueCandidate.allCases.compactMap { candidate in
      let parts = candidate.parts.compactMap { known[$0] }
      return parts.count == candidate.parts.count ? (candidate, .mean(parts)) : nil
    }
    let judge = HoldoutJudge(outcome)
    let judged = all
    let candidates = try workers.map(judged.count) { index in
      HoldoutComparison.Candidate(
        name: judged[index].name, days: judge.days(judged[index].forecast),
        amounts: judge.amounts(judged[index].forecast), notes: notes(judged[index].name))
    }
    let chosen = asked ?? candidates[HoldoutComparison.best(candidates.map(\.days))].name
    let chosenForAmounts =
      asked ?? candidates[HoldoutComparison.best(candidates.map(\.amounts))].name
    let rival = try base.map {
      try $0.judged(
        on: self, by: judge, days: candidates.first { $0.name == chosen }?.days,
        amounts: candidates.first { $0.name == chosenForAmounts }?.amounts)
    }
    let churn = try inner.map {
      try ChurnModel.fit($0.features, $0.outcome.days, workers: workers)
    }
    let comparison = HoldoutComparison(
      days: length, innerDays: inner?.length, customers: outer.count,
      actualDays: judge.actualDays.reduce(0, +), actualAmount: judge.actualAmounts.reduce(0, +),
      candidates: candidates, chosen: chosen, chosenForAmounts: chosenForAmounts, base: rival,
      churn: try churnCalibration(chosen, churn, inner))
    return (comparison, fits)
  }

  private func notes(_ candidate: ValueCandidate) -> [String] {
    candidate.purchaseModels.compactMap { kind in
      guard let fit = models.fit(kind), fit.status.kind != .converged else { return nil }
      return "\(kind.rawValue): \(fit.status.sentence)"
    }
  }

  // MARK: - The earlier split

  struct Inner {
    let length: Int
    let snapshot: PurchaseSnapshot
    let features: SnapshotFeatures
    let forecasts: PurchaseModelForecasts
    let recurring: RecurringColumns
    let outcome: (days: Buffer<Double>, amounts: Buffer<Double>)
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
    return Inner(
      length: inner, snapshot: snapshot,
      features: try SnapshotFeatures(snapshot, window: window, workers: workers),
      forecasts: try fitted.forecasts(snapshot, cells, length: inner, workers: workers),
      recurring: try RecurringColumns(snapshot, asOf: asOf, length: inner, workers: workers),
      outcome: try snapshot.outcome(length: inner, workers: workers))
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
      return outer.purchases.dayCount(row, from: length - inner.length, to: length) == 0 ? 1 : 0
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
