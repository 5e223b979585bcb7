import Columnar
import Features
import Sharding

/// Scores a base in one pass over its rows: what purchase models, regressions and rules say of some
/// thousand customers stays in a core's cache until their forecast is put together, and only that is
/// kept. Memory met for the first time costs more here than most of the arithmetic.
struct ForecastPass: Sendable {
  private static let rowsPerShard = 1 << 11

  private let model: ValueModel
  private let base: PurchaseSnapshot
  private let cells: PurchaseCells
  private let horizon: ValueHorizon
  private let spend: GammaGamma
  /// Days that rules and regressions look ahead.
  private let length: Int
  /// Of each purchase model, by cell.
  private let futures: [PurchaseModelKind: Buffer<SIMD4<Double>>]
  /// Their mean gives P(alive) and the shape of time beyond the holdout.
  private let aliveKinds: [PurchaseModelKind]
  /// The parts of both forecasts that were learned.
  private let learned: [(part: ValueCandidate, regression: ValueRegression)]
  private let calendar: DueCalendar?
  /// Nobody leaves, every day is like the next: what a forecast of `length` days becomes to the
  /// horizon, plain and discounted.
  private let linear: (Double, Double)
  /// Of each cell, where the risk is no regression's; nil where reasons are not asked for.
  private let cellReasons: [Int32]?
  private let hasReasons: Bool

  init(
    _ model: ValueModel, _ known: PurchaseBase, asOf: Int, horizon: ValueHorizon, reasons: Bool,
    workers: Workers
  ) throws {
    (self.model, self.horizon) = (model, horizon)
    (base, cells) = (known.snapshot, known.cells)
    spend = try model.spend()
    let models = try model.purchaseModels()
    // The chosen purchase models', else all.
    let own = model.candidate.purchaseModels
    let alive = own.isEmpty ? models : models.filter { own.contains($0.kind) }
    guard !alive.isEmpty else { throw ModelParameterError.outOfRange("models", 0, "1 or more") }
    aliveKinds = alive.map(\.kind)
    let window = Double(model.holdoutDays ?? 1) / model.timeUnit.days
    var futures: [PurchaseModelKind: Buffer<SIMD4<Double>>] = [:]
    for (kind, model) in models {
      futures[kind] = try model.futures(
        cells, horizon: horizon, window: window, workers: workers)
    }
    self.futures = futures
    length = model.holdoutDays ?? ValueModel.defaultHoldoutDays
    learned = ValueCandidate.allCases.compactMap { part in
      guard
        model.candidate.parts.contains(part) || model.amountCandidate.parts.contains(part),
        let regression = model.regressions[part.rawValue]
      else { return nil }
      return (part, regression)
    }
    calendar =
      learned.contains { $0.part == .recurring }
      ? DueCalendar(asOf: asOf, age: 0, length: length) : nil
    linear = Self.linear(horizon, model.timeUnit, window)
    hasReasons = reasons
    cellReasons =
      try reasons && model.churn == nil
      ? model.reasons(cells, alive.map(\.model), workers) : nil
  }

  private static func linear(
    _ horizon: ValueHorizon, _ unit: PurchaseTimeUnit, _ window: Double
  ) -> (Double, Double) {
    let (ends, factors) = horizon.months(unit)
    var (before, discounted) = (0.0, 0.0)
    for (end, factor) in zip(ends, factors) {
      discounted += (end - before) * factor
      before = end
    }
    return (horizon.length / window, discounted / window)
  }

  // MARK: - All rows

  private struct Columns: @unchecked Sendable {
    let alive: UnsafeMutablePointer<Double>
    let transactions: UnsafeMutablePointer<Double>
    let value: UnsafeMutablePointer<Double>
    let clv: UnsafeMutablePointer<Double>
    let risk: UnsafeMutablePointer<Double>
    /// Not read where no reasons are asked for.
    let reasons: UnsafeMutablePointer<Int32>
  }

  func run(_ workers: Workers) throws -> ValueForecast {
    let rows = base.purchases.customers
    let made = (0..<5).map { _ in Buffer<Double>.uninitialized(count: rows) }
    let codes = Buffer<Int32>.uninitialized(count: hasReasons ? rows : 0)
    let numbers = made.map { $0.storage.baseAddress! }
    let columns = Columns(
      alive: numbers[0], transactions: numbers[1], value: numbers[2], clv: numbers[3],
      risk: numbers[4], reasons: codes.storage.baseAddress!)
    if base.count < rows {
      let all = Shards(rows: rows, rowsPerShard: 1 << 16)
      try workers.forEach(all.count) { blank(all[$0], columns) }
    }
    let shards = Shards(rows: base.count, rowsPerShard: Self.rowsPerShard)
    try workers.forEach(shards.count) { score(shards[$0], to: columns) }
    let names =
      try hasReasons
      ? ChurnReasons.name(
        codes.storage, model.churn?.names ?? ["frequency", "recency_days", "tenure_days"], workers)
      : []
    return ValueForecast(
      probabilityAlive: made[0].buffer, expectedTransactions: made[1].buffer,
      expectedValue: made[2].buffer, clv: made[3].buffer, churnRisk: made[4].buffer,
      reasons: hasReasons ? codes.buffer : nil, reasonNames: names)
  }

