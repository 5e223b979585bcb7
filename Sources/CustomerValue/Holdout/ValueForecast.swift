import Columnar
import Features
import Sharding

/// What a value model says of every customer; NaN for those without a purchase.
package struct ValueForecast: Sendable {
  package let probabilityAlive: Buffer<Double>
  /// Purchase days to the horizon.
  package let expectedTransactions: Buffer<Double>
  /// Amount to the horizon × margin, undiscounted.
  package let expectedValue: Buffer<Double>
  /// The same, each month's part discounted from its end.
  package let clv: Buffer<Double>
  package let churnRisk: Buffer<Double>
  /// Index into `reasonNames`, −1 for customers without a purchase; nil where not asked for.
  package let reasons: Buffer<Int32>?
  /// The three features that moved a churn risk most, the strongest first; `+` raises it.
  package let reasonNames: [String]
  /// 1 where the model of the customer's group forecast, 0 where the base's did; nil without groups.
  package var isOfGroup: Buffer<Int32>?
}

extension ValueModel {
  /// - Parameter window: Of the fold that `purchases` come from: `windows(_:)`.
  /// - Complexity: O(cells × months) + O(rows).
  package func score(
    _ purchases: CustomerPurchases, horizon: ValueHorizon, reasons: Bool, workers: Workers
  ) throws -> ValueForecast {
    let base = try PurchaseSnapshot(purchases, age: 0, unit: timeUnit, workers: workers)
    let cells = try PurchaseCells(base.summary, workers: workers)
    let models = try purchaseModels()
    let spend = try self.spend()
    // P(alive) and the shape of time beyond the holdout: the chosen purchase models', else all.
    let own = candidate.purchaseModels
    let aliveModels = own.isEmpty ? models : models.filter { own.contains($0.kind) }
    let futures = try self.futures(aliveModels.map(\.model), cells, horizon, workers)
    let context = ScoringContext(
      purchases: purchases, base: base, cells: cells, models: models, spend: spend,
      horizon: horizon, futures: futures, workers: workers)
    let forecasts = try mean(candidate, context)
    let amounts =
      amountCandidate == candidate ? forecasts : try mean(amountCandidate, context)
    let input = ChurnModel.input(purchases, base, window: self.window)
    let risk: [Double]
    if let churn {
      risk = try churnRisks(churn, input, workers)
    } else {
      risk = (0..<base.count).map { 1 - futures[$0].x }
    }
    let told =
      try reasons
      ? self.reasons(base, cells, aliveModels.map(\.model), input, workers) : nil
    let size = purchases.customers
    return ValueForecast(
      probabilityAlive: base.spread(futures.values.map(\.x), over: size),
      expectedTransactions: base.spread(forecasts.days, over: size),
      expectedValue: base.spread(amounts.values, over: size),
      clv: base.spread(amounts.clvs, over: size),
      churnRisk: base.spread(risk, over: size),
      reasons: told.map { base.spread($0.codes, over: size) }, reasonNames: told?.names ?? [])
  }

  /// What every part of a forecast needs.
  private struct ScoringContext {
    let purchases: CustomerPurchases
    let base: PurchaseSnapshot
    let cells: PurchaseCells
    let models: [(kind: PurchaseModelKind, model: any PurchaseModel)]
    let spend: GammaGamma
    let horizon: ValueHorizon
    let futures: Buffer<SIMD4<Double>>
    let workers: Workers
  }

  /// Row by row of the snapshot, to the horizon.
  private struct HorizonForecast {
    var days: [Double]
    var values: [Double]
    var clvs: [Double]

    /// - Parameter row: Days, value and clv of a row.
    init(_ rows: Int, _ workers: Workers, _ row: @Sendable (Int) -> SIMD3<Double>) throws {
      let shards = Shards(rows: rows, rowsPerShard: 1 << 16)
      let parts = try workers.map(shards.count) { shard in shards[shard].map(row) }
      (days, values, clvs) = ([], [], [])
      days.reserveCapacity(rows)
      values.reserveCapacity(rows)
      clvs.reserveCapacity(rows)
      for part in parts {
        for value in part {
          days.append(value.x)
          values.append(value.y)
          clvs.append(value.z)
        }
      }
    }

    static func += (sum: inout HorizonForecast, other: HorizonForecast) {
      for row in sum.days.indices {
        sum.days[row] += other.days[row]
        sum.values[row] += other.values[row]
        sum.clvs[row] += other.clvs[row]
      }
    }
  }

