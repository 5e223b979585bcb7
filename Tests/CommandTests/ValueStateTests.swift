import Foundation
import TestSupport
import Testing

/// `rescore --state` with all of its columns: forecasts of value from the new files alone.
@Suite struct ValueStateTests {
  private static func file(_ month: Int) -> String {
    "bank/ledger-2025-\(month < 10 ? "0" : "")\(month).parquet"
  }
  private static let ends = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  private static func asOf(_ month: Int) -> String {
    "2025-\(month < 10 ? "0" : "")\(month)-\(ends[month - 1])"
  }
  private static func rescore(
    _ files: [String], _ month: Int, out: String, _ more: [String] = []
  ) -> [String] {
    ["rescore", "--ledger"] + files
      + ["--as-of", asOf(month), "--out", out, "--clusters", "4", "--force"] + more
  }

  /// What a report shows, without the words of the command that made it.
  private static func shown(_ report: Data, _ inputs: [String]) -> String {
    String(decoding: report, as: UTF8.self).split(separator: "\n").filter { line in
      !inputs.contains { line.contains($0) }
    }.joined(separator: "\n")
  }

  /// Anew every month; by one frozen model, with the month before; by groups of first purchases.
  @Test(arguments: ["fresh", "frozen", "cohorts"])
  func aYearOfMonthsEqualsTheWholeLedger(way: String) throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 2_000, in: folder)
    let environment = way == "cohorts" ? ["TRANCHE_VALUE_BY": "cohort:quarter"] : [:]
    for month in 1...12 {
      var more: [String] = ["--threads", "\(1 + month % 3)"]
      if way == "frozen", month > 5 {
        more += ["--model", "whole-5/model.json", "--previous", "whole-\(month - 1)"]
      }
      try Tranche.json(
        Self.rescore([Self.file(month)], month, out: "state-run", more + ["--state", "state"]),
        in: folder, environment: environment)
      try Tranche.json(
        Self.rescore((1...month).map(Self.file), month, out: "whole-\(month)", more), in: folder,
        environment: environment)
      var files = ["scores.parquet", "model.json", "segments.json"]
      if more.contains("--previous") { files.append("migration.json") }
      for file in files {
        #expect(
          try folder.data("state-run/\(file)") == folder.data("whole-\(month)/\(file)"),
          "\(file) of month \(month)")
      }
      let inputs = ["tranche rescore", "ledger-2025-"]
      let (report, whole) = (
        Self.shown(try folder.data("state-run/report.html"), inputs),
        Self.shown(try folder.data("whole-\(month)/report.html"), inputs)
      )
      #expect(report == whole && report.utf8.count > 10_000, "report of month \(month)")
    }
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      scores = pq.read_table(sys.argv[1] + "/state-run/scores.parquet")
      for name in ("p_alive", "expected_value", "clv", "tier", "churn_risk", "churn_reasons"):
          assert scores[name].null_count < scores.num_rows, name
      """, [folder.url.path])
  }

  /// Late rows, refunds, rows ahead, months without files, corrections: with forecasts of value.
  @Test func randomLedgersGoOnExactly() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.randomLedgers, [Tranche.binary.path, folder.url.path])
  }

  private static let randomLedgers = """
    import random, subprocess, os, shutil, datetime, decimal, sys, filecmp, json
    import pyarrow as pa, pyarrow.parquet as pq
    T=sys.argv[1]; os.chdir(sys.argv[2])
    D=decimal.Decimal
    for seed in range(3):
        r=random.Random(seed)
        for n in ("st","m","a","b"): shutil.rmtree(n, ignore_errors=True)
        os.mkdir("m")
        text=seed==1; env=dict(os.environ)
        if seed==2: env["TRANCHE_LEDGER_NEGATIVE"]="debit"
        env["TRANCHE_LEDGER_REFUNDS"]="drop" if seed==0 else "net"
        if seed==1: env["TRANCHE_VALUE_HOLDOUT"]="45"
        asof=datetime.date(2024,1,1); files=[]
        for step in range(7):
            asof+=datetime.timedelta(days=r.choice([28,31,31,60,200]))
            new=[]
            if step==0 or r.random()<.85:
                rows=[]
                for _ in range(r.randint(300,900)):
                    i=r.randint(0,120)
                    d=asof-datetime.timedelta(days=r.randint(0,30))
                    u=r.random()
                    if u<.2: d-=datetime.timedelta(days=r.randint(0,700))
                    elif u<.3: d+=datetime.timedelta(days=r.randint(1,120))
                    elif u<.31: d-=datetime.timedelta(days=r.randint(4000,5000))
                    rows.append((f"c{i:05d}" if text else i-30, d, D(r.randint(-3000,20000))/100, r.choice(["web","atm"])))
                f=f"m/{step}.parquet"; c=list(zip(*rows))
                pq.write_table(pa.table({"customer_id":pa.array(c[0], pa.string() if text else pa.int64()),"date":pa.array(c[1],pa.date32()),"amount":pa.array(c[2],pa.decimal128(12,2)),"channel":pa.array(c[3],pa.string())}), f, row_group_size=r.choice([70,1000]))
                new=[f]; files+=new
            refold=step==4
            more=["--as-of",str(asof),"--force","--no-report","--clusters","3","--threads",str(r.choice([1,2,3]))]
            given=files if refold else new
            a=subprocess.run([T,"rescore",*(["--ledger",*given] if given else []),"--state","st","--out","a",*(["--refold"] if refold else []),*more],env=env,capture_output=True,text=True)
            b=subprocess.run([T,"rescore","--ledger",*r.sample(files,len(files)),"--out","b",*more],env=env,capture_output=True,text=True)
            assert a.returncode==0 and b.returncode==0,(seed,step,a.stderr,b.stderr)
            for name in ("scores.parquet","model.json","segments.json"):
                assert filecmp.cmp("a/"+name,"b/"+name,shallow=False),(seed,step,name)
    """

  @Test func refusesWhatTheStateDoesNotKeep() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 300, in: folder)
    try Tranche.json(
      Self.rescore([Self.file(1)], 1, out: "out", ["--columns", "segment", "--state", "plain"]),
      in: folder)
    try Tranche.json(Self.rescore([Self.file(1)], 1, out: "out", ["--state", "state"]), in: folder)
    #expect(try folder.listing().contains("state/purchases-0.arrow"))
    #expect(try !folder.listing().contains("plain/purchases-0.arrow"))
    let known = try folder.data("plain/state.json")
    expectSentence(
      try Tranche.run(
        Self.rescore([Self.file(2)], 2, out: "next", ["--state", "plain"]), in: folder),
      status: 64, says: ["plain", "without the purchases", "--refold", "--columns"])
    expectSentence(
      try Tranche.run(
        Self.rescore([Self.file(2)], 2, out: "next", ["--state", "state"]), in: folder,
        environment: ["TRANCHE_VALUE_PURCHASES": "all"]),
      status: 64, says: ["state", "positive", "value.purchases", "--refold"])
    #expect(try folder.data("plain/state.json") == known)
    #expect(!FileManager.default.fileExists(atPath: folder.path("next")))
    // With all files it is made anew, with purchases.
    try Tranche.json(
      Self.rescore(
        [Self.file(1), Self.file(2)], 2, out: "next", ["--state", "plain", "--refold"]),
      in: folder)
    #expect(try folder.listing().contains("plain/purchases-0.arrow"))
  }

  /// The file's layout, as README tells it, read by others.
  @Test func anyArrowReaderReadsThePurchases() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 300, in: folder)
    try Tranche.json(
      Self.rescore([Self.file(1), Self.file(2)], 2, out: "out", ["--state", "state"]), in: folder)
    try Shell.python(
      """
      import sys, datetime, pyarrow.ipc as ipc, pyarrow.parquet as pq
      base = sys.argv[1]
      customers = ipc.open_file(base + "/state/customers-0.arrow").read_all()["customer_id"].to_pylist()
      kept = ipc.open_file(base + "/state/purchases-0.arrow").read_all()
      ledger = {}
      epoch = datetime.date(1970, 1, 1)
      for month in ("01", "02"):
          for row in pq.read_table(base + f"/bank/ledger-2025-{month}.parquet").to_pylist():
              day = row["date"]
              if row["amount"] is None or row["amount"] < 0 or day is None or row["customer_id"] is None: continue
              if day > datetime.date(2025, 2, 28): continue
              days = ledger.setdefault(row["customer_id"], {})
              day = (day - epoch).days
              days[day] = days.get(day, 0) + int(row["amount"].scaleb(2))
      for id, first, last, data in zip(customers, *(kept[n].to_pylist() for n in kept.column_names)):
          days, day, at = {}, first, 0
          while at < len(data):
              head = data[at]; at += 1
              day += head >> 2
              if head >> 2 == 63: continue
              size = (2, 3, 4, 8)[head & 3]
              days[day] = int.from_bytes(data[at:at + size], "little"); at += size
          assert days == ledger.get(id, {}), id
          assert not days or (min(days), max(days)) == (first, last)
      """, [folder.url.path])
  }

  /// Killed at any moment the state is the old one or the new one, and the month can be run again.
  @Test func aKilledRunLeavesAUsableState() throws {
    let folder = try TemporaryFolder()
    try BankTests.bank(customers: 3_000, in: folder)
    func month(_ month: Int, _ state: String, ledger: Bool = true) -> [String] {
      let run = Self.rescore(
        [Self.file(month)], month, out: "\(state)-out", ["--no-report", "--state", state])
      return ledger ? run : run.filter { $0 != "--ledger" && $0 != Self.file(month) }
    }
    try Tranche.json(month(1, "clean"), in: folder)
    try FileManager.default.copyItem(atPath: folder.path("clean"), toPath: folder.path("base"))
    let began = Date()
    try Tranche.json(month(2, "clean"), in: folder)
    let usual = Date().timeIntervalSince(began)
    let expected = try folder.data("clean-out/scores.parquet")
    let old = try folder.data("base/state.json")
    var seen: Set<Bool> = []
    for round in 0..<20 {
      try? FileManager.default.removeItem(atPath: folder.path("state"))
      try FileManager.default.copyItem(atPath: folder.path("base"), toPath: folder.path("state"))
      let process = try Tranche.start(month(2, "state"), in: folder)
      // Half of them near the end, where names change.
      let share = round % 2 == 0 ? 0.05 * Double(round) : 0.8 + 0.02 * Double(round)
      usleep(useconds_t(usual * share * 1e6))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      let isOld = try folder.data("state/state.json") == old
      seen.insert(isOld)
      try Tranche.json(month(2, "state", ledger: isOld), in: folder)
      #expect(try folder.data("state-out/scores.parquet") == expected, "round \(round)")
      #expect(try folder.listing().contains("state/purchases-0.arrow"))
    }
    #expect(seen.contains(true), "some runs were killed before they were done")
    #expect(try folder.listing().filter { $0.hasPrefix(".state") }.isEmpty)
  }
}
