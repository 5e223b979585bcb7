import Kernels
import Sharding

/// Ward's hierarchical clustering: from one cluster a row, always the two are merged that add least
/// to Σ‖x − mean‖², until k are left.
///
/// Up to `limit` rows it is exact. Beyond, K-Means first makes micro-clusters of all rows, and Ward's
/// method goes on from them by their sizes; a row has the label of its nearest micro-cluster.
///
/// Cost: O(m² · d) time and O(m · d) memory for m rows or micro-clusters: merges are found by chains
/// of nearest neighbours and cut by height (Murtagh, Comput. J. 26, 1983; Müllner, J. Stat. Softw. 53,
/// 2013).
///
/// Source: Ward, J. Am. Stat. Assoc. 58 (1963).
package enum WardClusters {
  package static let exactRows = 10_000
  package static let microClusters = 1_024

  /// - Throws: ``ClusteringError/tooFewRows(clusters:largest:)``,
  ///   ``ClusteringError/tooFewDistinctRows(clusters:largest:)``.
  package static func fit(
    _ matrix: FeatureMatrix, clusters k: Int, limit: Int = exactRows, seed: UInt64 = 0,
    kernel: String? = nil, workers: Workers = Workers()
  ) throws -> PrototypeFit {
    guard matrix.rows > 0 else { throw ClusteringError.noRows }
    guard matrix.rows >= k else {
      throw ClusteringError.tooFewRows(clusters: k, largest: matrix.rows)
    }
    let d = matrix.columns
    var points: [Double]
    var sizes: [Double]
    if matrix.rows <= limit {
      // Alike rows are one point of their number: they have one label in any case.
      (points, sizes) = distinct(matrix)
    } else {
      let micro = try KMeans.fit(
        matrix,
        configuration: try KMeansConfiguration(
          clusterCount: max(microClusters, k), initialization: .kMeansParallel, maxIterations: 20,
          seed: seed, kernel: kernel),
        workers: workers)
      points = micro.centroids.indices.map { micro.centroids[$0] - matrix.centers[$0 % d] }
      sizes = micro.sizes.map(Double.init)
    }
    guard sizes.count >= k else {
      throw ClusteringError.tooFewDistinctRows(clusters: k, largest: sizes.count)
    }
    let labels = cut(merges(points, sizes, columns: d), points: sizes.count, clusters: k)
    let examined = sizes.count
    let prototypes = try PrototypeLabels(
      points: points.indices.map { points[$0] + matrix.centers[$0 % d] }, columns: d,
      labels: labels, radius: nil, kernel: kernel, workers: workers)
    return try PrototypeFit(
      matrix, prototypes, clusters: k, examined: examined, workers: workers)
  }

  /// Rows that differ, in the order of their first appearance, and how often each comes.
  private static func distinct(_ matrix: FeatureMatrix) -> (points: [Double], sizes: [Double]) {
    var places: [[Float]: Int] = [:]
    var points: [Double] = []
    var sizes: [Double] = []
    for row in 0..<matrix.rows {
      // −0 and 0 are one place.
      let values = matrix.row(row).map { $0 == 0 ? 0 : $0 }
      if let place = places[values] {
        sizes[place] += 1
      } else {
        places[values] = sizes.count
        points += values.map(Double.init)
        sizes.append(1)
      }
    }
    return (points, sizes)
  }

  struct Merge {
    /// Points, any one of each side.
    var a: Int
    var b: Int
    /// What it adds to Σ‖x − mean‖².
    var height: Double
  }

  /// All m − 1 merges in the order in which the chains find them.
  static func merges(_ points: [Double], _ sizes: [Double], columns d: Int) -> [Merge] {
    var (means, weights) = (points, sizes)
    // Clusters still there; a merged one lives on in the slot of its second part.
    var active = Array(0..<sizes.count)
    var merges: [Merge] = []
    var chain: [Int] = []
    while active.count > 1 {
      if chain.isEmpty { chain.append(active[0]) }
      let top = chain[chain.count - 1]
      let previous = chain.count > 1 ? chain[chain.count - 2] : -1
      let (near, height) = nearest(top, active, previous, means, weights, d)
      guard near == previous else {
        chain.append(near)
        continue
      }
      chain.removeLast(2)
      merges.append(Merge(a: top, b: near, height: height))
      let (kept, gone) = (max(top, near), min(top, near))
      let total = weights[kept] + weights[gone]
      for i in 0..<d {
        means[kept * d + i] =
          (means[kept * d + i] * weights[kept] + means[gone * d + i] * weights[gone]) / total
      }
      weights[kept] = total
      active.removeAll { $0 == gone }
    }
    return merges
  }

  /// The cluster that `own` merges with at least cost; the chain's previous one on ties, so that it
  /// ends, else the lowest.
  private static func nearest(
    _ own: Int, _ active: [Int], _ previous: Int, _ means: [Double], _ weights: [Double], _ d: Int
  ) -> (Int, Double) {
    var (near, least) = (-1, Double.infinity)
    means.withUnsafeBufferPointer { means in
      func cost(_ other: Int) -> Double {
        var square = 0.0
        for i in 0..<d {
          let difference = means[own * d + i] - means[other * d + i]
          square += difference * difference
        }
        return weights[own] * weights[other] / (weights[own] + weights[other]) * square
      }
      if previous >= 0 { (near, least) = (previous, cost(previous)) }
      for other in active where other != own && other != previous {
        let cost = cost(other)
        if cost < least { (near, least) = (other, cost) }
      }
    }
    return (near, least)
  }

  /// The points' labels once the m − k lowest merges are made, numbered by their first points.
  static func cut(_ merges: [Merge], points: Int, clusters k: Int) -> [Int32] {
    let order = merges.indices.sorted {
      (merges[$0].height, $0) < (merges[$1].height, $1)
    }
    var sets = DisjointSets(points)
    for index in order.prefix(points - k) { sets.join(merges[index].a, merges[index].b) }
    var numbers = [Int32](repeating: -1, count: points)
    var count: Int32 = 0
    return (0..<points).map { point in
      let root = sets.root(point)
      if numbers[root] < 0 {
        numbers[root] = count
        count += 1
      }
      return numbers[root]
    }
  }
}
