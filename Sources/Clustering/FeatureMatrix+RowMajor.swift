import Kernels
import Sharding

extension FeatureMatrix {
  /// A filled matrix of row-major values, as numerical libraries hold them, centred on the columns'
  /// means, in parallel.
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

  /// Means in Double, summed per shard in shard order.
  private static func means(
    _ values: UnsafeBufferPointer<Float>, columns: Int, workers: Workers
  ) throws -> [Double] {
    let rows = values.count / columns
    let shards = Shards(rows: rows, rowsPerShard: 8192)
    nonisolated(unsafe) let values = values
    let sums = try workers.map(shards.count) { shard in
      let part = shards[shard]
      return StrictLoops.columnSums(
        ofRows: UnsafeBufferPointer(
          rebasing: values[part.lowerBound * columns..<part.upperBound * columns]),
        columns: columns)
    }
    return (0..<columns).map { column in
      let mean = sums.reduce(0) { $0 + $1[column] } / Double(max(rows, 1))
      // A value that is not finite is reported by its row when the tiles are filled.
      return mean.isFinite ? mean : 0
    }
  }
}
