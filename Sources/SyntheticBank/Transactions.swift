import Columnar
import Foundation
import Sharding

/// A transaction before it is put into columns.
struct Transaction: BitwiseCopyable {
  /// Minor units; negative = refund.
  var amount: Int64
  var customer: UInt32
  /// Place among the transactions of its day.
  var order: UInt32
  /// Day of the window.
  var day: UInt16
  var channel: UInt8
  var type: UInt8
}

extension SyntheticBank {
  /// All transactions of a month, in the order a bank would see them: by day, shuffled inside the
  /// day. Columns: `customer_id`, `date`, `amount` (decimal(18, 2); negative = refund), `channel`
  /// (dictionary), and in a bank with recurring payments `type` (dictionary). Amounts are turnover:
  /// what was paid, whichever way; `type` says which.
  ///
  /// - Parameters:
  ///   - customers: Customers by index, all by default. A batch holds its rows in memory (about 70
  ///     bytes each while it is made), so banks of tens of millions are made a range at a time.
  ///   - month: `0..<configuration.months`.
  /// - Returns: The same rows in the same order for any number of threads.
  /// - Complexity: O(customers + transactions).
  package func transactions(
    ofCustomers customers: Range<Int>? = nil, month: Int, workers: Workers
  ) throws -> RecordBatch {
    let customers = customers ?? 0..<configuration.customers
    precondition(customers.lowerBound >= 0 && customers.upperBound <= configuration.customers)
    precondition(configuration.months > month && month >= 0)
    let shards = Shards(rows: customers.count, rowsPerShard: 8_192)
    let pieces = try workers.map(shards.count) { shard in
      let range = shards[shard]
      return rows(
        ofCustomers: customers.lowerBound + range.lowerBound..<customers.lowerBound
          + range.upperBound, month: month)
    }
    let ordered = try MonthOrder(
      pieces, days: monthStarts[month]..<monthStarts[month + 1], workers: workers)
    return try columns(ordered, month: month, workers: workers)
  }

  /// The month's transactions of some customers, customer after customer.
  private func rows(ofCustomers customers: Range<Int>, month: Int) -> [Transaction] {
    var rows: [Transaction] = []
    rows.reserveCapacity(customers.count * 2)
    for customer in customers {
      let truth = truth(ofCustomer: customer)
      append(customer, truth, month: month, to: &rows)
    }
    return rows
  }

  private func append(
    _ customer: Int, _ truth: CustomerTruth, month: Int, to rows: inout [Transaction]
  ) {
    var stream = DrawStream(monthDraws, at: customer * configuration.months + month)
    let start = max(monthStarts[month], truth.joined)
    let end = min(monthStarts[month + 1], truth.left)
    let isAnchored = truth.anchorDay >= start && truth.anchorDay < end
    let recurring = laws[truth.archetype].recurring
    let plan = recurring.map { self.plan(ofCustomer: customer, $0) }
    if let recurring, let plan, start < end {
      forEachPayment(customer, recurring, plan, month: month, in: start..<end) {
        day, amount, type in
        rows.append(
          Transaction(
            amount: amount, customer: UInt32(customer),
            order: UInt32(truncatingIfNeeded: stream.bits()), day: UInt16(day),
            channel: UInt8(Channel.transfer.rawValue), type: UInt8(type.rawValue)))
      }
    }
    let count = self.count(truth, from: start, to: end, &stream)
    if count == 0 {
      guard isAnchored, isSilent(customer, truth) else { return }
      rows.append(transaction(customer, truth, day: truth.anchorDay, &stream))
      return
    }
    let expected = start < end ? truth.rate * (intensity[end] - intensity[start]) : 0
    let before = clock(truth, at: start)
    for payment in 0..<count {
      if let recurring, let plan {
        let day = spendingDay(recurring, plan, month: month, from: start, to: end, &stream)
        rows.append(transaction(customer, truth, day: day, &stream))
        continue
      }
      let u: Double
      if laws[truth.archetype].isClockwork {
        // Payments fall where the clock passes a whole number.
        let next = before.rounded(.down) + Double(payment + 1)
        u = min(max((next - before) / expected, 0), 1 - 0x1p-53)
      } else {
        u = stream.unit()
      }
      rows.append(transaction(customer, truth, day: day(at: u, from: start, to: end), &stream))
    }
  }

  /// A clockwork customer's expected payments since joining, plus its phase.
  private func clock(_ truth: CustomerTruth, at day: Int) -> Double {
    truth.rate * (intensity[min(day, days)] - intensity[max(truth.joined, 0)]) + truth.phase
  }

  /// Transactions in `start..<end`; what the first draws of a month's stream decide.
  private func count(
    _ truth: CustomerTruth, from start: Int, to end: Int, _ stream: inout DrawStream
  ) -> Int {
    guard start < end else { return 0 }
    if laws[truth.archetype].isClockwork {
      return Int(clock(truth, at: end).rounded(.down) - clock(truth, at: start).rounded(.down))
    }
    return stream.poisson(mean: truth.rate * (intensity[end] - intensity[start]))
  }

  /// Whether the draws of all months bring no transaction.
  private func isSilent(_ customer: Int, _ truth: CustomerTruth) -> Bool {
    for month in 0..<configuration.months {
      var stream = DrawStream(monthDraws, at: customer * configuration.months + month)
      let start = max(monthStarts[month], truth.joined)
      let end = min(monthStarts[month + 1], truth.left)
      if let recurring = laws[truth.archetype].recurring, start < end {
        var payments = 0
        let plan = plan(ofCustomer: customer, recurring)
        forEachPayment(customer, recurring, plan, month: month, in: start..<end) { _, _, _ in
          payments += 1
        }
        if payments > 0 { return false }
      }
      if count(truth, from: start, to: end, &stream) > 0 { return false }
    }
    return true
  }

