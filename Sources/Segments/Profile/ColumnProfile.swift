import Columnar
import Features
import Sharding
import Synchronization

/// One feature of a labelled base: how it is distributed in every segment and in the whole base.
///
/// Values are counted in bins, a row of bins a segment; the base's are their sums. Days and counts,
/// which most features are, have a bin a number, and everything follows from how often each occurs.
/// Measures have bins of a 64th of their size or narrower where there are few segments; a second pass
/// gathers the few values that share a bin with a quartile.
struct ColumnProfile: Sendable {
  let base: FeatureSummary
  let segments: [FeatureSummary]

  private static let quartiles = [0.25, 0.5, 0.75]

  /// - Complexity: O(rows), in one pass for whole numbers and two for measures after a look at their
  ///   range. Scratch: on each thread 16 MB at most, with eight segments 4 MB.
  init(_ column: Buffer<Double>, of labels: SegmentLabels, workers: Workers) throws {
    let bins = try ValueBins(column, groups: labels.segmentCount + 1, workers: workers)
    let counts = try BinCounts(column, bins, of: labels, workers: workers)
    let base = labels.segmentCount
    let (mean, present) = (counts.mean(of: base), counts.present[base])
    var squares = 0.0
    let quartiles: [[Double]]
    if bins.isWhole {
      for (number, times) in counts.bins(of: base).enumerated() where times > 0 {
        let distance = Double(number) - mean
        squares += Double(times) * (distance * distance)
      }
      quartiles = (0...base).map { group in
        OrderStatistics.quantiles(count: counts.present[group], at: Self.quartiles) {
          Double(counts.place(of: $0, in: group).bin)
        }
      }
    } else {
      let nearby = try NearbyValues(
        column, bins, counts, probabilities: Self.quartiles, mean: mean, labels, workers)
      squares = nearby.squares
      quartiles = try workers.map(base + 1) { group in
        let values = nearby.sorted(of: group)
        return OrderStatistics.quantiles(count: counts.present[group], at: Self.quartiles) {
          nearby.value(at: $0, of: group, among: values, counts)
        }
      }
    }
    let deviation = present > 0 ? (squares / Double(present)).squareRoot() : 0
    self.base = FeatureSummary(
      mean: mean, quartiles: quartiles[base], present: present, rows: labels.count, difference: 0)
    segments = labels.sizes.indices.map { label in
      FeatureSummary(
        mean: counts.mean(of: label), quartiles: quartiles[label],
        present: counts.present[label], rows: labels.sizes[label],
        difference: deviation > 0 ? (counts.mean(of: label) - mean) / deviation : 0)
    }
  }
}

extension FeatureSummary {
  fileprivate init(
    mean: Double, quartiles: [Double], present: Int, rows: Int, difference: Double
  ) {
    let isKnown = present > 0
    self.init(
      mean: isKnown ? mean : 0, median: isKnown ? quartiles[1] : 0,
      lowerQuartile: isKnown ? quartiles[0] : 0, upperQuartile: isKnown ? quartiles[2] : 0,
      differenceFromBase: isKnown ? difference : 0,
      missingShare: rows > 0 ? Double(rows - present) / Double(rows) : 1)
  }
}

/// Bins that a column's values are counted in, in their order.
private struct ValueBins: Sendable {
  /// Bin b holds the number b, and nothing else occurs.
  let isWhole: Bool
  let count: Int
  private let lowest: UInt64
  private let shift: UInt64

  /// Few enough that tables of all groups stay small.
  private static let mostCells = 1 << 22
  private static let mostBins = 1 << 17

