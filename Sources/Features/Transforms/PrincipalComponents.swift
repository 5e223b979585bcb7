import COpenBLAS
import Columnar
import Sharding

/// Directions of greatest variance of the scaled features.
package struct PrincipalComponents: Sendable, Codable, Equatable {
  /// Means of the scaled features, d.
  package var means: [Double]
  /// count × d, row-major, orthonormal rows, in order of falling variance; in each row the entry of
  /// greatest magnitude is positive, so that signs do not depend on the solver.
  package var axes: [Double]
  /// Variance along each axis.
  package var variances: [Double]

  package var count: Int { variances.count }

  /// Projects one scaled row (d values) onto axis `axis`.
  @inline(__always)
  package func project(_ row: UnsafeBufferPointer<Double>, axis: Int) -> Double {
    let d = means.count
    return axes.withUnsafeBufferPointer { axes in
      var sum = 0.0
      for feature in 0..<d { sum += (row[feature] - means[feature]) * axes[axis * d + feature] }
      return sum
    }
  }

  /// From a projected point back to scaled features (the least-squares preimage).
  package func lift(_ point: [Double]) -> [Double] {
    let d = means.count
    return (0..<d).map { feature in
      point.indices.reduce(means[feature]) { $0 + point[$1] * axes[$1 * d + feature] }
    }
  }

  /// Eigenvectors of the covariance matrix by LAPACK's divide and conquer (dsyevd).
  ///
  /// - Complexity: O(n·d²) for the covariance in Double, O(d³) for the solver.
  static func fit(
    columns: [Buffer<Double>], transforms: [FeatureTransform], count: Int, workers: Workers
  ) throws -> PrincipalComponents {
    let d = columns.count
    let rows = columns[0].count
    let shards = Shards(rows: rows, rowsPerShard: 16_384)
    // Scaled features have means near 0 already (except unscaled ones), so one pass of plain
    // products about the first row is accurate.
    let origin = (0..<d).map { transforms[$0](columns[$0].base[0]) }
    let sums = try workers.map(shards.count) { shard -> [Double] in
      var sums = [Double](repeating: 0, count: d + d * d)
      var x = [Double](repeating: 0, count: d)
      for row in shards[shard] {
        for feature in 0..<d {
          x[feature] = transforms[feature](columns[feature].base[row]) - origin[feature]
          sums[feature] += x[feature]
        }
        for a in 0..<d { for b in 0...a { sums[d + a * d + b] += x[a] * x[b] } }
      }
      return sums
    }
    var total = [Double](repeating: 0, count: d + d * d)
    for shard in sums { for index in total.indices { total[index] += shard[index] } }
    let n = Double(rows)
    var matrix = [Double](repeating: 0, count: d * d)
    for a in 0..<d {
      for b in 0...a {
        let covariance = (total[d + a * d + b] - total[a] * total[b] / n) / n
        matrix[a * d + b] = covariance
        matrix[b * d + a] = covariance
      }
    }
    let eigenvalues = eigen(&matrix, d)
    var axes: [Double] = []
    for axis in 0..<count {
      // LAPACK returns ascending order, one eigenvector a column (row of ours).
      let row = Array(matrix[(d - 1 - axis) * d..<(d - axis) * d])
      let largest = row.indices.max { abs(row[$0]) < abs(row[$1]) }!
      axes += row[largest] < 0 ? row.map { -$0 } : row
    }
    return PrincipalComponents(
      means: (0..<d).map { origin[$0] + total[$0] / n }, axes: axes,
      variances: (0..<count).map { max(0, eigenvalues[d - 1 - $0]) })
  }

  /// Replaces a symmetric matrix by its eigenvectors; returns the eigenvalues, ascending.
  private static func eigen(_ matrix: inout [Double], _ d: Int) -> [Double] {
    openblas_set_num_threads(1)
    var n = Int32(d)
    var values = [Double](repeating: 0, count: d)
    var workCount = Int32(1 + 6 * d + 2 * d * d)
    var integerCount = Int32(3 + 5 * d)
    var work = [Double](repeating: 0, count: Int(workCount))
    var integers = [Int32](repeating: 0, count: Int(integerCount))
    var info: Int32 = 0
    var leading = n
    dsyevd_(
      "V", "L", &n, &matrix, &leading, &values, &work, &workCount, &integers, &integerCount, &info)
    precondition(info == 0, "the symmetric eigenproblem of finite numbers has a solution")
    return values
  }
}
