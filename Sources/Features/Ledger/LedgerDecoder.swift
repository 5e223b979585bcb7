import Columnar
import Synchronization

/// Where each role's column sits in the batches of a source.
struct LedgerColumnPositions: Sendable {
  /// Indices into the source's schema, in the order the batches have them.
  var asked: [Int] = []
  var customerID = 0
  var date = 0
  var amount: Int?
  var channel: Int?
  var currency: Int?
  var type: Int?
  var transactionID: Int?
}

/// Turns batches into row blocks: parses, checks every value, sets unusable rows aside with their
/// reason, and scatters the rest by partition. One decoder serves all threads.
struct LedgerDecoder<Amount: LedgerAmount>: Sendable {
  let format: LedgerFormat
  let positions: LedgerColumnPositions
  let schema: Schema
  /// Day 0 of ages.
  let asOf: Int32
  let partitionBits: Int
  let amountScale: Int
  let parse: @Sendable (Column, LedgerFormat, Int) -> ParsedColumn<Amount>
  let channels: ChannelCodes
  let currencies: CurrencyCheck

  /// Older rows cannot be of a living customer: a century, in days.
  private static var oldestAge: Int32 { 36_525 }

  /// Fills `block` with the rows of `batch`, column by column.
  func decode(
    _ batch: RecordBatch, into block: RowBlock<Amount>, _ scratch: DecodingScratch
  ) throws {
    // Texts and origins are looked at again when the block is folded.
    if block.ids != nil || block.origins != nil { block.batch = batch }
    scratch.reserve(batch.rows)
    block.counts.read = batch.rows + batch.rejected.count
    let verdicts = scratch.verdicts
    verdicts.update(repeating: .keep, count: batch.rows)
    let days = batch.columns[positions.date].days(format.dateFormat)
    let amounts = positions.amount.map { parse(batch.columns[$0], format, amountScale) }

    hashIDs(batch.columns[positions.customerID], scratch)
    for failure in days.failures where verdicts[failure.row] == .keep {
      verdicts[failure.row] = failure.isMissing ? .missingDate : .unreadableDate
    }
    for failure in amounts?.failures ?? [] where verdicts[failure.row] == .keep {
      // Setting such rows aside would keep those below a thousand and lose the rest.
      if failure.isAmbiguous { throw failure.error(in: batch, column: format.amount) }
      verdicts[failure.row] =
        failure.isMissing
        ? .missingAmount : failure.isNotFinite ? .notFiniteAmount : .unreadableAmount
    }
    block.oldest = markAges(days.values, scratch, rows: batch.rows)
    markTypes(batch, scratch)
    try markRefunds(amounts, batch, scratch)
    try currencies.check(positions.currency.map { batch.columns[$0] }, batch, format)
    try fillChannels(batch, scratch)
    setAside(batch, block, scratch, days: days.failures, amounts: amounts?.failures ?? [])
    scatter(batch, block, scratch, amounts?.values, rates: rateByRow(batch))
  }

  /// Ages, and the rows outside the window.
  private func markAges(
    _ days: Buffer<Int32>, _ scratch: DecodingScratch, rows: Int
  ) -> Int32 {
    let verdicts = scratch.verdicts
    let ages = scratch.ages
    var oldest: Int32 = -1
    let values = days.values
    for row in 0..<rows {
      let (age, overflow) = asOf.subtractingReportingOverflow(values[row])
      ages[row] = age
      guard verdicts[row] == .keep else { continue }
      if age < 0 || overflow {
        verdicts[row] = (values[row] > asOf) ? .futureDate : .ancientDate
      } else if age > Self.oldestAge {
        verdicts[row] = .ancientDate
      } else if age > oldest {
        oldest = age
      }
    }
    return oldest
  }

  private func markRefunds(
    _ amounts: ParsedColumn<Amount>?, _ batch: RecordBatch, _ scratch: DecodingScratch
  ) throws {
    guard format.negative == .refund, format.refunds != .net, let amounts else { return }
    for row in 0..<batch.rows
    where scratch.verdicts[row] == .keep && amounts.values[row].isNegative {
      guard format.refunds == .drop else {
        throw InputError(
          .badData, "a refund (negative amount), refused by refunds = \"error\"",
          file: batch.origin.file, line: batch.origin.place(of: row), column: format.amount,
          hint: "use refunds = \"net\" or \"drop\"")
      }
      scratch.verdicts[row] = .refund
    }
  }

