import Kernels
import Sharding

extension FeatureMatrix {
  /// Tiles a worker fills at once: 4,096 rows.
  private static var tilesPerPiece: Int { 64 }

  /// A filled matrix of whole columns, centred on `centers` (nil: the columns' means), in parallel.
  ///
  /// - Throws: ``ClusteringError/invalidValue(row:column:)`` for the first value of the lowest column
  ///   that is not finite or too large.
  package static func filled(
    columns: [UnsafeBufferPointer<Double>], centers: [Double]? = nil, workers: Workers
  ) throws -> FeatureMatrix {
    precondition(!columns.isEmpty && columns.allSatisfy { $0.count == columns[0].count })
    let rows = columns[0].count
    nonisolated(unsafe) let sources = columns
    let centers =
      try centers
      ?? (0..<columns.count).map { try mean(sources[$0], column: $0, workers: workers) }
    let matrix = FeatureMatrix(rows: rows, columns: columns.count, centers: centers)
    try matrix.populate(workers)
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: tilesPerPiece)
    let bad = try workers.map(pieces.count) { piece -> (row: Int, column: Int)? in
      for column in 0..<sources.count {
        if let row = matrix.fill(column, tiles: pieces[piece], from: sources[column]) {
          return (row, column)
        }
      }
      matrix.finish(tiles: pieces[piece])
      return nil
    }
    if let first = bad.compactMap({ $0 }).first {
      throw ClusteringError.invalidValue(row: first.row, column: first.column)
    }
    return matrix
  }

  package static func filled(
    columns: [[Double]], centers: [Double]? = nil, workers: Workers
  ) throws -> FeatureMatrix {
    // The columns outlive the call: `filled` returns only when every worker is done.
    var buffers: [UnsafeBufferPointer<Double>] = []
    func descend(_ index: Int) throws -> FeatureMatrix {
      guard index < columns.count else {
        return try filled(columns: buffers, centers: centers, workers: workers)
      }
      return try columns[index].withUnsafeBufferPointer {
        buffers.append($0)
        return try descend(index + 1)
      }
    }
    return try descend(0)
  }

  /// Mean in Double, summed per shard in shard order.
  private static func mean(
    _ values: UnsafeBufferPointer<Double>, column: Int, workers: Workers
  ) throws -> Double {
    guard !values.isEmpty else { return 0 }
    let shards = Shards(rows: values.count, rowsPerShard: 8192)
    nonisolated(unsafe) let values = values
    let sums = try workers.map(shards.count) { shard -> Double in
      var sum = 0.0
      for row in shards[shard] { sum += values[row] }
      return sum
    }
    let mean = sums.reduce(0, +) / Double(values.count)
    // A value that is not finite is reported by its row when the column is filled.
    return mean.isFinite ? mean : 0
  }
}
