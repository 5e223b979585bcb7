import Foundation
import TestSupport
import Testing

/// A small ledger, how it is read, and what must come out.
struct LedgerCase: Sendable, CustomTestStringConvertible {
  var name: String
  var bytes: Data
  var file = "ledger.csv"
  var settings = ""
  var flags: [String] = []
  /// Net money by customer.
  var money: [String: Double]
  /// Rows that are no part of it, by reason; those under `excluded` are usable but left out.
  var quarantined: [String: Int] = [:]
  var excluded: [String: Int] = [:]

  var testDescription: String { name }

  init(
    _ name: String, _ text: String, encoding: String.Encoding = .utf8, file: String = "ledger.csv",
    settings: String = "", flags: [String] = [], money: [String: Double],
    quarantined: [String: Int] = [:], excluded: [String: Int] = [:]
  ) {
    self.init(
      name, bytes: text.data(using: encoding)!, file: file, settings: settings, flags: flags,
      money: money, quarantined: quarantined, excluded: excluded)
  }

  init(
    _ name: String, bytes: Data, file: String = "ledger.csv", settings: String = "",
    flags: [String] = [], money: [String: Double], quarantined: [String: Int] = [:],
    excluded: [String: Int] = [:]
  ) {
    self.name = name
    self.bytes = bytes
    self.file = file
    self.settings = settings
    self.flags = flags
    self.money = money
    self.quarantined = quarantined
    self.excluded = excluded
  }
}

/// What the policies make of values and bytes as people really write them.
@Suite struct LedgerPolicyTests {
  private static let header = "customer_id,date,amount\n"

  private static func rows(_ amounts: [String], day: String = "2025-03-01") -> String {
    header + amounts.map { "a,\(day),\"\($0)\"\n" }.joined()
  }

  private static let values: [LedgerCase] = [
    LedgerCase(
      "numbers that are none or infinite", rows(["10", "NaN", "inf", "-Infinity", "abc"]),
      money: ["a": 10],
      quarantined: ["missing_amount": 1, "not_finite_amount": 2, "unreadable_amount": 1]),
    LedgerCase(
      "extreme numbers", rows(["1e308", "4.9e-324", "-0", "1e3", "99999999999999999999"]),
      money: ["a": 1000], quarantined: ["unreadable_amount": 3]),
    LedgerCase(
      "missing markers", rows(["", "NULL", "NA", "N/A", "\\N", "-", "   ", "5"]),
      money: ["a": 5], quarantined: ["missing_amount": 7]),
    LedgerCase(
      "own missing markers", rows(["none", "-99", "5"]),
      settings: "[read]\nnull_values = [\"none\", \"-99\"]", money: ["a": 5],
      quarantined: ["missing_amount": 2]),
    LedgerCase(
      "ids are identities",
      header
        + ["007", "7", "9007199254740993", "9007199254740992", "x y", "X Y", "18446744073709551616"]
        .map { "\($0),2025-01-01,1\n" }.joined() + ",2025-01-01,1\n",
      money: [
        "007": 1, "7": 1, "9007199254740993": 1, "9007199254740992": 1, "x y": 1, "X Y": 1,
        "18446744073709551616": 1,
      ], quarantined: ["missing_customer_id": 1]),
    LedgerCase(
      "refunds are netted", rows(["10.00", "-2.50", "(1.50)"]), money: ["a": 6]),
    LedgerCase(
      "refunds are dropped", rows(["10.00", "-2.50", "(1.50)"]),
      settings: "[ledger]\nrefunds = \"drop\"", money: ["a": 10], excluded: ["refund": 2]),
    LedgerCase(
      "debits are no refunds", rows(["10.00", "-2.50"]),
      settings: "[ledger]\nnegative = \"debit\"\nrefunds = \"drop\"", money: ["a": 7.5]),
    LedgerCase(
      "copies are kept", rows(["10.00", "10.00"]), money: ["a": 20]),
    LedgerCase(
      "copies are dropped", rows(["10.00", "10.00", "11.00"]),
      settings: "[ledger]\nduplicates = \"drop\"", money: ["a": 21],
      quarantined: ["duplicate": 1]),
    LedgerCase(
      "copies of a transaction id",
      "t,customer_id,date,amount\n1,a,2025-01-01,1\n2,a,2025-01-01,1\n1,a,2025-02-01,9\n",
      settings: "[ledger]\nduplicates = \"drop\"\ntransaction_id = \"t\"", money: ["a": 2],
      quarantined: ["duplicate": 1]),
    LedgerCase(
      "excluded types",
      "customer_id,date,amount,kind\na,2025-01-01,1,sale\na,2025-01-01,2,fee\na,2025-01-01,4,\n",
      settings: "[ledger]\ntype = \"kind\"\nexclude_types = [\"fee\"]", money: ["a": 5],
      excluded: ["type": 1]),
    LedgerCase(
      "one currency", "customer_id,date,amount,currency\na,2025-01-01,1,TRY\na,2025-01-01,2,TRY\n",
      money: ["a": 3]),
    LedgerCase(
      "two currencies with rates",
      "customer_id,date,amount,currency\na,2025-01-01,100.00,TRY\na,2025-01-01,2.00,USD\n",
      settings: "[ledger.rates]\nTRY = 0.025\nUSD = 1", money: ["a": 4.5]),
    LedgerCase(
      "minor units", header + "a,2025-01-01,1.005\na,2025-01-01,2.25\n",
      settings: "[ledger]\namount_scale = 2\ndecimal_mark = \".\"", money: ["a": 2.25],
      quarantined: ["unreadable_amount": 1]),
  ]

