import Foundation
import TestSupport
import Testing

/// A command that must fail: with which code, and what the sentence names.
struct FailureCase: Sendable, CustomTestStringConvertible {
  var name: String
  var files: [String: Data] = [:]
  var arguments: [String]
  var settings: String?
  var environment: [String: String] = [:]
  var status: Int32
  var says: [String]

  var testDescription: String { name }
}

extension FailureCase {
  static let header = "customer_id,date,amount\n"
  static let ledger =
    header + "a,2025-01-01,10.00\nb,2025-01-02,20.50\nc,2025-01-05,3.25\nd,2025-02-05,7.00\n"
  static let table =
    "id,x,y\n" + (0..<60).map { "r\($0),\($0 * 7 % 5 + 100 * ($0 % 3)),\($0 * 3 % 7)\n" }.joined()

  /// `rescore` of `ledger.csv`.
  static func rescore(
    _ name: String, _ ledger: String = ledger, flags: [String] = [], settings: String? = nil,
    files: [String: String] = [:], environment: [String: String] = [:], status: Int32 = 65,
    says: [String]
  ) -> FailureCase {
    rescore(
      name, bytes: Data(ledger.utf8), flags: flags, settings: settings, files: files,
      environment: environment, status: status, says: says)
  }

  static func rescore(
    _ name: String, bytes: Data, file: String = "ledger.csv", flags: [String] = [],
    settings: String? = nil, files: [String: String] = [:], environment: [String: String] = [:],
    status: Int32 = 65, says: [String]
  ) -> FailureCase {
    FailureCase(
      name: name,
      files: files.mapValues { Data($0.utf8) }.merging([file: bytes]) { $1 },
      arguments: [
        "rescore", "--ledger", file, "--as-of", "2025-12-31", "--clusters", "2", "--out", "out",
      ] + flags, settings: settings, environment: environment, status: status, says: says)
  }

  /// `fit` of `table.csv`.
  static func fit(
    _ name: String, _ table: String = table, features: String = "x,y", flags: [String] = [],
    files: [String: String] = [:], status: Int32 = 65, says: [String]
  ) -> FailureCase {
    FailureCase(
      name: name,
      files: files.mapValues { Data($0.utf8) }.merging(["table.csv": Data(table.utf8)]) { $1 },
      arguments: [
        "fit", "table.csv", "--features", features, "--clusters", "3", "--out", "model.json",
      ] + flags, status: status, says: says)
  }
}

/// Every bad input ends in one sentence with the right code, and leaves nothing behind.
@Suite struct BadInputTests {
  private static let header = FailureCase.header
  private static let ledger = FailureCase.ledger
  private static let table = FailureCase.table

