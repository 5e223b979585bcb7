/// What kind of bank to make. Every value that exists is valid.
package struct SyntheticBankConfiguration: Sendable, Hashable {
  /// The form of the customer ids; either way customer `i` has the number 1,000,000 + i.
  package enum IdentifierForm: Sendable, Hashable {
    /// Int64.
    case number
    /// Twelve digits with leading zeros, as text.
    case text
  }

  /// The number of customer 0.
  package static let firstIdentifier = 1_000_000

  package let customers: Int
  /// Calendar months; the last one ends on `endDate`.
  package let months: Int
  package let seed: UInt64
  /// Last day of the ledger, in days since 1970-01-01.
  package let endDate: Int32
  package let archetypes: [Archetype]
  /// Transactions a customer makes in a year, averaged over all customers, with those who join or
  /// leave on the way. Recurring payments come on top.
  package let meanTransactionsPerYear: Double
  /// How far apart the archetypes are: 1 is a bank as found, with overlap; at s the spread of rates
  /// and tickets inside an archetype (between customers and of one) is 1/s, and joining and leaving are 1/s² as frequent.
  package let separation: Double
  /// Share of the customers who join inside the window (at separation 1).
  package let newShare: Double
  package let identifierForm: IdentifierForm

  /// 2025-12-31.
  package static let defaultEndDate: Int32 = 20_453

  package init(
    customers: Int, months: Int = 12, seed: UInt64 = 0,
    endDate: Int32 = SyntheticBankConfiguration.defaultEndDate,
    archetypes: [Archetype] = Archetype.retailBank, meanTransactionsPerYear: Double = 16.8,
    separation: Double = 1, newShare: Double = 0.12, identifierForm: IdentifierForm = .number
  ) throws(SyntheticBankError) {
    func require(
      _ holds: Bool, _ field: String, _ value: Any, _ allowed: String
    ) throws(SyntheticBankError) {
      if !holds { throw .outOfRange(field: field, value: "\(value)", allowed: allowed) }
    }
    try require(
      (1...1_000_000_000).contains(customers), "customers", customers, "1 to 1,000,000,000")
    try require((1...240).contains(months), "months", months, "1 to 240")
    // 0001-01-01 plus 20 years … 9999-12-31: dates every reader of ours knows.
    try require(
      (-711_857...2_932_896).contains(endDate), "end date", endDate,
      "a day from 0021-01-01 to 9999-12-31")
    try require(
      meanTransactionsPerYear > 0 && meanTransactionsPerYear <= 100_000,
      "mean transactions a year", meanTransactionsPerYear, "above 0, at most 100,000")
    try require(separation >= 0.25 && separation <= 100, "separation", separation, "0.25 to 100")
    try require(newShare >= 0 && newShare < 1, "share of new customers", newShare, "0 to below 1")
    try require(
      (1...255).contains(archetypes.count), "archetypes", archetypes.count, "1 to 255 of them")
    var names: [String] = []
    for archetype in archetypes {
      try archetype.validate()
      if names.contains(archetype.name) { throw .duplicateArchetype(archetype.name) }
      names.append(archetype.name)
    }
    self.customers = customers
    self.months = months
    self.seed = seed
    self.endDate = endDate
    self.archetypes = archetypes
    self.meanTransactionsPerYear = meanTransactionsPerYear
    self.separation = separation
    self.newShare = newShare
    self.identifierForm = identifierForm
  }
}

extension Archetype {
  fileprivate func validate() throws(SyntheticBankError) {
    func require(
      _ holds: Bool, _ field: String, _ value: Any, _ allowed: String
    ) throws(SyntheticBankError) {
      if !holds {
        throw .outOfRange(field: "\(field) of '\(name)'", value: "\(value)", allowed: allowed)
      }
    }
    try require(!name.isEmpty, "name", name, "not empty")
    try require(weight > 0 && weight.isFinite, "weight", weight, "above 0")
    try require(rate > 0 && rate <= 1e6, "rate", rate, "above 0, at most 1,000,000")
    try require(rateShape >= 0.05 && rateShape <= 1e6, "rate shape", rateShape, "0.05 to 1,000,000")
    try require(ticket >= 0.01 && ticket <= 1e9, "ticket", ticket, "0.01 to 1,000,000,000")
    try require(ticketSpread >= 0 && ticketSpread <= 3, "ticket spread", ticketSpread, "0 to 3")
    try require(
      ticketDeviation >= 0 && ticketDeviation <= 3, "ticket deviation", ticketDeviation, "0 to 3")
    try require(dropout >= 0 && dropout <= 100, "dropout", dropout, "0 to 100 a year")
    try require(refunds >= 0 && refunds < 1, "share of refunds", refunds, "0 to below 1")
    try require(
      ages.lowerBound >= 0 && ages.upperBound <= 130, "ages", ages, "inside 0 to 130")
    let sum = channels.reduce(0, +)
    try require(
      channels.count == Channel.allCases.count && channels.allSatisfy { $0 >= 0 }
        && sum > 0 && sum.isFinite,
      "channel weights", channels, "\(Channel.allCases.count) weights from 0 on, not all 0")
    guard let recurring else { return }
    try require(
      recurring.income >= 0.01 && recurring.income <= 1e9, "income", recurring.income,
      "0.01 to 1,000,000,000")
    try require(
      recurring.incomeSpread >= 0 && recurring.incomeSpread <= 3, "income spread",
      recurring.incomeSpread, "0 to 3")
    try require(
      (1...8).contains(recurring.payDays.count)
        && recurring.payDays.allSatisfy((1...31).contains), "pay days", recurring.payDays,
      "1 to 8 days of the month")
    try require(
      recurring.orders.lowerBound >= 0 && recurring.orders.upperBound <= SyntheticBank.mostOrders,
      "standing orders", recurring.orders, "inside 0 to \(SyntheticBank.mostOrders)")
    try require(
      recurring.orderAmount >= 0.01 && recurring.orderAmount <= 1e9, "standing order",
      recurring.orderAmount, "0.01 to 1,000,000,000")
    try require(
      recurring.orderSpread >= 0 && recurring.orderSpread <= 3, "standing order spread",
      recurring.orderSpread, "0 to 3")
    try require(
      recurring.raises.lowerBound >= 0 && recurring.raises.upperBound <= 1, "raise",
      recurring.raises, "inside 0 to 1")
  }
}

package enum SyntheticBankError: Error, Sendable, Hashable, CustomStringConvertible {
  case outOfRange(field: String, value: String, allowed: String)
  case duplicateArchetype(String)

  package var description: String {
    switch self {
    case .outOfRange(let field, let value, let allowed):
      "The \(field) of a synthetic bank cannot be \(value): allowed is \(allowed)."
    case .duplicateArchetype(let name):
      "Two archetypes of a synthetic bank are named '\(name)': give each its own name."
    }
  }
}
