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

  /// A customer on the way to its place: `order` sorts like the id (for texts, up to eight bytes).
  private struct Reference: BitwiseCopyable {
    var order: UInt64
    var partition: UInt32
    var state: UInt32
  }

  func harvest(counts: LedgerCounts) throws -> FoldedLedger {
    try workers.forEach(partitions.count) { partitions[$0].finish() }
    let references = try sortedReferences()
    let ids = hasText ? try textIDs(references) : try integerIDs(references)
    let (names, columns) = try columns(references)
    return FoldedLedger(
      table: FeatureTable(ids: ids, names: names, columns: columns), counts: counts)
  }

  // MARK: - Order

  /// All customers in ascending order of their ids: a bucket sort by the leading bits that differ,
  /// then a comparison sort inside each bucket, in parallel.
  private func sortedReferences() throws -> Buffer<Reference> {
    let total = partitions.reduce(0) { $0 + $1.count }
    let prefix = hasText ? commonPrefix() : 0
    let ranges = try workers.map(partitions.count) { partition -> (UInt64, UInt64) in
      var (low, high) = (UInt64.max, UInt64.min)
      for state in 0..<partitions[partition].count {
        let order = order(partition, state, prefix)
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
      for state in 0..<partitions[partition].count {
        histogram[Int((order(partition, state, prefix) &- low) >> shift)] += 1
      }
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

    return try Buffer(count: total) { target in
      nonisolated(unsafe) let target = target
      let cursors = cursors
      try workers.forEach(partitions.count) { partition in
        var cursor = cursors[partition]
        for state in 0..<partitions[partition].count {
          let order = order(partition, state, prefix)
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
  private func order(_ partition: Int, _ state: Int, _ prefix: Int) -> UInt64 {
    let table = partitions[partition]
    guard hasText else { return table.key(of: state) ^ (1 << 63) }
    let (start, length) = table.texts[state]
    var order: UInt64 = 0
    for offset in 0..<8 {
      let position = prefix + offset
      order = order << 8 | (position < length ? UInt64(table.arena[start + position]) : 0)
    }
    return order
  }

  private func text(_ reference: Reference) -> ArraySlice<UInt8> {
    let table = partitions[Int(reference.partition)]
    let (start, length) = table.texts[Int(reference.state)]
    return table.arena[start..<start + length]
  }

  private func textPrecedes(_ a: Reference, _ b: Reference) -> Bool {
    text(a).lexicographicallyPrecedes(text(b))
  }

  private func commonPrefix() -> Int {
    guard let table = partitions.first(where: { $0.count > 0 }) else { return 0 }
    let (start, length) = table.texts[0]
    var prefix = Array(table.arena[start..<start + length])
    for table in partitions {
      for (start, length) in table.texts {
        var shared = 0
        while shared < min(prefix.count, length), table.arena[start + shared] == prefix[shared] {
          shared += 1
        }
        prefix.removeLast(prefix.count - shared)
        if prefix.isEmpty { return 0 }
      }
    }
    return prefix.count
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
        let reference = references[row]
        total += partitions[Int(reference.partition)].texts[Int(reference.state)].length
        target[row + 1] = Int64(total)
      }
    }
    let bytes = Buffer<UInt8>(count: total) { target in
      for row in 0..<references.count {
        var position = Int(offsets[row])
        for byte in text(references[row]) {
          target[position] = byte
          position += 1
        }
      }
    }
    return Column(.strings(Strings(layout: .offsets64(offsets), bytes: bytes)))
  }

  // MARK: - Features

  private func columns(
    _ references: Buffer<Reference>
  ) throws -> (names: [String], columns: [Buffer<Double>]) {
    var names = features.features.map(\.rawValue)
    var channelCodes: [Int] = []
    if let wanted = features.channels {
      for name in wanted.isEmpty ? channels.sorted() : wanted {
        guard let code = channels.firstIndex(of: name) else {
          throw InputError(
            .badData, "the ledger has no channel \"\(name)\"",
            hint: channels.isEmpty
              ? "map a column to `channel`"
              : "its channels are \(channels.sorted().joined(separator: ", "))")
        }
        names.append(LedgerFeature.channelPrefix + name)
        channelCodes.append(code)
      }
    }
    let buffers = names.map { _ in Buffer<Double>.uninitialized(count: references.count) }
    nonisolated(unsafe) let cells = buffers.map(\.storage)
    let needsGaps =
      features.features.contains(.meanGapDays) || features.features.contains(.gapRegularity)
    let codes = channelCodes
    let shards = Shards(rows: references.count, rowsPerShard: 16_384)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        let reference = references[row]
        let table = partitions[Int(reference.partition)]
        let state = CustomerReading(
          table: table, index: Int(reference.state), scale: scale,
          days: features.needsActiveDays
            ? ActiveDays(table: table, index: Int(reference.state), gaps: needsGaps) : nil)
        for (column, feature) in features.features.enumerated() {
          cells[column][row] = state.value(of: feature)
        }
        for (offset, code) in codes.enumerated() {
          cells[features.features.count + offset][row] = state.share(ofChannel: code)
        }
      }
    }
    return (names, buffers.map(\.buffer))
  }
}

/// One customer's state, read as features.
private struct CustomerReading<Amount: LedgerAmount> {
  let state: UnsafeMutableRawPointer
  let layout: StateLayout
  let scale: Int
  let days: ActiveDays?

  init(table: PartitionTable<Amount>, index: Int, scale: Int, days: ActiveDays?) {
    layout = table.layout
    state = table.states + index * layout.stride
    self.scale = scale
    self.days = days
  }

  private var youngest: Int32 { state.load(fromByteOffset: 8, as: Int32.self) }
  private var oldest: Int32 { state.load(fromByteOffset: 12, as: Int32.self) }

  private func count(_ buckets: Range<Int>) -> Double {
    let counts = (state + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)
    return Double(buckets.reduce(0) { $0 + Int(counts[$1]) })
  }

  private func amount(_ buckets: Range<Int>) -> Double {
    let amounts = (state + StateLayout.amountsOffset).assumingMemoryBound(to: Amount.self)
    var sum = Amount.zero
    for bucket in buckets { _ = sum.addReportingOverflow(amounts[bucket]) }
    return sum.value(scale: scale)
  }

  func value(of feature: LedgerFeature) -> Double {
    switch feature {
    case .recencyDays: Double(youngest)
    case .tenureDays: Double(oldest)
    case .frequency: count(0..<5)
    case .monetary: amount(0..<5)
    case .averageAmount: amount(0..<5) / count(0..<5)
    case .activeDays: Double(days!.count)
    case .refundCount: Double(state.load(fromByteOffset: 16, as: UInt32.self))
    case .amount30: amount(0..<1)
    case .count30: count(0..<1)
    case .amount90: amount(0..<2)
    case .count90: count(0..<2)
    case .amount365: amount(0..<4)
    case .count365: count(0..<4)
    case .trend: trend
    case .meanGapDays: days!.meanGap
    case .gapRegularity: days!.gapRegularity
    }
  }

  private var trend: Double {
    let (now, before) = (amount(0..<2), amount(2..<3))
    let size = abs(now) + abs(before)
    return size == 0 ? 0 : (now - before) / size
  }

  func share(ofChannel code: Int) -> Double {
    // A table that never met the channel has no room for it.
    guard code < layout.channels else { return 0 }
    let counts = (state + StateLayout.channelsOffset).assumingMemoryBound(to: UInt32.self)
    return Double(counts[code]) / count(0..<5)
  }
}

/// The distinct active days of one customer and the gaps between them.
private struct ActiveDays {
  private(set) var count = 0
  private var first = 0
  private var last = 0
  private var squaredGaps = 0

  init<Amount>(table: PartitionTable<Amount>, index: Int, gaps: Bool) {
    let layout = table.layout
    let words = (table.states + index * layout.stride + layout.wordsOffset)
      .assumingMemoryBound(to: UInt64.self)
    var previous = -1
    func meet(_ age: Int, _ days: inout ActiveDays) {
      if previous >= 0 {
        days.squaredGaps += (age - previous) * (age - previous)
      } else {
        days.first = age
      }
      previous = age
      days.last = age
    }
    for word in 0..<layout.words {
      var bits = words[word]
      count += bits.nonzeroBitCount
      guard gaps else { continue }
      while bits != 0 {
        meet(word * 64 + bits.trailingZeroBitCount, &self)
        bits &= bits - 1
      }
    }
    for age in Self.farAges(table, index) {
      count += 1
      if gaps { meet(age, &self) }
    }
  }

  /// Ages past the bit set, ascending.
  private static func farAges<Amount>(_ table: PartitionTable<Amount>, _ index: Int) -> [Int] {
    guard !table.farDays.isEmpty else { return [] }
    var (low, high) = (0, table.farDays.count)
    while low < high {
      let middle = (low + high) / 2
      if table.farDays[middle].state < UInt32(index) { low = middle + 1 } else { high = middle }
    }
    var ages: [Int] = []
    while low < table.farDays.count, table.farDays[low].state == UInt32(index) {
      ages.append(Int(table.farDays[low].age))
      low += 1
    }
    return ages
  }

  var meanGap: Double { count < 2 ? .nan : Double(last - first) / Double(count - 1) }

  var gapRegularity: Double {
    guard count >= 3 else { return .nan }
    let gaps = Double(count - 1)
    let variance = max(0, Double(squaredGaps) / gaps - meanGap * meanGap)
    return variance.squareRoot() / meanGap
  }
}