  private static let dates: [LedgerCase] = [
    LedgerCase(
      "days of the calendar",
      header
        + ["2024-02-29", "2025-02-29", "2025-11-31", "1969-12-31", "0001-01-01", "2025-12-31"]
        .map { "a,\($0),1\n" }.joined(),
      money: ["a": 3], quarantined: ["unreadable_date": 2, "ancient_date": 1]),
    LedgerCase(
      "rows after as-of", header + "a,2025-12-31,1\na,2026-01-01,2\nb,2027-01-01,4\n",
      money: ["a": 1], quarantined: ["future_date": 2]),
    LedgerCase(
      "ISO with a time and a zone",
      header + "a,2025-12-31T23:30:00,1\na,2025-12-31T23:30:00Z,2\na,2025-12-31T23:30:00-03:00,4\n",
      money: ["a": 3], quarantined: ["future_date": 1]),
    LedgerCase(
      "dd.mm.yyyy", header + "a,31.12.2025,1\na,31.11.2025,2\na,2025-01-01,4\na,,8\n",
      settings: "[ledger]\ndate_format = \"dd.mm.yyyy\"", money: ["a": 1],
      quarantined: ["unreadable_date": 2, "missing_date": 1]),
    LedgerCase(
      "mm/dd/yyyy", header + "a,12/31/2025,1\na,31/12/2025,2\n",
      settings: "[ledger]\ndate_format = \"mm/dd/yyyy\"", money: ["a": 1],
      quarantined: ["unreadable_date": 1]),
    LedgerCase(
      "yyyymmdd", header + "a,20251231,1\na,20251301,2\n",
      settings: "[ledger]\ndate_format = \"yyyymmdd\"", money: ["a": 1],
      quarantined: ["unreadable_date": 1]),
    // 2025-12-31T23:59:59Z and the second after.
    LedgerCase(
      "epoch seconds", header + "a,1767225599,1\na,1767225600,2\na,-1,4\n",
      settings: "[ledger]\ndate_format = \"epoch-s\"", money: ["a": 5],
      quarantined: ["future_date": 1]),
    LedgerCase(
      "epoch milliseconds", header + "a,1767225599999,1\na,1767225600000,2\n",
      settings: "[ledger]\ndate_format = \"epoch-ms\"", money: ["a": 1],
      quarantined: ["future_date": 1]),
    LedgerCase(
      "epoch microseconds", header + "a,1767225599999999,1\na,1767225600000000,2\n",
      settings: "[ledger]\ndate_format = \"epoch-us\"", money: ["a": 1],
      quarantined: ["future_date": 1]),
  ]

