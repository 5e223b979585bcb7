import Foundation
import Kernels
import Sharding

/// How to cluster by mini-batches; every value that exists is valid.
package struct MiniBatchConfiguration: Sendable, Hashable {
  package let clusterCount: Int
  package let initialization: KMeansConfiguration.Initialization
  package let batchSize: Int
  /// Batches at most, in rows seen per row of the data.
  package let maxEpochs: Double
  /// Stop when Σ‖Δcentroid‖² of a batch ≤ `tolerance` × mean feature variance; 0 = never for that.
  package let tolerance: Double
  /// Stop after so many batches without improvement of the smoothed inertia; nil = never for that.
  package let maxNoImprovement: Int?
  /// A centroid with less than this share of the largest one's rows starts again from a random row.
  package let reassignmentRatio: Double
  /// Starts tried on a sample; the one of least inertia on another sample is used.
  package let initializations: Int
  /// Rows of the sample on which Lloyd's iterations finish what the batches found, on data of at
  /// least eight times as many; 0 = none.
  package let refinementRows: Int
  package let seed: UInt64
  package let kernel: String?

  package init(
    clusterCount: Int, initialization: KMeansConfiguration.Initialization = .kMeansPlusPlus,
    batchSize: Int = 2048, maxEpochs: Double = 100, tolerance: Double = 0,
    maxNoImprovement: Int? = 10, reassignmentRatio: Double = 0.01, initializations: Int = 3,
    refinementRows: Int = 131_072, seed: UInt64 = 0, kernel: String? = nil
  ) throws(ConfigurationError) {
    _ = try KMeansConfiguration(clusterCount: clusterCount, tolerance: tolerance)
    guard batchSize >= 1 else {
      throw .outOfRange(field: "batchSize", value: "\(batchSize)", allowed: "1 or more")
    }
    guard maxEpochs > 0 && maxEpochs.isFinite else {
      throw .outOfRange(field: "maxEpochs", value: "\(maxEpochs)", allowed: "finite, above 0")
    }
    guard maxNoImprovement ?? 1 >= 1 else {
      throw .outOfRange(
        field: "maxNoImprovement", value: "\(maxNoImprovement ?? 0)", allowed: "1 or more")
    }
    guard reassignmentRatio >= 0 && reassignmentRatio < 1 else {
      throw .outOfRange(
        field: "reassignmentRatio", value: "\(reassignmentRatio)", allowed: "from 0 to below 1")
    }
    guard initializations >= 1 else {
      throw .outOfRange(field: "initializations", value: "\(initializations)", allowed: "1 or more")
    }
    guard refinementRows >= 0 else {
      throw .outOfRange(field: "refinementRows", value: "\(refinementRows)", allowed: "0 or more")
    }
    self.clusterCount = clusterCount
    self.initialization = initialization
    self.batchSize = batchSize
    self.maxEpochs = maxEpochs
    self.tolerance = tolerance
    self.maxNoImprovement = maxNoImprovement
    self.reassignmentRatio = reassignmentRatio
    self.initializations = initializations
    self.refinementRows = refinementRows
    self.seed = seed
    self.kernel = kernel
  }
}

