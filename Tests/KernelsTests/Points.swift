@testable import Kernels

/// Repeatable numbers for tests (SplitMix64).
struct TestRandom: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: Int) { state = UInt64(bitPattern: Int64(seed)) }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// A filled matrix of the given columns.
func matrix(_ columns: [[Double]], centers: [Double]? = nil) -> FeatureMatrix {
  let centers = centers ?? columns.map { $0.reduce(0, +) / Double(max($0.count, 1)) }
  let matrix = FeatureMatrix(rows: columns[0].count, columns: columns.count, centers: centers)
  for (column, values) in columns.enumerated() {
    values.withUnsafeBufferPointer {
      precondition(matrix.fill(column, tiles: 0..<matrix.tileCount, from: $0) == nil)
    }
  }
  matrix.finish(tiles: 0..<matrix.tileCount)
  return matrix
}

/// Labels of all rows, and how many were decided in Double.
func labels(
  _ matrix: FeatureMatrix, _ centroids: [Double], _ kernel: KernelSet
) -> (labels: [Int32], rechecked: Int) {
  let pack = kernel.pack(centroids, columns: matrix.columns)
  let scratch = kernel.scratch(columns: matrix.columns, k: pack.k)
  var labels = [Int32](repeating: -7, count: matrix.tileCount * FeatureMatrix.tileRows)
  let rechecked = labels.withUnsafeMutableBufferPointer {
    kernel.assign(
      matrix, to: pack, tiles: 0..<matrix.tileCount, labels: $0.baseAddress!, scratch: scratch)
  }
  return (Array(labels.prefix(matrix.rows)), rechecked)
}
