import Foundation
import Kernels
import Sharding
import TestSupport
import Testing

@testable import Clustering

@Suite struct QualityTests {
  private struct Expected: Decodable {
    var silhouette: Double
    var ch: Double
    var db: Double
    var ari: Double
    var nmi: Double
  }

  /// scikit-learn's numbers on the same values and labels.
  @Test func agreesWithScikitLearn() throws {
    let columns = blobs(1501, d: 4, clusters: 5, spread: 5)
    let matrix = try filled(columns)
    // A label that no row has, and one that a single row has.
    let used: [Int32] = [0, 1, 2, 4, 5]
    var labels: [Int32] = []
    var others: [Int32] = []
    for row in 0..<1501 {
      let shift = row % 11 == 0 ? 1 : 0
      labels.append(row == 7 ? 6 : used[(row + shift) % 5])
      others.append(row % 7 == 0 ? -1 : Int32(1000 * (row % 4)))
    }
    let folder = try TemporaryFolder()
    try writeValues(Samples(columns: columns).stored(matrix), folder.path("x"))
    try writeValues(labels, folder.path("a"))
    try writeValues(others, folder.path("b"))
    let output = try Shell.python(
      """
      import json, sys, numpy as np
      from sklearn import metrics as m
      f = sys.argv[1]
      x = np.fromfile(f + '/x').reshape(-1, 4)
      a, b = np.fromfile(f + '/a', np.int32), np.fromfile(f + '/b', np.int32)
      print(json.dumps(dict(silhouette=m.silhouette_score(x, a), ch=m.calinski_harabasz_score(x, a),
        db=m.davies_bouldin_score(x, a), ari=m.adjusted_rand_score(a, b),
        nmi=m.normalized_mutual_info_score(a, b))))
      """, [folder.url.path])
    let expected = try JSONDecoder().decode(Expected.self, from: Data(output.utf8))
    func near(_ actual: Double?, _ expected: Double) -> Bool {
      guard let actual else { return false }
      return abs(actual - expected) <= 1e-9 * max(1, abs(expected))
    }
    let silhouette = try Silhouette.estimate(matrix, labels: labels, workers: twoThreads)
    #expect(near(silhouette?.value, expected.silhouette))
    #expect(silhouette?.margin == 0 && silhouette?.sampleSize == 1501)
    let indices = try InternalIndices(matrix, labels: labels, workers: twoThreads)
    #expect(near(indices.calinskiHarabasz, expected.ch))
    #expect(near(indices.daviesBouldin, expected.db))
    #expect(indices.clusters == 6)
    #expect(near(adjustedRandIndex(labels, others), expected.ari))
    #expect(near(normalizedMutualInformation(labels, others), expected.nmi))
  }

  @Test func agreementOfSpecialLabellings() {
    let a: [Int32] = [0, 0, 1, 1, 2]
    #expect(adjustedRandIndex(a, [5, 5, -3, -3, 9]) == 1)
    #expect(abs(normalizedMutualInformation(a, [5, 5, -3, -3, 9]) - 1) < 1e-15)
    #expect(adjustedRandIndex([1, 1, 1], [2, 2, 2]) == 1)
    #expect(normalizedMutualInformation([1, 1, 1], [2, 2, 2]) == 1)
    #expect(normalizedMutualInformation([1, 1, 1], [0, 1, 2]) == 0)
    // Labels far apart take the other road.
    let far: [Int32] = [.min, .min, 0, 0, .max]
    #expect(adjustedRandIndex(a, far) == 1)
    let alone = (0..<3000).map { Int32($0) }
    #expect(adjustedRandIndex(alone, alone) == 1)
    #expect(adjustedRandIndex(alone, [Int32](repeating: 0, count: 3000)) == 0)
  }

  @Test func theSampledSilhouetteCoversTheExactOne() throws {
    let columns = blobs(3000, d: 2, clusters: 4, spread: 5)
    let matrix = try filled(columns)
    let result = try KMeans.fit(
      matrix, configuration: try KMeansConfiguration(clusterCount: 4), workers: twoThreads)
    let exact = try #require(
      try Silhouette.estimate(matrix, labels: result.labels, workers: twoThreads))
    var covered = 0
    for seed in 0..<20 {
      let sampled = try #require(
        try Silhouette.estimate(
          matrix, labels: result.labels, sampleSize: 300, seed: UInt64(seed), workers: twoThreads))
      #expect(abs(sampled.sampleSize - 300) <= 4)
      #expect(sampled.margin > 0 && sampled.margin < 0.08)
      if sampled.lower <= exact.value && exact.value <= sampled.upper { covered += 1 }
    }
    // 95 % each: fewer than 16 of 20 has a chance below 0.3 %.
    #expect(covered >= 16)
  }

  @Test func simplifiedSilhouetteByHand() throws {
    let matrix = try filled([[0, 1, 10]], centers: [0])
    let value = try Silhouette.simplified(matrix, centroids: [0, 10], workers: twoThreads)
    #expect(abs(value - (1 + 8.0 / 9 + 1) / 3) < 1e-12)
  }

  @Test func stabilityTellsClustersFromNoise() throws {
    let clear = try Stability.bootstrap(
      try filled(blobs(900, d: 2, clusters: 3)),
      configuration: try KMeansConfiguration(clusterCount: 3, restarts: 3), refits: 5,
      workers: twoThreads)
    #expect(clear.mean > 0.99 && clear.indices.count == 5)
    let noise = try Stability.bootstrap(
      try filled(blobs(900, d: 2, clusters: 1)),
      configuration: try KMeansConfiguration(clusterCount: 8), refits: 5, sampleSize: 600,
      workers: twoThreads)
    #expect(noise.mean < 0.9)
  }

  @Test func findsTheNumberOfClusters() throws {
    // Five corners of a cube.
    var columns = blobs(1200, d: 3, clusters: 1)
    for row in 0..<1200 {
      let corner = [0, 1, 2, 4, 7][row % 5]
      for i in 0..<3 where corner >> i & 1 == 1 { columns[i][row] += 20 }
    }
    let matrix = try filled(columns)
    let choice = try SelectK.sweep(
      matrix, clusters: 1...8,
      configuration: try KMeansConfiguration(clusterCount: 1, restarts: 3), refits: 3,
      silhouetteSample: 400, workers: twoThreads)
    #expect(choice.recommended == 5)
    #expect(choice.evidence.map(\.clusters) == Array(1...8))
    #expect(choice.evidence[0].silhouette == nil)
    #expect(choice.reason.hasPrefix("k = 5: silhouette 0."))
    #expect(choice.reason.contains("stability"))
    #expect(zip(choice.evidence, choice.evidence.dropFirst()).allSatisfy { $0.inertia > $1.inertia })
  }

  @Test func elbowIsTheDeepestPoint() {
    #expect(SelectK.elbow([(1, 100), (2, 40), (3, 10), (4, 8), (5, 7)]) == 2)
    #expect(SelectK.elbow([(1, 100), (2, 50)]) == nil)
    #expect(SelectK.elbow([(1, 3), (2, 2), (3, 1)]) == nil)
  }
}