  private func markTypes(_ batch: RecordBatch, _ scratch: DecodingScratch) {
    guard let keeps = typeFilter(batch) else { return }
    for row in 0..<batch.rows where scratch.verdicts[row] == .keep && !keeps(row) {
      scratch.verdicts[row] = .excludedType
    }
  }

  /// Groups the kept rows by partition, so that folding reads each partition's rows in one run.
  private func scatter(
    _ batch: RecordBatch, _ block: RowBlock<Amount>, _ scratch: DecodingScratch,
    _ amounts: Buffer<Amount>?,
    rates: ((Amount, Int) -> Amount)?
  ) {
    let rows = batch.rows
    let (verdicts, hashes, ages, channels) =
      (scratch.verdicts, scratch.hashes, scratch.ages, scratch.channels)
    let shift = UInt64(64 - partitionBits)
    var cursor = [Int](repeating: 0, count: 1 << partitionBits)
    for row in 0..<rows where verdicts[row] == .keep { cursor[Int(hashes[row] >> shift)] += 1 }
    block.setStarts(counts: cursor)
    for partition in cursor.indices { cursor[partition] = block.starts[partition] }

    let idColumn = batch.columns[positions.customerID]
    let keys = integerKeys(idColumn, scratch)
    let countsRefunds = format.negative == .refund
    let hasChannels = positions.channel != nil
    cursor.withUnsafeMutableBufferPointer { cursor in
      for row in 0..<rows where verdicts[row] == .keep {
        let partition = Int(hashes[row] >> shift)
        let target = cursor[partition]
        cursor[partition] = target + 1
        var amount = amounts.map { $0.base[row] } ?? .zero
        if let rates { amount = rates(amount, row) }
        block.rows[target] = LedgerRow(
          key: keys[row], amount: amount, age: ages[row],
          channel: hasChannels ? channels[row] : 0,
          isRefund: countsRefunds && amount.isNegative ? 1 : 0)
        if let texts = block.ids {
          let id = textID(idColumn, row)
          texts[target] = TextReference(start: id.baseAddress!, length: id.count)
        }
        if let origins = block.origins {
          origins[target] = DuplicateKey(
            fingerprint: fingerprint(batch, row, block.rows[target], hashes[row]),
            row: Int32(row))
        }
      }
    }
    block.counts.folded += block.starts.last ?? 0
  }

  // MARK: - Identities

  private func integerID(_ column: Column, _ row: Int) -> UInt64 {
    switch column.values {
    case .int64(let ids): UInt64(bitPattern: ids[row])
    case .int32(let ids): UInt64(bitPattern: Int64(ids[row]))
    default: preconditionFailure("the fold chose integer ids for a column of texts")
    }
  }

  private func textID(_ column: Column, _ row: Int) -> UnsafeBufferPointer<UInt8> {
    switch column.values {
    case .strings(let texts): texts[row]
    case .dictionary(let codes, let texts): texts[Int(codes[row])]
    default: preconditionFailure("the fold chose text ids for a column of numbers")
    }
  }

  private func hashIDs(_ column: Column, _ scratch: DecodingScratch) {
    let hashes = scratch.hashes
    let verdicts = scratch.verdicts
    switch column.values {
    case .int64(let ids):
      let ids = ids.values
      for row in ids.indices { hashes[row] = IdentityHash.hash(UInt64(bitPattern: ids[row])) }
    case .int32(let ids):
      let ids = ids.values
      for row in ids.indices {
        hashes[row] = IdentityHash.hash(UInt64(bitPattern: Int64(ids[row])))
      }
    case .dictionary(let codes, let texts):
      let known = (0..<texts.count).map { IdentityHash.hash(texts[$0]) }
      let empty = (0..<texts.count).map { texts[$0].isEmpty }
      for row in 0..<column.count where !column.isMissing(row) {
        hashes[row] = known[Int(codes[row])]
        if empty[Int(codes[row])] { verdicts[row] = .missingCustomerID }
      }
    case .strings(let texts):
      for row in 0..<texts.count {
        let id = texts[row]
        hashes[row] = IdentityHash.hash(id)
        if id.isEmpty { verdicts[row] = .missingCustomerID }
      }
    default: preconditionFailure("the fold checked the type of the customer id")
    }
    guard let validity = column.validity else { return }
    for row in 0..<column.count where !validity[row] { verdicts[row] = .missingCustomerID }
  }

