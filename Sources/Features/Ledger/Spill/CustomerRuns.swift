import Columnar
import Sharding

/// Customers of a few partitions at a time, each time in id order in a temporary file, and at last
/// merged into one table: a merge sort whose rows are features.
///
/// The table is the one that a harvest of all partitions at once would give, to the bit. Memory:
/// the tables of the partitions at hand and 24 bytes a customer of theirs; while merging, some
/// thousand rows a thread, and what the table itself takes where it is put.
final class CustomerRuns<Amount: LedgerAmount> {
  private let file: SpillFile
  private let setup: FoldSetup
  private let workers: Workers
  private let channels: [String]
  /// Days of purchases in words of 64, of every customer.
  private let purchaseWords: Int
  private var runs: [SortedRun] = []
  private var names: [String] = []
  private var oldestPurchase = -1
  private static var shardRows: Int { 16_384 }

  init(
    _ file: SpillFile, _ setup: FoldSetup, channels: [String], purchaseWords: Int
  ) {
    (self.file, self.setup, self.channels) = (file, setup, channels)
    workers = setup.workers
    self.purchaseWords = max(1, purchaseWords)
  }

  var customers: Int { runs.reduce(0) { $0 + $1.count } }
  var bytesWritten: Int { file.bytes }
  private var textBytes: Int { runs.reduce(0) { $0 + ($1.bytes?.bytes ?? 0) } }

  /// What the merged table will take.
  var size: FoldedSize {
    let bytes = runs.reduce(0) { sum, run in
      sum + run.planes.reduce(0) { $0 + $1.width } * run.count + 8 * run.count
    }
    return FoldedSize(customers: customers, bytes: bytes + textBytes)
  }

  /// Computes the features of partitions, all of one layout, and writes them down.
  ///
  /// - Parameter purchases: Beside the tables.
  func add(
    _ tables: [PartitionTable<Amount>], purchases: [PurchaseTable<Amount>]?
  ) throws {
    let (file, setup, purchaseWords) = (file, setup, purchaseWords)
    let harvest = LedgerHarvest(
      partitions: tables, channels: channels, scale: setup.scale, hasText: setup.hasText,
      features: setup.features, workers: workers, amountColumn: setup.format.amount)
    if tables.contains(where: \.overflowed) { throw harvest.overflow }
    let chosen = try harvest.chosenColumns()
    let names = chosen.names
    self.names = names
    let references = try harvest.sortedReferences()
    guard references.count > 0 else { return }
    let ids = setup.hasText ? try harvest.textIDs(references) : try harvest.integerIDs(references)
    purchases?.forEach { $0.extend(to: $0.count, words: purchaseWords) }
    let count = references.count
    let windows = setup.purchases?.edges.count ?? 0
    var widths = names.map { _ in 8 }
    if setup.purchases != nil { widths += [8 * purchaseWords, 8 * windows, 8, 4] }
    var run = try SortedRun(ids, into: file)
    run.planes = widths.map { .init(width: $0, extent: file.claim(bytes: $0 * count)) }
    let planes = run.planes
    let shards = Shards(rows: count, rowsPerShard: Self.shardRows)
    let results = try workers.map(shards.count) { shard -> (overflow: Bool, oldest: Int) in
      let rows = shards[shard]
      let overflow = try withUnsafeTemporaryAllocation(
        of: Double.self, capacity: names.count * rows.count
      ) { cells -> Bool in
        let columns = names.indices.map { cells.baseAddress! + $0 * rows.count }
        let overflow = harvest.fill(columns, rows: rows, of: references, chosen)
        for (column, plane) in zip(columns, planes) {
          try file.write(
            UnsafeRawBufferPointer(UnsafeBufferPointer(start: column, count: rows.count)),
            at: plane.extent.offset + rows.lowerBound * 8)
        }
        return overflow
      }
      guard let purchases, let windows = setup.purchases else { return (overflow, -1) }
      let harvest = try PurchaseHarvest(
        purchases, windows, customers: rows.count, scale: setup.scale,
        amountColumn: setup.format.amount)
      harvest.write(rows, of: references)
      let bought = try harvest.purchases(Workers(threads: 1))
      for (bytes, plane) in zip(bought.planes, planes[names.count...]) {
        try file.write(bytes, at: plane.extent.offset + rows.lowerBound * plane.width)
      }
      withExtendedLifetime(bought) {}
      return (overflow, bought.oldestAge)
    }
    if results.contains(where: \.overflow) { throw harvest.overflow }
    oldestPurchase = results.reduce(oldestPurchase) { max($0, $1.oldest) }
    runs.append(run)
  }

