import CKernels

/// k centroids in the layouts the kernels read; made once per iteration from their Double values.
package final class CentroidPack: @unchecked Sendable {
  package let k: Int
  package let columns: Int
  /// k × d, row-major, in the matrix's centred space.
  package let centroids: [Double]

  /// d × k: feature by feature.
  let exact: UnsafeMutablePointer<Double>
  /// k × d, negated, row-major: the left operand of GEMM.
  let negated: UnsafeMutablePointer<Float>
  /// Groups for the fused kernels; the same values as `negated`.
  let packed: UnsafeMutablePointer<Float>
  let half: UnsafeMutablePointer<Float>
  /// Negated, in tiles as points are; nil unless there are integers.
  private var byColumn: UnsafeMutablePointer<Float>?
  private let columnWidth: Int
  private var integers: IntegerCentroids?
  private let group: Int
  private let wideGroups: Int
  private let groups: Int
  private var smallestNorm = 0.0
  private var largestNorm = 0.0

  /// - Parameters:
  ///   - centroids: k × d, row-major, centred as the matrix is.
  ///   - group: Centroids that the kernel scores at once.
  ///   - integers: Whether the kernel works on integers where the centroids suit them.
  init(_ centroids: [Double], columns d: Int, group limit: Int, integers wantsIntegers: Bool) {
    precondition(d >= 1 && !centroids.isEmpty && centroids.count % d == 0)
    let k = centroids.count / d
    self.k = k
    self.columns = d
    self.centroids = centroids
    exact = .allocate(capacity: k * d)
    negated = .allocate(capacity: k * d)
    packed = .allocate(capacity: k * d)
    let tileRows = FeatureMatrix.tileRows
    columnWidth = (k + tileRows - 1) / tileRows * tileRows
    half = .allocate(capacity: columnWidth)
    (half + k).update(repeating: .infinity, count: columnWidth - k)
    // As few groups as possible, as equal as possible: none is padded.
    groups = (k + limit - 1) / limit
    group = (k + groups - 1) / groups
    wideGroups = k - groups * (group - 1)

    var least = Double.infinity
    var most = 0.0
    var normSum = 0.0
    centroids.withUnsafeBufferPointer { values in
      var label = 0
      var at = 0
      for index in 0..<groups {
        let width = index < wideGroups ? group : group - 1
        for member in 0..<width {
          var square = 0.0
          for i in 0..<d {
            let value = values[label * d + i]
            square += value * value
            exact[i * k + label] = value
            negated[label * d + i] = Float(-value)
            packed[at + i * width + member] = Float(-value)
          }
          half[label] = Float(0.5 * square)
          least = min(least, square)
          most = max(most, square)
          normSum += square.squareRoot()
          label += 1
        }
        at += width * d
      }
    }
    // Both are rounded in the direction that can only widen the bound.
    smallestNorm = least.squareRoot() * (1 + 1e-9)
    largestNorm = most.squareRoot() * (1 + 1e-9)
    let widths = (0..<groups).map { [group, wideGroups] in $0 < wideGroups ? group : group - 1 }
    integers =
      wantsIntegers
      ? IntegerCentroids(
        centroids, columns: d, groups: widths, largestNorm: largestNorm,
        meanNorm: normSum / Double(k))
      : nil
    byColumn = integers.map { [columnWidth, negated] _ in
      let target = UnsafeMutablePointer<Float>.allocate(capacity: d * columnWidth)
      target.update(repeating: 0, count: d * columnWidth)
      for label in 0..<k {
        let start = label / tileRows * tileRows * d + label % tileRows
        for i in 0..<d { target[start + i * tileRows] = negated[label * d + i] }
      }
      return target
    }
  }

  deinit {
    exact.deallocate()
    negated.deallocate()
    packed.deallocate()
    half.deallocate()
    byColumn?.deallocate()
    integers?.deallocate()
  }

  func problem(_ matrix: FeatureMatrix) -> tranche_problem {
    precondition(matrix.columns == columns)
    return tranche_problem(
      x: matrix.tiles, tile_norm: matrix.norms, rows: Int64(matrix.rows), d: Int64(columns),
      k: Int64(k), packed: packed, negated: negated, half: half, by_column: byColumn,
      column_width: Int64(columnWidth), group: Int64(group), wide_groups: Int64(wideGroups),
      groups: Int64(groups), exact: exact,
      gamma: RoundingBound.gamma(columns), smallest_norm: smallestNorm,
      largest_norm: largestNorm, integers: integers?.layout ?? tranche_integers())
  }
}
