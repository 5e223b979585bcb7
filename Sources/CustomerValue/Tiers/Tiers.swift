import Columnar
import Sharding

/// A customer's class by value.
package enum Tier: Int32, CaseIterable, Sendable, Codable {
  case high = 0
  case mid = 1
  case low = 2

  package var name: String { String(describing: self) }
}

/// How tiers are cut.
package enum TierRule: Sendable, Hashable, Codable {
  /// The top share of customers is high, the next share mid, the rest low.
  case shares(high: Double, mid: Double)
  /// A value from `high` on is high, from `mid` on is mid.
  case thresholds(high: Double, mid: Double)

  package static let standard = TierRule.shares(high: 0.2, mid: 0.3)
}

/// Cut points between tiers, kept in the model, with a band around each so that a customer near a
/// cut does not flap from month to month.
package struct Tiers: Sendable, Codable, Equatable {
  /// One border between two tiers.
  package struct Cut: Sendable, Codable, Equatable {
    /// Decides for a customer without a previous tier: at or above it is the upper tier.
    package let value: Double
    /// Who was below must reach this to rise.
    package let toRise: Double
    /// Who was above falls only below this.
    package let toStay: Double
  }

  /// Between high and mid.
  package let high: Cut
  /// Between mid and low.
  package let mid: Cut

  /// Takes the cuts from a base. Equal values fall into the same tier: the rule is that of
  /// ``CutPoints``.
  ///
  /// - Parameters:
  ///   - values: A value per customer; NaN is missing and gets no tier.
  ///   - hysteresis: Half the width of the band: a share of the customers for `.shares` (0.02 = two
  ///     in a hundred on either side of the cut), a share of the threshold for `.thresholds`. 0 turns
  ///     it off.
  /// - Throws: ``TierError``.
  package init(
    fitting values: Buffer<Double>, rule: TierRule = .standard, hysteresis: Double = 0.02,
    workers: Workers
  ) throws {
    guard hysteresis >= 0 && hysteresis < 0.5 else { throw TierError.badHysteresis(hysteresis) }
    switch rule {
    case .thresholds(let highThreshold, let midThreshold):
      guard highThreshold.isFinite, midThreshold.isFinite, midThreshold <= highThreshold else {
        throw TierError.badThresholds(high: highThreshold, mid: midThreshold)
      }
      high = Cut(threshold: highThreshold, band: hysteresis)
      mid = Cut(threshold: midThreshold, band: hysteresis)
    case .shares(let highShare, let midShare):
      guard highShare > 0, midShare > 0, highShare + midShare < 1 else {
        throw TierError.badShares(high: highShare, mid: midShare)
      }
      let borders = [1 - highShare - midShare, 1 - highShare]
      let shares = borders.flatMap {
        [max(0, $0 - hysteresis), $0, min(1, $0 + hysteresis)]
      }
      guard let sorted = try CutPoints.fit(values, shares: shares, workers: workers) else {
        throw TierError.noValues
      }
      mid = Cut(value: sorted[1], toRise: sorted[2], toStay: sorted[0])
      high = Cut(value: sorted[4], toRise: sorted[5], toStay: sorted[3])
    }
  }

  /// - Parameter previous: The tier of last month, nil for a new customer.
  /// - Returns: Nil for a missing value.
  package func tier(_ value: Double, previous: Tier? = nil) -> Tier? {
    let code = Self.code(value, previous: previous?.rawValue ?? -1, high, mid)
    return Tier(rawValue: code)
  }

  /// The tiers of a base: raw values of ``Tier``, −1 where the value is missing.
  ///
  /// - Parameter previous: Last month's, row by row, −1 for customers without one; nil without a
  ///   previous run.
  package func assign(
    _ values: Buffer<Double>, previous: Buffer<Int32>? = nil, workers: Workers
  ) throws -> Buffer<Int32> {
    precondition(previous.map { $0.count == values.count } ?? true)
    let shards = Shards(rows: values.count, rowsPerShard: 1 << 16)
    return try Buffer(count: values.count) { target in
      nonisolated(unsafe) let target = target
      try workers.forEach(shards.count) { shard in
        let column = values.values
        let before = previous?.values
        for row in shards[shard] {
          target.initializeElement(
            at: row, to: Self.code(column[row], previous: before?[row] ?? -1, high, mid))
        }
      }
    }
  }

  @inline(__always)
  private static func code(_ value: Double, previous: Int32, _ high: Cut, _ mid: Cut) -> Int32 {
    guard value == value else { return -1 }
    func isAbove(_ cut: Cut, wasAbove: Bool) -> Bool {
      value >= (previous < 0 ? cut.value : wasAbove ? cut.toStay : cut.toRise)
    }
    if isAbove(high, wasAbove: previous == 0) { return 0 }
    return isAbove(mid, wasAbove: previous <= 1) ? 1 : 2
  }
}

extension Tiers.Cut {
  fileprivate init(threshold: Double, band: Double) {
    let width = abs(threshold) * band
    self.init(value: threshold, toRise: threshold + width, toStay: threshold - width)
  }
}

package enum TierError: Error, Sendable, Hashable, CustomStringConvertible {
  case noValues
  case badShares(high: Double, mid: Double)
  case badThresholds(high: Double, mid: Double)
  case badHysteresis(Double)

  package var description: String {
    switch self {
    case .noValues:
      "The value column has no value at all, so no tiers can be cut."
    case .badShares(let high, let mid):
      "Tiers of \(high) high and \(mid) mid are impossible: both must be above 0 and leave a rest."
    case .badThresholds(let high, let mid):
      "The tier thresholds \(high) (high) and \(mid) (mid) must be finite, mid at most high."
    case .badHysteresis(let band):
      "A tier band of \(band) is not usable: allowed is 0 to below 0.5."
    }
  }
}
