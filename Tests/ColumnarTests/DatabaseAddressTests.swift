import Testing

@testable import Columnar

@Suite struct DatabaseAddressTests {
  @Test func tellsDatabasesFromFiles() {
    for input in [
      "postgresql://h/d", "postgres://h/d", "sqlite:///a.db", "sqlite:a.db", "source:x",
    ] {
      #expect(DatabaseAddress.isDatabase(input))
    }
    for input in ["ledger.parquet", "-", "postgresql.csv", "a/sqlite.db", "ledger-*.csv"] {
      #expect(!DatabaseAddress.isDatabase(input))
    }
  }

  @Test func cutsAQueryFromTheDriversParameters() throws {
    let address = try DatabaseAddress(
      "postgresql://risk:s%40f@db:5433/bank?sslmode=require&query=SELECT%20a,%20b%20FROM%20t WHERE x LIKE 'a%' AND y = 1"
    )
    #expect(address.selection == .query("SELECT a, b FROM t WHERE x LIKE 'a%' AND y = 1"))
    #expect(
      address.options == [
        .init("uri", "postgresql://risk:s%40f@db:5433/bank?sslmode=require&client_encoding=UTF8")
      ])
    #expect(address.name == "postgresql://risk:***@db:5433/bank?query")
    #expect(address.scrubbed("login of risk with s@f or s%40f") == "login of risk with *** or ***")
  }

  @Test func quotesTables() throws {
    let address = try DatabaseAddress("postgresql://db/bank?table=risk.my%22table")
    #expect(address.sql() == "SELECT * FROM \"risk\".\"my\"\"table\"")
    #expect(
      address.sql(columns: [Field(name: "a", type: .int64), Field(name: "B c", type: .string)])
        == "SELECT \"a\", \"B c\"::text AS \"B c\" FROM \"risk\".\"my\"\"table\"")
    #expect(address.name == "postgresql://db/bank?table=risk.my\"table")
  }

  @Test(arguments: [
    ("sqlite:///data/bank.db?table=t", "/data/bank.db"), ("sqlite:bank.db?table=t", "bank.db"),
    ("sqlite:///data/my%20bank.db?table=t", "/data/my bank.db"),
  ]) func findsTheFileOfSQLite(input: String, path: String) throws {
    #expect(try DatabaseAddress(input).options == [.init("uri", path)])
  }

  @Test(arguments: [
    "postgresql://db/bank", "postgresql://db/bank?table=", "sqlite:?table=t",
    "postgresql://db/bank?table=t&query=SELECT 1",
  ]) func refusesAddressesWithoutOneSelection(input: String) {
    #expect(throws: InputError.self) { try DatabaseAddress(input) }
  }

  @Test(arguments: [
    ("postgresql://u:secret@h/d?table=t", "postgresql://u:***@h/d?table=t"),
    ("--ledger=postgresql://u:secret@h/d", "--ledger=postgresql://u:***@h/d"),
    // Passwords that should have been encoded.
    ("postgresql://u:sec@ret@h/d", "postgresql://u:***@h/d"),
    ("postgresql://u:sec/ret@h/d", "postgresql://u:***@h/d"),
    ("postgresql://u:sec?ret@h/d", "postgresql://u:***@h/d"),
    (
      "postgresql:///d?user=u&password=secret&table=t",
      "postgresql:///d?user=u&password=***&table=t"
    ),
    ("postgresql://h/d?access_token=secret", "postgresql://h/d?access_token=***"),
    ("postgresql://localhost:5432/d?table=t", "postgresql://localhost:5432/d?table=t"),
    ("postgresql://a:5432,b:5433/d?table=t", "postgresql://a:5432,b:5433/d?table=t"),
    ("ledger.parquet", "ledger.parquet"),
  ]) func showsNoPasswords(input: String, shown: String) {
    #expect(DatabaseAddress.redacted(input) == shown)
  }

  @Test func takesNamedSourcesFromTheSettings() throws {
    var settings = DatabaseSettings()
    settings.sources["warehouse"] = .init()
    settings.sources["warehouse"]?.driver = "snowflake"
    settings.sources["warehouse"]?.uri = "user:hidden@account/db"
    settings.sources["warehouse"]?.query = "SELECT 1"
    settings.sources["warehouse"]?.options = [
      .init("adbc.snowflake.sql.client_option.jwt_private_key", "k3y")
    ]
    settings.sources["bank"] = .init()
    settings.sources["bank"]?.uri = "postgresql://u:hidden@h/d"
    settings.sources["bank"]?.table = "ledger"
    let warehouse = try DatabaseAddress("source:warehouse", settings: settings)
    #expect(warehouse.driver == "snowflake")
    #expect(warehouse.dialect == .other)
    #expect(warehouse.options.map(\.value) == ["user:hidden@account/db", "k3y"])
    #expect(warehouse.scrubbed("bad key k3y") == "bad key ***")
    let bank = try DatabaseAddress("source:bank", settings: settings)
    #expect(bank.selection == .table("ledger"))
    #expect(bank.dialect == .postgreSQL)
    #expect(bank.name == "source:bank")
    #expect(bank.scrubbed("hidden") == "***")
    #expect(throws: InputError.self) { try DatabaseAddress("source:nix", settings: settings) }
  }
}

@Suite struct ContentDigestTests {
  private static let fields = [
    Field(name: "id", type: .int64), Field(name: "text", type: .string),
    Field(name: "amount", type: .double),
  ]

  private static func batch(_ rows: Range<Int>, dictionary: Bool = false) -> [Column] {
    let present = rows.map { $0 % 7 != 3 }
    let texts = rows.map { "t\($0 % 11)" }
    let strings =
      dictionary
      ? ColumnValues.dictionary(
        codes: Buffer(rows.map { Int32($0 % 11) }), Strings((0..<11).map { "t\($0)" }))
      : ColumnValues.strings(Strings(texts))
    return [
      Column(.int64(Buffer(rows.map { Int64($0) }))),
      Column(strings, validity: Validity(present: present)),
      Column(
        .double(Buffer(rows.map { $0 % 5 == 0 ? .nan : Double($0) })),
        validity: Validity(present: rows.map { $0 % 5 != 0 })),
    ]
  }

  private static func digest(_ cuts: [Int], dictionary: Bool = false) -> String {
    var digest = ContentDigest(fields)
    for (start, end) in zip(cuts, cuts.dropFirst()) {
      digest.add(batch(start..<end, dictionary: dictionary), rows: end - start)
    }
    return digest.finalize()
  }

  @Test func doesNotDependOnBatchesOrLayout() {
    let whole = Self.digest([0, 100])
    #expect(whole.count == 64)
    #expect(Self.digest([0, 1, 33, 34, 100]) == whole)
    #expect(Self.digest([0, 50, 100], dictionary: true) == whole)
    #expect(Self.digest([0, 99]) != whole)
  }

  @Test func seesEveryChange() {
    let whole = Self.digest([0, 100])
    for (row, column) in [(0, 0), (99, 1), (50, 2)] {
      var columns = Self.batch(0..<100)
      switch column {
      case 0: columns[0] = Column(.int64(Buffer((0..<100).map { $0 == row ? -1 : Int64($0) })))
      case 1:
        columns[1] = Column(
          .strings(Strings((0..<100).map { $0 == row ? "x" : "t\($0 % 11)" })),
          validity: columns[1].validity)
      default:
        columns[2] = Column(columns[2].values, validity: nil)
      }
      var digest = ContentDigest(Self.fields)
      digest.add(columns, rows: 100)
      #expect(digest.finalize() != whole)
    }
  }
}
