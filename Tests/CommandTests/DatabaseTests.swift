import Foundation
import TestSupport
import Testing

/// Ledgers from, and scores into, a real PostgreSQL server and SQLite files. One at a time: every
/// test has a server of its own.
@Suite(.serialized) struct DatabaseTests {
  private static let settings = ["--as-of", "2025-11-30", "--clusters", "4", "--no-report"]

  private static func rescore(_ ledger: String, out: String, _ more: String...) -> [String] {
    ["rescore", "--ledger", ledger, "--out", out] + settings + more
  }

  /// A bank of 2,000 customers: `one.parquet`, and the same rows in the table `ledger` of the server
  /// (numeric amounts) and of `bank.db` (amounts as text).
  private static func bank(in folder: TemporaryFolder, _ server: PostgreSQLServer) throws {
    try BankTests.bank(customers: 2_000, in: folder)
    try Shell.python(
      """
      import sys, os, glob, sqlite3, pyarrow as pa, pyarrow.parquet as pq, pyarrow.csv as c
      os.chdir(sys.argv[1])
      t = pa.concat_tables([pq.read_table(f) for f in sorted(glob.glob("bank/ledger-*.parquet"))])
      t = t.set_column(3, "channel", t["channel"].cast(pa.string()))
      pq.write_table(t, "one.parquet")
      c.write_csv(t, "one.csv")
      db = sqlite3.connect("bank.db")
      db.execute("create table ledger(customer_id integer, date text, amount text, channel text)")
      rows = zip(*(t[n].to_pylist() for n in t.column_names))
      db.executemany("insert into ledger values (?, ?, ?, ?)", [(i, str(d), str(a), h) for i, d, a, h in rows])
      db.commit()
      """, [folder.url.path])
    try server.sql(
      "CREATE TABLE ledger (customer_id bigint, date date, amount numeric(18, 2), channel text)",
      "\\copy ledger FROM '\(folder.path("one.csv"))' CSV HEADER")
  }

  /// All that became of the rows, but for the examples, which name their place.
  private static func quality(_ run: String, _ folder: TemporaryFolder) throws -> NSDictionary {
    var quality = try folder.object("\(run)/quality.json")
    #expect(quality.removeValue(forKey: "examples") != nil)
    return quality as NSDictionary
  }

