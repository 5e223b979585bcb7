/// What the treated did more than those left alone, with the doubt that chance leaves.
package struct Uplift: Sendable, Codable, Equatable {
  package let treatedMean: Double
  package let controlMean: Double
  /// treated − control, per customer.
  package let difference: Double
  /// 95 % confidence interval of the difference; nil with fewer than two customers on a side.
  package let low: Double?
  package let high: Double?

  /// Sums of one side, to be merged in a fixed order.
  package struct Side: Sendable {
    package private(set) var count = 0
    private(set) var sum = 0.0
    private(set) var squares = 0.0

    package init() {}

    package mutating func add(_ value: Double) {
      count += 1
      sum += value
      squares += value * value
    }

    package static func += (side: inout Side, other: Side) {
      side.count += other.count
      side.sum += other.sum
      side.squares += other.squares
    }

    var mean: Double { count == 0 ? 0 : sum / Double(count) }
    /// Of the mean.
    var variance: Double? {
      guard count > 1 else { return nil }
      let n = Double(count)
      return max(0, squares - sum * sum / n) / (n - 1) / n
    }
  }

  /// The difference of two means, Welch's standard error, and 1.96 of it on either side: groups of a
  /// bank are large enough for the normal distribution.
  package init(treated: Side, control: Side) {
    treatedMean = treated.mean
    controlMean = control.mean
    difference = treated.mean - control.mean
    guard let a = treated.variance, let b = control.variance else {
      (low, high) = (nil, nil)
      return
    }
    let reach = 1.959963984540054 * (a + b).squareRoot()
    (low, high) = (difference - reach, difference + reach)
  }
}
