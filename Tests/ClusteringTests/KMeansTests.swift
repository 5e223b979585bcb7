import Kernels
import Sharding
import Testing

@testable import Clustering

@Suite struct KMeansTests {
  /// (0,0) (0,2) (10,0) (10,2) from (0,0) and (1,2): by hand.
  /// Labels 0 0|1 … first pass: (0,0)→0, (0,2)→1, (10,0)→1, (10,2)→1; means (0,0) and (20/3, 4/3);
  /// second: (0,0), (0,2)→0, the others→1; means (0,1), (10,1); third: no change.
  @Test func fourPointsByHand() throws {
    let matrix = try filled([[0, 0, 10, 10], [0, 2, 0, 2]])
    var changes: [Int] = []
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 2, initialization: .given([0, 0, 1, 2]), tolerance: 0),
      workers: twoThreads
    ) { changes.append($0.changed) }
    #expect(result.labels == [0, 0, 1, 1])
    #expect(result.centroids == [0, 1, 10, 1])
    #expect(result.inertia == 4)
    #expect(result.distances == [1, 1, 1, 1])
    #expect(result.sizes == [2, 2])
    #expect(changes == [4, 1, 0])
    #expect(result.iterations == 3)
    #expect(result.status == .labelsStable && result.converged)
  }

  @Test func theIterationLimitIsAStatus() throws {
    let matrix = try filled([[0, 0, 10, 10], [0, 2, 0, 2]])
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 2, initialization: .given([0, 0, 1, 2]), maxIterations: 1, tolerance: 0),
      workers: twoThreads)
    #expect(result.status == .iterationLimit && !result.converged)
    #expect(result.centroids.map { ($0 * 3).rounded() } == [0, 0, 20, 4])
    // A fresh assignment to those centroids.
    #expect(result.labels == [0, 0, 1, 1])
  }

  /// Plain and bounded runs go through the same centroids: every change and shift, and the end.
  @Test(arguments: [(4000, 3, 7, 3.0), (3000, 24, 40, 4.0), (2500, 5, 64, 1.0)])
  func boundsChangeNothing(n: Int, d: Int, k: Int, spread: Double) throws {
    let matrix = try filled(blobs(n, d: d, clusters: 2 * k, spread: spread))
    for kernel in KernelSet.supported.filter(\.hasBounds) {
      var runs: [(KMeansResult, [(Int, UInt64)])] = []
      for (algorithm, threads) in [(KMeansConfiguration.Algorithm.lloyd, 1), (.bounded, 3)] {
        var steps: [(Int, UInt64)] = []
        let result = try KMeans.fit(
          matrix,
          configuration: try KMeansConfiguration(
            clusterCount: k, initialization: .random, maxIterations: 40, tolerance: 0, seed: 3,
            kernel: kernel.name, algorithm: algorithm),
          workers: Workers(threads: threads)
        ) { steps.append(($0.changed, $0.shift.bitPattern)) }
        runs.append((result, steps))
      }
      #expect(sameBytes(runs[0].0, runs[1].0), "\(kernel.name)")
      let stepsAgree = runs[0].1.elementsEqual(runs[1].1, by: ==)
      #expect(stepsAgree, "\(kernel.name)")
      #expect(runs[0].0.skippedShare == 0)
      #expect(runs[1].0.skippedShare > 0.02 && runs[1].0.skippedShare < 1)
    }
  }

  /// Automatic: where k · d is large, once few labels change, while they save scores.
  @Test func whenBoundsAreUsed() throws {
    func policy(
      _ d: Int, _ k: Int, _ algorithm: KMeansConfiguration.Algorithm = .automatic
    ) throws -> BoundsPolicy {
      let matrix = try filled(blobs(200, d: d, clusters: 2))
      let sweep = Sweep(
        matrix, clusters: k, kernel: .generic, workers: twoThreads, weights: nil)
      return BoundsPolicy(sweep, clusters: k, algorithm)
    }
    #expect(try policy(4, 64).bounds == nil)
    #expect(try policy(64, 64, .lloyd).bounds == nil)
    #expect(try policy(1, 1, .bounded).bounds != nil)

    var large = try policy(64, 64)
    var used = [nil, 0.2, 0.03].map { large.usesBounds(changed: $0) }
    #expect(used == [false, false, true])
    // The first pass scores all, and is no failure.
    large.learn(scored: 100, of: 100)
    used = [large.usesBounds(changed: 0.5)]
    large.learn(scored: 20, of: 100)
    used.append(large.usesBounds(changed: 0.5))
    #expect(used == [true, true])
    large.learn(scored: 90, of: 100)
    // Four plain iterations, then another try; eight after the next failure.
    used = (0..<5).map { _ in large.usesBounds(changed: 0) }
    #expect(used == [Bool](repeating: false, count: 4) + [true])
    large.learn(scored: 100, of: 100)
    large.learn(scored: 90, of: 100)
    used = (0..<9).map { _ in large.usesBounds(changed: 0) }
    #expect(used == [Bool](repeating: false, count: 8) + [true])
    #expect(large.scored == 400 && large.offered == 500)

    var forced = try policy(1, 3, .bounded)
    used = [nil, 1].map { forced.usesBounds(changed: $0) }
    forced.learn(scored: 100, of: 100)
    forced.learn(scored: 100, of: 100)
    used.append(forced.usesBounds(changed: 1))
    #expect(used == [false, true, true])
  }

  @Test func boundsNeedAFusedKernel() throws {
    let matrix = try filled([[0, 1, 2]])
    #expect {
      try KMeans.fit(
        matrix,
        configuration: try KMeansConfiguration(
          clusterCount: 2, kernel: "gemm", algorithm: .bounded))
    } throws: {
      "\($0)".contains("'gemm' has no bounds")
    }
  }

  static let initializations: [KMeansConfiguration.Initialization] = [
    .kMeansPlusPlus, .kMeansParallel, .random,
  ]

  @Test(arguments: initializations)
  func sameBytesForAnyThreadsAndKernel(start: KMeansConfiguration.Initialization) throws {
    // Three shards and a part of a tile.
    let columns = blobs(8192 * 2 + 1000, d: 3, clusters: 7, spread: 3)
    var weights = columns[0].map { ($0 * 7).rounded(.down).truncatingRemainder(dividingBy: 3) / 3 }
    weights[5] = 0
    weights = weights.map(abs)
    for weights in [nil, weights] {
      var first: KMeansResult?
      for threads in [1, 2, 3, 8] {
        let kernel =
          threads == 1 ? "avx512" : threads == 2 ? "avx2" : threads == 3 ? "gemm" : "generic"
        let isSupported = KernelSet.supported.contains { $0.name == kernel }
        let workers = Workers(threads: threads)
        let matrix = try FeatureMatrix.filled(columns: columns, workers: workers)
        let result = try KMeans.fit(
          matrix, weights: weights,
          configuration: try KMeansConfiguration(
            clusterCount: 9, initialization: start, seed: 3,
            kernel: isSupported ? kernel : "generic"),
          workers: workers)
        #expect(result.kernel == (isSupported ? kernel : "generic"))
        if let first { #expect(sameBytes(result, first), "threads \(threads)") }
        first = first ?? result
      }
      #expect(first!.recheckRate < 0.001)
    }
  }

  @Test func labelsAreAFreshAssignment() throws {
    let matrix = try filled(blobs(3000, d: 4, clusters: 5, spread: 4))
    for stop in [(3, 0.0), (300, 1e-2), (300, 0.0)] {
      let result = try KMeans.fit(
        matrix,
        configuration: try KMeansConfiguration(
          clusterCount: 8, maxIterations: stop.0, tolerance: stop.1, seed: 2),
        workers: twoThreads)
      let fresh = try Assignment(centroids: result.centroids, columns: 4, workers: twoThreads)
        .assign(matrix, [.distances, .margins])
      #expect(fresh.labels == result.labels)
      #expect(fresh.distances == result.distances)
      #expect(result.sizes.allSatisfy { $0 > 0 } && result.sizes.reduce(0, +) == 3000)
    }
  }

  /// Weight w = w copies; all weights × 8 changes nothing; × 3 nothing but rounding.
  @Test func weightsAreCopies() throws {
    let columns = blobs(700, d: 2, clusters: 4, spread: 3)
    let weights = (0..<700).map { Double($0 % 4) }
    var copies: [[Double]] = [[], []]
    var source: [Int] = []
    for row in 0..<700 {
      for _ in 0..<Int(weights[row]) {
        copies[0].append(columns[0][row])
        copies[1].append(columns[1][row])
        source.append(row)
      }
    }
    let centers = [10.0, 10.0]
    let weighted = try FeatureMatrix.filled(columns: columns, centers: centers, workers: twoThreads)
    let copied = try FeatureMatrix.filled(columns: copies, centers: centers, workers: twoThreads)
    for start in Self.initializations.dropLast() + [.given([1, 2, 11, 5, 15, 15, 3, 18])] {
      if start == .kMeansParallel { continue }  // draws each copy on its own
      let configuration = try KMeansConfiguration(clusterCount: 4, initialization: start, seed: 4)
      let a = try KMeans.fit(
        weighted, weights: weights, configuration: configuration, workers: twoThreads)
      let b = try KMeans.fit(copied, configuration: configuration, workers: twoThreads)
      #expect(source.map { a.labels[$0] } == b.labels)
      #expect(zip(a.centroids, b.centroids).allSatisfy { abs($0 - $1) < 1e-11 })
      #expect(abs(a.inertia - b.inertia) < 1e-11 * b.inertia)
      #expect(a.iterations == b.iterations)

      let eight = try KMeans.fit(
        weighted, weights: weights.map { $0 * 8 }, configuration: configuration,
        workers: twoThreads)
      #expect(eight.centroids == a.centroids && eight.labels == a.labels)
      #expect(eight.inertia == a.inertia * 8)
      let third = try KMeans.fit(
        weighted, weights: weights.map { $0 / 3 }, configuration: configuration,
        workers: twoThreads)
      #expect(third.labels == a.labels)
      #expect(zip(a.centroids, third.centroids).allSatisfy { abs($0 - $1) < 1e-11 })
    }
  }

  /// Fractional weights leave a rounding's worth of weight in an emptied cluster: it must count as
  /// empty.
  @Test func fractionalWeightsLeaveNoGhosts() throws {
    let columns = blobs(500, d: 2, clusters: 3, spread: 1)
    let weights = (0..<500).map { 0.1 + 0.1 * Double($0 % 7) }
    let result = try KMeans.fit(
      try filled(columns), weights: weights,
      configuration: try KMeansConfiguration(
        clusterCount: 5,
        initialization: .given([0, 0, 20, 20, 500, 500, 501, 500, 10, 10])),
      workers: twoThreads)
    #expect(result.relocations >= 2)
    #expect(result.sizes.allSatisfy { $0 > 0 })
  }

  @Test func emptyClustersTakeTheFarthestPoints() throws {
    // All points start with the first centroid; the other two are nobody's. By hand: the farthest
    // points from 0 are 9 then 8.
    let matrix = try filled([[0, 1, 2, 8, 9]])
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 3, initialization: .given([0, 100, 200]), maxIterations: 1, tolerance: 0),
      workers: twoThreads)
    #expect(result.relocations == 2)
    #expect(result.centroids == [1, 9, 8])
    #expect(result.labels == [0, 0, 0, 2, 1])
    #expect(result.warnings.count == 1)
  }

  @Test func relocationSkipsCopies() throws {
    // The farthest row comes four times: one centroid there is enough.
    let matrix = try filled([[0, 1, 9, 9, 9, 9, 5]])
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 4, initialization: .given([0, 0, 0, 0])),
      workers: twoThreads)
    #expect(result.inertia == 0)
    #expect(result.sizes.sorted() == [1, 1, 1, 4])
  }

  @Test func duplicatedStartsStillGiveKClusters() throws {
    let matrix = try filled(blobs(400, d: 3, clusters: 6))
    let start = [Double](repeating: 5, count: 18)
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(clusterCount: 6, initialization: .given(start)),
      workers: twoThreads)
    #expect(result.sizes.allSatisfy { $0 > 0 })
    #expect(Set(result.labels).count == 6)
  }

  @Test(arguments: initializations + [.given([0, 0, 0, 0])])
  func tooFewDistinctRows(start: KMeansConfiguration.Initialization) throws {
    let matrix = try filled([(0..<90).map { Double($0 % 3) }])
    #expect(throws: ClusteringError.tooFewDistinctRows(clusters: 4, largest: 3)) {
      try KMeans.fit(
        matrix,
        configuration: try KMeansConfiguration(clusterCount: 4, initialization: start),
        workers: twoThreads)
    }
    let three = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 3, initialization: start == .given([0, 0, 0, 0]) ? .random : start),
      workers: twoThreads)
    #expect(three.inertia == 0 && three.sizes == [30, 30, 30])
  }

  @Test func refusals() throws {
    let matrix = try filled([[1, 2, 3]])
    func fit(_ k: Int, weights: [Double]? = nil, start: [Double]? = nil) throws {
      _ = try KMeans.fit(
        matrix, weights: weights,
        configuration: try KMeansConfiguration(
          clusterCount: k, initialization: start.map { .given($0) } ?? .kMeansPlusPlus),
        workers: twoThreads)
    }
    #expect(throws: ClusteringError.tooFewRows(clusters: 4, largest: 3)) { try fit(4) }
    #expect(throws: ClusteringError.tooFewRows(clusters: 3, largest: 2)) {
      try fit(3, weights: [1, 0, 2])
    }
    #expect(throws: ClusteringError.invalidWeight(row: 1)) { try fit(1, weights: [1, -1, 2]) }
    #expect(throws: ClusteringError.invalidWeight(row: 2)) { try fit(1, weights: [1, 1, .nan]) }
    #expect(throws: ClusteringError.noWeight) { try fit(1, weights: [0, 0, 0]) }
    #expect(throws: ClusteringError.weightCount(weights: 2, rows: 3)) {
      try fit(1, weights: [1, 1])
    }
    #expect(throws: ClusteringError.centroidShape(values: 3, expected: 2)) {
      try fit(2, start: [1, 2, 3])
    }
    #expect(throws: ClusteringError.invalidCentroid(row: 1, column: 0)) {
      try fit(2, start: [1, .nan])
    }
    #expect(throws: ClusteringError.invalidValue(row: 1, column: 0)) {
      try filled([[1, .infinity, 2]])
    }
    #expect(throws: ClusteringError.noRows) {
      try KMeans.fit(
        FeatureMatrix(rows: 0, columns: 1, centers: [0]),
        configuration: try KMeansConfiguration(clusterCount: 1), workers: twoThreads)
    }
    #expect(throws: ConfigurationError.self) { try KMeansConfiguration(clusterCount: 0) }
    #expect(throws: ConfigurationError.self) {
      try KMeansConfiguration(clusterCount: 1, tolerance: .nan)
    }
    #expect(throws: ConfigurationError.self) {
      try KMeans.fit(
        matrix, configuration: try KMeansConfiguration(clusterCount: 1, kernel: "sse9"),
        workers: twoThreads)
    }
  }

  @Test(arguments: initializations)
  func extremeShapes(start: KMeansConfiguration.Initialization) throws {
    // k = 1: the mean.
    let columns = blobs(333, d: 3, clusters: 4)
    let one = try KMeans.fit(
      try filled(columns),
      configuration: try KMeansConfiguration(clusterCount: 1, initialization: start),
      workers: twoThreads)
    for i in 0..<3 {
      #expect(abs(one.centroids[i] - columns[i].reduce(0, +) / 333) < 1e-6)
    }
    #expect(one.sizes == [333])
    // k = n: every row alone.
    let few = blobs(40, d: 2, clusters: 4)
    let all = try KMeans.fit(
      try filled(few),
      configuration: try KMeansConfiguration(clusterCount: 40, initialization: start),
      workers: twoThreads)
    #expect(all.inertia == 0 && all.sizes.allSatisfy { $0 == 1 })
    // d = 1000.
    let wide = try KMeans.fit(
      try filled(blobs(90, d: 1000, clusters: 3)),
      configuration: try KMeansConfiguration(clusterCount: 3, initialization: start, restarts: 3),
      workers: twoThreads)
    #expect(wide.sizes == [30, 30, 30])
  }

  /// An offset of 10⁶ or 10⁹ on one column moves the centroids and nothing else.
  @Test(arguments: [1e6, 1e9])
  func largeOffsets(offset: Double) throws {
    // Multiples of 2⁻⁸, so that adding the offset rounds nothing.
    let columns = blobs(2000, d: 3, clusters: 5, spread: 3).map {
      $0.map { ($0 * 256).rounded() / 256 }
    }
    var moved = columns
    moved[1] = moved[1].map { $0 + offset }
    let configuration = try KMeansConfiguration(clusterCount: 5, seed: 1)
    let plain = try KMeans.fit(
      try filled(columns), configuration: configuration, workers: twoThreads)
    let shifted = try KMeans.fit(
      try filled(moved), configuration: configuration, workers: twoThreads)
    #expect(plain.labels == shifted.labels)
    #expect(abs(plain.inertia - shifted.inertia) < 1e-6 * plain.inertia)
    for j in 0..<5 {
      let difference = shifted.centroids[j * 3 + 1] - plain.centroids[j * 3 + 1] - offset
      #expect(abs(difference) < 1e-6)
    }
  }

  @Test func restartsKeepTheBest() throws {
    let matrix = try filled(blobs(600, d: 2, clusters: 9, spread: 1))
    func inertia(_ restarts: Int) throws -> Double {
      try KMeans.fit(
        matrix,
        configuration: try KMeansConfiguration(
          clusterCount: 9, initialization: .random, restarts: restarts, seed: 5),
        workers: twoThreads
      ).inertia
    }
    let one = try inertia(1)
    let ten = try inertia(10)
    #expect(ten < one)
  }

  @Test func aCancelledFitThrows() throws {
    let matrix = try filled(blobs(600, d: 2, clusters: 9))
    let cancellation = Cancellation()
    cancellation.cancel()
    #expect(throws: Cancelled.self) {
      try KMeans.fit(
        matrix, configuration: try KMeansConfiguration(clusterCount: 3),
        workers: Workers(threads: 2, cancellation: cancellation))
    }
  }
}