  init(_ column: Buffer<Double>, groups: Int, workers: Workers) throws {
    let most = max(64, min(Self.mostBins, Self.mostCells / groups))
    let shards = Shards(rows: column.count, rowsPerShard: 1 << 16)
    let ranges = try workers.map(shards.count) { shard in
      var (low, high) = (Double.infinity, -Double.infinity)
      var others = 0
      // Missing values compare as nothing, and count as whole.
      for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]]) {
        low = value < low ? value : low
        high = value > high ? value : high
        // What is added takes a fraction's digits away.
        let whole = (value + 0x1.8p52) - 0x1.8p52
        others += value < whole || value > whole ? 1 : 0
      }
      return (low, high, others)
    }
    withExtendedLifetime(column) {}
    let low = ranges.reduce(Double.infinity) { min($0, $1.0) }
    let high = ranges.reduce(-Double.infinity) { max($0, $1.1) }
    isWhole = low >= 0 && high < Double(most) && ranges.allSatisfy { $0.2 == 0 }
    guard low <= high, !isWhole else {
      (lowest, shift, count) = (0, 0, isWhole && low <= high ? Int(high) + 1 : 1)
      return
    }
    lowest = OrderStatistics.key(low)
    let span = OrderStatistics.key(high) - lowest
    var shift: UInt64 = 0
    while span >> shift >= UInt64(most) { shift += 1 }
    self.shift = shift
    count = Int(span >> shift) + 1
  }

  @inline(__always)
  func bin(ofKey key: UInt64) -> Int { Int(truncatingIfNeeded: (key &- lowest) >> shift) }
}

/// How many values of each segment, and last of the base, lie in each bin; and their sums.
private struct BinCounts: Sendable {
  private let cells: [UInt32]
  private let binCount: Int
  let present: [Int]
  private let sums: [Double]

  private final class Table: @unchecked Sendable {
    let cells: UnsafeMutablePointer<UInt32>
    init(_ count: Int) {
      cells = LargeMemory.allocate(count)
      cells.initialize(repeating: 0, count: count)
    }
    deinit { cells.deallocate() }
  }

  init(
    _ column: Buffer<Double>, _ bins: ValueBins, of labels: SegmentLabels, workers: Workers
  ) throws {
    let (segments, width) = (labels.segmentCount, bins.count)
    let tables = Mutex<[Table]>([])
    let sums = Buffer<Double>.uninitialized(count: labels.shards.count * segments)
    nonisolated(unsafe) let target = sums.storage.baseAddress!
    try workers.forEach(
      labels.shards.count,
      scratch: {
        let table = Table(segments * width)
        tables.withLock { $0.append(table) }
        return table
      }
    ) { table, shard in
      let cells = table.cells
      if bins.isWhole {
        labels.forEach(in: shard, of: column) { label, value in
          cells[
            label * width + Int(truncatingIfNeeded: (value + 0x1p52).bitPattern & 0xffff_ffff)] &+=
            1
        }
        return
      }
      let sums = target + shard * segments
      sums.initialize(repeating: 0, count: segments)
      labels.forEach(in: shard, of: column) { label, value in
        sums[label] += value
        cells[label * width + bins.bin(ofKey: OrderStatistics.key(value))] &+= 1
      }
    }
    // Counts of threads add up to the same in any order.
    var cells = [UInt32](repeating: 0, count: (segments + 1) * width)
    cells.withUnsafeMutableBufferPointer { cells in
      for table in tables.withLock({ $0 }) {
        for cell in 0..<segments * width { cells[cell] += table.cells[cell] }
      }
      for label in 0..<segments {
        for bin in 0..<width { cells[segments * width + bin] += cells[label * width + bin] }
      }
    }
    self.cells = cells
    binCount = width
    present = (0...segments).map { group in
      cells[group * width..<(group + 1) * width].reduce(0) { $0 + Int($1) }
    }
    var totals = [Double](repeating: 0, count: segments + 1)
    for label in 0..<segments {
      if bins.isWhole {
        var sum = 0
        for bin in 0..<width { sum += bin * Int(cells[label * width + bin]) }
        totals[label] = Double(sum)
      } else {
        for shard in labels.shards.indices {
          totals[label] += sums.buffer[shard * segments + label]
        }
      }
      totals[segments] += totals[label]
    }
    self.sums = totals
  }

