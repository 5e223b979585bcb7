import Columnar
import Sharding

/// The partitions of a fold that do not stay in memory.
///
/// All customers begin in memory. When they outgrow it, partitions are written out, last ones first;
/// from then on their rows only pass through to a file, in the ledger's order. At the end they are
/// taken back some at a time: the customers as they were, then the rows that came after.
final class FoldSpill<Amount: LedgerAmount>: @unchecked Sendable {
  /// One partition outside. Its rows are touched by one thread at a time.
  final class Partition {
    let layout: StateLayout
    let count: Int
    let states: SpillFile.Extent
    /// Texts back to back, and their spans.
    let arena: SpillFile.Extent?
    let texts: SpillFile.Extent?
    let farDays: [(state: UInt32, age: Int32)]
    let purchases: (words: Int, records: SpillFile.Extent)?
    let overflowed: Bool
    var rows: [SpilledRows] = []

    init(
      _ table: PartitionTable<Amount>, _ purchases: PurchaseTable<Amount>?, into file: SpillFile
    ) throws {
      layout = table.layout
      count = table.count
      states = try file.append(
        UnsafeRawBufferPointer(start: table.states, count: table.count * table.layout.stride))
      if let bytes = table.arena, let spans = table.texts {
        arena = try file.append(UnsafeRawBufferPointer(start: bytes, count: table.arenaCount))
        texts = try file.append(
          UnsafeRawBufferPointer(UnsafeBufferPointer(start: spans, count: table.count)))
      } else {
        (arena, texts) = (nil, nil)
      }
      farDays = table.farDays
      self.purchases = try purchases.map {
        let records = UnsafeRawBufferPointer(start: $0.records, count: $0.count * $0.layout.stride)
        return ($0.layout.words, try file.append(records))
      }
      overflowed = table.overflowed || purchases?.overflowed == true
    }
  }

  let memory: FoldMemory
  let file: SpillFile
  /// Bytes of customers in memory beyond which partitions go.
  let tableBytes: Int
  /// Of partitions that hold nobody.
  private let layout: StateLayout
  private let hasText: Bool
  private let windows: PurchaseWindows?
  /// By partition; nil for those in memory.
  private(set) var outside: [Partition?]
  private(set) var spilling: FoldSpilling
  /// A customer's exact sum left Int64 before its partition was written out.
  var overflowed: Bool { outside.contains { $0?.overflowed == true } }

  init(
    _ memory: FoldMemory, tableBytes: Int, partitions: Int, layout: StateLayout, hasText: Bool,
    windows: PurchaseWindows?
  ) throws {
    self.memory = memory
    self.layout = layout
    self.tableBytes = tableBytes
    self.hasText = hasText
    self.windows = windows
    file = try SpillFile(folder: memory.folder)
    outside = Array(repeating: nil, count: partitions)
    spilling = FoldSpilling(partitions: partitions)
  }

  var isUsed: Bool { spilling.spilledPartitions > 0 }

  func empty() -> (PartitionTable<Amount>, PurchaseTable<Amount>?) {
    (
      PartitionTable(layout: layout, hasText: hasText, keepsRowStates: windows != nil),
      windows.map { PurchaseTable($0) }
    )
  }

  /// Writes out as many partitions as it takes to have room for `growth` below `limit`.
  func evict(
    _ partitions: inout [PartitionTable<Amount>], _ purchases: inout [PurchaseTable<Amount>]?,
    limit: Int, growth: Int, _ workers: Workers
  ) throws {
    let staying = partitions.indices.filter { outside[$0] == nil }
    func bytes(_ index: Int) -> Int { partitions[index].bytes + (purchases?[index].bytes ?? 0) }
    let all = staying.reduce(0) { $0 + bytes($1) }
    var (held, leaving) = (all, [Int]())
    // Rows of partitions outside bring no growth.
    for index in staying.reversed()
    where held + Int(Double(growth) * Double(held) / Double(max(all, 1))) > limit {
      held -= bytes(index)
      leaving.append(index)
    }
    guard !leaving.isEmpty else { return }
    let (tables, bought, chosen) = (partitions, purchases, leaving)
    let found = try workers.map(chosen.count) { [file] index in
      Written(try Partition(tables[chosen[index]], bought?[chosen[index]], into: file))
    }
    for (index, written) in zip(chosen, found) {
      outside[index] = written.partition
      let (table, purchased) = empty()
      partitions[index] = table
      if let purchased { purchases?[index] = purchased }
    }
    // What they were is not kept for blocks of other sizes.
    FileMemory.release()
    spilling.spilledPartitions += chosen.count
  }

