import Columnar
import Foundation
import Sharding
import SyntheticBank
import TestSupport
import Testing

@testable import Features

/// Every ledger feature against an independent implementation: SQL, run by DuckDB.
@Suite struct DuckDBAgreementTests {
  private static let asOf = "2025-12-20"  // leaves rows after as-of

  @Test func everyFeatureAgreesInEveryType() throws {
    let folder = try TemporaryFolder()
    let bank = SyntheticBank(try .init(customers: 12_000, months: 14, seed: 11))
    try DuckDBLedger.write(bank, to: folder)
    let ledger = folder.path("ledger-*.parquet")
    func features(_ inputs: String, _ format: LedgerFormat = LedgerFormat()) throws -> FeatureTable
    {
      var options = ReadOptions()
      options.dictionaryColumns = ["channel"]
      options.csv.rowErrors = .collect
      return try LedgerFold(
        format: format, asOf: .day(Self.asOf), features: .all, workers: Workers(threads: 2)
      ).features(of: Sources.open([inputs], options: options)) { _ in }.table
    }
    let base = try features(ledger)
    try DuckDBLedger.write(base, to: folder.path("features.parquet"))
    let differences = try DuckDBLedger.differences(
      ledger: ledger, features: folder.path("features.parquet"), asOf: Self.asOf)
    #expect(differences.count >= 22)
    for (name, count) in differences { #expect(count == 0, "\(name)") }

    try Shell.python(DuckDBLedger.variants, [ledger, folder.url.path])
    func bits(_ table: FeatureTable) -> [[UInt64]] {
      table.columns.map { array($0).map(\.bitPattern) }
    }
    let expected = bits(base)
    var cents = LedgerFormat()
    cents.amountScale = 2
    // The same money to the minor unit, whatever it was written as: the same bits.
    for (file, format) in [
      ("minor.parquet", cents), ("text.parquet", LedgerFormat()),
      ("wide-decimal.parquet", LedgerFormat()), ("text.csv", LedgerFormat()), ("text.csv", cents),
      ("text.csv.gz", cents), ("dictionary.arrow", LedgerFormat()),
    ] {
      let found = try features(folder.path(file), format)
      #expect(found.names == base.names && bits(found) == expected, "\(file)")
    }
    let doubles = try features(folder.path("int32-double.parquet"))
    for (name, column) in zip(doubles.names, doubles.columns) {
      let known = try #require(base.column(name))
      let differ = (0..<base.rows).count {
        let (a, b) = (column[$0], known[$0])
        return !(a == b || (a.isNaN && b.isNaN) || abs(a - b) <= 1e-9 * (1 + abs(b)))
      }
      #expect(differ == 0, "\(name) of doubles")
    }
    // Whole amounts add without rounding in Double too.
    let floats = try features(folder.path("int32-float.parquet"))
    try DuckDBLedger.write(floats, to: folder.path("floats.parquet"))
    let rounded = try DuckDBLedger.differences(
      ledger: folder.path("int32-float.parquet"), features: folder.path("floats.parquet"),
      asOf: Self.asOf)
    for (name, count) in rounded { #expect(count == 0, "\(name) of floats") }
  }

  /// The program users run, on a file of more than a million rows.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: Self.program.path)))
  func theCommandAgreesOnAMillionRows() throws {
    let folder = try TemporaryFolder()
    func run(_ arguments: [String]) throws {
      let result = try Shell.run(Self.program, arguments + ["--quiet"])
      #expect(result.status == 0, "\(result.errors)")
    }
    try run([
      "generate", "--customers", "64000", "--months", "12", "--seed", "5", "--out",
      folder.path("bank"),
    ])
    let ledger = folder.path("bank/ledger-*.parquet")
    for threads in ["1", "3"] {
      try run([
        "features", "--ledger", ledger, "--as-of", Self.asOf, "--threads", threads, "--out",
        folder.path("features-\(threads).parquet"), "--quarantine",
        folder.path("quarantine-\(threads).parquet"),
      ])
    }
    for name in ["features", "quarantine"] {
      let (one, three) = (
        try Data(contentsOf: URL(fileURLWithPath: folder.path("\(name)-1.parquet"))),
        try Data(contentsOf: URL(fileURLWithPath: folder.path("\(name)-3.parquet")))
      )
      #expect(one == three, "\(name) for one thread and three")
    }
    let differences = try DuckDBLedger.differences(
      ledger: ledger, features: folder.path("features-1.parquet"), asOf: Self.asOf)
    for (name, count) in differences { #expect(count == 0, "\(name)") }
    let counts = try Shell.python(
      """
      import duckdb, sys
      ledger, quarantine, as_of = sys.argv[1:]
      c = duckdb.connect()
      print(c.execute(f"select count(*) from read_parquet('{ledger}')").fetchone()[0] > 1000000)
      # Every late row is set aside, once, with its file, row, day and customer.
      c.execute(f'''create view late as select filename, file_row_number + 1 as row, customer_id, date
        from read_parquet('{ledger}', filename = true, file_row_number = true) where date > date '{as_of}' ''')
      c.execute(f"create view aside as select * from read_parquet('{quarantine}')")
      print(c.execute("select count(*) > 10000 from late").fetchone()[0])
      print(c.execute('''select count(*) from (
        (select filename, row, customer_id, date::varchar, 'future_date', 'date' from late
         except all select file, row, customer_id, value, reason, "column" from aside)
        union all
        (select file, row, customer_id, value, reason, "column" from aside
         except all select filename, row, customer_id, date::varchar, 'future_date', 'date' from late))''').fetchone()[0])
      """, [ledger, folder.path("quarantine-1.parquet"), Self.asOf])
    #expect(counts == "True\nTrue\n0\n")
  }

  private static let program = Repository.root.appendingPathComponent(".build/release/tranche")
}
