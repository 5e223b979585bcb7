import Columnar
import Sharding

/// Whose row is in which segment.
struct SegmentLabels: Sendable {
  /// Negative for a row without a segment, which counts nowhere.
  let labels: Buffer<Int32>
  /// Rows of each segment.
  let sizes: [Int]
  /// Rows with a label.
  let count: Int
  /// What threads take at a time; sums are added up shard after shard.
  let shards: Shards
  var segmentCount: Int { sizes.count }

  init(_ labels: Buffer<Int32>, segmentCount: Int, workers: Workers) throws {
    let shards = Shards(rows: labels.count, rowsPerShard: 1 << 16)
    let parts = try workers.map(shards.count) { shard in
      var sizes = [Int](repeating: 0, count: segmentCount)
      sizes.withUnsafeMutableBufferPointer { sizes in
        for label in UnsafeBufferPointer(rebasing: labels.values[shards[shard]]) where label >= 0 {
          sizes[Int(label)] += 1
        }
      }
      return sizes
    }
    self.labels = labels
    self.shards = shards
    var sizes = [Int](repeating: 0, count: segmentCount)
    for part in parts { for label in sizes.indices { sizes[label] += part[label] } }
    self.sizes = sizes
    count = sizes.reduce(0, +)
  }

  /// The sum of each segment, missing values counting as 0.
  func sums(of column: Buffer<Double>, workers: Workers) throws -> [Double] {
    let parts = try workers.map(shards.count) { shard in
      var sums = [Double](repeating: 0, count: segmentCount)
      sums.withUnsafeMutableBufferPointer { sums in
        forEach(in: shard, of: column) { label, value in sums[label] += value }
      }
      return sums
    }
    var sums = [Double](repeating: 0, count: segmentCount)
    for part in parts { for label in sums.indices { sums[label] += part[label] } }
    return sums
  }

  /// Calls `body` with the label and the value of every row that has both, in order of the rows.
  @inline(__always)
  func forEach(in shard: Int, of column: Buffer<Double>, _ body: (Int, Double) -> Void) {
    withExtendedLifetime((labels, column)) {
      let (labels, values) = (labels.base, column.base)
      for row in shards[shard] {
        let value = values[row]
        guard labels[row] >= 0, value == value else { continue }
        body(Int(labels[row]), value)
      }
    }
  }
}
