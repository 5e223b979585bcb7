import Kernels
import Sharding

/// Means and sizes of labelled rows, and how far the rows lie from them, in Double by shard.
struct ClusterMeans {
  /// k × d, in the matrix's centred space; an empty cluster's are 0.
  var means: [Double]
  /// Rows per cluster.
  var sizes: [Int]
  /// Σ‖x − mean‖² of the rows that have a cluster.
  var inertia: Double

  private static let shardRows = 8192

  /// - Parameter labels: n, each below `k`; negative ones belong to no cluster.
  init(_ matrix: FeatureMatrix, labels: RowStorage<Int32>, k: Int, workers: Workers) throws {
    let d = matrix.columns
    let shards = Shards(rows: matrix.rows, rowsPerShard: Self.shardRows)
    let parts = try workers.map(shards.count) { shard -> (sums: [Double], counts: [Int]) in
      var sums = [Double](repeating: 0, count: k * d)
      var counts = [Int](repeating: 0, count: k)
      Self.forEachRow(matrix, shards[shard]) { row, first in
        let label = Int(labels.base[row])
        guard label >= 0 else { return }
        counts[label] += 1
        for i in 0..<d { sums[label * d + i] += Double(first[i * FeatureMatrix.tileRows]) }
      }
      return (sums, counts)
    }
    var means = [Double](repeating: 0, count: k * d)
    var sizes = [Int](repeating: 0, count: k)
    for part in parts {
      for i in means.indices { means[i] += part.sums[i] }
      for j in 0..<k { sizes[j] += part.counts[j] }
    }
    for i in means.indices where sizes[i / d] > 0 { means[i] /= Double(sizes[i / d]) }
    let centroids = means
    let squares = try workers.map(shards.count) { shard -> Double in
      var sum = 0.0
      Self.forEachRow(matrix, shards[shard]) { row, first in
        let label = Int(labels.base[row])
        guard label >= 0 else { return }
        for i in 0..<d {
          let difference =
            Double(first[i * FeatureMatrix.tileRows]) - centroids[label * d + i]
          sum += difference * difference
        }
      }
      return sum
    }
    (self.means, self.sizes, inertia) = (means, sizes, squares.reduce(0, +))
  }

  /// Calls `body` with each row and where its first feature lies; the next ones are a tile apart.
  @inline(__always)
  static func forEachRow(
    _ matrix: FeatureMatrix, _ rows: Range<Int>, _ body: (Int, UnsafePointer<Float>) -> Void
  ) {
    let tileRows = FeatureMatrix.tileRows
    withExtendedLifetime(matrix) {
      for row in rows {
        let start = row / tileRows * tileRows * matrix.columns + row % tileRows
        body(row, UnsafePointer(matrix.tiles + start))
      }
    }
  }
}
