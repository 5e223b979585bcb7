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

  /// Parts of the sample left out in turn for the interval.
  private static let groups = 20
  /// Student's t, 97.5 %, with `groups` − 1 degrees of freedom.
  private static let quantile = 2.093

  /// The silhouette of a sample stratified by cluster, exact within the sample.
  ///
  /// Clusters are represented in proportion, by at least 2 rows where they have them; a row is drawn
  /// by (seed, row), so the sample does not depend on threads. Rows serve both as the rows judged
  /// and as those they are compared with, so their spread alone would understate the error: the
  /// interval is a grouped jackknife over 20 parts of the sample, with finite population correction
  /// (Wolter, *Introduction to Variance Estimation*, chapter 4).
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
    let isWhole = strata.reduce(0) { $0 + $1.count } == matrix.rows
    let groups = isWhole ? 1 : groups
    let sums = try stratumSums(matrix, strata, groups: groups, workers: workers)
    let value = sums.mean(sizes: sizes, leavingOut: nil)
    guard !isWhole else {
      return Silhouette(value: value, margin: 0, sampleSize: matrix.rows)
    }
    let partials = (0..<groups).map { sums.mean(sizes: sizes, leavingOut: $0) }
    let center = partials.reduce(0, +) / Double(groups)
    let spread = partials.reduce(0.0) { $0 + ($1 - center) * ($1 - center) }
    let unseen = 1 - Double(sums.rows) / Double(matrix.rows)
    let variance = Double(groups - 1) / Double(groups) * spread * unseen
    return Silhouette(
      value: value, margin: quantile * variance.squareRoot(), sampleSize: sums.rows)
  }

  /// Rows per cluster, in the order of their random keys.
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
      return drawn.prefix(wanted[j]).map(\.row)
    }
  }

  /// For every sampled row, the sums of its distances to each part (cluster, group) of the sample.
  private struct StratumSums: Sendable {
    let clusters: Int
    let groups: Int
    /// Rows per part, cluster by cluster, group by group; the rows lie in that order.
    let counts: [Int]
    /// Per tile: parts × tileRows.
    let tiles: [[Double]]
    var rows: Int { counts.reduce(0, +) }

    /// The mean silhouette weighted by the clusters' `sizes`, as if one group had not been drawn.
    func mean(sizes: [Int], leavingOut omitted: Int?) -> Double {
      let kept = (0..<groups).filter { $0 != omitted }
      let members = (0..<clusters).map { j in
        kept.reduce(0) { $0 + counts[j * groups + $1] }
      }
      let represented = (0..<clusters).filter { members[$0] > 0 }
      let population = represented.reduce(0) { $0 + sizes[$1] }
      var result = 0.0
      var row = 0
      for label in 0..<clusters {
        var sum = 0.0
        for group in 0..<groups {
          for _ in 0..<counts[label * groups + group] {
            if group != omitted {
              sum += silhouette(of: row, label, members, represented, kept)
            }
            row += 1
          }
        }
        if members[label] > 0 {
          result += Double(sizes[label]) / Double(population) * sum / Double(members[label])
        }
      }
      return result
    }

    private func silhouette(
      of row: Int, _ label: Int, _ members: [Int], _ represented: [Int], _ kept: [Int]
    ) -> Double {
      guard members[label] > 1 else { return 0 }
      let (tile, lane) = row.quotientAndRemainder(dividingBy: FeatureMatrix.tileRows)
      return tiles[tile].withUnsafeBufferPointer { sums in
        func total(_ j: Int) -> Double {
          var total = 0.0
          for group in kept { total += sums[(j * groups + group) * FeatureMatrix.tileRows + lane] }
          return total
        }
        let a = total(label) / Double(members[label] - 1)
        var b = Double.infinity
        for j in represented where j != label { b = min(b, total(j) / Double(members[j])) }
        let larger = max(a, b)
        return larger > 0 && larger.isFinite ? (b - a) / larger : 0
      }
    }
  }

  private static func stratumSums(
    _ matrix: FeatureMatrix, _ strata: [[Int]], groups: Int, workers: Workers
  ) throws -> StratumSums {
    // Row by row in turn: strata are in the order of their random keys.
    var parts: [[Int]] = []
    for stratum in strata {
      for group in 0..<groups {
        parts.append(stride(from: group, to: stratum.count, by: groups).map { stratum[$0] })
      }
    }
    let points = matrix.rows(parts.flatMap { $0 })
    let samples = (0..<points.rows).flatMap { points.row($0) }
    var offsets: [Int64] = [0]
    for part in parts { offsets.append(offsets[offsets.count - 1] + Int64(part.count)) }
    let (bounds, partCount) = (offsets, parts.count)
    let tiles = try workers.map(points.tileCount) { tile -> [Double] in
      var sums = [Double](repeating: 0, count: partCount * FeatureMatrix.tileRows)
      StrictLoops.clusterDistances(
        points, tile: tile, samples: samples, offsets: bounds, clusters: partCount, sums: &sums)
      return sums
    }
    return StratumSums(
      clusters: strata.count, groups: groups, counts: parts.map(\.count), tiles: tiles)
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