  private static let values: [FailureCase] = [
    .rescore(
      "every amount is missing", header + "a,2025-01-01,\nb,2025-01-02,NA\n",
      says: ["ledger.csv:2", "\"amount\"", "2 missing_amount"]),
    .rescore(
      "every id is missing", header + ",2025-01-01,1\n",
      says: ["ledger.csv:2", "missing_customer_id"]),
    .rescore(
      "another date format", header + "a,31.12.2025,1\n",
      says: ["ledger.csv:2", "\"date\"", "31.12.2025", "unreadable_date"]),
    .rescore(
      "all rows in the future", header + "a,2026-01-01,1\n",
      says: ["ledger.csv:2", "\"date\"", "future_date", "--as-of"]),
    .rescore(
      "all features constant", header + "a,2025-01-01,1\nb,2025-01-01,1\n",
      says: ["one value only", "recency_days"]),
    .rescore(
      "mostly missing", ledger, flags: ["--features", "frequency,mean_gap_days"],
      says: ["\"mean_gap_days\""]),
    .rescore(
      "a refund where none may be", ledger + "a,2025-03-01,-5\n",
      settings: "[ledger]\nrefunds = \"error\"",
      says: ["ledger.csv:6", "\"amount\"", "refund", "\"net\""]),
    .rescore(
      "a copy where none may be", ledger + "a,2025-01-01,10.00\n",
      settings: "[ledger]\nduplicates = \"error\"", says: ["ledger.csv:6", "twice", "\"drop\""]),
    .rescore(
      "thousands or decimals", header + "a,2025-01-01,10\nb,2025-01-01,1.234\n",
      says: ["ledger.csv:3", "\"amount\"", "1.234", "decimal_mark"]),
    .rescore(
      "two currencies",
      "customer_id,date,amount,currency\na,2025-01-01,1,TRY\nb,2025-01-01,2,USD\n",
      says: ["ledger.csv:3", "\"currency\"", "TRY and USD", "ledger.rates"]),
    .rescore(
      "a currency without a rate",
      "customer_id,date,amount,currency\na,2025-01-01,1,TRY\nb,2025-01-01,2,EUR\n",
      settings: "[ledger.rates]\nTRY = 1",
      says: ["ledger.csv:3", "\"EUR\"", "ledger.rates"]),
    .rescore(
      "more money than 64 bits hold",
      header + String(repeating: "a,2025-01-01,922337203685477\n", count: 3),
      says: ["\"amount\"", "64 bits", "amount_scale"]),
    .fit("a value is missing", table + "z,,1\n", says: ["table.csv:62", "\"x\"", "--missing"]),
    .fit("a value is infinite", table + "z,-inf,1\n", says: ["table.csv:62", "\"x\"", "infinite"]),
    .fit("a value is no number", table + "z,1,?\n", says: ["table.csv:62", "\"y\"", "“?”"]),
    .fit("a value is beyond doubles", table + "z,1e999,1\n", says: ["table.csv:62", "too large"]),
    .fit("a value no spread can hold", table + "z,1e308,1\n", says: ["\"x\"", "too far apart"]),
    .fit(
      "most of a column is missing", "id,x,y\n1,1,\n2,2,\n3,3,\n4,4,4\n5,5,6\n",
      flags: ["--missing", "median"], says: ["\"y\"", "3 of 5", "max_missing"]),
    .fit(
      "a whole column is missing", "id,x,y\n1,1,\n2,2,\n3,3,\n", flags: ["--missing", "0"],
      says: ["\"y\"", "every value is missing"]),
    .fit("all constant", "id,x,y\n1,1,2\n2,1,2\n3,1,2\n", says: ["one value only: x, y"]),
    .fit(
      "a negative weight", "id,x,y,w\n1,1,2,1\n2,3,4,-1\n3,5,9,1\n", flags: ["--weight", "w"],
      says: ["table.csv:3", "\"w\"", "negative"]),
  ]

  private static let shapes: [FailureCase] = [
    .rescore("an empty file", "", says: ["ledger.csv", "empty"]),
    .rescore("a header alone", header, says: ["ledger.csv", "no rows"]),
    .rescore("blank lines alone", "\n\n\n", says: ["ledger.csv", "neither a header nor a row"]),
    .rescore(
      "fewer customers than segments", flags: ["--clusters", "5"],
      says: ["5 clusters", "at most 4", "--k-max-distinct"]),
    .rescore(
      "fewer different customers than segments",
      header + (0..<9).map { "c\($0),2025-0\($0 % 2 + 1)-01,\($0 % 2 + 1)\n" }.joined(),
      flags: ["--clusters", "5"], says: ["5 clusters", "at most 2"]),
    .rescore(
      "too few to choose from", header + "a,2025-01-01,1\nb,2025-02-01,2\n",
      flags: ["--clusters", "auto"], says: ["2 different customers", "--clusters 2"]),
    .rescore(
      "a column is missing", "customer_id,date,amt\na,2025-01-01,1\n",
      says: ["ledger.csv", "\"amount\"", "customer_id, date, amt", "[ledger]"]),
    .fit(
      "fewer rows than clusters", flags: ["--clusters", "61"], says: ["61 clusters", "at most 60"]),
    .fit(
      "fewer different rows than clusters", features: "x", flags: ["--clusters", "20"],
      says: ["20 clusters", "at most 15"]),
    FailureCase(
      name: "a range beyond the rows", files: ["table.csv": Data(table.utf8)],
      arguments: ["select-k", "table.csv", "--features", "x,y", "--clusters", "2...90"],
      status: 65, says: ["90 clusters", "table.csv", "there are 60"]),
    .fit("no such column", features: "x,q", says: ["table.csv", "\"q\"", "id, x, y"]),
    .fit("a column twice", features: "x,x", status: 64, says: ["x twice"]),
    .fit(
      "a start with other rows", flags: ["--init", "start.csv"], files: ["start.csv": "x,y\n1,2\n"],
      says: ["start.csv", "1 rows", "3"]),
    .fit("a table without rows", "id,x,y\n", says: ["table.csv", "no rows"]),
  ]