  private func transaction(
    _ customer: Int, _ truth: CustomerTruth, day: Int, _ stream: inout DrawStream
  ) -> Transaction {
    let law = laws[truth.archetype]
    var channel = Channel(rawValue: law.channel(at: stream.unit()))!
    // Branches are shut at weekends; who would have gone there uses the machine in the wall.
    if channel == .branch && CivilDate.weekday(ofDay: firstDay + day) >= 5 { channel = .atm }
    let deviation = law.ticketDeviation
    let ticket = truth.meanTicket * exp(deviation * stream.normal() - 0.5 * deviation * deviation)
    var amount = Int64((min(ticket, 1e12) * 100).rounded())
    if channel == .atm {
      amount = max(1, (amount + 500) / 1_000) * 1_000  // machines pay out whole tens
    } else {
      amount = max(1, amount)
      if stream.unit() < law.refunds { amount = -amount }
    }
    return Transaction(
      amount: amount, customer: UInt32(customer), order: UInt32(truncatingIfNeeded: stream.bits()),
      day: UInt16(day), channel: UInt8(channel.rawValue),
      type: UInt8(TransactionType.spending.rawValue))
  }

  private func columns(
    _ ordered: MonthOrder, month: Int, workers: Workers
  ) throws -> RecordBatch {
    // Raw access: a `Buffer`'s subscript counts a reference each time.
    nonisolated(unsafe) let rows = ordered.rows.values
    defer { withExtendedLifetime(ordered) {} }
    let count = rows.count
    let shards = Shards(rows: count, rowsPerShard: 1 << 16)
    func column<Value: BitwiseCopyable>(
      _ value: @Sendable (Transaction) -> Value
    ) throws -> Buffer<Value> {
      try Buffer(count: count) { target in
        nonisolated(unsafe) let target = target
        try workers.forEach(shards.count) { shard in
          for row in shards[shard] { target.initializeElement(at: row, to: value(rows[row])) }
        }
      }
    }
    let first = firstDay
    var fields: [(String, Column)] = [
      ("customer_id", identifiers(count: count) { Int(rows[$0].customer) }),
      ("date", Column(.date(try column { Int32(first + Int($0.day)) }))),
      ("amount", Column(.decimal(try column(\.amount), precision: 18, scale: 2))),
      (
        "channel",
        Column(
          .dictionary(
            codes: try column { Int32($0.channel) }, Strings(Channel.allCases.map(\.name))))
      ),
    ]
    if hasRecurringPayments {
      let codes = try column { Int32($0.type) }
      let names = Strings(TransactionType.allCases.map(\.name))
      fields.append(("type", Column(.dictionary(codes: codes, names))))
    }
    return RecordBatch(
      schema: Schema(fields: fields.map { Field(name: $0.0, type: $0.1.type) }),
      columns: fields.map(\.1), rows: count,
      origin: .init(file: "ledger-\(name(ofMonth: month))", firstRow: 0))
  }
}

/// Transactions of a month by day, shuffled inside each day by their hash.
struct MonthOrder: Sendable {
  let rows: Buffer<Transaction>

  /// A counting sort by day over all pieces, then one by hash inside each day. Both keep equal keys
  /// in piece order, so the result does not depend on threads.
  init(_ pieces: [[Transaction]], days: Range<Int>, workers: Workers) throws {
    var counts = [Int](repeating: 0, count: pieces.count * days.count)
    let perPiece = try workers.map(pieces.count) { piece in
      var histogram = [Int](repeating: 0, count: days.count)
      for row in pieces[piece] { histogram[Int(row.day) - days.lowerBound] += 1 }
      return histogram
    }
    var starts = [0]
    var total = 0
    for day in 0..<days.count {
      for piece in 0..<pieces.count {
        counts[piece * days.count + day] = total
        total += perPiece[piece][day]
      }
      starts.append(total)
    }
    let offsets = counts
    let byDay = try Buffer<Transaction>(count: total) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(pieces.count) { piece in
        var next = Array(offsets[piece * days.count..<(piece + 1) * days.count])
        for row in pieces[piece] {
          let day = Int(row.day) - days.lowerBound
          target.initializeElement(at: next[day], to: row)
          next[day] += 1
        }
      }
    }
    let dayStarts = starts
    rows = try Buffer<Transaction>(count: total) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(days.count) { day in
        Self.shuffle(byDay[dayStarts[day]..<dayStarts[day + 1]], into: target, at: dayStarts[day])
      }
    }
  }

  /// Sorts a day's rows by the upper 22 bits of their hash: two counting passes of 11 bits.
  private static func shuffle(
    _ day: Buffer<Transaction>, into target: UnsafeMutableBufferPointer<Transaction>, at start: Int
  ) {
    let bins = 1 << 11
    func pass(
      _ source: UnsafeBufferPointer<Transaction>, _ shift: UInt32,
      _ place: (Int, Transaction) -> Void
    ) {
      var next = [Int](repeating: 0, count: bins + 1)
      for row in source { next[Int(row.order >> shift) & (bins - 1) + 1] += 1 }
      for bin in 0..<bins { next[bin + 1] += next[bin] }
      for row in source {
        let bin = Int(row.order >> shift) & (bins - 1)
        place(next[bin], row)
        next[bin] += 1
      }
    }
    let half = Buffer<Transaction>(count: day.count) { half in
      withExtendedLifetime(day) {
        pass(day.values, 10) { half.initializeElement(at: $0, to: $1) }
      }
    }
    withExtendedLifetime(half) {
      pass(half.values, 21) { target.initializeElement(at: start + $0, to: $1) }
    }
  }
}
