import Kernels
import Sharding

/// Clusters with a price each: a row belongs to the one of least ‖x − c‖² + price.
///
/// Prices are what limits on sizes come to: a full cluster is dear, an empty one cheap, and every row
/// still finds its own label. With a further feature that is 0 for every row and √(price − least
/// price) for a centroid, this is plain nearest-centroid assignment, so it runs on the same kernels
/// and has their exactness: labels are those of the Double distances, ties to the lowest label.
///
/// Source: Aurenhammer, Hoffmann & Aronov, Algorithmica 20 (1998).
package struct PowerDiagram: Sendable {
  package let columns: Int
  private let priced: Assignment
  private let flat: [Double]
  private let workers: Workers

  /// The further coordinates for prices.
  package static func heights(prices: [Double]) -> [Double] {
    let least = prices.min() ?? 0
    return prices.map { ($0 - least).squareRoot() }
  }

  /// - Parameters:
  ///   - centroids: k × d, row-major, in original units.
  ///   - heights: k.
  package init(
    centroids: [Double], columns d: Int, heights: [Double], kernel: String? = nil,
    workers: Workers = Workers()
  ) throws {
    precondition(heights.count * d == centroids.count)
    columns = d + 1
    self.workers = workers
    func lifted(_ heights: [Double]) -> [Double] {
      heights.indices.flatMap { centroids[$0 * d..<($0 + 1) * d] + [heights[$0]] }
    }
    priced = try Assignment(
      centroids: lifted(heights), columns: d + 1, kernel: kernel, workers: workers)
    flat = lifted(heights.map { _ in 0 })
  }

  /// The kernel that runs.
  package var kernel: String { priced.kernel }

  /// - Parameter matrix: n × (d + 1), the last column 0 throughout.
  /// - Returns: Distances are those of the d features.
  package func assign(_ matrix: FeatureMatrix) throws -> Assignment.Result {
    var result = try priced.assign(matrix, [])
    let pack = KernelSet.generic.pack(
      try KMeans.centred(flat, k: priced.k, matrix), columns: columns)
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: Sweep.blockTiles)
    let labels = result.labels
    result.distances = try [Float](unsafeUninitializedCapacity: matrix.rows) { distances, count in
      nonisolated(unsafe) let distances = distances.baseAddress
      try workers.forEach(
        pieces.count,
        scratch: {
          (
            RowStorage<Int32>(rows: Sweep.blockRows, repeating: 0),
            RowStorage<Double>(rows: Sweep.blockRows, repeating: 0)
          )
        },
        { memory, piece in
          // Lanes past the rows keep some label of an earlier piece, or 0.
          let (own, squared) = (memory.0.base, memory.1.base)
          let first = pieces[piece].lowerBound * FeatureMatrix.tileRows
          let rows = min(Sweep.blockRows, matrix.rows - first)
          for row in 0..<rows { own[row] = labels[first + row] }
          StrictLoops.distances(
            matrix, pack, tiles: pieces[piece], labels: own, out: squared)
          for row in 0..<rows { distances![first + row] = Float(squared[row].squareRoot()) }
        })
      count = matrix.rows
    }
    return result
  }

  /// The matrix with a last column of 0.
  static func lifted(_ matrix: FeatureMatrix, workers: Workers) throws -> FeatureMatrix {
    let d = matrix.columns
    let target = FeatureMatrix(rows: matrix.rows, columns: d + 1, centers: matrix.centers + [0])
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: 64)
    try workers.forEach(pieces.count) { piece in
      for tile in pieces[piece] {
        let values = target.tiles + tile * (d + 1) * FeatureMatrix.tileRows
        values.update(
          from: matrix.tiles + tile * d * FeatureMatrix.tileRows,
          count: d * FeatureMatrix.tileRows)
        (values + d * FeatureMatrix.tileRows).update(repeating: 0, count: FeatureMatrix.tileRows)
      }
      target.finish(tiles: pieces[piece])
    }
    return target
  }
}