  /// What customers without a purchase have.
  private func blank(_ rows: Range<Int>, _ columns: Columns) {
    let all = [
      columns.alive, columns.transactions, columns.value, columns.clv, columns.risk,
    ]
    for column in all {
      (column + rows.lowerBound).initialize(repeating: .nan, count: rows.count)
    }
    if hasReasons {
      (columns.reasons + rows.lowerBound).initialize(repeating: -1, count: rows.count)
    }
  }

  // MARK: - Some rows

  /// What is known of some of the snapshot's customers, in order of their places.
  private struct Known {
    let places: Range<Int>
    let futuresOf: [PurchaseModelKind: [SIMD4<Double>]]
    /// The mean that P(alive) and the shape of time are taken from.
    let futures: [SIMD4<Double>]
    /// Days and amounts in `length` days, by learned part.
    var near: [ValueCandidate: [SIMD2<Double>]] = [:]
    /// Of the churn model; empty without one.
    var risks: [Double] = []
    var reasons: [Int32] = []
  }

  private func score(_ places: Range<Int>, to columns: Columns) {
    let cellOfRow = cells.cellOfRow.values[places]
    let futuresOf = futures.mapValues { futures in
      withExtendedLifetime(futures) { cellOfRow.map { futures.base[Int($0)] } }
    }
    var known = Known(
      places: places, futuresOf: futuresOf,
      futures: Self.mean(aliveKinds.map { futuresOf[$0] ?? [] }))
    addLearned(to: &known)
    let days = forecast(model.candidate, known)
    let amounts =
      model.amountCandidate == model.candidate ? days : forecast(model.amountCandidate, known)
    let calibration = model.riskCalibration
    for (index, place) in places.enumerated() {
      let row = Int(base.rows.base[place])
      let alive = known.futures[index].x
      columns.alive[row] = alive
      columns.transactions[row] = days[index].x
      columns.value[row] = amounts[index].y
      columns.clv[row] = amounts[index].z
      columns.risk[row] =
        known.risks.isEmpty ? calibration?(1 - alive) ?? 1 - alive : known.risks[index]
      guard hasReasons else { continue }
      columns.reasons[row] = cellReasons.map { $0[Int(cellOfRow[place])] } ?? known.reasons[index]
    }
  }

  /// The mean of several columns; one is itself.
  private static func mean(_ columns: [[SIMD4<Double>]]) -> [SIMD4<Double>] {
    guard var sum = columns.first, columns.count > 1 else { return columns[0] }
    for column in columns.dropFirst() {
      for row in sum.indices { sum[row] += column[row] }
    }
    let share = 1 / Double(columns.count)
    for row in sum.indices { sum[row] *= share }
    return sum
  }

  /// A customer's features are written once for all that look at them.
  private func addLearned(to known: inout Known) {
    guard !learned.isEmpty || model.churn != nil else { return }
    let places = known.places
    let features = SnapshotFeatures(base, places, window: model.window)
    let models =
      learned.contains(where: \.part.regressesOnModels)
      ? PurchaseModelForecasts(known.futuresOf, spend: spend, base, places) : nil
    let recurring = calendar.map { RecurringColumns(base, places, $0) }
    for (part, regression) in learned {
      let input = RegressionInput(part, window: model.window, places, models, recurring)
      known.near[part] = withUnsafeTemporaryAllocation(of: Double.self, capacity: input.width) {
        row in
        places.map { place in
          input.write(place, features.row(place), to: row.baseAddress!)
          return regression.forecast(row.baseAddress!, longest: length)
        }
      }
    }
    guard let churn = model.churn else { return }
    // The churn model's features are the first ones.
    known.risks = places.map { churn.predict(features.row($0)) }
    if hasReasons {
      known.reasons = places.map { ChurnReasons.code(of: churn, features.row($0)) }
    }
  }

  /// Days, value and clv to the horizon.
  private func forecast(_ candidate: ValueCandidate, _ known: Known) -> [SIMD4<Double>] {
    Self.mean(candidate.parts.map { forecast(part: $0, known) })
  }

  private func forecast(part: ValueCandidate, _ known: Known) -> [SIMD4<Double>] {
    let margin = horizon.margin
    if let own = part.purchaseModel.flatMap({ known.futuresOf[$0] }) {
      let (summary, means) = (base.summary, base.summary.meanSpend)
      return withExtendedLifetime((summary, means)) {
        zip(known.places, own).map { place, future in
          let money =
            spend.expectedSpend(
              repeats: Double(summary.repeats.base[place]), meanSpend: means?.base[place] ?? 0)
            * margin
          return SIMD4(future.y, future.y * money, future.z * money, 0)
        }
      }
    }
    // In the days after as-of that were held out in the fit.
    let near =
      known.near[part]
      ?? known.places.map { place in
        let (days, amount) = SimpleRule.forecast(
          part, base.purchases, Int(base.rows.base[place]), age: base.age, length: length)
        return SIMD2(days, amount)
      }
    return zip(known.futures, near).map { future, near in
      // The forecast of the holdout's length, stretched as the purchase models say.
      let (stretch, discounted) =
        future.w > 1e-12 ? (future.y / future.w, future.z / future.w) : linear
      return SIMD4(
        near.x * stretch, near.y * stretch * margin, near.y * discounted * margin, 0)
    }
  }
}