/// Mini-batch K-Means: each batch moves each centroid to the running mean of the rows it has won so
/// far, so its rate falls as 1 / rows.
///
/// ``fit(_:weights:configuration:workers:)`` draws seeded batches from a matrix in memory;
/// ``partialFit(_:weights:)`` takes batches as they come, for data that does not fit.
///
/// Source: Sculley, WWW 2010; stopping and starved centroids as scikit-learn 1.9, save that the
/// inertia is smoothed over 40 batches at most: over n / batch ones a large table would never stop.
/// Centroids whose rate has fallen to 1 / rows creep, so on large data Lloyd's iterations on a sample
/// take over at the end.
package struct MiniBatchKMeans {
  package let configuration: MiniBatchConfiguration
  /// Batches seen.
  package private(set) var steps = 0
  /// Σ w‖x − c‖² of the last batch before it moved the centroids.
  package private(set) var batchInertia = 0.0

  private let workers: Workers
  /// What the centroids are measured from: the first batch's centres.
  private var origin: [Double] = []
  private var shifted: [Double] = []
  private var counts: [Double] = []
  private var rowsSinceReassignment = 0

  package init(_ configuration: MiniBatchConfiguration, workers: Workers = Workers()) {
    self.configuration = configuration
    self.workers = workers
  }

  /// k × d, row-major, in original units; empty before the first batch.
  package var centroids: [Double] {
    shifted.indices.map { shifted[$0] + origin[$0 % origin.count] }
  }

  // MARK: Batches as they come

  /// Moves the centroids by one batch; the first one also starts them, so it needs k distinct rows.
  ///
  /// - Parameter weights: One per row; a row of weight w counts as w copies. nil = 1 each.
  package mutating func partialFit(_ matrix: FeatureMatrix, weights: [Double]? = nil) throws {
    let sweep = try makeSweep(matrix, weights)
    if shifted.isEmpty { try start(from: sweep, origin: matrix.centers) }
    precondition(matrix.columns == origin.count)
    _ = try step(sweep)
  }

  private func makeSweep(_ matrix: FeatureMatrix, _ weights: [Double]?) throws -> Sweep {
    guard matrix.rows > 0 else { throw ClusteringError.noRows }
    do {
      let k = configuration.clusterCount
      return Sweep(
        matrix, clusters: k,
        kernel: try KernelSet.choose(
          columns: matrix.columns, k: k, named: configuration.kernel),
        workers: workers,
        weights: try weights.map { try SampleWeights($0, rows: matrix.rows) })
    } catch let error as KernelSet.Unavailable {
      throw ConfigurationError.unknownKernel(error.description)
    }
  }

  private mutating func start(from sweep: Sweep, origin: [Double]) throws {
    let start = try KMeansConfiguration(
      clusterCount: configuration.clusterCount, initialization: configuration.initialization,
      seed: configuration.seed)
    shifted = try KMeans.initialCentroids(sweep, start, restart: 0)
    self.origin = origin
    counts = [Double](repeating: 0, count: configuration.clusterCount)
  }

  /// One batch; returns Σ‖Δcentroid‖².
  private mutating func step(_ sweep: Sweep) throws -> Double {
    let (matrix, k, d) = (sweep.matrix, configuration.clusterCount, origin.count)
    let before = shifted
    // Into the batch's own centred space.
    let moved = (0..<k * d).map { shifted[$0] + (origin[$0 % d] - matrix.centers[$0 % d]) }
    let pack = sweep.kernel.pack(moved, columns: d)
    let labels = RowStorage<Int32>(rows: matrix.rows, repeating: 0)
    _ = try sweep.assign(pack, labels: labels)
    batchInertia = try sweep.inertia(pack, labels: labels)
    var sums = [Double](repeating: 0, count: k * d)
    var gained = [Double](repeating: 0, count: k)
    StrictLoops.sum(
      matrix, clusters: k, tiles: 0..<matrix.tileCount, labels: labels.base,
      weights: sweep.weights(from: 0), sums: &sums, clusterWeights: &gained)
    for j in 0..<k where gained[j] > 0 {
      counts[j] += gained[j]
      let rate = 1 / counts[j]
      for i in 0..<d {
        let offset = origin[i] - matrix.centers[i]
        let current = shifted[j * d + i]
        // c += (Σwx − Σw·c) / count: a running mean without c · count.
        shifted[j * d + i] += (sums[j * d + i] - gained[j] * (current + offset)) * rate
      }
    }
    reassignStarved(sweep)
    steps += 1
    return zip(shifted, before).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  private mutating func reassignStarved(_ sweep: Sweep) {
    let (matrix, k, d) = (sweep.matrix, configuration.clusterCount, origin.count)
    rowsSinceReassignment += matrix.rows
    guard configuration.reassignmentRatio > 0,
      counts.contains(0) || rowsSinceReassignment >= 10 * k
    else { return }
    rowsSinceReassignment = 0
    let floor = configuration.reassignmentRatio * counts.max()!
    // At most half a batch of new centroids, the least fed first.
    let starved = (0..<k).filter { counts[$0] < floor }
      .sorted { (counts[$0], $0) < (counts[$1], $1) }.prefix(matrix.rows / 2)
    guard !starved.isEmpty else { return }
    let random = CounterBasedRandom(
      seed: CounterBasedRandom.mix(configuration.seed &+ UInt64(steps)),
      purpose: .init("mini-batch reassignment"))
    let usable = (0..<matrix.rows).filter { sweep.weights?.storage.base[$0] ?? 1 > 0 }
    let rows = usable.sorted { (random.bits(at: $0), $0) < (random.bits(at: $1), $1) }
    for (j, row) in zip(starved, rows) {
      for i in 0..<d {
        shifted[j * d + i] = Double(matrix[row, i]) + (matrix.centers[i] - origin[i])
      }
    }
    // Not too small, or they would be starved again at once.
    let kept = Set(0..<k).subtracting(starved).sorted()
    let least = kept.map { counts[$0] }.min() ?? 1
    for j in starved { counts[j] = least }
  }

  // MARK: A matrix in memory

  /// Fits on seeded batches drawn with replacement in proportion to the weights, then assigns all
  /// rows.
  ///
  /// - Returns: As ``KMeans``; `iterations` counts batches. Exactly k non-empty clusters.
  /// - Complexity: O(batches · batchSize · k · d) + one assignment of all rows.
  package static func fit(
    _ matrix: FeatureMatrix, weights: [Double]? = nil, configuration: MiniBatchConfiguration,
    workers: Workers = Workers()
  ) throws -> KMeansResult {
    let k = configuration.clusterCount
    let plain = try KMeansConfiguration(
      clusterCount: k, initialization: configuration.initialization, seed: configuration.seed,
      kernel: configuration.kernel)
    let sweep = try KMeans.makeSweep(matrix, weights: weights, plain, workers)
    let clock = ContinuousClock()
    let began = clock.now
    let draws = BatchDraws(sweep, seed: configuration.seed)
    var state = MiniBatchKMeans(
      configuration,
      workers: Workers(threads: 1, cancellation: workers.cancellation))
    state.origin = matrix.centers
    state.counts = [Double](repeating: 0, count: k)
    state.shifted = try state.bestStart(sweep, draws)
    let initialized = clock.now

    let tolerance =
      configuration.tolerance == 0 ? 0 : configuration.tolerance * (try sweep.meanVariance())
    let limit = max(
      1, Int(configuration.maxEpochs * Double(matrix.rows) / Double(configuration.batchSize)))
    var smoothed = SmoothedInertia(rows: matrix.rows, batchSize: configuration.batchSize)
    var status = KMeansStatus.iterationLimit
    while state.steps < limit {
      try workers.cancellation.check()
      let batch = matrix.rows(draws.rows(configuration.batchSize, batch: state.steps))
      let shift = try state.step(try state.makeSweep(batch, nil))
      // The first batch's inertia is the initialisation's.
      guard state.steps > 1 else { continue }
      let stalled = smoothed.add(state.batchInertia / Double(configuration.batchSize))
      if tolerance > 0 && shift <= tolerance {
        status = .centroidsStable
        break
      }
      if let patience = configuration.maxNoImprovement, stalled >= patience {
        status = .noImprovement
        break
      }
    }
    let centroids = try state.refine(sweep, draws)
    var lloyd = Lloyd(sweep, k: k, maxIterations: 1, shiftTolerance: 0)
    var outcome = try lloyd.settle(centroids, distances: true)
    outcome.iterations = state.steps
    outcome.status = status
    var result = KMeans.describe(outcome, sweep)
    result.relocations = lloyd.relocations
    result.recheckRate = Double(lloyd.rechecked) / Double(max(lloyd.assigned, 1))
    result.seconds.initialize = (initialized - began) / .seconds(1)
    result.seconds.iterate = (clock.now - initialized) / .seconds(1)
    return result
  }

  /// Lloyd's iterations on a sample, from the centroids that the batches led to.
  private func refine(_ sweep: Sweep, _ draws: BatchDraws) throws -> [Double] {
    let size = configuration.refinementRows
    guard size > 0, sweep.matrix.rows >= 8 * size, size >= 100 * configuration.clusterCount else {
      return shifted
    }
    let rows = draws.rows(size, batch: -2 - configuration.initializations)
    let sample = Sweep(
      try sweep.matrix.rows(rows, workers: sweep.workers), clusters: configuration.clusterCount,
      kernel: sweep.kernel, workers: sweep.workers, weights: nil)
    var lloyd = Lloyd(
      sample, k: configuration.clusterCount, maxIterations: 100,
      shiftTolerance: 1e-4 * (try sample.meanVariance()))
    return try lloyd.run(from: shifted, distances: false) { _, _, _ in }.centroids
  }

  /// The start of least inertia on a validation sample, of several made on samples.
  private func bestStart(_ sweep: Sweep, _ draws: BatchDraws) throws -> [Double] {
    let k = configuration.clusterCount
    if case .given(let centroids) = configuration.initialization {
      return try KMeans.centred(centroids, k: k, sweep.matrix)
    }
    let size = max(3 * configuration.batchSize, 3 * k)
    let validation = try makeSweep(sweep.matrix.rows(draws.rows(size, batch: -1)), nil)
    let labels = RowStorage<Int32>(rows: size, repeating: 0)
    var best: (centroids: [Double], inertia: Double)?
    for attempt in 0..<configuration.initializations {
      let sample = try makeSweep(sweep.matrix.rows(draws.rows(size, batch: -2 - attempt)), nil)
      let plain = try KMeansConfiguration(
        clusterCount: k, initialization: configuration.initialization,
        seed: configuration.seed &+ UInt64(attempt))
      let start: [Double]
      do {
        start = try KMeans.initialCentroids(sample, plain, restart: 0)
      } catch ClusteringError.tooFewDistinctRows {
        // The sample holds too few distinct rows; all rows may not.
        start = try KMeans.initialCentroids(sweep, plain, restart: 0)
      }
      let pack = validation.kernel.pack(start, columns: sweep.matrix.columns)
      _ = try validation.assign(pack, labels: labels)
      let inertia = try validation.inertia(pack, labels: labels)
      if best == nil || inertia < best!.inertia { best = (start, inertia) }
    }
    return best!.centroids
  }
}

/// Rows of each batch: a function of (seed, batch, position) only.
private struct BatchDraws {
  private let rows: Int
  private let random: CounterBasedRandom
  /// Running sums of the weights; nil when all are 1.
  private let cumulative: [Double]?

  init(_ sweep: Sweep, seed: UInt64) {
    rows = sweep.matrix.rows
    random = CounterBasedRandom(seed: seed, purpose: .init("mini-batch rows"))
    cumulative = sweep.weights.map { weights in
      var sum = 0.0
      return (0..<sweep.matrix.rows).map {
        sum += weights.storage.base[$0]
        return sum
      }
    }
  }

  /// - Parameter batch: 0, 1, … for the steps; negative for samples of the initialisation.
  func rows(_ count: Int, batch: Int) -> [Int] {
    (0..<count).map { position in
      let uniform = random.unit(at: batch &<< 32 &+ position)
      guard let cumulative else { return min(Int(uniform * Double(rows)), rows - 1) }
      let target = uniform * cumulative[rows - 1]
      var (low, high) = (0, rows - 1)
      while low < high {
        let middle = (low + high) / 2
        if cumulative[middle] > target { high = middle } else { low = middle + 1 }
      }
      return low
    }
  }
}

/// The exponentially weighted mean of the batches' inertia per row.
private struct SmoothedInertia {
  private let share: Double
  private var mean: Double?
  private var least = Double.infinity
  private var stalled = 0

  init(rows: Int, batchSize: Int) {
    share = min(1, max(0.05, 2 * Double(batchSize) / Double(rows + 1)))
  }

  /// Returns for how many batches the mean has not fallen.
  mutating func add(_ inertia: Double) -> Int {
    let current = mean.map { $0 * (1 - share) + inertia * share } ?? inertia
    mean = current
    if current < least {
      least = current
      stalled = 0
    } else {
      stalled += 1
    }
    return stalled
  }
}
