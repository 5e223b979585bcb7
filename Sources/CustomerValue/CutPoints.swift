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
    let blocks = try histogram.blocks(at: ranks, workers: workers)
    // The block that holds position q·n. The one under it ends at or before that position, so its
    // middle lies before it; the one over it begins behind it.
    let isAbove = zip(shares, blocks).map { share, block in
      Double(block.below) + Double(block.equal) / 2 >= share * Double(n)
    }
    let nextRanks = zip(blocks, isAbove).map { block, isAbove in
      isAbove ? block.below : min(block.below + block.equal, n - 1)
    }
    let next = try histogram.blocks(at: nextRanks, workers: workers)
    return blocks.indices.map { index in
      let own = blocks[index].value
      if isAbove[index] { return own }
      return next[index].value > own ? next[index].value : own.nextUp
    }
  }
}
