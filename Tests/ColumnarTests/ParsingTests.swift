import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

/// Calls `body` with the text's bytes.
func bytes<Value>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
  Array(text.utf8).withUnsafeBufferPointer(body)
}

@Suite struct DecimalFormatTests {
  typealias Case = (text: String, mark: DecimalFormat.Mark, cents: Int64?)

  /// Text, declared mark, minor units at scale 2; nil = refused.
  static let cases: [Case] = [
    ("12.34", .undeclared, 1234), ("12,34", .undeclared, 1234), ("-0.5", .undeclared, -50),
    ("0", .undeclared, 0), ("-0", .undeclared, 0), ("007", .undeclared, 700),
    (".5", .undeclared, 50), ("5.", .undeclared, 500), ("+7", .undeclared, 700),
    ("1.234,56", .undeclared, 123_456), ("1,234.56", .undeclared, 123_456),
    ("1 234,56", .undeclared, 123_456), ("1\u{A0}234,56", .undeclared, 123_456),
    ("1\u{202F}234,56", .undeclared, 123_456), ("1'234.56", .undeclared, 123_456),
    ("1.234.567", .undeclared, 123_456_700), ("1,234,567", .undeclared, 123_456_700),
    ("12,34,567.5", .point, 123_456_750), ("1.234", .undeclared, nil),
    ("1,234", .undeclared, nil), ("₺1.234", .undeclared, nil), ("0.1230", .undeclared, nil),
    ("0.120", .undeclared, 12), ("1234.500", .undeclared, 123_450),
    ("1.234", .comma, 123_400), ("1.230", .point, 123), ("1.234", .point, nil),
    ("1,234", .point, 123_400), ("1,23", .point, nil), ("1.23", .comma, nil),
    ("₺1.234", .comma, 123_400), ("$1,234.50", .undeclared, 123_450), ("12 €", .undeclared, 1200),
    ("(12.00)", .undeclared, -1200), ("(₺12,00)", .comma, -1200), ("12.00-", .undeclared, -1200),
    ("−12.00", .undeclared, -1200), ("1e3", .undeclared, 100_000), ("1.5E-1", .undeclared, 15),
    ("25e-2", .undeclared, 25), ("1e-3", .undeclared, nil), ("١٢٫٣٤", .undeclared, 1234),
    ("۱۲٫۵", .undeclared, 1250), ("１２．３４", .undeclared, 1234), (" 12.34 ", .undeclared, 1234),
    ("", .undeclared, nil), ("-", .undeclared, nil), ("--1", .undeclared, nil),
    ("(-1)", .undeclared, nil), ("1.2.3", .undeclared, nil), ("1,2.3,4", .undeclared, nil),
    ("12a", .undeclared, nil), ("0x10", .undeclared, nil), ("inf", .undeclared, nil),
    ("nan", .undeclared, nil), ("1e", .undeclared, nil), ("e5", .undeclared, nil),
    ("1e99999", .undeclared, nil), ("12 34", .undeclared, nil), ("1 23,4", .comma, nil),
    ("92233720368547758.07", .undeclared, .max), ("92233720368547758.08", .undeclared, nil),
    ("-92233720368547758.07", .undeclared, -.max),
    ("00000000000000000000000000001.50", .undeclared, 150),
    ("1.5000000000000000000000000000", .undeclared, 150),
    ("184467440737095516150000000000", .undeclared, nil), ("TRY 5", .undeclared, nil),
    ("₺100.5", .undeclared, 10_050), ("1 100,50", .undeclared, 110_050), ("$0.05", .point, 5),
    ("$1000", .point, 100_000), ("$10.00", .point, 1000), ("$5 €", .undeclared, nil),
    ("1 234", .undeclared, 123_400), ("5\0", .undeclared, nil),
  ]

  @Test func textsAreExactMinorUnits() {
    for (text, mark, cents) in Self.cases {
      let actual = bytes(text) { try? DecimalFormat(decimalMark: mark).minorUnits($0, scale: 2) }
      #expect(actual == cents, "\(text.debugDescription) under \(mark)")
    }
  }

  @Test func ambiguityIsAnErrorWithAWayOut() {
    let failure = bytes("1.234") { text in
      #expect(throws: ParseError.self) { try DecimalFormat.automatic.minorUnits(text, scale: 2) }
    }
    #expect(failure?.reason == "may mean thousands or decimals")
    #expect(failure?.hint?.contains("decimal_mark") == true)
  }

