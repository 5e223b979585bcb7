import Foundation
import Kernels
import Sharding
import TestSupport
import Testing

@testable import Clustering

/// The same starting centroids and iterations: the same inertia and partition as scikit-learn.
@Suite struct ScikitLearnAgreementTests {
  struct DataSet: CustomTestStringConvertible, Sendable {
    var name: String
    var k: Int
    var script: String
    var testDescription: String { name }
  }

  static let dataSets = [
    DataSet(name: "iris", k: 3, script: "from sklearn.datasets import load_iris\nX = load_iris().data"),
    DataSet(
      name: "wine", k: 4,
      script: "from sklearn.datasets import load_wine\nfrom sklearn.preprocessing import scale\n"
        + "X = scale(load_wine().data)"),
    DataSet(
      name: "card customers", k: 6,
      script: """
        import numpy as np
        from sklearn.preprocessing import scale
        X = np.genfromtxt('\(Repository.data.path)/uci_credit_card_default.csv', delimiter=',', skip_header=1)
        X = X[:, [1, 5, 11, 12, 13, 17, 18, 19]]
        X = scale(np.sign(X) * np.log1p(np.abs(X)))
        """),
    DataSet(
      name: "blobs", k: 12,
      script: "from sklearn.datasets import make_blobs\n"
        + "X = make_blobs(5003, n_features=5, centers=12, random_state=3)[0]"),
    DataSet(
      name: "heavy tails", k: 9,
      script: "import numpy as np\nr = np.random.default_rng(4)\n"
        + "X = r.pareto(1.5, (4001, 3)) * np.array([1, 10, 0.1])"),
  ]

  @Test(arguments: dataSets, [(5, 0.0), (300, 1e-4), (300, 0.0)])
  func sameInertiaAndPartition(data: DataSet, stop: (iterations: Int, tolerance: Double)) throws {
    let samples = try Samples(python: data.script)
    let workers = Workers(threads: 2)
    let matrix = try FeatureMatrix.filled(columns: samples.columns, workers: workers)
    let rows = samples.stored(matrix)
    let d = samples.d
    // Every ⌊n / k⌋th row, in centred units for scikit-learn, in original units for us.
    let start = (0..<data.k).flatMap { j in
      let row = j * (samples.rows / data.k)
      return Array(rows[(row * d)..<((row + 1) * d)])
    }
    let expected = try ScikitLearnFit.kMeans(
      rows, d: d, start: start, maxIterations: stop.iterations, tolerance: stop.tolerance)
    let original = start.indices.map { start[$0] + matrix.centers[$0 % d] }
    let result = try KMeans.fit(
      matrix,
      configuration: try KMeansConfiguration(
        clusterCount: data.k, initialization: .given(original), maxIterations: stop.iterations,
        tolerance: stop.tolerance),
      workers: workers)

    #expect(abs(result.inertia - expected.inertia) <= 1e-9 * expected.inertia)
    #expect(result.iterations == expected.iterations)
    // Wherever the labels differ the two centroids must be as near as rounding can tell.
    for row in 0..<samples.rows where result.labels[row] != expected.labels[row] {
      func distance(_ label: Int32) -> Double {
        (0..<d).reduce(0.0) { sum, i in
          let c = expected.centroids[Int(label) * d + i]
          return sum + (rows[row * d + i] - c) * (rows[row * d + i] - c)
        }
      }
      let (ours, theirs) = (distance(result.labels[row]), distance(expected.labels[row]))
      #expect(abs(ours - theirs) <= 1e-9 * (ours + theirs), "row \(row)")
    }
    for i in expected.centroids.indices {
      let centroid = result.centroids[i] - matrix.centers[i % d]
      #expect(abs(centroid - expected.centroids[i]) <= 1e-6 * (1 + abs(centroid)))
    }
  }
}