  private func mean(
    _ candidate: ValueCandidate, _ context: ScoringContext
  ) throws -> HorizonForecast {
    var sum = try forecast(candidate.parts[0], context)
    for part in candidate.parts.dropFirst() { sum += try forecast(part, context) }
    let share = 1 / Double(candidate.parts.count)
    if candidate.parts.count > 1 {
      for row in sum.days.indices {
        sum.days[row] *= share
        sum.values[row] *= share
        sum.clvs[row] *= share
      }
    }
    return sum
  }

  private func forecast(
    _ part: ValueCandidate, _ context: ScoringContext
  ) throws -> HorizonForecast {
    let (base, horizon, workers) = (context.base, context.horizon, context.workers)
    let margin = horizon.margin
    if let kind = part.purchaseModel {
      let own =
        candidate == part
        ? context.futures
        : try futures(
          context.models.filter { $0.kind == kind }.map(\.model), context.cells, horizon, workers)
      let (summary, spend) = (base.summary, context.spend)
      return try HorizonForecast(base.count, workers) { row in
        let money =
          spend.expectedSpend(
            repeats: Double(summary.repeats[row]), meanSpend: summary.meanSpend?[row] ?? 0) * margin
        let future = own[row]
        return SIMD3(future.y, future.y * money, future.z * money)
      }
    }
    let window = Double(holdoutDays ?? 1) / timeUnit.days
    let near = try nearForecast(part, context)
    let futures = context.futures
    let linear = Self.linear(horizon, timeUnit, window)
    return try HorizonForecast(base.count, workers) { row in
      // The forecast of the holdout's length, stretched as the purchase models say.
      let future = futures[row]
      let (stretch, discounted) =
        future.w > 1e-12 ? (future.y / future.w, future.z / future.w) : linear
      return SIMD3(
        near.days[row] * stretch, near.amounts[row] * stretch * margin,
        near.amounts[row] * discounted * margin)
    }
  }

  /// Nobody leaves, every day is like the next: what a forecast of `window` becomes to the horizon.
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

  /// The mean of the models: P(alive), transactions to the horizon, discounted, in the holdout's
  /// length.
  private func futures(
    _ models: [any PurchaseModel], _ cells: PurchaseCells, _ horizon: ValueHorizon,
    _ workers: Workers
  ) throws -> Buffer<SIMD4<Double>> {
    let window = Double(holdoutDays ?? 1) / timeUnit.days
    var sum: Buffer<SIMD4<Double>>?
    for model in models {
      let next = try model.futures(cells, horizon: horizon, window: window, workers: workers)
      guard let known = sum else {
        sum = next
        continue
      }
      sum = Buffer(count: next.count) { target in
        for row in 0..<next.count {
          target.initializeElement(at: row, to: known.base[row] + next.base[row])
        }
      }
      withExtendedLifetime((known, next)) {}
    }
    guard let sum else { throw ModelParameterError.outOfRange("models", 0, "1 or more") }
    if models.count == 1 { return sum }
    let share = 1 / Double(models.count)
    return Buffer(count: sum.count) { target in
      for row in 0..<sum.count { target.initializeElement(at: row, to: sum[row] * share) }
    }
  }

  /// Of a rule or a regression, in the days after as-of that were held out in the fit.
  private func nearForecast(
    _ part: ValueCandidate, _ context: ScoringContext
  ) throws -> SnapshotForecast {
    let length = holdoutDays ?? Self.defaultHoldoutDays
    let (purchases, base, workers) = (context.purchases, context.base, context.workers)
    guard let regression = regressions[part.rawValue] else {
      return try SimpleRule.forecast(part, purchases, base, length: length, workers: workers)
    }
    let known =
      part.regressesOnModels
      ? try PurchaseModelForecasts(
        context.models, spend: context.spend, base, context.cells, length: length,
        workers: workers) : nil
    return try regression.forecast(
      RegressionInput(part, window: window, purchases, base, known), longest: length,
      workers: workers)
  }

  private func churnRisks(
    _ churn: GeneralizedLinearModel, _ input: RegressionInput, _ workers: Workers
  ) throws -> [Double] {
    let shards = Shards(rows: input.rows, rowsPerShard: 1 << 12)
    return try workers.map(shards.count) { shard in
      var row = [Double](repeating: 0, count: input.width)
      return row.withUnsafeMutableBufferPointer { row in
        shards[shard].map { place in
          input.write(place, to: row.baseAddress!)
          return churn.predict(row.baseAddress!)
        }
      }
    }.flatMap { $0 }
  }

