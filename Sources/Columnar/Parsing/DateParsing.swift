extension DateFormat {
  private static let noDate = ParseFailure("is not a date")
  private static let noSuchDay = ParseFailure("is a day that does not exist")

  /// Days since 1970-01-01. Spaces around the text do not count.
  ///
  /// - Throws: ``ParseFailure`` for a text of another shape or a day that does not exist.
  package func days(_ text: UnsafeBufferPointer<UInt8>) throws(ParseFailure) -> Int32 {
    var scanner = DateScanner(text)
    scanner.skipSpaces()
    let days: Int32
    switch self {
    case .iso: days = try scanner.isoDays()
    case .compact:
      days = try scanner.day(year: scanner.digits(4), month: scanner.digits(2), scanner.digits(2))
    case .pattern(let pattern): days = try scanner.days(pattern)
    case .epoch(let unit): return try Self.days(ofTicks: scanner.integer(), unit)
    }
    scanner.skipSpaces()
    guard scanner.isAtEnd else { throw Self.expected(self) }
    return days
  }

  /// Days from a number: `yyyymmdd` or ticks.
  package func days(_ number: Int64) throws(ParseFailure) -> Int32 {
    switch self {
    case .compact:
      guard number >= 0, number <= 9999_12_31 else { throw Self.expected(self) }
      let value = Int(number)
      guard
        let days = CivilDate.days(
          year: value / 10_000, month: value / 100 % 100, day: value % 100)
      else { throw Self.noSuchDay }
      return days
    case .epoch(let unit): return try Self.days(ofTicks: number, unit)
    case .iso, .pattern:
      throw ParseFailure(
        "is a number, not a date", hint: "declare yyyymmdd or epoch-s as the date format")
    }
  }

  static func days(ofTicks ticks: Int64, _ unit: TimeUnit) throws(ParseFailure) -> Int32 {
    let (quotient, remainder) = ticks.quotientAndRemainder(dividingBy: unit.ticksPerDay)
    let days = remainder < 0 ? quotient - 1 : quotient
    // Year 9999 ends 2,932,896 days after 1970, year 1 begins 719,162 before.
    guard (-719_162...2_932_896).contains(days) else {
      throw ParseFailure(
        "lies outside the years 1 to 9999", hint: "declare epoch-s, epoch-ms or epoch-us")
    }
    return Int32(days)
  }

  static func expected(_ format: DateFormat) -> ParseFailure {
    ParseFailure("is not a date written as \(format.name)", hint: "declare the date format")
  }
}

/// Reads a date from front to back.
private struct DateScanner {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var place = 0

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  var isAtEnd: Bool { place == bytes.count }
  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  mutating func skipSpaces() {
    while next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { place += 1 }
  }

  /// Exactly `count` digits.
  @inline(__always)
  mutating func digits(_ count: Int) throws(ParseFailure) -> Int {
    guard place + count <= bytes.count else { throw ParseFailure("is not a date") }
    var number = 0
    for _ in 0..<count {
      let digit = bytes[place] &- UInt8(ascii: "0")
      guard digit <= 9 else { throw ParseFailure("is not a date") }
      number = number * 10 + Int(digit)
      place += 1
    }
    return number
  }

  private mutating func upToTwoDigits() throws(ParseFailure) -> Int {
    let isTwo = place + 1 < bytes.count && (0x30...0x39).contains(bytes[place + 1])
    return try digits(isTwo ? 2 : 1)
  }

  @inline(__always)
  private mutating func skip(_ byte: UInt8) throws(ParseFailure) {
    guard next == byte else { throw ParseFailure("is not a date") }
    place += 1
  }

  func day(year: Int, month: Int, _ day: Int) throws(ParseFailure) -> Int32 {
    guard let days = CivilDate.days(year: year, month: month, day: day) else {
      throw ParseFailure("is a day that does not exist")
    }
    return days
  }

  mutating func isoDays() throws(ParseFailure) -> Int32 {
    let year = try digits(4)
    try skip(UInt8(ascii: "-"))
    let month = try digits(2)
    try skip(UInt8(ascii: "-"))
    let date = try day(year: year, month: month, digits(2))
    guard next == UInt8(ascii: "T") || next == UInt8(ascii: "t") || next == UInt8(ascii: " "),
      place + 1 < bytes.count, (0x30...0x39).contains(bytes[place + 1])
    else { return date }
    place += 1
    let seconds = try timeOfDay()
    // The day in UTC: the offset may carry the instant over midnight.
    let instant = seconds - (try zoneOffset() ?? 0)
    return date + (instant < 0 ? -1 : instant >= 86_400 ? 1 : 0)
  }

  mutating func days(_ pattern: DateFormat.Pattern) throws(ParseFailure) -> Int32 {
    var (year, month, dayOfMonth) = (0, 0, 0)
    for part in pattern.parts {
      switch part {
      case .day: dayOfMonth = try upToTwoDigits()
      case .twoDigitDay: dayOfMonth = try digits(2)
      case .month: month = try upToTwoDigits()
      case .twoDigitMonth: month = try digits(2)
      case .year: year = try digits(4)
      case .twoDigitYear:
        let short = try digits(2)
        year = short >= 69 ? 1900 + short : 2000 + short
      case .literal(let byte): try skip(byte)
      }
    }
    let date = try day(year: year, month: month, dayOfMonth)
    if next == UInt8(ascii: " ") || next == UInt8(ascii: "T"), place + 1 < bytes.count,
      (0x30...0x39).contains(bytes[place + 1])
    {
      place += 1
      _ = try timeOfDay()
    }
    return date
  }

  /// Seconds since midnight; fractions do not count. A leap second is second 60.
  private mutating func timeOfDay() throws(ParseFailure) -> Int {
    let hour = try upToTwoDigits()
    try skip(UInt8(ascii: ":"))
    let minute = try digits(2)
    var second = 0
    if next == UInt8(ascii: ":") {
      place += 1
      second = try digits(2)
      if next == UInt8(ascii: ".") || next == UInt8(ascii: ",") {
        place += 1
        _ = try digits(1)
        while let byte = next, (0x30...0x39).contains(byte) { place += 1 }
      }
    }
    guard hour <= 23, minute <= 59, second <= 60 else {
      throw ParseFailure("is a time that does not exist")
    }
    return hour * 3600 + minute * 60 + min(second, 59)
  }

  /// `Z`, `+03`, `+0300` or `+03:00` in seconds; nil without a zone.
  private mutating func zoneOffset() throws(ParseFailure) -> Int? {
    switch next {
    case UInt8(ascii: "Z"), UInt8(ascii: "z"):
      place += 1
      return 0
    case UInt8(ascii: "+"), UInt8(ascii: "-"):
      let sign = next == UInt8(ascii: "-") ? -1 : 1
      place += 1
      let hours = try digits(2)
      if next == UInt8(ascii: ":") { place += 1 }
      let minutes = isAtEnd ? 0 : try digits(2)
      guard hours <= 18, minutes <= 59 else {
        throw ParseFailure("has a time zone that does not exist")
      }
      return sign * (hours * 3600 + minutes * 60)
    default: return nil
    }
  }

  mutating func integer() throws(ParseFailure) -> Int64 {
    do {
      return try DecimalFormat(mark: .point).integer(UnsafeBufferPointer(rebasing: bytes[place...]))
    } catch {
      throw ParseFailure("is not a count of ticks since 1970")
    }
  }
}
