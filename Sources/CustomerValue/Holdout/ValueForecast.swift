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
  /// Raw values of ``ValueGroups/Forecaster``: whose model forecast; nil without groups.
  package var groupFits: Buffer<Int32>?
}

extension ValueModel {
  /// - Parameters:
  ///   - purchases: Of a fold with the windows of `windows(_:)`.
  ///   - asOf: Days since 1970-01-01.
  /// - Complexity: O(cells × months) + O(rows).
  package func score(
    _ purchases: CustomerPurchases, _ known: PurchaseBase? = nil, asOf: Int,
    horizon: ValueHorizon, reasons: Bool, workers: Workers
  ) throws -> ValueForecast {
    let known = try known ?? PurchaseBase(purchases, unit: timeUnit, workers: workers)
    let (base, cells) = (known.snapshot, known.cells)
    precondition(base.summary.timeUnit == timeUnit, "a base in the model's unit")
    let models = try purchaseModels()
    let spend = try self.spend()
    // P(alive) and the shape of time beyond the holdout: the chosen purchase models', else all.
    let own = candidate.purchaseModels
    let aliveModels = own.isEmpty ? models : models.filter { own.contains($0.kind) }
    var byKind: [PurchaseModelKind: Buffer<SIMD4<Double>>] = [:]
    for (kind, model) in models {
      byKind[kind] = try self.futures(model, cells, horizon, workers)
    }
    let futures = try Self.mean(aliveModels.compactMap { byKind[$0.kind] }, workers)
    let context = ScoringContext(
      purchases: purchases, asOf: asOf, base: base, cells: cells, spend: spend, horizon: horizon,
      futuresOf: byKind, futures: futures, workers: workers)
    let told = try told(context, reasons: reasons)
    let forecasts = try mean(candidate, context, told)
    let amounts =
      amountCandidate == candidate ? forecasts : try mean(amountCandidate, context, told)
    let calibration = riskCalibration
    let hasRisks = churn != nil
    let named =
      try reasons
      ? churn.map { Self.named(told.codes, $0.names) }
        ?? self.reasons(base, cells, aliveModels.map(\.model), workers) : nil
    let size = purchases.customers
    func spread<Value>(
      otherwise: Value = .nan, _ value: @Sendable (Int) -> Value
    ) throws -> Buffer<Value> where Value: BinaryFloatingPoint & BitwiseCopyable & Sendable {
      try base.spread(over: size, otherwise: otherwise, workers: workers, value)
    }
    // The closures keep what they point into.
    return ValueForecast(
      probabilityAlive: try spread { futures.base[$0].x },
      expectedTransactions: try spread { forecasts.days.base[$0] },
      expectedValue: try spread { amounts.values.base[$0] },
      clv: try spread { amounts.clvs.base[$0] },
      churnRisk: try spread { row in
        if hasRisks { return told.risks.base[row] }
        let risk = 1 - futures.base[row].x
        return calibration?(risk) ?? risk
      },
      reasons: try named.map { named in
        try base.spread(over: size, otherwise: -1, workers: workers) { named.codes.base[$0] }
      }, reasonNames: named?.names ?? [])
  }

  /// What every part of a forecast needs.
  private struct ScoringContext {
    let purchases: CustomerPurchases
    let asOf: Int
    let base: PurchaseSnapshot
    let cells: PurchaseCells
    let spend: GammaGamma
    let horizon: ValueHorizon
    /// Of each purchase model, and the mean that P(alive) and the shape of time are taken from.
    let futuresOf: [PurchaseModelKind: Buffer<SIMD4<Double>>]
    let futures: Buffer<SIMD4<Double>>
    let workers: Workers
  }

  /// Row by row of the snapshot, to the horizon.
  private struct HorizonForecast: Sendable {
    let days: Buffer<Double>
    let values: Buffer<Double>
    let clvs: Buffer<Double>

