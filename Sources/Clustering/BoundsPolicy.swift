import Kernels

/// Which iterations use ``CentroidBounds``. Labels do not depend on it, only time does.
///
/// Bounds pay when few points change their label and a pass costs much: measured on two cores of a
/// Sapphire Rapids server (20 iterations from the same start, blobs), see *How clustering is computed*
/// in the documentation for the table.
struct BoundsPolicy {
  /// Least k · d for which `automatic` tries bounds.
  static let leastWork = 4096
  /// Most bytes of margins.
  static let byteLimit = 128 << 20
  /// Bounds start once no more than this share of the rows changed label.
  static let changedShare = 0.04

  private let algorithm: KMeansConfiguration.Algorithm
  /// A pass that scored more than this share of what a plain one scores was the slower one.
  private let scoredShare: Double
  private(set) var bounds: CentroidBounds?
  /// Plain iterations before bounds are tried again; doubles with every failure.
  private var pause = 4
  private var plainLeft = 0
  private var isActive = false
  private var passes = 0
  /// (16 points, group) scored, and what a plain pass scores, over the passes with bounds.
  private(set) var scored = 0
  private(set) var offered = 0

  init(_ sweep: Sweep, clusters k: Int, _ algorithm: KMeansConfiguration.Algorithm) {
    self.algorithm = algorithm
    scoredShare = sweep.kernel.boundsShare
    let d = sweep.matrix.columns
    let isWorthTrying =
      k * d >= Self.leastWork
      && CentroidBounds.bytes(rows: sweep.matrix.rows, k: k) <= Self.byteLimit
    guard algorithm == .bounded || algorithm == .automatic && isWorthTrying else { return }
    bounds = CentroidBounds(sweep.matrix, clusters: k, kernel: sweep.kernel)
  }

  /// Whether the coming iteration uses bounds.
  ///
  /// - Parameter changed: Share of the rows that changed label in the last one; nil before the first,
  ///   which has no labels to start from.
  mutating func usesBounds(changed: Double?) -> Bool {
    guard bounds != nil, let changed else { return false }
    if algorithm == .bounded || isActive { return true }
    if plainLeft > 0 {
      plainLeft -= 1
      return false
    }
    isActive = changed <= Self.changedShare
    passes = 0
    return isActive
  }

  /// After a pass with bounds.
  mutating func learn(scored count: Int, of all: Int) {
    scored += count
    offered += all
    passes += 1
    // The first pass makes the margins: it scores all.
    guard algorithm == .automatic, passes > 1,
      Double(count) > scoredShare * Double(all)
    else { return }
    isActive = false
    plainLeft = pause
    pause *= 2
    bounds!.forget()
  }
}
