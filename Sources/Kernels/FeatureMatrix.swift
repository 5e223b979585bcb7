import CKernels
import Sharding

/// n points × d features in Float32, in tiles of ``tileRows`` points whose columns lie side by side,
/// so that SIMD lanes are points and every pass reads memory front to back.
///
/// Feature j of point p of tile t is `tiles[(t * d + j) * tileRows + p]`. The memory is 64-byte
/// aligned and holds ⌈n / tileRows⌉ · tileRows · d · 4 bytes; lanes past n hold 0 and are never
/// reported. Each column is stored less its ``centers`` entry, subtracted in Double before rounding
/// to Float, so a large common offset costs no precision. Distances do not notice the shift;
/// centroids are moved back by their users.
///
/// Filling: make the matrix, then for every column call ``fill(_:tiles:from:)`` for tile ranges that
/// cover it, in any order and on any threads, then ``finish(tiles:)`` for every tile range likewise.
/// After that the matrix is read-only.
package final class FeatureMatrix: @unchecked Sendable {
  /// Points per tile: one AVX-512 kernel block, and d·256 bytes that stay in the first cache.
  package static let tileRows = Int(TRANCHE_TILE)
  /// Largest magnitude of a centred value: squares and their sums stay finite in Float.
  package static let largestMagnitude = 1e15

  package let rows: Int
  package let columns: Int
  /// Per column, what was subtracted from its values.
  package let centers: [Double]
  package var tileCount: Int { (rows + Self.tileRows - 1) / Self.tileRows }

  /// The tiles' memory; valid while the matrix is.
  package let tiles: UnsafeMutablePointer<Float>
  /// Per tile, at least the largest norm of its points.
  let norms: UnsafeMutablePointer<Float>
  private let memory: RowMemory

  /// An unfilled matrix.
  package init(rows: Int, columns: Int, centers: [Double]) {
    precondition(rows >= 0 && columns >= 1 && centers.count == columns)
    self.rows = rows
    self.columns = columns
    self.centers = centers
    let tileCount = (rows + Self.tileRows - 1) / Self.tileRows
    let values = tileCount * Self.tileRows * columns
    memory = RowMemory(bytes: (values + tileCount) * 4)
    let floats = memory.base.bindMemory(to: Float.self, capacity: values + tileCount)
    tiles = floats
    norms = floats + values
  }

  /// Writes `column` for the points of `tiles` from its `rows` values.
  ///
  /// - Returns: The first row of the range whose value is not finite, or is further than
  ///   ``largestMagnitude`` from the column's centre; nil when all is well.
  package func fill(
    _ column: Int, tiles range: Range<Int>, from values: UnsafeBufferPointer<Double>
  ) -> Int? {
    precondition(values.count == rows && range.upperBound <= tileCount && column < columns)
    guard let base = values.baseAddress, !range.isEmpty else { return nil }
    let bad = tranche_fill_double(
      KernelSet.strictLevel, tiles, Int64(rows), Int64(columns), Int64(column),
      Int64(range.lowerBound),
      Int64(range.upperBound), base, centers[column], Self.largestMagnitude)
    return bad < 0 ? nil : Int(bad)
  }

  /// As the Double version; the difference from the centre is still taken in Double.
  package func fill(
    _ column: Int, tiles range: Range<Int>, from values: UnsafeBufferPointer<Float>
  ) -> Int? {
    precondition(values.count == rows && range.upperBound <= tileCount && column < columns)
    guard let base = values.baseAddress, !range.isEmpty else { return nil }
    let bad = tranche_fill_float(
      KernelSet.strictLevel, tiles, Int64(rows), Int64(columns), Int64(column),
      Int64(range.lowerBound),
      Int64(range.upperBound), base, centers[column], Self.largestMagnitude)
    return bad < 0 ? nil : Int(bad)
  }

  /// Maps the tiles' memory on all threads, before anything is written to it. Not needed, only faster.
  package func populate(_ workers: Workers) throws { try memory.populate(workers) }

  /// Writes all columns for the points of `tiles` from row-major values (n × d), and finishes them.
  ///
  /// - Returns: The first place, row · columns + column, whose value is not finite or is further than
  ///   ``largestMagnitude`` from its column's centre; nil when all is well.
  package func fill(
    tiles range: Range<Int>, fromRows values: UnsafeBufferPointer<Float>,
    level: Int32 = KernelSet.strictLevel
  ) -> Int? {
    precondition(values.count == rows * columns && range.upperBound <= tileCount)
    guard let base = values.baseAddress, !range.isEmpty else { return nil }
    let bad = tranche_fill_rows(
      level, tiles, norms, Int64(rows), Int64(columns), Int64(range.lowerBound),
      Int64(range.upperBound), base, centers, Self.largestMagnitude)
    return bad < 0 ? nil : Int(bad)
  }

  /// Derives what the kernels need to know of the filled tiles of `range`.
  package func finish(tiles range: Range<Int>) {
    precondition(range.upperBound <= tileCount)
    tranche_tile_norms(
      KernelSet.strictLevel, tiles, Int64(columns), Int64(range.lowerBound),
      Int64(range.upperBound), norms)
  }

  /// The stored (centred) value.
  @inline(__always)
  package subscript(row: Int, column: Int) -> Float {
    precondition(row >= 0 && row < rows && column >= 0 && column < columns)
    let (tile, lane) = row.quotientAndRemainder(dividingBy: Self.tileRows)
    return tiles[(tile * columns + column) * Self.tileRows + lane]
  }

  /// The stored (centred) values of one row.
  package func row(_ row: Int) -> [Float] {
    (0..<columns).map { self[row, $0] }
  }
}
