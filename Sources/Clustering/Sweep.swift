import Kernels
import Sharding

/// Passes over a matrix: fixed shards, merged in shard order, cut into blocks that stay in cache.
struct Sweep: Sendable {
  let matrix: FeatureMatrix
  let kernel: KernelSet
  let workers: Workers
  let weights: SampleWeights?
  /// In tiles. Depends on rows and clusters only.
  let shards: Shards

  /// Rows a kernel is called for at once: labels and the points stay in cache until they are used.
  static let blockTiles = 16
  static var blockRows: Int { blockTiles * FeatureMatrix.tileRows }

  init(
    _ matrix: FeatureMatrix, clusters k: Int, kernel: KernelSet, workers: Workers,
    weights: SampleWeights?
  ) {
    self.matrix = matrix
    self.kernel = kernel
    self.workers = workers
    self.weights = weights
    // 8,192 rows balance threads; but a shard's k × d partial sums should be a small part of its
    // rows, once there are shards enough for any machine.
    let count = min(
      (matrix.rows + 8191) / 8192, max(64, matrix.rows / (64 * k)))
    let tilesPerShard = (matrix.tileCount + max(count, 1) - 1) / max(count, 1)
    let blocks = max(1, (tilesPerShard + Self.blockTiles - 1) / Self.blockTiles)
    shards = Shards(rows: matrix.tileCount, rowsPerShard: blocks * Self.blockTiles)
  }

  /// The rows of a tile range.
  func rows(of tiles: Range<Int>) -> Range<Int> {
    let start = tiles.lowerBound * FeatureMatrix.tileRows
    return start..<min(tiles.upperBound * FeatureMatrix.tileRows, matrix.rows)
  }

  /// Weights from a tile's first row on, or nil when all are 1.
  func weights(from tile: Int) -> UnsafePointer<Double>? {
    weights.map { UnsafePointer($0.storage.base + tile * FeatureMatrix.tileRows) }
  }

  var totalWeight: Double { weights?.total ?? Double(matrix.rows) }

  /// Calls `body` for every block of a shard's tiles.
  @inline(__always)
  static func forEachBlock(_ tiles: Range<Int>, _ body: (Range<Int>) -> Void) {
    var first = tiles.lowerBound
    while first < tiles.upperBound {
      let last = min(first + blockTiles, tiles.upperBound)
      body(first..<last)
      first = last
    }
  }

  /// Labels of the nearest centroids, fresh. Returns how many points were decided in Double.
  func assign(_ pack: CentroidPack, labels: RowStorage<Int32>) throws -> Int {
    let rechecked = try workers.map(shards.count) { shard -> Int in
      let scratch = kernel.scratch(columns: matrix.columns, k: pack.k)
      var count = 0
      Self.forEachBlock(shards[shard]) { tiles in
        count += kernel.assign(
          matrix, to: pack, tiles: tiles,
          labels: labels.base + tiles.lowerBound * FeatureMatrix.tileRows, scratch: scratch)
      }
      return count
    }
    return rechecked.reduce(0, +)
  }

  /// Σ w·‖x − c‖² of the labelled points, in Double by shard; hands each block's squared distances to
  /// `body` (with its rows) on the way.
  @discardableResult
  func inertia(
    _ pack: CentroidPack, labels: RowStorage<Int32>,
    _ body: @Sendable (_ rows: Range<Int>, _ squared: UnsafePointer<Double>) -> Void = { _, _ in }
  ) throws -> Double {
    let sums = try workers.map(shards.count) { shard -> Double in
      var sum = 0.0
      withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.blockRows) { squared in
        let squared = squared.baseAddress!
        Self.forEachBlock(shards[shard]) { tiles in
          let rows = rows(of: tiles)
          StrictLoops.distances(
            matrix, pack, tiles: tiles, labels: labels.base + rows.lowerBound, out: squared)
          if let weights = weights(from: tiles.lowerBound) {
            for row in 0..<rows.count { sum += weights[row] * squared[row] }
          } else {
            for row in 0..<rows.count { sum += squared[row] }
          }
          body(rows, squared)
        }
      }
      return sum
    }
    return sums.reduce(0, +)
  }

  /// Mean over the features of their variance (of the weighted rows), in Double.
  func meanVariance() throws -> Double {
    let d = matrix.columns
    let partials = try workers.map(shards.count) { shard -> (sums: [Double], squares: [Double]) in
      var sums = [Double](repeating: 0, count: d)
      var squares = sums
      for tile in shards[shard] {
        let count = rows(of: tile..<tile + 1).count
        let weights = weights(from: tile)
        for column in 0..<d {
          let values = matrix.tiles + (tile * d + column) * FeatureMatrix.tileRows
          var sum = 0.0
          var square = 0.0
          for lane in 0..<count {
            let value = Double(values[lane])
            let weighted = weights.map { $0[lane] * value } ?? value
            sum += weighted
            square += weighted * value
          }
          sums[column] += sum
          squares[column] += square
        }
      }
      return (sums, squares)
    }
    var total = 0.0
    for column in 0..<d {
      var sum = 0.0
      var square = 0.0
      for partial in partials {
        sum += partial.sums[column]
        square += partial.squares[column]
      }
      let mean = sum / totalWeight
      total += max(0, square / totalWeight - mean * mean)
    }
    return total / Double(d)
  }
}
