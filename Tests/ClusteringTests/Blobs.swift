import Kernels
import Sharding

@testable import Clustering

let twoThreads = Workers(threads: 2)

func filled(_ columns: [[Double]], centers: [Double]? = nil) throws -> FeatureMatrix {
  try FeatureMatrix.filled(columns: columns, centers: centers, workers: twoThreads)
}

/// Gaussian-like blobs (sums of uniforms) around `clusters` places; columns.
func blobs(
  _ n: Int, d: Int, clusters: Int, spread: Double = 1, seed: UInt64 = 1
) -> [[Double]] {
  var random = SequentialRandom(seed: seed, purpose: .init("test blobs"))
  let places = (0..<clusters * d).map { _ in 20 * random.unit() }
  var columns = [[Double]](repeating: [], count: d)
  for row in 0..<n {
    let place = row % clusters
    for i in 0..<d {
      let noise = (0..<6).reduce(0.0) { sum, _ in sum + random.unit() - 0.5 }
      columns[i].append(places[place * d + i] + spread * noise)
    }
  }
  return columns
}

/// Whether two results are the same to the last bit.
func sameBytes(_ a: KMeansResult, _ b: KMeansResult) -> Bool {
  a.centroids.map(\.bitPattern) == b.centroids.map(\.bitPattern) && a.labels == b.labels
    && a.distances.map(\.bitPattern) == b.distances.map(\.bitPattern)
    && a.inertia.bitPattern == b.inertia.bitPattern && a.iterations == b.iterations
    && a.sizes == b.sizes && a.status == b.status
}
