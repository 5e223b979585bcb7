import Foundation

/// Values to pixels of a picture, with round numbers for its axis.
struct LinearScale {
  let values: ClosedRange<Double>
  let pixels: ClosedRange<Double>
  /// Towards the top of the picture: pixels fall as values rise.
  var isUpward = false

  init(_ values: ClosedRange<Double>, pixels: ClosedRange<Double>, isUpward: Bool = false) {
    self.values = values
    self.pixels = pixels
    self.isUpward = isUpward
  }

  /// Values outside the range stay at its end.
  subscript(value: Double) -> Double {
    let width = values.upperBound - values.lowerBound
    guard width > 0, width.isFinite, value.isFinite else { return pixels.lowerBound }
    let share = min(max((value - values.lowerBound) / width, 0), 1)
    let length = pixels.upperBound - pixels.lowerBound
    return isUpward ? pixels.upperBound - share * length : pixels.lowerBound + share * length
  }

  /// About `count` multiples of 1, 2 or 5 × 10ⁿ inside the range.
  func ticks(_ count: Int) -> [Double] {
    let width = values.upperBound - values.lowerBound
    guard width > 0, width.isFinite else { return [values.lowerBound] }
    let rough = width / Double(count)
    let power = pow(10, log10(rough).rounded(.down))
    let step = power * ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10)
    let first = (values.lowerBound / step).rounded(.up)
    let last = (values.upperBound / step).rounded(.down)
    guard last >= first, last - first < 100 else { return [] }
    return stride(from: first, through: last, by: 1).map { $0 * step + 0 }
  }
}
