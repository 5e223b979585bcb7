import Columnar
import Sharding

/// A fold under a limit to memory.
extension FoldSession {
  /// Writes customers out before the next round could bring more than there is room for.
  func keepToMemory() throws {
    guard let spill else { return }
    // Fingerprints of rows cannot leave: any later row may be a copy.
    let prints = duplicates?.bytes ?? 0
    guard prints < spill.tableBytes / 2 else {
      throw InputError(
        .configuration,
        "--memory is too little to look for duplicates: \(counts.read) rows read so far take "
          + "\(prints >> 20) MiB",
        hint: "give four times as much, or use duplicates = \"keep\"")
    }
    let held = tableBytes + prints
    if held + max(0, held - heldBytes) > spill.tableBytes {
      try spill.evict(
        &partitions, &purchases, limit: spill.tableBytes - prints,
        growth: max(0, held - heldBytes), workers)
      heldBytes = tableBytes + prints
    } else {
      heldBytes = held
    }
  }

  var tableBytes: Int {
    partitions.reduce(0) { $0 + $1.bytes } + (purchases?.reduce(0) { $0 + $1.bytes } ?? 0)
  }

  /// Under a limit: as in memory where everything stayed there and the columns find room beside it,
  /// else some partitions at a time.
  func finish(_ spill: FoldSpill<Amount>) throws -> FoldedLedger {
    let spilling = spill.account()
    if !spill.isUsed {
      let size = sizeInMemory
      let space = try spill.memory.place(size)
      let beside = tableBytes + size.customers * 24 + (space == nil ? size.bytes : 0)
      if beside <= spill.memory.bytes {
        var folded = try SpillSpace.run(in: space) { try finishInMemory() }
        (folded.space, folded.spilling) = (space, spilling)
        return folded
      }
    }
    let runs = try harvestInTurns(spill)
    let space = try spill.memory.place(runs.size)
    var folded = try SpillSpace.run(in: space) { try runs.merge(counts: counts, workers: workers) }
    (folded.space, folded.spilling) = (space, spilling)
    folded.spilling?.spilledBytes = spill.file.bytes + runs.bytesWritten
    return folded
  }

  private var sizeInMemory: FoldedSize {
    let customers = partitions.reduce(0) { $0 + $1.count }
    let shares = setup.features.channels.map { $0.isEmpty ? channels.names.count : $0.count }
    var row = 8 * (1 + setup.features.features.count + (shares ?? 0))
    if let windows = setup.purchases {
      row += 8 * max(1, purchaseWords) + 8 * windows.edges.count + 12
    }
    return FoldedSize(
      customers: customers,
      bytes: customers * (setup.hasText ? row + 8 : row)
        + partitions.reduce(0) { $0 + $1.arenaCount })
  }

  /// Computes the features of as many partitions at a time as there is room for: first of those in
  /// memory, then of those outside.
  private func harvestInTurns(_ spill: FoldSpill<Amount>) throws -> CustomerRuns<Amount> {
    let names = channels.names
    let width = setup.needs.channels ? names.count : 0
    let runs = CustomerRuns<Amount>(
      try SpillFile(folder: spill.memory.folder), setup, channels: names,
      purchaseWords: purchaseWords)
    if spill.overflowed { throw InputError.exactRange(setup.format.amount) }
    var (largest, mostCustomers) = (0, 0)
    func harvest(_ indices: [Int]) throws {
      let (tables, words) = (partitions, words)
      for index in indices {
        largest = max(largest, tables[index].bytes + (purchases?[index].bytes ?? 0))
        mostCustomers = max(mostCustomers, tables[index].count)
      }
      try workers.forEach(indices.count) {
        tables[indices[$0]].widen(channels: width, words: words)
        tables[indices[$0]].finish()
      }
      try runs.add(
        indices.map { tables[$0] }, purchases: purchases.map { all in indices.map { all[$0] } })
      for index in indices { drop(index, spill) }
    }
    let inside = partitions.indices.filter { spill.outside[$0] == nil }
    if !inside.isEmpty { try harvest(inside) }
    var waiting = partitions.indices.filter { spill.outside[$0] != nil }[...]
    while !waiting.isEmpty {
      // Hashed alike, partitions have about as many customers each.
      let fitting = largest == 0 ? workers.threads : spill.tableBytes / (largest + largest / 16)
      let next = Array(waiting.prefix(max(1, fitting)))
      waiting = waiting.dropFirst(next.count)
      let (expected, all, bought) = (mostCustomers, words, purchaseWords)
      let restored = try workers.map(next.count) { index in
        Restored(
          try spill.restore(
            next[index], channels: width, words: all, purchaseWords: bought, expected: expected))
      }
      for (index, tables) in zip(next, restored) {
        partitions[index] = tables.table
        if let bought = tables.purchases { purchases?[index] = bought }
      }
      try harvest(next)
    }
    // Before the table is made.
    spill.file.empty()
    FileMemory.release()
    return runs
  }

  private struct Restored: @unchecked Sendable {
    let table: PartitionTable<Amount>
    let purchases: PurchaseTable<Amount>?
    init(_ tables: (PartitionTable<Amount>, PurchaseTable<Amount>?)) {
      (table, purchases) = tables
    }
  }

  /// Frees a partition's customers.
  private func drop(_ index: Int, _ spill: FoldSpill<Amount>) {
    let (table, purchased) = spill.empty()
    partitions[index] = table
    if let purchased { purchases?[index] = purchased }
  }
}
