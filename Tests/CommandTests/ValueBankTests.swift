import Foundation
import TestSupport
import Testing

/// Value in the monthly job, and on ledgers whose customers keep accounts rather than shop.
@Suite struct ValueBankTests {
  /// Accounts with salaries, standing orders and cards over 15 months; what a model of chance
  /// purchases is the wrong default for.
  private static let bank = """
    import sys, datetime, numpy as np, pyarrow as pa, pyarrow.parquet as pq
    rng = np.random.default_rng(7)
    start, days = np.datetime64("2024-01-01"), 456
    ids, dates, amounts = [], [], []
    def book(id, day, amount):
      keep = (day >= 0) & (day < days)
      ids.append(np.full(keep.sum(), id)); dates.append(day[keep]); amounts.append(amount[keep])
    months = np.array([(np.datetime64("2024-01") + m).astype("datetime64[D]").astype(int)
                       - start.astype(int) for m in range(15)])
    for id in range(1500):
      opened = int(rng.integers(0, 150)) if rng.random() < .3 else 0
      closed = int(rng.integers(250, days)) if rng.random() < .06 else days
      alive = lambda day: day[(day >= opened) & (day < closed)]
      if rng.random() < .6:  # salary on its day
        day = alive(months + int(rng.integers(0, 28)))
        book(id, day, np.full(len(day), float(rng.lognormal(8, .4))))
      for _ in range(rng.poisson(1.6)):  # standing orders
        day = alive(months + int(rng.integers(0, 28)))
        book(id, day, np.full(len(day), -float(rng.lognormal(5, .6))))
      rate = rng.gamma(.8, .12)  # card payments, with seasons of their own
      level = np.repeat(np.exp(rng.normal(0, .35, days // 30 + 1).cumsum() * .5), 30)[:days]
      count = rng.poisson(np.minimum(rate * level, 3))
      day = alive(np.repeat(np.arange(days), count))
      book(id, day, -rng.lognormal(3, .8, len(day)))
    t = pa.table({"customer_id": np.concatenate(ids).astype(np.int64),
      "date": pa.array((start + np.concatenate(dates)).astype("datetime64[D]")),
      "amount": np.round(np.concatenate(amounts), 2)})
    pq.write_table(t, sys.argv[1])
    """

  private static let debits = "[ledger]\nnegative = \"debit\"\n"
  private static let purchaseModels: Set = ["bg-nbd", "mbg-nbd", "pareto-nbd"]
  private static let simpleRules: Set = [
    "rate", "last-window", "last-month", "recency-weighted-rate",
  ]

  @Test(arguments: ["accounts", "generated"])
  func theAutomaticChoiceBeatsPurchaseModelsAndRulesOnABank(bank: String) throws {
    let folder = try TemporaryFolder()
    if bank == "generated" {
      try Tranche.json(
        [
          "generate", "--customers", "3000", "--months", "15", "--end", "2025-03-31", "--kind",
          "current-accounts", "--out", "generated",
        ], in: folder)
    } else {
      try Shell.python(Self.bank, [folder.path("bank.parquet")])
    }
    _ = try folder.write("bank.toml", Self.debits)
    let result = try Tranche.json(
      [
        "value", "--ledger", bank == "generated" ? "generated/ledger-*.parquet" : "bank.parquet",
        "--as-of", "2025-03-31", "--config", "bank.toml", "--out", "value.parquet",
      ], in: folder)
    let candidates = try #require(result["candidates"] as? [[String: Any]])
    var errors: [String: Double] = [:]
    for candidate in candidates {
      let name = try #require(candidate["name"] as? String)
      errors[name] = try #require((candidate["counts"] as? [String: Any])?["mae"] as? Double)
    }
    let chosen = try #require(result["model"] as? String)
    let own = try #require(errors[chosen])
    for rival in Self.purchaseModels.union(Self.simpleRules) {
      #expect(own < errors[rival] ?? 0, "\(chosen) \(own) against \(rival) \(errors[rival] ?? 0)")
    }
    if bank == "generated" {
      // Payments on their days, known by the days alone, are worth more than 3 % of the error.
      #expect(chosen == "recurring-blend")
      for (name, error) in errors where !name.hasPrefix("recurring") {
        #expect(own < 0.97 * error, "\(own) against \(name) \(error)")
      }
    }
    // Risk and reasons: probabilities that hold better than the base rate, three features each.
    let churn = try #require(result["churn"] as? [String: Any])
    let (brier, base) = (
      churn["brier"] as? Double ?? 1, churn["brier_of_base_rate"] as? Double ?? 0
    )
    #expect(brier < base)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      t = pq.read_table(sys.argv[1]).to_pydict()
      assert all(0 <= r <= 1 for r in t["churn_risk"])
      assert all(len(r.split()) == 3 and all(w[-1] in "+-" for w in r.split()) for r in t["churn_reasons"])
      assert all(v >= 0 for name in ("expected_transactions", "expected_value", "clv") for v in t[name])
      assert all(c <= v * (1 + 1e-12) for c, v in zip(t["clv"], t["expected_value"]))
      """, [folder.path("value.parquet")])
  }

  @Test func rescoreFillsTheColumnsAndAFrozenModelScoresWithoutFitting() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.bank, [folder.path("bank.parquet")])
    _ = try folder.write(
      "bank.toml",
      Self.debits + "[value]\nhorizon = 90\ncontrol_share = 0.2\n"
        + "[offers]\ndefault = \"CARD\"\n[clustering]\nclusters = 4\n")
    let first = try Tranche.json(
      [
        "rescore", "--ledger", "bank.parquet", "--as-of", "2025-02-28", "--config", "bank.toml",
        "--out", "feb",
      ], in: folder)
    let value = try #require(first["value"] as? [String: Any])
    #expect((value["candidates"] as? [[String: Any]])?.count == 16)
    let second = try Tranche.json(
      [
        "rescore", "--ledger", "bank.parquet", "--as-of", "2025-03-31", "--config", "bank.toml",
        "--out", "mar", "--model", "feb/model.json", "--previous", "feb",
      ], in: folder)
    #expect(second["model_checksum"] as? String == first["model_checksum"] as? String)
    let report = String(decoding: try folder.data("mar/report.html"), as: UTF8.self)
    #expect(report.contains("id=\"forecast\"") && report.contains("pareto-nbd"))
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      a, b = (pq.read_table(sys.argv[1] + "/" + n + "/scores.parquet") for n in ("feb", "mar"))
      names = a.column_names
      order = ["rfm_segment", "p_alive", "expected_transactions", "expected_value", "clv", "clv_simple",
        "tier", "churn_risk", "churn_reasons", "control", "offer"]
      at = [names.index(n) for n in order]
      assert at == list(range(at[0], at[0] + len(at))), names
      for t in (a, b):
        d = t.to_pydict()
        assert all(0 <= p <= 1 for n in ("p_alive", "churn_risk") for p in d[n])
        assert all(v is not None and v >= 0 for n in order[2:5] for v in d[n])
        assert all((o is None) == (c == 1) for o, c in zip(d["offer"], d["control"]))
        share = sum(d["control"]) / len(d["control"])
        assert .16 < share < .24, share
        ranked = sorted(zip(d["clv"], d["tier"]))
        high = [v for v, t in ranked if t == "high"]
        low = [v for v, t in ranked if t == "low"]
        assert min(high) > max(low)
      group = dict(zip(a["customer_id"].to_pylist(), a["control"].to_pylist()))
      assert all(group[i] == c for i, c in zip(b["customer_id"].to_pylist(), b["control"].to_pylist()) if i in group)
      """, [folder.url.path])

