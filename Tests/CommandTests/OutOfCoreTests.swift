import Foundation
import TestSupport
import Testing

/// `fit` and `assign` over files larger than `--memory`: the same bytes, within the budget.
@Suite(.serialized) struct OutOfCoreTests {
  /// n rows of d features in `table.parquet`; some rows lie far out, so that bounds and medians
  /// matter.
  private func folder(rows: Int, d: Int, groups: Int, csv: Bool = false) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, numpy as np, pyarrow as pa, pyarrow.csv as pc, pyarrow.parquet as pq
      n, d, group, out, csv = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
      r = np.random.default_rng(7)
      columns = {"id": pa.array([f"c{i:08}" for i in range(n)])}
      kind = r.integers(0, 6, n)
      for j in range(d):
        place = r.normal(size=6) * 5
        columns[f"f{j}"] = np.round(place[kind] + r.standard_t(4, n) + 10 * j, 6)
      columns["w"] = r.integers(0, 3, n)
      table = pa.table(columns)
      pq.write_table(table, out + "/table.parquet", row_group_size=group)
      if csv == "1": pc.write_csv(table, out + "/table.csv")
      """, ["\(rows)", "\(d)", "\(groups)", folder.url.path, csv ? "1" : "0"])
    return folder
  }

  /// Texts such as 1.234 would be ambiguous.
  private static let point = ["TRANCHE_LEDGER_DECIMAL_MARK": "."]

  private func names(_ d: Int) -> String { (0..<d).map { "f\($0)" }.joined(separator: ",") }

  /// A run's model and labels, and what it said.
  private func fit(
    _ table: String, _ flags: [String], in folder: TemporaryFolder
  ) throws -> (said: [String: Any], files: [Data]) {
    let said = try Tranche.json(
      ["fit", table, "--out", "m.json", "--labels", "l.parquet", "--force"] + flags, in: folder,
      environment: Self.point)
    return (said, [try folder.data("m.json"), try folder.data("l.parquet")])
  }

  /// 300,000 × 24 samples are 29 MB, so a budget just above the fixed part does not hold them.
  @Test func sameBytesAsInMemory() throws {
    let folder = try folder(rows: 300_000, d: 24, groups: 40_001)
    let common = ["--features", names(24), "--clusters", "5", "--seed", "4"]
    let cases: [[String]] = [
      [], ["--weight", "w"], ["--init", "k-means-parallel", "--n-init", "2"],
      ["--init", "random", "--scale", "none", "--max-iterations", "7"],
      ["--algorithm", "mini-batch"], ["--scale", "log-standard", "--missing", "0"],
      ["--scale", "robust", "--winsorize", "0.01", "--max-iterations", "5"],
      ["--components", "3", "--max-iterations", "5"],
    ]
    for flags in cases {
      let inMemory = try fit("table.parquet", common + flags, in: folder)
      #expect(inMemory.said["spilled"] as? Bool == false)
      for threads in ["1", "3"] {
        let (budget, _) = try smallest("table.parquet", common + flags, threads, in: folder)
        let spilled = try fit(
          "table.parquet",
          common + flags + ["--threads", threads, "--memory", "\(budget + 24)MiB"], in: folder)
        #expect(spilled.files == inMemory.files, "\(flags), \(threads) threads")
        if flags.isEmpty || flags == ["--algorithm", "mini-batch"] {
          #expect(spilled.said["spilled"] as? Bool == true, "\(flags), \(threads) threads")
        }
      }
    }
    #expect(try folder.listing() == ["table.parquet", "m.json", "l.parquet"])
  }

  /// The figure that a refusal names, in MiB, and the refusal.
  private func smallest(
    _ table: String, _ flags: [String], _ threads: String = "3", in folder: TemporaryFolder
  ) throws -> (mebibytes: Int, refusal: ProcessResult) {
    let refused = try Tranche.run(
      ["fit", table, "--out", "n.json", "--memory", "1MiB", "--threads", threads] + flags,
      in: folder)
    let figure = try #require(
      refused.errors.firstMatch(of: /at least (\d+)MiB/)?.1, "\(refused.errors)")
    return (try #require(Int(figure)), refused)
  }

  @Test func textIsParsedAgainAndGivesTheSame() throws {
    let folder = try folder(rows: 120_000, d: 12, groups: 50_000, csv: true)
    let flags = ["--features", names(12), "--clusters", "4", "--max-iterations", "6"]
    let fromParquet = try fit("table.parquet", flags, in: folder)
    let fromText = try fit("table.csv", flags, in: folder)
    let (budget, _) = try smallest("table.csv", flags, in: folder)
    let spilled = try fit(
      "table.csv", flags + ["--threads", "3", "--memory", "\(budget + 2)MiB"], in: folder)
    #expect(fromText.files == fromParquet.files)
    #expect(spilled.files == fromParquet.files)
    #expect(spilled.said["spilled"] as? Bool == true)
  }

  /// A budget that cannot do is refused before anything is read, and naming what it takes; that
  /// figure then does.
  @Test func tooLittleIsRefusedByFigure() throws {
    let folder = try folder(rows: 20_000, d: 4, groups: 20_000)
    let flags = ["--features", names(4), "--clusters", "3"]
    let before = try folder.listing()
    let (needed, refused) = try smallest("table.parquet", flags, in: folder)
    expectSentence(refused, status: 78, says: ["--memory 1MiB", "at least \(needed)MiB"])
    #expect(try folder.listing() == before)
    try Tranche.json(
      ["fit", "table.parquet", "--out", "m.json", "--memory", "\(needed)MiB", "--threads", "3"]
        + flags, in: folder)
    expectSentence(
      try Tranche.run(
        ["assign", "table.parquet", "--model", "m.json", "--out", "a.csv", "--memory", "2MiB"],
        in: folder), status: 78, says: ["--memory 2MiB", "at least"])
    for size in ["lots", "-1GiB", "0", "4 parsecs", "inf"] {
      expectSentence(
        try Tranche.run(
          ["fit", "table.parquet", "--out", "n.json", "--memory=\(size)"] + flags, in: folder),
        status: 64, says: ["--memory", "4GiB"])
    }
    expectSentence(
      try Tranche.run(
        ["fit", "-", "--out", "n.json", "--memory", "1GiB"] + flags, in: folder,
        environment: [:], input: Data("id,f0,f1,f2,f3\n1,2,3,4,5\n".utf8)), status: 64,
      says: ["standard input", "file"])
    // Nothing but the first model appeared.
    #expect(try folder.listing() == before.union(["m.json"]))
  }

  /// Resident memory of real processes on samples five times the room that the budget leaves.
  @Test func staysWithinTheBudget() throws {
    let (rows, d) = (3_000_000, 16)
    let folder = try folder(rows: rows, d: d, groups: 500_000)
    let flags = ["--features", names(d), "--clusters", "6", "--max-iterations", "4"]
    let (needed, _) = try smallest("table.parquet", flags, in: folder)
    let budget = (needed + 32) << 20
    #expect(rows * d * 4 > 5 * (32 << 20))
    for extra in [[], ["--algorithm", "mini-batch"]] {
      let said = try Tranche.json(
        [
          "fit", "table.parquet", "--out", "m.json", "--labels", "l.parquet", "--force",
          "--memory", "\(budget)", "--threads", "3",
        ] + flags + extra, in: folder)
      let peak = try #require(said["peak_memory_bytes"] as? Int)
      #expect(said["spilled"] as? Bool == true)
      #expect(peak <= budget + budget / 10, "\(extra): \(peak >> 20) of \(budget >> 20) MiB")
    }
    let said = try Tranche.json(
      [
        "assign", "table.parquet", "--model", "m.json", "--out", "a.parquet", "--memory",
        "\(budget)", "--threads", "3",
      ], in: folder)
    let peak = try #require(said["peak_memory_bytes"] as? Int)
    #expect(peak <= budget + budget / 10, "assign: \(peak >> 20) of \(budget >> 20) MiB")
    #expect(try folder.data("a.parquet") == folder.data("l.parquet"))
  }
}