  private struct Written: @unchecked Sendable {
    let partition: Partition
    init(_ partition: Partition) { self.partition = partition }
  }

  /// Takes a partition's rows of some blocks past memory.
  func pass(
    _ blocks: [RowBlock<Amount>], _ partition: Int, _ packer: RowPacker<Amount>
  ) throws {
    guard let target = outside[partition] else { return }
    var runs: [RowPacker<Amount>.Run] = []
    var waiting = 0
    for block in blocks {
      let start = block.starts[partition]
      let count =
        block.hasCopies
        ? block.compact(partition: partition) : block.starts[partition + 1] - start
      guard count > 0 else { continue }
      if waiting > 0, waiting + count > SpilledRows.most {
        target.rows.append(try packer.pack(runs, into: file))
        (runs, waiting) = ([], 0)
      }
      runs.append(
        .init(
          rows: UnsafePointer(block.rows + start),
          ids: block.ids.map { UnsafePointer($0 + start) }, count: count))
      waiting += count
    }
    if waiting > 0 { target.rows.append(try packer.pack(runs, into: file)) }
  }

  /// A partition as it would be had it never left.
  ///
  /// - Parameter expected: Customers to make room for.
  func restore(
    _ partition: Int, channels: Int, words: Int, purchaseWords: Int, expected: Int
  ) throws -> (PartitionTable<Amount>, PurchaseTable<Amount>?) {
    guard let known = outside[partition] else {
      preconditionFailure("only what was written out is taken back")
    }
    let table = PartitionTable<Amount>(
      layout: known.layout, hasText: hasText, capacity: max(known.count, expected),
      keepsRowStates: windows != nil)
    table.restart(count: known.count, layout: known.layout)
    try read(known.states, into: table.states)
    if let arena = known.arena, let texts = known.texts {
      try restoreTexts(arena, texts, into: table)
    }
    for day in known.farDays { table.restoreFarDay(state: Int(day.state), age: day.age) }
    table.rebuildSlots()
    let purchases = windows.map {
      PurchaseTable<Amount>($0, capacity: max(known.count, expected))
    }
    if let purchases, let bought = known.purchases {
      purchases.extend(to: known.count, words: bought.words)
      try read(bought.records, into: purchases.records)
    }
    let packer = RowPacker<Amount>()
    for rows in known.rows {
      try packer.unpack(rows, from: file) { rows, ids in
        if let ids {
          table.fold(rows, ids: ids, channels: channels, words: words)
        } else {
          table.fold(rows, channels: channels, words: words)
        }
        purchases?.fold(
          rows, of: table.rowStates.base, count: table.count, words: purchaseWords)
      }
    }
    known.rows = []
    return (table, purchases)
  }

  private func read(_ extent: SpillFile.Extent, into target: UnsafeMutableRawPointer) throws {
    try file.read(
      at: extent.offset, into: UnsafeMutableRawBufferPointer(start: target, count: extent.bytes))
  }

  private func restoreTexts(
    _ arena: SpillFile.Extent, _ texts: SpillFile.Extent, into table: PartitionTable<Amount>
  ) throws {
    typealias Span = PartitionTable<Amount>.TextSpan
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: arena.bytes, alignment: 64)
    let spans = UnsafeMutableRawBufferPointer.allocate(byteCount: texts.bytes, alignment: 64)
    defer {
      bytes.deallocate()
      spans.deallocate()
    }
    try file.read(at: arena.offset, into: bytes)
    try file.read(at: texts.offset, into: spans)
    for (state, span) in spans.bindMemory(to: Span.self).enumerated() {
      if span.length <= Span.inlineBytes {
        withUnsafeBytes(of: span.start) { inside in
          let text = UnsafeRawBufferPointer(rebasing: inside[..<span.length])
          table.restoreText(text.bindMemory(to: UInt8.self), state: state)
        }
        continue
      }
      let text = UnsafeRawBufferPointer(rebasing: bytes[span.start..<span.start + span.length])
      table.restoreText(text.bindMemory(to: UInt8.self), state: state)
    }
  }

  /// What was spilled, when all rows have passed.
  func account() -> FoldSpilling {
    spilling.spilledRows = outside.reduce(0) { $0 + ($1?.rows.reduce(0) { $0 + $1.count } ?? 0) }
    return spilling
  }
}