  private static let bytes: [FailureCase] = [
    .rescore(
      "windows-1254 undeclared",
      bytes: Data(header.utf8) + Data([0x61, 0x2C, 0xDE, 0xFC]) + Data(",1\n".utf8),
      says: ["ledger.csv:2", "not UTF-8 at byte 26", "windows-1254"]),
    .rescore(
      "UTF-16 without a mark", bytes: ledger.data(using: .utf16LittleEndian)!,
      says: ["ledger.csv:1", "NUL byte", "encoding"]),
    .rescore("a NUL byte", ledger + "e\u{0},2025-01-01,1\n", says: ["ledger.csv:6", "NUL"]),
    .rescore(
      "an unknown encoding", flags: ["--encoding", "klingon"], status: 64,
      says: ["klingon", "iconv"]),
    .rescore(
      "a name twice", "customer_id,date,amount,amount\na,2025-01-01,1,2\n",
      says: ["ledger.csv:1", "“amount”"]),
    .rescore(
      "a column without a name", "customer_id,date,,amount\na,2025-01-01,1,2\n",
      says: ["ledger.csv:1", "column 3"]),
    .rescore(
      "names for another number of columns", "a;2025-01-01\n",
      flags: ["--no-header", "--column-names", "customer_id,date,amount"],
      says: ["ledger.csv:1", "2 fields", "3"]),
    .fit("a ragged row", table + "z,1\n", says: ["table.csv:62", "2 fields instead of 3"]),
    .fit("an open quote", table + "z,1,\"2\n", says: ["table.csv:62"]),
    .rescore(
      "gzip in name only", bytes: Data(ledger.utf8), file: "ledger.csv.gz",
      says: ["ledger.csv.gz", "gzip"]),
    .rescore(
      "a truncated gzip", bytes: truncatedGzip, file: "ledger.csv.gz",
      says: ["ledger.csv.gz", "gzip"]),
    .rescore(
      "Parquet in name only", bytes: Data(ledger.utf8), file: "ledger.parquet",
      says: ["ledger.parquet", "Parquet"]),
    .rescore(
      "a name without a format", bytes: Data(ledger.utf8), file: "ledger", status: 64,
      says: ["ledger", ".parquet", ".csv"]),
  ]

  /// The first bytes of a gzip member, cut inside its data.
  private static let truncatedGzip = Data([
    0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x4B, 0x2E, 0x2D, 0x2E,
  ])

