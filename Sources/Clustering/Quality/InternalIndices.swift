import Kernels
import Sharding

/// Indices of a labelled matrix that need its cluster means only: two passes over all rows.
///
/// The means are those of the labels (not a model's centroids), as scikit-learn defines the indices.
package struct InternalIndices: Sendable {
  /// Non-empty clusters.
  package let clusters: Int
  /// Σ‖x − mean of its cluster‖².
  package let withinSquares: Double
  /// Between-cluster against within-cluster dispersion; larger is better. nil for one cluster or n.
  ///
  /// Source: Calinski & Harabasz, Commun. Stat. 3 (1974).
  package let calinskiHarabasz: Double?
  /// Mean over clusters of the worst (sᵢ + sⱼ) / dᵢⱼ; smaller is better. nil for one cluster or n.
  ///
  /// Source: Davies & Bouldin, IEEE TPAMI 1 (1979).
  package let daviesBouldin: Double?

  /// - Parameter labels: n, each 0 or more.
  package init(_ matrix: FeatureMatrix, labels: [Int32], workers: Workers) throws {
    let k = try Self.clusterCount(matrix, labels)
    let d = matrix.columns
    let sweep = Sweep(
      matrix, clusters: k, kernel: .generic, workers: workers, weights: nil)
    let storage = RowStorage<Int32>(rows: matrix.rows, repeating: 0)
    labels.withUnsafeBufferPointer {
      storage.base.update(from: $0.baseAddress!, count: matrix.rows)
    }
    let (sums, counts) = try Self.sums(sweep, storage, k: k)
    var means = sums
    for j in 0..<k {
      for i in 0..<d { means[j * d + i] = counts[j] > 0 ? sums[j * d + i] / counts[j] : 0 }
    }
    let spreads = try Self.spreads(sweep, storage, means: means, k: k)
    let used = (0..<k).filter { counts[$0] > 0 }
    let n = Double(matrix.rows)
    clusters = used.count
    withinSquares = spreads.squares

    guard used.count > 1 && used.count < matrix.rows else {
      calinskiHarabasz = nil
      daviesBouldin = nil
      return
    }
    var between = 0.0
    let mean = (0..<d).map { i in used.reduce(0.0) { $0 + sums[$1 * d + i] } / n }
    for j in used {
      var square = 0.0
      for i in 0..<d {
        let difference = means[j * d + i] - mean[i]
        square += difference * difference
      }
      between += counts[j] * square
    }
    calinskiHarabasz =
      spreads.squares == 0
      ? 1 : between * (n - Double(used.count)) / (spreads.squares * Double(used.count - 1))
    daviesBouldin = Self.daviesBouldin(
      used, means: means, d: d, spreads: (0..<k).map { spreads.distances[$0] / counts[$0] })
  }

  static func clusterCount(
    _ matrix: FeatureMatrix, _ labels: [Int32]
  ) throws(ClusteringError) -> Int {
    guard labels.count == matrix.rows else {
      throw .labelCount(labels: labels.count, rows: matrix.rows)
    }
    guard let most = labels.max() else { throw .noRows }
    precondition(labels.allSatisfy { $0 >= 0 }, "labels are cluster numbers")
    return Int(most) + 1
  }

  private static func sums(
    _ sweep: Sweep, _ labels: RowStorage<Int32>, k: Int
  ) throws -> (sums: [Double], counts: [Double]) {
    let matrix = sweep.matrix
    let size = k * matrix.columns
    let partials = try sweep.workers.map(sweep.shards.count) { shard -> [Double] in
      var partial = [Double](repeating: 0, count: size + k)
      partial.withUnsafeMutableBufferPointer { partial in
        let base = partial.baseAddress!
        let tiles = sweep.shards[shard]
        StrictLoops.sum(
          matrix, clusters: k, tiles: tiles,
          labels: labels.base + tiles.lowerBound * FeatureMatrix.tileRows, weights: nil,
          sums: base, clusterWeights: base + size)
      }
      return partial
    }
    var total = [Double](repeating: 0, count: size + k)
    for partial in partials {
      for i in total.indices { total[i] += partial[i] }
    }
    return (Array(total[..<size]), Array(total[size...]))
  }

  /// Σ of squared distances, and per cluster Σ of distances, to the means.
  private static func spreads(
    _ sweep: Sweep, _ labels: RowStorage<Int32>, means: [Double], k: Int
  ) throws -> (squares: Double, distances: [Double]) {
    let pack = sweep.kernel.pack(means, columns: sweep.matrix.columns)
    let distances = RowStorage<Double>(rows: sweep.matrix.rows, repeating: 0)
    let squares = try sweep.inertia(pack, labels: labels) { rows, squared in
      for row in rows { distances.base[row] = squared[row - rows.lowerBound].squareRoot() }
    }
    let partials = try sweep.workers.map(sweep.shards.count) { shard -> [Double] in
      var sums = [Double](repeating: 0, count: k)
      for row in sweep.rows(of: sweep.shards[shard]) {
        sums[Int(labels.base[row])] += distances.base[row]
      }
      return sums
    }
    return (squares, (0..<k).map { j in partials.reduce(0.0) { $0 + $1[j] } })
  }

  private static func daviesBouldin(
    _ used: [Int], means: [Double], d: Int, spreads: [Double]
  ) -> Double {
    var sum = 0.0
    for a in used {
      var worst = 0.0
      for b in used where b != a {
        var square = 0.0
        for i in 0..<d {
          let difference = means[a * d + i] - means[b * d + i]
          square += difference * difference
        }
        // Two clusters with one mean say nothing, as in scikit-learn.
        if square > 0 { worst = max(worst, (spreads[a] + spreads[b]) / square.squareRoot()) }
      }
      sum += worst
    }
    return sum / Double(used.count)
  }
}
