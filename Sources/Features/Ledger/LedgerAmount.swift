/// How a ledger's amounts are added: exactly as Int64 minor units, or as Double in file order.
package protocol LedgerAmount: BitwiseCopyable, Sendable {
  static var zero: Self { get }
  var isNegative: Bool { get }
  /// Adds, and reports whether the exact sum no longer fits.
  mutating func addReportingOverflow(_ other: Self) -> Bool
  /// In the ledger's unit: `self / 10^scale` for minor units.
  func value(scale: Int) -> Double
}

extension Int64: LedgerAmount {
  package static var zero: Int64 { 0 }
  @inline(__always) package var isNegative: Bool { self < 0 }

  @inline(__always)
  package mutating func addReportingOverflow(_ other: Int64) -> Bool {
    let (sum, overflow) = addingReportingOverflow(other)
    self = sum
    return overflow
  }

  /// One correctly rounded division: the Double nearest to the exact decimal while |self| < 2^53.
  package func value(scale: Int) -> Double { Double(self) / MinorUnits.powersOfTen[scale] }
}

extension Double: LedgerAmount {
  @inline(__always) package var isNegative: Bool { self < 0 }

  @inline(__always)
  package mutating func addReportingOverflow(_ other: Double) -> Bool {
    self += other
    return false
  }

  package func value(scale: Int) -> Double { self }
}

enum MinorUnits {
  /// 10^0…10^18, exact in Double.
  static let powersOfTen: [Double] = (0...18).map { exponent in
    (0..<exponent).reduce(1.0) { power, _ in power * 10 }
  }
}