    /// - Parameter row: Days, value and clv of a row.
    init(_ rows: Int, _ workers: Workers, _ row: @Sendable (Int) -> SIMD3<Double>) throws {
      let (days, dayRows) = Buffer<Double>.uninitialized(count: rows)
      let (values, valueRows) = Buffer<Double>.uninitialized(count: rows)
      let (clvs, clvRows) = Buffer<Double>.uninitialized(count: rows)
      nonisolated(unsafe) let target = (dayRows, valueRows, clvRows)
      let shards = Shards(rows: rows, rowsPerShard: 1 << 14)
      try workers.forEach(shards.count) { shard in
        for place in shards[shard] {
          let forecast = row(place)
          target.0.initializeElement(at: place, to: forecast.x)
          target.1.initializeElement(at: place, to: forecast.y)
          target.2.initializeElement(at: place, to: forecast.z)
        }
      }
      (self.days, self.values, self.clvs) = (days, values, clvs)
    }

    /// The mean of several forecasts.
    init(_ parts: [HorizonForecast], _ workers: Workers) throws {
      func mean(_ columns: [Buffer<Double>]) throws -> Buffer<Double> {
        let share = 1 / Double(columns.count)
        let rows = columns[0].count
        let shards = Shards(rows: rows, rowsPerShard: 1 << 14)
        return try Buffer(count: rows) { target in
          nonisolated(unsafe) let target = target
          try workers.forEach(shards.count) { shard in
            for (place, column) in columns.enumerated() {
              let values = column.values
              for row in shards[shard] {
                target[row] = place == 0 ? values[row] : target[row] + values[row]
              }
            }
            for row in shards[shard] { target[row] *= share }
          }
        }
      }
      days = try mean(parts.map(\.days))
      values = try mean(parts.map(\.values))
      clvs = try mean(parts.map(\.clvs))
    }
  }

  private func mean(
    _ candidate: ValueCandidate, _ context: ScoringContext, _ told: ToldByFeatures
  ) throws -> HorizonForecast {
    let parts = try candidate.parts.map { try forecast($0, context, told) }
    return parts.count == 1 ? parts[0] : try HorizonForecast(parts, context.workers)
  }

