/// How dates are written in a column. Reading is strict: 31.11. and 29 February of a common year are
/// errors, and no format is guessed from the values.
package enum DateFormat: Sendable, Hashable {
  /// `2026-11-21`, also with a time and a zone: `2026-11-21T23:30:00.5+03:00` is that instant's day
  /// in UTC, without a zone the day as written.
  case iso
  /// `20261121`, as text or as a number.
  case compact
  /// Such as `dd.mm.yyyy`; a time of day may follow and does not count.
  case pattern(Pattern)
  /// Ticks since 1970-01-01T00:00 UTC.
  case epoch(TimeUnit)

  package struct Pattern: Sendable, Hashable {
    enum Part: Sendable, Hashable {
      /// One or two digits.
      case day, month
      /// Two digits.
      case twoDigitDay, twoDigitMonth
      case year
      /// 69–99 are 19xx, 00–68 are 20xx (POSIX).
      case twoDigitYear
      case literal(UInt8)
    }

    let parts: [Part]
    let text: String
  }

  /// From `iso`, `yyyymmdd`, `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns` or a pattern of `d` `dd`
  /// `m` `mm` `yy` `yyyy` and separators.
  ///
  /// - Throws: ``InputError`` `.usage` for anything else.
  package init(_ text: String) throws(InputError) {
    switch text.lowercased() {
    case "iso", "yyyy-mm-dd": self = .iso
    case "yyyymmdd": self = .compact
    case "epoch-s", "epoch_s": self = .epoch(.second)
    case "epoch-ms", "epoch_ms": self = .epoch(.millisecond)
    case "epoch-us", "epoch_us": self = .epoch(.microsecond)
    case "epoch-ns", "epoch_ns": self = .epoch(.nanosecond)
    default: self = .pattern(try Self.pattern(text))
    }
  }

  /// What ``init(_:)`` reads.
  package var name: String {
    switch self {
    case .iso: "iso"
    case .compact: "yyyymmdd"
    case .pattern(let pattern): pattern.text
    case .epoch(let unit): "epoch-\(["s", "ms", "us", "ns"][unit.rawValue])"
    }
  }

  private static func pattern(_ text: String) throws(InputError) -> Pattern {
    var parts: [Pattern.Part] = []
    var rest = Array(text.lowercased().utf8)[...]
    while let first = rest.first {
      let run = rest.prefix { $0 == first }.count
      switch (first, run) {
      case (UInt8(ascii: "d"), 1): parts.append(.day)
      case (UInt8(ascii: "d"), 2): parts.append(.twoDigitDay)
      case (UInt8(ascii: "m"), 1): parts.append(.month)
      case (UInt8(ascii: "m"), 2): parts.append(.twoDigitMonth)
      case (UInt8(ascii: "y"), 2): parts.append(.twoDigitYear)
      case (UInt8(ascii: "y"), 4): parts.append(.year)
      case (UInt8(ascii: "a")...UInt8(ascii: "z"), _), (UInt8(ascii: "0")...UInt8(ascii: "9"), _):
        throw unknown(text)
      default: parts += Array(repeating: .literal(first), count: run)
      }
      rest = rest.dropFirst(run)
    }
    func times(_ kinds: Pattern.Part...) -> Int { parts.count { kinds.contains($0) } }
    guard times(.day, .twoDigitDay) == 1, times(.month, .twoDigitMonth) == 1,
      times(.year, .twoDigitYear) == 1
    else { throw unknown(text) }
    return Pattern(parts: parts, text: text.lowercased())
  }

  private static func unknown(_ text: String) -> InputError {
    InputError(
      .usage, "“\(text)” is no date format",
      hint: "use iso, yyyymmdd, epoch-s, epoch-ms, epoch-us or a pattern such as dd.mm.yyyy")
  }
}

extension DateFormat: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(try decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}