  // MARK: - Reasons

  /// Three signed features in one number, 6 bits each.
  private static func code(_ moves: [Double]) -> Int32 {
    let order = moves.indices.sorted {
      (abs(moves[$0]), moves.count - $0) > (abs(moves[$1]), moves.count - $1)
    }
    var code: Int32 = 0
    for place in order.prefix(3) {
      code = code << 6 | Int32(place * 2 + (moves[place] >= 0 ? 0 : 1))
    }
    return code
  }

  private func reasons(
    _ base: PurchaseSnapshot, _ cells: PurchaseCells, _ models: [any PurchaseModel],
    _ input: RegressionInput, _ workers: Workers
  ) throws -> (codes: [Int32], names: [String]) {
    let features: [String]
    var codes: [Int32]
    if let churn {
      features = churn.names
      let shards = Shards(rows: input.rows, rowsPerShard: 1 << 12)
      codes = try workers.map(shards.count) { shard in
        var row = [Double](repeating: 0, count: input.width)
        return row.withUnsafeMutableBufferPointer { row in
          shards[shard].map { place in
            input.write(place, to: row.baseAddress!)
            return Self.code(
              features.indices.map {
                churn.coefficients[$0] * ((row[$0] - churn.centers[$0]) / churn.scales[$0])
              })
          }
        }
      }.flatMap { $0 }
    } else {
      features = ["frequency", "recency_days", "tenure_days"]
      let shards = Shards(rows: cells.count, rowsPerShard: 1 << 10)
      let perCell = try workers.map(shards.count) { shard in
        shards[shard].map { Self.code(moves(cells, $0, models)) }
      }.flatMap { $0 }
      codes = (0..<base.count).map { perCell[Int(cells.cellOfRow[$0])] }
    }
    let count = min(3, features.count)
    let used = Set(codes).sorted()
    let names = used.map { code in
      (0..<count).reversed().map { place -> String in
        let entry = Int(code >> Int32(6 * place)) & 63
        return features[entry / 2] + (entry % 2 == 0 ? "+" : "-")
      }.joined(separator: " ")
    }
    var rank: [Int32: Int32] = [:]
    for (place, code) in used.enumerated() { rank[code] = Int32(place) }
    codes = codes.map { rank[$0] ?? -1 }
    return (codes, names)
  }

  /// What the log-odds of being gone lose when a customer's frequency, time of the last purchase or
  /// time known is the base's typical one instead.
  private func moves(
    _ cells: PurchaseCells, _ cell: Int, _ models: [any PurchaseModel]
  ) -> [Double] {
    let (x, last, end) = (Double(cells.repeats[cell]), cells.recency[cell], cells.age[cell])
    func logOdds(_ x: Double, _ last: Double, _ end: Double) -> Double {
      let alive =
        models.reduce(0) {
          $0 + $1.probabilityAlive(repeats: x, recency: last, age: end)
        } / Double(models.count)
      let bounded = min(max(alive, 1e-12), 1 - 1e-12)
      return SpecialFunctions.log((1 - bounded) / bounded)
    }
    let now = logOdds(x, last, end)
    let silence = end - last
    let (typicalX, typicalLast, typicalEnd) = (typical[0], typical[1], typical[2])
    let typicalSilence = min(max(typicalEnd - typicalLast, 0), end)
    return [
      now - logOdds(typicalX, last, end),
      now - logOdds(x, end - typicalSilence, end),
      // The same silence at another age.
      now - logOdds(x, max(typicalEnd - silence, 0), max(typicalEnd, silence)),
    ]
  }
}

extension PurchaseSnapshot {
  /// A value per row of the base, NaN for customers who are not in the snapshot.
  func spread(_ values: [Double], over rows: Int) -> Buffer<Double> {
    Buffer(count: rows) { target in
      target.initialize(repeating: .nan)
      for (place, value) in values.enumerated() { target[Int(self.rows[place])] = value }
    }
  }

  func spread(_ codes: [Int32], over rows: Int) -> Buffer<Int32> {
    Buffer(count: rows) { target in
      target.initialize(repeating: -1)
      for (place, code) in codes.enumerated() { target[Int(self.rows[place])] = code }
    }
  }
}