  private static let numbers: [LedgerCase] = [
    LedgerCase(
      "what can mean one thing only", rows(["1,234.56", "1.234,56", "1 234.56", "0.125"]),
      money: ["a": 3703.805]),
    LedgerCase(
      "decimal comma",
      rows([
        "1.234,56", "1\u{A0}234,56", "1\u{202F}234,56", "5,00", "1.234", "₺1.234", "12,5 ₺",
      ]), settings: "[ledger]\ndecimal_mark = \",\"",
      money: ["a": 3 * 1234.56 + 5 + 2 * 1234 + 12.5]),
    LedgerCase(
      "decimal point", rows(["1.234", "1,234", "(12.00)", "$5.50", "-7.25", "3-"]),
      settings: "[ledger]\ndecimal_mark = \".\"", money: ["a": 1.234 + 1234 - 12 + 5.5 - 7.25 - 3]),
    LedgerCase(
      "digits of other scripts", rows(["１２．５０", "٣٫٥", "۴"]), money: ["a": 20]),
    LedgerCase(
      "no numbers", rows(["1.2.3", "12,34,5", "--1", "1e", "TRY 5", "5"]), money: ["a": 5],
      quarantined: ["unreadable_amount": 5]),
  ]

  private static let utf16 = "customer_id,date,amount\nÇağrı,2025-01-01,1\n"
  private static let plain = header + "a,2025-01-01,1.50\nb,2025-02-01,2\n"
  private static let both = ["a": 1.5, "b": 2.0]

  private static let bytes: [LedgerCase] = [
    LedgerCase("a byte order mark", "\u{FEFF}" + plain, money: both),
    LedgerCase(
      "UTF-16, little end first", bytes: Data([0xFF, 0xFE]) + utf16.data(using: .utf16LittleEndian)!,
      money: ["Çağrı": 1]),
    LedgerCase(
      "UTF-16, big end first", bytes: Data([0xFE, 0xFF]) + utf16.data(using: .utf16BigEndian)!,
      money: ["Çağrı": 1]),
    // Şükrü, Иван and 张伟 in the encodings of their countries.
    LedgerCase(
      "windows-1254",
      bytes: Data(header.utf8) + Data([0xDE, 0xFC, 0x6B, 0x72, 0xFC]) + Data(",2025-01-01,1\n".utf8),
      flags: ["--encoding", "windows-1254"], money: ["Şükrü": 1]),
    LedgerCase(
      "cp1251",
      bytes: Data(header.utf8) + Data([0xC8, 0xE2, 0xE0, 0xED]) + Data(",2025-01-01,1\n".utf8),
      settings: "[read]\nencoding = \"cp1251\"", money: ["Иван": 1]),
    LedgerCase(
      "gbk",
      bytes: Data(header.utf8) + Data([0xD5, 0xC5, 0xCE, 0xB0]) + Data(",2025-01-01,1\n".utf8),
      flags: ["--encoding", "gbk"], money: ["张伟": 1]),
    LedgerCase(
      "CRLF", plain.replacing("\n", with: "\r\n"), money: both),
    LedgerCase("CR", plain.replacing("\n", with: "\r"), money: both),
    LedgerCase("no final line end", String(plain.dropLast()), money: both),
    LedgerCase("a final Ctrl-Z", plain + "\u{1A}", money: both),
    LedgerCase("blank lines", plain.replacing("\n", with: "\n\n"), money: both),
    LedgerCase(
      "ragged rows", plain + "c,2025-01-01\nd,2025-01-01,1,2,3\n", money: both,
      quarantined: ["wrong_field_count": 2]),
    LedgerCase(
      "a quote that is never closed", plain + "c,2025-01-01,\"1\nd,2025-01-01,4\n",
      money: ["a": 1.5, "b": 2, "d": 4], quarantined: ["wrong_field_count": 1]),
    LedgerCase(
      "a quote inside a field", plain + "c,2025-01-01,1\"2\n", money: both,
      quarantined: ["wrong_field_count": 1]),
    LedgerCase(
      "line ends and delimiters in quotes",
      header + "\"x,\ny\",2025-01-01,\"1\"\n\"say \"\"hi\"\"\",2025-01-01,2\n",
      money: ["x,\ny": 1, "say \"hi\"": 2]),
    LedgerCase(
      "the header again, and a total", plain + header + "TOTAL,,3.50\n", money: both,
      quarantined: ["unreadable_date": 1, "missing_date": 1]),
    LedgerCase(
      "lines in front", "Export of 2025\n\n" + plain, settings: "[read]\nskip_lines = 2",
      money: both),
    LedgerCase(
      "comments", "# by night\n" + plain + "# end\n", settings: "[read]\ncomment = \"#\"",
      money: both),
    LedgerCase(
      "semicolons", plain.replacing(",", with: ";"), money: both),
    LedgerCase("tabs", plain.replacing(",", with: "\t"), file: "ledger.tsv", money: both),
    LedgerCase(
      "no header", "2025-01-01|1.50|a\n2025-02-01|2|b\n",
      flags: ["--no-header", "--column-names", "date,amount,customer_id"], money: both),
    LedgerCase(
      "own names", "Kunde;Tag;Betrag\na;01.01.2025;1,50\nb;01.02.2025;2,00\n",
      settings: """
        [ledger]
        customer_id = "Kunde"
        date = "Tag"
        date_format = "dd.mm.yyyy"
        amount = "Betrag"
        decimal_mark = ","
        """, money: both),
  ]