  func mean(of group: Int) -> Double {
    present[group] > 0 ? sums[group] / Double(present[group]) : 0
  }

  func bins(of group: Int) -> ArraySlice<UInt32> {
    cells[group * binCount..<(group + 1) * binCount]
  }

  /// The bin of the value at a rank (0 = lowest), and how many values lie in lower bins.
  func place(of rank: Int, in group: Int) -> (bin: Int, below: Int) {
    var below = 0
    for (bin, times) in bins(of: group).enumerated() {
      if rank < below + Int(times) { return (bin, below) }
      below += Int(times)
    }
    preconditionFailure("rank \(rank) outside \(below) values")
  }
}

/// The values that share a bin with a wanted rank, by segment, and last of the base.
private struct NearbyValues: Sendable {
  /// Sum of squared distances of all values from the mean.
  let squares: Double
  /// In no order. A value that many have in a row, as 0 often is, is one entry.
  private let values: [[(key: UInt64, times: Int)]]
  private let bins: ValueBins

  init(
    _ column: Buffer<Double>, _ bins: ValueBins, _ counts: BinCounts, probabilities: [Double],
    mean: Double, _ labels: SegmentLabels, _ workers: Workers
  ) throws {
    let (base, width) = (labels.segmentCount, bins.count)
    // 1: wanted by the segment; 2: by the base.
    var wanted = [UInt8](repeating: 0, count: base * width)
    for group in 0...base where counts.present[group] > 0 {
      for rank in OrderStatistics.ranks(count: counts.present[group], at: probabilities) {
        let bin = counts.place(of: rank, in: group).bin
        if group < base {
          wanted[group * width + bin] |= 1
        } else {
          for label in 0..<base { wanted[label * width + bin] |= 2 }
        }
      }
    }
    struct Found {
      var squares = 0.0
      var values: [(key: UInt64, times: Int, label: Int32, wish: UInt8)] = []
    }
    let wishes = wanted
    let parts = try workers.map(labels.shards.count) { shard in
      var found = Found()
      var squares = 0.0
      // Of each segment, its last entry.
      var last = [Int](repeating: -1, count: base)
      wishes.withUnsafeBufferPointer { wishes in
        labels.forEach(in: shard, of: column) { label, value in
          squares += (value - mean) * (value - mean)
          let key = OrderStatistics.key(value)
          let wish = wishes[label * width + bins.bin(ofKey: key)]
          guard wish != 0 else { return }
          if last[label] >= 0, found.values[last[label]].key == key {
            found.values[last[label]].times += 1
          } else {
            last[label] = found.values.count
            found.values.append((key, 1, Int32(truncatingIfNeeded: label), wish))
          }
        }
      }
      found.squares = squares
      return found
    }
    squares = parts.reduce(0) { $0 + $1.squares }
    values = try workers.map(base + 1) { group in
      parts.flatMap { part in
        part.values.compactMap { found in
          let isWanted =
            group < base
            ? found.wish & 1 != 0 && Int(found.label) == group : found.wish & 2 != 0
          return isWanted ? (found.key, found.times) : nil
        }
      }
    }
    self.bins = bins
  }

  func sorted(of group: Int) -> [(key: UInt64, times: Int)] {
    values[group].sorted { $0.key < $1.key }
  }

  /// - Parameter sorted: The group's ``sorted(of:)``.
  func value(
    at rank: Int, of group: Int, among sorted: [(key: UInt64, times: Int)], _ counts: BinCounts
  ) -> Double {
    let (bin, below) = counts.place(of: rank, in: group)
    // Whole bins were gathered, so the bin's keys lie together.
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if bins.bin(ofKey: sorted[middle].key) < bin { low = middle + 1 } else { high = middle }
    }
    var left = rank - below
    while left >= sorted[low].times {
      left -= sorted[low].times
      low += 1
    }
    return OrderStatistics.value(sorted[low].key)
  }
}
