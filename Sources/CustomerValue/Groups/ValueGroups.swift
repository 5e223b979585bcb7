import Columnar
import Features
import Sharding

/// Models of a base's groups, beside the base's own: each has candidates, a holdout and parameters
/// of its own, and the base's model as one more candidate. Groups that are too small to tell anything
/// use the base's.
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
    /// Why there are no candidates of its own and the base's model is used, a clause.
    package let fallback: String?
    /// Of the candidates where the base's model was the best one in everything; else it is the
    /// model's own.
    private let lost: HoldoutComparison?

    package var comparison: HoldoutComparison? { model?.comparison ?? lost }

    package var fit: Forecaster {
      let base = comparison?.base
      guard model != nil else { return .base }
      return base?.isChosen ?? false
        ? .baseForTransactions : base?.isChosenForAmounts ?? false ? .baseForValue : .group
    }

    fileprivate init(_ name: String, _ customers: Int, _ fit: GroupFit) {
      (self.name, self.customers, model, fallback) = (name, customers, fit.model, nil)
      lost = fit.model == nil ? fit.comparison : nil
    }

    fileprivate init(_ name: String, _ customers: Int, fallback: String) {
      (self.name, self.customers, model, self.fallback) = (name, customers, nil, fallback)
      lost = nil
    }
  }

  /// Whose model forecasts a customer: the group's, or the base's, which may be the better one for
  /// one of both things only.
  package enum Forecaster: Int32, Sendable, CaseIterable {
    case base, group
    /// The base's for transactions, P(alive) and churn risk; the group's for value.
    case baseForTransactions
    /// The other way round.
    case baseForValue

    package var name: String {
      switch self {
      case .base: "base"
      case .group: "group"
      case .baseForTransactions: "base for transactions"
      case .baseForValue: "base for value"
      }
    }
  }

  /// Fewer customers with a purchase have no model of their own: four parameters and a choice among
  /// candidates would be made of chance.
  package static let leastCustomers = 200
  /// Of them, fewer with a second purchase say nothing of rates.
  package static let leastRepeaters = 50
  /// Larger groups are fitted by all threads, smaller ones side by side on one thread each.
  private static let largeGroup = 1 << 16

  /// - Parameters:
  ///   - base: The base's fit, whose holdout is theirs.
  ///   - options: Of the base's fit.
  /// - Complexity: That of a fit of each group; a copy of the largest groups' purchases.
  package static func fit(
    _ purchases: CustomerPurchases, _ labels: CustomerGroups, base: BaseFit,
    options: ValueModel.Options, workers: Workers
  ) throws -> ValueGroups {
    var asked = options  // the holdout is the same for all
    asked.holdoutDays = base.model.holdoutDays
    let rows = labels.rows
    let options = asked
    @Sendable func group(_ index: Int, _ workers: Workers) throws -> Group {
      try Self.group(
        labels.names[index], purchases, rows[index], against: base.atSplit, options: options,
        workers: workers)
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
    against rival: BaseAtSplit?, options: ValueModel.Options, workers: Workers
  ) throws -> Group {
    let purchases = try base.selecting(rows, workers: workers)
    var (customers, repeaters, known) = (0, 0, 0)
    for (row, age) in purchases.firstAges.values.enumerated() where age >= 0 {
      customers += 1
      if purchases.dayCount(row, from: 0, to: Int(age) + 1) > 1 { repeaters += 1 }
      if let days = options.holdoutDays, age >= days { known += 1 }
    }
    func fallback(_ reason: String) -> Group { Group(name, customers, fallback: reason) }
    if let reason = Self.fallback(customers: customers, repeaters: repeaters) {
      return fallback(reason)
    }
    if options.holdoutDays != nil, known < HoldoutComparison.leastSample {
      return fallback(
        "\(known) customers before the holdout, fewer than \(HoldoutComparison.leastSample)")
    }
    do {
      return Group(
        name, customers,
        try GroupFit(purchases, options: options, against: rival, workers: workers))
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

  /// Groups that get their names only after they were fitted.
  package mutating func rename(_ name: (String) -> String) {
    for index in groups.indices { groups[index].name = name(groups[index].name) }
  }
}
