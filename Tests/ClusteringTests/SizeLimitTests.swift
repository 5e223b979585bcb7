import Foundation
import Kernels
import Sharding
import TestSupport
import Testing

@testable import Clustering

@Suite struct SizeLimitTests {
  private func fit(
    _ matrix: FeatureMatrix, k: Int, _ limits: SizeLimits, workers: Workers = twoThreads
  ) throws -> LimitedKMeans.Result {
    try LimitedKMeans.fit(
      matrix, configuration: try KMeansConfiguration(clusterCount: k, tolerance: 0, seed: 3),
      limits: limits, workers: workers)
  }

  /// Σ‖x − c‖² is the least that any labels within the limits have, by scipy's linear programming.
  @Test(arguments: [(50, 50), (20, 60), (45, 80), (0, 51), (30, 200)])
  func isTheExactOptimum(least: Int, most: Int) throws {
    let (n, k) = (200, 4)
    // Clusters of very different sizes, so that the limits bind.
    let dense = blobs(150, d: 2, clusters: 2, spread: 3, seed: 5)
    let sparse = blobs(50, d: 2, clusters: 4, spread: 6, seed: 6)
    let columns = zip(dense, sparse).map { $0 + $1 }
    let matrix = try filled(columns, centers: [0, 0])
    let result = try fit(matrix, k: k, SizeLimits(least: least, most: most))
    #expect(result.fit.sizes.allSatisfy { $0 >= least && $0 <= most })

    let folder = try TemporaryFolder()
    try writeValues((0..<n).flatMap { matrix.row($0).map(Double.init) }, folder.path("x"))
    try writeValues(result.fit.centroids, folder.path("c"))
    let output = try Shell.python(
      """
      import sys, numpy as np
      from scipy.optimize import linprog
      from scipy.sparse import kron, eye, csr_matrix, vstack
      folder, least, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
      x = np.fromfile(folder + "/x").reshape(-1, 2)
      c = np.fromfile(folder + "/c").reshape(-1, 2)
      n, k = len(x), len(c)
      cost = ((x[:, None] - c[None]) ** 2).sum(-1)
      one = kron(eye(n), np.ones((1, k)))
      size = kron(np.ones((1, n)), eye(k))
      found = linprog(cost.ravel(), A_eq=one, b_eq=np.ones(n), A_ub=vstack([size, -size]),
                      b_ub=np.r_[np.full(k, most), np.full(k, -least)], method="highs")
      print(repr(float(found.fun)))
      """, [folder.url.path, "\(least)", "\(most)"])
    let optimum = try #require(Double(output.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(abs(result.fit.inertia - optimum) <= 1e-9 * optimum)
  }

  @Test func labelsAreAFreshAssignment() throws {
    let columns = blobs(5_000, d: 3, clusters: 4, spread: 3)
    let matrix = try filled(columns)
    let result = try fit(matrix, k: 5, SizeLimits(least: 900, most: 1_100))
    #expect(result.fit.sizes.allSatisfy { (900...1_100).contains($0) })
    let diagram = try PowerDiagram(
      centroids: result.fit.centroids, columns: 3, heights: result.heights, workers: twoThreads)
    let fresh = try diagram.assign(try PowerDiagram.lifted(matrix, workers: twoThreads))
    #expect(fresh.labels == result.fit.labels && fresh.distances == result.fit.distances)
    // Distances are those to the own centroid, without the price.
    for row in stride(from: 0, to: 5_000, by: 97) {
      let label = Int(result.fit.labels[row])
      let square = (0..<3).reduce(0.0) { sum, i in
        let value = Double(matrix[row, i]) + matrix.centers[i]
        let difference = value - result.fit.centroids[label * 3 + i]
        return sum + difference * difference
      }
      #expect(abs(Double(result.fit.distances[row]) - square.squareRoot()) < 1e-5)
    }
  }

  @Test func limitsThatDoNotBindChangeNothing() throws {
    let matrix = try filled(blobs(2_000, d: 2, clusters: 4))
    let plain = try KMeans.fit(
      matrix, configuration: try KMeansConfiguration(clusterCount: 4, tolerance: 0, seed: 3),
      workers: twoThreads)
    let limited = try fit(matrix, k: 4, SizeLimits(least: 1, most: 2_000))
    #expect(limited.fit.labels == plain.labels)
    #expect(limited.heights == [0, 0, 0, 0])
  }

  /// Large enough that prices come from a sample and only rows near boundaries are looked at.
  @Test func sameBytesForAnyThreadsAndManyRows() throws {
    let columns = blobs(80_000, d: 2, clusters: 3, spread: 4)
    let fits = try [1, 3].map { threads -> LimitedKMeans.Result in
      let workers = Workers(threads: threads)
      return try LimitedKMeans.fit(
        try FeatureMatrix.filled(columns: columns, workers: workers),
        configuration: try KMeansConfiguration(clusterCount: 4, maxIterations: 6, seed: 3),
        limits: SizeLimits(least: 19_000, most: 21_000), workers: workers)
    }
    #expect(fits[0].fit.sizes.allSatisfy { (19_000...21_000).contains($0) })
    #expect(sameBytes(fits[0].fit, fits[1].fit) && fits[0].heights == fits[1].heights)
  }

  /// Rows that are alike cannot be told apart: said, not hidden.
  @Test func alikeRowsAreSaid() throws {
    let matrix = try filled([[0, 0, 0, 0, 0, 0, 1, 2]])
    #expect(throws: ClusteringError.self) {
      try fit(matrix, k: 2, SizeLimits(least: 4, most: 4))
    }
  }

  @Test func impossibleSharesAreRefused() throws {
    func limits(_ low: Double?, _ high: Double?, k: Int = 4) throws -> SizeLimits {
      try SizeLimits(minShare: low, maxShare: high, rows: 1_000, clusters: k)
    }
    #expect(try limits(0.1, 0.3) == SizeLimits(least: 100, most: 300))
    #expect(try limits(nil, 0.25) == SizeLimits(least: 0, most: 250))
    #expect(try limits(0.25, nil) == SizeLimits(least: 250, most: 1_000))
    #expect(throws: ConfigurationError.self) { try limits(0.26, nil) }
    #expect(throws: ConfigurationError.self) { try limits(nil, 0.24) }
    #expect(throws: ConfigurationError.self) { try limits(0.3, 0.2) }
    #expect(throws: ConfigurationError.self) { try limits(-0.1, nil) }
    #expect(throws: ConfigurationError.self) { try limits(nil, 1.5) }
    #expect(throws: ConfigurationError.self) { try limits(.nan, nil) }
  }
}
