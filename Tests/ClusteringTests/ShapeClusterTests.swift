import Foundation
import Kernels
import Sharding
import TestSupport
import Testing

@testable import Clustering

/// DBSCAN and Ward against scikit-learn's on its own toy sets (`Tests/Golden/shapes.py`).
@Suite struct ShapeClusterTests {
  struct Golden: Decodable {
    struct Set: Decodable, Sendable, CustomTestStringConvertible {
      var name: String
      var columns: [[Double]]
      var eps: Double
      var min_points: Int
      var dbscan: [Int32]
      var k: Int
      var ward: [Int32]
      var testDescription: String { name }
    }
    var sets: [Set]

    static func read() throws -> [Set] {
      let data = try Data(contentsOf: Repository.golden.appendingPathComponent("shapes.json"))
      return try JSONDecoder().decode(Golden.self, from: data).sets
    }
  }

  /// Noise counts as a cluster of its own.
  private func agreement(_ a: [Int32], _ b: [Int32]) -> Double {
    adjustedRandIndex(a.map { $0 + 1 }, b.map { $0 + 1 })
  }

  @Test(arguments: try Golden.read())
  func agreesWithScikitLearn(set: Golden.Set) throws {
    let matrix = try filled(set.columns, centers: set.columns.map { _ in 0 })
    let dense = try DensityClusters.fit(
      matrix, radius: set.eps, minimumPoints: set.min_points, workers: twoThreads)
    #expect(agreement(dense.rows.labels, set.dbscan) >= 0.99, "dbscan")
    #expect(dense.clusters == Int(set.dbscan.max()!) + 1)
    // Which rows are noise is no matter of order: the same ones.
    #expect(dense.rows.labels.map { $0 < 0 } == set.dbscan.map { $0 < 0 })
    #expect(dense.noise + dense.sizes.reduce(0, +) == matrix.rows)

    let ward = try WardClusters.fit(matrix, clusters: set.k, workers: twoThreads)
    #expect(agreement(ward.rows.labels, set.ward) == 1, "ward")
  }

  /// A sample, or micro-clusters, find what all rows do.
  @Test func samplesFindTheSameClusters() throws {
    let columns = blobs(6_000, d: 2, clusters: 4)
    let matrix = try filled(columns, centers: [0, 0])
    let truth = (0..<6_000).map { Int32($0 % 4) }
    let dense = try DensityClusters.fit(
      matrix, radius: 0.6, minimumPoints: 20, sampleRows: 2_000, workers: twoThreads)
    #expect(dense.examined == 2_000 && dense.noise < 60)
    #expect(agreement(dense.rows.labels, truth) > 0.97)
    let ward = try WardClusters.fit(matrix, clusters: 4, limit: 2_000, workers: twoThreads)
    #expect(ward.examined == WardClusters.microClusters)
    #expect(agreement(ward.rows.labels, truth) > 0.99)
  }

  @Test func sameLabelsForAnyThreads() throws {
    let columns = blobs(3_000, d: 3, clusters: 3, spread: 2)
    let fits = try [1, 2, 5].map { threads -> ([Int32], [Int32]) in
      let workers = Workers(threads: threads)
      let matrix = try FeatureMatrix.filled(columns: columns, workers: workers)
      return (
        try DensityClusters.fit(
          matrix, radius: 0.8, minimumPoints: 6, sampleRows: 1_000, workers: workers
        ).rows.labels,
        try WardClusters.fit(matrix, clusters: 5, limit: 1_000, workers: workers).rows.labels
      )
    }
    for fit in fits { #expect(fit == fits[0]) }
  }

  /// By hand: 0, 1, 2 are a chain within reach of 1; 10 and 11 lack a third; 20 is alone.
  @Test func chainsByHand() throws {
    let matrix = try filled([[20, 1, 0, 10, 2, 11]], centers: [0])
    let fit = try DensityClusters.fit(
      matrix, radius: 1, minimumPoints: 2, workers: twoThreads)
    #expect(fit.rows.labels == [-1, 0, 0, 1, 0, 1])
    #expect(fit.means == [1, 10.5] && fit.sizes == [3, 2] && fit.noise == 1)
    #expect(fit.inertia == 2.5)
    #expect(throws: ClusteringError.allNoise) {
      try DensityClusters.fit(matrix, radius: 1, minimumPoints: 4, workers: twoThreads)
    }
  }

  /// By hand: (0, 1) adds ½, (10, 12) adds 2, then 20 to (10, 12) adds ⅔ · 81 = 54.
  @Test func mergesByHand() throws {
    let points: [Double] = [0, 1, 10, 12, 20]
    let merges = WardClusters.merges(points, [1, 1, 1, 1, 1], columns: 1)
    #expect(merges.map(\.height).sorted().prefix(3) == [0.5, 2, 54])
    #expect(WardClusters.cut(merges, points: 5, clusters: 3) == [0, 0, 1, 1, 2])
    #expect(WardClusters.cut(merges, points: 5, clusters: 2) == [0, 0, 1, 1, 1])
    let matrix = try filled([[3, 3, 5]])
    #expect(throws: ClusteringError.tooFewDistinctRows(clusters: 3, largest: 2)) {
      try WardClusters.fit(matrix, clusters: 3, workers: twoThreads)
    }
    #expect(throws: ClusteringError.tooFewRows(clusters: 4, largest: 3)) {
      try WardClusters.fit(matrix, clusters: 4, workers: twoThreads)
    }
  }
}
