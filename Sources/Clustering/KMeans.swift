import Kernels
import Sharding

/// K-Means: rows into k clusters of least Σ w‖x − c‖².
package enum KMeans {
  /// Fits centroids and labels.
  ///
  /// - Parameters:
  ///   - matrix: n × d, filled and finished.
  ///   - weights: n, finite, 0 or more; weight w counts as w copies of the row. nil = 1 each.
  ///   - distances: Whether the result holds each row's distance to its centroid.
  ///   - progress: Called on this thread after each iteration.
  /// - Returns: The best of the configured restarts, with exactly k non-empty clusters.
  /// - Throws: ``ClusteringError``, ``ConfigurationError`` for the kernel's name, `Cancelled`.
  /// - Complexity: O(n·k·d) per iteration; beside the matrix 4 bytes per row for labels, 4 for
  ///   distances, and 1 for labels between iterations (4 for more than 256 clusters).
  ///
  /// The same bytes for any thread count, kernel and CPU.
  ///
  /// Source: Lloyd, IEEE Trans. Inf. Theory 28 (1982); stopping rules as scikit-learn 1.9.
  package static func fit(
    _ matrix: FeatureMatrix, weights: [Double]? = nil, configuration: KMeansConfiguration,
    distances: Bool = true, workers: Workers = Workers(),
    progress: (KMeansProgress) -> Void = { _ in }
  ) throws -> KMeansResult {
    let sweep = try makeSweep(matrix, weights: weights, configuration, workers)
    let k = configuration.clusterCount
    let clock = ContinuousClock()
    let tolerance =
      configuration.tolerance == 0
      ? 0 : configuration.tolerance * (try sweep.meanVariance())
    var best: Lloyd.Outcome?
    var seconds = KMeansResult.Seconds()
    var (relocations, rechecked, assigned) = (0, 0, 0)
    var skipped = 0.0
    // Given centroids start every restart alike.
    var restarts = configuration.restarts
    if case .given = configuration.initialization { restarts = 1 }

    for restart in 0..<restarts {
      let began = clock.now
      let start = try initialCentroids(sweep, configuration, restart: restart)
      let initialized = clock.now
      var lloyd = Lloyd(
        sweep, k: k, maxIterations: configuration.maxIterations, shiftTolerance: tolerance,
        algorithm: configuration.algorithm)
      let outcome = try lloyd.run(from: start, distances: distances) { iteration, changed, shift in
        progress(
          KMeansProgress(restart: restart, iteration: iteration, changed: changed, shift: shift))
      }
      if best == nil || outcome.inertia < best!.inertia {
        best = outcome
        skipped = lloyd.skippedShare
      }
      relocations += lloyd.relocations
      rechecked += lloyd.rechecked
      assigned += lloyd.assigned
      seconds.initialize += (initialized - began) / .seconds(1)
      seconds.iterate += (clock.now - initialized) / .seconds(1)
    }
    var result = describe(best!, sweep)
    result.relocations = relocations
    result.recheckRate = Double(rechecked) / Double(max(assigned, 1))
    result.skippedShare = skipped
    result.seconds = seconds
    if relocations > 0 {
      result.warnings.append("an empty cluster was moved to the farthest point \(relocations)×")
    }
    return result
  }

  /// Checks at the door, and the passes everything runs through.
  static func makeSweep(
    _ matrix: FeatureMatrix, weights: [Double]?, _ configuration: KMeansConfiguration,
    _ workers: Workers
  ) throws -> Sweep {
    let k = configuration.clusterCount
    guard matrix.rows > 0 else { throw ClusteringError.noRows }
    let weights = try weights.map { try SampleWeights($0, rows: matrix.rows) }
    let usable =
      weights.map { weights in
        (0..<matrix.rows).count { weights.storage.base[$0] > 0 }
      } ?? matrix.rows
    guard usable >= k else { throw ClusteringError.tooFewRows(clusters: k, largest: usable) }
    let kernel: KernelSet
    do {
      kernel = try KernelSet.choose(columns: matrix.columns, k: k, named: configuration.kernel)
    } catch {
      throw ConfigurationError.unknownKernel(error.description)
    }
    guard configuration.algorithm != .bounded || kernel.hasBounds else {
      throw ConfigurationError.unknownKernel(
        "the kernel '\(kernel.name)' has no bounds; choose a fused kernel, or the algorithm lloyd")
    }
    return Sweep(matrix, clusters: k, kernel: kernel, workers: workers, weights: weights)
  }

  /// Starting centroids in the matrix's centred space.
  static func initialCentroids(
    _ sweep: Sweep, _ configuration: KMeansConfiguration, restart: Int
  ) throws -> [Double] {
    let k = configuration.clusterCount
    let seed =
      restart == 0
      ? configuration.seed
      : CounterBasedRandom(seed: configuration.seed, purpose: .init("restart")).bits(at: restart)
    switch configuration.initialization {
    case .kMeansPlusPlus:
      return try KMeansPlusPlus(sweep, seed: seed).centroids(k)
    case .kMeansParallel:
      return try KMeansParallel(sweep, seed: seed).centroids(k)
    case .random:
      return try RandomRows(sweep, seed: seed).centroids(k)
    case .given(let centroids):
      return try centred(centroids, k: k, sweep.matrix)
    }
  }

  /// Checks k × d centroids in original units and moves them to the matrix's centred space.
  static func centred(
    _ centroids: [Double], k: Int, _ matrix: FeatureMatrix
  ) throws(ClusteringError) -> [Double] {
    let d = matrix.columns
    guard centroids.count == k * d else {
      throw .centroidShape(values: centroids.count, expected: k * d)
    }
    var moved = centroids
    for i in moved.indices {
      moved[i] -= matrix.centers[i % d]
      guard abs(moved[i]) <= FeatureMatrix.largestMagnitude else {
        throw .invalidCentroid(row: i / d, column: i % d)
      }
    }
    return moved
  }

  static func describe(_ outcome: Lloyd.Outcome, _ sweep: Sweep) -> KMeansResult {
    var original = outcome.centroids
    let centers = sweep.matrix.centers
    for i in original.indices { original[i] += centers[i % centers.count] }
    return KMeansResult(
      centroids: original,
      rows: RowResults(labels: outcome.labels, distances: outcome.distances),
      inertia: outcome.inertia, iterations: outcome.iterations, status: outcome.status,
      sizes: outcome.sizes, relocations: 0, warnings: [], kernel: sweep.kernel.name,
      recheckRate: 0, skippedShare: 0, seconds: .init())
  }
}
