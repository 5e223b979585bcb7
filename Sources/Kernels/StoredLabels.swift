import Sharding

/// One label a row between iterations, in a byte where k allows: memory that every pass reads.
///
/// Threads write disjoint tiles of it; who shares it sees to that.
package final class StoredLabels: @unchecked Sendable {
  package let rows: Int
  /// Bytes of each label: 1 or 4.
  package let bytes: Int
  let base: UnsafeMutableRawPointer
  private let memory: RowMemory

  /// Uninitialised labels in 0..<k, padded to whole tiles.
  package init(rows: Int, clusters k: Int) {
    self.rows = rows
    bytes = k <= 256 ? 1 : 4
    let tiles = max(1, (rows + FeatureMatrix.tileRows - 1) / FeatureMatrix.tileRows)
    memory = RowMemory(bytes: tiles * FeatureMatrix.tileRows * bytes)
    base = memory.base
  }

  package subscript(row: Int) -> Int {
    precondition(row >= 0 && row < rows)
    return bytes == 1
      ? Int(base.load(fromByteOffset: row, as: UInt8.self))
      : Int(base.load(fromByteOffset: row * 4, as: Int32.self))
  }

  /// Copies the labels of `range` to `target`.
  package func copy(_ range: Range<Int>, to target: UnsafeMutablePointer<Int32>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    if bytes == 1 {
      let source = base.assumingMemoryBound(to: UInt8.self) + range.lowerBound
      for i in 0..<range.count { target[i] = Int32(source[i]) }
    } else {
      let source = base.assumingMemoryBound(to: Int32.self) + range.lowerBound
      target.update(from: source, count: range.count)
    }
  }
}
