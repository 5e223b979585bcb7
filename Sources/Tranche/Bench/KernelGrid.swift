import Kernels
import Sharding

/// A kernel on one shape of table, with all threads.
public struct KernelTiming: Encodable, Sendable {
  public var rows: Int
  public var columns: Int
  public var clusters: Int
  public var kernel: String
  /// Of one assignment of every row, labels kept in cache.
  public var seconds: Timing
  public var pointsPerSecond: Double
  /// 2 · rows · columns · clusters a second.
  public var operationsPerSecond: Double
  /// Bytes of the table read a second.
  public var bytesPerSecond: Double
  /// What bounds it: `memory` or `arithmetic`, whichever takes longer at its peak.
  public var limit: String
  /// Least time that the limit allows ÷ median time. Above 1 where the table fits a cache.
  public var shareOfLimit: Double
  /// Whether `--kernel auto` takes it for this shape.
  public var isChosen: Bool
  public var isFastest: Bool
}

/// K-Means with more and more threads.
public struct ThreadScaling: Encodable, Sendable {
  public var rows: Int
  public var columns: Int
  public var clusters: Int
  public var threads: Int
  /// Of five Lloyd iterations.
  public var seconds: Timing
  /// Median time of one thread ÷ this one's.
  public var speedup: Double
}

/// K-Means on more and more rows.
public struct RowScaling: Encodable, Sendable {
  public var rows: Int
  public var columns: Int
  public var clusters: Int
  public var nanosecondsPerRowAndIteration: Double
}

/// The shapes that kernels are timed on.
struct KernelGrid {
  let workers: Workers
  let peaks: MachinePeaks
  let seed: UInt64
  let quick: Bool
  let secondsPerMeasure: Double

  /// Rows that make a pass long enough to time and a table larger than the caches, within bounds.
  private func rows(_ columns: Int, _ clusters: Int) -> Int {
    let floats = quick ? 4 << 20 : 48 << 20
    let operations = quick ? 500_000_000 : 8_000_000_000
    return max(4096, min(floats / columns, operations / (2 * columns * clusters))) / 64 * 64
  }

  private func workload(_ columns: Int, _ clusters: Int, rows: Int? = nil) throws
    -> ClusteringWorkload
  {
    try .synthetic(
      rows: rows ?? self.rows(columns, clusters), columns: columns, clusters: clusters, seed: seed,
      workers: workers)
  }

  /// Every set that users may choose, but the reference, on every shape.
  func time(_ shapes: [(columns: Int, clusters: Int)], _ context: RunContext) throws
    -> [KernelTiming]
  {
    var timings: [KernelTiming] = []
    for (index, shape) in shapes.enumerated() {
      context.progress(
        RunProgress("measure kernels", done: index, total: shapes.count, unit: "shapes"))
      let workload = try workload(shape.columns, shape.clusters)
      // What the rule in the program says, not what a variable forces.
      let chosen = try KernelSet.choose(
        columns: shape.columns, k: shape.clusters, environment: [:])
      var here = try KernelSet.supported.filter { $0.family != .reference }.map { kernel in
        describe(
          workload, kernel,
          try Timing.of(atLeast: secondsPerMeasure) { try workload.score(kernel) },
          isChosen: kernel.name == chosen.name)
      }
      let fastest = here.indices.min { here[$0].seconds.median < here[$1].seconds.median }!
      here[fastest].isFastest = true
      timings += here
    }
    return timings
  }

  private func describe(
    _ workload: ClusteringWorkload, _ kernel: KernelSet, _ seconds: Timing, isChosen: Bool
  ) -> KernelTiming {
    let rows = Double(workload.rows)
    let bytes = rows * Double(workload.columns * MemoryLayout<Float>.size)
    let operations = 2 * rows * Double(workload.columns * workload.clusters)
    let memory = bytes / peaks.readBytesPerSecond
    let arithmetic = operations / peaks.multiplyAddPerSecond
    return KernelTiming(
      rows: workload.rows, columns: workload.columns, clusters: workload.clusters,
      kernel: kernel.name, seconds: seconds, pointsPerSecond: rows / seconds.median,
      operationsPerSecond: operations / seconds.median, bytesPerSecond: bytes / seconds.median,
      limit: memory > arithmetic ? "memory" : "arithmetic",
      shareOfLimit: max(memory, arithmetic) / seconds.median, isChosen: isChosen,
      isFastest: false)
  }

  private static let iterations = 5

  func threadScaling(_ shapes: [(columns: Int, clusters: Int)]) throws -> [ThreadScaling] {
    try shapes.flatMap { shape in
      let workload = try workload(shape.columns, shape.clusters)
      var alone = 0.0
      return try threadCounts.map { threads in
        let crew = ClusteringWorkload(
          workload, workers: Workers(threads: threads, cancellation: workers.cancellation))
        let seconds = try Timing.of(atLeast: secondsPerMeasure) {
          _ = try crew.iterate(Self.iterations)
        }
        if threads == 1 { alone = seconds.median }
        return ThreadScaling(
          rows: workload.rows, columns: shape.columns, clusters: shape.clusters,
          threads: threads, seconds: seconds, speedup: alone / seconds.median)
      }
    }
  }

  /// 1, 2, 4 … and all.
  private var threadCounts: [Int] {
    var counts = [1]
    while counts.last! * 2 < workers.threads { counts.append(counts.last! * 2) }
    return workers.threads == 1 ? counts : counts + [workers.threads]
  }

  func rowScaling(_ shape: (columns: Int, clusters: Int)) throws -> [RowScaling] {
    let most = rows(shape.columns, shape.clusters)
    return try [most / 64, most / 8, most].map { rows in
      let workload = try workload(shape.columns, shape.clusters, rows: rows)
      var done = 0
      let seconds = try Timing.of(atLeast: secondsPerMeasure) {
        done = try workload.iterate(Self.iterations).iterations
      }
      return RowScaling(
        rows: rows, columns: shape.columns, clusters: shape.clusters,
        nanosecondsPerRowAndIteration: seconds.median * 1e9 / Double(rows * done))
    }
  }
}
