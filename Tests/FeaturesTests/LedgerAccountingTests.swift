import Columnar
import Foundation
import Sharding
import TestSupport
import Testing

@testable import Features

/// What becomes of every row: folded, quarantined with its reason, or excluded.
@Suite struct LedgerAccountingTests {
  static let asOf = Int32.day("2025-12-31")

  static let messy = """
    customer_id,date,amount,channel
    7,2025-12-31,10.00,atm
    7,2026-01-01,5.00,atm
    ,2025-11-01,1.00,pos
    8,,2.00,pos
    8,someday,2.00,pos
    8,2025-02-30,2.00,pos
    8,1890-01-01,2.00,pos
    9,2025-10-01,,web
    9,2025-10-01,ten,web
    9,2025-10-01,NaN,web
    9,2025-10-01,inf,web
    9,2025-10-01,1.23456,web
    9,2025-10-01
    9,2025-10-01,4.00,web,extra
    007,2025-12-01,-3.10,
    7,2025-12-31,0.10,pos

    """

  private func row(
    _ line: Int64, _ reason: QuarantineReason, _ column: String?, _ value: String?, _ id: String?,
    file: String
  ) -> QuarantinedRow {
    QuarantinedRow(
      file: file, place: line, reason: reason, column: column, value: value, customerID: id)
  }