  private static let places: [FailureCase] = [
    .rescore("no such ledger", flags: ["--ledger", "none.csv"], status: 66, says: ["none.csv"]),
    .rescore(
      "no file of the pattern", flags: ["--ledger", "none-*.csv"], status: 66,
      says: ["none-*.csv", "pattern"]),
    .rescore("no such model", flags: ["--model", "none.json"], status: 66, says: ["none.json"]),
    .rescore("no such run before", flags: ["--previous", "none"], status: 66, says: ["none"]),
    .rescore(
      "no such settings", flags: ["--config", "none.toml"], status: 66, says: ["none.toml"]),
    .rescore(
      "no such customers", flags: ["--customers", "none.csv"], status: 66, says: ["none.csv"]),
    .rescore(
      "no folder above", flags: ["--out", "no/such/out"], status: 73, says: ["no/such", "create"]),
    .rescore(
      "a file at its place", flags: ["--out", "ledger.csv"], status: 73, says: ["is a file"]),
    .rescore(
      "a dry run that could not write", flags: ["--out", "no/out", "--dry-run"], status: 73,
      says: ["no/out"]),
    .fit("a folder at its place", flags: ["--out", "."], status: 73, says: ["is a folder"]),
    .fit(
      "a file that is there", files: ["model.json": "{}"], status: 73,
      says: ["model.json", "--force"]),
    .fit(
      "two outputs, one name", flags: ["--labels", "./model.json"], status: 64, says: ["--labels"]),
    .fit(
      "labels in no format", flags: ["--labels", "labels.xyz"], status: 64,
      says: ["labels.xyz", ".parquet"]),
    FailureCase(name: "no such run", arguments: ["report", "none"], status: 66, says: ["none"]),
    FailureCase(
      name: "no runs to compare", arguments: ["compare", "a", "b"], status: 66, says: ["a:"]),
    FailureCase(
      name: "nothing to inspect", arguments: ["inspect", "none.csv"], status: 66, says: ["none.csv"]
    ),
  ]

  private static let words: [FailureCase] = [
    .rescore(
      "an unknown setting", settings: "[ledger]\namout = \"x\"", status: 78,
      says: ["settings.toml", "ledger.amout", "did you mean ledger.amount?"]),
    .rescore(
      "an unknown section", settings: "[cluster]\nclusters = \"4\"", status: 78,
      says: ["cluster.clusters", "did you mean clustering.clusters?"]),
    .rescore(
      "a setting far from all", settings: "[ledger]\nzzzzzzzz = 1", status: 78,
      says: ["ledger.zzzzzzzz", "config show"]),
    .rescore("a setting outside sections", settings: "seed = 1", status: 78, says: ["seed"]),
    .rescore(
      "text for a number", settings: "[run]\nthreads = \"x\"", status: 78,
      says: ["run.threads", "whole number"]),
    .rescore(
      "an unknown word", settings: "[ledger]\nrefunds = \"maybe\"", status: 78,
      says: ["ledger.refunds", "net, drop, error"]),
    .rescore("no TOML", settings: "[run\n", status: 78, says: ["settings.toml:1", "TOML"]),
    .rescore("a negative seed", settings: "[run]\nseed = -1", status: 78, says: ["run.seed"]),
    .rescore(
      "an unreadable format", settings: "[ledger]\ndate_format = \"yyyy-q\"", status: 78,
      says: ["ledger.date_format", "yyyy-q"]),
    .rescore(
      "a negative rate", settings: "[ledger.rates]\nTRY = -1", status: 78, says: ["ledger.rates"]),
    .rescore(
      "impossible tiers", settings: "[tiers]\nhigh = 0.9\nmid = 0.9", status: 78,
      says: ["tiers.high", "settings.toml"]),
    .rescore(
      "an impossible margin", settings: "[value]\nmargin = -2", status: 78, says: ["value.margin"]),
    .rescore(
      "an impossible overlap", settings: "[matching]\nminimum_jaccard = 7", status: 78,
      says: ["matching.minimum_jaccard"]),
    .rescore(
      "no starts", settings: "[clustering]\nn_init = 0", status: 78, says: ["clustering.n_init"]),
    FailureCase(
      name: "no segments", files: ["ledger.csv": Data(ledger.utf8)],
      arguments: ["rescore", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "out"],
      settings: "[clustering]\nclusters = \"many\"", status: 78,
      says: ["clustering.clusters", "many"]),
    .rescore(
      "a variable of the wrong kind", environment: ["TRANCHE_RUN_THREADS": "all"], status: 78,
      says: ["TRANCHE_RUN_THREADS", "whole number", "all"]),
    .rescore(
      "no number of segments", flags: ["--clusters", "0"], status: 64, says: ["--clusters 0"]),
    .rescore(
      "no day", flags: ["--as-of", "31.12.2025"], status: 64, says: ["--as-of", "2025-12-31"]),
    .rescore(
      "no such feature", flags: ["--features", "recencydays"], status: 64,
      says: ["recencydays", "did you mean recency_days?"]),
    .rescore(
      "no such score", flags: ["--columns", "segmnt"], status: 64,
      says: ["segmnt", "did you mean segment?"]),
    .rescore(
      "a column of the run before", flags: ["--columns", "move_reason"], status: 64,
      says: ["move_reason", "--previous"]),
    .rescore("nothing to refit", flags: ["--refit"], status: 64, says: ["--refit", "--model"]),
    .rescore("no threads", flags: ["--threads", "0"], status: 64, says: ["--threads 0", "1024"]),
    .rescore(
      "an unknown flag", flags: ["--cluster", "3"], status: 64, says: ["--cluster", "--help"]),
    .fit("no starts", flags: ["--n-init", "0"], status: 64, says: ["--n-init is 0"]),
    .fit(
      "no iterations", flags: ["--max-iterations", "0"], status: 64, says: ["--max-iterations"]),
    .fit("no clusters", flags: ["--clusters", "0"], status: 64, says: ["--clusters 0"]),
    .fit("no kernel", flags: ["--kernel", "zz"], status: 64, says: ["zz", "reference"]),
    .fit("no scale", flags: ["--scale", "zz"], status: 64, says: ["--scale zz", "robust"]),
    .fit("no algorithm", flags: ["--algorithm", "zz"], status: 64, says: ["zz", "lloyd"]),
    .fit(
      "bounds without a fused kernel", flags: ["--algorithm", "bounded", "--kernel", "gemm"],
      status: 64, says: ["'gemm' has no bounds", "lloyd"]),
    .fit("no start", flags: ["--init", "zz"], status: 64, says: ["--init zz", "random"]),
    FailureCase(
      name: "a range backwards", files: ["table.csv": Data(table.utf8)],
      arguments: ["select-k", "table.csv", "--features", "x,y", "--clusters", "4...2"],
      status: 64, says: ["4...2"]),
    FailureCase(name: "no such command", arguments: ["rescor"], status: 64, says: ["rescor"]),
    FailureCase(
      name: "no customers", arguments: ["generate", "--customers", "0", "--out", "bank"],
      status: 64, says: ["0"]),
  ]

