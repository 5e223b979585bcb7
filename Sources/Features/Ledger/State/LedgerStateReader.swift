import Columnar
import Sharding

/// The columns of a state's customers, in the order of the file.
struct StateColumns {
  let layout: StateLayout
  let needs: FoldNeeds
  let channelCodes: [Int]

  /// First buckets of the runs that no boundary cuts.
  var heads: [Int] { Array(Set(needs.groups)).sorted() }

  /// Name and offset of the 32-bit counts in a customer's record.
  var counts: [(name: String, offset: Int)] {
    var columns = heads.map { ("count_\($0)", StateLayout.countsOffset + 4 * $0) }
    if needs.amounts { columns.append(("refunds", 16)) }
    for (number, code) in channelCodes.enumerated() {
      columns.append(("channel_\(number)", StateLayout.channelsOffset + 4 * code))
    }
    return columns
  }

  /// Name and offset of the 64-bit fields.
  var longs: [(name: String, offset: Int)] {
    var columns: [(String, Int)] = []
    if needs.amounts {
      columns += heads.map { ("amount_\($0)", StateLayout.amountsOffset + 8 * $0) }
    }
    for word in 0..<layout.words {
      columns.append(("days_\(word)", layout.wordsOffset + 8 * word))
    }
    return columns
  }

  func fields(hasText: Bool) -> [Field] {
    [
      Field(name: "customer_id", type: hasText ? .string : .int64),
      Field(name: "last_day", type: .date), Field(name: "first_day", type: .date),
    ] + counts.map { Field(name: $0.name, type: .int32) }
      + longs.map { Field(name: $0.name, type: .int64) }
  }
}

/// Brings the customers of a state back into their partitions, as of a later day.
struct LedgerStateReader<Amount: LedgerAmount> {
  let folder: String
  let index: LedgerStateIndex
  let asOf: Int32
  let partitions: [PartitionTable<Amount>]
  let workers: Workers

  private var path: String { folder + "/" + StateFiles.customers }
  private var columns: StateColumns {
    StateColumns(
      layout: StateLayout(channels: index.channels.count, words: index.words),
      needs: index.settings.keeps, channelCodes: Array(index.channels.indices))
  }

  /// - Returns: Words of active days that the customers have now.
  func restore() throws -> Int {
    guard index.partitionCounts.count == partitions.count else { throw damaged }
    for (table, count) in zip(partitions, index.partitionCounts) {
      table.prepare(count: count, layout: columns.layout)
    }
    if index.customers > 0 { try readCustomers() }
    for table in partitions { table.rebuildSlots() }
    if index.farDays > 0 { try readFarDays() }
    let days = asOf - index.asOf
    let oldest = try workers.map(partitions.count) { partitions[$0].oldest }.max() ?? -1
    if Int(oldest) + Int(days) > 36_525 {
      throw InputError(
        .badData, "a customer of the state would be older than a century", file: path,
        hint: "make the state anew with --refold")
    }
    var words = index.words
    if index.settings.keeps.activeDays, oldest >= 0 {
      words = min(PartitionTable<Amount>.maximumWords, Int(oldest + days) / 64 + 1)
    }
    let width = words
    try workers.forEach(partitions.count) { partitions[$0].advance(days: days, words: width) }
    if days > 0 {
      try DayCellMover(
        folder: folder, index: index, asOf: asOf, partitions: partitions, workers: workers
      ).apply()
    }
    return words
  }

  private var damaged: InputError { .damagedState(path) }

