import Columnar
import Sharding

/// How often each small whole number occurs: days and counts, which most features are, have their
/// order statistics read off these, in one pass and without looking into any bin.
package struct SmallIntegerCounts {
  /// 64 KB of counts stay in a core's second cache; 16,384 days are 44 years.
  package static let limit = 1 << 14
  private var counts = [UInt32](repeating: 0, count: limit)
  /// Values counted.
  package private(set) var total = 0

  package init() {}

  /// Counts present values of a run of rows; missing ones (NaN) are left out.
  ///
  /// - Returns: False at the first value that is no whole number in 0..<`limit`; the counts are
  ///   useless then.
  package mutating func add(_ values: UnsafeBufferPointer<Double>) -> Bool {
    var present = 0
    let isSmall = counts.withUnsafeMutableBufferPointer { counts in
      for value in values where value == value {
        guard let number = Self.number(value) else { return false }
        counts[number] &+= 1
        present += 1
      }
      return true
    }
    total += present
    return isSmall
  }

  package mutating func add(_ other: SmallIntegerCounts) {
    for number in 0..<Self.limit { counts[number] += other.counts[number] }
    total += other.total
  }

  /// The values at `ranks` (0 = lowest), in their order.
  func select(_ ranks: [Int]) -> [Double] {
    ranks.map { rank in
      var below = 0
      for number in 0..<Self.limit {
        below += Int(counts[number])
        if rank < below { return Double(number) }
      }
      preconditionFailure("rank \(rank) outside \(total) values")
    }
  }

  /// −0 is 0 here as everywhere in order statistics.
  @inline(__always)
  private static func number(_ value: Double) -> Int? {
    guard value >= 0, value < Double(limit) else { return nil }
    let number = Int(value)
    return Double(number) == value ? number : nil
  }
}

extension SmallIntegerCounts {
  /// The counts of a whole column, nil when it holds other values.
  package init?(_ column: Buffer<Double>, workers: Workers) throws {
    // Most other columns show it at once.
    var first = SmallIntegerCounts()
    let sample = min(column.count, 1_024)
    guard first.add(UnsafeBufferPointer(rebasing: column.values[..<sample])) else { return nil }
    let shards = Shards(rows: column.count, rowsPerShard: max(1 << 17, (column.count + 63) / 64))
    let parts = try workers.map(shards.count) { shard -> SmallIntegerCounts? in
      var counts = SmallIntegerCounts()
      return counts.add(UnsafeBufferPointer(rebasing: column.values[shards[shard]]))
        ? counts : nil
    }
    withExtendedLifetime(column) {}
    self.init()
    for part in parts {
      guard let part else { return nil }
      add(part)
    }
  }
}
