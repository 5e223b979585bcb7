/// How a ledger's amounts are added: exactly as Int64 minor units, or as Double in file order.
package protocol LedgerAmount: BitwiseCopyable, Sendable {
  static var zero: Self { get }
  var isNegative: Bool { get }
  /// |self|.
  var size: Self { get }
  /// Adds, and reports whether the exact sum no longer fits.
  mutating func addReportingOverflow(_ other: Self) -> Bool
  /// In the ledger's unit: `self / 10^scale` for minor units.
  func value(scale: Int) -> Double
  /// In another currency; minor units are rounded to whole ones, ties to even, so that sums stay
  /// exact sums of what was converted. Nil where the result does not fit.
  func converted(rate: Double) -> Self?
}

extension Int64: LedgerAmount {
  package static var zero: Int64 { 0 }
  @inline(__always) package var isNegative: Bool { self < 0 }
  @inline(__always) package var size: Int64 { self == .min ? .max : abs(self) }

  @inline(__always)
  package mutating func addReportingOverflow(_ other: Int64) -> Bool {
    let (sum, overflow) = addingReportingOverflow(other)
    self = sum
    return overflow
  }

  /// One correctly rounded division: the Double nearest to the exact decimal while |self| < 2^53.
  package func value(scale: Int) -> Double { Double(self) / MinorUnits.powersOfTen[scale] }

  package func converted(rate: Double) -> Int64? {
    Int64(exactly: (Double(self) * rate).rounded(.toNearestOrEven))
  }
}

extension Double: LedgerAmount {
  @inline(__always) package var isNegative: Bool { self < 0 }
  @inline(__always) package var size: Double { abs(self) }

  @inline(__always)
  package mutating func addReportingOverflow(_ other: Double) -> Bool {
    self += other
    return false
  }

  package func value(scale: Int) -> Double { self }

  package func converted(rate: Double) -> Double? {
    let product = self * rate
    return product.isFinite ? product : nil
  }
}

enum MinorUnits {
  /// 10^0…10^18, exact in Double.
  static let powersOfTen: [Double] = (0...18).map { exponent in
    (0..<exponent).reduce(1.0) { power, _ in power * 10 }
  }
}
