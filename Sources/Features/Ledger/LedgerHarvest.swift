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

  /// A customer on the way to its place: `order` sorts like the id (for texts, up to eight bytes).
  struct Reference: BitwiseCopyable {
    var order: UInt64
    var partition: UInt32
    var state: UInt32
  }

  func harvest(counts: LedgerCounts) throws -> FoldedLedger {
    // One layout for all: tables that missed the last rounds are brought up to it.
    let width = partitions.reduce(0) { max($0, $1.layout.channels) }
    let words = partitions.reduce(0) { max($0, $1.layout.words) }
    try workers.forEach(partitions.count) {
      partitions[$0].widen(channels: width, words: words)
      partitions[$0].finish()
    }
    if partitions.contains(where: \.overflowed) { throw overflow }
    let references = try sortedReferences()
    let ids = hasText ? try textIDs(references) : try integerIDs(references)
    let (names, columns) = try columns(references)
    return FoldedLedger(
      table: FeatureTable(ids: ids, names: names, columns: columns), counts: counts)
  }

  // MARK: - Order

  /// All customers in ascending order of their ids: a bucket sort by the leading bits that differ,
  /// then a comparison sort inside each bucket, in parallel.
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
      try workers.forEach(bucketCount) { bucket in
        var run = UnsafeMutableBufferPointer(rebasing: target[bounds[bucket]..<bounds[bucket + 1]])
        if hasText {
          run.sort { $0.order != $1.order ? $0.order < $1.order : textPrecedes($0, $1) }
        } else {
          run.sort { $0.order < $1.order }
        }
      }
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

  private func integerIDs(_ references: Buffer<Reference>) throws -> Column {
    Column(
      .int64(
        Buffer(count: references.count) { target in
          for row in 0..<references.count {
            target[row] = Int64(bitPattern: references[row].order ^ (1 << 63))
          }
        }))
  }

  private func textIDs(_ references: Buffer<Reference>) throws -> Column {
    var total = 0
    let offsets = Buffer<Int64>(count: references.count + 1) { target in
      target[0] = 0
      for row in 0..<references.count {
        total += text(references[row]).count
        target[row + 1] = Int64(total)
      }
    }
    let bytes = Buffer<UInt8>.uninitialized(count: total)
    nonisolated(unsafe) let target = bytes.storage
    let shards = Shards(rows: references.count, rowsPerShard: 16_384)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        _ = UnsafeMutableBufferPointer(
          rebasing: target[Int(offsets[row])..<Int(offsets[row + 1])]
        ).initialize(from: text(references[row]))
      }
    }
    return Column(.strings(Strings(layout: .offsets64(offsets), bytes: bytes.buffer)))
  }

  var overflow: InputError {
    InputError(
      .badData, "a customer's amounts add up to more than the exact range of 64 bits",
      column: amountColumn, hint: "declare fewer decimals with amount_scale")
  }

  // MARK: - Features

  /// Names of the columns, and the codes of the channels whose shares are the last of them.
  func names() throws -> (names: [String], channelCodes: [Int]) {
    var names = features.features.map(\.rawValue)
    var channelCodes: [Int] = []
    if let wanted = features.channels {
      for name in wanted.isEmpty ? channelsByName : wanted {
        guard let code = channels.firstIndex(of: name) else {
          throw InputError(
            .badData, "the ledger has no channel \"\(name)\"",
            hint: channels.isEmpty
              ? "map a column to `channel`"
              : "its channels are \(channelsByName.joined(separator: ", "))")
        }
        names.append(LedgerFeature.channelPrefix + name)
        channelCodes.append(code)
      }
    }
    return (names, channelCodes)
  }

  private func columns(
    _ references: Buffer<Reference>
  ) throws -> (names: [String], columns: [Buffer<Double>]) {
    let (names, channelCodes) = try names()
    let buffers = names.map { _ in Buffer<Double>.uninitialized(count: references.count) }
    nonisolated(unsafe) let cells = buffers.map { $0.storage.baseAddress! }
    let codes = channelCodes
    let shards = Shards(rows: references.count, rowsPerShard: 16_384)
    let overflowed = try workers.map(shards.count) { shard -> Bool in
      var run = CustomerRun(partitions, features, scale: scale)
      let rows = shards[shard]
      var start = rows.lowerBound
      while start < rows.upperBound {
        let end = min(start + run.capacity, rows.upperBound)
        run.read(start..<end) { row in
          (Int(references.base[row].partition), Int(references.base[row].state))
        }
        for (column, feature) in features.features.enumerated() {
          run.write(feature, to: cells[column] + start)
        }
        for (offset, code) in codes.enumerated() {
          run.writeShare(ofChannel: code, to: cells[features.features.count + offset] + start)
        }
        start = end
      }
      return run.overflowed
    }
    if overflowed.contains(true) { throw overflow }
    return (names, buffers.map(\.buffer))
  }

  /// By their bytes, so that no order depends on who came first.
  private var channelsByName: [String] {
    channels.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
