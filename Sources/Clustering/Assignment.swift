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
  /// The kernel that runs.
  package let kernel: String
  private let kernelName: String?
  private let workers: Workers

  /// What to compute beside the labels.
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
    self.kernel = try Self.kernel(columns, k, kernel).name
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
    var result = Result(labels: [], distances: [], margins: [], rechecked: 0, kernel: kernel.name)
    let (wantsDistances, wantsMargins) = (outputs.contains(.distances), outputs.contains(.margins))
    // One pass writes all outputs, each straight into its array, block by block.
    result.labels = try Self.values(matrix.rows) { labels in
      result.distances = try Self.values(wantsDistances ? matrix.rows : 0) { distances in
        result.margins = try Self.values(wantsMargins ? matrix.rows : 0) { margins in
          result.rechecked = try run(
            sweep, pack, labels: labels, distances: wantsDistances ? distances : nil,
            margins: wantsMargins ? margins : nil)
        }
      }
    }
    return result
  }

  /// An array whose every entry `fill` writes.
  private static func values<Value>(
    _ count: Int, _ fill: (UnsafeMutablePointer<Value>) throws -> Void
  ) rethrows -> [Value] {
    try [Value](unsafeUninitializedCapacity: max(count, 1)) { buffer, initialized in
      LargeMemory.preferLargePages(
        UnsafeMutableRawPointer(buffer.baseAddress!),
        bytes: buffer.count * MemoryLayout<Value>.stride)
      try fill(buffer.baseAddress!)
      initialized = count
    }
  }

  private func run(
    _ sweep: Sweep, _ pack: CentroidPack, labels: UnsafeMutablePointer<Int32>,
    distances: UnsafeMutablePointer<Float>?, margins: UnsafeMutablePointer<Float>?
  ) throws -> Int {
    nonisolated(unsafe) let (labels, distances, margins) = (labels, distances, margins)
    let matrix = sweep.matrix
    let counts = RowStorage<Int>(rows: sweep.shards.count, repeating: 0)
    try sweep.workers.forEach(
      sweep.shards.count,
      scratch: {
        (
          RowStorage<Int32>(uninitialized: Sweep.blockRows),
          RowStorage<Double>(uninitialized: 2 * Sweep.blockRows),
          sweep.kernel.scratch(columns: columns, k: k)
        )
      },
      { memory, shard in
        let fresh = memory.0.base
        let (nearest, second) = (memory.1.base, memory.1.base + Sweep.blockRows)
        Sweep.forEachBlock(sweep.shards[shard]) { tiles in
          let rows = sweep.rows(of: tiles)
          if let margins {
            StrictLoops.nearestTwo(
              matrix, pack, tiles: tiles, labels: fresh, nearest: nearest, second: second)
            let target = margins + rows.lowerBound
            for i in 0..<rows.count {
              target[i] = Float(second[i].squareRoot() - nearest[i].squareRoot())
            }
          } else {
            counts.base[shard] += sweep.kernel.assign(
              matrix, to: pack, tiles: tiles, labels: fresh, scratch: memory.2)
            if distances != nil {
              StrictLoops.distances(matrix, pack, tiles: tiles, labels: fresh, out: nearest)
            }
          }
          if let distances {
            let target = distances + rows.lowerBound
            for i in 0..<rows.count { target[i] = Float(nearest[i].squareRoot()) }
          }
          (labels + rows.lowerBound).update(from: fresh, count: rows.count)
        }
      })
    return counts.array.reduce(0, +)
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