  private func forecast(
    _ part: ValueCandidate, _ context: ScoringContext, _ told: ToldByFeatures
  ) throws -> HorizonForecast {
    let (base, horizon, workers) = (context.base, context.horizon, context.workers)
    let margin = horizon.margin
    if let own = part.purchaseModel.flatMap({ context.futuresOf[$0] }) {
      let (summary, spend) = (base.summary, context.spend)
      let means = summary.meanSpend
      // The closure keeps what it points into.
      return try HorizonForecast(base.count, workers) { row in
        let money =
          spend.expectedSpend(
            repeats: Double(summary.repeats.base[row]), meanSpend: means?.base[row] ?? 0) * margin
        let future = own.base[row]
        return SIMD3(future.y, future.y * money, future.z * money)
      }
    }
    let window = Double(holdoutDays ?? 1) / timeUnit.days
    // In the days after as-of that were held out in the fit.
    let near =
      try told.near[part]
      ?? SimpleRule.forecasts(
        part, context.purchases, base, length: holdoutDays ?? Self.defaultHoldoutDays,
        workers: workers)
    let futures = context.futures
    let linear = Self.linear(horizon, timeUnit, window)
    return try HorizonForecast(base.count, workers) { row in
      // The forecast of the holdout's length, stretched as the purchase models say.
      let (future, near) = (futures.base[row], near.base[row])
      let (stretch, discounted) =
        future.w > 1e-12 ? (future.y / future.w, future.z / future.w) : linear
      return SIMD3(
        near.x * stretch, near.y * stretch * margin, near.y * discounted * margin)
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

  /// P(alive), transactions to the horizon, discounted, in the holdout's length.
  private func futures(
    _ model: any PurchaseModel, _ cells: PurchaseCells, _ horizon: ValueHorizon,
    _ workers: Workers
  ) throws -> Buffer<SIMD4<Double>> {
    try model.futures(
      cells, horizon: horizon, window: Double(holdoutDays ?? 1) / timeUnit.days, workers: workers)
  }

  private static func mean(
    _ futures: [Buffer<SIMD4<Double>>], _ workers: Workers
  ) throws -> Buffer<SIMD4<Double>> {
    guard let first = futures.first else {
      throw ModelParameterError.outOfRange("models", 0, "1 or more")
    }
    if futures.count == 1 { return first }
    let share = 1 / Double(futures.count)
    let (buffer, storage) = Buffer<SIMD4<Double>>.uninitialized(count: first.count)
    nonisolated(unsafe) let target = storage
    let shards = Shards(rows: first.count, rowsPerShard: 1 << 14)
    try workers.forEach(shards.count) { shard in
      for (place, part) in futures.enumerated() {
        let values = part.values
        for row in shards[shard] {
          target[row] = place == 0 ? values[row] : target[row] + values[row]
        }
      }
      for row in shards[shard] { target[row] *= share }
    }
    return buffer
  }

  // MARK: - Features

  /// What regressions and the churn model say, row by row.
  private struct ToldByFeatures {
    /// Days and amounts in the holdout's length.
    var near: [ValueCandidate: Buffer<SIMD2<Double>>] = [:]
    var risks = Buffer<Double>([])
    var codes = Buffer<Int32>([])
  }

  /// One pass over the rows: a customer's features are written once for all that look at them.
  private func told(_ context: ScoringContext, reasons: Bool) throws -> ToldByFeatures {
    let base = context.base
    let parts = ValueCandidate.allCases.filter { part in
      regressions[part.rawValue] != nil
        && (candidate.parts.contains(part) || amountCandidate.parts.contains(part))
    }
    guard !parts.isEmpty || churn != nil else { return ToldByFeatures() }
    let needsModels = parts.contains(where: \.regressesOnModels)
    let models = parts.compactMap { regressions[$0.rawValue] }
    let length = holdoutDays ?? Self.defaultHoldoutDays
    let calendar =
      parts.contains(.recurring) ? DueCalendar(asOf: context.asOf, age: 0, length: length) : nil
    let (near, nearRows) = Buffer<SIMD2<Double>>.uninitialized(count: parts.count * base.count)
    let (risks, riskRows) = Buffer<Double>.uninitialized(count: churn == nil ? 0 : base.count)
    let (codes, codeRows) = Buffer<Int32>.uninitialized(
      count: churn != nil && reasons ? base.count : 0)
    nonisolated(unsafe) let target = (nearRows, riskRows, codeRows)
    let shards = Shards(rows: base.count, rowsPerShard: 1 << 12)
    try context.workers.forEach(shards.count) { shard in
      let features = SnapshotFeatures(context.purchases, base, shards[shard], window: window)
      let known =
        needsModels
        ? PurchaseModelForecasts(context.futuresOf, spend: context.spend, base, shards[shard]) : nil
      let recurring = calendar.map {
        RecurringColumns(context.purchases, base, shards[shard], $0)
      }
      let inputs = parts.map {
        RegressionInput($0, window: window, shards[shard], known, recurring)
      }
      let width = inputs.reduce(1) { max($0, $1.width) }
      withUnsafeTemporaryAllocation(of: Double.self, capacity: width) { row in
        for place in shards[shard] {
          let all = features.row(place)
          for index in inputs.indices {
            inputs[index].write(place, all, to: row.baseAddress!)
            target.0.initializeElement(
              at: index * base.count + place,
              to: models[index].forecast(row.baseAddress!, longest: length))
          }
          // The churn model's features are the first ones.
          guard let churn else { continue }
          target.1.initializeElement(at: place, to: churn.predict(all))
          if reasons { target.2.initializeElement(at: place, to: Self.code(of: churn, all)) }
        }
      }
    }
    var told = ToldByFeatures(risks: risks, codes: codes)
    for (index, part) in parts.enumerated() {
      told.near[part] = near[index * base.count..<(index + 1) * base.count]
    }
    return told
  }

  // MARK: - Reasons

  /// Three signed features in one number, 6 bits each: the largest moves, ties to the first.
  private static func code(_ moves: UnsafeBufferPointer<Double>) -> Int32 {
    var code: Int32 = 0
    var taken: UInt64 = 0
    for _ in 0..<min(3, moves.count) {
      var best = -1
      for place in 0..<moves.count where taken & (1 << UInt64(place)) == 0 {
        if best < 0 || abs(moves[place]) > abs(moves[best]) { best = place }
      }
      taken |= 1 << UInt64(best)
      code = code << 6 | Int32(best * 2 + (moves[best] >= 0 ? 0 : 1))
    }
    return code
  }

  private static func code(
    of churn: GeneralizedLinearModel, _ row: UnsafePointer<Double>
  ) -> Int32 {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: churn.names.count) { moves in
      for index in moves.indices {
        moves.initializeElement(at: index, to: churn.move(index, row))
      }
      return code(UnsafeBufferPointer(moves))
    }
  }

  private func reasons(
    _ base: PurchaseSnapshot, _ cells: PurchaseCells, _ models: [any PurchaseModel],
    _ workers: Workers
  ) throws -> (codes: Buffer<Int32>, names: [String]) {
    let shards = Shards(rows: cells.count, rowsPerShard: 1 << 10)
    let perCell = try workers.map(shards.count) { shard in
      shards[shard].map { cell in
        moves(cells, cell, models).withUnsafeBufferPointer { Self.code($0) }
      }
    }.flatMap { $0 }
    return Self.named(
      Buffer((0..<base.count).map { perCell[Int(cells.cellOfRow[$0])] }),
      ["frequency", "recency_days", "tenure_days"])
  }

  /// Codes as indices into the names of those that occur.
  private static func named(
    _ codes: Buffer<Int32>, _ features: [String]
  ) -> (codes: Buffer<Int32>, names: [String]) {
    let count = min(3, features.count)
    // 18 bits: a table instead of a set.
    var rank = [Int32](repeating: -1, count: 1 << 18)
    for code in codes.values { rank[Int(code)] = 0 }
    let used = rank.indices.filter { rank[$0] == 0 }
    for (place, code) in used.enumerated() { rank[code] = Int32(place) }
    let names = used.map { code in
      (0..<count).reversed().map { place -> String in
        let entry = (code >> (6 * place)) & 63
        return features[entry / 2] + (entry % 2 == 0 ? "+" : "-")
      }.joined(separator: " ")
    }
    return (Buffer(codes.values.map { rank[Int($0)] }), names)
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
  /// A value per row of the base, `otherwise` for customers who are not in the snapshot.
  ///
  /// - Parameter value: Of a row of the snapshot.
  func spread<Value: BitwiseCopyable & Sendable>(
    over rows: Int, otherwise: Value, workers: Workers, _ value: @Sendable (Int) -> Value
  ) throws -> Buffer<Value> {
    try Buffer(count: rows) { target in
      nonisolated(unsafe) let target = target
      if count < rows {
        let all = Shards(rows: rows, rowsPerShard: 1 << 16)
        try workers.forEach(all.count) { shard in
          for row in all[shard] { target.initializeElement(at: row, to: otherwise) }
        }
      }
      let shards = Shards(rows: count, rowsPerShard: 1 << 16)
      try workers.forEach(shards.count) { shard in
        let rows = self.rows.values
        for place in shards[shard] {
          target.initializeElement(at: Int(rows[place]), to: value(place))
        }
      }
    }
  }
}
