import Columnar
import Sharding

/// Brings the partitions' customers into id order and computes their features.
struct LedgerHarvest<Amount: LedgerAmount>: @unchecked Sendable {
  let partitions: [PartitionTable<Amount>]
  /// In order of their codes.
  let channels: [String]
  let scale: Int
  let hasText: Bool
  let features: FeatureSelection
  let workers: Workers
  /// For messages.
  let amountColumn: String
  /// Takes the customers' purchases, beside their features.
  var purchases: PurchaseHarvest<Amount>?

  typealias Reference = CustomerReference

  /// All customers' features; the tables are finished, and of one layout.
  func harvest(counts: LedgerCounts) throws -> FoldedLedger {
    if partitions.contains(where: \.overflowed) { throw overflow }
    if partitions.allSatisfy({ $0.dense != nil }) { return try harvestDense(counts: counts) }
    let references = try sortedReferences()
    let ids = hasText ? try textIDs(references) : try integerIDs(references)
    let (names, columns) = try columns(references)
    var folded = FoldedLedger(
      table: FeatureTable(ids: ids, names: names, columns: columns), counts: counts)
    if let purchases {
      let shards = Shards(rows: references.count, rowsPerShard: 16_384)
      try workers.forEach(shards.count) { shard in
        purchases.write(shards[shard], of: references, to: shards[shard].lowerBound)
      }
      folded.purchases = try purchases.purchases(workers)
    }
    return folded
  }

  // MARK: - Order

  /// All customers in ascending order of their ids: a bucket sort by the leading bits that differ,
  /// then inside each bucket, in parallel, by the bits below.
  func sortedReferences() throws -> Buffer<Reference> {
    let total = partitions.reduce(0) { $0 + $1.count }
    let prefix = hasText ? commonPrefix() : 0
    let orders = partitions.map { Buffer<UInt64>.uninitialized(count: $0.count) }
    nonisolated(unsafe) let keys = orders.map(\.storage)
    let ranges = try workers.map(partitions.count) { partition -> (UInt64, UInt64) in
      var (low, high) = (UInt64.max, UInt64.min)
      let keys = keys[partition]
      for state in 0..<partitions[partition].count {
        let order = order(partitions[partition], state, prefix)
        keys[state] = order
        low = min(low, order)
        high = max(high, order)
      }
      return (low, high)
    }
    let low = ranges.map(\.0).min() ?? 0
    let span = (ranges.map(\.1).max() ?? 0) &- low
    // About a thousand buckets over the range that ids really use.
    let shift = UInt64(max(0, (64 - span.leadingZeroBitCount) - 10))
    let bucketCount = total == 0 ? 1 : Int(span >> shift) + 1

    let histograms = try workers.map(partitions.count) { partition -> [Int] in
      var histogram = [Int](repeating: 0, count: bucketCount)
      for order in keys[partition] { histogram[Int((order &- low) >> shift)] += 1 }
      return histogram
    }
    var starts = [Int](repeating: 0, count: bucketCount + 1)
    for histogram in histograms {
      for bucket in 0..<bucketCount { starts[bucket + 1] += histogram[bucket] }
    }
    for bucket in 0..<bucketCount { starts[bucket + 1] += starts[bucket] }
    var cursors: [[Int]] = []
    var next = Array(starts.dropLast())
    for histogram in histograms {
      cursors.append(next)
      for bucket in 0..<bucketCount { next[bucket] += histogram[bucket] }
    }

    // Only its pointers were used above.
    defer { withExtendedLifetime(orders) {} }
    return try Buffer(count: total) { target in
      nonisolated(unsafe) let target = target
      let cursors = cursors
      try workers.forEach(partitions.count) { partition in
        var cursor = cursors[partition]
        for (state, order) in keys[partition].enumerated() {
          let bucket = Int((order &- low) >> shift)
          target[cursor[bucket]] = Reference(
            order: order, partition: UInt32(partition), state: UInt32(state))
          cursor[bucket] += 1
        }
      }
      let bounds = starts
      try workers.forEach(bucketCount, scratch: { ReferenceSort() }) { scratch, bucket in
        let run = UnsafeMutableBufferPointer(rebasing: target[bounds[bucket]..<bounds[bucket + 1]])
        sort(run, scratch)
      }
    }
  }

