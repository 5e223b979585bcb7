import Kernels

extension FeatureMatrix {
  /// The given rows, in that order (a row may come more than once), centred as this matrix is.
  func rows(_ selection: [Int]) -> FeatureMatrix {
    let part = FeatureMatrix(rows: selection.count, columns: columns, centers: centers)
    let tileRows = Self.tileRows
    let d = columns
    for tile in 0..<part.tileCount {
      let first = tile * tileRows
      let target = part.tiles + first * d
      let count = min(tileRows, selection.count - first)
      if count < tileRows { target.update(repeating: 0, count: d * tileRows) }
      for lane in 0..<count {
        let row = selection[first + lane]
        precondition(row >= 0 && row < rows)
        let source = tiles + (row / tileRows * d * tileRows + row % tileRows)
        for column in 0..<d {
          target[column * tileRows + lane] = source[column * tileRows]
        }
      }
    }
    part.finish(tiles: 0..<part.tileCount)
    return part
  }
}
