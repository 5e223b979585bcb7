import Columnar
import Sharding

/// A fitted or given model of purchases: the common face of BG/NBD, MBG/NBD and Pareto/NBD.
package protocol PurchaseModel: Codable, Sendable {
  var timeUnit: PurchaseTimeUnit { get }

  /// The log-likelihood of a base at these parameters.
  func logLikelihood(_ cells: PurchaseCells, workers: Workers) throws -> Double

  /// What times are measured by: E[X(t) | alive] is smooth in ln(this + T).
  var timeScale: Double { get }

  /// P(not dropped out by T | x, t_x, T).
  func probabilityAlive(repeats: Double, recency: Double, age: Double) -> Double

  /// E[X(T, T + t) | alive at T, x, T] at each of `horizons`, ascending, into `result`; `scratch`
  /// is kept from call to call on one thread.
  func expectedIfAlive(
    repeats: Double, age: Double, horizons: [Double], scratch: inout SurvivingPurchases?,
    into result: inout [Double])
}

extension BetaGeometric: PurchaseModel {
  package var timeScale: Double { alpha }

  package func expectedIfAlive(
    repeats: Double, age: Double, horizons: [Double], scratch: inout SurvivingPurchases?,
    into result: inout [Double]
  ) {
    let survivors = b + repeats + chancesAtStart
    var future = scratch.take() ?? SurvivingPurchases(a: a, b: survivors)
    if future.b != survivors || future.a != a { future = SurvivingPurchases(a: a, b: survivors) }
    let perTime = 1 / (alpha + age)
    for index in horizons.indices {
      result[index] = future.expected(shape: r + repeats, exposure: horizons[index] * perTime)
    }
    scratch = future
  }
}

extension ParetoNBD: PurchaseModel {
  package var timeScale: Double { min(alpha, beta) }

  package func expectedIfAlive(
    repeats: Double, age: Double, horizons: [Double], scratch: inout SurvivingPurchases?,
    into result: inout [Double]
  ) {
    for index in horizons.indices {
      result[index] = expectedIfAlive(repeats: repeats, age: age, horizon: horizons[index])
    }
  }
}

/// How far ahead value is counted, and at what discount.
package struct ValueHorizon: Codable, Sendable, Equatable {
  /// In the model's time unit.
  package let length: Double
  /// Per month; 0.01 makes 12.7 % a year.
  package let monthlyDiscount: Double
  /// Share of spend that is earned.
  package let margin: Double

  /// - Throws: ``ModelParameterError``.
  package init(
    length: Double, monthlyDiscount: Double = 0.01, margin: Double = 1
  ) throws(ModelParameterError) {
    guard length >= 0, length <= 1e6 else {
      throw .outOfRange("horizon", length, "from 0 to 1,000,000 time units")
    }
    guard monthlyDiscount >= 0, monthlyDiscount <= 1 else {
      throw .outOfRange("monthly discount", monthlyDiscount, "from 0 to 1")
    }
    guard margin >= 0, margin <= 1 else { throw .outOfRange("margin", margin, "from 0 to 1") }
    self.length = length
    self.monthlyDiscount = monthlyDiscount
    self.margin = margin
  }

  /// Twelve months from now in `unit`.
  package static func year(
    _ unit: PurchaseTimeUnit, monthlyDiscount: Double = 0.01, margin: Double = 1
  ) throws(ModelParameterError) -> ValueHorizon {
    try ValueHorizon(
      length: 12 * unit.month, monthlyDiscount: monthlyDiscount, margin: margin)
  }

  /// Month ends up to the horizon and what money earned in that month is worth today; the last
  /// month may be short.
  func months(_ unit: PurchaseTimeUnit) -> (ends: [Double], factors: [Double]) {
    var ends: [Double] = []
    var factors: [Double] = []
    let perMonth = SpecialFunctions.log1p(monthlyDiscount)
    // Rounding must not leave a sliver of a month after the last one.
    let count = (length / unit.month - 1e-9).rounded(.up)
    for month in 1..<max(2, Int(count) + 1) {
      let end = min(Double(month) * unit.month, length)
      ends.append(month == Int(count) ? length : end)
      factors.append(SpecialFunctions.exp(-perMonth * min(Double(month), length / unit.month)))
    }
    return (ends, factors)
  }
}

/// What a base is expected to be worth, one value per customer; finite and ≥ 0 throughout.
package struct ValueScores: Sendable {
  package let probabilityAlive: Buffer<Double>
  package let expectedTransactions: Buffer<Double>
  /// Mean spend per purchase, given x and m; `nil` without a spend model.
  package let expectedSpend: Buffer<Double>?
  /// Expected transactions × expected spend × margin, undiscounted.
  package let expectedValue: Buffer<Double>?
  /// Σ over months of expected transactions × spend × margin, each discounted from its month's end.
  package let clv: Buffer<Double>?
}

