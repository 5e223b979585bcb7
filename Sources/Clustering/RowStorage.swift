import Kernels
import Sharding

/// One value per row, padded to whole tiles so that kernels may write full vectors.
///
/// Threads write disjoint rows of it; who shares it sees to that.
final class RowStorage<Value: BitwiseCopyable>: @unchecked Sendable {
  let rows: Int
  private let capacity: Int
  let base: UnsafeMutablePointer<Value>
  private let memory: RowMemory

  convenience init(rows: Int, repeating value: Value) {
    self.init(uninitialized: rows)
    base.update(repeating: value, count: capacity)
  }

  /// The caller writes every entry, padding included.
  init(uninitialized rows: Int) {
    self.rows = rows
    let tileRows = FeatureMatrix.tileRows
    capacity = max((rows + tileRows - 1) / tileRows * tileRows, tileRows)
    memory = RowMemory(bytes: capacity * MemoryLayout<Value>.stride)
    base = memory.base.bindMemory(to: Value.self, capacity: capacity)
  }

  /// Maps memory that is about to be written, on all threads.
  func populate(_ workers: Workers) throws { try memory.populate(workers) }

  var array: [Value] { Array(UnsafeBufferPointer(start: base, count: rows)) }
}

/// Rows' weights, checked and padded with 0.
struct SampleWeights: Sendable {
  let storage: RowStorage<Double>
  let total: Double

  init(_ weights: [Double], rows: Int) throws(ClusteringError) {
    guard weights.count == rows else {
      throw .weightCount(weights: weights.count, rows: rows)
    }
    if let row = weights.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
      throw .invalidWeight(row: row)
    }
    let storage = RowStorage<Double>(rows: rows, repeating: 0)
    weights.withUnsafeBufferPointer { source in
      if let start = source.baseAddress { storage.base.update(from: start, count: rows) }
    }
    self.storage = storage
    total = weights.reduce(0, +)
    guard total > 0 else { throw .noWeight }
  }
}