  @Test func theScoresAreThoseOfTheFile() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try Self.bank(in: folder, server)
    try Tranche.json(Self.rescore("one.parquet", out: "file"), in: folder)
    let scores = try folder.data("file/scores.parquet")
    let shuffled = "SELECT date, channel, amount, customer_id FROM ledger ORDER BY amount DESC, 4"
    let encoded = shuffled.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
    _ = try folder.write(
      "sources.toml",
      """
      [sources.bank]
      driver = "postgresql"
      uri = "env:BANK_URI"
      query = "SELECT * FROM ledger"
      """)
    let addresses = [
      ("table", server.address("table=public.ledger"), []),
      ("query", server.address("query=\(encoded)"), []),
      ("plain", server.address("query=\(shuffled); "), []),
      ("tcp", server.address("table=ledger", password: PostgreSQLServer.encodedPassword), []),
      ("named", "source:bank", ["--config", "sources.toml"]),
      ("sqlite", "sqlite://\(folder.path("bank.db"))?table=ledger", []),
      ("relative", "sqlite:bank.db?query=SELECT * FROM ledger", []),
    ]
    let uri = server.address("", password: PostgreSQLServer.encodedPassword)
    for (name, address, more) in addresses {
      try Tranche.json(
        Self.rescore(address, out: name) + more, in: folder, environment: ["BANK_URI": uri])
      #expect(try folder.data("\(name)/scores.parquet") == scores, "\(name)")
      #expect(try folder.data("\(name)/model.json") == folder.data("file/model.json"), "\(name)")
      #expect(try Self.quality(name, folder) == Self.quality("file", folder), "\(name)")
      for file in try FileManager.default.contentsOfDirectory(atPath: folder.path(name)) {
        let text = String(decoding: try folder.data("\(name)/\(file)"), as: UTF8.self)
        #expect(!text.contains(PostgreSQLServer.encodedPassword), "\(name)/\(file)")
        #expect(!text.contains(PostgreSQLServer.password), "\(name)/\(file)")
      }
    }
    // The manifest: what was asked for, and what came.
    func input(_ run: String) throws -> [String: Any] {
      try #require((try folder.object("\(run)/manifest.json")["inputs"] as? [[String: Any]])?.first)
    }
    let (table, query) = (try input("table"), try input("query"))
    #expect(query["query"] as? String == shuffled)
    #expect(table["rows"] as? Int == query["rows"] as? Int)
    #expect(table["columns"] as? [String] == ["customer_id", "date", "amount", "channel"])
    #expect((table["sha256"] as? String)?.count == 64)
    // The same rows in the same order, the same hash; another order or other rows, another one.
    #expect(try input("tcp")["sha256"] as? String == table["sha256"] as? String)
    #expect(try input("plain")["sha256"] as? String == query["sha256"] as? String)
    #expect(table["sha256"] as? String != query["sha256"] as? String)
    try server.sql("UPDATE ledger SET amount = amount + 0.01 WHERE customer_id = 1000007")
    try Tranche.json(Self.rescore(addresses[2].1, out: "changed"), in: folder)
    #expect(try input("changed")["sha256"] as? String != query["sha256"] as? String)
    #expect(try folder.data("changed/scores.parquet") != scores)
  }

  /// Customers from a database too, and tables for `fit` and `assign`.
  @Test func everyInputMayBeADatabase() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try Self.bank(in: folder, server)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq, pyarrow.csv as c
      c.write_csv(pq.read_table(sys.argv[1] + "/bank/customers.parquet"), sys.argv[1] + "/customers.csv")
      """, [folder.url.path])
    try server.sql(
      "CREATE TABLE customers (customer_id bigint, age smallint)",
      "\\copy customers FROM '\(folder.path("customers.csv"))' CSV HEADER")
    try Tranche.json(
      Self.rescore("one.parquet", out: "file", "--customers", "bank/customers.parquet"), in: folder)
    let arguments = Self.rescore(
      server.address("table=ledger"), out: "database", "--customers",
      server.address("table=customers"))
    try Tranche.json(arguments, in: folder)
    #expect(try folder.data("database/scores.parquet") == folder.data("file/scores.parquet"))
    #expect(try Self.quality("database", folder) == Self.quality("file", folder))
    let inputs = try #require(
      try folder.object("database/manifest.json")["inputs"] as? [[String: Any]])
    #expect(inputs.count == 2)
    #expect(inputs[1]["rows"] as? Int == 2_000)

    try Tranche.json(
      Self.rescore("one.parquet", out: "scored", "--out-table", "sqlite:bank.db?table=scores"),
      in: folder)
    let features = ["--features", "frequency,average_amount,trend", "--scale", "log-standard"]
    for (name, input) in [
      ("file", "scored/scores.parquet"), ("table", "sqlite:bank.db?table=scores"),
    ] {
      try Tranche.json(
        ["fit", input, "--clusters", "3", "--out", "\(name).json", "--labels", "\(name).csv"]
          + features, in: folder)
      try Tranche.json(
        ["assign", input, "--model", "\(name).json", "--out", "\(name)-again.csv"], in: folder)
    }
    #expect(try folder.data("file.json") == folder.data("table.json"))
    #expect(try folder.data("file.csv") == folder.data("table.csv"))
    #expect(try folder.data("file-again.csv") == folder.data("table-again.csv"))
  }

  @Test func columnsOfEveryType() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try server.sql(
      """
      CREATE TABLE kinds (id text, small smallint, whole int, big bigint, single real, double float8,
        money numeric, day date, local timestamp, zoned timestamptz, flag boolean, fixed char(3),
        odd uuid, list int[])
      """,
      """
      INSERT INTO kinds SELECT '0' || n, n, n, 9007199254740993 + n, n / 4.0, n / 3.0,
        CASE WHEN n % 10 = 0 THEN NULL ELSE n * 12345678901.23 END, date '2025-01-01' + n,
        timestamp '2025-01-01 23:30' + n * interval '1 day',
        timestamptz '2025-01-01 23:30+03' + n * interval '1 day', n % 2 = 0, 'ab',
        gen_random_uuid(), ARRAY[n] FROM generate_series(1, 50) n
      """)
    let address = server.address("table=kinds")
    let result = try Tranche.json(["inspect", address], in: folder)
    let file = try #require(result["file"] as? [String: Any])
    let columns = try #require(file["columns"] as? [[String: Any]])
    #expect(
      columns.map { $0["type"] as? String } == [
        "string", "int32", "int32", "int64", "float", "double", "string", "date", "timestamp[us]",
        "timestamp[us, UTC]", "int32", "string", "string", "string",
      ])
    #expect(abs((columns[6]["missing_share"] as? Double ?? 0) - 0.1) < 1e-12)
    #expect(
      columns[6]["examples"] as? [String] == ["12345678901.23", "24691357802.46", "37037036703.69"])
    #expect((columns[13]["unreadable"] as? String)?.contains("list") == true)

    // Money is exact, timestamps are days, ids keep their zeros.
    let query = "SELECT id, local AS date, money AS amount FROM kinds WHERE money IS NOT NULL"
    try Tranche.json(
      [
        "features", "--ledger", server.address("query=\(query)"), "--as-of", "2025-12-31", "--out",
        "f.csv",
      ],
      in: folder, environment: ["TRANCHE_LEDGER_CUSTOMER_ID": "id"])
    let lines = String(decoding: try folder.data("f.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 46)
    let first = try #require(lines.first { $0.hasPrefix("01,") || $0.hasPrefix("\"01\",") })
    #expect(first.contains("1.234567890123e+10") || first.contains("12345678901.23"))
    // 2025-01-02 to 2025-12-31.
    #expect(first.split(separator: ",")[1] == "363")

    let refused = try Tranche.run(
      ["fit", address, "--features", "whole,list", "--clusters", "2", "--out", "m.json"], in: folder
    )
    expectSentence(refused, status: 65, says: ["list", "CAST"])
  }

  @Test func aTableIsReplacedWholeOrNotAtAll() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try Self.bank(in: folder, server)
    try server.sql(
      "CREATE ROLE reader LOGIN", "CREATE SCHEMA risk", "GRANT USAGE ON SCHEMA risk TO reader")
    let table = server.address("table=risk.scores")
    let result = try Tranche.json(
      Self.rescore("one.parquet", out: "out", "--out-table", table), in: folder)
    #expect((result["table"] as? String)?.hasSuffix("table=risk.scores") == true)
    let compare = """
      import sys, csv, numpy as np, pyarrow.parquet as pq
      t = pq.read_table(sys.argv[1] + "/out/scores.parquet")
      rows = list(csv.reader(open(sys.argv[1] + "/table.csv")))
      assert rows[0] == t.column_names, rows[0]
      rows = sorted(rows[1:], key=lambda r: int(r[0]))
      assert len(rows) == t.num_rows == len({r[0] for r in rows})
      for n, name in enumerate(t.column_names):
        single = str(t.schema.field(name).type) == "float"
        for row, value in zip(rows, t[name].to_pylist()):
          cell = row[n]
          if value is None: assert cell == "", (name, cell)
          elif single: assert np.float32(cell) == np.float32(value), (name, cell, value)
          elif isinstance(value, float): assert float(cell) == value, (name, cell, value)
          else: assert cell == str(value), (name, cell, value)
      """
    func check() throws {
      try server.sql("\\copy risk.scores TO '\(folder.path("table.csv"))' CSV HEADER")
      try Shell.python(compare, [folder.url.path])
    }
    try check()

    // Rights stay; the next run's rows are the next run's.
    try server.sql("GRANT SELECT ON risk.scores TO reader", "GRANT UPDATE ON risk.scores TO PUBLIC")
    let next = [
      "rescore", "--ledger", "one.parquet", "--out", "out", "--as-of", "2025-12-31", "--clusters",
      "3", "--force", "--out-table", table,
    ]
    try Tranche.json(next, in: folder)
    try check()
    #expect(
      try server.sql(
        "SELECT has_table_privilege('reader', 'risk.scores', 'SELECT'), has_table_privilege('reader', 'risk.scores', 'UPDATE'), has_table_privilege('reader', 'risk.scores', 'DELETE')"
      ) == "t|t|f")
    #expect(
      try server.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE '%tranche%'") == "0")

    // A view holds on to the old table: nothing changes, here or there.
    try server.sql("CREATE VIEW risk.high AS SELECT * FROM risk.scores WHERE tier = 'high'")
    let manifest = try folder.data("out/manifest.json")
    let held = try Tranche.run(
      Self.rescore("one.parquet", out: "out", "--force", "--out-table", table), in: folder)
    expectSentence(held, status: 73, says: ["table=risk.scores", "depend"])
    #expect(try folder.data("out/manifest.json") == manifest)
    try check()

    // Nor does one who may not write there.
    try server.sql("CREATE ROLE guest LOGIN")
    let guest = server.address("table=risk.scores").replacing("postgres@", with: "guest@")
    let denied = try Tranche.run(
      Self.rescore("one.parquet", out: "denied", "--out-table", guest), in: folder)
    expectSentence(denied, status: 77, says: ["permission denied"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("denied")))
    try check()
  }

  @Test func aKilledRunLeavesTheOldOrTheNewTable() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try Self.bank(in: folder, server)
    try Shell.python(
      Self.kills,
      [
        Tranche.binary.path, folder.url.path, server.address("table=scores"),
        "sqlite:bank.db?table=scores",
      ])
    #expect(
      try server.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE '%tranche%'") == "0")
  }

  private static let kills = """
    import sys, os, time, json, random, sqlite3, signal, subprocess
    binary, folder, postgres, sqlite = sys.argv[1:]
    os.chdir(folder)
    def command(day, table):
      return [binary, "rescore", "--ledger", "one.parquet", "--as-of", day, "--out", "out", "--clusters", "4",
        "--no-report", "--force", "--quiet", "--out-table", table]
    def fingerprint(table):
      # Everything a reader sees, through the program itself and, for SQLite, through its own library.
      if table == sqlite:
        db = sqlite3.connect("bank.db")
        names = {n for n, in db.execute("select name from sqlite_master where type = 'table'")}
        assert names == {"ledger", "scores"}, names
        return db.execute("select count(*), sum(frequency), sum(recency_days), count(tier) from scores").fetchone()
      query = table.replace("table=scores", "query=SELECT count(*)::text AS n, sum(frequency)::text AS f, sum(recency_days)::text AS r, count(tier)::text AS t FROM scores")
      out = subprocess.run([binary, "inspect", query, "--json"], capture_output=True, text=True, check=True).stdout
      return tuple(int(c["examples"][0]) for c in json.loads(out)["file"]["columns"])
    random.seed(3)
    for table in (postgres, sqlite):
      known = {}
      for day in ("2025-11-30", "2025-12-31"):
        began = time.time()
        subprocess.run(command(day, table), check=True)
        usual = time.time() - began
        known[day] = fingerprint(table)
      assert known["2025-11-30"] != known["2025-12-31"]
      day, killed = "2025-12-31", 0
      for attempt in range(8):
        other = "2025-12-31" if day == "2025-11-30" else "2025-11-30"
        p = subprocess.Popen(command(other, table), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(usual * random.uniform(.3, 1.05))
        p.send_signal(signal.SIGKILL)
        finished = p.wait() == 0
        # The server notices a moment later.
        time.sleep(.05)
        found = fingerprint(table)
        assert found in known.values(), (found, known)
        if finished: assert found == known[other]
        else: killed += 1
        day = other if found == known[other] else day
      assert killed > 0
      subprocess.run(command("2025-12-31", table), check=True)
      assert fingerprint(table) == known["2025-12-31"]
    """

  @Test func aServerThatGoesAwayEndsTheRun() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try server.sql(
      "CREATE TABLE slow AS SELECT n AS customer_id, date '2025-01-01' AS date, 1 AS amount FROM generate_series(1, 200000) n"
    )
    let query =
      "SELECT s.* FROM slow s, LATERAL (SELECT pg_sleep(0.001 * (s.customer_id > 0)::int)) p"
    let process = try Tranche.start(
      Self.rescore(server.address("query=\(query)"), out: "out"), in: folder)
    let isRunning = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT s.%'"
    while try server.sql(isRunning) == "0" {
      try #require(process.isRunning)
      usleep(50_000)
    }
    try server.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT s.%'")
    process.waitUntilExit()
    #expect(process.terminationStatus == 69)
    #expect(try folder.listing().isEmpty)
  }

  @Test func badAddressesAreRefusedInASentence() throws {
    let folder = try TemporaryFolder()
    let server = try PostgreSQLServer()
    try server.sql(
      "CREATE TABLE ledger (customer_id bigint, date date, amount numeric)",
      "INSERT INTO ledger SELECT n, date '2025-01-01' + n, n FROM generate_series(1, 40) n")
    _ = try folder.write("not.db", "this is no database, whatever its name says, and long enough")
    _ = try folder.write("sources.toml", "[sources.bank]\nurl = \"postgresql://h/d\"\n")
    _ = try folder.write(
      "half.toml", "[sources.bank]\ndriver = \"snowflake\"\nquery = \"SELECT 1\"\n")
    _ = try folder.write(
      "hidden.toml", "[sources.bank]\ndriver = \"x\"\nuri = \"env:NOT_SET_HERE\"\n")
    try Shell.python(
      """
      import sys, sqlite3
      db = sqlite3.connect(sys.argv[1] + "/mixed.db")
      db.execute("create table t(customer_id integer, date text, amount)")
      db.executemany("insert into t values (?, '2025-01-01', ?)", [(n, 1 if n < 70000 else "x") for n in range(80000)])
      db.commit()
      """, [folder.url.path])
    let wrong = server.address("table=ledger", password: "hunter2")
    let cases: [(ledger: String, more: [String], status: Int32, says: [String])] = [
      (
        "postgresql://u:hunter2@127.0.0.1:1/d?table=t", [], 69, ["127.0.0.1", "Connection refused"]
      ),
      (wrong, [], 77, ["password authentication failed", "PGPASSWORD"]),
      (server.address("table=nix"), [], 66, ["\"nix\" does not exist"]),
      (server.address("table=ledger").replacing("/postgres?", with: "/nix?"), [], 66, ["\"nix\""]),
      (server.address("query=SELECT nix FROM ledger"), [], 64, ["\"nix\"", "query"]),
      (server.address("query=SELEC 1"), [], 64, ["syntax error"]),
      (server.address("query=DELETE FROM ledger RETURNING *"), [], 64, ["read-only"]),
      (
        server.address(
          "query=SELECT n AS customer_id, date '2025-01-01' AS date, 1 / (n - 30000) AS amount FROM generate_series(1, 50000) n"
        ), [], 65,
        ["division by zero"]
      ),
      (server.address("query=SELECT customer_id, date FROM ledger"), [], 65, ["\"amount\""]),
      (server.address("query=SELECT * FROM ledger WHERE false"), [], 65, ["no rows"]),
      (server.address("x=1"), [], 64, ["?table=NAME"]),
      (server.address("table=ledger&query=SELECT 1"), [], 64, ["both"]),
      (server.address("table=ledger"), ["--ledger", "one.csv"], 64, ["alone"]),
      ("source:bank", [], 78, ["[sources.bank]"]),
      (
        "source:bank", ["--config", "sources.toml"], 78, ["sources.bank.url", "did you mean uri?"]
      ),
      ("source:bank", ["--config", "half.toml"], 78, ["snowflake", "not installed"]),
      ("source:bank", ["--config", "hidden.toml"], 78, ["NOT_SET_HERE"]),
      ("sqlite:nix.db?table=t", [], 66, ["does not exist"]),
      ("sqlite:not.db?table=t", [], 65, ["not a database"]),
      ("sqlite:mixed.db?table=nix", [], 66, ["no such table"]),
      ("sqlite:mixed.db?table=t", [], 65, ["several types", "CAST"]),
      (
        server.address("table=ledger"), ["--out-table", server.address("query=SELECT 1")], 64,
        ["table"]
      ),
      (
        server.address("table=ledger"), ["--out-table", "sqlite:nix/nix.db?table=t"], 73,
        ["nix/nix.db"]
      ),
      (server.address("table=ledger"), ["--out-table", wrong], 77, ["password"]),
      (wrong, ["--state", "state"], 64, ["--state"]),
    ]
    let before = try folder.listing()
    for (ledger, more, status, says) in cases {
      let arguments =
        more.first == "--ledger"
        ? ["rescore", "--ledger", ledger, more[1], "--out", "out"] + Self.settings
        : Self.rescore(ledger, out: "out") + more
      let result = try Tranche.run(arguments, in: folder)
      expectSentence(result, status: status, says: says)
      #expect(!result.errors.contains("hunter2"), "\(result.errors)")
      #expect(try folder.listing() == before, "\(arguments)")
    }
    let missing = try Tranche.run(
      ["inspect", server.address("table=ledger")], in: folder,
      environment: ["TRANCHE_ADBC_DRIVERS": folder.url.path])
    // The folder is looked at first, not only.
    #expect(missing.status == 0)
    let broken = try folder.write("libadbc_driver_postgresql.so", "no library")
    let refused = try Tranche.run(
      ["inspect", server.address("table=ledger")], in: folder,
      environment: ["TRANCHE_ADBC_DRIVERS": folder.url.path])
    expectSentence(refused, status: 78, says: ["libadbc_driver_postgresql.so"])
    try FileManager.default.removeItem(atPath: broken)

    _ = try folder.write(
      "shown.toml",
      "[sources.bank]\nuri = \"postgresql://u:hunter2@h/d\"\n[sources.bank.options]\n\"a.token\" = \"hunter3\"\n"
    )
    let shown = try Tranche.run(["config", "show", "--config", "shown.toml"], in: folder)
    #expect(shown.output.contains("sources.bank.uri = \"postgresql://u:***@h/d\""))
    #expect(!shown.output.contains("hunter"))
    let planned = try Tranche.run(
      Self.rescore(
        server.address("table=ledger"), out: "out", "--dry-run", "--out-table",
        server.address("table=s")),
      in: folder)
    #expect(planned.status == 0 && planned.output.contains("table=s"), "\(planned.errors)")
    #expect(try server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "1")
  }
}
