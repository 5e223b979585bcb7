import Columnar

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

/// The rows of one batch that were set aside, column by column: a dozen bytes a row, so that a
/// ledger with millions of them costs no time.
package struct QuarantinedRows: Sendable {
  package enum IDs: Sendable {
    case integers([Int64])
    /// Back to back; text i ends at `ends[i]`.
    case texts(bytes: [UInt8], ends: [Int])
  }

  package private(set) var file = ""
  /// 1-based lines of a text file, else 1-based rows, ascending.
  package private(set) var places: [Int64] = []
  package private(set) var reasons: [QuarantineReason] = []
  /// Days since 1970-01-01 where the reason is a day outside the window; else an index into
  /// `texts`, −1 where there was nothing.
  package private(set) var values: [Int32] = []
  package private(set) var texts: [String] = []
  package private(set) var ids: IDs

  init(hasText: Bool) { ids = hasText ? .texts(bytes: [], ends: []) : .integers([]) }

  package var count: Int { places.count }
  package var isEmpty: Bool { places.isEmpty }

  mutating func removeAll() {
    places.removeAll(keepingCapacity: true)
    reasons.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    texts.removeAll()
    switch ids {
    case .integers: ids = .integers([])
    case .texts: ids = .texts(bytes: [], ends: [])
    }
  }

  mutating func start(file: String) { self.file = file }

  mutating func reserve(_ count: Int) {
    places.reserveCapacity(count)
    reasons.reserveCapacity(count)
    values.reserveCapacity(count)
  }

  @inline(__always)
  mutating func append(place: Int64, reason: QuarantineReason, day: Int32) {
    places.append(place)
    reasons.append(reason)
    values.append(day)
  }

  mutating func append(place: Int64, reason: QuarantineReason, text: String?) {
    places.append(place)
    reasons.append(reason)
    values.append(text == nil ? -1 : Int32(texts.count))
    if let text { texts.append(text) }
  }

  /// Adds the ids of rows appended before, in their order.
  mutating func appendIDs(of column: Column, rows: some Sequence<Int>) {
    switch (ids, column.values) {
    case (.integers(var numbers), let values):
      ids = .integers([])
      switch values {
      case .int64(let buffer): for row in rows { numbers.append(buffer.base[row]) }
      case .int32(let buffer): for row in rows { numbers.append(Int64(buffer.base[row])) }
      default: preconditionFailure("the fold chose integer ids for a column of texts")
      }
      ids = .integers(numbers)
    case (.texts(var bytes, var ends), _):
      ids = .texts(bytes: [], ends: [])
      for row in rows {
        if !column.isMissing(row) { bytes.append(contentsOf: column.text(row)) }
        ends.append(bytes.count)
      }
      ids = .texts(bytes: bytes, ends: ends)
    }
  }

  /// Fills the places of rows that have no id.
  mutating func appendMissingIDs(_ count: Int) {
    switch ids {
    case .integers(let numbers):
      ids = .integers(numbers + Array(repeating: 0, count: count))
    case .texts(let bytes, let ends):
      ids = .texts(bytes: bytes, ends: ends + Array(repeating: bytes.count, count: count))
    }
  }

  /// Puts rows that were met in two passes into the file's order.
  mutating func sortByPlace() {
    if zip(places, places.dropFirst()).allSatisfy({ $0 <= $1 }) { return }
    let order = places.indices.sorted { (places[$0], $0) < (places[$1], $1) }
    ids = ids.reordered(order)
    reasons = order.map { reasons[$0] }
    values = order.map { values[$0] }
    places = order.map { places[$0] }
  }

  /// Whether the row's customer is known.
  package static func hasID(_ reason: QuarantineReason) -> Bool {
    reason != .missingCustomerID && reason != .wrongFieldCount
  }

  /// Whether the row's value is a day.
  package static func hasDay(_ reason: QuarantineReason) -> Bool {
    reason == .futureDate || reason == .ancientDate
  }

  /// The rows one by one, as people read them.
  package func rows(_ format: LedgerFormat) -> [QuarantinedRow] {
    (0..<count).map { self.row($0, format) }
  }

  /// One row, as people read it.
  package func row(_ row: Int, _ format: LedgerFormat) -> QuarantinedRow {
    let reason = reasons[row]
    let value =
      Self.hasDay(reason)
      ? CivilDate(daysSinceEpoch: Int(values[row])).description
      : values[row] < 0 ? nil : texts[Int(values[row])]
    return QuarantinedRow(
      file: file, place: places[row], reason: reason, column: format.column(of: reason),
      value: value, customerID: Self.hasID(reason) ? ids.text(row) : nil)
  }
}

