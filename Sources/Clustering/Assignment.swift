import Kernels
import Sharding

/// Assigns matrices to fixed centroids; made once, used for any number of batches.
///
/// The labels are those of the Double distances, ties to the lowest label, whatever the kernel.
package struct Assignment: Sendable {
  package let k: Int
  package let columns: Int
  /// k × d, row-major, in original units.
  package let centroids: [Double]
  private let kernelName: String?
  private let workers: Workers

  /// What to compute beside the labels; each costs a pass over the matrix.
  package struct Outputs: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    /// Euclidean distance to the own centroid.
    package static let distances = Outputs(rawValue: 1)
    /// Second-nearest distance − nearest distance; ∞ for k = 1. O(n·k·d) in Double.
    package static let margins = Outputs(rawValue: 2)
  }

  package struct Result: Sendable {
    package var labels: [Int32]
    /// Empty unless asked for.
    package var distances: [Float]
    /// Empty unless asked for.
    package var margins: [Float]
    /// How many points the kernel left to be decided in Double.
    package var rechecked: Int
    package var kernel: String
  }

  /// - Throws: ``ClusteringError`` for a wrong shape or a value that is not finite;
  ///   ``ConfigurationError`` for the kernel's name.
  package init(
    centroids: [Double], columns: Int, kernel: String? = nil, workers: Workers = Workers()
  ) throws {
    precondition(columns >= 1)
    guard !centroids.isEmpty, centroids.count % columns == 0 else {
      throw ClusteringError.centroidShape(
        values: centroids.count,
        expected: (centroids.count + columns - 1) / columns * columns)
    }
    if let bad = centroids.firstIndex(where: { !$0.isFinite }) {
      throw ClusteringError.invalidCentroid(row: bad / columns, column: bad % columns)
    }
    self.centroids = centroids
    self.columns = columns
    k = centroids.count / columns
    kernelName = kernel
    self.workers = workers
    _ = try Self.kernel(columns, k, kernel)
  }

  private static func kernel(_ d: Int, _ k: Int, _ name: String?) throws -> KernelSet {
    do {
      return try KernelSet.choose(columns: d, k: k, named: name)
    } catch {
      throw ConfigurationError.unknownKernel(error.description)
    }
  }

  /// - Parameter matrix: n × d, filled and finished; centred as it likes.
  package func assign(_ matrix: FeatureMatrix, _ outputs: Outputs = [.distances]) throws -> Result {
    precondition(matrix.columns == columns)
    let kernel = try Self.kernel(columns, k, kernelName)
    let sweep = Sweep(matrix, clusters: k, kernel: kernel, workers: workers, weights: nil)
    let pack = kernel.pack(
      try KMeans.centred(centroids, k: k, matrix), columns: columns)
    let labels = RowStorage<Int32>(rows: matrix.rows, repeating: 0)
    var result = Result(labels: [], distances: [], margins: [], rechecked: 0, kernel: kernel.name)
    if outputs.contains(.margins) {
      let distances = RowStorage<Float>(rows: matrix.rows, repeating: 0)
      let margins = RowStorage<Float>(rows: matrix.rows, repeating: 0)
      try sweep.nearestTwo(pack, labels: labels) { rows, nearest, second in
        for row in rows {
          let own = nearest[row - rows.lowerBound].squareRoot()
          distances.base[row] = Float(own)
          margins.base[row] = Float(second[row - rows.lowerBound].squareRoot() - own)
        }
      }
      result.margins = margins.array
      if outputs.contains(.distances) { result.distances = distances.array }
    } else {
      result.rechecked = try sweep.assign(pack, labels: labels)
      if outputs.contains(.distances) {
        let distances = RowStorage<Float>(rows: matrix.rows, repeating: 0)
        try sweep.inertia(pack, labels: labels) { rows, squared in
          let target = distances.base + rows.lowerBound
          for row in 0..<rows.count { target[row] = Float(squared[row].squareRoot()) }
        }
        result.distances = distances.array
      }
    }
    result.labels = labels.array
    return result
  }
}

extension Sweep {
  /// Labels and the Double squared distances to the nearest and second-nearest centroid, block by
  /// block.
  func nearestTwo(
    _ pack: CentroidPack, labels: RowStorage<Int32>,
    _ body:
      @Sendable (
        _ rows: Range<Int>, _ nearest: UnsafePointer<Double>, _ second: UnsafePointer<Double>
      ) -> Void
  ) throws {
    try workers.forEach(
      shards.count,
      scratch: { RowStorage<Double>(rows: 2 * Self.blockRows, repeating: 0) },
      { scratch, shard in
        let (nearest, second) = (scratch.base, scratch.base + Self.blockRows)
        Self.forEachBlock(shards[shard]) { tiles in
          let rows = rows(of: tiles)
          StrictLoops.nearestTwo(
            matrix, pack, tiles: tiles, labels: labels.base + rows.lowerBound, nearest: nearest,
            second: second)
          body(rows, nearest, second)
        }
      })
  }
}
