import Kernels
import Sharding

extension FeatureMatrix {
  /// A filled matrix of row-major values, as numerical libraries hold them, centred on the columns'
  /// means over a sixteenth of the rows, in parallel: near the mean is as good as the mean, and a pass
  /// less.
  ///
  /// - Parameter values: rows × columns, row after row.
  /// - Throws: ``ClusteringError/invalidValue(row:column:)`` for the first value that is not finite or
  ///   too large.
  package static func filled(
    rowMajor values: UnsafeBufferPointer<Float>, columns: Int, workers: Workers
  ) throws -> FeatureMatrix {
    precondition(columns >= 1 && values.count % columns == 0)
    let rows = values.count / columns
    let matrix = FeatureMatrix(
      rows: rows, columns: columns,
      centers: try means(values, columns: columns, workers: workers))
    try matrix.populate(workers)
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: 64)
    nonisolated(unsafe) let values = values
    let bad = try workers.map(pieces.count) { matrix.fill(tiles: pieces[$0], fromRows: values) }
    if let first = bad.compactMap({ $0 }).first {
      throw ClusteringError.invalidValue(row: first / columns, column: first % columns)
    }
    return matrix
  }

  /// Of each shard, how many rows the means look at.
  private static var sampledRows: Int { 512 }

  /// Means in Double of the first rows of each shard, summed per shard in shard order.
  private static func means(
    _ values: UnsafeBufferPointer<Float>, columns: Int, workers: Workers
  ) throws -> [Double] {
    let rows = values.count / columns
    let shards = Shards(rows: rows, rowsPerShard: 8192)
    nonisolated(unsafe) let values = values
    let sampled = (0..<shards.count).map { shards[$0].prefix(sampledRows) }
    let sums = try workers.map(shards.count) { shard in
      let part = sampled[shard]
      return StrictLoops.columnSums(
        ofRows: UnsafeBufferPointer(
          rebasing: values[part.lowerBound * columns..<part.upperBound * columns]),
        columns: columns)
    }
    let count = sampled.reduce(0) { $0 + $1.count }
    return (0..<columns).map { column in
      let mean = sums.reduce(0) { $0 + $1[column] } / Double(max(count, 1))
      // A value that is not finite is reported by its row when the tiles are filled.
      return mean.isFinite ? mean : 0
    }
  }
}