  @Test(arguments: values + shapes + bytes + places + words) func endsInOneSentence(
    failure: FailureCase
  ) throws {
    let folder = try TemporaryFolder()
    for (name, data) in failure.files { try folder.write(name, bytes: data) }
    var arguments = failure.arguments
    if let settings = failure.settings {
      _ = try folder.write("settings.toml", settings + "\n")
      arguments += ["--config", "settings.toml"]
    }
    let before = try folder.listing()
    let result = try Tranche.run(arguments, in: folder, environment: failure.environment)
    expectSentence(result, status: failure.status, says: failure.says)
    #expect(try folder.listing() == before, "nothing is written")

    let json = try Tranche.run(arguments + ["--json"], in: folder, environment: failure.environment)
    #expect(json.status == failure.status)
    let object = try Tranche.object(json.output)
    #expect(object["schema"] as? String == "tranche.error.v1")
    let error = try #require(object["error"] as? [String: Any])
    #expect(error["code"] is String && error["message"] is String && error["hint"] is String)
  }

  /// A table that misses what the model was fitted on is told apart from one in another order.
  @Test func assignListsWhatTheModelMisses() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("table.csv", Self.table)
    try Tranche.json(
      ["fit", "table.csv", "--features", "x,y", "--clusters", "3", "--out", "m.json"], in: folder)
    _ = try folder.write("reordered.csv", "y,more,id,x\n1,2,r,3\n4,5,s,106\n")
    try Tranche.json(
      ["assign", "reordered.csv", "--id", "id", "--model", "m.json", "--out", "l.csv"], in: folder)
    let before = try folder.listing()
    func assign(_ table: String) throws -> ProcessResult {
      _ = try folder.write("reordered.csv", table)
      return try Tranche.run(
        ["assign", "reordered.csv", "--model", "m.json", "--out", "l2.csv"], in: folder)
    }
    expectSentence(
      try assign("id,z\n1,2\n"), status: 65, says: ["reordered.csv", "m.json", "x, y", "id, z"])
    expectSentence(
      try assign("id,x,y\n1,2,three\n"), status: 65, says: ["reordered.csv:2", "\"y\"", "three"])
    expectSentence(
      try assign("id,x,y\n1,2,3\n1,,3\n"), status: 65,
      says: ["reordered.csv:3", "\"x\"", "missing", "fit"])
    #expect(try folder.listing() == before)