  @Test func doublesAreCorrectlyRounded() throws {
    var random = SequentialRandom(seed: 3, purpose: .init("doubles"))
    var texts = [
      "0.1", "9007199254740993", "1e22", "1e23", "123456789012345678901234567890",
      "2.2250738585072011e-308", "4.9e-324", "1.7976931348623157e308", "0.30000000000000004",
      "8.41e21", "5e-324", "-0.000001", "9007199254740992.5",
    ]
    for _ in 0..<500 {
      texts.append("\(Double(bitPattern: random.next()).magnitude)")
      texts.append("\(Int.random(in: -99999...99999, using: &random)).\(random.next() % 100_000)")
    }
    for text in texts where !text.contains("n") {
      let actual = bytes(text) { try? DecimalFormat(decimalMark: .point).double($0) }
      #expect(actual == Double(text), "\(text)")
    }
    #expect(bytes("1e999") { try? DecimalFormat.automatic.double($0) } == nil)
  }

  @Test func wholeNumbers() {
    #expect(bytes("12.00") { try? DecimalFormat.automatic.integer($0) } == 12)
    #expect(bytes("12.5") { try? DecimalFormat.automatic.integer($0) } == nil)
    #expect(
      bytes("9007199254740993") { try? DecimalFormat.automatic.integer($0) }
        == 9_007_199_254_740_993)
  }
}

@Suite struct DateFormatTests {
  /// Format, text, ISO day; nil = refused.
  static let cases: [(format: String, text: String, day: String?)] = [
    ("iso", "2026-11-21", "2026-11-21"), ("iso", " 2026-11-21 ", "2026-11-21"),
    ("iso", "2024-02-29", "2024-02-29"), ("iso", "2023-02-29", nil), ("iso", "1900-02-29", nil),
    ("iso", "2000-02-29", "2000-02-29"), ("iso", "2026-11-31", nil), ("iso", "2026-13-01", nil),
    ("iso", "2026-00-10", nil), ("iso", "2026-1-2", nil), ("iso", "1969-12-31", "1969-12-31"),
    ("iso", "0001-01-01", "0001-01-01"), ("iso", "9999-12-31", "9999-12-31"),
    ("iso", "0000-01-01", nil), ("iso", "2026-11-21T23:59:59", "2026-11-21"),
    ("iso", "2026-11-21 10:00", "2026-11-21"), ("iso", "2026-11-21T23:30:00Z", "2026-11-21"),
    ("iso", "2026-11-21T01:30:00+03:00", "2026-11-20"),
    ("iso", "2026-11-21T23:30:00.123456-0530", "2026-11-22"),
    ("iso", "2026-11-21T00:00:00+00", "2026-11-21"), ("iso", "2026-11-21T24:00:00", nil),
    ("iso", "2026-11-21T10:60", nil), ("iso", "2026-11-21x", nil), ("iso", "21.11.2026", nil),
    ("iso", "", nil), ("iso", "2026-11-2", nil),
    ("yyyymmdd", "19970101", "1997-01-01"), ("yyyymmdd", "19970229", nil),
    ("yyyymmdd", "1997010", nil), ("yyyymmdd", "199701011", nil),
    ("dd.mm.yyyy", "21.11.2026", "2026-11-21"), ("dd.mm.yyyy", "31.11.2026", nil),
    ("dd.mm.yyyy", "1.11.2026", nil), ("d.m.yyyy", "1.1.2026", "2026-01-01"),
    ("d.m.yyyy", "21.11.2026 13:45:10", "2026-11-21"), ("d.m.yyyy", "21.11.2026 25:00", nil),
    ("mm/dd/yyyy", "11/21/2026", "2026-11-21"), ("mm/dd/yyyy", "21/11/2026", nil),
    ("yy-mm-dd", "68-01-02", "2068-01-02"), ("yy-mm-dd", "69-01-02", "1969-01-02"),
    ("epoch_s", "0", "1970-01-01"), ("epoch_s", "-1", "1969-12-31"),
    ("epoch_s", "1700000000", "2023-11-14"), ("epoch_ms", "1700000000000", "2023-11-14"),
    ("epoch_us", "1700000000000000", "2023-11-14"), ("epoch_s", "1700000000000", nil),
    ("epoch_s", "x", nil),
  ]

  @Test func textsAreDays() throws {
    for (format, text, day) in Self.cases {
      let format = try DateFormat(format)
      let actual = bytes(text) { try? format.days($0) }.map {
        CivilDate(daysSinceEpoch: Int($0)).description
      }
      #expect(actual == day, "\(text.debugDescription) as \(format.name)")
    }
  }

  @Test func everyDayOfFourCenturiesGoesBothWays() throws {
    let output = try Shell.python(
      """
      import datetime
      print(' '.join((datetime.date(1899, 1, 1) + datetime.timedelta(days=i * 3)).isoformat() for i in range(49000)))
      """)
    var expected = CivilDate.days(year: 1899, month: 1, day: 1) ?? 0
    for text in output.split(whereSeparator: \.isWhitespace).map(String.init) {
      #expect(bytes(text) { try? DateFormat.iso.days($0) } == expected)
      #expect(CivilDate(daysSinceEpoch: Int(expected)).description == text)
      expected += 3
    }
  }

