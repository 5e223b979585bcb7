import Foundation
import TestSupport
import Testing

/// Tables of unusual shapes, and what must not depend on how rows lie in files.
@Suite struct ShapeTests {
  /// Rows cut into files and row groups in other ways are the same rows.
  @Test func filesAndRowGroupsDoNotMatter() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 3_000, in: folder)
    try Shell.python(
      """
      import os, sys, pyarrow as pa, pyarrow.parquet as pq, glob
      os.chdir(sys.argv[1])
      table = pa.concat_tables([pq.read_table(f) for f in sorted(glob.glob("bank/ledger-*.parquet"))])
      pq.write_table(table, "one.parquet", row_group_size=len(table))
      pq.write_table(table, "tiny.parquet", row_group_size=7)
      os.mkdir("many")
      for i, start in enumerate(range(0, len(table), 2999)):
        pq.write_table(table.slice(start, 2999), f"many/part-{i:04}.parquet", compression="snappy")
      """, [folder.url.path])
    let files = ["scores.parquet", "model.json", "segments.json", "quality.json"]
    var first: [Data] = []
    for ledger in ["bank/ledger-*.parquet", "one.parquet", "tiny.parquet", "many"] {
      try Tranche.json(
        [
          "rescore", "--ledger", ledger, "--as-of", "2025-12-31", "--out", "out", "--clusters", "4",
          "--no-report", "--force",
        ], in: folder)
      let data = try files.map { try folder.data("out/\($0)") }
      if first.isEmpty { first = data } else { #expect(data == first, "\(ledger)") }
    }
  }

  @Test func aThousandFeaturesAndOne() throws {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
      random = np.random.default_rng(0)
      kind = random.integers(0, 4, 600)
      x = random.normal(size=(4, 1000))[kind] * 3 + random.normal(size=(600, 1000))
      pq.write_table(pa.table({"id": np.arange(600), "kind": kind, **{f"f{j}": x[:, j] for j in range(1000)}}), sys.argv[1])
      """, [folder.path("wide.parquet")])
    let names = (0..<1_000).map { "f\($0)" }.joined(separator: ",")
    let wide = try Tranche.json(
      [
        "fit", "wide.parquet", "--features", names, "--clusters", "4", "--n-init", "3", "--out",
        "m.json", "--labels", "l.csv",
      ], in: folder)
    #expect(wide["d"] as? Int == 1_000)
    let one = try Tranche.json(
      ["fit", "wide.parquet", "--features", "f7", "--clusters", "4", "--out", "one.json"],
      in: folder)
    #expect(one["d"] as? Int == 1)
    try Shell.python(
      """
      import sys, numpy as np, pyarrow.parquet as pq
      from sklearn.metrics import adjusted_rand_score
      labels = np.loadtxt(sys.argv[2], delimiter=",", skiprows=1, usecols=1)
      assert adjusted_rand_score(pq.read_table(sys.argv[1])["kind"], labels) == 1
      """, [folder.path("wide.parquet"), folder.path("l.csv")])
  }

  /// A weight of w is w copies of the row; the scale of all weights says nothing.
  @Test func weightsAreCopies() throws {
    let folder = try TemporaryFolder()
    var (weighted, heavier, copied) = ("id,x,y,w\n", "id,x,y,w\n", "id,x,y\n")
    for row in 0..<300 {
      let weight = row % 3 + 1
      let values = "\(row),\(row * 37 % 101),\(row * 53 % 97)"
      weighted += "\(values),\(weight)\n"
      heavier += "\(values),\(weight * 64)\n"
      copied += String(repeating: values + "\n", count: weight)
    }
    _ = try folder.write("weighted.csv", weighted)
    _ = try folder.write("heavier.csv", heavier)
    _ = try folder.write("copied.csv", copied)
    _ = try folder.write("start.csv", "x,y\n10,10\n90,10\n50,90\n")
    func fit(_ table: String, _ flags: [String]) throws -> (
      inertia: Double, labels: Data, k: [[Double]]
    ) {
      let result = try Tranche.run(
        [
          "fit", table, "--features", "x,y", "--clusters", "3", "--scale", "none", "--init",
          "start.csv", "--tolerance", "0", "--out", "m.json", "--labels", "l.csv", "--force",
          "--json",
        ] + flags, in: folder)
      // Foundation's JSON reader is off by a last bit now and then; the text is exact.
      let inertia = try #require(result.output.firstMatch(of: /"inertia" : ([0-9.e+]+)/)?.1)
      return (
        try #require(Double(inertia)), try folder.data("l.csv"),
        try #require(try folder.object("m.json")["centroids_original"] as? [[Double]])
      )
    }
    let plain = try fit("weighted.csv", ["--weight", "w"])
    let scaled = try fit("heavier.csv", ["--weight", "w"])
    let copies = try fit("copied.csv", [])
    // A power of two: to the bit.
    #expect(scaled.labels == plain.labels && scaled.k == plain.k)
    #expect(scaled.inertia == plain.inertia * 64)
    // Unscaled samples are stored less of their mean, which copies move: rounded elsewhere, by 2⁻²⁴.
    #expect(abs(copies.inertia / plain.inertia - 1) < 1e-7)
    for (ours, theirs) in zip(plain.k.joined(), copies.k.joined()) {
      #expect(abs(ours - theirs) < 1e-4)
    }
  }

  /// A run before that cannot be used is said, and the run goes on; a model that does not fit ends it.
  @Test func earlierRunsThatDoNotFit() throws {
    let folder = try TemporaryFolder()
    let rows = FailureCase.ledger.split(separator: "\n").dropFirst()
    _ = try folder.write(
      "channels.csv",
      "customer_id,date,amount,channel\n"
        + rows.enumerated().map { "\($1),\($0 % 2 == 0 ? "atm" : "pos")\n" }.joined())
    _ = try folder.write("plain.csv", FailureCase.ledger)
    _ = try folder.write("table.csv", FailureCase.table)
    func rescore(_ ledger: String, _ flags: [String]) throws -> ProcessResult {
      try Tranche.run(
        ["rescore", "--ledger", ledger, "--as-of", "2025-12-31", "--json"] + flags, in: folder)
    }
    let first = try rescore(
      "channels.csv",
      ["--out", "first", "--clusters", "2", "--features", "average_amount,share_atm"])
    #expect(first.status == 0, "\(first.errors)")

    try FileManager.default.createDirectory(
      at: folder.url.appendingPathComponent("empty"), withIntermediateDirectories: false)
    let alone = try Tranche.object(
      try rescore(
        "channels.csv", ["--out", "second", "--model", "first/model.json", "--previous", "empty"]
      ).output)
    let warnings = try #require(alone["warnings"] as? [String])
    #expect(warnings.contains { $0.contains("previous run is not used") && $0.contains("empty") })

    let before = try folder.listing()
    let channel = try rescore("plain.csv", ["--out", "third", "--model", "first/model.json"])
    #expect(channel.status == 65 && channel.errors.contains("share_atm"))
    let count = try rescore(
      "channels.csv", ["--out", "third", "--model", "first/model.json", "--clusters", "3"])
    #expect(count.status == 64 && count.errors.contains("--clusters 3"))
    #expect(try folder.listing() == before)
    try Tranche.json(
      ["fit", "table.csv", "--features", "x,y", "--clusters", "2", "--out", "m.json"], in: folder)
    let foreign = try rescore("plain.csv", ["--out", "third", "--model", "m.json"])
    #expect(foreign.status == 65 && foreign.errors.contains("\"x\""))
  }
}
