/// Why a ledger row was set aside. Raw values appear in `quality.json` and `quarantine.parquet`.
package enum QuarantineReason: String, CaseIterable, Sendable {
  case missingCustomerID = "missing_customer_id"
  case missingDate = "missing_date"
  case unreadableDate = "unreadable_date"
  /// After as-of.
  case futureDate = "future_date"
  /// More than a hundred years before as-of.
  case ancientDate = "ancient_date"
  case missingAmount = "missing_amount"
  case unreadableAmount = "unreadable_amount"
  /// NaN or infinite.
  case notFiniteAmount = "not_finite_amount"
  /// The row has more or fewer fields than the header.
  case wrongFieldCount = "wrong_field_count"
  /// A copy of an earlier row, when duplicates are dropped.
  case duplicate = "duplicate"
}

/// One row set aside: enough to find it and to mend it.
package struct QuarantinedRow: Sendable, Equatable {
  package var file: String
  /// 1-based line of a text file, else 1-based row.
  package var place: Int64
  package var reason: QuarantineReason
  package var column: String?
  package var value: String?
  package var customerID: String?

  package init(
    file: String, place: Int64, reason: QuarantineReason, column: String?, value: String?,
    customerID: String?
  ) {
    self.file = file
    self.place = place
    self.reason = reason
    self.column = column
    self.value = value
    self.customerID = customerID
  }
}

/// What became of every row: `read = folded + quarantined + excluded`, always.
package struct LedgerCounts: Sendable, Equatable {
  package var read = 0
  package var folded = 0
  /// Set aside as unusable, by reason.
  package var quarantined: [QuarantineReason: Int] = [:]
  /// Usable but left out as configured, by reason.
  package var excluded: [ExclusionReason: Int] = [:]

  package init() {}

  package var quarantinedTotal: Int { quarantined.values.reduce(0, +) }
  package var excludedTotal: Int { excluded.values.reduce(0, +) }

  mutating func add(_ other: LedgerCounts) {
    read += other.read
    folded += other.folded
    quarantined.merge(other.quarantined, uniquingKeysWith: +)
    excluded.merge(other.excluded, uniquingKeysWith: +)
  }
}

package enum ExclusionReason: String, CaseIterable, Sendable {
  /// A refund, with `refunds = "drop"`.
  case refund
  /// Its type is one the configuration excludes.
  case type
}
