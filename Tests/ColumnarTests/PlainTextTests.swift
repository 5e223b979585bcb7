import Sharding
import Testing

@testable import Columnar

/// The short ways of reading decimals and days against the long ones.
@Suite struct PlainTextTests {
  /// Texts of digits, marks, signs and strays, many of them nearly numbers.
  private static func texts(_ count: Int, _ alphabet: [Character], seed: UInt64) -> [String] {
    let random = CounterBasedRandom(seed: seed, purpose: .init("plain texts"))
    return (0..<count).map { index in
      let length = Int(random.unit(at: index * 32) * 20)
      return String(
        (0..<length).map { place in
          alphabet[Int(random.unit(at: index * 32 + 1 + place) * Double(alphabet.count))]
        })
    }
  }

  @Test(arguments: [DecimalFormat.Mark.point, .comma, .undeclared], 0...6)
  func plainDecimalsAgree(mark: DecimalFormat.Mark, scale: Int) {
    let format = DecimalFormat(decimalMark: mark)
    let plain = PlainDecimals(format, scale: scale)
    let texts =
      DecimalFormatTests.cases.map(\.text)
      + Self.texts(4_000, Array("0123456789.,-"), seed: 1)
      + Self.texts(4_000, Array("0123456789012345678901234567890123456789."), seed: 2)
      + ["99999999999999", "-9999999999999", "9999999999999.9", "0000000000.00", "-.5", "5.", "-"]
    var read = 0
    for text in texts {
      guard let short = bytes(text, { plain.minorUnits($0) }) else { continue }
      read += 1
      let long = bytes(text) { try? format.minorUnits($0, scale: scale) }
      #expect(short == long, "\(text.debugDescription) under \(mark) at \(scale)")
    }
    #expect(scale > 4 || read > 500, "\(read)")
  }

  /// Rows whose days repeat, alternate and collide in the table of known days; some are no days.
  @Test(arguments: ["iso", "dd.mm.yyyy", "yyyymmdd", "d/m/yy"])
  func repeatedDaysAgree(pattern: String) throws {
    let format = try DateFormat(pattern)
    let random = CounterBasedRandom(seed: 3, purpose: .init("repeated days"))
    let texts = (0..<20_000).map { row -> String in
      let date = CivilDate(daysSinceEpoch: Int(random.unit(at: 4 * row) * 40_000))
      let spread = random.unit(at: 4 * row + 1) < 0.7
      let day = spread ? date : CivilDate(daysSinceEpoch: 20_000 + row % 3)
      let (y, m, d) = (day.year, day.month, day.day)
      func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
      let text =
        switch pattern {
        case "iso": "\(y)-\(two(m))-\(two(d))"
        case "dd.mm.yyyy": "\(two(d)).\(two(m)).\(y)"
        case "yyyymmdd": "\(y)\(two(m))\(two(d))"
        default: "\(d)/\(m)/\(two(y % 100))"
        }
      let kind = random.unit(at: 4 * row + 2)
      return kind < 0.01 ? String(text.dropLast()) : kind < 0.02 ? text + " 10:30" : text
    }
    let column = Column(.strings(Strings(texts)))
    let parsed = column.days(format)
    var failures: [Int] = []
    for (row, text) in texts.enumerated() {
      if let days = bytes(text, { try? format.days($0) }) {
        #expect(parsed.values[row] == days, "\(text)")
      } else {
        failures.append(row)
      }
    }
    #expect(parsed.failures.map(\.row) == failures)
    #expect(!failures.isEmpty || pattern == "d/m/yy")
  }
}
