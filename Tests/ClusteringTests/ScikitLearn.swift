import Foundation
import Kernels
import TestSupport

@testable import Clustering

/// Rows × columns, with the values that a matrix stores (Float), as scikit-learn is fed.
struct Samples {
  var columns: [[Double]]
  var rows: Int { columns[0].count }
  var d: Int { columns.count }

  init(columns: [[Double]]) { self.columns = columns }

  /// From a Python script that leaves an array `X` (rows × columns).
  init(python: String) throws {
    let folder = try TemporaryFolder()
    let file = folder.path("columns")
    let shape = try Shell.python(
      python
        + "\nimport sys, numpy\nX = numpy.asarray(X, dtype=numpy.float64)"
        + "\nopen(sys.argv[1], 'wb').write(numpy.ascontiguousarray(X.T).tobytes())\nprint(*X.shape)",
      [file])
    let sizes = shape.split(whereSeparator: \.isWhitespace).map { Int($0)! }
    let values = try readDoubles(file)
    columns = (0..<sizes[1]).map { Array(values[($0 * sizes[0])..<(($0 + 1) * sizes[0])]) }
  }

  /// Values rounded as the matrix rounds them: the same numbers for both sides.
  func stored(_ matrix: FeatureMatrix) -> [Double] {
    (0..<matrix.rows).flatMap { matrix.row($0).map(Double.init) }
  }
}

func readDoubles(_ path: String) throws -> [Double] {
  try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes {
    Array($0.bindMemory(to: Double.self))
  }
}

func writeValues<Value>(_ values: [Value], _ path: String) throws {
  try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: path))
}

struct ScikitLearnFit: Decodable {
  var labels: [Int32]
  var inertia: Double
  var iterations: Int
  var centroids: [Double]

  /// KMeans (Lloyd) from given centroids on row-major rows, once per stopping rule.
  static func kMeans(
    _ rows: [Double], d: Int, start: [Double], stops: [(iterations: Int, tolerance: Double)],
    weights: [Double]? = nil
  ) throws -> [ScikitLearnFit] {
    let folder = try TemporaryFolder()
    try writeValues(rows, folder.path("x"))
    try writeValues(start, folder.path("c"))
    try writeValues(weights ?? [], folder.path("w"))
    let script = """
      import json, sys, numpy as np
      from sklearn.cluster import KMeans
      folder, d = sys.argv[1], int(sys.argv[2])
      x = np.fromfile(folder + '/x').reshape(-1, d)
      c = np.fromfile(folder + '/c').reshape(-1, d)
      w = np.fromfile(folder + '/w')
      fits = []
      for stop in sys.argv[3:]:
        iterations, tolerance = stop.split()
        m = KMeans(len(c), init=c, n_init=1, max_iter=int(iterations), tol=float(tolerance))
        m.fit(x, sample_weight=w if len(w) else None)
        fits.append(dict(labels=m.labels_.tolist(), inertia=m.inertia_, iterations=m.n_iter_,
                         centroids=m.cluster_centers_.ravel().tolist()))
      print(json.dumps(fits))
      """
    let output = try Shell.python(
      script, [folder.url.path, "\(d)"] + stops.map { "\($0.iterations) \($0.tolerance)" })
    return try JSONDecoder().decode([Self].self, from: Data(output.utf8))
  }
}
