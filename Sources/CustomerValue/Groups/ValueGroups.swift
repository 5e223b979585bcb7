import Columnar
import Features
import Sharding

/// Models of a base's groups, beside the base's own: each has candidates, a holdout and parameters
/// of its own. Groups that are too small to tell anything use the base's.
package struct ValueGroups: Sendable, Codable, Equatable {
  /// What the groups are told apart by.
  package let by: String
  package private(set) var groups: [Group]

  package struct Group: Sendable, Codable, Equatable {
    package fileprivate(set) var name: String
    /// With a purchase, when the models were fitted.
    package let customers: Int
    /// Nil: the base's is used.
    package let model: ValueModel?
    /// Why the base's is used, a clause.
    package let fallback: String?
  }

  /// Fewer customers with a purchase have no model of their own: four parameters and a choice among
  /// candidates would be made of chance.
  package static let leastCustomers = 200
  /// Of them, fewer with a second purchase say nothing of rates.
  package static let leastRepeaters = 50
  /// Larger groups are fitted by all threads, smaller ones side by side on one thread each.
  private static let largeGroup = 1 << 16

  /// - Parameters:
  ///   - base: The base's model, whose holdout is theirs.
  ///   - options: Of the base's fit.
  /// - Complexity: That of a fit of each group; a copy of the largest groups' purchases.
  package static func fit(
    _ purchases: CustomerPurchases, _ labels: CustomerGroups, base: ValueModel,
    options: ValueModel.Options, workers: Workers
  ) throws -> ValueGroups {
    var asked = options  // the holdout is the same for all
    asked.holdoutDays = base.holdoutDays
    let rows = labels.rows
    let options = asked
    @Sendable func group(_ index: Int, _ workers: Workers) throws -> Group {
      try Self.group(
        labels.names[index], purchases, rows[index], options: options, workers: workers)
    }
    let small = rows.indices.filter { rows[$0].count < largeGroup }
    let alone = Workers(threads: 1, cancellation: workers.cancellation)
    let side = try workers.map(small.count) { try group(small[$0], alone) }
    var groups = [Group?](repeating: nil, count: rows.count)
    for (index, fitted) in zip(small, side) { groups[index] = fitted }
    for index in rows.indices where groups[index] == nil {
      groups[index] = try group(index, workers)
    }
    return ValueGroups(by: labels.by, groups: groups.compactMap { $0 })
  }

  private static func group(
    _ name: String, _ base: CustomerPurchases, _ rows: Buffer<Int32>,
    options: ValueModel.Options, workers: Workers
  ) throws -> Group {
    let purchases = try base.selecting(rows, workers: workers)
    var (customers, repeaters, known) = (0, 0, 0)
    for (row, age) in purchases.firstAges.values.enumerated() where age >= 0 {
      customers += 1
      if purchases.dayCount(row, from: 0, to: Int(age) + 1) > 1 { repeaters += 1 }
      if let days = options.holdoutDays, age >= days { known += 1 }
    }
    func fallback(_ reason: String) -> Group {
      Group(name: name, customers: customers, model: nil, fallback: reason)
    }
    if let reason = Self.fallback(customers: customers, repeaters: repeaters) {
      return fallback(reason)
    }
    if options.holdoutDays != nil, known < HoldoutComparison.leastSample {
      return fallback(
        "\(known) customers before the holdout, fewer than \(HoldoutComparison.leastSample)")
    }
    do {
      let model = try ValueModel.fit(purchases, options: options, workers: workers)
      return Group(name: name, customers: customers, model: model, fallback: nil)
    } catch let error as ValueModelError {
      return fallback(error.description)
    }
  }

  /// Why so few customers have no model of their own, nil where they are enough.
  package static func fallback(customers: Int, repeaters: Int) -> String? {
    if customers < leastCustomers {
      return "\(customers) customers, fewer than \(leastCustomers)"
    }
    return repeaters < leastRepeaters
      ? "\(repeaters) repeat customers, fewer than \(leastRepeaters)" : nil
  }

  package func model(of name: String) -> ValueModel? {
    groups.first { $0.name == name }?.model
  }

  /// Groups that get their names only after they were fitted.
  package mutating func rename(_ name: (String) -> String) {
    for index in groups.indices { groups[index].name = name(groups[index].name) }
  }
}

extension ValueModel {
  /// As ``score(_:horizon:reasons:workers:)``, each customer by the model of the own group; where
  /// that has none, or is one that the fit did not see, by this one.
  package func score(
    _ purchases: CustomerPurchases, _ base: PurchaseBase? = nil, _ groups: ValueGroups?,
    _ labels: CustomerGroups?, horizon: ValueHorizon, reasons: Bool, workers: Workers
  ) throws -> ValueForecast {
    guard let groups, let labels else {
      return try score(purchases, base, horizon: horizon, reasons: reasons, workers: workers)
    }
    precondition(labels.codes.count == purchases.customers)
    let own = labels.names.map { groups.model(of: $0) }
    // 0 is the base's model, i + 1 that of the i-th group.
    let models: [ValueModel?] = [self] + own
    let rows = labels.rows(models.count) { code in
      code >= 0 && own[Int(code)] != nil ? Int(code) + 1 : 0
    }
    var merging = ForecastMerging(rows: purchases.customers, hasReasons: reasons)
    for (index, model) in models.enumerated() {
      guard let model, rows[index].count > 0 else { continue }
      let part = try purchases.selecting(rows[index], workers: workers)
      guard part.oldestAge >= 0 else { continue }
      merging.add(
        try model.score(part, horizon: horizon, reasons: reasons, workers: workers),
        rows[index], isOwn: index > 0)
    }
    return merging.forecast()
  }
}

/// Forecasts of parts of a base on their way to one of all.
private struct ForecastMerging {
  private var numbers: [[Double]]
  private var codes: [Int32]
  private var isOwn: [Int32]
  /// By name; codes of the parts are moved to these.
  private var places: [String: Int32] = [:]
  private var names: [String] = []
  private let hasReasons: Bool

  private static let columns: [KeyPath<ValueForecast, Buffer<Double>> & Sendable] = [
    \.probabilityAlive, \.expectedTransactions, \.expectedValue, \.clv, \.churnRisk,
  ]

  init(rows: Int, hasReasons: Bool) {
    numbers = Self.columns.map { _ in [Double](repeating: .nan, count: rows) }
    codes = [Int32](repeating: -1, count: hasReasons ? rows : 0)
    isOwn = [Int32](repeating: 0, count: rows)
    self.hasReasons = hasReasons
  }

  mutating func add(_ part: ValueForecast, _ rows: Buffer<Int32>, isOwn own: Bool) {
    for (column, path) in Self.columns.enumerated() {
      let values = part[keyPath: path]
      for place in 0..<rows.count { numbers[column][Int(rows[place])] = values[place] }
    }
    if own { for row in rows.values { isOwn[Int(row)] = 1 } }
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
      probabilityAlive: Buffer(numbers[0]), expectedTransactions: Buffer(numbers[1]),
      expectedValue: Buffer(numbers[2]), clv: Buffer(numbers[3]), churnRisk: Buffer(numbers[4]),
      reasons: hasReasons ? Buffer(codes) : nil, reasonNames: names, isOfGroup: Buffer(isOwn))
  }
}
