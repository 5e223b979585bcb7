/// How a ledger's amounts are added: exactly as Int64 minor units, or as Double in file order.
package protocol LedgerAmount: BitwiseCopyable, Sendable {
  static var zero: Self { get }
  var isNegative: Bool { get }
  /// |self|.
  var size: Self { get }
  /// Adds, and reports whether the exact sum no longer fits.
  mutating func addReportingOverflow(_ other: Self) -> Bool
  /// Takes away what was added before.
  mutating func subtractReportingOverflow(_ other: Self) -> Bool
  /// Whether a sum can be taken apart again to the last bit, as a state that goes on needs.
  static var isExact: Bool { get }
  /// The same value as 64 bits, and back.
  init(bits: Int64)
  var bits: Int64 { get }
  /// For exact amounts only.
  init(minorUnits: Int64)
  var minorUnits: Int64 { get }
  /// Minor units, or a floating-point amount as it is; exact up to 2^53.
  var number: Double { get }
  /// How many of `number` are one of the ledger's unit.
  static func perUnit(scale: Int) -> Double
  /// In another currency: the exact product of decimals, rounded to whole minor units, ties to even,
  /// so that sums stay exact sums of what was converted. Nil where the result does not fit.
  func converted(_ rate: CurrencyRate) -> Self?
}

extension LedgerAmount {
  /// In the ledger's unit. One correctly rounded division: the Double nearest to the exact decimal
  /// while there are fewer than 2^53 minor units.
  @inline(__always)
  package func value(scale: Int) -> Double { number / Self.perUnit(scale: scale) }
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

  @inline(__always)
  package mutating func subtractReportingOverflow(_ other: Int64) -> Bool {
    let (difference, overflow) = subtractingReportingOverflow(other)
    self = difference
    return overflow
  }

  @inline(__always) package init(bits: Int64) { self = bits }
  @inline(__always) package var bits: Int64 { self }

  package static var isExact: Bool { true }
  @inline(__always) package init(minorUnits: Int64) { self = minorUnits }
  @inline(__always) package var minorUnits: Int64 { self }

  @inline(__always) package var number: Double { Double(self) }
  package static func perUnit(scale: Int) -> Double { MinorUnits.powersOfTen[scale] }

  package func converted(_ rate: CurrencyRate) -> Int64? {
    let product = Int128(self) * Int128(rate.mantissa)
    let divisor = Int128(rate.divisor)
    var (quotient, rest) = product.quotientAndRemainder(dividingBy: divisor)
    let twice = 2 * rest.magnitude
    if twice > divisor || (twice == divisor && quotient & 1 == 1) {
      quotient += product < 0 ? -1 : 1
    }
    return Int64(exactly: quotient)
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

  package mutating func subtractReportingOverflow(_ other: Double) -> Bool {
    preconditionFailure("sums of floating-point amounts are never taken apart")
  }

  @inline(__always) package init(bits: Int64) {
    self = Double(bitPattern: UInt64(bitPattern: bits))
  }
  @inline(__always) package var bits: Int64 { Int64(bitPattern: bitPattern) }

  package static var isExact: Bool { false }
  package init(minorUnits: Int64) { preconditionFailure("floating-point amounts have no units") }
  package var minorUnits: Int64 { preconditionFailure("floating-point amounts have no units") }

  @inline(__always) package var number: Double { self }
  package static func perUnit(scale: Int) -> Double { 1 }

  package func converted(_ rate: CurrencyRate) -> Double? {
    let product = self * rate.value
    return product.isFinite ? product : nil
  }
}

enum MinorUnits {
  /// 10^0…10^18, exact in Double.
  static let powersOfTen: [Double] = (0...18).map { exponent in
    (0..<exponent).reduce(1.0) { power, _ in power * 10 }
  }
}

/// A factor between two currencies as the decimal number that was written: 0.025 is 25 / 1000, not
/// the binary fraction next to it.
package struct CurrencyRate: Sendable, Equatable {
  let value: Double
  let mantissa: Int64
  /// A power of ten.
  let divisor: Int64

  /// - Parameter value: Positive and finite. Its shortest decimal form is what was written, up to 15
  ///   digits.
  /// - Returns: Nil beyond 18 digits before or after the mark.
  package init?(_ value: Double) {
    let parts = value.description.split(separator: "e")
    let number = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = String(number[0])
    var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    if number.count > 1, number[1] != "0" {
      digits += number[1]
      exponent -= number[1].count
    }
    guard let mantissa = Int64(digits), (-18...18).contains(exponent) else { return nil }
    let power = (0..<abs(exponent)).reduce(Int64(1)) { power, _ in power * 10 }
    let (scaled, overflow) = mantissa.multipliedReportingOverflow(by: exponent > 0 ? power : 1)
    if overflow { return nil }
    self.value = value
    self.mantissa = scaled
    divisor = exponent < 0 ? power : 1
  }
}