  /// The key of each row's record: the id itself for integers, its hash for texts.
  private func integerKeys(_ column: Column, _ scratch: DecodingScratch) -> UnsafePointer<UInt64> {
    switch column.values {
    case .int64(let ids):
      // Same bits, read as unsigned.
      return UnsafeRawPointer(ids.base).assumingMemoryBound(to: UInt64.self)
    case .int32(let ids):
      let ids = ids.values
      for row in ids.indices { scratch.keys[row] = UInt64(bitPattern: Int64(ids[row])) }
      return UnsafePointer(scratch.keys)
    default: return UnsafePointer(scratch.hashes)
    }
  }

  /// An id as people write it.
  func idText(_ column: Column, _ row: Int) -> String? {
    if column.isMissing(row) { return nil }
    switch column.values {
    case .int64, .int32: return String(Int64(bitPattern: integerID(column, row)))
    default: return String(decoding: textID(column, row), as: UTF8.self)
    }
  }

  private func fingerprint(
    _ batch: RecordBatch, _ row: Int, _ value: LedgerRow<Amount>, _ idHash: UInt64
  ) -> UInt128 {
    if let position = positions.transactionID {
      let column = batch.columns[position]
      switch column.values {
      case .int64, .int32: return UInt128(integerID(column, row))
      default:
        let text = textID(column, row)
        return UInt128(IdentityHash.hash(text)) << 64
          | UInt128(text.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
      }
    }
    // The whole row as the fold sees it: the key decides the high half, the rest the low half.
    let amountBits = withUnsafeBytes(of: value.amount) { $0.load(as: UInt64.self) }
    let rest = UInt64(UInt32(bitPattern: value.age)) << 16 | UInt64(value.channel)
    return UInt128(idHash) << 64 | UInt128(IdentityHash.hash(amountBits ^ IdentityHash.hash(rest)))
  }

  // MARK: - Setting rows aside

  /// Counts and describes every row that is not kept, in row order.
  private func setAside(
    _ batch: RecordBatch, _ block: RowBlock<Amount>, _ scratch: DecodingScratch,
    days: [ParseFailure], amounts: [ParseFailure]
  ) {
    for row in batch.rejected {
      block.counts.quarantined[.wrongFieldCount, default: 0] += 1
      block.quarantined.append(
        QuarantinedRow(
          file: batch.origin.file, place: row.line, reason: .wrongFieldCount, column: nil,
          value: row.text, customerID: nil))
    }
    var (day, amount) = (0, 0)
    for row in 0..<batch.rows where scratch.verdicts[row] != .keep {
      let verdict = scratch.verdicts[row]
      if let excluded = verdict.exclusion {
        block.counts.excluded[excluded, default: 0] += 1
        continue
      }
      guard let reason = verdict.quarantine else { continue }
      while day < days.count, days[day].row < row { day += 1 }
      while amount < amounts.count, amounts[amount].row < row { amount += 1 }
      let (column, value): (String?, String?) =
        switch verdict {
        case .missingCustomerID: (format.customerID, nil)
        case .missingDate, .unreadableDate: (format.date, days[day].text)
        case .futureDate, .ancientDate:
          (format.date, CivilDate(daysSinceEpoch: Int(asOf) - Int(scratch.ages[row])).description)
        default: (format.amount, amounts[amount].text)
        }
      block.counts.quarantined[reason, default: 0] += 1
      block.quarantined.append(
        QuarantinedRow(
          file: batch.origin.file, place: batch.origin.place(of: row), reason: reason,
          column: column, value: value,
          customerID: idText(batch.columns[positions.customerID], row)))
    }
  }

  // MARK: - Optional columns

  private func fillChannels(_ batch: RecordBatch, _ scratch: DecodingScratch) throws {
    guard let position = positions.channel else { return }
    let column = batch.columns[position]
    let channels = scratch.channels
    switch column.values {
    case .dictionary(let codes, let texts):
      let lookup = try (0..<texts.count).map { try self.channels.code(of: texts.text($0)) }
      let codes = codes.values
      for row in codes.indices where !column.isMissing(row) {
        channels[row] = lookup[Int(codes[row])]
      }
    case .strings(let texts):
      // Few distinct values repeat: remembered by hash within the batch.
      var known: [UInt64: UInt16] = [:]
      for row in 0..<column.count {
        let hash = IdentityHash.hash(texts[row])
        if let code = known[hash] {
          channels[row] = code
          continue
        }
        let code = try self.channels.code(of: texts.text(row))
        known[hash] = code
        channels[row] = code
      }
    default:
      throw InputError(
        .badData, "the channel column holds numbers, texts are expected", file: batch.origin.file,
        column: format.channel, hint: "map another column to `channel` or none")
    }
    guard column.validity != nil else { return }
    let unknown = try self.channels.code(of: "")
    for row in 0..<column.count where column.isMissing(row) { channels[row] = unknown }
  }

  private func typeFilter(_ batch: RecordBatch) -> ((Int) -> Bool)? {
    guard let position = positions.type else { return nil }
    let column = batch.columns[position]
    let excluded = Set(format.excludedTypes)
    switch column.values {
    case .dictionary(let codes, let texts):
      let keeps = (0..<texts.count).map { !excluded.contains(texts.text($0)) }
      return { column.isMissing($0) || keeps[Int(codes[$0])] }
    case .strings(let texts):
      return { column.isMissing($0) || !excluded.contains(texts.text($0)) }
    case .int64(let numbers): return { !excluded.contains(String(numbers[$0])) }
    case .int32(let numbers): return { !excluded.contains(String(numbers[$0])) }
    default: return nil
    }
  }

  /// Converts an amount of a row to the reporting currency; nil when there are no rates.
  private func rateByRow(_ batch: RecordBatch) -> ((Amount, Int) -> Amount)? {
    guard let rates = format.rates, let position = positions.currency else { return nil }
    let column = batch.columns[position]
    let convert: (Amount, Double) -> Amount = { amount, rate in
      // Back to whole minor units, ties to even: sums stay exact sums of what was converted.
      if let minor = amount as? Int64 {
        let converted = (Double(minor) * rate).rounded(.toNearestOrEven)
        return (Int64(exactly: converted) ?? (converted < 0 ? .min : .max)) as! Amount
      }
      return (amount as! Double * rate) as! Amount
    }
    return { amount, row in convert(amount, rates[CurrencyCheck.code(column, row) ?? ""] ?? 1) }
  }
}

/// Channel names met so far; codes depend on who came first, so nothing downstream may show them.
final class ChannelCodes: Sendable {
  private struct Known {
    var codes: [String: UInt16] = [:]
    var names: [String] = []
  }
  private let known = Mutex(Known())

