import Columnar
import Kernels
import Sharding

extension FittedTransforms {
  /// Turns feature columns into samples: the n × d matrix that distances are measured in.
  ///
  /// - Parameters:
  ///   - columns: One per transform, in its order; n values each.
  ///   - centers: d values the matrix stores its columns less of (see `FeatureMatrix`). The same
  ///     values must be used whenever the same rows are to get the same labels, so a model keeps
  ///     them; zeros suit scaled features.
  /// - Throws: ``TransformError/missingValue(feature:row:)`` where a missing value has no fill, or a
  ///   value is too far out to be measured.
  /// - Complexity: O(n·d); one column of n Doubles beside the matrix.
  package func samples(
    of columns: [Buffer<Double>], centers: [Double], workers: Workers
  ) throws -> FeatureMatrix {
    precondition(columns.count == features.count && centers.count == dimensions)
    let rows = columns[0].count
    let matrix = FeatureMatrix(rows: rows, columns: dimensions, centers: centers)
    let tileRows = FeatureMatrix.tileRows
    // 64 tiles are some thousand rows: enough work for a piece, few enough for the cache.
    let pieces = Shards(rows: matrix.tileCount, rowsPerShard: 64)
    let scaled = Buffer<Double>.uninitialized(count: rows)
    nonisolated(unsafe) let target = scaled.storage
    for dimension in 0..<dimensions {
      let bad = try workers.map(pieces.count) { piece -> Int? in
        let tiles = pieces[piece]
        let range = tiles.lowerBound * tileRows..<min(tiles.upperBound * tileRows, rows)
        scale(columns, dimension: dimension, range, into: target)
        return matrix.fill(dimension, tiles: tiles, from: UnsafeBufferPointer(target))
      }
      if let row = bad.compactMap({ $0 }).first {
        throw TransformError.missingValue(feature: name(of: dimension), row: row)
      }
    }
    try workers.forEach(pieces.count) { matrix.finish(tiles: pieces[$0]) }
    return matrix
  }

  private func name(of dimension: Int) -> String {
    components == nil ? features[dimension].name : "component \(dimension + 1)"
  }

  /// Writes the samples of some rows, which begin and end tiles of the matrix (or end with it), on
  /// the calling thread.
  ///
  /// - Parameter columns: One per transform, of those rows only.
  /// - Throws: ``TransformError/missingValue(feature:row:)``; the row is the matrix's.
  package func fill(
    _ matrix: FeatureMatrix, rows: Range<Int>, from columns: [Buffer<Double>]
  ) throws(TransformError) {
    precondition(columns.count == features.count && matrix.columns >= dimensions)
    let tileRows = FeatureMatrix.tileRows
    let bad = withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count) {
      target -> (dimension: Int, row: Int)? in
      for dimension in 0..<dimensions {
        scale(columns, dimension: dimension, 0..<rows.count, into: target)
        if let row = matrix.fill(
          dimension, firstRow: rows.lowerBound, from: UnsafeBufferPointer(target))
        {
          return (dimension, row)
        }
      }
      return nil
    }
    if let bad { throw .missingValue(feature: name(of: bad.dimension), row: bad.row) }
    matrix.finish(
      tiles: rows.lowerBound / tileRows..<(rows.upperBound + tileRows - 1) / tileRows)
  }

  private func scale(
    _ columns: [Buffer<Double>], dimension: Int, _ rows: Range<Int>,
    into target: UnsafeMutableBufferPointer<Double>
  ) {
    guard let components else {
      features[dimension].apply(
        to: UnsafeBufferPointer(rebasing: columns[dimension].values[rows]),
        into: target.baseAddress! + rows.lowerBound)
      return
    }
    withUnsafeTemporaryAllocation(of: Double.self, capacity: features.count) { scaled in
      for row in rows {
        for (index, transform) in features.enumerated() {
          scaled[index] = transform(columns[index].base[row])
        }
        target[row] = components.project(UnsafeBufferPointer(scaled), axis: dimension)
      }
    }
  }

  /// The centres to store a fit's matrix with: zero for scaled features, which lie around it, the
  /// means where features are taken as they are.
  package func centers(
    of columns: [Buffer<Double>], scaling: TransformConfiguration.Scaling, workers: Workers
  ) throws -> [Double] {
    guard scaling == .none, components == nil else {
      return [Double](repeating: 0, count: dimensions)
    }
    let shards = Shards(rows: columns[0].count, rowsPerShard: 16_384)
    return try zip(features, columns).map { transform, column in
      try workers.map(shards.count) { shard in
        shards[shard].reduce(0) { $0 + transform(column.base[$1]) }
      }.reduce(0, +) / Double(column.count)
    }
  }
}
