import Columnar
import Sharding

/// Exact order statistics and quantiles without sorting: values become integers of the same order,
/// a histogram of their leading 16 bits finds where each wanted rank lies, and only those few bins
/// are looked into.
///
/// Missing values (NaN) are left out; −0 counts as 0.
package enum OrderStatistics {
  /// An integer that orders as `value` does; `value` is not NaN.
  @inline(__always)
  package static func key(_ value: Double) -> UInt64 {
    let bits = (value + 0.0).bitPattern  // −0 + 0 = 0
    return bits ^ (bits >> 63 == 1 ? .max : 1 << 63)
  }

  @inline(__always)
  package static func value(_ key: UInt64) -> Double {
    Double(bitPattern: key ^ (key >> 63 == 1 ? 1 << 63 : .max))
  }

  /// The quantiles of the present values by linear interpolation between order statistics at
  /// (n − 1)·p: definition 7 of Hyndman & Fan (The American Statistician 50(4), 1996), numpy's
  /// default. NaN when every value is missing.
  ///
  /// - Complexity: O(n) for a few `probabilities`; scratch is the bins looked into.
  package static func quantiles(
    _ column: Buffer<Double>, at probabilities: [Double], workers: Workers
  ) throws -> [Double] {
    if let counts = try SmallIntegerCounts(column, workers: workers) {
      return quantiles(ofCounts: counts, at: probabilities)
    }
    let histogram = try KeyHistogram(column, workers: workers)
    guard histogram.count > 0 else { return probabilities.map { _ in .nan } }
    let positions = probabilities.map { Position($0, count: histogram.count) }
    let ranks = positions.flatMap { [$0.lower, $0.upper] }
    let candidates = try histogram.candidates(for: ranks, workers: workers)
    let values = histogram.select(ranks, among: candidates)
    return positions.indices.map {
      interpolate(values[2 * $0], values[2 * $0 + 1], positions[$0].fraction)
    }
  }

  /// The same for small whole numbers that were counted.
  package static func quantiles(
    ofCounts counts: SmallIntegerCounts, at probabilities: [Double]
  ) -> [Double] {
    quantiles(count: counts.total, at: probabilities) { counts.select([$0])[0] }
  }

  /// The same for `count` values of which `value` says the one at a rank (0 = lowest).
  package static func quantiles(
    count: Int, at probabilities: [Double], _ value: (Int) -> Double
  ) -> [Double] {
    guard count > 0 else { return probabilities.map { _ in .nan } }
    return probabilities.map {
      let position = Position($0, count: count)
      return interpolate(value(position.lower), value(position.upper), position.fraction)
    }
  }

  /// The ranks that such quantiles lie between, of one or more values.
  package static func ranks(count: Int, at probabilities: [Double]) -> [Int] {
    probabilities.flatMap { probability in
      let position = Position(probability, count: count)
      return [position.lower, position.upper]
    }
  }

  /// The values at `ranks` (0 = lowest) among the present values.
  package static func select(
    _ column: Buffer<Double>, ranks: [Int], workers: Workers
  ) throws -> [Double] {
    let histogram = try KeyHistogram(column, workers: workers)
    precondition(ranks.allSatisfy { $0 >= 0 && $0 < histogram.count }, "rank outside the values")
    return histogram.select(ranks, among: try histogram.candidates(for: ranks, workers: workers))
  }

  /// Where a quantile lies between two order statistics.
  private struct Position {
    let lower: Int
    let upper: Int
    let fraction: Double

    init(_ probability: Double, count: Int) {
      precondition(probability >= 0 && probability <= 1)
      let position = Double(count - 1) * probability
      lower = min(Int(position), count - 1)
      upper = min(lower + 1, count - 1)
      fraction = position - Double(lower)
    }
  }

  /// From the nearer end, as numpy does, so that results agree to the bit.
  private static func interpolate(_ lower: Double, _ upper: Double, _ fraction: Double) -> Double {
    let difference = upper - lower
    return fraction >= 0.5
      ? upper - difference * (1 - fraction) : lower + difference * fraction
  }
}

