import Columnar
import Sharding

/// Writes the customers of a fold, partition by partition, each partition in the order its customers
/// were met: a customer's place never changes, so that the days' files of earlier runs stay valid.
struct LedgerStateWriter<Amount: LedgerAmount> {
  let folder: String
  let asOf: Int32
  let needs: FoldNeeds
  let hasText: Bool
  /// Codes of the channels in the order of their names.
  let channelCodes: [Int]
  /// All of one layout, finished.
  let partitions: [PartitionTable<Amount>]
  let workers: Workers

  /// Adds up the buckets that no boundary cuts, so that a state is the same however it came about.
  func closeBuckets() throws {
    let groups = needs.groups
    try workers.forEach(partitions.count) { partitions[$0].closeBuckets(groups) }
  }

  func write() throws {
    let columns = StateColumns(
      layout: partitions[0].layout, needs: needs, channelCodes: channelCodes)
    let fields = columns.fields(hasText: hasText)
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = StateFiles.groupRows
    options.dictionaries = false
    let sink = try TableSink(
      path: folder + "/" + StateFiles.customers, schema: Schema(fields: fields), options: options)
    var starts = [0]
    for table in partitions { starts.append(starts.last! + table.count) }
    let firsts = starts
    for range in Shards(rows: starts.last!, rowsPerShard: StateFiles.groupRows) {
      try workers.cancellation.check()
      let days = (0..<2).map { _ in Buffer<Int32>.uninitialized(count: range.count) }
      let counts = columns.counts.map { _ in Buffer<Int32>.uninitialized(count: range.count) }
      let longs = columns.longs.map { _ in Buffer<Int64>.uninitialized(count: range.count) }
      let keys = Buffer<Int64>.uninitialized(count: hasText ? 0 : range.count)
      nonisolated(unsafe) let targets = (
        days: days.map { $0.storage.baseAddress! }, counts: counts.map { $0.storage.baseAddress! },
        longs: longs.map { $0.storage.baseAddress! }, keys: keys.storage.baseAddress!
      )
      // Few rows at a time, so that their records stay in a core's cache from column to column.
      let tiles = Shards(rows: range.count, rowsPerShard: 8_192)
      try workers.forEach(tiles.count) { tile in
        forEachRun(range.lowerBound + tiles[tile].lowerBound, tiles[tile].count, firsts) {
          table, states, offset in
          let row = tiles[tile].lowerBound + offset
          let stride = table.layout.stride
          let records = table.states + states.lowerBound * stride
          if !hasText {
            Self.gather(records, stride, 0, states.count, targets.keys + row)
          }
          for (side, place) in [8, 12].enumerated() {
            let target = targets.days[side] + row
            Self.gather(records, stride, place, states.count, target)
            for state in 0..<states.count { target[state] = asOf - target[state] }
          }
          for (column, field) in columns.counts.enumerated() {
            Self.gather(records, stride, field.offset, states.count, targets.counts[column] + row)
          }
          for (column, field) in columns.longs.enumerated() {
            Self.gather(records, stride, field.offset, states.count, targets.longs[column] + row)
          }
        }
      }
      let ids = hasText ? texts(range, firsts) : Column(.int64(keys.buffer))
      try sink.write(
        [ids] + days.map { Column(.date($0.buffer)) } + counts.map { Column(.int32($0.buffer)) }
          + longs.map { Column(.int64($0.buffer)) })
    }
    try sink.close()
  }

  /// Writes the active days that lie beyond the words; returns how many there are.
  func writeFarDays() throws -> Int {
    var (owners, states, days): ([Int32], [Int32], [Int32]) = ([], [], [])
    for (partition, table) in partitions.enumerated() {
      for far in table.farDays {
        owners.append(Int32(partition))
        states.append(Int32(bitPattern: far.state))
        days.append(asOf - far.age)
      }
    }
    guard !days.isEmpty else { return 0 }
    let schema = Schema(fields: [
      Field(name: "partition", type: .int32), Field(name: "customer", type: .int32),
      Field(name: "day", type: .date),
    ])
    let sink = try TableSink(path: folder + "/" + StateFiles.farDays, schema: schema)
    try sink.write([
      Column(.int32(Buffer(owners))), Column(.int32(Buffer(states))), Column(.date(Buffer(days))),
    ])
    try sink.close()
    return days.count
  }

  /// Calls `body` for every partition that has some of `count` rows from `firstRow` on, with its
  /// states and where in the rows they begin.
  private func forEachRun(
    _ firstRow: Int, _ count: Int, _ starts: [Int],
    _ body: (PartitionTable<Amount>, Range<Int>, Int) -> Void
  ) {
    let rows = firstRow..<firstRow + count
    for partition in partitions.indices
    where starts[partition] < rows.upperBound && starts[partition + 1] > rows.lowerBound {
      let run = rows.clamped(to: starts[partition]..<starts[partition + 1])
      body(
        partitions[partition],
        run.lowerBound - starts[partition]..<run.upperBound - starts[partition],
        run.lowerBound - firstRow)
    }
  }

  private func texts(_ range: Range<Int>, _ starts: [Int]) -> Column {
    var bytes: [UInt8] = []
    var offsets: [Int64] = [0]
    forEachRun(range.lowerBound, range.count, starts) { table, states, _ in
      for state in states {
        bytes.append(contentsOf: table.text(of: state))
        offsets.append(Int64(bytes.count))
      }
    }
    return Column(.strings(Strings(layout: .offsets64(Buffer(offsets)), bytes: Buffer(bytes))))
  }

  @inline(__always)
  private static func gather<Value: BitwiseCopyable>(
    _ records: UnsafeMutableRawPointer, _ stride: Int, _ offset: Int, _ count: Int,
    _ target: UnsafeMutablePointer<Value>
  ) {
    var record = records + offset
    for row in 0..<count {
      target[row] = record.load(as: Value.self)
      record += stride
    }
  }
}
