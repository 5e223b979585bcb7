import CKernels
import Columnar
import Synchronization

/// Where each role's column sits in the batches of a source.
struct LedgerColumnPositions: Sendable {
  /// Indices into the source's schema, in the order the batches have them, each once.
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
  /// Whether rows after as-of are kept for a later one.
  var keepsPending = false
  /// In place of the hash, where rows are grouped as a state's customers are.
  var ranges: IdentityRanges?
  /// The same, where ids lie so close together that they need no hash.
  var dense: DenseIdentities?

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
    for (column, field) in zip(batch.columns, batch.schema.fields) {
      block.counts.missing[field.name, default: 0] += column.validity?.missingCount ?? 0
    }
    let verdicts = scratch.verdicts
    verdicts.update(repeating: .keep, count: batch.rows)
    let days = batch.columns[positions.date].days(format.dateFormat)
    let amounts = positions.amount.map { parse(batch.columns[$0], format, amountScale) }

    let ids = batch.columns[positions.customerID]
    if let dense {
      try dense.place(
        batch, ids, to: scratch.hashes, bits: partitionBits, name: format.customerID)
      markMissing(ids, scratch)
    } else {
      hashIDs(ids, scratch)
    }
    if let ranges {
      // A text's key is its hash, wherever its row goes.
      scratch.keys.update(from: scratch.hashes, count: batch.rows)
      ranges.place(ids, to: scratch.hashes, shift: UInt64(64 - partitionBits))
    }
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
    block.oldest = markAges(days, scratch)
    markTypes(batch, scratch)
    try markRefunds(amounts, batch, scratch)
    let values = try convertCurrencies(amounts?.values, batch, scratch)
    try fillChannels(batch, scratch)
    setAside(batch, block, scratch, days: days.failures, amounts: amounts?.failures ?? [])
    if keepsPending, block.counts.quarantined[.futureDate] ?? 0 > 0 {
      block.pending = pendingRows(
        batch, scratch, days: days.values, amounts: amounts?.values as? Buffer<Int64>)
    }
    scatter(batch, block, scratch, values)
  }

  /// Ages, and the rows outside the window. Returns an age that no kept row exceeds.
  private func markAges(_ parsed: ParsedColumn<Int32>, _ scratch: DecodingScratch) -> Int32 {
    let verdicts = scratch.verdicts
    let ages = scratch.ages
    let days = parsed.values
    let rows = days.count
    let values = days.base
    return withExtendedLifetime(days) {
      var (first, last) = (Int32.max, Int32.min)
      for row in 0..<rows {
        first = min(first, values[row])
        last = max(last, values[row])
      }
      // Rows that failed hold day 0, which would make the window look wide.
      let earliest = Int(asOf) - Int(Self.oldestAge)
      if rows > 0, parsed.failures.isEmpty, last <= asOf, Int(first) >= earliest {
        // The whole batch lies in the window.
        for row in 0..<rows { ages[row] = asOf &- values[row] }
        return asOf - first
      }
      var oldest: Int32 = -1
      for row in 0..<rows {
        let (age, overflow) = asOf.subtractingReportingOverflow(values[row])
        ages[row] = age
        guard verdicts[row] == .keep else { continue }
        if age < 0 || overflow {
          verdicts[row] = values[row] > asOf ? .futureDate : .ancientDate
        } else if age > Self.oldestAge {
          verdicts[row] = .ancientDate
        } else if age > oldest {
          oldest = age
        }
      }
      return oldest
    }
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
    guard let position = positions.type else { return }
    let column = batch.columns[position]
    let verdicts = scratch.verdicts
    func mark(_ isExcluded: (Int) -> Bool) {
      for row in 0..<column.count
      where verdicts[row] == .keep && !column.isMissing(row) && isExcluded(row) {
        verdicts[row] = .excludedType
      }
    }
    if let types = CodedTexts(column) {
      let excluded = (0..<types.entries.count).map {
        format.excludedTypes.contains(types.entries.text($0))
      }
      mark { excluded[Int(types.codes.base[$0])] }
      return
    }
    let numbers = Set(format.excludedTypes.compactMap { Int64($0) })
    switch column.values {
    case .int64(let types): mark { numbers.contains(types.base[$0]) }
    case .int32(let types): mark { numbers.contains(Int64(types.base[$0])) }
    default: break
    }
  }

  /// Rows that a partition's place in the block is asked for ahead: three lines.
  private static var scatterDistance: Int { 8 }

  /// Groups the kept rows by partition, so that folding reads each partition's rows in one run.
  private func scatter(
    _ batch: RecordBatch, _ block: RowBlock<Amount>, _ scratch: DecodingScratch,
    _ amounts: Buffer<Amount>?
  ) {
    let rows = batch.rows
    let (verdicts, hashes, ages, channels) =
      (scratch.verdicts, scratch.hashes, scratch.ages, scratch.channels)
    let shift = UInt64(64 - partitionBits)
    var cursor = [Int](repeating: 0, count: 1 << partitionBits)
    cursor.withUnsafeMutableBufferPointer { cursor in
      for row in 0..<rows where verdicts[row] == .keep { cursor[Int(hashes[row] >> shift)] &+= 1 }
    }
    block.setStarts(counts: cursor)
    for partition in cursor.indices { cursor[partition] = block.starts[partition] }

    let idColumn = batch.columns[positions.customerID]
    let keys = integerKeys(idColumn, scratch)
    let countsRefunds = format.negative == .refund
    let hasChannels = positions.channel != nil
    let needsTargets = block.ids != nil || block.origins != nil
    let targets = scratch.targets
    let target = block.rows
    withExtendedLifetime((idColumn, amounts)) {
      let amountValues = amounts?.base
      cursor.withUnsafeMutableBufferPointer { cursor in
        let cursor = cursor.baseAddress!
        for row in 0..<rows where verdicts[row] == .keep {
          let partition = Int(hashes[row] >> shift)
          let position = cursor[partition]
          cursor[partition] = position + 1
          // More streams than the hardware follows: each asks for its own lines ahead.
          tranche_prefetch(target + position + Self.scatterDistance)
          let amount = amountValues?[row] ?? .zero
          target[position] = LedgerRow(
            key: keys[row], amount: amount, age: ages[row],
            channel: hasChannels ? channels[row] : 0,
            isRefund: countsRefunds && amount.isNegative ? 1 : 0)
          if needsTargets { targets[row] = Int32(truncatingIfNeeded: position) }
        }
      }
    }
    block.counts.folded += block.starts.last ?? 0
    if let ids = block.ids { placeTexts(idColumn, ids, scratch) }
    if let origins = block.origins {
      block.originCount = fingerprints(batch, scratch, into: origins)
    }
  }

  // MARK: - Identities

  private func hashIDs(_ column: Column, _ scratch: DecodingScratch) {
    let hashes = scratch.hashes
    let verdicts = scratch.verdicts
    switch column.values {
    case .int64(let ids):
      let values = ids.base
      withExtendedLifetime(ids) {
        for row in 0..<ids.count {
          hashes[row] = IdentityHash.hash(UInt64(bitPattern: values[row]))
        }
      }
    case .int32(let ids):
      let values = ids.base
      withExtendedLifetime(ids) {
        for row in 0..<ids.count {
          hashes[row] = IdentityHash.hash(UInt64(bitPattern: Int64(values[row])))
        }
      }
    case .dictionary(let codes, let texts):
      let known = (0..<texts.count).map { IdentityHash.hash(texts[$0]) }
      let empty = (0..<texts.count).map { texts[$0].isEmpty }
      for row in 0..<column.count where !column.isMissing(row) {
        let code = Int(codes[row])
        hashes[row] = known[code]
        if empty[code] { verdicts[row] = .missingCustomerID }
      }
    case .strings(let texts):
      texts.forEach { row, id in
        hashes[row] = IdentityHash.hash(id)
        if id.isEmpty { verdicts[row] = .missingCustomerID }
      }
    default: preconditionFailure("the fold checked the type of the customer id")
    }
    markMissing(column, scratch)
  }

  private func markMissing(_ ids: Column, _ scratch: DecodingScratch) {
    guard let validity = ids.validity else { return }
    for row in 0..<ids.count where !validity[row] { scratch.verdicts[row] = .missingCustomerID }
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
    default: return UnsafePointer(ranges == nil ? scratch.hashes : scratch.keys)
    }
  }

  /// Where the kept rows' texts lie, beside the rows.
  private func placeTexts(
    _ column: Column, _ ids: UnsafeMutablePointer<TextReference>, _ scratch: DecodingScratch
  ) {
    let (verdicts, targets) = (scratch.verdicts, scratch.targets)
    func place(_ row: Int, _ text: UnsafeBufferPointer<UInt8>) {
      guard verdicts[row] == .keep, let start = text.baseAddress else { return }
      ids[Int(targets[row])] = TextReference(start: start, length: text.count)
    }
    switch column.values {
    case .strings(let texts): texts.forEach(place)
    case .dictionary(let codes, let texts):
      let entries = (0..<texts.count).map { texts[$0] }
      for row in 0..<column.count where verdicts[row] == .keep {
        place(row, entries[Int(codes.base[row])])
      }
    default: preconditionFailure("the fold chose text ids for a column of numbers")
    }
  }

  // MARK: - Setting rows aside

  /// Counts and describes every row that is not kept, in the file's order.
  private func setAside(
    _ batch: RecordBatch, _ block: RowBlock<Amount>, _ scratch: DecodingScratch,
    days: [ParseFailure], amounts: [ParseFailure]
  ) {
    let verdicts = scratch.verdicts
    // Mostly every row is kept, which one bit tells.
    var any: UInt8 = 0
    for row in 0..<batch.rows { any |= verdicts[row].rawValue }
    guard any != RowVerdict.keep.rawValue || !batch.rejected.isEmpty else { return }
    var counts = [Int](repeating: 0, count: RowVerdict.count)
    for row in 0..<batch.rows { counts[Int(verdicts[row].rawValue)] += 1 }
    block.quarantined.start(file: batch.origin.file)
    for row in batch.rejected {
      block.quarantined.append(place: row.line, reason: .wrongFieldCount, text: row.text)
    }
    block.quarantined.appendMissingIDs(batch.rejected.count)
    if !batch.rejected.isEmpty {
      block.counts.quarantined[.wrongFieldCount] = batch.rejected.count
    }
    let unusable = RowVerdict.allCases.filter { $0.quarantine != nil }
    let total = unusable.reduce(0) { $0 + counts[Int($1.rawValue)] }
    var rows: [Int] = []
    rows.reserveCapacity(total)
    block.quarantined.reserve(total)
    var (day, amount) = (0, 0)
    for row in 0..<batch.rows where verdicts[row] != .keep {
      guard let reason = verdicts[row].quarantine else { continue }
      rows.append(row)
      let place = batch.origin.place(of: row)
      switch reason {
      case .futureDate, .ancientDate:
        block.quarantined.append(
          place: place, reason: reason, day: asOf &- scratch.ages[row])
      case .missingDate, .unreadableDate:
        while days[day].row < row { day += 1 }
        block.quarantined.append(place: place, reason: reason, text: days[day].text)
      case .missingAmount, .unreadableAmount, .notFiniteAmount:
        while amounts[amount].row < row { amount += 1 }
        block.quarantined.append(place: place, reason: reason, text: amounts[amount].text)
      case .missingCustomerID, .wrongFieldCount, .duplicate:
        block.quarantined.append(place: place, reason: reason, text: nil)
      }
    }
    block.quarantined.appendIDs(of: batch.columns[positions.customerID], rows: rows)
    if !batch.rejected.isEmpty { block.quarantined.sortByPlace() }
    for verdict in RowVerdict.allCases where counts[Int(verdict.rawValue)] > 0 {
      if let reason = verdict.quarantine {
        block.counts.quarantined[reason] = counts[Int(verdict.rawValue)]
      } else if let reason = verdict.exclusion {
        block.counts.excluded[reason] = counts[Int(verdict.rawValue)]
      }
    }
  }

  // MARK: - Optional columns

  /// Only channels of kept rows are met: a channel that has none is no column.
  private func fillChannels(_ batch: RecordBatch, _ scratch: DecodingScratch) throws {
    guard let position = positions.channel else { return }
    let column = batch.columns[position]
    guard let texts = CodedTexts(column) else {
      throw InputError(
        .badData, "the channel column holds numbers, texts are expected", file: batch.origin.file,
        column: format.channel, hint: "map another column to `channel` or none")
    }
    let (channels, verdicts, codes) = (scratch.channels, scratch.verdicts, texts.codes.base)
    let unmet = UInt16.max
    var lookup = [UInt16](repeating: unmet, count: texts.entries.count)
    var unknown: UInt16?
    for row in 0..<column.count where verdicts[row] == .keep {
      if column.isMissing(row) {
        if unknown == nil { unknown = try self.channels.code(of: "") }
        channels[row] = unknown ?? 0
        continue
      }
      let entry = Int(codes[row])
      if lookup[entry] == unmet {
        lookup[entry] = try self.channels.code(of: texts.entries.text(entry))
      }
      channels[row] = lookup[entry]
    }
  }

  /// Amounts in the reporting currency: those given where there are no rates.
  private func convertCurrencies(
    _ amounts: Buffer<Amount>?, _ batch: RecordBatch, _ scratch: DecodingScratch
  ) throws -> Buffer<Amount>? {
    guard let position = positions.currency else { return amounts }
    let column = batch.columns[position]
    guard let texts = CodedTexts(column) else {
      throw InputError(
        .badData, "the currency column holds numbers, codes such as EUR are expected",
        file: batch.origin.file, column: format.currency,
        hint: "map another column to `currency` or none")
    }
    let (verdicts, codes) = (scratch.verdicts, texts.codes.base)
    var rates = [CurrencyRate?](repeating: nil, count: texts.entries.count)
    for row in 0..<column.count where verdicts[row] == .keep && !column.isMissing(row) {
      let entry = Int(codes[row])
      guard rates[entry] == nil else { continue }
      rates[entry] = try currencies.rate(
        of: texts.entries.text(entry), batch.origin, row: row, format)
    }
    guard format.rates != nil, let amounts else { return amounts }
    var failure: Int?
    let converted = Buffer<Amount>(count: amounts.count) { target in
      for row in 0..<amounts.count {
        let amount = amounts.base[row]
        guard verdicts[row] == .keep, !column.isMissing(row), let rate = rates[Int(codes[row])]
        else {
          target.initializeElement(at: row, to: amount)
          continue
        }
        let value = amount.converted(rate)
        if value == nil, failure == nil { failure = row }
        target.initializeElement(at: row, to: value ?? .zero)
      }
    }
    if let failure {
      throw InputError(
        .badData, "the amount does not fit into 64 bits in the reporting currency",
        file: batch.origin.file, line: batch.origin.place(of: failure), column: format.amount,
        hint: "check the rate under [ledger.rates]")
    }
    return converted
  }
}
