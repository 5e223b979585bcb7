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
        X = X[:, [1, 6, 11, 12, 13, 17, 18, 19]]
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

  static let stops: [(iterations: Int, tolerance: Double)] = [(5, 0), (300, 1e-4), (300, 0)]

  @Test(arguments: dataSets, [false, true])
  func sameInertiaAndPartition(data: DataSet, weighted: Bool) throws {
    let samples = try Samples(python: data.script)
    let matrix = try filled(samples.columns)
    let rows = samples.stored(matrix)
    let d = samples.d
    let weights = weighted ? (0..<samples.rows).map { Double($0 % 5) / 4 } : nil
    // Every ⌊n / k⌋th row, in centred units for scikit-learn, in original units for us.
    let start = (0..<data.k).flatMap { j -> [Double] in
      let row = j * (samples.rows / data.k)
      return Array(rows[(row * d)..<((row + 1) * d)])
    }
    let original = start.indices.map { start[$0] + matrix.centers[$0 % d] }
    // With weights our tolerance is relative to the weighted variance, scikit-learn's is not.
    let stops = Self.stops.filter { !weighted || $0.tolerance == 0 }
    let fits = try ScikitLearnFit.kMeans(rows, d: d, start: start, stops: stops, weights: weights)
    for (stop, expected) in zip(stops, fits) {
      let result = try KMeans.fit(
        matrix, weights: weights,
        configuration: try KMeansConfiguration(
          clusterCount: data.k, initialization: .given(original), maxIterations: stop.iterations,
          tolerance: stop.tolerance),
        workers: twoThreads)
      #expect(abs(result.inertia - expected.inertia) <= 1e-9 * expected.inertia)
      #expect(result.iterations == expected.iterations)
      for i in expected.centroids.indices {
        let centroid = result.centroids[i] - matrix.centers[i % d]
        #expect(abs(centroid - expected.centroids[i]) <= 1e-6 * (1 + abs(centroid)))
      }
      // Wherever the labels differ, the two centroids must be as near as rounding can tell.
      for row in 0..<samples.rows where result.labels[row] != expected.labels[row] {
        func distance(_ label: Int32) -> Double {
          var sum = 0.0
          for i in 0..<d {
            let difference = rows[row * d + i] - expected.centroids[Int(label) * d + i]
            sum += difference * difference
          }
          return sum
        }
        let (ours, theirs) = (distance(result.labels[row]), distance(expected.labels[row]))
        #expect(abs(ours - theirs) <= 1e-9 * (ours + theirs), "row \(row)")
      }
    }
  }
}
