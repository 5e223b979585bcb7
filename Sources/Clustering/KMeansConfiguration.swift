/// How to cluster; every value that exists is valid.
package struct KMeansConfiguration: Sendable, Hashable {
  /// Where the centroids start.
  package enum Initialization: Sendable, Hashable {
    /// Greedy k-means++: of 2 + ⌊ln k⌋ draws per centroid, the best.
    case kMeansPlusPlus
    /// k-means||: a few rounds of oversampling, then k-means++ on what they drew; for large k.
    case kMeansParallel
    /// k distinct rows.
    case random
    /// k × d, row-major, in the matrix's own (not centred) units.
    case given([Double])
  }

  /// How labels are found; all find the same.
  package enum Algorithm: String, Sendable, Hashable {
    /// Every point is scored against every centroid; with bounds where they were measured to be faster
    /// (``BoundsPolicy``).
    case automatic
    case lloyd
    /// Bounds from the second iteration on.
    case bounded
  }

  package let clusterCount: Int
  package let initialization: Initialization
  /// Lloyd iterations at most.
  package let maxIterations: Int
  /// Stop when Σ‖Δcentroid‖² ≤ `tolerance` × mean feature variance; 0 = until no label changes.
  package let tolerance: Double
  /// Runs from different starts; the least inertia wins, the earlier run on ties.
  package let restarts: Int
  package let seed: UInt64
  /// A ``KernelSet``'s name; nil = auto.
  package let kernel: String?
  package let algorithm: Algorithm

  package init(
    clusterCount: Int, initialization: Initialization = .kMeansPlusPlus, maxIterations: Int = 300,
    tolerance: Double = 1e-4, restarts: Int = 1, seed: UInt64 = 0, kernel: String? = nil,
    algorithm: Algorithm = .automatic
  ) throws(ConfigurationError) {
    guard clusterCount >= 1 && clusterCount <= 1 << 24 else {
      throw .outOfRange(
        field: "clusterCount", value: "\(clusterCount)", allowed: "from 1 to 16,777,216")
    }
    guard maxIterations >= 1 else {
      throw .outOfRange(field: "maxIterations", value: "\(maxIterations)", allowed: "1 or more")
    }
    guard tolerance >= 0 && tolerance.isFinite else {
      throw .outOfRange(field: "tolerance", value: "\(tolerance)", allowed: "finite, 0 or more")
    }
    guard restarts >= 1 else {
      throw .outOfRange(field: "restarts", value: "\(restarts)", allowed: "1 or more")
    }
    self.clusterCount = clusterCount
    self.initialization = initialization
    self.maxIterations = maxIterations
    self.tolerance = tolerance
    self.restarts = restarts
    self.seed = seed
    self.kernel = kernel
    self.algorithm = algorithm
  }
}
