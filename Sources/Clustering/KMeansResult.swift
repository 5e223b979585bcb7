/// Why the iterations ended.
package enum KMeansStatus: String, Sendable, Codable {
  /// No label changed.
  case labelsStable
  /// The centroids moved less than the tolerance.
  case centroidsStable
  case iterationLimit
  /// The centroids came back to an earlier place.
  case cycle
  /// Mini-batch: the smoothed inertia no longer improved.
  case noImprovement

  package var converged: Bool { self != .iterationLimit && self != .cycle }
}

/// A fitted clustering of n rows into exactly k non-empty clusters.
package struct KMeansResult: Sendable {
  /// k × d, row-major, in the matrix's own (not centred) units.
  package var centroids: [Double]
  /// Labels and distances where they were computed; as arrays in ``labels`` and ``distances``.
  package internal(set) var rows: RowResults
  /// n: row of ``centroids``; equal to a fresh assignment to them.
  package var labels: [Int32] { rows.labels }
  /// n: Euclidean distance to the own centroid.
  package var distances: [Float] { rows.distances }
  /// Σ w‖x − c‖² of ``labels`` and ``centroids``, in Double.
  package var inertia: Double
  package var iterations: Int
  package var status: KMeansStatus
  package var converged: Bool { status.converged }
  /// Rows per cluster (a row of weight 0 counts).
  package var sizes: [Int]
  /// How often an empty cluster was moved to the farthest point.
  package var relocations: Int
  package var warnings: [String]
  /// The kernel that ran.
  package var kernel: String
  /// Share of the point assignments that were decided in Double.
  package var recheckRate: Double
  /// Share of the scores that bounds left out, of all in the iterations that used them; 0 without.
  package var skippedShare: Double
  package var seconds: Seconds

  package struct Seconds: Sendable, Codable, Equatable {
    package var initialize = 0.0
    package var iterate = 0.0
    package init() {}
  }
}

/// Where a fit is.
package struct KMeansProgress: Sendable {
  package var restart: Int
  package var iteration: Int
  /// Rows whose label changed in this iteration.
  package var changed: Int
  /// Σ‖Δcentroid‖² of this iteration.
  package var shift: Double
}

/// One label and one distance a row, in memory of the heap or, for data that does not fit, of a
/// temporary file.
package final class RowResults: @unchecked Sendable {
  package let rows: Int
  private let labelStorage: RowStorage<Int32>
  private let distanceStorage: RowStorage<Float>?

  /// - Parameter distances: Nil where no one asked for them: they cannot be read then.
  init(labels: RowStorage<Int32>, distances: RowStorage<Float>?) {
    precondition(distances == nil || labels.rows == distances?.rows)
    rows = labels.rows
    (labelStorage, distanceStorage) = (labels, distances)
  }

  /// Valid while this object is.
  package var labelBase: UnsafePointer<Int32> { UnsafePointer(labelStorage.base) }
  package var distanceBase: UnsafePointer<Float> { UnsafePointer(askedDistances.base) }

  private var askedDistances: RowStorage<Float> {
    guard let distanceStorage else { preconditionFailure("distances were not asked for") }
    return distanceStorage
  }

  /// Made when first asked for, and kept.
  package private(set) lazy var labels = labelStorage.array
  package private(set) lazy var distances = askedDistances.array
}
