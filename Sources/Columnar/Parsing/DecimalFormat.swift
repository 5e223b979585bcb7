/// How numbers are written in a text column.
package struct DecimalFormat: Sendable, Hashable, Codable {
  package enum Mark: String, Sendable, Hashable, Codable {
    /// `1,234.56`
    case point
    /// `1.234,56`
    case comma
    /// Whatever each number can only mean; what could mean two things (`1.234`) is an error.
    case undeclared
  }

  package var mark: Mark
  package init(mark: Mark = .undeclared) { self.mark = mark }
}

/// A decimal number as it was written: ±significand × 10^exponent, exactly.
struct DecimalText: Equatable {
  var isNegative = false
  var significand: UInt64 = 0
  var exponent = 0
  /// Digits that did not fit into the significand make it inexact; only the canonical text is exact.
  var isInexact = false
}

extension DecimalFormat {
  static let notANumber = ParseFailure("is not a number")

  /// The exact value at `scale`: `12.5` at scale 2 is 1250.
  ///
  /// - Throws: ``ParseFailure`` for what is no number, may mean two numbers, has more decimals than
  ///   `scale` (trailing zeros do not count) or does not fit into 64 bits.
  package func minorUnits(
    _ text: UnsafeBufferPointer<UInt8>, scale: Int
  ) throws(ParseFailure) -> Int64 {
    let number = try parse(text)
    guard !number.isInexact else { throw ParseFailure("does not fit into 64 bits") }
    guard number.significand != 0 else { return 0 }
    var magnitude = number.significand
    var shift = number.exponent + scale
    while shift < 0 {
      let (quotient, remainder) = magnitude.quotientAndRemainder(dividingBy: 10)
      guard remainder == 0 else {
        throw ParseFailure(
          "has more than \(scale) decimals", hint: "declare more decimals for the column")
      }
      magnitude = quotient
      shift += 1
    }
    while shift > 0 {
      let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
      guard !overflow else { throw ParseFailure("does not fit into 64 bits") }
      magnitude = product
      shift -= 1
    }
    guard magnitude <= UInt64(Int64.max) else { throw ParseFailure("does not fit into 64 bits") }
    return number.isNegative ? -Int64(magnitude) : Int64(magnitude)
  }

  /// The nearest double (ties to even).
  package func double(_ text: UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> Double {
    let number = try parse(text)
    // Both factors are exact, so one rounding remains (Clinger 1990).
    if !number.isInexact, number.significand <= 1 << 53, abs(number.exponent) <= 22 {
      let significand = Double(number.significand)
      let power = Self.powersOfTen[abs(number.exponent)]
      let magnitude = number.exponent < 0 ? significand / power : significand * power
      return number.isNegative ? -magnitude : magnitude
    }
    let canonical = try canonical(text)
    guard let value = Double(String(decoding: canonical, as: UTF8.self)), value.isFinite else {
      throw ParseFailure("is too large for a number")
    }
    return value
  }

  /// A whole number.
  package func integer(_ text: UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> Int64 {
    do {
      return try minorUnits(text, scale: 0)
    } catch {
      if error.reason.hasPrefix("has more") { throw ParseFailure("is not a whole number") }
      throw error
    }
  }

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  // MARK: - From text to digits

  /// `-?[0-9]{1,18}(mark[0-9]+)?` directly; everything else through its canonical form.
  func parse(_ text: UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> DecimalText {
    if let simple = simple(text) { return simple }
    return Self.digits(of: try canonical(text))
  }

  /// Nil for anything out of the ordinary.
  @inline(__always)
  private func simple(_ text: UnsafeBufferPointer<UInt8>) -> DecimalText? {
    let count = text.count
    guard count > 0, count <= 19, let bytes = text.baseAddress else { return nil }
    var place = 0
    var number = DecimalText()
    if bytes[0] == UInt8(ascii: "-") {
      number.isNegative = true
      place = 1
    }
    let first = place
    var markPlace = -1
    while place < count {
      let byte = bytes[place]
      let digit = byte &- UInt8(ascii: "0")
      if digit <= 9 {
        number.significand = number.significand &* 10 &+ UInt64(digit)
      } else if markPlace < 0, place > first, isMark(byte) {
        markPlace = place
      } else {
        return nil
      }
      place += 1
    }
    guard place > first else { return nil }
    guard markPlace >= 0 else { return number }
    let decimals = count - markPlace - 1
    guard decimals > 0 else { return nil }
    // `1.234` may be a thousand to some; the canonical form decides.
    if mark == .undeclared, decimals == 3 { return nil }
    number.exponent = -decimals
    return number
  }

  @inline(__always)
  private func isMark(_ byte: UInt8) -> Bool {
    switch mark {
    case .point: byte == UInt8(ascii: ".")
    case .comma: byte == UInt8(ascii: ",")
    case .undeclared: byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",")
    }
  }

  /// Of `-?[0-9]*(.[0-9]*)?(e-?[0-9]+)?`.
  private static func digits(of canonical: [UInt8]) -> DecimalText {
    var number = DecimalText()
    var place = 0
    if canonical.first == UInt8(ascii: "-") {
      number.isNegative = true
      place = 1
    }
    var isBehindMark = false
    // Zeros that mean nothing unless another digit follows.
    var zeros = 0
    while place < canonical.count, canonical[place] != UInt8(ascii: "e") {
      let byte = canonical[place]
      place += 1
      guard byte != UInt8(ascii: ".") else {
        isBehindMark = true
        continue
      }
      if isBehindMark { number.exponent -= 1 }
      let digit = UInt64(byte - UInt8(ascii: "0"))
      if digit == 0 {
        zeros += 1
        continue
      }
      for step in 0...zeros where !number.isInexact {
        let (tenfold, isOver) = number.significand.multipliedReportingOverflow(by: 10)
        let (sum, isOverToo) = tenfold.addingReportingOverflow(step == zeros ? digit : 0)
        number.isInexact = isOver || isOverToo
        number.significand = sum
      }
      zeros = 0
    }
    number.exponent += zeros
    if place < canonical.count {
      number.exponent += Int(String(decoding: canonical[(place + 1)...], as: UTF8.self)) ?? 0
    }
    return number
  }

  /// The number in ASCII with `.` as mark and without grouping: `-1234.5e6`.
  func canonical(_ text: UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> [UInt8] {
    var reader = NumberReader(text)
    return try reader.canonical(mark)
  }
}
