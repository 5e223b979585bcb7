import Kernels
import Sharding
import Testing

@testable import Clustering

@Suite struct MiniBatchTests {
  /// Near the optimum that Lloyd's iterations reach from where it ends.
  @Test(arguments: [0, 1, 2])
  func comesNearLloydsOptimum(seed: UInt64) throws {
    let matrix = try filled(blobs(20_000, d: 3, clusters: 6, spread: 3))
    let result = try MiniBatchKMeans.fit(
      matrix, configuration: try MiniBatchConfiguration(clusterCount: 6, seed: seed),
      workers: twoThreads)
    let lloyd = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: 6, initialization: .given(result.centroids)),
      workers: twoThreads)
    #expect(result.inertia < lloyd.inertia * 1.02)
    #expect(result.status == .noImprovement)
    let fresh = try Assignment(centroids: result.centroids, columns: 3, workers: twoThreads)
      .assign(matrix)
    #expect(fresh.labels == result.labels)
  }

  @Test func sameBytesForAnyThreads() throws {
    let columns = blobs(9000, d: 2, clusters: 5, spread: 3)
    let weights = (0..<9000).map { Double($0 % 3) }
    for weights in [nil, weights] {
      let results = try [1, 2, 3, 8].map { threads in
        let workers = Workers(threads: threads)
        return try MiniBatchKMeans.fit(
          try FeatureMatrix.filled(columns: columns, workers: workers), weights: weights,
          configuration: try MiniBatchConfiguration(clusterCount: 5, batchSize: 500, seed: 9),
          workers: workers)
      }
      for result in results { #expect(sameBytes(result, results[0])) }
    }
  }

  @Test func partialFitFollowsTheMeans() throws {
    // One cluster: the centroid is the running mean, whatever the batches' centres and weights.
    var state = MiniBatchKMeans(
      try MiniBatchConfiguration(clusterCount: 1), workers: twoThreads)
    #expect(state.centroids.isEmpty)
    try state.partialFit(try filled([[1, 2, 3], [10, 20, 30]]))
    try state.partialFit(try filled([[1000, 1002], [0, 1]]), weights: [1, 2])
    #expect(state.steps == 2)
    let expected = [(1.0 + 2 + 3 + 1000 + 2004) / 6, (10.0 + 20 + 30 + 0 + 2) / 6]
    for (a, b) in zip(state.centroids, expected) { #expect(abs(a - b) < 1e-4) }
  }

  @Test func partialFitFindsTheClusters() throws {
    var state = MiniBatchKMeans(
      try MiniBatchConfiguration(clusterCount: 4, seed: 1), workers: twoThreads)
    let columns = blobs(8000, d: 2, clusters: 4)
    for first in stride(from: 0, to: 8000, by: 1000) {
      try state.partialFit(try filled(columns.map { Array($0[first..<(first + 1000)]) }))
    }
    let matrix = try filled(columns)
    let lloyd = try KMeans.fit(
      matrix, configuration: try KMeansConfiguration(clusterCount: 4, restarts: 5),
      workers: twoThreads)
    let labels = try Assignment(centroids: state.centroids, columns: 2, workers: twoThreads)
      .assign(matrix).labels
    #expect(adjustedRandIndex(labels, lloyd.labels) > 0.99)
  }

  @Test func starvedCentroidsStartAgain() throws {
    let matrix = try filled(blobs(5000, d: 2, clusters: 4))
    let far = [0.0, 0, 20, 20, 9000, 9000, 9001, 9000]
    let result = try MiniBatchKMeans.fit(
      matrix,
      configuration: try MiniBatchConfiguration(clusterCount: 4, initialization: .given(far)),
      workers: twoThreads)
    #expect(result.sizes.allSatisfy { $0 > 0 })
    #expect(result.centroids.allSatisfy { $0 < 100 })
  }

  @Test func tooFewDistinctRowsIsSaid() throws {
    let matrix = try filled([(0..<300).map { Double($0 % 2) }])
    #expect(throws: ClusteringError.tooFewDistinctRows(clusters: 3, largest: 2)) {
      try MiniBatchKMeans.fit(
        matrix, configuration: try MiniBatchConfiguration(clusterCount: 3), workers: twoThreads)
    }
  }

  @Test func badSettingsAreRefused() {
    #expect(throws: ConfigurationError.self) {
      try MiniBatchConfiguration(clusterCount: 3, batchSize: 0)
    }
    #expect(throws: ConfigurationError.self) {
      try MiniBatchConfiguration(clusterCount: 3, reassignmentRatio: 1)
    }
  }
}
