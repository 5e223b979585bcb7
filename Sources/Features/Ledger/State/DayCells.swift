import Columnar
import Sharding

/// A folded row that will leave a window one day: whose it is, when it was, how much.
struct DayCell<Amount: LedgerAmount>: BitwiseCopyable {
  /// Index in its partition.
  var state: UInt32
  /// Days before as-of.
  var age: Int32
  var amount: Amount
}

/// Values appended one by one, in memory that is reused.
struct GrowingBlock<Element: BitwiseCopyable>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 64) {
    self.capacity = capacity
    base = LargeMemory.allocate(capacity)
  }

  deinit { base.deallocate() }

  @inline(__always)
  mutating func append(_ element: Element) {
    if count == capacity { grow() }
    (base + count).initialize(to: element)
    count += 1
  }

  mutating func removeAll() { count = 0 }

  private mutating func grow() {
    capacity *= 2
    let larger: UnsafeMutablePointer<Element> = LargeMemory.allocate(capacity)
    larger.update(from: base, count: count)
    base.deallocate()
    base = larger
  }
}

/// Writes what the partitions collected, ordered by day and, within a day, by partition, so that
/// next month reads only the days that leave a window.
struct DayCellWriter<Amount: LedgerAmount> {
  let partitions: [PartitionTable<Amount>]
  let partitionBits: Int
  let asOf: Int32
  let workers: Workers
  let folder: String

  /// Empties the partitions' cells into a new file; nil when there are none.
  func write(to name: String) throws -> LedgerStateIndex.DayFile? {
    let ages = partitions.reduce(0) { max($0, $1.cellAges) }
    let total = partitions.reduce(0) { $0 + $1.cells.count }
    guard total > 0 else { return nil }
    let histograms = try workers.map(partitions.count) { partition -> [Int] in
      var histogram = [Int](repeating: 0, count: ages)
      let cells = partitions[partition].cells.base
      for cell in 0..<partitions[partition].cells.count { histogram[Int(cells[cell].age)] += 1 }
      return histogram
    }
    // Oldest day first; within a day partition after partition.
    var starts = histograms
    var next = 0
    var days: [LedgerStateIndex.DayFile.Day] = []
    for age in (0..<ages).reversed() {
      let first = next
      for partition in histograms.indices {
        starts[partition][age] = next
        next += histograms[partition][age]
      }
      if next > first { days.append(.init(day: asOf - Int32(age), rows: next - first)) }
    }
    let owners = Buffer<Int32>.uninitialized(count: total)
    let amounts = Buffer<Int64>.uninitialized(count: total)
    nonisolated(unsafe) let (owner, amount) = (owners.storage, amounts.storage)
    let shift = UInt32(32 - partitionBits)
    let firsts = starts
    try workers.forEach(partitions.count) { partition in
      var cursor = firsts[partition]
      let table = partitions[partition]
      let cells = table.cells.base
      for position in 0..<table.cells.count {
        let cell = cells[position]
        let target = cursor[Int(cell.age)]
        cursor[Int(cell.age)] = target + 1
        owner[target] = Int32(bitPattern: UInt32(partition) << shift | cell.state)
        amount[target] = cell.amount.minorUnits
      }
      table.removeCells()
    }
    var options = WriteOptions()
    options.threads = workers.threads
    options.rowGroupRows = StateFiles.groupRows
    options.dictionaries = false
    let schema = Schema(fields: [
      Field(name: "customer", type: .int32), Field(name: "amount", type: .int64),
    ])
    let sink = try TableSink(path: folder + "/" + name, schema: schema, options: options)
    for range in Shards(rows: total, rowsPerShard: StateFiles.groupRows) {
      try workers.cancellation.check()
      try sink.write([
        Column(.int32(owners.buffer[range])), Column(.int64(amounts.buffer[range])),
      ])
    }
    try sink.close()
    return LedgerStateIndex.DayFile(name: name, days: days)
  }
}

/// Moves transactions of a state between age buckets as as-of goes on, reading only their days.
struct DayCellMover<Amount: LedgerAmount> {
  let folder: String
  let index: LedgerStateIndex
  let asOf: Int32
  let partitions: [PartitionTable<Amount>]
  let workers: Workers

