import Foundation
import TestSupport
import Testing

/// What every command promises: streams, JSON, settings, dry runs, what is never overwritten.
@Suite struct CommandLineTests {
  private static let ledger = FailureCase.ledger
  private static let rescore = [
    "rescore", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "out", "--clusters", "2",
  ]

  private func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.write("ledger.csv", Self.ledger)
    _ = try folder.write("table.csv", FailureCase.table)
    return folder
  }

  @Test func everyCommandAnswersWithOneObject() throws {
    let folder = try folder()
    let fit = ["table.csv", "--features", "x,y"]
    let commands: [(name: String, arguments: [String])] = [
      ("rescore", Self.rescore), ("plan", Self.rescore + ["--dry-run", "--force"]),
      (
        "features",
        ["features", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "f.csv"]
      ),
      ("fit", ["fit"] + fit + ["--clusters", "3", "--out", "m.json"]),
      ("assign", ["assign", "table.csv", "--model", "m.json", "--out", "l.csv"]),
      ("select-k", ["select-k"] + fit + ["--clusters", "2...3"]),
      ("compare", ["compare", "out", "out"]), ("report", ["report", "out", "--out", "r.html"]),
      ("inspect", ["inspect", "ledger.csv"]),
      ("generate", ["generate", "--customers", "50", "--months", "2", "--out", "bank"]),
      ("doctor", ["doctor"]), ("config", ["config", "show"]), ("version", ["version"]),
    ]
    for (name, arguments) in commands {
      let result = try Tranche.run(arguments + ["--json"], in: folder)
      #expect(result.status == 0 && result.errors.isEmpty, "\(name): \(result.errors)")
      let object = try Tranche.object(result.output)
      #expect(object["schema"] as? String == "tranche.\(name).v1", "\(name)")
      if object["seconds"] != nil {
        let seconds = try #require(object["seconds"] as? [String: Double])
        #expect(seconds["total"] ?? -1 >= 0, "\(name)")
        #expect(object["threads"] is Int && object["peak_memory_bytes"] is Int, "\(name)")
      } else {
        // Nothing is computed.
        #expect(["plan", "inspect", "doctor", "config", "version"].contains(name), "\(name)")
      }
    }
  }

  @Test func fitTellsWhatTheContractNames() throws {
    let folder = try folder()
    let result = try Tranche.json(
      ["fit", "table.csv", "--features", "x,y", "--clusters", "3", "--out", "m.json"], in: folder)
    for key in [
      "n", "d", "k", "iterations", "converged", "inertia", "sizes", "kernel", "algorithm",
      "threads", "peak_memory_bytes", "warnings",
    ] {
      #expect(result[key] != nil, "\(key)")
    }
    let seconds = try #require(result["seconds"] as? [String: Double])
    #expect(
      Set(["read", "prepare", "init", "iterate", "write", "total"]).isSubset(of: seconds.keys))
    let model = try folder.object("m.json")
    for key in [
      "features", "centroids", "centroids_original", "segments", "inertia", "seed", "checksum",
    ] {
      #expect(model[key] != nil, "\(key)")
    }
  }

  /// Bounds are a way to the same model, byte for byte.
  @Test func boundedFitsTheSameModel() throws {
    let folder = try folder()
    for algorithm in ["lloyd", "bounded"] {
      let fit = try Tranche.json(
        [
          "fit", "table.csv", "--features", "x,y", "--clusters", "3", "--out", "\(algorithm).json",
          "--algorithm", algorithm, "--labels", "\(algorithm).csv", "--kernel", "fused",
        ], in: folder)
      #expect(fit["algorithm"] as? String == algorithm)
    }
    for file in ["json", "csv"] {
      let lloyd = try Data(contentsOf: folder.url.appendingPathComponent("lloyd.\(file)"))
      let bounded = try Data(contentsOf: folder.url.appendingPathComponent("bounded.\(file)"))
      #expect(lloyd == bounded && !lloyd.isEmpty)
    }
  }

  @Test func resultsGoToStdoutTalkToStderr() throws {
    let folder = try folder()
    let spoken = try Tranche.run(Self.rescore + ["--progress", "always"], in: folder)
    #expect(spoken.status == 0)
    let lines = spoken.output.split(separator: "\n")
    #expect(lines.count <= 15 && lines.last?.hasSuffix("out/report.html") == true)
    #expect(spoken.errors.contains("read ledger"))
    let quiet = try Tranche.run(Self.rescore + ["--quiet", "--force"], in: folder)
    #expect(quiet.status == 0 && quiet.output.isEmpty && quiet.errors.isEmpty)
    // No terminal, no bar.
    let plain = try Tranche.run(Self.rescore + ["--force"], in: folder)
    #expect(plain.errors.isEmpty)
  }

  @Test func aResultThatCannotBeToldIsAFailure() throws {
    let full = try Shell.run(
      URL(fileURLWithPath: "/bin/sh"), ["-c", "\"$0\" version > /dev/full", Tranche.binary.path])
    #expect(full.status == 74 && full.errors.contains("standard output"))
    let cut = try Shell.run(
      URL(fileURLWithPath: "/bin/sh"),
      ["-c", "\"$0\" config show | head -n 1", Tranche.binary.path])
    #expect(cut.status == 0 && cut.errors.isEmpty)
  }

  @Test func dryRunsWriteNothing() throws {
    let folder = try folder()
    let before = try folder.listing()
    let plan = try Tranche.json(
      Self.rescore + ["--dry-run", "--columns", "segment_id,frequency"], in: folder)
    #expect(try folder.listing() == before)
    #expect(plan["columns_read"] as? [String] == ["customer_id", "date", "amount"])
    #expect((plan["writes"] as? [String])?.last == "manifest.json")
    let text = try Tranche.run(Self.rescore + ["--dry-run"], in: folder)
    #expect(text.output.hasSuffix("nothing was written\n"))
  }

  @Test func replacesOnlyWhenForced() throws {
    let folder = try folder()
    try FileManager.default.createDirectory(
      at: folder.url.appendingPathComponent("out"), withIntermediateDirectories: false)
    // An empty folder is as good as none.
    try Tranche.json(Self.rescore, in: folder)
    let manifest = try folder.data("out/manifest.json")
    let listing = try folder.listing()
    expectSentence(
      try Tranche.run(Self.rescore, in: folder), status: 73, says: ["out", "not empty", "--force"])
    // A run that fails half way, after the lock was taken.
    _ = try folder.write("broken.csv", Self.ledger + "a,2025-01-01,1.234\n")
    expectSentence(
      try Tranche.run(
        ["rescore", "--ledger", "broken.csv"] + Self.rescore.dropFirst(3) + ["--force"], in: folder),
      status: 65, says: ["broken.csv:6"])
    #expect(try folder.data("out/manifest.json") == manifest)
    #expect(try folder.listing() == listing.union(["broken.csv"]))
    _ = try folder.write("out/stray.txt", "not of a run")
    try Tranche.json(Self.rescore + ["--force"], in: folder)
    #expect(try folder.listing() == listing.union(["broken.csv"]), "the new output, whole")

    try Tranche.json(
      ["features", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--out", "f.csv"], in: folder)
    for more in [["--out", "f.csv"], ["--out", "g.csv", "--quarantine", "f.csv"]] {
      expectSentence(
        try Tranche.run(
          ["features", "--ledger", "ledger.csv", "--as-of", "2025-12-31"] + more, in: folder),
        status: 73, says: ["f.csv", "--force"])
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("g.csv")))
  }

  @Test func settingsKnowWhereTheyComeFrom() throws {
    let folder = try folder()
    _ = try folder.write(
      "s.toml",
      "[run]\nseed = 4\nthreads = 1\n[tiers]\nhigh = 0.3\nby = \"clv_simple\"\n[offers.segments]\nS01 = \"card\"\n"
    )
    let environment = ["TRANCHE_TIERS_HIGH": "0.1", "TRANCHE_RUN_THREADS": "2"]
    let shown = try Tranche.run(
      ["config", "show", "--origin", "--config", "s.toml", "--threads", "3"], in: folder,
      environment: environment)
    #expect(shown.status == 0)
    for line in [
      "run.threads = 3  # flag --threads", "run.seed = 4  # file s.toml",
      "tiers.high = 0.1  # environment TRANCHE_TIERS_HIGH", "tiers.mid = 0.3  # default",
      "ledger.date_format = (none)  # not set",
      "offers.segments = { \"S01\" = \"card\" }  # file s.toml",
    ] {
      #expect(shown.output.contains(line + "\n"), "\(line)")
    }
    // They reach the run: a tenth of high value instead of a fifth, and the seed.
    let many = (0..<100).map { "c\($0),2025-0\($0 % 9 + 1)-01,\($0 * $0 + 1)\n" }.joined()
    _ = try folder.write("ledger.csv", FailureCase.header + many)
    try Tranche.json(Self.rescore + ["--config", "s.toml"], in: folder, environment: environment)
    #expect(try folder.object("out/manifest.json")["seed"] as? Int == 4)
    let high = try Shell.python(
      "import sys, pyarrow.parquet as pq; t = pq.read_table(sys.argv[1]); "
        + "print(t['tier'].to_pylist().count('high'), sorted({str(o) for o in t['offer'].to_pylist()}))",
      [folder.path("out/scores.parquet")])
    #expect(high == "10 ['None', 'card']\n")
  }

  /// What `inspect` prints reads the file as it is.
  @Test func inspectedSettingsReadTheFile() throws {
    let folder = try TemporaryFolder()
    // "müşteri;işlem tarihi;tutar" in windows-1254.
    let head = Data([0x6D, 0xFC, 0xFE, 0x74, 0x65, 0x72, 0x69]) + Data(";tarih;tutar\n".utf8)
    let rows = "0001;31.12.2024;1.234,56\n0002;15.01.2025;12,00\n0001;16.02.2025;-3,06\n"
    try folder.write("bank.csv", bytes: head + Data(rows.utf8))
    let cases: [(path: String, sum: Double, customers: Int, asOf: String)] = [
      ("bank.csv", 1243.5, 2, "2025-12-31"),
      (
        Repository.data.appendingPathComponent("CDNOW_master.txt").path, 2_500_315.63, 23_570,
        "1998-06-30"
      ),
    ]
    for (index, known) in cases.enumerated() {
      let inspected = try Tranche.run(["inspect", known.path], in: folder)
      #expect(inspected.status == 0)
      let lines = inspected.output.components(separatedBy: "settings that read it:\n")
      _ = try folder.write("found.toml", try #require(lines.last))
      let result = try Tranche.json(
        [
          "features", "--ledger", known.path, "--config", "found.toml", "--as-of", known.asOf,
          "--features", "monetary", "--out", "f\(index).csv",
        ], in: folder)
      #expect(result["customers"] as? Int == known.customers)
      let text = String(decoding: try folder.data("f\(index).csv"), as: UTF8.self)
      let sum = text.split(separator: "\n").dropFirst().reduce(0.0) {
        $0 + (Double($1.split(separator: ",")[1]) ?? .nan)
      }
      #expect(abs(sum - known.sum) < 1e-6)
    }
  }

  @Test func speaksOfItself() throws {
    #expect(try Tranche.run(["--version"]).output.split(separator: ".").count == 3)
    let help = try Tranche.run(["--help"])
    #expect(help.status == 0)
    for command in [
      "rescore", "features", "fit", "assign", "select-k", "compare", "report", "inspect",
      "generate", "doctor", "config",
    ] {
      #expect(help.output.contains("  \(command) "), "\(command)")
      let own = try Tranche.run([command, "--help"])
      #expect(own.status == 0 && own.output.contains("USAGE: tranche \(command)"), "\(command)")
    }
    let doctor = try Tranche.run(["doctor"])
    #expect(doctor.status == 0 && !doctor.output.contains("BAD "))
    let nowhere = try Tranche.run(["doctor", "--folder", "/no/such/folder"])
    #expect(nowhere.status == 69 && nowhere.output.contains("BAD  disk"))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func completionScripts(shell: String) throws {
    let script = try Tranche.run(["--generate-completion-script", shell])
    #expect(script.status == 0)
    for word in ["rescore", "select-k", "--as-of", "--k-max-distinct"] {
      #expect(script.output.contains(word.drop { $0 == "-" }), "\(word)")
    }
    guard shell == "bash" else { return }
    let folder = try TemporaryFolder()
    let path = try folder.write("completion.bash", script.output)
    #expect(try Shell.run(URL(fileURLWithPath: "/bin/bash"), ["-n", path]).status == 0)
  }

  /// Neither the locale nor the clock's zone nor the home folder changes a byte.
  @Test func theEnvironmentChangesNothing() throws {
    let folder = try folder()
    try Tranche.json(Self.rescore, in: folder)
    let files = ["scores.parquet", "model.json", "segments.json", "quality.json", "report.html"]
    let usual = try files.map { try folder.data("out/\($0)") }
    for environment in [
      ["LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"], ["TZ": "Pacific/Kiritimati"],
      ["HOME": "/no/such/home", "TMPDIR": "/no/such/folder"], ["OPENBLAS_NUM_THREADS": "7"],
    ] {
      try Tranche.json(Self.rescore + ["--force"], in: folder, environment: environment)
      #expect(try files.map { try folder.data("out/\($0)") } == usual, "\(environment)")
    }
  }
}