extension QuarantinedRows.IDs {
  package func text(_ row: Int) -> String {
    switch self {
    case .integers(let numbers): return String(numbers[row])
    case .texts(let bytes, let ends):
      return String(decoding: bytes[(row == 0 ? 0 : ends[row - 1])..<ends[row]], as: UTF8.self)
    }
  }

  fileprivate func reordered(_ order: [Int]) -> QuarantinedRows.IDs {
    switch self {
    case .integers(let numbers): return .integers(order.map { numbers[$0] })
    case .texts(let bytes, let ends):
      var (moved, movedEnds): ([UInt8], [Int]) = ([], [])
      for row in order {
        moved += bytes[(row == 0 ? 0 : ends[row - 1])..<ends[row]]
        movedEnds.append(moved.count)
      }
      return .texts(bytes: moved, ends: movedEnds)
    }
  }
}

/// A few rows set aside for each reason, as examples for people who may not see the data.
package struct QuarantineExamples {
  /// Of each reason.
  private static var most: Int { 3 }
  /// The first few of each file; which of them are shown must not depend on the files' order.
  private var found: [QuarantineReason: [QuarantinedRow]] = [:]
  /// How many of the rows found last, by reason, are of the file that is being read.
  private var current: (file: String, counts: [QuarantineReason: Int]) = ("", [:])

  package init() {}

  /// - Parameter rows: Of the same file as the rows before, or of a file not seen yet.
  package mutating func look(at rows: QuarantinedRows, _ format: LedgerFormat) {
    if rows.file != current.file { current = (rows.file, [:]) }
    for row in 0..<rows.count {
      let reason = rows.reasons[row]
      guard current.counts[reason] ?? 0 < Self.most else { continue }
      current.counts[reason, default: 0] += 1
      found[reason, default: []].append(Self.masked(rows.row(row, format)))
    }
  }

  /// By reason, then by file and line.
  package var rows: [QuarantinedRow] {
    QuarantineReason.allCases.flatMap { reason in
      (found[reason] ?? []).sorted { ($0.file, $0.place) < ($1.file, $1.place) }.prefix(Self.most)
    }
  }

  private static func masked(_ row: QuarantinedRow) -> QuarantinedRow {
    var row = row
    row.value = row.value.map(mask)
    row.customerID = row.customerID.map(mask)
    return row
  }

  /// The shape of a text: digits become 9, letters x, marks and spaces stay; 40 characters at most.
  package static func mask(_ text: String) -> String {
    String(
      text.prefix(40).map { character in
        character.isNumber ? "9" : character.isLetter ? "x" : character
      }) + (text.count > 40 ? "…" : "")
  }
}

extension LedgerFormat {
  /// The column that a reason is about, nil for the whole row.
  package func column(of reason: QuarantineReason) -> String? {
    switch reason {
    case .missingCustomerID: customerID
    case .missingDate, .unreadableDate, .futureDate, .ancientDate: date
    case .missingAmount, .unreadableAmount, .notFiniteAmount: amount
    case .wrongFieldCount: nil
    case .duplicate: transactionID
    }
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
  /// Rows without a value, by column; only columns that were read.
  package var missing: [String: Int] = [:]

  package init() {}

  package var quarantinedTotal: Int { quarantined.values.reduce(0, +) }
  package var excludedTotal: Int { excluded.values.reduce(0, +) }

  mutating func add(_ other: LedgerCounts) {
    read += other.read
    folded += other.folded
    quarantined.merge(other.quarantined, uniquingKeysWith: +)
    excluded.merge(other.excluded, uniquingKeysWith: +)
    missing.merge(other.missing, uniquingKeysWith: +)
  }
}

package enum ExclusionReason: String, CaseIterable, Sendable {
  /// A refund, with `refunds = "drop"`.
  case refund
  /// Its type is one the configuration excludes.
  case type
}
