import Columnar
import Features
import Sharding

/// The purchase models of one snapshot, with the spend that goes with them.
package struct PurchaseModelSet: Sendable {
  package let fits: [PurchaseModelFit]
  package let spend: GammaGamma.SpendFit

  /// - Parameter kinds: In ascending order of `allCases`.
  package init(
    _ kinds: [PurchaseModelKind], _ summary: PurchaseSummary, _ cells: PurchaseCells,
    workers: Workers
  ) throws {
    fits = try kinds.map { try $0.fit(cells, workers: workers) }
    spend = try GammaGamma.fit(summary, workers: workers)
  }

  package func fit(_ kind: PurchaseModelKind) -> PurchaseModelFit? {
    fits.first { $0.kind == kind }
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
    let summary = snapshot.summary
    self.spend = (0..<snapshot.count).map { row in
      spend.expectedSpend(
        repeats: Double(summary.repeats[row]), meanSpend: summary.meanSpend?[row] ?? 0)
    }
  }

  /// Columns for a regression: the logarithms of the forecasts and the log-odds of being alive.
  func columns(withAlive: Bool) -> [(name: String, values: [Double])] {
    var columns: [(name: String, values: [Double])] = []
    for kind in PurchaseModelKind.allCases {
      guard let values = expected[kind], let alive = alive[kind] else { continue }
      // A hundredth of a purchase: below it forecasts do not differ in anything that matters.
      columns.append(
        ("log_\(kind.rawValue)", values.map { SpecialFunctions.log($0 + 0.01) }))
      if withAlive { columns.append(("alive_\(kind.rawValue)", alive)) }
    }
    return columns
  }

  func columnOfSpend() -> (name: String, values: [Double]) {
    ("log_spend", spend.map { SpecialFunctions.log(max($0, 0) + 0.01) })
  }
}

/// Regressions of one kind: of days and of amounts.
package struct ValueRegression: Sendable, Codable, Equatable {
  package let days: GeneralizedLinearModel
  package let amounts: GeneralizedLinearModel
  /// Of buying at all; the other two are then of buyers only.
  package let buying: GeneralizedLinearModel?

  init(
    _ candidate: ValueCandidate, _ input: RegressionInput, days: Buffer<Double>,
    amounts: Buffer<Double>, workers: Workers
  ) throws {
    let samples = try input.dayMatrix(workers)
    let amountSamples = try input.matrix(workers)
    if candidate == .hurdle {
      let bought = Buffer<Double>(days.values.map { $0 > 0 ? 1 : 0 })
      buying = try GeneralizedLinearModel(.binomial, samples, target: bought, workers: workers)
      self.days = try GeneralizedLinearModel(
        .poisson, samples, target: days, weights: bought, workers: workers)
      self.amounts = try GeneralizedLinearModel(
        .poisson, amountSamples, target: amounts, weights: bought, workers: workers)
    } else {
      let family: GeneralizedLinearModel.Family = candidate == .ridge ? .gaussian : .poisson
      buying = nil
      self.days = try GeneralizedLinearModel(family, samples, target: days, workers: workers)
      self.amounts = try GeneralizedLinearModel(
        family, amountSamples, target: amounts, workers: workers)
    }
  }

  func forecast(_ input: RegressionInput, longest: Int, workers: Workers) throws
    -> SnapshotForecast
  {
    let shards = Shards(rows: input.rows, rowsPerShard: 1 << 12)
    let parts = try workers.map(shards.count) { shard -> [SIMD2<Double>] in
      var row = [Double](repeating: 0, count: input.width)
      return row.withUnsafeMutableBufferPointer { row in
        let row = row.baseAddress!
        return shards[shard].map { place in
          input.write(place, to: row)
          let share = buying?.predict(row) ?? 1
          return SIMD2(
            min(share * days.predict(row), Double(longest)), share * amounts.predict(row))
        }
      }
    }
    var forecast = SnapshotForecast(days: [], amounts: [])
    forecast.days.reserveCapacity(input.rows)
    forecast.amounts.reserveCapacity(input.rows)
    for part in parts {
      for value in part {
        forecast.days.append(value.x)
        forecast.amounts.append(value.y)
      }
    }
    return forecast
  }
}

/// What a regression sees of a snapshot's customers; one row is built at a time, as a whole base's
/// would not fit in memory. First what days are forecast by, then what amounts need beside it.
struct RegressionInput: Sendable {
  let features: PurchaseFeatures?
  let dayColumns: [(name: String, values: [Double])]
  let amountColumns: [(name: String, values: [Double])]
  let purchases: CustomerPurchases
  let snapshot: PurchaseSnapshot

  init(
    _ candidate: ValueCandidate, window: Int, _ purchases: CustomerPurchases,
    _ snapshot: PurchaseSnapshot, _ models: PurchaseModelForecasts?
  ) {
    features =
      candidate == .recalibrated
      ? nil : PurchaseFeatures(window: window, hasRates: candidate == .ridge)
    if let models, candidate.regressesOnModels {
      dayColumns = models.columns(withAlive: candidate == .hybrid)
      amountColumns = [models.columnOfSpend()]
    } else {
      dayColumns = []
      amountColumns = []
    }
    self.purchases = purchases
    self.snapshot = snapshot
  }

  var rows: Int { snapshot.count }
  var dayNames: [String] { (features?.dayNames ?? []) + dayColumns.map(\.name) }
  var names: [String] { dayNames + amountColumns.map(\.name) + (features?.amountNames ?? []) }
  var width: Int { max(names.count, 1) }

  /// Of a row: `names` in order.
  @inline(__always)
  func write(_ place: Int, to row: UnsafeMutablePointer<Double>) {
    var column = features?.dayCount ?? 0
    for extra in dayColumns {
      row[column] = extra.values[place]
      column += 1
    }
    for extra in amountColumns {
      row[column] = extra.values[place]
      column += 1
    }
    features?.write(
      purchases, Int(snapshot.rows.base[place]), age: snapshot.age, to: row,
      amounts: row + column)
  }

  func matrix(_ workers: Workers) throws -> DesignMatrix { try matrix(names, workers) }

  /// Without what only amounts need.
  func dayMatrix(_ workers: Workers) throws -> DesignMatrix { try matrix(dayNames, workers) }

  /// - Parameter names: The first ones.
  private func matrix(_ names: [String], _ workers: Workers) throws -> DesignMatrix {
    let shards = Shards(rows: rows, rowsPerShard: 1 << 12)
    let (width, kept) = (self.width, names.count)
    let values = try Buffer<Double>(count: rows * kept) { target in
      nonisolated(unsafe) let target = target.baseAddress!
      try workers.forEach(shards.count) { shard in
        var row = [Double](repeating: 0, count: width)
        row.withUnsafeMutableBufferPointer { row in
          for place in shards[shard] {
            write(place, to: row.baseAddress!)
            (target + place * kept).update(from: row.baseAddress!, count: kept)
          }
        }
      }
    }
    return DesignMatrix(names: names, rows: rows, values: values)
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
    _ candidate: ValueCandidate, _ purchases: CustomerPurchases, _ snapshot: PurchaseSnapshot,
    length: Int, workers: Workers
  ) throws -> SnapshotForecast {
    let shards = Shards(rows: snapshot.count, rowsPerShard: 1 << 12)
    let parts = try workers.map(shards.count) { shard in
      shards[shard].map {
        forecast(
          candidate, purchases, Int(snapshot.rows.base[$0]), age: snapshot.age, length: length)
      }
    }
    let all = parts.flatMap { $0 }
    return SnapshotForecast(days: all.map(\.days), amounts: all.map(\.amount))
  }
}
