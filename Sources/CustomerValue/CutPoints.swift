import Columnar
import Features
import Sharding

/// Values that cut a column into classes by shares of its rows, so that equal values always fall
/// into the same class.
///
/// A block of equal values lies where its middle lies: with `below` rows under it, `equal` rows in it
/// and n in all, the block is above the cut of share q exactly when (below + equal / 2) / n ≥ q. The
/// rule is symmetric (reversing the order of the values mirrors the classes, up to blocks whose
/// middle is the cut itself), does not look at row order, and needs only the value to be applied
/// again next month.
package enum CutPoints {
  /// For each share, the lowest value of the column that lies above the cut; where none does, the
  /// next number after the greatest value.
  ///
  /// - Parameters:
  ///   - shares: Ascending, each inside 0...1, of present values (NaN is missing).
  /// - Returns: As many cut points as shares, ascending; nil when every value is missing.
  /// - Complexity: O(n).
  package static func fit(
    _ column: Buffer<Double>, shares: [Double], workers: Workers
  ) throws -> [Double]? {
    let histogram = try KeyHistogram(column, workers: workers)
    let n = histogram.count
    guard n > 0 else { return nil }
    let ranks = shares.map { min(max(Int(($0 * Double(n)).rounded(.down)), 0), n - 1) }
    let values = histogram.select(
      ranks, among: try histogram.candidates(for: ranks, workers: workers))
    let blocks = try Self.blocks(of: values, in: column, workers: workers)
    return zip(shares, blocks).map { share, block in
      // The block that holds position q·n. The one under it ends at or before that position, so its
      // middle lies before it; the one over it begins behind it.
      block.middle >= share * Double(n)
        ? block.value
        : block.next.isFinite ? block.next : block.value.nextUp
    }
  }

  /// A value with what stands around it in the column.
  private struct Block {
    var value: Double
    var below = 0
    var equal = 0
    /// Infinite where there is none.
    var next = Double.infinity

    var middle: Double { Double(below) + Double(equal) / 2 }
  }

  private static func blocks(
    of values: [Double], in column: Buffer<Double>, workers: Workers
  ) throws -> [Block] {
    let shards = Shards(rows: column.count, rowsPerShard: 1 << 17)
    let parts = try workers.map(shards.count) { shard in
      values.map { wanted in
        var block = Block(value: wanted)
        for value in UnsafeBufferPointer(rebasing: column.values[shards[shard]]) {
          block.below += value < wanted ? 1 : 0
          block.equal += value == wanted ? 1 : 0
          if value > wanted && value < block.next { block.next = value }
        }
        return block
      }
    }
    return values.indices.map { index in
      parts.reduce(into: Block(value: values[index])) { whole, part in
        whole.below += part[index].below
        whole.equal += part[index].equal
        whole.next = min(whole.next, part[index].next)
      }
    }
  }
}
