import Foundation
import TestSupport
import Testing

/// `--state`: month after month from the new files alone.
@Suite struct StateTests {
  private static func file(_ month: Int) -> String {
    "bank/ledger-2025-\(month < 10 ? "0" : "")\(month).parquet"
  }
  private static let ends = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  private static func asOf(_ month: Int) -> String {
    "2025-\(month < 10 ? "0" : "")\(month)-\(ends[month - 1])"
  }
  private static func rescore(_ files: [String], _ month: Int, out: String) -> [String] {
    ["rescore", "--ledger"] + files
      + ["--as-of", asOf(month), "--out", out, "--clusters", "4", "--no-report", "--force"]
      + ["--columns", columns]
  }
  private static let columns = """
    segment,segment_id,distance,margin,rfm_segment,clv_simple,recency_days,frequency,monetary,\
    average_amount,tenure_days,active_days,refund_count,amount_30d,count_30d,amount_90d,count_90d,\
    amount_365d,count_365d,trend,mean_gap_days,gap_regularity,share_atm
    """

  @Test func aYearOfMonthsEqualsTheWholeLedger() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 2_000, in: folder)
    for month in 1...12 {
      let result = try Tranche.json(
        Self.rescore([Self.file(month)], month, out: "state-run") + ["--state", "state"],
        in: folder)
      try Tranche.json(
        Self.rescore((1...month).map(Self.file), month, out: "whole"), in: folder)
      for file in ["scores.parquet", "model.json", "segments.json"] {
        #expect(
          try folder.data("state-run/\(file)") == folder.data("whole/\(file)"),
          "\(file) of month \(month)")
      }
      // Nothing is lost from the counts, and it is said where they come from.
      var kept = try folder.object("state-run/quality.json")
      let whole = try folder.object("whole/quality.json")
      let known = try #require(kept.removeValue(forKey: "read_from_state") as? Int)
      #expect((known == 0) == (month == 1))
      for key in ["read", "scored", "quarantined", "excluded"] {
        #expect(kept[key] as? Int == whole[key] as? Int, "\(key) of month \(month)")
      }
      #expect(kept["reasons"] as? [String: Int] == whole["reasons"] as? [String: Int])
      #expect(result["rows_from_state"] as? Int == known)
      let manifest = try folder.object("state-run/manifest.json")
      #expect((manifest["inputs"] as? [Any])?.count == 1)
      #expect((manifest["state_inputs"] as? [Any])?.count ?? 0 == month - 1)
    }
    // No new rows, a later day; the same features from the other command.
    try Tranche.json(
      ["features", "--state", "state", "--as-of", "2026-03-05", "--out", "later.parquet"],
      in: folder)
    try Tranche.json(
      [
        "features", "--ledger", "bank/ledger-*.parquet", "--as-of", "2026-03-05", "--out",
        "whole.parquet",
      ], in: folder)
    #expect(try folder.data("later.parquet") == folder.data("whole.parquet"))
    #expect(try folder.listing().filter { $0.hasPrefix(".") }.isEmpty)
  }

  /// The state's files are Arrow's: others read them without our help.
  @Test func anyArrowReaderReadsTheState() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 300, in: folder)
    try Tranche.json(
      [
        "features", "--ledger", Self.file(1), "--state", "state", "--as-of", Self.asOf(1), "--out",
        "out.parquet", "--threads", "3",
      ], in: folder)
    try Shell.python(
      """
      import sys, glob, datetime, pyarrow as pa, pyarrow.ipc as ipc, pyarrow.parquet as pq
      base = sys.argv[1]
      def read(pattern):
          return pa.concat_tables([ipc.open_file(f).read_all() for f in sorted(glob.glob(base + pattern))])
      customers, scores = read("/state/customers-*"), pq.read_table(base + "/out.parquet")
      assert customers["customer_id"].to_pylist() == scores["customer_id"].to_pylist()
      as_of = (datetime.date(2025, 1, 31) - datetime.date(1970, 1, 1)).days
      assert [as_of - d for d in customers["last_day"].to_pylist()] == scores["recency_days"].to_pylist()
      assert [as_of - d for d in customers["first_day"].to_pylist()] == scores["tenure_days"].to_pylist()
      # A byte a gap between active days, 0 for 255 days more.
      days = [1 + sum(1 for b in gaps if b) for gaps in customers["active_days"].to_pylist()]
      assert days == scores["active_days"].to_pylist()
      rows = read("/state/days-*")
      assert rows.num_rows == sum(scores["frequency"].to_pylist())
      assert rows["customer_id"].to_pylist() == sorted(rows["customer_id"].to_pylist())
      """, [folder.url.path])
  }

  @Test func refusesWhatWouldCountTwiceOrNotAtAll() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 300, in: folder)
    func features(_ files: [String], _ more: [String] = []) throws -> ProcessResult {
      try Tranche.run(
        ["features", "--ledger"] + files + ["--state", "state", "--as-of", "2025-06-30", "--out"]
          + ["out.parquet", "--force"] + more, in: folder)
    }
    #expect(try features([Self.file(1), Self.file(2)]).status == 0)
    let state = try folder.data("state/state.json")
    let output = try folder.data("out.parquet")

    expectSentence(
      try features([Self.file(2)]), status: 65, says: ["ledger-2025-02", "already", "--refold"])
    try FileManager.default.copyItem(
      atPath: folder.path(Self.file(2)), toPath: folder.path("renamed.parquet"))
    expectSentence(
      try features(["renamed.parquet"]), status: 65,
      says: ["renamed", "already, as ledger-2025-02.parquet", "--refold"])
    // Corrected: the same name, other content.
    try FileManager.default.createDirectory(
      atPath: folder.path("new"), withIntermediateDirectories: false)
    try FileManager.default.copyItem(
      atPath: folder.path(Self.file(5)), toPath: folder.path("new/ledger-2025-02.parquet"))
    expectSentence(
      try features(["new/ledger-2025-02.parquet"]), status: 65,
      says: ["other content", "corrected", "--refold"])
    expectSentence(
      try features(["new/ledger-2025-02.parquet"], ["--refold"]), status: 65,
      says: ["ledger-2025-01.parquet", "not given"])
    expectSentence(
      try features([Self.file(3)], ["--as-of", "2025-06-29"]), status: 64, says: ["cannot go back"])
    expectSentence(try features(["-"]), status: 64, says: ["standard input"])
    expectSentence(
      try Tranche.run(
        ["features", "--ledger", Self.file(3), "--state", "state", "--as-of", "2025-07-31"]
          + ["--out", "out.parquet", "--force"], in: folder,
        environment: ["TRANCHE_LEDGER_NEGATIVE": "debit"]), status: 64,
      says: ["negative", "refund", "debit", "--refold"])
    expectSentence(
      try Tranche.run(
        ["features", "--ledger", Self.file(3), "--state", "state", "--as-of", "2025-07-31"]
          + ["--out", "out.parquet", "--force"], in: folder,
        environment: ["TRANCHE_LEDGER_DUPLICATES": "drop"]), status: 64, says: ["duplicates"])
    expectSentence(
      try Tranche.run(
        [
          "features", "--ledger", Self.file(3), "--refold", "--as-of", "2025-07-31", "--out",
          "x.csv",
        ],
        in: folder), status: 64, says: ["--refold", "--state"])
    expectSentence(
      try Tranche.run(["features", "--as-of", "2025-07-31", "--out", "x.csv"], in: folder),
      status: 64, says: ["--ledger"])
    expectSentence(
      try Tranche.run(
        ["features", "--ledger", Self.file(3), "--state", "bank", "--as-of", "2025-07-31"]
          + ["--out", "x.csv"], in: folder), status: 65, says: ["bank", "no state"])
    #expect(try folder.data("state/state.json") == state)
    #expect(try folder.data("out.parquet") == output)

    // Of another version.
    let text = try #require(String(data: state, encoding: .utf8))
    let path = folder.path("state/state.json")
    try text.replacingOccurrences(of: "tranche.state.v3", with: "tranche.state.v9").write(
      toFile: path, atomically: false, encoding: .utf8)
    expectSentence(
      try features([Self.file(3)]), status: 65,
      says: ["tranche.state.v9", "tranche.state.v3", "--refold"])
    try state.write(to: URL(fileURLWithPath: path))

    // With all files, corrected or not, a refold is the fold of these files.
    let files = [Self.file(1), "new/ledger-2025-02.parquet"]
    #expect(try features(files, ["--refold"]).status == 0)
    try Tranche.json(
      ["features", "--ledger"] + files + ["--as-of", "2025-06-30", "--out", "whole.parquet"],
      in: folder)
    #expect(try folder.data("out.parquet") == folder.data("whole.parquet"))
  }

  /// Amounts as floating point cannot be taken apart again to the last bit.
  @Test func refusesFloatingPointAmounts() throws {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, datetime, pyarrow as pa, pyarrow.parquet as pq
      pq.write_table(pa.table({"customer_id": [1], "date": [datetime.date(2025, 1, 1)], "amount": [0.1]}),
        sys.argv[1] + "/floats.parquet")
      """, [folder.url.path])
    expectSentence(
      try Tranche.run(
        ["features", "--ledger", "floats.parquet", "--state", "state", "--as-of", "2025-07-31"]
          + ["--out", "x.csv"], in: folder), status: 64, says: ["exact amounts", "amount"])
    #expect(try folder.listing() == ["floats.parquet"])
  }

  /// Random ledgers of any kind, months of 1 to 200 days, late and early rows, files in any order for
  /// the run over all of them: the same bytes and the same counts.
  @Test func randomLedgersGoOnExactly() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.randomLedgers, [Tranche.binary.path, folder.url.path])
  }

  private static let randomLedgers = """
    import random, subprocess, os, shutil, datetime, decimal, sys, filecmp, json
    import pyarrow as pa, pyarrow.parquet as pq
    T=sys.argv[1]; os.chdir(sys.argv[2])
    D=decimal.Decimal
    FE=["recency_days","frequency","monetary","average_amount","tenure_days","active_days","refund_count","amount_30d","count_30d","amount_90d","count_90d","amount_365d","count_365d","trend","mean_gap_days","gap_regularity"]
    for seed in range(4):
        r=random.Random(seed)
        for n in ("st","m"): shutil.rmtree(n, ignore_errors=True)
        os.mkdir("m")
        text=r.random()<.5; cur=r.random()<.4; types=r.random()<.5
        feats=None if r.random()<.4 else r.sample(FE, r.randint(1,5))
        base=datetime.date(2024,1,1); files=[]; asof=base
        env=dict(os.environ)
        cfg=[]
        if types: env["TRANCHE_LEDGER_EXCLUDE_TYPES"]="fee"
        env["TRANCHE_LEDGER_REFUNDS"]=r.choice(["net","drop"])
        if cur:
            open("c.toml","w").write("[ledger.rates]\\nEUR = 1\\nTRY = 0.025\\n"); cfg=["--config","c.toml"]
        for step in range(9):
            asof+=datetime.timedelta(days=r.choice([1,5,28,30,31,31,60,200]))
            new=[]
            if step==0 or r.random()<.85:
                n=r.randint(1,400); rows={"customer_id":[],"date":[],"amount":[],"channel":[],"type":[],"currency":[]}
                for _ in range(n):
                    i=r.randint(0,60); rows["customer_id"].append(None if r.random()<.01 else (f"c{i:05d}" if text else i-30))
                    d=asof-datetime.timedelta(days=r.randint(0,30))
                    u=r.random()
                    if u<.15: d-=datetime.timedelta(days=r.randint(0,700))
                    elif u<.3: d+=datetime.timedelta(days=r.randint(1,120))
                    elif u<.31: d-=datetime.timedelta(days=r.randint(4000,5000))
                    rows["date"].append(None if r.random()<.01 else d)
                    rows["amount"].append(None if r.random()<.01 else D(r.randint(-3000,20000))/100)
                    rows["channel"].append(r.choice([None,"web","atm","app"][:2+step//3]))
                    rows["type"].append(r.choice([None,"fee","sale"]))
                    rows["currency"].append(r.choice(["EUR","TRY",None]) if cur else "EUR")
                f=f"m/{step}.parquet"
                pq.write_table(pa.table({"customer_id":pa.array(rows["customer_id"], pa.string() if text else pa.int64()),"date":pa.array(rows["date"],pa.date32()),"amount":pa.array(rows["amount"],pa.decimal128(12,2)),"channel":pa.array(rows["channel"],pa.string()),"type":pa.array(rows["type"],pa.string()),"currency":pa.array(rows["currency"],pa.string())}), f, row_group_size=r.choice([7,100,1000]))
                new=[f]; files+=new
            more=cfg+(["--features",",".join(feats)] if feats else [])+["--as-of",str(asof),"--force","--threads",str(r.choice([1,2,3]))]
            a=subprocess.run([T,"features",*(["--ledger",*new] if new else []),"--state","st","--out","a.parquet","--json",*more],env=env,capture_output=True,text=True)
            b=subprocess.run([T,"features","--ledger",*r.sample(files,len(files)),"--out","b.parquet","--json",*more],env=env,capture_output=True,text=True)
            assert a.returncode==0 and b.returncode==0,(seed,step,a.stderr,b.stderr)
            ja,jb=json.loads(a.stdout)["rows"],json.loads(b.stdout)["rows"]
            assert ja==jb,(seed,step,ja,jb)
            assert filecmp.cmp("a.parquet","b.parquet",shallow=False),(seed,step,feats)
    """

  /// Killed at any moment the state is the old one or the new one, and the month can be run again.
  @Test func aKilledRunLeavesAUsableState() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 2_000, in: folder)
    func features(_ month: Int, _ state: String) -> [String] {
      [
        "features", "--ledger", Self.file(month), "--state", state, "--as-of", Self.asOf(month),
        "--out", "\(state).parquet", "--force",
      ]
    }
    try Tranche.json(features(1, "clean"), in: folder)
    try FileManager.default.copyItem(atPath: folder.path("clean"), toPath: folder.path("base"))
    try Tranche.json(features(2, "clean"), in: folder)
    let expected = try folder.data("clean.parquet")
    let old = try folder.data("base/state.json")
    var seen: Set<Bool> = []
    for round in 0..<24 {
      try? FileManager.default.removeItem(atPath: folder.path("state"))
      try FileManager.default.copyItem(atPath: folder.path("base"), toPath: folder.path("state"))
      let process = try Tranche.start(features(2, "state"), in: folder)
      usleep(useconds_t(4_000 + round * 7_000))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      let isOld = try folder.data("state/state.json") == old
      seen.insert(isOld)
      if isOld {
        try Tranche.json(features(2, "state"), in: folder)
        #expect(try folder.data("state.parquet") == expected, "round \(round)")
      }
      try Tranche.json(
        ["features", "--state", "state", "--as-of", Self.asOf(2), "--out", "again.parquet"]
          + ["--force"], in: folder)
      #expect(try folder.data("again.parquet") == expected, "round \(round)")
    }
    #expect(seen.contains(true), "some runs were killed before they were done")
    #expect(try folder.listing().filter { $0.hasPrefix(".state") }.isEmpty)
  }
}
