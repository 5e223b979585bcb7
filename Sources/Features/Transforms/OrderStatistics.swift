import Columnar
import Sharding

/// Exact quantiles of large columns without sorting them.
package enum OrderStatistics {
  /// The quantiles of the values that are not NaN, with linear interpolation between neighbours
  /// (numpy's default, Hyndman & Fan 1996, type 7).
  ///
  /// Values are mapped to integers that sort like them; four counting passes of 16 bits each narrow
  /// every wanted rank down to one value. Counts are whole numbers, so threads cannot change them.
  ///
  /// - Parameters:
  ///   - values: n values; NaN counts as missing.
  ///   - probabilities: Each in 0...1.
  /// - Returns: One quantile a probability; NaN when every value is missing.
  /// - Complexity: O(n) for each of four passes; half a megabyte a thread and open prefix.
  package static func quantiles(
    of values: Buffer<Double>, probabilities: [Double], workers: Workers
  ) throws -> [Double] {
    let shards = Shards(rows: values.count, rowsPerShard: 65_536)
    let present = try workers.map(shards.count) { shard in
      shards[shard].reduce(0) { $0 + (values.base[$1].isNaN ? 0 : 1) }
    }.reduce(0, +)
    guard present > 0 else { return probabilities.map { _ in .nan } }

    let positions = probabilities.map { $0 * Double(present - 1) }
    let ranks = Set(positions.flatMap { [Int($0), min(Int($0) + 1, present - 1)] }).sorted()
    let found = try select(ranks, of: values, shards: shards, workers: workers)
    let value = Dictionary(uniqueKeysWithValues: zip(ranks, found))
    return positions.map { position in
      let rank = Int(position)
      let (low, high) = (value[rank]!, value[min(rank + 1, present - 1)]!)
      let fraction = position - Double(rank)
      // Like numpy: stays exact at both ends, and equal neighbours give themselves.
      return low == high ? low : low + (high - low) * fraction
    }
  }

  /// A wanted rank inside the values that share the prefix found so far.
  private struct Target {
    var prefix: UInt64
    var rank: Int
  }

  private static func select(
    _ ranks: [Int], of values: Buffer<Double>, shards: Shards, workers: Workers
  ) throws -> [Double] {
    var targets = ranks.map { Target(prefix: 0, rank: $0) }
    for level in 0..<4 {
      let prefixes = Array(Set(targets.map(\.prefix))).sorted()
      let shift = UInt64(48 - 16 * level)
      // Whole-number counts commute: groups of shards only bound the memory.
      let groups = Shards(rows: shards.count, rowsPerShard: max(1, (shards.count + 7) / 8))
      let histograms = try workers.map(groups.count) { group -> [UInt32] in
        var counts = [UInt32](repeating: 0, count: prefixes.count << 16)
        for shard in groups[group] {
          for row in shards[shard] {
            let value = values.base[row]
            if value.isNaN { continue }
            let key = sortable(value)
            let digit = Int((key >> shift) & 0xffff)
            if level == 0 {
              counts[digit] += 1
            } else {
              let prefix = key >> (shift + 16)
              for (open, candidate) in prefixes.enumerated() where candidate == prefix {
                counts[open << 16 | digit] += 1
              }
            }
          }
        }
        return counts
      }
      for index in targets.indices {
        let open = prefixes.firstIndex(of: targets[index].prefix)! << 16
        var digit = 0
        while true {
          let count = histograms.reduce(0) { $0 + Int($1[open | digit]) }
          if targets[index].rank < count { break }
          targets[index].rank -= count
          digit += 1
        }
        targets[index].prefix = targets[index].prefix << 16 | UInt64(digit)
      }
    }
    return targets.map { value(ofSortable: $0.prefix) }
  }

  /// Bits that sort like the number; −0 and 0 stay neighbours.
  @inline(__always)
  private static func sortable(_ value: Double) -> UInt64 {
    let bits = value.bitPattern
    return bits >> 63 == 0 ? bits | (1 << 63) : ~bits
  }

  private static func value(ofSortable key: UInt64) -> Double {
    Double(bitPattern: key >> 63 == 1 ? key & ~(1 << 63) : ~key)
  }
}