  /// One bucket: byte by byte from the lowest that differs, then texts that agree in `order`.
  private func sort(_ run: UnsafeMutableBufferPointer<Reference>, _ scratch: ReferenceSort) {
    guard run.count > 1 else { return }
    if run.count < 128 {
      var few = run
      few.sort { $0.order < $1.order }
    } else {
      scratch.sort(run)
    }
    guard hasText else { return }
    var start = 0
    while start < run.count {
      var end = start + 1
      while end < run.count, run[end].order == run[start].order { end += 1 }
      if end - start > 1 {
        var equal = UnsafeMutableBufferPointer(rebasing: run[start..<end])
        equal.sort { textPrecedes($0, $1) }
      }
      start = end
    }
  }

  /// A number that sorts like the id: sign bit flipped for integers, for texts the eight bytes after
  /// the prefix that all ids share.
  @inline(__always)
  private func order(_ table: PartitionTable<Amount>, _ state: Int, _ prefix: Int) -> UInt64 {
    guard hasText else { return table.key(of: state) ^ (1 << 63) }
    let text = table.text(of: state)
    guard let start = text.baseAddress else { return 0 }
    if text.count >= prefix + 8 {
      return UInt64(
        bigEndian: UnsafeRawPointer(start + prefix).loadUnaligned(as: UInt64.self))
    }
    var order: UInt64 = 0
    for offset in 0..<8 {
      let position = prefix + offset
      order = order << 8 | (position < text.count ? UInt64(text[position]) : 0)
    }
    return order
  }

  @inline(__always)
  private func text(_ reference: Reference) -> UnsafeBufferPointer<UInt8> {
    partitions[Int(reference.partition)].text(of: Int(reference.state))
  }

  private func textPrecedes(_ a: Reference, _ b: Reference) -> Bool {
    text(a).lexicographicallyPrecedes(text(b))
  }

  private func commonPrefix() -> Int {
    guard let first = partitions.first(where: { $0.count > 0 })?.text(of: 0) else { return 0 }
    var shared = first.count
    for table in partitions {
      for state in 0..<table.count {
        let text = table.text(of: state)
        shared = min(shared, text.count)
        var agreed = 0
        while agreed < shared, text[agreed] == first[agreed] { agreed += 1 }
        shared = agreed
        if shared == 0 { return 0 }
      }
    }
    return shared
  }

