import CKernels

/// The states of some customers in id order, read as features column by column: so few that their
/// states stay in a core's cache from one feature to the next.
struct CustomerRun<Amount: LedgerAmount> {
  let capacity = 256

  private let partitions: [PartitionTable<Amount>]
  /// Where each partition's states begin; reading it counts no references.
  private let bases: [UnsafeMutableRawPointer]
  private let hasFarDays: Bool
  private let layout: StateLayout
  private let scale: Int
  private let needsDays: Bool
  private let needsGaps: Bool
  private var count = 0
  private var states: [UnsafeMutableRawPointer]
  private var days: [ActiveDays]
  /// A sum over age buckets left Int64.
  private(set) var overflowed = false

  /// - Parameter partitions: One or more, all of one layout.
  init(_ partitions: [PartitionTable<Amount>], _ selection: FeatureSelection, scale: Int) {
    self.partitions = partitions
    bases = partitions.map(\.states)
    hasFarDays = partitions.contains { !$0.farDays.isEmpty }
    self.scale = scale
    layout = partitions[0].layout
    needsDays = selection.needsActiveDays
    needsGaps =
      selection.features.contains(.meanGapDays) || selection.features.contains(.gapRegularity)
    states = Array(repeating: partitions[0].states, count: capacity)
    days = Array(repeating: ActiveDays(), count: capacity)
  }

  /// Takes up the customers of `rows`; `place` says in which partition and where there.
  @inline(__always)
  mutating func read(_ rows: Range<Int>, _ place: (Int) -> (partition: Int, state: Int)) {
    count = rows.count
    let (stride, first) = (layout.stride, rows.lowerBound)
    states.withUnsafeMutableBufferPointer { states in
      bases.withUnsafeBufferPointer { bases in
        for slot in 0..<rows.count {
          let (partition, state) = place(first + slot)
          let start = bases[partition] + state * stride
          states[slot] = start
          tranche_prefetch(start)
          tranche_prefetch(start + 64)
        }
      }
    }
    guard needsDays else { return }
    for slot in 0..<rows.count {
      let words = (states[slot] + layout.wordsOffset).assumingMemoryBound(to: UInt64.self)
      days[slot] = ActiveDays(words, count: layout.words, gaps: needsGaps)
    }
    guard hasFarDays else { return }
    for slot in 0..<rows.count {
      let (partition, state) = place(first + slot)
      let farDays = partitions[partition].farDays
      if !farDays.isEmpty { days[slot].addFar(farDays, state: UInt32(state)) }
    }
  }

  /// Takes up customers that lie in order, with lists of their active days.
  mutating func read(_ rows: Range<Int>, of group: StateGroup<Amount>) {
    count = rows.count
    let records = group.records
    for (slot, row) in rows.enumerated() {
      states[slot] = records[row]
      guard needsDays else { continue }
      let oldest = Int(states[slot].load(fromByteOffset: 12, as: Int32.self))
      let list = group.days(row)
      days[slot] =
        needsGaps ? ActiveDays(list, oldest: oldest) : ActiveDays(count: DayList.count(list))
    }
  }

  /// One value a customer taken up.
  mutating func write(_ feature: LedgerFeature, to target: UnsafeMutablePointer<Double>) {
    switch feature {
    case .recencyDays: fill(target) { Double($0.load(fromByteOffset: 8, as: Int32.self)) }
    case .tenureDays: fill(target) { Double($0.load(fromByteOffset: 12, as: Int32.self)) }
    case .refundCount: fill(target) { Double($0.load(fromByteOffset: 16, as: UInt32.self)) }
    case .frequency: fillCounts(target, layout.buckets)
    case .count30: fillCounts(target, layout.buckets(below: 30))
    case .count90: fillCounts(target, layout.buckets(below: 90))
    case .count365: fillCounts(target, layout.buckets(below: 365))
    case .monetary: fillAmounts(target, layout.buckets)
    case .amount30: fillAmounts(target, layout.buckets(below: 30))
    case .amount90: fillAmounts(target, layout.buckets(below: 90))
    case .amount365: fillAmounts(target, layout.buckets(below: 365))
    case .averageAmount:
      fillAmounts(target, layout.buckets)
      for slot in 0..<count { target[slot] /= Self.count(states[slot], layout.buckets) }
    case .trend: writeTrend(to: target)
    case .activeDays: for slot in 0..<count { target[slot] = Double(days[slot].count) }
    case .meanGapDays: for slot in 0..<count { target[slot] = days[slot].meanGap }
    case .gapRegularity: for slot in 0..<count { target[slot] = days[slot].gapRegularity }
    }
  }

