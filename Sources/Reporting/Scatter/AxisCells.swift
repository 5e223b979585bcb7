import Foundation

/// One pass over an axis' values: what the scale is chosen from. Missing values are left out.
struct AxisExtent {
  var count = 0
  var minimum = Double.infinity
  var maximum = -Double.infinity
  var sumOfMagnitudes = 0.0
  var isWhole = true

  @inline(__always)
  mutating func add(_ value: Double) {
    count += 1
    if value < minimum { minimum = value }
    if value > maximum { maximum = value }
    sumOfMagnitudes += abs(value)
    if isWhole { isWhole = value == value.rounded(.towardZero) }
  }

  mutating func merge(_ other: AxisExtent) {
    count += other.count
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
    sumOfMagnitudes += other.sumOfMagnitudes
    isWhole = isWhole && other.isWhole
  }
}

/// How an axis is cut into the cells of the density grid.
///
/// Cells have equal width on the axis' default scale. Counts (whole values) get edges half-way
/// between whole numbers, so that 1, 2, 3 … fill the picture instead of standing as stripes.
struct AxisCells {
  static let fewest = 32

  /// Signed logarithm sign(v)·ln(1 + |v|) by default: a heavy tail would hide everybody else.
  let isLogarithmic: Bool
  let extent: AxisExtent
  /// Rising; cell i is `edges[i] ..< edges[i + 1]`, the last one closed.
  let edges: [Double]

  /// Cells of an axis at most: as many as a megabyte or so of page can hold for all segments, even
  /// where every segment is everywhere.
  static func most(segments: Int) -> Int {
    min(max(Int((500_000 / Double(max(segments, 1))).squareRoot()), 96), 256)
  }

  init(_ extent: AxisExtent, segments: Int = 1) {
    self.extent = extent
    guard extent.count > 0 else {
      isLogarithmic = false
      edges = [0, 1]
      return
    }
    let mean = extent.sumOfMagnitudes / Double(extent.count)
    // Even values end at two means; past five, most customers would crowd one end of the axis.
    let isLogarithmic = max(abs(extent.minimum), abs(extent.maximum)) > 5 * mean && mean >= 1
    self.isLogarithmic = isLogarithmic
    var low = extent.minimum
    var high = extent.maximum
    if extent.isWhole {
      low -= 0.5
      high += 0.5
    } else if low == high {
      let margin = max(abs(low) * 0.05, 1e-9)
      low -= margin
      high += margin
    }
    // About nine customers a cell were they spread evenly: fewer would show noise, not density.
    let cells = min(
      max(Int(Double(extent.count).squareRoot() / 3), Self.fewest),
      Self.most(segments: segments))
    let start = Self.scaled(low, isLogarithmic)
    let step = (Self.scaled(high, isLogarithmic) - start) / Double(cells)
    var edges = [low]
    for cell in 1..<cells {
      var edge = Self.unscaled(start + step * Double(cell), isLogarithmic)
      if extent.isWhole { edge = edge.rounded(.down) + 0.5 }
      if edge > edges[edges.count - 1], edge < high { edges.append(edge) }
    }
    edges.append(high)
    self.edges = edges
  }

  var count: Int { edges.count - 1 }

  static func scaled(_ value: Double, _ isLogarithmic: Bool) -> Double {
    guard isLogarithmic else { return value }
    return value < 0 ? -log1p(-value) : log1p(value)
  }

  static func unscaled(_ value: Double, _ isLogarithmic: Bool) -> Double {
    guard isLogarithmic else { return value }
    return value < 0 ? -expm1(-value) : expm1(value)
  }

  /// The cell of a value inside the extent.
  @inline(__always)
  static func cell(of value: Double, _ edges: UnsafePointer<Double>, cells: Int) -> Int {
    // A binary search whose steps hang on the number of cells alone: a conditional move instead of
    // a branch that is wrong every second time.
    var low = 0
    var length = cells
    while length > 1 {
      let half = length >> 1
      low = edges[low + half] <= value ? low + half : low
      length -= half
    }
    return low
  }
}
