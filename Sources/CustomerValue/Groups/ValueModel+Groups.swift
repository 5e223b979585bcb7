import Columnar
import Features
import Sharding

extension ValueModel {
  /// As ``score(_:_:asOf:horizon:reasons:workers:)``, each customer by the model of the own group, where that
  /// has the smaller error; by this one where it has none, or is one that the fit did not see.
  package func score(
    _ purchases: CustomerPurchases, _ base: PurchaseBase? = nil, _ groups: ValueGroups?,
    _ labels: CustomerGroups?, asOf: Int, horizon: ValueHorizon, reasons: Bool, workers: Workers
  ) throws -> ValueForecast {
    guard let groups, let labels else {
      return try score(
        purchases, base, asOf: asOf, horizon: horizon, reasons: reasons, workers: workers)
    }
    precondition(labels.codes.count == purchases.customers)
    let known = labels.names.map { name in groups.groups.first { $0.name == name } }
    // 0 is the base's model, i + 1 that of the i-th group.
    let parts = [nil] + known.map { $0?.model == nil ? nil : $0 }
    let rows = labels.rows(parts.count) { code in
      code >= 0 && parts[Int(code) + 1] != nil ? Int(code) + 1 : 0
    }
    var merging = ForecastMerging(rows: purchases.customers, hasReasons: reasons)
    for (own, rows) in zip(parts, rows) where rows.count > 0 {
      let part = try purchases.selecting(rows, workers: workers)
      guard part.oldestAge >= 0 else { continue }
      func score(_ model: ValueModel) throws -> ValueForecast {
        try model.score(part, asOf: asOf, horizon: horizon, reasons: reasons, workers: workers)
      }
      let fit = own?.fit ?? .base
      let ofGroup = try own?.model.map(score)
      let ofBase = fit == .group ? nil : try score(self)
      guard
        let transactions = fit == .group || fit == .baseForValue ? ofGroup : ofBase,
        let value = fit == .group || fit == .baseForTransactions ? ofGroup : ofBase
      else { preconditionFailure("a group that has a model") }
      merging.add(transactions: transactions, value: value, rows, fit)
    }
    return merging.forecast()
  }
}

/// Forecasts of parts of a base on their way to one of all.
private struct ForecastMerging {
  private var alive: [Double]
  private var transactions: [Double]
  private var value: [Double]
  private var clv: [Double]
  private var risk: [Double]
  private var codes: [Int32]
  private var fits: [Int32]
  /// By name; codes of the parts are moved to these.
  private var places: [String: Int32] = [:]
  private var names: [String] = []
  private let hasReasons: Bool

  init(rows: Int, hasReasons: Bool) {
    alive = [Double](repeating: .nan, count: rows)
    (transactions, value, clv, risk) = (alive, alive, alive, alive)
    codes = [Int32](repeating: -1, count: hasReasons ? rows : 0)
    fits = [Int32](repeating: ValueGroups.Forecaster.base.rawValue, count: rows)
    self.hasReasons = hasReasons
  }

  /// - Parameters:
  ///   - part: What is said of transactions, P(alive) and churn.
  ///   - other: What is said of value.
  mutating func add(
    transactions part: ValueForecast, value other: ValueForecast, _ rows: Buffer<Int32>,
    _ fit: ValueGroups.Forecaster
  ) {
    for (place, row) in rows.values.enumerated() {
      let row = Int(row)
      alive[row] = part.probabilityAlive[place]
      transactions[row] = part.expectedTransactions[place]
      risk[row] = part.churnRisk[place]
      value[row] = other.expectedValue[place]
      clv[row] = other.clv[place]
      fits[row] = fit.rawValue
    }
    guard let reasons = part.reasons else { return }
    let moved = part.reasonNames.map { name -> Int32 in
      if let place = places[name] { return place }
      places[name] = Int32(names.count)
      names.append(name)
      return Int32(names.count - 1)
    }
    for place in 0..<rows.count where reasons[place] >= 0 {
      codes[Int(rows[place])] = moved[Int(reasons[place])]
    }
  }

  func forecast() -> ValueForecast {
    ValueForecast(
      probabilityAlive: Buffer(alive), expectedTransactions: Buffer(transactions),
      expectedValue: Buffer(value), clv: Buffer(clv), churnRisk: Buffer(risk),
      reasons: hasReasons ? Buffer(codes) : nil, reasonNames: names, groupFits: Buffer(fits))
  }
}