  private func readCustomers() throws {
    let source = try ParquetSource([path])
    let wanted = columns.fields(hasText: index.textIdentifiers)
    let positions = try wanted.map { field in
      guard let position = source.schema.index(of: field.name),
        source.schema.fields[position].type == field.type
      else { throw damaged }
      return position
    }
    guard source.rowCount == Int64(index.customers) else { throw damaged }
    var firstRows = [0]
    for count in index.partitionCounts { firstRows.append(firstRows.last! + count) }
    let starts = firstRows
    var texts: [(firstRow: Int, ids: Column)] = []
    while true {
      var pieces: [Piece] = []
      while pieces.count < 2 * workers.threads, let piece = try source.next(columns: positions) {
        pieces.append(piece)
      }
      if pieces.isEmpty { break }
      let round = pieces
      let ids = try workers.map(round.count) { number -> (Int, Column) in
        let batch = try round[number].decode()
        let firstRow = Int(batch.origin.firstRow)
        guard batch.columns.allSatisfy({ $0.validity == nil }) else { throw damaged }
        try place(batch, at: firstRow, starts)
        return (firstRow, batch.columns[0])
      }
      if index.textIdentifiers { texts += ids.map { ($0.0, $0.1) } }
    }
    guard index.textIdentifiers else { return }
    let columns = texts
    try workers.forEach(partitions.count) { partition in
      let rows = starts[partition]..<starts[partition + 1]
      for (firstRow, ids) in columns {
        let part = rows.clamped(to: firstRow..<firstRow + ids.count)
        for row in part where !part.isEmpty {
          partitions[partition].restoreText(
            ids.text(row - firstRow), state: row - rows.lowerBound)
        }
      }
    }
  }

  /// Writes a batch into the records of its customers, column by column, partition by partition.
  private func place(_ batch: RecordBatch, at firstRow: Int, _ starts: [Int]) throws {
    let columns = columns
    let stride = columns.layout.stride
    let rows = firstRow..<firstRow + batch.rows
    var partition = 0
    while partition < partitions.count, starts[partition + 1] <= rows.lowerBound { partition += 1 }
    while partition < partitions.count, starts[partition] < rows.upperBound {
      let run = rows.clamped(to: starts[partition]..<starts[partition + 1])
      let records = partitions[partition].states + (run.lowerBound - starts[partition]) * stride
      let part = run.lowerBound - firstRow..<run.upperBound - firstRow
      records.initializeMemory(as: UInt8.self, repeating: 0, count: run.count * stride)
      if case .int64(let ids) = batch.columns[0].values {
        Self.store(ids, part, records, stride, 0)
      }
      try storeAges(batch.columns[1], part, records, stride, 8)
      try storeAges(batch.columns[2], part, records, stride, 12)
      for (position, field) in columns.counts.enumerated() {
        guard case .int32(let values) = batch.columns[3 + position].values else { throw damaged }
        Self.store(values, part, records, stride, field.offset)
      }
      for (position, field) in columns.longs.enumerated() {
        guard case .int64(let values) = batch.columns[3 + columns.counts.count + position].values
        else { throw damaged }
        Self.store(values, part, records, stride, field.offset)
      }
      partition += 1
    }
  }

  private func storeAges(
    _ column: Column, _ rows: Range<Int>, _ records: UnsafeMutableRawPointer, _ stride: Int,
    _ offset: Int
  ) throws {
    guard case .date(let days) = column.values else { throw damaged }
    try withExtendedLifetime(days) {
      var record = records + offset
      for row in rows {
        let (age, overflow) = index.asOf.subtractingReportingOverflow(days.base[row])
        guard !overflow, age >= 0 else { throw damaged }
        record.storeBytes(of: age, as: Int32.self)
        record += stride
      }
    }
  }

  private static func store<Value: BitwiseCopyable>(
    _ values: Buffer<Value>, _ rows: Range<Int>, _ records: UnsafeMutableRawPointer,
    _ stride: Int, _ offset: Int
  ) {
    withExtendedLifetime(values) {
      var record = records + offset
      for row in rows {
        record.storeBytes(of: values.base[row], as: Value.self)
        record += stride
      }
    }
  }

  private func readFarDays() throws {
    let file = folder + "/" + StateFiles.farDays
    let source = try ParquetSource([file])
    var read = 0
    while let piece = try source.next(columns: Array(0..<source.schema.fields.count)) {
      let batch = try piece.decode()
      guard batch.columns.count == 3, case .int32(let owners) = batch.columns[0].values,
        case .int32(let states) = batch.columns[1].values,
        case .date(let days) = batch.columns[2].values
      else { throw InputError.damagedState(file) }
      for row in 0..<batch.rows {
        let partition = Int(owners[row])
        guard partitions.indices.contains(partition),
          (0..<partitions[partition].count).contains(Int(states[row])), days[row] <= index.asOf
        else { throw InputError.damagedState(file) }
        partitions[partition].restoreFarDay(state: Int(states[row]), age: index.asOf - days[row])
      }
      read += batch.rows
    }
    guard read == index.farDays else { throw InputError.damagedState(file) }
  }
}
