import CKernels
import Sharding

/// Bounds that let Lloyd's iterations leave out centroids that cannot be a point's nearest.
///
/// For 16 points and a group G of 8 centroids a margin μ is kept with, for each of the points x with
/// own centroid a, ‖x − c‖ − ‖x − a‖ ≥ μ + σ for all c in G but a (σ > 0: slack). When centroid c moves by
/// δ(c), the left side falls by at most δ(c) + δ(a) (triangle inequality), so
///
///     μ ← μ − (max over G of δ + max over the 16 points of δ(a))
///
/// keeps this true. While μ > 2⁻³⁰(ρ + M), with ρ and M the largest norms of the tile's points and of
/// the centroids, every c in G is farther than a by more than the definition's own rounding (distances
/// are at most ρ + M), so none is the label, and G is not scored. Otherwise G is scored again, and a too;
/// the least score decides, and a gap within the bound B of `RoundingBound` is decided in Double over
/// all k. That bound asks for the norms of the nearest centroid and of the one of least *computed* score
/// among those scored; its proof covers both.
///
/// New margins come from the scores: Float errors of ‖x‖² + 2t are at most γ(ρ + M)² for the scores, and
/// 2⁻²⁰(ρ + M)² covers the sum's own; σ = 2⁻²⁰(ρ + M) covers the roots. A group whose point changed its
/// label, and one with a near tie, has no margin until it is scored again.
///
/// So labels after every iteration are those without bounds. Source: the grouping of bounds of Ding et
/// al., *Yinyang K-Means*, ICML 2015, here over 16 points at once, so that lanes stay full.
///
/// Memory: k / 32 bytes per point.
package final class CentroidBounds: @unchecked Sendable {
  package static let groupSize = Int(TRANCHE_BOUND_GROUP)
  private static let pointsPerVector = Int(TRANCHE_BOUND_POINTS)

  package let groups: Int
  private let k: Int
  private let d: Int
  private let function: KernelSet.BoundedFunction
  private let margins: UnsafeMutablePointer<Float>
  private let marginMemory: RowMemory
  private let packed: UnsafeMutablePointer<Float>
  private let half: UnsafeMutablePointer<Float>
  private let drift: UnsafeMutablePointer<Float>
  private let groupDrift: UnsafeMutablePointer<Float>
  /// The centroids of the last pass; empty when there are no margins.
  private var last: [Double] = []
  private var isFirst = true

  /// Bytes that the margins of `rows` points take.
  package static func bytes(rows: Int, k: Int) -> Int {
    let vectors = (rows + pointsPerVector - 1) / pointsPerVector
    return vectors * ((k + groupSize - 1) / groupSize) * 4
  }

  /// - Returns: nil for a kernel without bounds, or for k · d of 2³¹ and more.
  package init?(_ matrix: FeatureMatrix, clusters k: Int, kernel: KernelSet) {
    guard let function = kernel.bounded, k <= Int(Int32.max) / matrix.columns else { return nil }
    self.function = function
    self.k = k
    d = matrix.columns
    groups = (k + Self.groupSize - 1) / Self.groupSize
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
      LargeMemory.allocate(bytes: count * 4).bindMemory(to: Float.self, capacity: count)
    }
    let vectors = matrix.tileCount * (FeatureMatrix.tileRows / Self.pointsPerVector)
    marginMemory = RowMemory(bytes: max(vectors, 1) * groups * 4)
    margins = marginMemory.base.bindMemory(to: Float.self, capacity: max(vectors, 1) * groups)
    packed = floats(groups * Self.groupSize * d)
    half = floats(groups * Self.groupSize)
    drift = floats(k)
    groupDrift = floats(groups)
  }

  deinit {
    packed.deallocate()
    half.deallocate()
    drift.deallocate()
    groupDrift.deallocate()
  }

  /// Labels were found without the bounds: the next pass makes new ones.
  package func forget() { last = [] }

  /// Before every pass: the centroids it assigns to.
  package func move(to pack: CentroidPack) {
    precondition(pack.k == k && pack.columns == d)
    let size = Self.groupSize
    isFirst = last.isEmpty
    for g in 0..<groups {
      groupDrift[g] = 0
      for member in 0..<size {
        let label = g * size + member
        half[label] = label < k ? pack.half[label] : .infinity
        for i in 0..<d {
          packed[(g * d + i) * size + member] = label < k ? pack.negated[label * d + i] : 0
        }
        guard label < k else { continue }
        var square = 0.0
        if !isFirst {
          for i in 0..<d {
            let difference = pack.centroids[label * d + i] - last[label * d + i]
            square += difference * difference
          }
        }
        // One part in a million covers the roundings of the sum, the root and the conversion.
        drift[label] = Float(square.squareRoot() * 1.000001)
        groupDrift[g] = max(groupDrift[g], drift[label])
      }
    }
    last = pack.centroids
  }

  /// Room for one thread's calls.
  package final class Scratch: @unchecked Sendable {
    fileprivate let base: UnsafeMutablePointer<Float>
    package init(_ bounds: CentroidBounds) {
      let count = bounds.groups * (CentroidBounds.pointsPerVector + 1)
      base = LargeMemory.allocate(bytes: count * 4).bindMemory(to: Float.self, capacity: count)
    }
    deinit { base.deallocate() }
  }

  /// As ``KernelSet/assign(_:to:tiles:labels:scratch:)``.
  ///
  /// - Parameters:
  ///   - pack: The one given to ``move(to:)``.
  ///   - previous: Labels of the last pass, from the range's first tile on; of any centroids, in 0..<k,
  ///     in the first. Lanes past the rows are not read.
  ///   - labels: Other memory than `previous`.
  /// - Returns: How many points were decided in Double, and how many (16 points, group) were scored.
  package func assign(
    _ matrix: FeatureMatrix, to pack: CentroidPack, tiles: Range<Int>,
    previous: UnsafePointer<Int32>, labels: UnsafeMutablePointer<Int32>, scratch: Scratch
  ) -> (rechecked: Int, scored: Int) {
    precondition(tiles.upperBound <= matrix.tileCount)
    var scored: Int64 = 0
    let bounds = tranche_bounds(
      margin: margins, centroids: packed, half: half, groups: Int64(groups), drift: drift,
      group_drift: groupDrift, is_first: isFirst ? 1 : 0)
    let rechecked = withExtendedLifetime((matrix, pack, self)) {
      withUnsafePointer(to: pack.problem(matrix)) { problem in
        withUnsafePointer(to: bounds) {
          function.call(
            problem, $0, Int64(tiles.lowerBound), Int64(tiles.upperBound), previous, labels,
            scratch.base, &scored)
        }
      }
    }
    return (Int(rechecked), Int(scored))
  }

  /// (16 points, group) that a pass without bounds scores.
  package func scoresWithoutBounds(_ matrix: FeatureMatrix) -> Int {
    matrix.tileCount * (FeatureMatrix.tileRows / Self.pointsPerVector) * groups
  }
}
