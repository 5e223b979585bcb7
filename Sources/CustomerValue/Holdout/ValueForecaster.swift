import Columnar
import Features
import Sharding

/// The purchase models of one snapshot, with the spend that goes with them.
package struct PurchaseModelSet: Sendable {
  package let fits: [PurchaseModelFit]
  package let spend: GammaGamma.SpendFit

  /// - Parameters:
  ///   - kinds: In ascending order of `allCases`.
  ///   - near: Fits of nearly the same customers, to start from.
  ///   - sample: Some of the kinds, and cells of fewer customers that they are fitted to.
  package init(
    _ kinds: [PurchaseModelKind], _ summary: PurchaseSummary, _ cells: PurchaseCells,
    near: PurchaseModelSet? = nil,
    sample: (kinds: [PurchaseModelKind], cells: PurchaseCells)? = nil, workers: Workers
  ) throws {
    fits = try kinds.map { kind in
      let few = sample.flatMap { $0.kinds.contains(kind) ? $0.cells : nil }
      return try kind.fit(
        few ?? cells, from: near?.fit(kind)?.startingPoint, workers: workers)
    }
    spend = try GammaGamma.fit(summary, workers: workers)
  }

  package func fit(_ kind: PurchaseModelKind) -> PurchaseModelFit? {
    fits.first { $0.kind == kind }
  }

  func forecasts(
    _ snapshot: PurchaseSnapshot, _ cells: PurchaseCells, length: Int, workers: Workers
  ) throws -> PurchaseModelForecasts {
    try PurchaseModelForecasts(
      fits.map { ($0.kind, $0.model) }, spend: spend.fit.model, snapshot, cells, length: length,
      workers: workers)
  }
}

/// Forecasts of a snapshot's customers: purchase days and amounts in the days after it.
struct SnapshotForecast: Sendable {
  var days: [Double]
  var amounts: [Double]

  /// Row by row; one part is itself.
  static func mean(_ parts: [SnapshotForecast]) -> SnapshotForecast {
    guard var sum = parts.first, parts.count > 1 else { return parts[0] }
    for part in parts.dropFirst() {
      for row in sum.days.indices {
        sum.days[row] += part.days[row]
        sum.amounts[row] += part.amounts[row]
      }
    }
    let share = 1 / Double(parts.count)
    for row in sum.days.indices {
      sum.days[row] *= share
      sum.amounts[row] *= share
    }
    return sum
  }
}

/// Purchase models' forecasts of a snapshot.
struct PurchaseModelForecasts: Sendable {
  /// By kind: expected purchase days, and P(alive).
  let expected: [PurchaseModelKind: [Double]]
  let alive: [PurchaseModelKind: [Double]]
  /// Expected amount a purchase.
  let spend: [Double]

  init(
    _ models: [(kind: PurchaseModelKind, model: any PurchaseModel)], spend: GammaGamma,
    _ snapshot: PurchaseSnapshot, _ cells: PurchaseCells, length: Int, workers: Workers
  ) throws {
    var expected: [PurchaseModelKind: [Double]] = [:]
    var alive: [PurchaseModelKind: [Double]] = [:]
    let horizon = try ValueHorizon(
      length: Double(length) / snapshot.summary.timeUnit.days, monthlyDiscount: 0)
    for (kind, model) in models {
      let scores = try model.score(
        snapshot.summary, cells, spend: nil, horizon: horizon, workers: workers)
      expected[kind] = Array(scores.expectedTransactions.values)
      alive[kind] = Array(scores.probabilityAlive.values)
    }
    self.expected = expected
    self.alive = alive
    self.spend = Self.spend(spend, snapshot.summary, 0..<snapshot.count)
  }

  /// Of what is known already of some places: x is P(alive), w the purchases expected in the
  /// forecasts' days.
  init(
    _ futures: [PurchaseModelKind: [SIMD4<Double>]], spend: GammaGamma,
    _ snapshot: PurchaseSnapshot, _ places: Range<Int>
  ) {
    // Key paths into vectors are looked up at run time, row by row; closures are inlined.
    expected = futures.mapValues { $0.map { $0.w } }
    alive = futures.mapValues { $0.map { $0.x } }
    self.spend = Self.spend(spend, snapshot.summary, places)
  }

  private static func spend(
    _ model: GammaGamma, _ summary: PurchaseSummary, _ places: Range<Int>
  ) -> [Double] {
    let means = summary.meanSpend
    return withExtendedLifetime((summary, means)) {
      places.map { row in
        model.expectedSpend(
          repeats: Double(summary.repeats.base[row]), meanSpend: means?.base[row] ?? 0)
      }
    }
  }

  /// Columns for a regression: the logarithms of the forecasts and the log-odds of being alive.
  func columns(withAlive: Bool) -> [(name: String, values: Buffer<Double>)] {
    var columns: [(name: String, values: Buffer<Double>)] = []
    for kind in PurchaseModelKind.allCases {
      guard let values = expected[kind], let alive = alive[kind] else { continue }
      // A hundredth of a purchase: below it forecasts do not differ in anything that matters.
      columns.append(
        ("log_\(kind.rawValue)", Buffer(values.map { SpecialFunctions.log($0 + 0.01) })))
      if withAlive { columns.append(("alive_\(kind.rawValue)", Buffer(alive))) }
    }
    return columns
  }