    // A model that was changed, cut short, or is none.
    let model = String(decoding: try folder.data("m.json"), as: UTF8.self)
    for (text, says) in [
      (model.replacing("\"inertia\" : ", with: "\"inertia\" : 1"), "checksum"),
      (String(model.prefix(200)), "JSON"), ("{\"schema\":\"tranche.model.v9\"}", "v9"),
      ("", "JSON"),
    ] {
      _ = try folder.write("bad.json", text)
      expectSentence(
        try Tranche.run(
          ["assign", "table.csv", "--model", "bad.json", "--out", "l3.csv"], in: folder),
        status: 65, says: ["bad.json", says])
    }
  }

  /// What is lowered, dropped or noticed is said in the result.
  @Test func warningsAreInTheResult() throws {
    let folder = try TemporaryFolder()
    func fit(_ table: String, _ flags: [String]) throws -> [String: Any] {
      _ = try folder.write("table.csv", table)
      return try Tranche.json(
        ["fit", "table.csv", "--out", "m.json", "--force"] + flags, in: folder)
    }
    func warnings(_ result: [String: Any]) -> String {
      (result["warnings"] as? [String] ?? []).joined(separator: "\n")
    }
    let lowered = try fit(
      Self.table, ["--features", "x", "--clusters", "20", "--k-max-distinct"])
    #expect(lowered["k"] as? Int == 15 && (lowered["sizes"] as? [Int])?.count == 15)
    #expect(lowered["inertia"] as? Double ?? 1 < 1e-6)
    #expect(warnings(lowered).contains("20 clusters were asked for"))

    let constant = try fit(
      "id,x,c\n1,1,5\n2,2,5\n3,9,5\n", ["--features", "x,c", "--clusters", "2"])
    #expect(constant["d"] as? Int == 1 && warnings(constant).contains("c has one value only"))

    let twins = try fit(
      "id,x,c\n1,1,2\n2,2,4\n3,9,18\n4,5,10\n", ["--features", "x,c", "--clusters", "2"])
    #expect(warnings(twins).contains("x and c say the same"))

    let filled = try fit(
      "id,x\n1,1\n2,\n3,\n4,\n5,9\n",
      ["--features", "x", "--clusters", "2", "--missing", "median", "--max-missing", "0.6"])
    #expect(warnings(filled).contains("3 missing values of x are filled"))

    // One account a million times the others: winsorised, it does not take a cluster alone.
    let rows = (0..<2_000).map { "\($0),\($0 % 2 == 0 ? 10 + $0 % 7 : 100 + $0 % 9)\n" }.joined()
    let outlier = try fit(
      "id,x\n" + rows + "corporate,100000000\n",
      ["--features", "x", "--clusters", "2", "--winsorize", "0.001"])
    #expect((outlier["sizes"] as? [Int])?.min() == 1_000)
    #expect(warnings(outlier).contains("winsorising bounds"))
  }

  @Test(arguments: ["1", "4"]) func asManySegmentsAsCustomersOrOne(clusters: String) throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("ledger.csv", Self.ledger)
    let arguments = [
      "rescore", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "out", "--force",
    ]
    let result = try Tranche.json(arguments + ["--clusters", clusters], in: folder)
    #expect(result["k"] as? Int == Int(clusters))
    let lowered = try Tranche.json(
      arguments + ["--clusters", "9", "--k-max-distinct"], in: folder)
    #expect(lowered["k"] as? Int == 4)
  }
}