  @Test func formatsAreCheckedAndNamed() throws {
    for bad in ["", "dd.mm", "dddd", "dd.mm.yyyy.dd", "Month", "yyy-mm-dd"] {
      #expect(throws: InputError.self, "\(bad)") { try DateFormat(bad) }
    }
    for good in ["iso", "yyyymmdd", "dd.mm.yyyy", "d/m/yy", "epoch_ms"] {
      #expect(try DateFormat(good).name == good)
    }
  }
}

@Suite struct ConversionTests {
  @Test func textsBecomeNumbersAndFailuresAreListed() {
    let column = Column(
      .strings(Strings(["1.5", "x", "", "2"])),
      validity: Validity(present: [true, true, false, true]))
    let doubles = column.doubles(.automatic)
    #expect(doubles.values[0] == 1.5 && doubles.values[3] == 2)
    #expect(doubles.values[1].isNaN && doubles.values[2].isNaN)
    #expect(doubles.failures.map(\.row) == [1] && doubles.failures[0].text == "x")
    #expect(column.finiteDoubles(.automatic).failures.map(\.isMissing) == [false, true])
    let cents = column.minorUnits(.automatic, scale: 2)
    #expect(Array(cents.values.values) == [150, 0, 0, 200])
    #expect(cents.failures.map(\.row) == [1, 2])
    let batch = RecordBatch(
      schema: Schema(fields: [Field(name: "a", type: .string)]), columns: [column], rows: 4,
      origin: RecordBatch.Origin(file: "f", firstRow: 10))
    let error = cents.failures[0].error(in: batch, column: "a")
    #expect(error.message == "“x” is not a number" && error.line == 12 && error.column == "a")
  }

  @Test func infinityAndNaNAreKeptApart() {
    let values: [Double] = [1, .nan, .infinity, 2]
    let column = Column(
      .double(Buffer(values)), validity: Validity(present: [true, true, true, false]))
    #expect(column.doubles(.automatic).failures.map(\.row) == [2])
    let finite = column.finiteDoubles(.automatic).failures
    #expect(finite.map(\.row) == [1, 2, 3])
    #expect(finite.map(\.isNotFinite) == [true, true, false])
    #expect(finite.map(\.isMissing) == [false, false, true])
  }

  @Test func dictionariesParseLikeTexts() {
    let column = Column(
      .dictionary(codes: Buffer([0, 1, 1, 0].map(Int32.init)), Strings(["2026-11-21", "never"])),
      validity: Validity(present: [true, true, false, true]))
    let days = column.days(.automatic)
    #expect(Array(days.values.values) == [20778, 0, 0, 20778])
    #expect(days.failures.map(\.row) == [1, 2])
    #expect(days.failures.map(\.isMissing) == [false, true])
  }

  @Test func numbersOfEveryTypeBecomeDaysAndMinorUnits() {
    func days(_ values: ColumnValues, _ format: DateFormat = .automatic) -> Int32? {
      let parsed = Column(values).days(format)
      return parsed.failures.isEmpty ? parsed.values[0] : nil
    }
    #expect(days(.timestamp(Buffer([-1]), .second, hasZone: false)) == -1)
    #expect(days(.timestamp(Buffer([86_400_000]), .millisecond, hasZone: true)) == 1)
    #expect(days(.int32(Buffer([20_261_121])), .compact) == 20778)
    #expect(days(.int64(Buffer([1_700_000_000_000])), .epoch(.millisecond)) == 19675)
    #expect(days(.double(Buffer([20_261_121])), .compact) == 20778)
    #expect(days(.int32(Buffer([5]))) == nil)
    #expect(days(.int32(Buffer([20_260_230])), .compact) == nil)

    func cents(_ values: ColumnValues, scale: Int = 2) -> Int64? {
      let parsed = Column(values).minorUnits(.automatic, scale: scale)
      return parsed.failures.isEmpty ? parsed.values[0] : nil
    }
    #expect(cents(.int32(Buffer([7]))) == 700)
    #expect(cents(.int64(Buffer([7])), scale: 0) == 7)
    #expect(cents(.double(Buffer([0.29]))) == 29)
    #expect(cents(.float(Buffer([-1.25]))) == -125)
    #expect(cents(.decimal(Buffer([12_340]), precision: 9, scale: 3)) == 1234)
    #expect(cents(.decimal(Buffer([12_345]), precision: 9, scale: 3)) == nil)
    #expect(cents(.double(Buffer([.infinity]))) == nil)
    #expect(cents(.double(Buffer([1e30]))) == nil)
    #expect(cents(.int64(Buffer([.max]))) == nil)
    #expect(cents(.date(Buffer([1]))) == nil)
  }
}