  @Test(arguments: values + dates + numbers + bytes) func readsAsThePolicySays(
    ledger: LedgerCase
  ) throws {
    let folder = try TemporaryFolder()
    try folder.write(ledger.file, bytes: ledger.bytes)
    var arguments = [
      "features", "--ledger", ledger.file, "--as-of", "2025-12-31", "--features", "monetary",
      "--out", "money.csv", "--quarantine", "quarantine.parquet",
    ]
    if !ledger.settings.isEmpty {
      _ = try folder.write("settings.toml", ledger.settings + "\n")
      arguments += ["--config", "settings.toml"]
    }
    let result = try Tranche.json(arguments + ledger.flags, in: folder)
    let rows = try #require(result["rows"] as? [String: Any])
    #expect(
      rows["reasons"] as? [String: Int]
        == ledger.quarantined.merging(ledger.excluded) { $0 + $1 })
    #expect(rows["quarantined"] as? Int == ledger.quarantined.values.reduce(0, +))
    #expect(rows["excluded"] as? Int == ledger.excluded.values.reduce(0, +))
    let sum = ["scored", "quarantined", "excluded"].compactMap { rows[$0] as? Int }.reduce(0, +)
    #expect(rows["read"] as? Int == sum)

    let money = try Self.money(folder)
    #expect(Set(money.keys) == Set(ledger.money.keys))
    for (customer, amount) in ledger.money {
      #expect(abs((money[customer] ?? .nan) - amount) < 1e-9, "\(customer)")
    }
  }

  /// The second column by the first; ids may hold line ends.
  private static func money(_ folder: TemporaryFolder) throws -> [String: Double] {
    let text = String(decoding: try folder.data("money.csv"), as: UTF8.self)
    var money: [String: Double] = [:]
    for row in text.dropFirst("\"customer_id\",\"monetary\"\n\"".count).components(
      separatedBy: "\n\"")
    {
      let parts = row.components(separatedBy: "\",")
      let amount = try #require(Double(parts[1].trimmingCharacters(in: .newlines)))
      money[parts[0].replacing("\"\"", with: "\"")] = amount
    }
    return money
  }

  /// Each row set aside says where it stands and why.
  @Test func theQuarantineFindsEveryRow() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(
      "ledger.csv",
      Self.plain + "c,2025-13-01,1\n,2025-01-01,1\nd,2025-01-01,x\ne,2026-01-01,1\nf,2025-01-01\n")
    try Tranche.json(
      [
        "features", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "f.csv",
        "--quarantine", "q.parquet",
      ], in: folder)
    let rows = try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      for r in pq.read_table(sys.argv[1]).to_pylist():
        print(r["file"], r["row"], r["reason"], r["column"], r["value"], r["customer_id"], sep="|")
      """, [folder.path("q.parquet")])
    #expect(
      Set(rows.split(separator: "\n").map(String.init)) == [
        "ledger.csv|4|unreadable_date|date|2025-13-01|c",
        "ledger.csv|5|missing_customer_id|customer_id|None|None",
        "ledger.csv|6|unreadable_amount|amount|x|d",
        "ledger.csv|7|future_date|date|2026-01-01|e",
        "ledger.csv|8|wrong_field_count|None|f,2025-01-01|None",
      ])
  }
}
