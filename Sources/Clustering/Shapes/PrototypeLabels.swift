import Kernels
import Sharding

/// Clusters of any shape, told by rows that belong to them: a row has the label of the nearest
/// prototype, ties to the first one, and −1 when that is further than the radius.
///
/// O(prototypes · d) a row, on the assignment kernels.
package struct PrototypeLabels: Sendable {
  /// m × d, row-major, in original units.
  package let points: [Double]
  /// m.
  package let labels: [Int32]
  /// nil: no row is too far.
  package let radius: Double?
  package let columns: Int
  private let nearest: Assignment

  package init(
    points: [Double], columns: Int, labels: [Int32], radius: Double?, kernel: String? = nil,
    workers: Workers = Workers()
  ) throws {
    precondition(points.count == labels.count * columns)
    self.points = points
    self.labels = labels
    self.radius = radius
    self.columns = columns
    nearest = try Assignment(
      centroids: points, columns: columns, kernel: kernel, workers: workers)
  }

  /// The kernel that runs.
  package var kernel: String { nearest.kernel }

  /// Labels, and distances to the nearest prototype.
  package func assign(_ matrix: FeatureMatrix) throws -> Assignment.Result {
    var result = try nearest.assign(matrix, [.distances])
    let pack = KernelSet.generic.pack(
      try KMeans.centred(points, k: labels.count, matrix), columns: columns)
    let limit = radius.map { $0 * $0 } ?? .infinity
    let squared = RowStorage<Double>(rows: FeatureMatrix.tileRows, repeating: 0)
    let owners = RowStorage<Int32>(rows: FeatureMatrix.tileRows, repeating: 0)
    for tile in 0..<matrix.tileCount {
      let first = tile * FeatureMatrix.tileRows
      let count = min(FeatureMatrix.tileRows, matrix.rows - first)
      owners.base.update(repeating: 0, count: FeatureMatrix.tileRows)
      for lane in 0..<count { owners.base[lane] = result.labels[first + lane] }
      // In Double: a row at the radius, to the last bit, is inside.
      StrictLoops.distances(
        matrix, pack, tiles: tile..<tile + 1, labels: owners.base, out: squared.base)
      for lane in 0..<count {
        result.labels[first + lane] =
          squared.base[lane] <= limit ? labels[Int(owners.base[lane])] : -1
      }
    }
    return result
  }
}

/// A clustering by prototypes, and what it made of a matrix.
package struct PrototypeFit: Sendable {
  package var prototypes: PrototypeLabels
  package var rows: RowResults
  package var clusters: Int
  /// k × d: means of the clusters' rows, in original units.
  package var means: [Double]
  package var sizes: [Int]
  /// Rows of no cluster.
  package var noise: Int
  /// Σ‖x − mean‖² of the rows that have a cluster.
  package var inertia: Double
  /// Rows, or centroids of small clusters, that the algorithm itself looked at.
  package var examined: Int
  package var warnings: [String] = []

  init(
    _ matrix: FeatureMatrix, _ prototypes: PrototypeLabels, clusters: Int, examined: Int,
    workers: Workers
  ) throws {
    let assigned = try prototypes.assign(matrix)
    let labels = RowStorage<Int32>(rows: matrix.rows, repeating: 0)
    let distances = RowStorage<Float>(rows: matrix.rows, repeating: 0)
    for row in 0..<matrix.rows {
      labels.base[row] = assigned.labels[row]
      distances.base[row] = assigned.distances[row]
    }
    let means = try ClusterMeans(matrix, labels: labels, k: clusters, workers: workers)
    self.prototypes = prototypes
    rows = RowResults(labels: labels, distances: distances)
    self.clusters = clusters
    self.means = means.means.indices.map {
      means.means[$0] + matrix.centers[$0 % matrix.columns]
    }
    sizes = means.sizes
    noise = matrix.rows - means.sizes.reduce(0, +)
    inertia = means.inertia
    self.examined = examined
  }
}

/// Rows that stand for a table: all of it, or a seeded sample drawn row by row.
struct ExaminedRows {
  let rows: [Int]
  let isWhole: Bool

  init(_ count: Int, of rows: Int, seed: UInt64) {
    isWhole = rows <= count
    guard !isWhole else {
      self.rows = Array(0..<rows)
      return
    }
    // One row of each of `count` even stretches of the table: a table sorted by anything is
    // represented throughout.
    let random = CounterBasedRandom(seed: seed, purpose: .init("examined rows"))
    self.rows = (0..<count).map { part in
      let first = part * rows / count
      let last = (part + 1) * rows / count
      return first + min(Int(random.unit(at: part) * Double(last - first)), last - first - 1)
    }
  }
}