  /// All customers in ascending order of their ids. Columns lie in the current ``SpillSpace``.
  func merge(counts: LedgerCounts, workers: Workers) throws -> FoldedLedger {
    let total = customers
    let merge = RunMerge(runs, file, hasText: setup.hasText)
    let shards = try merge.shards(workers)
    let widths = runs.first?.planes.map(\.width) ?? []
    let memory = widths.map { Buffer<UInt8>.uninitialized(count: $0 * total) }
    let ids = MergedIDs(rows: total, textBytes: setup.hasText ? textBytes : nil)
    nonisolated(unsafe) let targets = memory.map {
      UnsafeMutableRawPointer($0.storage.baseAddress!)
    }
    try workers.forEach(shards.count, scratch: { RunScratch() }) { scratch, index in
      try merge.merge(shards[index], ids: ids, planes: targets, widths, scratch)
    }
    func plane<Value>(_ index: Int, _ type: Value.Type, perRow: Int = 1) -> Buffer<Value> {
      let bytes = memory[index].buffer
      return Buffer(
        base: UnsafeRawPointer(bytes.base).assumingMemoryBound(to: type), count: total * perRow,
        owner: MergedPlane(bytes))
    }
    let columns = names.indices.map { plane($0, Double.self) }
    var folded = FoldedLedger(
      table: FeatureTable(
        ids: ids.column, names: names,
        columns: total == 0 ? names.map { _ in Buffer([]) } : columns),
      counts: counts)
    if let windows = setup.purchases, total > 0 {
      let first = names.count
      folded.purchases = CustomerPurchases(
        windows: windows, words: purchaseWords, oldestAge: oldestPurchase,
        days: plane(first, UInt64.self, perRow: purchaseWords),
        amounts: plane(first + 1, Double.self, perRow: windows.edges.count),
        perUnit: Amount.perUnit(scale: setup.scale),
        firstAmounts: plane(first + 2, Double.self), firstAges: plane(first + 3, Int32.self))
    }
    return folded
  }

  /// Keeps a plane's bytes while they are seen as other values.
  private final class MergedPlane {
    let bytes: Buffer<UInt8>
    init(_ bytes: Buffer<UInt8>) { self.bytes = bytes }
  }
}

/// Some customers in id order in a file.
struct SortedRun: Sendable {
  struct Plane: Sendable {
    /// Bytes a customer.
    var width: Int
    var extent: SpillFile.Extent
  }
  let count: Int
  /// Int64 each; of texts the count + 1 offsets into `bytes`.
  let ids: SpillFile.Extent
  let bytes: SpillFile.Extent?
  /// Every `sampleStep`-th id, from the first on, and the last.
  let samples: [RunID]
  let last: RunID
  var planes: [Plane] = []

  static let sampleStep = 1_024

  init(_ ids: Column, into file: SpillFile) throws {
    count = ids.count
    let marks = stride(from: 0, to: ids.count, by: Self.sampleStep)
    switch ids.values {
    case .int64(let numbers):
      self.ids = try file.append(UnsafeRawBufferPointer(numbers.values))
      bytes = nil
      samples = marks.map { .number(numbers[$0]) }
      last = .number(numbers[ids.count - 1])
      withExtendedLifetime(numbers) {}
    case .strings(let texts):
      guard case .offsets64(let offsets) = texts.layout else {
        preconditionFailure("a harvest gives texts with offsets")
      }
      self.ids = try file.append(UnsafeRawBufferPointer(offsets.values))
      bytes = try file.append(UnsafeRawBufferPointer(texts.bytes.values))
      samples = marks.map { .text(Array(texts[$0])) }
      last = .text(Array(texts[ids.count - 1]))
      withExtendedLifetime(texts) {}
    default: preconditionFailure("a harvest gives integers or texts")
    }
  }
}

/// An id by itself, in the order of tables.
enum RunID: Comparable, Sendable {
  case number(Int64)
  case text([UInt8])

  static func < (a: RunID, b: RunID) -> Bool {
    switch (a, b) {
    case (.number(let a), .number(let b)): a < b
    case (.text(let a), .text(let b)): a.lexicographicallyPrecedes(b)
    default: preconditionFailure("ids of one ledger are all numbers or all texts")
    }
  }
}

/// The ids of the merged table.
final class MergedIDs: @unchecked Sendable {
  private let numbers: (buffer: Buffer<Int64>, storage: UnsafeMutableBufferPointer<Int64>)
  private let texts: (buffer: Buffer<UInt8>, storage: UnsafeMutableBufferPointer<UInt8>)?

  init(rows: Int, textBytes: Int?) {
    numbers = Buffer<Int64>.uninitialized(count: textBytes == nil ? rows : rows + 1)
    texts = textBytes.map { Buffer<UInt8>.uninitialized(count: $0) }
    if textBytes != nil { numbers.storage.initializeElement(at: 0, to: 0) }
  }

  /// Of texts the offsets, one more than rows.
  var values: UnsafeMutablePointer<Int64> { numbers.storage.baseAddress! }
  var bytes: UnsafeMutablePointer<UInt8>? { texts?.storage.baseAddress }

  var column: Column {
    guard let texts else { return Column(.int64(numbers.buffer)) }
    return Column(.strings(Strings(layout: .offsets64(numbers.buffer), bytes: texts.buffer)))
  }
}
