import Foundation
import TestSupport
import Testing

/// `features` and `rescore` under `--memory`: the same bytes, within the budget, refused by figure.
@Suite(.serialized) struct LedgerMemoryTests {
  private static let features =
    "recency_days,frequency,monetary,average_amount,active_days,amount_90d,share_card"

  private func bank(customers: Int, months: Int = 12, in folder: TemporaryFolder) throws {
    try Tranche.json(
      ["generate", "--customers", "\(customers)", "--months", "\(months)", "--out", "bank"],
      in: folder)
  }

  /// The figure that a refusal names, in MiB.
  private func least(_ arguments: [String], in folder: TemporaryFolder) throws -> Int {
    let refused = try Tranche.run(arguments + ["--memory", "1MiB"], in: folder)
    let figure = try #require(
      refused.errors.firstMatch(of: /at least (\d+)MiB/)?.1, "\(refused.errors)")
    expectSentence(refused, status: 78, says: ["--memory 1MiB", "at least \(figure)MiB"])
    return try #require(Int(figure))
  }

  private func fold(
    _ ledger: String, _ flags: [String], features: String = Self.features,
    in folder: TemporaryFolder
  ) throws -> (said: [String: Any], bytes: Data) {
    let said = try Tranche.json(
      [
        "features", "--ledger", ledger, "--as-of", "2025-12-31", "--features", features,
        "--out", "f.parquet", "--force",
      ] + flags, in: folder)
    return (said, try folder.data("f.parquet"))
  }

  /// 800,000 customers take 110 MB of tables and 50 MB of features; the least budget leaves 64 MiB.
  @Test func featuresKeepToTheirBudget() throws {
    let folder = try TemporaryFolder()
    try bank(customers: 800_000, months: 6, in: folder)
    let ledger = "bank/ledger-*.parquet"
    let free = try fold(ledger, [], in: folder)
    #expect(free.said["spilled_bytes"] as? Int == 0)
    let before = try folder.listing()
    for threads in ["1", "2", "5"] {
      let least = try least(
        [
          "features", "--ledger", ledger, "--as-of", "2025-12-31", "--features", Self.features,
          "--out", "g.parquet", "--threads", threads,
        ], in: folder)
      let held = try fold(ledger, ["--memory", "\(least)MiB", "--threads", threads], in: folder)
      #expect(held.bytes == free.bytes, "\(threads) threads")
      #expect(try #require(held.said["spilled_bytes"] as? Int) > 50 << 20)
      let peak = try #require(held.said["peak_memory_bytes"] as? Int)
      #expect(peak <= (least << 20) / 10 * 11, "\(peak >> 20) of \(least) MiB, \(threads) threads")
    }
    let ample = try fold(ledger, ["--memory", "8GiB"], in: folder)
    #expect(ample.bytes == free.bytes)
    #expect(ample.said["spilled_bytes"] as? Int == 0)
    #expect(try folder.listing() == before)
  }

  /// Text ids, whose texts leave memory with their customers.
  @Test func textKeepsToItsBudget() throws {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, numpy as np, pyarrow as pa, pyarrow.csv as pc
      n, r = 2_000_000, np.random.default_rng(3)
      ids = np.char.add("AB-", r.integers(0, 700_000, n).astype("U7"))
      day = np.datetime64("2025-12-31") - r.integers(0, 400, n)
      table = pa.table({"customer_id": ids, "date": day, "amount": np.round(r.normal(20, 90, n), 2),
                        "channel": np.where(r.random(n) < 0.5, "card", "online")})
      pc.write_csv(table, sys.argv[1])
      """, [folder.path("ledger.csv")])
    let free = try fold("ledger.csv", [], in: folder)
    let least = try least(
      [
        "features", "--ledger", "ledger.csv", "--as-of", "2025-12-31", "--features", Self.features,
        "--out", "g.parquet",
      ], in: folder)
    let held = try fold("ledger.csv", ["--memory", "\(least)MiB"], in: folder)
    #expect(held.bytes == free.bytes)
    #expect(try #require(held.said["spilled_bytes"] as? Int) > 50 << 20)
    let peak = try #require(held.said["peak_memory_bytes"] as? Int)
    #expect(peak <= (least << 20) / 10 * 11, "\(peak >> 20) of \(least) MiB")
  }

  /// 100M rows of 400,000 customers, where a sixteenth of the rows would be expected: room for all of
  /// those is in large pages, and a few customers come to each of them at once.
  @Test func roomThatStaysEmptyIsNotTaken() throws {
    let folder = try TemporaryFolder()
    try Shell.python(
      """
      import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
      schema = pa.schema([("customer_id", pa.int32()), ("date", pa.date32()), ("amount", pa.int32())])
      day = pa.array(np.full(1_000_000, 20_400, np.int32)).cast(pa.date32())
      amount = pa.array(np.full(1_000_000, 5, np.int32))
      with pq.ParquetWriter(sys.argv[1], schema, compression="zstd") as w:
        for first in range(0, 400_000, 4_000):
          ids = np.repeat(np.arange(first, first + 4_000, dtype=np.int32) * 5_000, 250)
          w.write_table(pa.table([pa.array(ids), day, amount], schema=schema))
      """, [folder.path("ledger.parquet")])
    let features = "recency_days,frequency,monetary,average_amount,active_days,amount_90d"
    let free = try fold("ledger.parquet", [], features: features, in: folder)
    let least = try least(
      [
        "features", "--ledger", "ledger.parquet", "--as-of", "2025-12-31", "--features",
        features, "--out", "g.parquet",
      ], in: folder)
    let held = try fold(
      "ledger.parquet", ["--memory", "\(least)MiB"], features: features, in: folder)
    #expect(held.bytes == free.bytes)
    let peak = try #require(held.said["peak_memory_bytes"] as? Int)
    #expect(peak <= (least << 20) / 10 * 11, "\(peak >> 20) of \(least) MiB")
  }

  @Test func rescoringKeepsToItsBudget() throws {
    let folder = try TemporaryFolder()
    try bank(customers: 400_000, months: 6, in: folder)
    let outputs = ["scores.parquet", "model.json", "segments.json", "quality.json"]
    for columns in ["all", "segment_id,distance,frequency,monetary,tier"] {
      let arguments = [
        "rescore", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-12-31", "--clusters", "6",
        "--columns", columns,
      ]
      let run = arguments + ["--force", "--out", "free"]
      let free = try Tranche.json(run, in: folder)
      #expect(free["spilled_bytes"] as? Int == 0)
      let least = try least(arguments + ["--out", "none"], in: folder)
      // What customers need is known when they are counted: a second refusal names it.
      let figure = try Tranche.run(
        arguments + ["--out", "tried", "--force", "--memory", "\(least)MiB"], in: folder
      ).errors.firstMatch(of: /at least (\d+)MiB/).flatMap { Int($0.1) }
      let budget = figure ?? least
      let held = try Tranche.json(
        arguments + ["--out", "held", "--force", "--memory", "\(budget)MiB"], in: folder)
      for name in outputs {
        #expect(
          try folder.data("held/" + name) == folder.data("free/" + name), "\(name) of \(columns)")
      }
      #expect(try #require(held["spilled_bytes"] as? Int) > 50 << 20)
      let peak = try #require(held["peak_memory_bytes"] as? Int)
      #expect(peak <= (budget << 20) / 10 * 11, "\(peak >> 20) of \(budget) MiB, \(columns)")
      let plan = try Tranche.json(
        arguments + ["--out", "none", "--dry-run", "--memory", "\(budget)MiB"], in: folder)
      #expect(plan["memory_budget_bytes"] as? Int == budget << 20)
      #expect(plan["passes"] as? Int == 1)
      #expect(plan["estimated_seconds"] as? Double ?? 0 > 0)
      #expect(plan["least_memory_bytes"] as? Int ?? 0 > 1 << 20)
      #expect(plan["estimated_spill_bytes"] is Int)
    }
    #expect(try !folder.listing().contains { $0.hasPrefix("none") })
  }

  /// Forecasts alone, of the base and of groups.
  @Test(arguments: [[], ["--by", "cohort:quarter"]])
  func valueKeepsToItsBudget(more: [String]) throws {
    let folder = try TemporaryFolder()
    try bank(customers: 400_000, months: 12, in: folder)
    let arguments =
      ["value", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-12-31"] + more
    let free = try Tranche.json(arguments + ["--out", "free.parquet"], in: folder)
    #expect(free["spilled_bytes"] as? Int == 0)
    let before = try folder.listing()
    let least = try least(arguments + ["--out", "none.parquet"], in: folder)
    let figure = try Tranche.run(
      arguments + ["--out", "held.parquet", "--memory", "\(least)MiB"], in: folder
    ).errors.firstMatch(of: /at least (\d+)MiB/).flatMap { Int($0.1) }
    let budget = figure ?? least
    let held = try Tranche.json(
      arguments + ["--out", "held.parquet", "--force", "--memory", "\(budget)MiB"], in: folder)
    #expect(try folder.data("held.parquet") == folder.data("free.parquet"))
    #expect(try #require(held["spilled_bytes"] as? Int) > 50 << 20)
    let peak = try #require(held["peak_memory_bytes"] as? Int)
    #expect(peak <= (budget << 20) / 10 * 11, "\(peak >> 20) of \(budget) MiB")
    for key in ["candidates", "parameters", "totals"] {
      let texts = try [held, free].map {
        try JSONSerialization.data(
          withJSONObject: try #require($0[key]), options: [.sortedKeys])
      }
      #expect(texts[0] == texts[1], "\(key) of the result")
    }
    #expect(try folder.listing() == before.union(["held.parquet"]))
  }

  /// One sentence, nothing left.
  @Test func aFullDiskIsSaid() throws {
    let folder = try TemporaryFolder()
    try bank(customers: 400_000, months: 6, in: folder)
    let before = try folder.listing()
    let arguments = [
      "features", "--ledger", "bank/ledger-*.parquet", "--as-of", "2025-12-31", "--out",
      "f.parquet",
    ]
    let budget = try least(arguments, in: folder)
    // Files may be 8 MB long; the limit stands for a disk that is full.
    let limited = try Shell.run(
      URL(fileURLWithPath: "/bin/sh"),
      [
        "-c", "trap '' XFSZ; ulimit -f 16384; exec \"$0\" \"$@\"", Tranche.binary.path,
      ] + arguments + ["--memory", "\(budget)MiB"], folder: folder.url)
    expectSentence(limited, status: 74, says: ["temporary file", "make room"])
    #expect(try folder.listing() == before)
  }

  @Test func budgetsThatMakeNoSense() throws {
    let folder = try TemporaryFolder()
    try bank(customers: 300, months: 2, in: folder)
    let before = try folder.listing()
    let ledger = ["--ledger", "bank/ledger-2025-12.parquet", "--as-of", "2025-12-31"]
    let commands = [
      ["features", "--out", "f.parquet"], ["rescore", "--out", "out"],
      ["value", "--out", "v.parquet"],
    ]
    for command in commands {
      for size in ["lots", "-1GiB", "0"] {
        expectSentence(
          try Tranche.run(command + ledger + ["--memory=\(size)"], in: folder), status: 64,
          says: ["--memory", "4GiB"])
      }
      guard command[0] != "value" else { continue }
      expectSentence(
        try Tranche.run(
          command + ledger + ["--memory", "4GiB", "--state", "state"], in: folder), status: 64,
        says: ["--memory", "--state"])
    }
    expectSentence(
      try Tranche.run(
        ["value", "--summary", "bank/truth.parquet", "--out", "v.parquet", "--memory", "4GiB"],
        in: folder), status: 64, says: ["--memory", "--ledger"])
    #expect(try folder.listing() == before)
  }
}