  /// A run of rows of one day that go from one bucket to another.
  private struct Move {
    var rows: Range<Int>
    var from: Int
    var to: Int
  }

  func apply() throws {
    for file in index.dayFiles { try apply(file) }
  }

  private func moves(of file: LedgerStateIndex.DayFile) -> [Move] {
    let groups = index.settings.keeps.groups
    func bucket(_ age: Int) -> Int {
      groups[age < 90 ? (age < 30 ? 0 : 1) : age < 180 ? 2 : age < 365 ? 3 : 4]
    }
    var moves: [Move] = []
    var row = 0
    for day in file.days {
      let (before, now) = (bucket(Int(index.asOf - day.day)), bucket(Int(asOf - day.day)))
      if before != now { moves.append(Move(rows: row..<row + day.rows, from: before, to: now)) }
      row += day.rows
    }
    return moves
  }

  private func apply(_ file: LedgerStateIndex.DayFile) throws {
    let moves = moves(of: file)
    guard !moves.isEmpty else { return }
    let source = try ParquetSource([folder + "/" + file.name])
    guard let owner = source.schema.index(of: "customer"),
      let amount = source.schema.index(of: "amount"), source.rowCount == Int64(file.rows)
    else { throw InputError.damagedState(folder + "/" + file.name) }
    var pieces: [(rows: Range<Int>, piece: Piece)] = []
    var row = 0
    while let piece = try source.next(columns: [owner, amount]) {
      let rows = row..<min(row + StateFiles.groupRows, file.rows)
      row = rows.upperBound
      if moves.contains(where: { $0.rows.overlaps(rows) }) { pieces.append((rows, piece)) }
    }
    // A few row groups at a time, each partition's share found by halving.
    let round = 4 * max(2, workers.threads)
    for start in stride(from: 0, to: pieces.count, by: round) {
      let part = Array(pieces[start..<min(start + round, pieces.count)])
      let batches = try workers.map(part.count) { try part[$0].piece.decode() }
      try workers.forEach(partitions.count) { partition in
        for (batch, (rows, _)) in zip(batches, part) {
          guard batch.rows == rows.count, case .int32(let owners) = batch.columns[0].values,
            case .int64(let amounts) = batch.columns[1].values
          else { throw InputError.damagedState(folder + "/" + file.name) }
          for move in moves where move.rows.overlaps(rows) {
            let run = move.rows.clamped(to: rows)
            try apply(
              move, run.lowerBound - rows.lowerBound..<run.upperBound - rows.lowerBound, owners,
              amounts, partition, file)
          }
        }
      }
    }
  }

  private func apply(
    _ move: Move, _ rows: Range<Int>, _ owners: Buffer<Int32>, _ amounts: Buffer<Int64>,
    _ partition: Int, _ file: LedgerStateIndex.DayFile
  ) throws {
    let shift = UInt32(32 - index.partitionBits)
    func firstRow(ofPartition wanted: Int) -> Int {
      var (low, high) = (rows.lowerBound, rows.upperBound)
      while low < high {
        let middle = (low + high) / 2
        if Int(UInt32(bitPattern: owners.base[middle]) >> shift) < wanted {
          low = middle + 1
        } else {
          high = middle
        }
      }
      return low
    }
    let (first, end) = withExtendedLifetime(owners) {
      (firstRow(ofPartition: partition), firstRow(ofPartition: partition + 1))
    }
    let table = partitions[partition]
    let mask = UInt32(truncatingIfNeeded: (UInt64(1) << UInt64(shift)) - 1)
    let isKnown = withExtendedLifetime((owners, amounts)) {
      table.move(
        UnsafeBufferPointer(start: owners.base + first, count: end - first),
        amounts: amounts.base + first, mask: mask, from: move.from, to: move.to)
    }
    if !isKnown { throw InputError.damagedState(folder + "/" + file.name) }
  }
}

extension InputError {
  /// A state's file is not what its index says.
  static func damagedState(_ file: String) -> InputError {
    InputError(
      .badData, "the state is damaged", file: file,
      hint: "make it anew from all of the ledger with --refold")
  }
}
