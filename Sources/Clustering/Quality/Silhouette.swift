import Kernels
import Sharding

/// The mean silhouette (b − a) / max(a, b): a = mean distance to the own cluster's other rows,
/// b = the least mean distance to another cluster's rows. −1…1, larger is better.
///
/// Source: Rousseeuw, J. Comput. Appl. Math. 20 (1987).
package struct Silhouette: Sendable, Equatable {
  package var value: Double
  /// Half the width of the 95 % confidence interval; 0 when every row was looked at.
  package var margin: Double
  /// Rows looked at.
  package var sampleSize: Int

  package var lower: Double { value - margin }
  package var upper: Double { value + margin }

  /// The silhouette of a sample stratified by cluster, exact within the sample.
  ///
  /// Clusters are represented in proportion, by at least 2 rows where they have them; a row is drawn
  /// by (seed, row), so the sample does not depend on threads. The interval is that of a stratified
  /// mean with finite population correction.
  ///
  /// - Parameters:
  ///   - labels: n, each 0 or more; at least two clusters.
  ///   - sampleSize: At least n = exact, on all rows.
  /// - Returns: nil for fewer than two clusters, or as many as rows.
  /// - Complexity: O(n + sampleSize² · d).
  package static func estimate(
    _ matrix: FeatureMatrix, labels: [Int32], sampleSize: Int = 10_000, seed: UInt64 = 0,
    workers: Workers
  ) throws -> Silhouette? {
    let k = try InternalIndices.clusterCount(matrix, labels)
    var sizes = [Int](repeating: 0, count: k)
    for label in labels { sizes[Int(label)] += 1 }
    let used = sizes.count { $0 > 0 }
    guard used > 1 && used < matrix.rows else { return nil }
    let strata = sample(labels, sizes: sizes, sampleSize: sampleSize, seed: seed)
    let values = try silhouettes(matrix, strata, workers: workers)
    var value = 0.0
    var variance = 0.0
    var first = 0
    for (j, rows) in strata.enumerated() where !rows.isEmpty {
      let part = values[first..<(first + rows.count)]
      first += rows.count
      let (m, size) = (Double(rows.count), Double(sizes[j]))
      let mean = part.reduce(0, +) / m
      let share = size / Double(matrix.rows)
      value += share * mean
      if rows.count > 1 {
        let spread = part.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / (m - 1)
        variance += share * share * spread / m * (1 - m / size)
      }
    }
    return Silhouette(
      value: value, margin: 1.96 * max(0, variance).squareRoot(), sampleSize: values.count)
  }

  /// Rows per cluster, ascending.
  private static func sample(
    _ labels: [Int32], sizes: [Int], sampleSize: Int, seed: UInt64
  ) -> [[Int]] {
    let n = labels.count
    let random = CounterBasedRandom(seed: seed, purpose: .init("silhouette sample"))
    let wanted = sizes.map { size in
      sampleSize >= n
        ? size : min(size, max(2, Int((Double(size) / Double(n) * Double(sampleSize)).rounded())))
    }
    // Keys below this almost surely hold enough rows, so that few are sorted.
    let thresholds = zip(wanted, sizes).map { wanted, size -> Double in
      guard size > 0 else { return 0 }
      let share = Double(wanted) / Double(size)
      return share + 8 * (share / Double(size)).squareRoot() + 32 / Double(size)
    }
    var strata = [[(key: Double, row: Int)]](repeating: [], count: sizes.count)
    for row in 0..<n {
      let key = random.unit(at: row)
      let label = Int(labels[row])
      if key < thresholds[label] { strata[label].append((key, row)) }
    }
    return strata.indices.map { j in
      let drawn = strata[j].sorted { ($0.key, $0.row) < ($1.key, $1.row) }
      return drawn.prefix(wanted[j]).map(\.row).sorted()
    }
  }

  /// The silhouette of each sampled row, stratum after stratum.
  private static func silhouettes(
    _ matrix: FeatureMatrix, _ strata: [[Int]], workers: Workers
  ) throws -> [Double] {
    let rows = strata.flatMap { $0 }
    let points = matrix.rows(rows)
    let samples = (0..<rows.count).flatMap { points.row($0) }
    let k = strata.count
    var offsets: [Int64] = [0]
    var labels: [Int] = []
    for (j, stratum) in strata.enumerated() {
      offsets.append(offsets[j] + Int64(stratum.count))
      labels += [Int](repeating: j, count: stratum.count)
    }
    let bounds = offsets
    let own = labels
    let tileRows = FeatureMatrix.tileRows
    let tiles = try workers.map(points.tileCount) { tile -> [Double] in
      var sums = [Double](repeating: 0, count: k * tileRows)
      StrictLoops.clusterDistances(
        points, tile: tile, samples: samples, offsets: bounds, clusters: k, sums: &sums)
      return (0..<min(tileRows, rows.count - tile * tileRows)).map { lane in
        let label = own[tile * tileRows + lane]
        let members = strata[label].count
        guard members > 1 else { return 0 }
        let a = sums[label * tileRows + lane] / Double(members - 1)
        var b = Double.infinity
        for j in 0..<k where j != label && !strata[j].isEmpty {
          b = min(b, sums[j * tileRows + lane] / Double(strata[j].count))
        }
        let larger = max(a, b)
        return larger > 0 ? (b - a) / larger : 0
      }
    }
    return tiles.flatMap { $0 }
  }

  /// The simplified silhouette of all rows: a and b are the distances to the nearest and the
  /// second-nearest centroid. One pass, O(n·k·d).
  ///
  /// - Parameter centroids: k × d, original units, k ≥ 2.
  ///
  /// Source: Hruschka, de Castro & Campello, 2004.
  package static func simplified(
    _ matrix: FeatureMatrix, centroids: [Double], workers: Workers
  ) throws -> Double {
    let d = matrix.columns
    let k = centroids.count / d
    precondition(k >= 2 && matrix.rows > 0)
    let sweep = Sweep(matrix, clusters: k, kernel: .generic, workers: workers, weights: nil)
    let pack = sweep.kernel.pack(try KMeans.centred(centroids, k: k, matrix), columns: d)
    let labels = RowStorage<Int32>(rows: matrix.rows, repeating: 0)
    let values = RowStorage<Double>(rows: matrix.rows, repeating: 0)
    try sweep.nearestTwo(pack, labels: labels) { rows, nearest, second in
      for row in rows {
        let a = nearest[row - rows.lowerBound].squareRoot()
        let b = second[row - rows.lowerBound].squareRoot()
        values.base[row] = b > 0 ? (b - a) / b : 0
      }
    }
    let sums = try sweep.workers.map(sweep.shards.count) { shard in
      sweep.rows(of: sweep.shards[shard]).reduce(0.0) { $0 + values.base[$1] }
    }
    return sums.reduce(0, +) / Double(matrix.rows)
  }
}