/// Counts of a column's keys by their leading 16 bits.
package struct KeyHistogram {
  package static let bins = 1 << 16
  private let column: Buffer<Double>
  private let shards: Shards
  /// Present values.
  package let count: Int
  private let counts: [Int]

  package init(_ column: Buffer<Double>, workers: Workers) throws {
    // At most 64 histograms of a quarter megabyte, whatever the number of rows.
    let shards = Shards(rows: column.count, rowsPerShard: max(1 << 17, (column.count + 63) / 64))
    let parts = try workers.map(shards.count) { shard in
      var counts = [UInt32](repeating: 0, count: Self.bins)
      counts.withUnsafeMutableBufferPointer { counts in
        for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]])
        where value == value {
          counts[Int(OrderStatistics.key(value) >> 48)] += 1
        }
      }
      return counts
    }
    var counts = [Int](repeating: 0, count: Self.bins)
    for part in parts { for bin in 0..<Self.bins { counts[bin] += Int(part[bin]) } }
    self.column = column
    self.shards = shards
    self.counts = counts
    count = counts.reduce(0, +)
  }

  /// The bin of the value at `rank`, and how many values lie in lower bins.
  private func bin(of rank: Int) -> (bin: Int, below: Int) {
    var below = 0
    for bin in 0..<Self.bins {
      if rank < below + counts[bin] { return (bin, below) }
      below += counts[bin]
    }
    preconditionFailure("rank \(rank) outside \(count) values")
  }

  /// All keys that share a bin with one of the ranks.
  package func candidates(for ranks: [Int], workers: Workers) throws -> [UInt64] {
    var isWanted = [Bool](repeating: false, count: Self.bins)
    for rank in ranks { isWanted[bin(of: rank).bin] = true }
    let wanted = isWanted
    let column = column
    let shards = shards
    let parts = try workers.map(shards.count) { shard in
      var keys: [UInt64] = []
      wanted.withUnsafeBufferPointer { wanted in
        for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]])
        where value == value {
          let key = OrderStatistics.key(value)
          if wanted[Int(key >> 48)] { keys.append(key) }
        }
      }
      return keys
    }
    return Array(parts.joined())
  }

  /// A value with how many lie below it and how many equal it.
  package struct Block {
    package let value: Double
    package let below: Int
    package let equal: Int
  }

  /// The blocks of equal values at `ranks`.
  package func blocks(at ranks: [Int], workers: Workers) throws -> [Block] {
    let candidates = try candidates(for: ranks, workers: workers)
    let values = select(ranks, among: candidates)
    return zip(ranks, values).map { rank, value in
      let key = OrderStatistics.key(value)
      let (bin, belowBin) = bin(of: rank)
      var below = belowBin
      var equal = 0
      for candidate in candidates where Int(candidate >> 48) == bin {
        below += candidate < key ? 1 : 0
        equal += candidate == key ? 1 : 0
      }
      return Block(value: value, below: below, equal: equal)
    }
  }

  package func select(_ ranks: [Int], among candidates: [UInt64]) -> [Double] {
    candidates.withUnsafeBufferPointer { candidates in
      var found: [Int: Double] = [:]
      var scratch = SelectionScratch()
      return ranks.map { rank in
        if let value = found[rank] { return value }
        let (bin, below) = bin(of: rank)
        let key = scratch.select(rank: rank - below, of: candidates, bin: bin)
        let value = OrderStatistics.value(key)
        found[rank] = value
        return value
      }
    }
  }
}

/// Memory for selecting ranks among keys, reused from call to call.
package struct SelectionScratch {
  /// The sorted keys around the rank looked up last, so that its neighbours cost nothing: those of
  /// ranks from `narrowedStart` on in bin `narrowedBin`.
  private var narrowed: [UInt64] = []
  private var narrowedStart = 0
  private var narrowedBin: Int?

  package init() {}

  /// The key at `rank` among those of `keys` whose leading 16 bits are `bin`; all calls are about
  /// the same keys.
  ///
  /// Narrows by 16 bits at a time; a few thousand keys are sorted instead.
  mutating func select(
    rank: Int, of keys: UnsafeBufferPointer<UInt64>, bin: Int
  ) -> UInt64 {
    if bin == narrowedBin, narrowed.indices.contains(rank - narrowedStart) {
      return narrowed[rank - narrowedStart]
    }
    var prefix = UInt64(bin)
    var shift: UInt64 = 48
    var start = 0
    narrowed.removeAll(keepingCapacity: true)
    for key in keys where key >> shift == prefix { narrowed.append(key) }
    while narrowed.count > 2_048 && shift > 0 {
      shift -= 16
      var next = [UInt32](repeating: 0, count: 1 << 16)
      for key in narrowed { next[Int(truncatingIfNeeded: key >> shift) & 0xffff] += 1 }
      var digit = 0
      while rank - start >= Int(next[digit]) {
        start += Int(next[digit])
        digit += 1
      }
      prefix = prefix << 16 | UInt64(digit)
      narrowed.removeAll { $0 >> shift != prefix }
    }
    if shift > 0 { narrowed.sort() }
    narrowedStart = start
    narrowedBin = bin
    return narrowed[rank - start]
  }
}