  func writeShare(ofChannel code: Int, to target: UnsafeMutablePointer<Double>) {
    precondition(code < layout.channels, "a channel that was met has room in every state")
    let (offset, buckets) = (layout.channelsOffset, layout.buckets)
    fill(target) { state in
      let counts = (state + offset).assumingMemoryBound(to: UInt32.self)
      return Double(counts[code]) / Self.count(state, buckets)
    }
  }

  private mutating func writeTrend(to target: UnsafeMutablePointer<Double>) {
    let (scale, offset) = (scale, layout.amountsOffset)
    let (recent, both) = (layout.buckets(below: 90), layout.buckets(below: 180))
    var overflowed = overflowed
    fill(target) { state in
      let now = Self.amount(state + offset, 0..<recent, scale, &overflowed)
      let before = Self.amount(state + offset, recent..<both, scale, &overflowed)
      let size = abs(now) + abs(before)
      return size == 0 ? 0 : (now - before) / size
    }
    self.overflowed = overflowed
  }

  private func fillCounts(_ target: UnsafeMutablePointer<Double>, _ buckets: Int) {
    fill(target) { Self.count($0, buckets) }
  }

  private mutating func fillAmounts(_ target: UnsafeMutablePointer<Double>, _ buckets: Int) {
    let (scale, offset) = (scale, layout.amountsOffset)
    var overflowed = overflowed
    fill(target) { Self.amount($0 + offset, 0..<buckets, scale, &overflowed) }
    self.overflowed = overflowed
  }

  @inline(__always)
  private func fill(
    _ target: UnsafeMutablePointer<Double>, _ value: (UnsafeMutableRawPointer) -> Double
  ) {
    states.withUnsafeBufferPointer { states in
      for slot in 0..<count { target[slot] = value(states[slot]) }
    }
  }

  /// Transactions in the youngest `buckets` age buckets.
  @inline(__always)
  private static func count(_ state: UnsafeMutableRawPointer, _ buckets: Int) -> Double {
    let counts = (state + StateLayout.countsOffset).assumingMemoryBound(to: UInt32.self)
    var sum = 0
    for bucket in 0..<buckets { sum += Int(counts[bucket]) }
    return Double(sum)
  }

  /// The sum of some age buckets' amounts in the ledger's unit.
  @inline(__always)
  private static func amount(
    _ amounts: UnsafeMutableRawPointer, _ buckets: Range<Int>, _ scale: Int,
    _ overflowed: inout Bool
  ) -> Double {
    let amounts = amounts.assumingMemoryBound(to: Amount.self)
    var sum = Amount.zero
    for bucket in buckets {
      if sum.addReportingOverflow(amounts[bucket]) { overflowed = true }
    }
    return sum.value(scale: scale)
  }
}

/// The distinct active days of one customer and the gaps between them.
private struct ActiveDays {
  private(set) var count = 0
  private var first = 0
  private var last = -1
  private var squaredGaps = 0

  init() {}

  /// Of which no gaps are asked.
  init(count: Int) { self.count = count }

  /// From a bit set: bit i of the words is age i.
  @inline(__always)
  init(_ words: UnsafePointer<UInt64>, count wordCount: Int, gaps: Bool) {
    for word in 0..<wordCount {
      var bits = words[word]
      if bits == 0 { continue }
      count += bits.nonzeroBitCount
      guard gaps else { continue }
      while bits != 0 {
        meet(word * 64 + bits.trailingZeroBitCount)
        bits &= bits - 1
      }
    }
  }

  /// From a list of gaps. Oldest first: the gaps are the same from either end.
  @inline(__always)
  init(_ list: UnsafeBufferPointer<UInt8>, oldest: Int) {
    count = 1
    first = oldest
    var skipped = 0
    for byte in list {
      if byte == 0 {
        skipped += 255
        continue
      }
      let gap = skipped + Int(byte)
      skipped = 0
      count += 1
      squaredGaps += gap * gap
      first -= gap
    }
    last = oldest
  }

  @inline(__always)
  private mutating func meet(_ age: Int) {
    if last >= 0 {
      squaredGaps += (age - last) * (age - last)
    } else {
      first = age
    }
    last = age
  }

  /// Adds the ages past the bit set: those of `state` among days in (state, age) order.
  mutating func addFar(_ farDays: [(state: UInt32, age: Int32)], state: UInt32) {
    var (low, high) = (0, farDays.count)
    while low < high {
      let middle = (low + high) / 2
      if farDays[middle].state < state { low = middle + 1 } else { high = middle }
    }
    while low < farDays.count, farDays[low].state == state {
      count += 1
      meet(Int(farDays[low].age))
      low += 1
    }
  }

  var meanGap: Double { count < 2 ? .nan : Double(last - first) / Double(count - 1) }

  var gapRegularity: Double {
    guard count >= 3 else { return .nan }
    let gaps = Double(count - 1)
    let variance = max(0, Double(squaredGaps) / gaps - meanGap * meanGap)
    return variance.squareRoot() / meanGap
  }
}
