import Kernels
import Sharding

extension FeatureMatrix {
  /// The given rows, in that order (a row may come more than once), centred as this matrix is.
  func rows(_ selection: [Int]) -> FeatureMatrix {
    let part = FeatureMatrix(rows: selection.count, columns: columns, centers: centers)
    part.gather(0..<part.tileCount, from: self, selection, SpillSpace.current)
    return part
  }

  /// As above, in parallel.
  func rows(_ selection: [Int], workers: Workers) throws -> FeatureMatrix {
    let part = FeatureMatrix(rows: selection.count, columns: columns, centers: centers)
    let pieces = Shards(rows: part.tileCount, rowsPerShard: 64)
    let space = SpillSpace.current
    try workers.forEach(pieces.count) { part.gather(pieces[$0], from: self, selection, space) }
    return part
  }

  /// - Parameter space: Where `whole` may lie: rows drawn at random bring far more of it into memory than
  ///   they hold, too fast for a thread that looks on.
  private func gather(
    _ range: Range<Int>, from whole: FeatureMatrix, _ selection: [Int], _ space: SpillSpace?
  ) {
    let tileRows = Self.tileRows
    let d = columns
    for tile in range {
      let first = tile * tileRows
      let target = tiles + first * d
      let count = min(tileRows, rows - first)
      if count < tileRows { target.update(repeating: 0, count: d * tileRows) }
      for lane in 0..<count {
        let row = selection[first + lane]
        precondition(row >= 0 && row < whole.rows)
        let source = whole.tiles + (row / tileRows * d * tileRows + row % tileRows)
        for column in 0..<d {
          target[column * tileRows + lane] = source[column * tileRows]
        }
      }
      if tile % 32 == 31 { _ = space?.makeRoom(for: 0) }
    }
    finish(tiles: range)
  }
}