  func columnOfSpend() -> (name: String, values: Buffer<Double>) {
    ("log_spend", Buffer(spend.map { SpecialFunctions.log(max($0, 0) + 0.01) }))
  }
}

/// Regressions of one kind: of days and of amounts.
package struct ValueRegression: Sendable, Codable, Equatable {
  package let days: GeneralizedLinearModel
  package let amounts: GeneralizedLinearModel
  /// Of buying at all; the other two are then of buyers only.
  package let buying: GeneralizedLinearModel?

  /// - Parameter features: Of all rows of the input.
  init(
    _ candidate: ValueCandidate, _ input: RegressionInput, _ features: SnapshotFeatures,
    days: Buffer<Double>, amounts: Buffer<Double>, workers: Workers
  ) throws {
    let samples = try input.dayMatrix(features, workers)
    let amountSamples = try input.matrix(features, workers)
    if candidate == .hurdle {
      let bought = Buffer<Double>(days.values.map { $0 > 0 ? 1 : 0 })
      buying = try GeneralizedLinearModel(.binomial, samples, target: bought, workers: workers)
      self.days = try GeneralizedLinearModel(
        .poisson, samples, target: days, weights: bought, workers: workers)
      self.amounts = try GeneralizedLinearModel(
        .poisson, amountSamples, target: amounts, weights: bought, workers: workers)
    } else {
      let family: GeneralizedLinearModel.Family = candidate.isLinear ? .gaussian : .poisson
      buying = nil
      self.days = try GeneralizedLinearModel(family, samples, target: days, workers: workers)
      self.amounts = try GeneralizedLinearModel(
        family, amountSamples, target: amounts, workers: workers)
    }
  }

  /// Days and amount of a row of the input it was fitted on.
  @inline(__always)
  func forecast(_ row: UnsafePointer<Double>, longest: Int) -> SIMD2<Double> {
    let share = buying?.predict(row) ?? 1
    return SIMD2(min(share * days.predict(row), Double(longest)), share * amounts.predict(row))
  }

  /// - Parameter features: Of all rows of the input.
  func forecast(
    _ input: RegressionInput, _ features: SnapshotFeatures, longest: Int, workers: Workers
  ) throws -> SnapshotForecast {
    let shards = Shards(rows: input.rows, rowsPerShard: 1 << 12)
    var forecast = SnapshotForecast(days: [], amounts: [])
    (forecast.days, forecast.amounts) = (
      [Double](repeating: 0, count: input.rows), [Double](repeating: 0, count: input.rows)
    )
    try forecast.days.withUnsafeMutableBufferPointer { days in
      try forecast.amounts.withUnsafeMutableBufferPointer { amounts in
        nonisolated(unsafe) let (days, amounts) = (days, amounts)
        try workers.forEach(shards.count) { shard in
          withExtendedLifetime((input, features)) {
            withUnsafeTemporaryAllocation(of: Double.self, capacity: input.width) { row in
              for place in shards[shard] {
                input.write(place, features.row(place), to: row.baseAddress!)
                let value = self.forecast(row.baseAddress!, longest: longest)
                (days[place], amounts[place]) = (value.x, value.y)
              }
            }
          }
        }
      }
    }
    return forecast
  }
}

/// Rules without anything learned.
enum SimpleRule {
  static func forecast(
    _ candidate: ValueCandidate, _ purchases: CustomerPurchases, _ row: Int, age: Int, length: Int
  ) -> (days: Double, amount: Double) {
    let first = Int(purchases.firstAges.base[row])
    let days = Double(purchases.dayCount(row, from: age, to: first + 1))
    let tenure = Double(first - age)
    let window = Double(length)
    let mean = purchases.amount(row, from: age) / max(days, 1)
    switch candidate {
    case .rate:
      // All time is observed before a customer's first day: that day itself is no rate.
      let forecast = tenure > 0 ? (days - 1) / tenure * window : 0
      return (forecast, forecast * mean)
    case .lastWindow:
      return (
        Double(purchases.dayCount(row, from: age, to: age + length)),
        purchases.amount(row, from: age, to: age + length)
      )
    case .lastMonth:
      let forecast = Double(purchases.dayCount(row, from: age, to: age + 30)) * window / 30
      return (forecast, forecast * mean)
    default:
      guard tenure > 0 else { return (0, 0) }
      var weighted = 0.0
      purchases.forEachDay(row, from: age) { day in
        if day < first { weighted += SpecialFunctions.exp(-Double(day - age) / window) }
      }
      // Weight of a customer who bought every day since the first.
      let all = window * -SpecialFunctions.expm1(-tenure / window)
      let forecast = min(weighted / all * window, window)
      return (forecast, forecast * mean)
    }
  }

  static func forecast(
    _ candidate: ValueCandidate, _ snapshot: PurchaseSnapshot, length: Int, workers: Workers
  ) throws -> SnapshotForecast {
    let shards = Shards(rows: snapshot.count, rowsPerShard: 1 << 12)
    let all = try workers.map(shards.count) { shard in
      shards[shard].map { place in
        forecast(
          candidate, snapshot.purchases, Int(snapshot.rows.base[place]), age: snapshot.age,
          length: length)
      }
    }
    return SnapshotForecast(
      days: all.flatMap { $0.map { $0.days } }, amounts: all.flatMap { $0.map { $0.amount } })
  }
}
