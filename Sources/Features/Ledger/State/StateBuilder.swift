import Columnar
import Sharding

/// Writes a first state from a fold's partitions, in ascending order of the customers' ids.
struct StateBuilder<Amount: LedgerAmount>: @unchecked Sendable {
  typealias Reference = LedgerHarvest<Amount>.Reference

  let setup: FoldSetup
  let folder: String
  /// All of one layout.
  let partitions: [PartitionTable<Amount>]
  /// Every customer, in order.
  let references: Buffer<Reference>
  /// Codes of the channels in the order of their columns.
  let channelCodes: [Int]
  let workers: Workers

  private var columns: StateColumns {
    StateColumns(setup.needs, channelCodes: channelCodes, hasText: setup.hasText)
  }

  /// Writes the customers, their buckets closed and their days beyond the words in order.
  func writeCustomers() throws -> [LedgerStateIndex.CustomerFile] {
    try forEachFile { groups, number in
      try workers.forEach(groups.count, scratch: { MergeScratch<Amount>() }) { scratch, slot in
        take(slot, of: number, into: groups[slot]) { table, state, bytes in
          guard setup.needs.activeDays else { return }
          table.activeDays(of: state, into: &scratch.ages)
          _ = DayList.write(scratch.ages, to: &bytes)
        }
        groups[slot].measure()
      }
      let sheet = StateSheet(groups)
      try workers.forEach(groups.count) { sheet.encodeCustomers(groups[$0]) }
      return try sheet.writeCustomers(to: folder, number: number)
    }
  }

  /// Empties the partitions' cells into new files; nothing when there are none.
  func writeDays(first: Int) throws -> [LedgerStateIndex.DayFile] {
    let total = partitions.reduce(0) { $0 + $1.cells.count }
    guard total > 0 else { return [] }
    let size = StateGroup<Amount>.customers
    let groupCount = (references.count + size - 1) / size
    let ranks = partitions.map { Buffer<UInt32>.uninitialized(count: $0.count) }
    nonisolated(unsafe) let rankOf = ranks.map { $0.storage.baseAddress! }
    let shards = Shards(rows: references.count, rowsPerShard: 65_536)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        let reference = references.base[row]
        rankOf[Int(reference.partition)][Int(reference.state)] = UInt32(row)
      }
    }
    let histograms = try workers.map(partitions.count) { partition -> [Int] in
      var histogram = [Int](repeating: 0, count: groupCount)
      let cells = partitions[partition].cells.base
      for cell in 0..<partitions[partition].cells.count {
        histogram[Int(rankOf[partition][Int(cells[cell].state)]) / size] += 1
      }
      return histogram
    }
    // Group after group, within a group partition after partition.
    var starts = [0]
    var cursors = histograms
    for group in 0..<groupCount {
      var next = starts[group]
      for partition in histograms.indices {
        cursors[partition][group] = next
        next += histograms[partition][group]
      }
      starts.append(next)
    }
    let grouped = Buffer<DayCell<Amount>>.uninitialized(count: total)
    nonisolated(unsafe) let target = grouped.storage.baseAddress!
    let firsts = cursors
    try workers.forEach(partitions.count) { partition in
      var cursor = firsts[partition]
      let cells = partitions[partition].cells.base
      for number in 0..<partitions[partition].cells.count {
        let cell = cells[number]
        let rank = rankOf[partition][Int(cell.state)]
        let group = Int(rank) / size
        target[cursor[group]] = DayCell(state: rank, age: cell.age, amount: cell.amount)
        cursor[group] += 1
      }
      partitions[partition].removeCells()
    }
    let bounds = starts
    defer { withExtendedLifetime((ranks, grouped)) {} }
    return try forEachFile { groups, number in
      try workers.forEach(groups.count) { slot in
        take(slot, of: number, into: groups[slot]) { _, _, _ in }
        let group = number * StateSheet<Amount>.groupCount + slot
        groups[slot].take(
          UnsafeBufferPointer(
            start: target + bounds[group], count: bounds[group + 1] - bounds[group])
        ) { Int($0.state) - group * size }
      }
      let sheet = StateSheet(groups)
      try workers.forEach(groups.count) { sheet.encodeDays(groups[$0]) }
      return try sheet.writeDays(to: folder, first: first, number: number)
    }
  }

  private func forEachFile<File>(
    _ body: ([StateGroup<Amount>], Int) throws -> File?
  ) throws -> [File] {
    let size = StateGroup<Amount>.customers * StateSheet<Amount>.groupCount
    let columns = columns
    let groups = (0..<StateSheet<Amount>.groupCount).map { _ in
      StateGroup<Amount>(columns, keepsAmounts: setup.needs.amounts, asOf: setup.asOf)
    }
    var files: [File] = []
    for number in 0..<(references.count + size - 1) / size {
      let rows = min(size, references.count - number * size)
      let used = (rows + StateGroup<Amount>.customers - 1) / StateGroup<Amount>.customers
      if let file = try body(Array(groups[..<used]), number) { files.append(file) }
    }
    return files
  }

  private func take(
    _ slot: Int, of file: Int, into group: StateGroup<Amount>,
    days: (PartitionTable<Amount>, Int, inout GrowingBlock<UInt8>) -> Void
  ) {
    let size = StateGroup<Amount>.customers
    let first = (file * StateSheet<Amount>.groupCount + slot) * size
    group.replace { content in
      for row in first..<min(first + size, references.count) {
        let reference = references.base[row]
        let table = partitions[Int(reference.partition)]
        let state = Int(reference.state)
        days(table, state, &content.days)
        content.append(
          table.states + state * table.layout.stride,
          text: setup.hasText ? table.text(of: state) : nil)
      }
    }
  }
}