  @Test func everyReasonIsCountedAndPlaced() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("messy.csv", Self.messy)
    let found = try fold(openCSV([path]), asOf: Self.asOf)
    #expect(found.counts.read == 16)
    #expect(found.counts.folded == 3)
    #expect(found.counts.excluded == [:])
    let values = found.quarantined.map(\.value)
    #expect(
      found.quarantined == [
        row(3, .futureDate, "date", "2026-01-01", "7", file: path),
        row(4, .missingCustomerID, "customer_id", nil, nil, file: path),
        row(5, .missingDate, "date", nil, "8", file: path),
        row(6, .unreadableDate, "date", "someday", "8", file: path),
        row(7, .unreadableDate, "date", "2025-02-30", "8", file: path),
        row(8, .ancientDate, "date", "1890-01-01", "8", file: path),
        row(9, .missingAmount, "amount", nil, "9", file: path),
        row(10, .unreadableAmount, "amount", "ten", "9", file: path),
        // Texts for "not a number" mark missing values in CSV.
        row(11, .missingAmount, "amount", nil, "9", file: path),
        row(12, .notFiniteAmount, "amount", "inf", "9", file: path),
        row(13, .unreadableAmount, "amount", "1.23456", "9", file: path),
        row(14, .wrongFieldCount, nil, values[11], nil, file: path),
        row(15, .wrongFieldCount, nil, values[12], nil, file: path),
      ])
    // Leading zeros are part of an id.
    #expect(found.ids == ["007", "7"])
    #expect(found.column("monetary") == [-3.1, 10.1])
    #expect(found.column("refund_count") == [1, 0])
    // A channel that only unusable rows name is none; a missing one is "unknown".
    #expect(found.names.suffix(3) == ["share_atm", "share_pos", "share_unknown"])
    #expect(found.column("share_unknown") == [1, 0])
  }

  @Test(arguments: [1, 3, 8]) func quarantineIsInFileOrderForAnyThreadCount(threads: Int) throws {
    let folder = try TemporaryFolder()
    let lines = Self.messy.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    let paths = try (0..<5).map { part in
      try folder.write(
        "part\(part).csv",
        ([String(lines[0])] + (0...part).flatMap { _ in lines.dropFirst().map(String.init) })
          .joined(separator: "\n") + "\n")
    }
    var format = LedgerFormat()
    format.duplicates = .drop
    let expected = try fold(openCSV(paths), format, asOf: Self.asOf, threads: 2)
    let found = try fold(openCSV(paths), format, asOf: Self.asOf, threads: threads)
    #expect(found == expected)
    let places = found.quarantined.map { ($0.file, $0.place) }
    #expect(
      zip(places, places.dropFirst()).allSatisfy { $0.0 < $1.0 || ($0.0 == $1.0 && $0.1 < $1.1) })
    #expect(found.counts.folded == 3)
    #expect(found.counts.quarantined[.duplicate] == 14 * 3)
  }

  @Test func columnsOfNumbersAreCheckedToo() throws {
    let ids = Column(
      .int64(Buffer([1, 2, 3, 4, 5, 6])),
      validity: Validity(present: [true, false, true, true, true, true]))
    let days = Column(
      .date(Buffer([Self.asOf, Self.asOf, Self.asOf + 1, .min, .max, Self.asOf])))
    let amounts = Column(.double(Buffer([.nan, 1, 1, 1, 1, -.infinity])))
    let batch = RecordBatch(
      schema: Schema(fields: [
        Field(name: "customer_id", type: .int64), Field(name: "date", type: .date),
        Field(name: "amount", type: .double),
      ]), columns: [ids, days, amounts], rows: 6, origin: .init(file: "f", firstRow: 10))
    let found = try fold(MemorySource([batch]), asOf: Self.asOf)
    #expect(
      found.quarantined.map(\.reason) == [
        .notFiniteAmount, .missingCustomerID, .futureDate, .ancientDate, .futureDate,
        .notFiniteAmount,
      ])
    #expect(found.quarantined.map(\.place) == [11, 12, 13, 14, 15, 16])
    #expect(found.quarantined.map(\.customerID) == ["1", nil, "3", "4", "5", "6"])
    #expect(found.ids.isEmpty)
  }

  // MARK: - Refunds

  private static let refunds = """
    customer_id,date,amount
    a,2025-12-01,10.00
    a,2025-12-02,-4.00
    b,2025-12-03,-1.00

    """

  @Test func refundsAreNettedDroppedOrRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("refunds.csv", Self.refunds)
    var format = LedgerFormat()
    let net = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(net.column("monetary") == [6, -1])
    #expect(net.column("refund_count") == [1, 1])

    format.refunds = .drop
    let dropped = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(dropped.ids == ["a"] && dropped.column("monetary") == [10])
    #expect(dropped.counts.excluded == [.refund: 2])

    format.refunds = .error
    let error = #expect(throws: InputError.self) {
      try fold(openCSV([path]), format, asOf: Self.asOf)
    }
    #expect(error?.line == 3 && error?.column == "amount" && error?.file == path)

    // Where negative is money going out, nothing is a refund.
    format.negative = .debit
    let debits = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(debits.column("monetary") == [6, -1])
    #expect(debits.column("refund_count") == [0, 0])
  }

  // MARK: - Duplicates

  private static let copies = """
    transaction,customer_id,date,amount,channel
    t1,a,2025-12-01T08:00:00,10.00,atm
    t1,a,2025-12-01T08:00:00,10.00,atm
    t2,a,2025-12-01T09:00:00,10.00,atm
    t1,b,2025-12-05T08:00:00,3.00,pos
    ,c,2025-12-05T08:00:00,3.00,pos
    ,c,2025-12-06T08:00:00,3.00,pos

    """

  @Test func copiesAreFoundAcrossCustomersAndFiles() throws {
    let folder = try TemporaryFolder()
    let first = try folder.write("1.csv", Self.copies)
    let second = try folder.write("2.csv", Self.copies)
    var format = LedgerFormat()
    let kept = try fold(openCSV([first, second]), format, asOf: Self.asOf)
    #expect(kept.column("frequency") == [6, 2, 4])

    // By transaction: a second customer's row of t1 is a copy, rows without a number are none.
    format.duplicates = .drop
    format.transactionID = "transaction"
    let byID = try fold(openCSV([first, second]), format, asOf: Self.asOf)
    #expect(byID.ids == ["a", "c"])
    #expect(byID.column("frequency") == [2, 4])
    #expect(
      byID.quarantined.map { "\($0.file == first ? 1 : 2):\($0.place)" } == [
        "1:3", "1:5", "2:2", "2:3", "2:4", "2:5",
      ])
    #expect(byID.quarantined.map(\.customerID) == ["a", "b", "a", "a", "a", "b"])

    // By the whole row: the time of day tells the first two from the third.
    format.transactionID = nil
    let byRow = try fold(openCSV([first, second]), format, asOf: Self.asOf)
    #expect(byRow.column("frequency") == [2, 1, 2])
    #expect(byRow.counts.quarantined == [.duplicate: 7])

    format.duplicates = .error
    let error = #expect(throws: InputError.self) {
      try fold(openCSV([first, second]), format, asOf: Self.asOf)
    }
    #expect(error?.file == first && error?.line == 3)
  }

  /// Many copies, batches and partitions, against a plain set of rows.
  @Test(arguments: PlainLedger.IDForm.allCases) func copiesAgreeWithAPlainSet(
    form: PlainLedger.IDForm
  ) throws {
    let random = CounterBasedRandom(seed: 2, purpose: .init("copies"))
    var ledger = PlainLedger()
    for row in 0..<8_000 {
      let kind = Int(random.unit(at: row) * 3_000)
      ledger.rows.append(
        .init(
          id: Int64(kind % 700), day: Self.asOf - Int32(kind % 90), amount: Int64(kind % 11),
          channel: kind % 2 == 0 ? "atm" : nil))
    }
    struct Key: Hashable {
      let id: Int64
      let day: Int32
      let amount: Int64
      let channel: String?
    }
    var seen: Set<Key> = []
    var expected: [Int64] = []
    var distinct = PlainLedger()
    for (place, row) in ledger.rows.enumerated() {
      let key = Key(id: row.id, day: row.day, amount: row.amount, channel: row.channel)
      if seen.insert(key).inserted {
        distinct.rows.append(row)
      } else {
        expected.append(Int64(place) + 1)
      }
    }
    var format = LedgerFormat()
    format.duplicates = .drop
    let sizes = [1, 500, 2_000, 33]
    let found = try fold(
      MemorySource(ledger.batches(sizes: sizes, form: form)), format, asOf: Self.asOf, threads: 3)
    #expect(found.quarantined.map(\.place) == expected)
    let plain = try fold(
      MemorySource(distinct.batches(sizes: [], form: form)), asOf: Self.asOf)
    #expect(found.ids == plain.ids && found.bits == plain.bits)
  }

  // MARK: - Types, currencies, channels

  @Test func excludedTypesAreLeftOutAndCounted() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "types.csv",
      """
      customer_id,date,amount,type
      a,2025-12-01,10.00,purchase
      a,2025-12-02,99.00,fee
      a,2025-12-03,1.00,
      b,2025-12-03,5.00,internal
      ,2025-12-03,5.00,fee

      """)
    var format = LedgerFormat()
    format.excludedTypes = ["fee", "internal"]
    let found = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(found.ids == ["a"] && found.column("monetary") == [11])
    #expect(found.counts.excluded == [.type: 2])
    #expect(found.counts.quarantined == [.missingCustomerID: 1])
  }

  @Test func currenciesNeedRatesToBeAdded() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      "currencies.csv",
      """
      customer_id,date,amount,currency
      a,2025-12-01,10.00,EUR
      a,2025-12-02,3.01,USD
      a,2025-12-02,1.00,

      """)
    var format = LedgerFormat()
    format.amountScale = 2
    let mixed = #expect(throws: InputError.self) {
      try fold(openCSV([path]), format, asOf: Self.asOf)
    }
    #expect(mixed?.message == "amounts in EUR and USD cannot be added" && mixed?.line == 3)

    format.rates = ["EUR": 1]
    let unknown = #expect(throws: InputError.self) {
      try fold(openCSV([path]), format, asOf: Self.asOf)
    }
    #expect(unknown?.message == "currency \"USD\" has no rate")

    // 3.01 USD are 1.505 EUR: 1.50, ties to even minor units.
    format.rates = ["EUR": 1, "USD": 0.5]
    let found = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(found.column("monetary") == [12.5])

    // 3.01 × 0.005 = 0.01505, 2 minor units.
    format.rates = ["EUR": 1, "USD": 0.005]
    let small = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(small.column("monetary") == [11.02])

    format.rates = ["EUR": 1e18, "USD": 1]
    let tooBig = #expect(throws: InputError.self) {
      try fold(openCSV([path]), format, asOf: Self.asOf)
    }
    #expect(tooBig?.line == 2 && tooBig?.column == "amount")
  }

  @Test func tooManyChannelsAreNoChannels() throws {
    var ledger = PlainLedger()
    for channel in 0..<64 {
      ledger.rows.append(.init(id: 1, day: Self.asOf, amount: 1, channel: "c\(channel)"))
    }
    let found = try fold(MemorySource(ledger.batches(sizes: [])), asOf: Self.asOf)
    #expect(found.names.count { $0.hasPrefix("share_") } == 64)
    ledger.rows.append(.init(id: 1, day: Self.asOf, amount: 1, channel: "one more"))
    let error = #expect(throws: InputError.self) {
      try fold(MemorySource(ledger.batches(sizes: [])), asOf: Self.asOf)
    }
    #expect(error?.message.hasPrefix("more than 64 different channels") == true)
  }

  @Test func aLedgerWithoutChannelsHasNoShares() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("plain.csv", Self.refunds)
    let found = try fold(openCSV([path]), asOf: Self.asOf)
    #expect(found.names == LedgerFeature.allCases.map(\.rawValue))
    let error = #expect(throws: InputError.self) {
      try fold(
        openCSV([path]), asOf: Self.asOf, FeatureSelection(features: [], channels: ["atm"]))
    }
    #expect(error?.message == "the ledger has no channel \"atm\"")
  }

  // MARK: - Exactness

  @Test func sumsThatLeave64BitsAreRefused() throws {
    let half = Int64.max / 2 + 1
    // In one age bucket, and in two that only add up in a feature.
    for ages in [[0, 1], [0, 200]] {
      var ledger = PlainLedger()
      for age in ages {
        ledger.rows.append(.init(id: 1, day: Self.asOf - Int32(age), amount: half, channel: nil))
      }
      let error = #expect(throws: InputError.self) {
        try fold(MemorySource(ledger.batches(sizes: [])), asOf: Self.asOf)
      }
      #expect(error?.message.contains("64 bits") == true)
      ledger.rows[0].amount -= 1
      let found = try fold(MemorySource(ledger.batches(sizes: [])), asOf: Self.asOf)
      #expect(found.column("monetary") == [Double(Int64.max) / 100])
    }
  }

  /// 0.1 + 0.2 and friends: minor units add without rounding, whatever form the amounts have.
  @Test func minorUnitsAddExactly() throws {
    let folder = try TemporaryFolder()
    let random = CounterBasedRandom(seed: 9, purpose: .init("cents"))
    var text = "customer_id;date;amount\n"
    var cents: Int64 = 0
    for row in 0..<5_000 {
      let amount = Int64(random.unit(at: row) * 1e9) - 200_000_000
      cents += amount
      let (euros, rest) = abs(amount).quotientAndRemainder(dividingBy: 100)
      text += "1;2025-06-0\(1 + row % 9);\(amount < 0 ? "-" : "")\(euros),"
      text += rest < 10 ? "0\(rest)\n" : "\(rest)\n"
    }
    let path = try folder.write("cents.csv", text)
    var format = LedgerFormat()
    format.amountScale = 2
    format.decimalFormat = DecimalFormat(decimalMark: .comma)
    let found = try fold(openCSV([path]), format, asOf: Self.asOf)
    #expect(found.column("monetary") == [Double(cents) / 100])
  }
}

@Suite struct CurrencyRateTests {
  /// Rates are the decimals that were written; halves go to the even minor unit.
  @Test(
    arguments: [
      (100, 0.025, 2), (300, 0.025, 8), (500, 0.025, 12), (-100, 0.025, -2), (-300, 0.025, -8),
      (1, 0.5, 0), (3, 0.5, 2), (1, 1e-7, 0), (12_345_678_901, 34.5678, 426_762_959_114),
      (Int64.max, 1, Int64.max), (Int64.min, 1, Int64.min), (2, 1e18, 2_000_000_000_000_000_000),
    ] as [(Int64, Double, Int64)])
  func productsAreExact(amount: Int64, rate: Double, expected: Int64) throws {
    let rate = try #require(CurrencyRate(rate))
    #expect(amount.converted(rate) == expected)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let two = try #require(CurrencyRate(2))
    #expect(Int64.max.converted(two) == nil)
    #expect(CurrencyRate(1e19) == nil && CurrencyRate(1e-19) == nil)
  }
}