extension PurchaseModel {
  /// Scores every customer: once per cell, then a look-up per row.
  /// - Parameter cells: Of `summary`.
  /// - Complexity: O(exposures × months × mean purchases) + O(cells) + O(rows).
  /// - Throws: ``Cancelled``.
  package func score(
    _ summary: PurchaseSummary, _ cells: PurchaseCells, spend: GammaGamma?, horizon: ValueHorizon,
    workers: Workers
  ) throws -> ValueScores {
    precondition(cells.customers == summary.count && cells.timeUnit == summary.timeUnit)
    precondition(summary.timeUnit == timeUnit, "the model counts time in \(timeUnit)")
    let futures = try exposureFutures(cells, horizon: horizon, workers: workers)
    let perCell = try cellScores(cells, futures, workers: workers)
    let rows = summary.count
    let shards = Shards(rows: rows, rowsPerShard: 1 << 16)
    let (alive, aliveRows) = Buffer<Double>.uninitialized(count: rows)
    let (expected, expectedRows) = Buffer<Double>.uninitialized(count: rows)
    nonisolated(unsafe) let (aliveOut, expectedOut) = (aliveRows, expectedRows)
    guard let spend, let means = summary.meanSpend else {
      try workers.forEach(shards.count) { shard in
        let cellOfRow = cells.cellOfRow.values
        for row in shards[shard] {
          let cell = perCell[Int(cellOfRow[row])]
          aliveOut.initializeElement(at: row, to: cell.x)
          expectedOut.initializeElement(at: row, to: cell.y)
        }
      }
      return ValueScores(
        probabilityAlive: alive, expectedTransactions: expected, expectedSpend: nil,
        expectedValue: nil, clv: nil)
    }
    let (perPurchase, spendRows) = Buffer<Double>.uninitialized(count: rows)
    let (value, valueRows) = Buffer<Double>.uninitialized(count: rows)
    let (clv, clvRows) = Buffer<Double>.uninitialized(count: rows)
    nonisolated(unsafe) let (spendOut, valueOut, clvOut) = (spendRows, valueRows, clvRows)
    try workers.forEach(shards.count) { shard in
      withExtendedLifetime((summary, cells, means, perCell)) {
        let (cellOfRow, repeats, means, perCell) =
          (cells.cellOfRow.base, summary.repeats.base, means.base, perCell.base)
        for row in shards[shard] {
          let cell = perCell[Int(cellOfRow[row])]
          let money = spend.expectedSpend(repeats: Double(repeats[row]), meanSpend: means[row])
          aliveOut.initializeElement(at: row, to: cell.x)
          expectedOut.initializeElement(at: row, to: cell.y)
          spendOut.initializeElement(at: row, to: money)
          valueOut.initializeElement(at: row, to: cell.y * money * horizon.margin)
          clvOut.initializeElement(at: row, to: cell.z * money * horizon.margin)
        }
      }
    }
    return ValueScores(
      probabilityAlive: alive, expectedTransactions: expected, expectedSpend: perPurchase,
      expectedValue: value, clv: clv)
  }

  /// Per cell: P(alive); expected transactions to the horizon, the same discounted by month, and
  /// those in the first `window`.
  package func futures(
    _ cells: PurchaseCells, horizon: ValueHorizon, window: Double, workers: Workers
  ) throws -> Buffer<SIMD4<Double>> {
    precondition(cells.timeUnit == timeUnit, "the model counts time in \(timeUnit)")
    let futures = try exposureFutures(cells, horizon: horizon, workers: workers)
    let near = try exposureFutures(
      cells, horizon: ValueHorizon(length: window, monthlyDiscount: 0), workers: workers)
    return try cellScores(cells, futures, near: near, workers: workers)
  }

  /// Per exposure, given alive: transactions to the horizon, and the same discounted by month.
  private func exposureFutures(
    _ cells: PurchaseCells, horizon: ValueHorizon, workers: Workers
  ) throws -> [SIMD2<Double>] {
    let (ends, factors) = horizon.months(timeUnit)
    if cells.isScattered {
      let curves = try ExposureCurves(self, cells, ends: ends, factors: factors, workers: workers)
      return try curves.futures(cells, workers: workers)
    }
    let shards = Shards(rows: cells.exposures.count, rowsPerShard: 256)
    return try workers.map(shards.count) { shard in
      var evaluation = FutureEvaluation(self, ends: ends, factors: factors)
      return shards[shard].map { exposure in
        let (repeats, age) = cells.exposures[exposure]
        return evaluation.future(repeats: Double(repeats), age: age)
      }
    }.flatMap { $0 }
  }

  /// Per cell: P(alive), expected transactions, expected discounted transactions, and those of `near`.
  private func cellScores(
    _ cells: PurchaseCells, _ futures: [SIMD2<Double>], near: [SIMD2<Double>]? = nil,
    workers: Workers
  ) throws -> Buffer<SIMD4<Double>> {
    let shards = Shards(rows: cells.count, rowsPerShard: 1 << 13)
    return try Buffer(count: cells.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        for cell in shards[shard] {
          let alive = probabilityAlive(
            repeats: Double(cells.repeats[cell]), recency: cells.recency[cell],
            age: cells.age[cell])
          let exposure = Int(cells.exposureOfCell[cell])
          let future = futures[exposure]
          let soon = near.map { alive * $0[exposure].x } ?? 0
          target.initializeElement(
            at: cell, to: SIMD4(alive, alive * future.x, alive * future.y, soon))
        }
      }
    }
  }
}