  func integerIDs(_ references: Buffer<Reference>) throws -> Column {
    let ids = Buffer<Int64>.uninitialized(count: references.count)
    nonisolated(unsafe) let target = ids.storage
    let shards = Shards(rows: references.count, rowsPerShard: 65_536)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        target[row] = Int64(bitPattern: references.base[row].order ^ (1 << 63))
      }
    }
    return Column(.int64(ids.buffer))
  }

  func textIDs(_ references: Buffer<Reference>) throws -> Column {
    let shards = Shards(rows: references.count, rowsPerShard: 16_384)
    let sizes = try workers.map(shards.count) { shard in
      withExtendedLifetime(references) {
        shards[shard].reduce(0) { $0 + text(references.base[$1]).count }
      }
    }
    var (starts, total) = ([Int](), 0)
    for size in sizes {
      starts.append(total)
      total += size
    }
    let offsets = Buffer<Int64>.uninitialized(count: references.count + 1)
    let bytes = Buffer<UInt8>.uninitialized(count: total)
    offsets.storage.initializeElement(at: 0, to: 0)
    let first = starts
    nonisolated(unsafe) let ends = offsets.storage.baseAddress! + 1
    nonisolated(unsafe) let target = bytes.storage.baseAddress!
    try workers.forEach(shards.count) { shard in
      var end = first[shard]
      for row in shards[shard] {
        let text = text(references.base[row])
        if let start = text.baseAddress { (target + end).update(from: start, count: text.count) }
        end += text.count
        ends[row] = Int64(end)
      }
    }
    withExtendedLifetime(references) {}
    return Column(.strings(Strings(layout: .offsets64(offsets.buffer), bytes: bytes.buffer)))
  }

  var overflow: InputError { .exactRange(amountColumn) }

  // MARK: - Features

  /// The table's columns: the features, then shares of channels by their codes.
  struct ChosenColumns: Sendable {
    var names: [String]
    var channelCodes: [Int]
  }

  func chosenColumns() throws -> ChosenColumns {
    var chosen = ChosenColumns(names: features.features.map(\.rawValue), channelCodes: [])
    guard let wanted = features.channels else { return chosen }
    for name in wanted.isEmpty ? channelsByName : wanted {
      guard let code = channels.firstIndex(of: name) else {
        throw InputError(
          .badData, "the ledger has no channel \"\(name)\"",
          hint: channels.isEmpty
            ? "map a column to `channel`"
            : "its channels are \(channelsByName.joined(separator: ", "))")
      }
      chosen.names.append(LedgerFeature.channelPrefix + name)
      chosen.channelCodes.append(code)
    }
    return chosen
  }

  private func columns(
    _ references: Buffer<Reference>
  ) throws -> (names: [String], columns: [Buffer<Double>]) {
    let chosen = try chosenColumns()
    let buffers = chosen.names.map { _ in Buffer<Double>.uninitialized(count: references.count) }
    nonisolated(unsafe) let cells = buffers.map { $0.storage.baseAddress! }
    let shards = Shards(rows: references.count, rowsPerShard: 16_384)
    let overflowed = try workers.map(shards.count) { shard -> Bool in
      let rows = shards[shard]
      return fill(cells.map { $0 + rows.lowerBound }, rows: rows, of: references, chosen)
    }
    if overflowed.contains(true) { throw overflow }
    return (chosen.names, buffers.map(\.buffer))
  }

  /// Dense ids are in order by partition and slot: a partition's customers are rows of their own, and
  /// their memory is free for the columns of the next ones.
  private func harvestDense(counts: LedgerCounts) throws -> FoldedLedger {
    var starts = [0]
    for table in partitions { starts.append(starts.last! + table.count) }
    let (first, chosen) = (starts, try chosenColumns())
    let ids = Buffer<Int64>.uninitialized(count: first.last!)
    let buffers = chosen.names.map { _ in Buffer<Double>.uninitialized(count: first.last!) }
    nonisolated(unsafe) let idCells = ids.storage.baseAddress!
    nonisolated(unsafe) let cells = buffers.map { $0.storage.baseAddress! }
    let overflowed = try workers.map(partitions.count) { partition -> Bool in
      let table = partitions[partition]
      guard let dense = table.dense, table.count > 0 else { return false }
      let lowest = dense.first + Int64(partition << dense.shift)
      var row = first[partition]
      let states = [UInt32](unsafeUninitializedCapacity: table.count) { states, count in
        for slot in 0..<dense.slots where table.slots[slot] != 0 {
          states[count] = table.slots[slot] - 1
          idCells[row] = lowest + Int64(slot)
          (count, row) = (count + 1, row + 1)
        }
      }
      var run = CustomerRun([table], features, scale: scale)
      fill(cells.map { $0 + first[partition] }, rows: states.indices, from: &run, chosen) {
        (0, Int(states[$0]))
      }
      table.removeCustomers()
      purchases?.write(partition, states.indices, to: first[partition]) { Int(states[$0]) }
      purchases?.remove(partition)
      return run.overflowed
    }
    if overflowed.contains(true) { throw overflow }
    var folded = FoldedLedger(
      table: FeatureTable(
        ids: Column(.int64(ids.buffer)), names: chosen.names, columns: buffers.map(\.buffer)),
      counts: counts)
    folded.purchases = try purchases?.purchases(workers)
    return folded
  }

  /// Computes the columns of some rows, each from its `targets` on.
  ///
  /// - Returns: Whether a sum left its exact range.
  func fill(
    _ targets: [UnsafeMutablePointer<Double>], rows: Range<Int>, of references: Buffer<Reference>,
    _ chosen: ChosenColumns
  ) -> Bool {
    var run = CustomerRun(partitions, features, scale: scale)
    fill(targets, rows: rows, from: &run, chosen) { row in
      (Int(references.base[row].partition), Int(references.base[row].state))
    }
    return run.overflowed
  }

  @inline(__always)
  private func fill(
    _ targets: [UnsafeMutablePointer<Double>], rows: Range<Int>,
    from run: inout CustomerRun<Amount>, _ chosen: ChosenColumns,
    _ place: (Int) -> (partition: Int, state: Int)
  ) {
    var start = rows.lowerBound
    while start < rows.upperBound {
      let end = min(start + run.capacity, rows.upperBound)
      run.read(start..<end, place)
      let offset = start - rows.lowerBound
      for (column, feature) in features.features.enumerated() {
        run.write(feature, to: targets[column] + offset)
      }
      for (column, code) in chosen.channelCodes.enumerated() {
        run.writeShare(ofChannel: code, to: targets[features.features.count + column] + offset)
      }
      start = end
    }
  }

  /// By their bytes, so that no order depends on who came first.
  private var channelsByName: [String] {
    channels.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

extension InputError {
  /// A sum that Int64 does not hold.
  static func exactRange(_ column: String) -> InputError {
    InputError(
      .badData, "a customer's amounts add up to more than the exact range of 64 bits",
      column: column, hint: "declare fewer decimals with amount_scale")
  }
}