  /// Each channel is a column and four bytes a customer: beyond this many, the column is no channel.
  static let limit = 64

  /// The name that rows without a channel get.
  static let missingName = "unknown"

  var names: [String] { known.withLock { $0.names } }

  func code(of text: String) throws -> UInt16 {
    let name = text.isEmpty ? Self.missingName : text
    return try known.withLock { known in
      if let code = known.codes[name] { return code }
      guard known.names.count < Self.limit else {
        throw InputError(
          .badData,
          "more than \(Self.limit) different channels, among them \"\(known.names[0])\" and \"\(name)\"",
          hint: "map another column to `channel`, or none with channel = \"\"")
      }
      let code = UInt16(known.names.count)
      known.codes[name] = code
      known.names.append(name)
      return code
    }
  }
}

/// Refuses to add money of different currencies.
final class CurrencyCheck: Sendable {
  private let first = Mutex<(code: String, file: String, place: Int64)?>(nil)

  func check(_ column: Column?, _ batch: RecordBatch, _ format: LedgerFormat) throws {
    guard let column else { return }
    var seen: [String] = []
    for row in 0..<column.count {
      guard let code = Self.code(column, row), code != seen.last, !seen.contains(code) else {
        continue
      }
      seen.append(code)
      let place = batch.origin.place(of: row)
      if let rates = format.rates {
        guard rates[code] != nil else {
          throw InputError(
            .badData, "currency \"\(code)\" has no rate", file: batch.origin.file, line: place,
            column: format.currency, hint: "add it under [ledger.rates]")
        }
        continue
      }
      let other = first.withLock { known in
        if known == nil { known = (code, batch.origin.file, place) }
        return known!
      }
      if other.code != code {
        throw InputError(
          .badData,
          "amounts in \(min(code, other.code)) and \(max(code, other.code)) cannot be added",
          file: batch.origin.file, line: place, column: format.currency,
          hint: "give rates to one currency under [ledger.rates]")
      }
    }
  }

  static func code(_ column: Column, _ row: Int) -> String? {
    if column.isMissing(row) { return nil }
    switch column.values {
    case .strings(let texts): return texts.text(row)
    case .dictionary(let codes, let texts): return texts.text(Int(codes[row]))
    default: return nil
    }
  }
}