    // A frozen model looks at fewer windows than its fit, and sees the same; these amounts are in
    // floating point, whose sums differ in their last bits.
    try Tranche.json(
      [
        "rescore", "--ledger", "bank.parquet", "--as-of", "2025-02-28", "--config", "bank.toml",
        "--out", "again", "--model", "feb/model.json",
      ], in: folder)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      names = ["customer_id", "p_alive", "churn_risk", "churn_reasons"]
      money = ["expected_transactions", "expected_value", "clv"]
      a, b = (pq.read_table(sys.argv[1] + "/" + n + "/scores.parquet", columns=names + money)
        for n in ("feb", "again"))
      assert a.num_rows > 1000 and a.select(names).equals(b.select(names))
      for n in money:
        for x, y in zip(a[n].to_pylist(), b[n].to_pylist()):
          assert abs(x - y) <= 1e-12 * abs(x), (n, x, y)
      """, [folder.url.path])

    // Nothing was done to anybody between the two months: the interval holds 0.
    let readout = try Tranche.json(
      [
        "value", "--ledger", "bank.parquet", "--as-of", "2025-03-31", "--config", "bank.toml",
        "--model", "pareto-nbd", "--uplift", "feb", "--out", "value.parquet",
      ], in: folder)
    let uplift = try #require(readout["uplift"] as? [String: Any])
    #expect(uplift["since"] as? String == "2025-02-28" && uplift["days"] as? Int == 31)
    let all = try #require((uplift["segments"] as? [[String: Any]])?.last)
    #expect(all["segment"] as? String == "all")
    let count = try #require(all["count"] as? [String: Double])
    #expect((count["low"] ?? 1) <= 0 && (count["high"] ?? -1) >= 0, "\(count)")
    let sizes = ["treated", "control"].compactMap { all[$0] as? Int }
    #expect(sizes.count == 2 && sizes.reduce(0, +) == first["customers"] as? Int)
  }

  @Test func columnsThatNeedNoForecastDoNotPayForOne() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.bank, [folder.path("bank.parquet")])
    let arguments = [
      "rescore", "--ledger", "bank.parquet", "--as-of", "2025-03-31", "--clusters", "3",
      "--no-report",
    ]
    let few = try Tranche.json(
      arguments + ["--columns", "segment_id,clv_simple", "--out", "few"], in: folder)
    #expect(few["value"] == nil)
    #expect((few["seconds"] as? [String: Double])?["value"] == nil)
    let one = try Tranche.json(arguments + ["--columns", "clv", "--out", "one"], in: folder)
    #expect(one["value"] != nil)
  }
}