@Suite struct AssignmentTests {
  @Test func marginsByHand() throws {
    let matrix = try filled([[0, 1, 5, 6, 10]], centers: [0])
    let result = try Assignment(centroids: [0, 10, 4], columns: 1, workers: twoThreads)
      .assign(matrix, [.distances, .margins])
    #expect(result.labels == [0, 0, 2, 2, 1])
    #expect(result.distances == [0, 1, 1, 2, 0])
    #expect(result.margins == [4, 2, 4, 2, 6])
  }

  @Test func tiesGoToTheLowestLabelAndOneCentroidHasNoSecond() throws {
    let matrix = try filled([[5, 5]])
    let tie = try Assignment(centroids: [10, 0], columns: 1, workers: twoThreads)
      .assign(matrix, [.margins])
    #expect(tie.labels == [0, 0] && tie.margins == [0, 0] && tie.distances.isEmpty)
    let one = try Assignment(centroids: [4], columns: 1, workers: twoThreads)
      .assign(matrix, [.distances, .margins])
    #expect(one.margins == [.infinity, .infinity] && one.distances == [1, 1])
  }

  /// Batches, each centred on its own, give what the whole gives.
  @Test func batchesEqualTheWhole() throws {
    let columns = blobs(2500, d: 3, clusters: 5, spread: 4)
    let centroids = (0..<5 * 3).map { Double(($0 * 7) % 20) }
    let assignment = try Assignment(centroids: centroids, columns: 3, workers: twoThreads)
    let fixed = [10.0, 10, 10]
    let whole = try assignment.assign(
      try FeatureMatrix.filled(columns: columns, centers: fixed, workers: twoThreads))
    var labels: [Int32] = []
    for first in stride(from: 0, to: 2500, by: 700) {
      let part = columns.map { Array($0[first..<min(first + 700, 2500)]) }
      labels += try assignment.assign(
        try FeatureMatrix.filled(columns: part, centers: fixed, workers: twoThreads)
      ).labels
    }
    #expect(labels == whole.labels)
  }
}
