import Foundation
import TestSupport
import Testing

/// Two months of a synthetic bank: what must hold for every run.
@Suite struct BankTests {
  /// A bank of `customers` in the folder `bank`, with some rows that must be set aside.
  static func bank(customers: Int = 20_000, in folder: TemporaryFolder) throws {
    try Tranche.json(
      ["generate", "--customers", "\(customers)", "--seed", "5", "--out", "bank"], in: folder)
  }

  private static let november = [
    "rescore", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-11-30", "--out", "nov",
    "--clusters", "6",
  ]

  @Test func twoMonthsAndARefitHoldTheInvariants() throws {
    let folder = try TemporaryFolder()
    try Self.bank(in: folder)
    try Tranche.json(Self.november + ["--customers", "bank/customers.parquet"], in: folder)
    let month = ["rescore", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-12-31"]
    let previous = ["--model", "nov/model.json", "--previous", "nov"]
    let december = try Tranche.json(month + ["--out", "dec"] + previous, in: folder)
    try Tranche.json(month + ["--out", "refit", "--refit"] + previous, in: folder)
    #expect(december["stability"] as? Double ?? 0 > 0.5)
    try Shell.python(Self.invariants, [folder.url.path])
    // A frozen model is taken over as it is.
    #expect(try folder.data("dec/model.json") == folder.data("nov/model.json"))

    let compared = try Tranche.json(["compare", "nov", "dec"], in: folder)
    let migration = try folder.object("dec/migration.json")
    #expect(compared["counts"] as? [[Int]] == migration["counts"] as? [[Int]])
    #expect(compared["stability"] as? Double == migration["stability"] as? Double)

    // The report can be written again from the folder alone.
    try Tranche.json(["report", "dec", "--out", "again.html", "--language", "tr"], in: folder)
    let again = String(decoding: try folder.data("again.html"), as: UTF8.self)
    #expect(again.contains("lang=\"tr\""))
  }

  @Test func sameBytesOnAnyNumberOfThreadsAndForAnyOrderOfFiles() throws {
    let folder = try TemporaryFolder()
    try Self.bank(in: folder)
    let files = ["scores.parquet", "model.json", "segments.json", "quality.json"]
    var first: [String: Data] = [:]
    for threads in [1, 2, 3, 8] {
      try Tranche.json(Self.november + ["--force", "--threads", "\(threads)"], in: folder)
      for file in files + ["report.html"] {
        let data = try folder.data("nov/\(file)")
        if let known = first[file] {
          #expect(data == known, "\(file) on \(threads) threads")
        } else {
          first[file] = data
        }
      }
    }
    let months = (1...12).map { "bank/ledger-2025-\($0 < 10 ? "0" : "")\($0).parquet" }
    let order = [7, 2, 11, 0, 9, 4, 1, 10, 3, 8, 5, 6].map { months[$0] }
    try Tranche.json(
      ["rescore", "--ledger"] + order + [
        "--as-of", "2025-11-30", "--out", "nov", "--clusters", "6", "--force",
      ], in: folder)
    for file in files {
      #expect(try folder.data("nov/\(file)") == first[file], "\(file), files in another order")
    }
  }

  @Test func writesTheAskedColumnsAndNoOthers() throws {
    let folder = try TemporaryFolder()
    try Self.bank(customers: 2_000, in: folder)
    try Tranche.json(Self.november, in: folder)
    let columns = "segment_id,tier,frequency,share_atm,distance"
    try Tranche.json(
      Self.november.dropLast(3) + [
        "few", "--clusters", "6", "--no-report", "--columns", columns,
      ], in: folder)
    try Shell.python(Self.columns, [folder.url.path, columns])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path("few")).sorted() == [
        "manifest.json", "model.json", "quality.json", "quarantine.parquet", "scores.parquet",
        "segments.json",
      ])
  }

  /// What a pipe brings is read once: not for a hash beside it, and never for a state.
  @Test func aLedgerMayComeThroughAPipe() throws {
    let folder = try TemporaryFolder()
    try Self.bank(customers: 500, in: folder)
    try Shell.python(
      """
      import json, os, subprocess, sys
      import pyarrow as pa, pyarrow.csv as c, pyarrow.parquet as pq
      binary, folder = sys.argv[1:]
      os.chdir(folder)
      c.write_csv(pa.concat_tables(pq.read_table(f"bank/ledger-2025-{m:02}.parquet") for m in (1, 2, 3)), "file.csv")
      os.mkfifo("pipe.csv")
      def run(ledger, *more):
        return subprocess.run([binary, "rescore", "--ledger", ledger, "--as-of", "2025-03-31",
          "--clusters", "3", "--out", ledger[:4], *more], capture_output=True, text=True, timeout=60)
      def piped(*more):
        writer = subprocess.Popen(["sh", "-c", "exec cat file.csv > pipe.csv"])
        try: return run("pipe.csv", *more)
        finally: writer.kill()
      for p in (run("file.csv"), piped()): assert p.returncode == 0, p
      assert open("file/scores.parquet", "rb").read() == open("pipe/scores.parquet", "rb").read()
      assert json.load(open("pipe/manifest.json"))["inputs"] == [{"bytes": 0, "path": "pipe.csv", "sha256": ""}]
      p = piped("--force", "--state", "state")
      assert p.returncode == 64 and "pipe.csv" in p.stderr and p.stderr.count("\\n") == 1, p
      assert not os.path.exists("state")
      """, [Tranche.binary.path, folder.url.path])
  }

  /// Ids that are text in a CSV file are numbers where the ledger's are.
  @Test func customersMayComeAsText() throws {
    let folder = try TemporaryFolder()
    try Self.bank(customers: 500, in: folder)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq, pyarrow.csv as c
      c.write_csv(pq.read_table(sys.argv[1] + "/bank/customers.parquet"), sys.argv[1] + "/customers.csv")
      """, [folder.url.path])
    try Tranche.json(Self.november + ["--customers", "bank/customers.parquet"], in: folder)
    let quality = try folder.data("nov/quality.json")
    let scores = try folder.data("nov/scores.parquet")
    try Tranche.json(Self.november + ["--force", "--customers", "customers.csv"], in: folder)
    #expect(try folder.data("nov/quality.json") == quality)
    #expect(try folder.data("nov/scores.parquet") == scores)
  }

  private static let columns = """
    import sys, pyarrow.parquet as pq
    folder, names = sys.argv[1], ["customer_id"] + sys.argv[2].split(",")
    few = pq.read_table(folder + "/few/scores.parquet")
    assert few.column_names == names, few.column_names
    assert few.equals(pq.read_table(folder + "/nov/scores.parquet").select(names))
    """

  private static let invariants = """
    import sys, os, json, glob, hashlib, numpy as np, duckdb, polars, pyarrow.parquet as pq
    os.chdir(sys.argv[1])
    db = duckdb.connect()
    one = lambda q: db.execute(q).fetchone()
    load = lambda name: json.load(open(name))
    for run, day in (("nov", "2025-11-30"), ("dec", "2025-12-31"), ("refit", "2025-12-31")):
      scores = f"{run}/scores.parquet"
      t = pq.read_table(scores)
      n = t.num_rows
      # Rows: what was read is what was scored, set aside or left out; one row a customer.
      quality = load(f"{run}/quality.json")
      rows, valid, ids = one(f"select count(*), count(*) filter (date <= '{day}'), count(distinct customer_id) filter (date <= '{day}') from 'bank/ledger-*.parquet'")
      assert quality["read"] == rows == quality["scored"] + quality["quarantined"] + quality["excluded"]
      assert quality["scored"] == valid and quality["reasons"].get("future_date", 0) == rows - valid
      assert quality["quarantined"] == one(f"select count(*) from '{run}/quarantine.parquet'")[0]
      assert ids == n == len(set(t["customer_id"].to_pylist()))
      assert one(f"select sum(frequency) from '{scores}'")[0] == valid
      assert one(f"select sum(monetary::decimal(18,2)) from '{scores}'") == one(f"select sum(amount::decimal(18,2)) from 'bank/ledger-*.parquet' where date <= '{day}'")
      # Three readers, the same table.
      assert duckdb.sql(f"select * from '{scores}'").to_arrow_table().num_rows == n
      p = polars.read_parquet(scores)
      assert p.columns == t.column_names and p.height == n
      assert p["segment"].to_numpy().tolist() == t["segment"].to_pylist()
      # Labels: the nearest centroid, from the model file alone.
      model = load(f"{run}/model.json")
      x = np.column_stack([t[f["name"]].to_numpy(zero_copy_only=False).astype(float) for f in model["features"]])
      z = np.empty_like(x)
      for j, f in enumerate(model["features"]):
        v = x[:, j].copy()
        if f.get("fill") is not None: v[~np.isfinite(v)] = f["fill"]
        if f.get("lower") is not None: v = np.maximum(v, f["lower"])
        if f.get("upper") is not None: v = np.minimum(v, f["upper"])
        if f["log"]: v = np.sign(v) * np.log1p(np.abs(v))
        z[:, j] = (v - f["center"]) / f["scale"]
      centers = np.array(model["centers"])
      stored = (z - centers).astype(np.float32).astype(float)
      c = np.array(model["centroids"]) - centers
      d = np.sqrt(((stored[:, None, :] - c) ** 2).sum(axis=2))
      label = t["segment"].to_numpy()
      assert (d.argmin(axis=1) == label).all(), (d.argmin(axis=1) != label).sum()
      ordered = np.sort(d, axis=1)
      assert np.allclose(t["distance"].to_numpy(), ordered[:, 0], rtol=2e-6, atol=2e-6)
      assert np.allclose(t["margin"].to_numpy(), ordered[:, 1] - ordered[:, 0], rtol=1e-5, atol=1e-5)
      # Segments: sizes, shares, ids, names.
      segments = load(f"{run}/segments.json")["segments"]
      assert [s["size"] for s in segments] == np.bincount(label, minlength=len(segments)).tolist()
      assert sum(s["size"] for s in segments) == n and abs(sum(s["share_of_customers"] for s in segments) - 1) < 1e-12
      assert t["segment_id"].to_pylist() == [segments[l]["id"] for l in label]
      assert t["segment_name"].to_pylist() == [segments[l]["name"] for l in label]
      assert len({s["name"] for s in segments}) == len(segments) == len({s["id"] for s in segments})
      for s in segments:
        own = label == segments.index(s)
        at = load(f"{run}/segments.json")["feature_names"].index("monetary")
        assert abs(s["features"][at]["mean"] - t["monetary"].to_numpy()[own].mean()) < 1e-6 * max(1, abs(s["features"][at]["mean"]))
      # The manifest knows every other file and every input.
      manifest = load(f"{run}/manifest.json")
      digest = lambda path: hashlib.sha256(open(path, "rb").read()).hexdigest()
      assert sorted(o["path"] for o in manifest["outputs"]) == sorted(set(os.listdir(run)) - {"manifest.json"})
      for o in manifest["outputs"]: assert digest(f"{run}/{o['path']}") == o["sha256"] and os.path.getsize(f"{run}/{o['path']}") == o["bytes"]
      inputs = glob.glob("bank/ledger-*.parquet") + (["bank/customers.parquet"] if run == "nov" else [])
      assert sorted(i["path"] for i in manifest["inputs"]) == sorted(inputs)
      for i in manifest["inputs"]: assert digest(i["path"]) == i["sha256"]
    for run in ("dec", "refit"):
      m = load(f"{run}/migration.json")
      before, now = [r["id"] for r in m["rows"]], [c["id"] for c in m["columns"]]
      assert before[-1] == "new" and now[-1] == "left"
      counts = dict(((a, b), c) for a, b, c in db.execute(f'''select coalesce(a.segment_id, 'new'), coalesce(b.segment_id, 'left'), count(*)
        from 'nov/scores.parquet' a full join '{run}/scores.parquet' b on a.customer_id = b.customer_id group by 1, 2''').fetchall())
      for i, a in enumerate(before):
        for j, b in enumerate(now): assert m["counts"][i][j] == counts.get((a, b), 0), (run, a, b)
      both = one(f"select count(*), count(*) filter (a.segment_id = b.segment_id) from 'nov/scores.parquet' a join '{run}/scores.parquet' b using (customer_id)")
      assert abs(m["stability"] - both[1] / both[0]) < 1e-12
      wrong = one(f'''select count(*) from '{run}/scores.parquet' b left join 'nov/scores.parquet' a using (customer_id)
        where b.previous_segment_id is distinct from a.segment_id
          or (a.customer_id is null) <> coalesce(b.move_reason = 'new', false)
          or (a.segment_id is not distinct from b.segment_id) <> (b.move_reason is null)''')[0]
      assert wrong == 0, wrong
      reasons = {r for r, in db.execute(f"select distinct move_reason from '{run}/scores.parquet'").fetchall()}
      assert reasons <= {None, "new", "behaviour"} or run == "refit" and reasons <= {None, "new", "behaviour", "model"}, reasons
    """
}
