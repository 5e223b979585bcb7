import Clustering
import Kernels
import Sharding

/// A table in memory and k starting centroids: what kernels and K-Means are timed on.
public struct ClusteringWorkload: Sendable {
  public let rows: Int
  public let columns: Int
  public let clusters: Int
  private let matrix: FeatureMatrix
  /// k × d, row-major.
  private let start: [Double]
  private let workers: Workers
  /// Seconds that the layout (row-major values to column tiles, means taken) took.
  public let layoutSeconds: Double

  /// Lays out row-major values.
  ///
  /// - Parameters:
  ///   - values: rows × columns, row after row.
  ///   - start: k × columns, row-major.
  public init(
    rowMajor values: UnsafeBufferPointer<Float>, columns: Int, start: [Double],
    threads: Int? = nil
  ) throws {
    try self.init(
      rowMajor: values, columns: columns, start: start,
      workers: Workers(threads: threads ?? Workers.availableThreads))
  }

  init(
    rowMajor values: UnsafeBufferPointer<Float>, columns: Int, start: [Double], workers: Workers
  ) throws {
    let began = ContinuousClock.now
    matrix = try FeatureMatrix.filled(rowMajor: values, columns: columns, workers: workers)
    layoutSeconds = (ContinuousClock.now - began).seconds
    rows = matrix.rows
    self.columns = columns
    clusters = start.count / columns
    self.start = start
    self.workers = workers
  }

  /// The same table with other threads.
  init(_ other: ClusteringWorkload, workers: Workers) {
    (rows, columns, clusters) = (other.rows, other.columns, other.clusters)
    (matrix, start, layoutSeconds) = (other.matrix, other.start, other.layoutSeconds)
    self.workers = workers
  }

  /// How a fit went.
  public struct Fit: Encodable, Sendable {
    public var kernel: String
    public var iterations: Int
    public var inertia: Double
    /// Share of the assignments that were decided in Double.
    public var recheckRate: Double
    public var initializeSeconds: Double
    public var iterateSeconds: Double
  }

  /// So many Lloyd iterations from the given start, or fewer when no label changes any more.
  public func iterate(_ iterations: Int, kernel: String? = nil) throws -> Fit {
    try fit(
      try KMeansConfiguration(
        clusterCount: clusters, initialization: .given(start), maxIterations: iterations,
        tolerance: 0, kernel: kernel))
  }

  /// A whole fit: greedy k-means++, then Lloyd to the tolerance.
  public func fit(seed: UInt64, tolerance: Double = 1e-4, kernel: String? = nil) throws -> Fit {
    try fit(
      try KMeansConfiguration(
        clusterCount: clusters, tolerance: tolerance, seed: seed, kernel: kernel))
  }

  private func fit(_ configuration: KMeansConfiguration) throws -> Fit {
    let result = try KMeans.fit(
      matrix, configuration: configuration, distances: false, workers: workers)
    return Fit(
      kernel: result.kernel, iterations: result.iterations, inertia: result.inertia,
      recheckRate: result.recheckRate, initializeSeconds: result.seconds.initialize,
      iterateSeconds: result.seconds.iterate)
  }

  /// Labels of every row for the starting centroids; the share decided in Double.
  @discardableResult
  public func assign(kernel: String? = nil) throws -> Double {
    let assignment = try Assignment(
      centroids: start, columns: columns, kernel: kernel, workers: workers)
    return Double(try assignment.assign(matrix, []).rechecked) / Double(max(rows, 1))
  }

  /// The kernel alone over every tile: labels go to memory that stays in cache.
  ///
  /// - Throws: `KernelSet.Unavailable`, `Cancelled`.
  func score(_ kernel: KernelSet) throws {
    let pack = kernel.pack(centred, columns: columns)
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: 16)
    try workers.forEach(
      pieces.count,
      scratch: {
        (
          [Int32](repeating: 0, count: 16 * FeatureMatrix.tileRows),
          kernel.scratch(columns: columns, k: clusters)
        )
      },
      { memory, piece in
        memory.0.withUnsafeMutableBufferPointer { labels in
          _ = kernel.assign(
            matrix, to: pack, tiles: pieces[piece], labels: labels.baseAddress!,
            scratch: memory.1)
        }
      })
  }

  private var centred: [Double] {
    start.indices.map { start[$0] - matrix.centers[$0 % columns] }
  }
}

extension ClusteringWorkload {
  /// Points around k centres that overlap as segments of customers do: standard normal around
  /// centres that are 2 apart in standard deviations; the start is k of the points.
  static func synthetic(
    rows: Int, columns: Int, clusters: Int, seed: UInt64, workers: Workers
  ) throws -> ClusteringWorkload {
    let centers = CounterBasedRandom(seed: seed, purpose: .init("bench centres"))
    let noise = CounterBasedRandom(seed: seed, purpose: .init("bench points"))
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows * columns)
    defer { values.deallocate() }
    nonisolated(unsafe) let target = values
    let shards = Shards(rows: rows, rowsPerShard: 8192)
    try workers.forEach(shards.count) { shard in
      for row in shards[shard] {
        let cluster = Int(noise.bits(at: row * (columns + 1)) % UInt64(clusters))
        for column in 0..<columns {
          // Eight bytes' sum is as good a bell as a benchmark needs, on every processor the same.
          let bits = noise.bits(at: row * (columns + 1) + column + 1)
          var sum = 0
          for byte in 0..<8 { sum += Int((bits >> UInt64(8 * byte)) & 255) }
          let bell = (Float(sum) - 1020) / 209
          let center = Float(centers.unit(at: cluster * columns + column)) * 4 - 2
          target[row * columns + column] = center + bell
        }
      }
    }
    let start = (0..<clusters * columns).map { Double(values[$0]) }
    return try ClusteringWorkload(
      rowMajor: UnsafeBufferPointer(values), columns: columns, start: start, workers: workers)
  }
}
