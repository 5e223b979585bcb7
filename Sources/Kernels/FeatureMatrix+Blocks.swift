import CKernels

extension FeatureMatrix {
  /// Makes a column 0 throughout.
  package func clear(_ column: Int) {
    for tile in 0..<tileCount {
      (tiles + (tile * columns + column) * Self.tileRows).update(
        repeating: 0, count: Self.tileRows)
    }
  }

  /// Writes `column` for the rows that begin at `firstRow`, a tile's first one, from their values
  /// alone; the last of them ends a tile or the matrix.
  ///
  /// - Returns: The first row of the matrix whose value is not usable; nil when all is well.
  package func fill(
    _ column: Int, firstRow: Int, from values: UnsafeBufferPointer<Double>
  ) -> Int? {
    let last = firstRow + values.count
    precondition(firstRow % Self.tileRows == 0 && column < columns && last <= rows)
    precondition(last % Self.tileRows == 0 || last == rows)
    guard let base = values.baseAddress else { return nil }
    let tileCount = (values.count + Self.tileRows - 1) / Self.tileRows
    // The tiles from `firstRow` on are a matrix of their own.
    let bad = tranche_fill_double(
      tiles + firstRow * columns, Int64(values.count), Int64(columns), Int64(column), 0,
      Int64(tileCount), base, centers[column], Self.largestMagnitude)
    return bad < 0 ? nil : Int(bad) + firstRow
  }
}
