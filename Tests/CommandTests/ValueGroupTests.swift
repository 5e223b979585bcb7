import Foundation
import TestSupport
import Testing

/// Value fitted for groups of customers apart.
@Suite struct ValueGroupTests {
  /// 900 regular buyers, 600 who leave early, 60 in a group too small, 40 in none; and the ledger of
  /// the regular ones alone.
  private static let shop = """
    import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
    rng = np.random.default_rng(11)
    start, days = np.datetime64("2024-01-01"), 400
    kinds = ["steady"] * 900 + ["fickle"] * 600 + ["few"] * 60 + [None] * 40
    ids, dates, amounts, kind = [], [], [], []
    for id, group in enumerate(kinds):
      first = int(rng.integers(0, 330))
      rate, leaving = (.08, .01) if group == "steady" else (.12, .25)
      day = first
      while day < days:
        ids.append(id); dates.append(day); kind.append(group)
        amounts.append(round(float(rng.lognormal(3 if group == "steady" else 4, .5)), 2))
        if rng.random() < leaving: break
        day += 1 + int(rng.exponential(1 / rate))
    t = pa.table({"customer_id": pa.array(ids, pa.int64()),
      "date": pa.array((start + np.array(dates)).astype("datetime64[D]")),
      "amount": amounts, "product": pa.array(kind)})
    pq.write_table(t, sys.argv[1] + "/shop.parquet")
    steady = np.array([k == "steady" for k in kind])
    pq.write_table(t.filter(pa.array(steady)), sys.argv[1] + "/steady.parquet")
    pq.write_table(pa.table({"customer_id": pa.array(range(len(kinds)), pa.int64()),
      "product": pa.array(kinds), "branch": pa.array([i % 2 for i in range(len(kinds))])}),
      sys.argv[1] + "/customers.parquet")
    """

  private static func value(
    _ flags: [String], in folder: TemporaryFolder, ledger: String = "shop.parquet"
  ) throws -> [String: Any] {
    try Tranche.json(
      ["value", "--ledger", ledger, "--as-of", "2025-02-03", "--holdout", "60"] + flags,
      in: folder)
  }

  private static func groups(_ result: [String: Any]) throws -> [String: [String: Any]] {
    let groups = try #require((result["groups"] as? [String: Any])?["groups"] as? [[String: Any]])
    return Dictionary(uniqueKeysWithValues: groups.map { ($0["name"] as? String ?? "", $0) })
  }

  @Test func aGroupIsFittedAsIfItWereTheBase() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    let both = try Self.value(["--by", "product", "--out", "all.parquet"], in: folder)
    let alone = try Self.value(["--out", "alone.parquet"], in: folder, ledger: "steady.parquet")
    let groups = try Self.groups(both)
    #expect(groups.keys.sorted() == ["few", "fickle", "steady"])
    let steady = try #require(groups["steady"])
    #expect(steady["fit"] as? String == "group" && steady["customers"] as? Int == 900)
    for key in ["model", "value_model", "status"] {
      #expect(steady[key] as? String == alone[key] as? String)
    }
    for key in ["parameters", "standard_errors", "holdout"] {
      let (own, expected) = (steady[key] as? NSDictionary, alone[key] as? NSDictionary)
      #expect(own != nil && own == expected, "\(key)")
    }
    #expect((alone["candidates"] as? [Any])?.count == 16)
    #expect((steady["candidates"] as? [[String: Any]])?.last?["name"] as? String == "base")
    #expect((steady["candidates"] as? [Any])?.count == 17)
    let few = try #require(groups["few"])
    #expect(few["fit"] as? String == "base" && few["model"] == nil)
    #expect(few["reason"] as? String == "60 customers, fewer than 200")
    let told = try #require(both["groups"] as? [String: Any])
    #expect(told["fitted"] as? Int == 2 && told["fallen_back"] as? Int == 1)
    #expect(told["customers_without_group"] as? Int == 40)
    #expect((both["warnings"] as? [String])?.contains { $0.contains("few (60 customers") } == true)
    _ = try Self.value(["--out", "base.parquet"], in: folder)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      read = lambda n: {r["customer_id"]: r for r in pq.read_table(sys.argv[1] + "/" + n).to_pylist()}
      scores, alone, base = read("all.parquet"), read("alone.parquet"), read("base.parquet")
      numbers = ["p_alive", "expected_transactions", "expected_value", "clv", "churn_risk", "churn_reasons"]
      assert {r["value_group"] for r in scores.values()} == {"steady", "fickle", "few", None}
      for id, row in scores.items():
        group = row["value_group"]
        assert row["value_fit"] == ("group" if group in ("steady", "fickle") else "base"), row
        if group == "fickle": continue
        twin = (alone if group == "steady" else base)[id]
        assert all(row[n] == twin[n] for n in numbers), (row, twin)
      """, [folder.url.path])

    // A column of the ledger or of the attributes, any number of threads: the same bytes.
    var written = [try folder.data("all.parquet")]
    for threads in ["1", "3"] {
      _ = try Self.value(
        [
          "--by", "product", "--customers", "customers.parquet", "--threads", threads, "--out",
          "again.parquet", "--force",
        ], in: folder)
      written.append(try folder.data("again.parquet"))
    }
    #expect(Set(written).count == 1)
  }

  /// The base's model, judged in a group, is the one that a run on the day of the split would have
  /// fitted to all customers: nothing of the holdout is in it.
  @Test func theBaseIsJudgedInAGroupByWhatWasKnownAtTheSplit() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    let fitted = try Self.value(
      ["--by", "product", "--model", "pareto-nbd", "--out", "out.parquet"], in: folder)
    let groups = try Self.groups(fitted)
    var errors: [String: [String: Double]] = [:]
    for name in ["steady", "fickle"] {
      let table = try #require(groups[name]?["candidates"] as? [[String: Any]])
      let base = try #require(table.first { $0["name"] as? String == "base" })
      #expect(base["status"] as? String == "pareto-nbd of the whole base")
      for key in ["counts", "values"] {
        errors[name, default: [:]][key] = (base[key] as? [String: Any])?["mae"] as? Double
      }
    }
    try Shell.python(
      """
      import sys, datetime, pyarrow.parquet as pq, pyarrow.compute as pc
      t = pq.read_table(sys.argv[1] + "/shop.parquet")
      pq.write_table(t.filter(pc.less_equal(t["date"], datetime.date(2024, 12, 5))), sys.argv[1] + "/known.parquet")
      """, [folder.url.path])
    try Tranche.json(
      [
        "value", "--ledger", "known.parquet", "--as-of", "2024-12-05", "--model", "pareto-nbd",
        "--horizon", "60", "--out", "then.parquet",
      ], in: folder)
    let text = try JSONSerialization.data(withJSONObject: errors)
    try Shell.python(
      """
      import sys, json, datetime, collections, pyarrow.parquet as pq
      then = {r["customer_id"]: r for r in pq.read_table(sys.argv[1] + "/then.parquet").to_pylist()}
      product, days, money = {}, collections.defaultdict(set), collections.Counter()
      for r in pq.read_table(sys.argv[1] + "/shop.parquet").to_pylist():
        product[r["customer_id"]] = r["product"]
        if r["date"] > datetime.date(2024, 12, 5):
          days[r["customer_id"]].add(r["date"])
          money[r["customer_id"]] += r["amount"]
      for name, told in json.loads(sys.argv[2]).items():
        own = [i for i in then if product[i] == name]
        counts = sum(abs(then[i]["expected_transactions"] - len(days[i])) for i in own) / len(own)
        values = sum(abs(then[i]["expected_value"] - money[i]) for i in own) / len(own)
        assert len(own) > 300
        assert abs(counts - told["counts"]) < 1e-6 * counts, (name, counts, told)
        assert abs(values - told["values"]) < 1e-6 * values, (name, values, told)
      """, [folder.url.path, String(decoding: text, as: UTF8.self)])
  }

  /// Groups by chance do not differ, so the base's model, of more customers, is the better one in
  /// some of them.
  @Test func aGroupTakesWhicheverModelHasTheSmallerError() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    try Shell.python(
      """
      import sys, pyarrow as pa, pyarrow.parquet as pq
      ids = range(900)
      pq.write_table(pa.table({"customer_id": pa.array(ids, pa.int64()),
        "tribe": pa.array([str(i * 7919 % 4) for i in ids])}), sys.argv[1] + "/tribes.parquet")
      """, [folder.url.path])
    let all = try Self.value(
      ["--by", "tribe", "--customers", "tribes.parquet", "--out", "all.parquet"], in: folder,
      ledger: "steady.parquet")
    _ = try Self.value(["--out", "base.parquet"], in: folder, ledger: "steady.parquet")
    let groups = try Self.groups(all)
    #expect(groups.count == 4)
    for (name, group) in groups.sorted(by: { $0.key < $1.key }) {
      let table = try #require(group["candidates"] as? [[String: Any]])
      func best(_ flag: String, _ metrics: String) throws -> String? {
        let chosen = table.filter { $0[flag] as? Bool == true }
        #expect(chosen.count == 1, "\(name) \(flag)")
        func number(_ candidate: [String: Any], _ key: String) -> Double {
          (candidate[metrics] as? [String: Any])?[key] as? Double ?? .nan
        }
        for other in table where abs(number(other, "total_error")) <= 0.25 {
          #expect(number(chosen[0], "mae") <= number(other, "mae"), "\(name) \(flag)")
        }
        return chosen[0]["name"] as? String
      }
      let isBase = (
        try best("chosen", "counts") == "base", try best("chosen_for_value", "values") == "base"
      )
      let fit =
        switch isBase {
        case (true, true): "base"
        case (true, false): "base for transactions"
        case (false, true): "base for value"
        case (false, false): "group"
        }
      #expect(group["fit"] as? String == fit, "\(name)")
      #expect((group["parameters"] == nil) == (fit == "base"))
    }
    let told = try #require(all["groups"] as? [String: Any])
    #expect(told["fitted"] as? Int == groups.values.count { $0["fit"] as? String != "base" })
    let fits = Set(groups.values.compactMap { $0["fit"] as? String })
    #expect(fits != ["group"], "no group by chance took the base's model")
    try Shell.python(
      """
      import sys, json, pyarrow.parquet as pq
      fits = json.loads(sys.argv[2])
      base = {r["customer_id"]: r for r in pq.read_table(sys.argv[1] + "/base.parquet").to_pylist()}
      differs = set()
      for r in pq.read_table(sys.argv[1] + "/all.parquet").to_pylist():
        assert r["value_fit"] == fits[r["value_group"]], r
        twin = base[r["customer_id"]]
        for names, own in ((("p_alive", "expected_transactions", "churn_risk", "churn_reasons"), ("group", "base for value")),
                           (("expected_value", "clv"), ("group", "base for transactions"))):
          same = all(r[n] == twin[n] for n in names)
          if r["value_fit"] not in own: assert same, (r, twin)
          elif not same: differs.add((r["value_group"], names[0]))
      expected = {(g, n) for g, f in fits.items() for n, own in (("p_alive", ("group", "base for value")),
        ("expected_value", ("group", "base for transactions"))) if f in own}
      assert differs == expected, (differs, expected)
      """,
      [
        folder.url.path,
        String(
          decoding: try JSONSerialization.data(
            withJSONObject: groups.mapValues { $0["fit"] as? String ?? "" }), as: UTF8.self),
      ])
  }

  @Test func cohortsAreThoseOfTheFirstPurchase() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    for (period, names) in [
      ("year", ["2024"]), ("quarter", ["2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"]),
    ] {
      let result = try Self.value(
        ["--by", "cohort:\(period)", "--out", "\(period).parquet"], in: folder)
      #expect(try Self.groups(result).keys.sorted() == names)
    }
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq, pyarrow.compute as pc
      shop = pq.read_table(sys.argv[1] + "/shop.parquet").group_by("customer_id").aggregate([("date", "min")])
      first = dict(zip(shop["customer_id"].to_pylist(), shop["date_min"].to_pylist()))
      for row in pq.read_table(sys.argv[1] + "/quarter.parquet").to_pylist():
        day = first[row["customer_id"]]
        assert row["value_group"] == f"{day.year}-Q{(day.month + 2) // 3}", row
      """, [folder.url.path])
  }

  @Test func aFrozenModelKeepsItsGroups() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    _ = try folder.write("product.toml", "[value]\nby = \"product\"\n")
    _ = try folder.write("segment.toml", "[value]\nby = \"segment\"\n")
    func rescore(_ flags: [String]) throws -> [String: Any] {
      try Tranche.json(
        ["rescore", "--ledger", "shop.parquet", "--customers", "customers.parquet"] + flags,
        in: folder)
    }
    let first = try rescore([
      "--as-of", "2024-12-31", "--config", "product.toml", "--clusters", "3", "--out", "dec",
    ])
    let value = try #require(first["value"] as? [String: Any])
    #expect(try Self.groups(value)["steady"]?["fit"] as? String == "group")
    let report = String(decoding: try folder.data("dec/report.html"), as: UTF8.self)
    #expect(
      report.contains("<th scope=\"row\">fickle</th>") && report.contains("as the whole base"))
    // Without the setting: the groups are the model's.
    let second = try rescore([
      "--as-of", "2025-02-03", "--model", "dec/model.json", "--out", "feb", "--columns",
      "clv,value_group,value_fit",
    ])
    let groups = try #require((second["value"] as? [String: Any])?["groups"] as? [String: Any])
    #expect(groups["by"] as? String == "product" && groups["fitted"] as? Int == 2)
    #expect(second["model_checksum"] as? String == first["model_checksum"] as? String)
    try Shell.python(
      """
      import sys, collections, pyarrow.parquet as pq
      rows = pq.read_table(sys.argv[1] + "/feb/scores.parquet").to_pylist()
      assert all(r["clv"] is not None and r["clv"] >= 0 for r in rows)
      fits = collections.Counter((r["value_group"], r["value_fit"]) for r in rows)
      assert set(fits) == {("steady", "group"), ("fickle", "group"), ("few", "base"), (None, "base")}, fits
      """, [folder.url.path])

    // Groups that the frozen model has never seen are the base's, and named.
    _ = try folder.write("month.toml", "[value]\nby = \"cohort:month\"\n")
    _ = try rescore([
      "--as-of", "2024-10-31", "--config", "month.toml", "--clusters", "3", "--out", "oct",
    ])
    let later = try rescore([
      "--as-of", "2025-02-03", "--model", "oct/model.json", "--out", "later",
    ])
    let cohorts = try #require((later["value"] as? [String: Any])?["groups"] as? [String: Any])
    #expect((cohorts["unseen"] as? [String])?.first == "2024-11")
    #expect(
      (later["warnings"] as? [String])?.contains { $0.contains("never seen 2024-11") } == true)

    // Segments of the run itself go by their ids.
    let own = try rescore([
      "--as-of", "2025-02-03", "--config", "segment.toml", "--clusters", "3", "--out", "own",
    ])
    let names = try Self.groups(try #require(own["value"] as? [String: Any])).keys.sorted()
    #expect(names == ["S01", "S02", "S03"])
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      rows = pq.read_table(sys.argv[1] + "/own/scores.parquet").to_pylist()
      assert all(r["value_group"] == r["segment_id"] for r in rows)
      """, [folder.url.path])
    let other = try Tranche.run(
      [
        "rescore", "--ledger", "shop.parquet", "--as-of", "2025-02-03", "--config", "segment.toml",
        "--model", "dec/model.json", "--out", "no",
      ], in: folder)
    expectSentence(other, status: 78, says: ["value.by", "segment", "product", "--refit"])
  }

  @Test func theSimpleFormulaTakesParametersOfGroups() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    let arguments = [
      "rescore", "--ledger", "shop.parquet", "--customers", "customers.parquet", "--as-of",
      "2025-02-03", "--clusters", "3", "--columns", "clv_simple,frequency,average_amount",
      "--no-report", "--out", "out", "--force", "--config", "simple.toml",
    ]
    _ = try folder.write(
      "simple.toml",
      """
      [value]
      by = "product"
      margin = 0.5
      acquisition_cost = 1
      [value.margins]
      steady = 0.25
      none = 0.1
      [value.acquisition_costs]
      steady = 7
      fickle = 3
      """)
    let result = try Tranche.json(arguments, in: folder)
    #expect(
      (result["warnings"] as? [String])?.contains { $0.contains("no group is called \"none\"") }
        == true)
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      group = {r["customer_id"]: r["product"] for r in pq.read_table(sys.argv[1] + "/customers.parquet").to_pylist()}
      for r in pq.read_table(sys.argv[1] + "/out/scores.parquet").to_pylist():
        margin, cost = {"steady": (.25, 7), "fickle": (.5, 3)}.get(group[r["customer_id"]], (.5, 1))
        expected = r["frequency"] * r["average_amount"] * margin - cost
        assert abs(r["clv_simple"] - expected) <= 1e-9 * max(1, abs(expected)), r
      """, [folder.url.path])
    for (text, says) in [
      ("[value.margins]\nsteady = 0.2\n", ["value.margins", "value.by"]),
      ("[value]\nby = \"product\"\n[value.margins]\nsteady = 2\n", ["value.margins", "steady"]),
      (
        "[value]\nby = \"product\"\n[value.acquisition_costs]\nsteady = \"x\"\n",
        ["value.acquisition_costs", "x", "steady"]
      ),
    ] {
      _ = try folder.write("simple.toml", text)
      expectSentence(try Tranche.run(arguments, in: folder), status: 78, says: says)
    }
  }

  /// New segments get their ids in the run that margins are named in.
  @Test func segmentsHaveMarginsFromTheirFirstRunOn() throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    _ = try folder.write(
      "segment.toml",
      """
      [value]
      by = "segment"
      margin = 0.5
      [value.margins]
      S01 = 0.25
      S03 = 0.75
      S09 = 0.1
      [value.acquisition_costs]
      S02 = 3
      """)
    func rescore(_ flags: [String]) throws {
      let result = try Tranche.json(
        [
          "rescore", "--ledger", "shop.parquet", "--columns",
          "segment_id,clv_simple,frequency,average_amount", "--no-report", "--config",
          "segment.toml",
        ] + flags, in: folder)
      let warnings = (result["warnings"] as? [String] ?? []).filter { $0.contains("no group") }
      #expect(warnings.count == 1 && warnings.allSatisfy { $0.contains("\"S09\"") })
    }
    try rescore(["--as-of", "2024-12-31", "--clusters", "3", "--out", "dec"])
    try rescore([
      "--as-of", "2025-02-03", "--clusters", "4", "--refit", "--previous", "dec", "--out", "feb",
    ])
    try rescore([
      "--as-of", "2025-02-03", "--model", "dec/model.json", "--previous", "dec", "--out", "frozen",
    ])
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      for run in ("dec", "feb", "frozen"):
        rows = pq.read_table(sys.argv[1] + "/" + run + "/scores.parquet").to_pylist()
        for r in rows:
          margin = {"S01": .25, "S03": .75}.get(r["segment_id"], .5)
          expected = r["frequency"] * r["average_amount"] * margin - (3 if r["segment_id"] == "S02" else 0)
          assert abs(r["clv_simple"] - expected) <= 1e-9 * max(1, abs(expected)), (run, r)
        assert {"S01", "S02", "S03"} <= {r["segment_id"] for r in rows}, run
      """, [folder.url.path])
  }

  @Test(arguments: ["parquet", "csv"])
  func theBalanceIsExact(kind: String) throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    try Shell.python(
      """
      import sys, decimal as d, pyarrow as pa, pyarrow.parquet as pq, pyarrow.csv as pc
      money = lambda n, s: d.Decimal(n).scaleb(-s)
      ids = list(range(1, 1600))
      t = pa.table({"customer_id": pa.array([i for i in reversed(ids)], pa.int64()),
        "deposit_interest": pa.array([money(i * 1_000_003, 2) if i % 50 else None for i in ids], pa.decimal128(18, 2)),
        "fees": pa.array([money(7 * i, 3) for i in ids], pa.decimal128(18, 3)),
        "service": pa.array([i % 97 for i in ids], pa.int32())})
      pq.write_table(t, sys.argv[1] + "/money.parquet")
      pc.write_csv(t.set_column(1, "deposit_interest", t["deposit_interest"].cast(pa.string())), sys.argv[1] + "/money.csv")
      """, [folder.url.path])
    // 1.001 in a text could be a thousand.
    let mark = "[ledger]\ndecimal_mark = \".\"\n"
    _ = try folder.write(
      "money.toml",
      mark + "[value]\nincome = [\"deposit_interest\", \"fees\"]\ncost = [\"service\"]\n")
    let arguments = [
      "rescore", "--ledger", "shop.parquet", "--as-of", "2025-02-03", "--clusters", "3",
      "--no-report", "--config", "money.toml",
    ]
    let customers = ["--customers", "money.\(kind)"]
    try Tranche.json(
      arguments + customers + ["--columns", "clv_balance", "--out", "out"], in: folder)
    try Shell.python(
      """
      import sys, decimal as d, pyarrow as pa, pyarrow.parquet as pq
      rows = {r["customer_id"]: r for r in pq.read_table(sys.argv[1] + "/money.parquet").to_pylist()}
      scores = pq.read_table(sys.argv[1] + "/out/scores.parquet")
      assert pa.types.is_decimal(scores.schema.field("clv_balance").type), scores.schema
      for r in scores.to_pylist():
        own = rows.get(r["customer_id"])
        known = own is not None and own["deposit_interest"] is not None
        expected = own["deposit_interest"] + own["fees"] - own["service"] if known else None
        assert r["clv_balance"] == expected, (r, own)
      """, [folder.url.path])
    expectSentence(
      try Tranche.run(arguments + ["--out", "no"], in: folder), status: 78,
      says: ["value.income", "--customers"])
    _ = try folder.write("money.toml", mark + "[value]\nincome = [\"interest\"]\n")
    expectSentence(
      try Tranche.run(arguments + customers + ["--out", "no"], in: folder), status: 65,
      says: ["interest", "fees"])
    _ = try folder.write("money.toml", mark + "[value]\nincome = [\"fees\"]\ncost = [\"fees\"]\n")
    expectSentence(
      try Tranche.run(arguments + customers + ["--out", "no"], in: folder), status: 78,
      says: ["fees", "twice"])
  }

  @Test func aSummaryHasGroupsToo() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("sample.csv", try ValueTests.sampleSummary())
    try Shell.python(
      """
      import sys
      lines = open(sys.argv[1] + "/sample.csv").read().split()
      rows = [(line, "odd" if i % 2 else "even" if i > 40 else "few") for i, line in enumerate(lines[1:])]
      write = lambda name, rows, head: open(sys.argv[1] + "/" + name, "w").write("\\n".join([head] + rows) + "\\n")
      write("grouped.csv", [f"{line},{group}" for line, group in rows], lines[0] + ",tribe")
      write("odd.csv", [line for line, group in rows if group == "odd"], lines[0])
      """, [folder.url.path])
    func value(_ name: String, _ flags: [String] = []) throws -> [String: Any] {
      try Tranche.json(
        [
          "value", "--summary", "\(name).csv", "--time-unit", "weeks", "--horizon", "39", "--out",
          "\(name)-value.parquet",
        ] + flags, in: folder)
    }
    let grouped = try value("grouped", ["--by", "tribe"])
    let alone = try value("odd")
    let groups = try Self.groups(grouped)
    #expect(groups["few"]?["reason"] as? String == "21 customers, fewer than 200")
    for key in ["parameters", "standard_errors"] {
      let (own, expected) = (groups["odd"]?[key] as? NSDictionary, alone[key] as? NSDictionary)
      #expect(own != nil && own == expected)
    }
    try Shell.python(
      """
      import sys, pyarrow.parquet as pq
      read = lambda n: {r["customer_id"]: r for r in pq.read_table(sys.argv[1] + "/" + n).to_pylist()}
      grouped, odd = read("grouped-value.parquet"), read("odd-value.parquet")
      assert len(odd) > 1000
      for id, row in odd.items():
        assert grouped[id]["value_fit"] == "group"
        assert all(grouped[id][name] == value for name, value in row.items()), (row, grouped[id])
      """, [folder.url.path])
  }

  /// Bad groups end in one sentence and leave nothing behind.
  @Test(arguments: GroupCase.all)
  fileprivate func refuses(_ bad: GroupCase) throws {
    let folder = try TemporaryFolder()
    try Shell.python(Self.shop, [folder.url.path])
    _ = try folder.write("s.csv", "customer_id,x,t_x,T,tribe\na,1,2,3,x\nb,0,0,5,y\n")
    _ = try folder.write(
      "two.csv",
      "customer_id,date,amount,product\n7,2025-01-01,1.5,a\n8,2025-01-01,2.5,b\n7,2025-01-09,3,b\n")
    _ = try folder.write(
      "p.json", #"{"bg-nbd": {"r": 1, "alpha": 2, "a": 1, "b": 1}}"#)
    let before = try folder.listing()
    let result = try Tranche.run(["value", "--out", "out.parquet"] + bad.flags, in: folder)
    expectSentence(result, status: bad.status, says: bad.says)
    #expect(try folder.listing() == before)
  }
}

private struct GroupCase: Sendable, CustomTestStringConvertible {
  var name: String
  var flags: [String]
  var status: Int32 = 64
  var says: [String]

  var testDescription: String { name }

  static let ledger = ["--ledger", "shop.parquet", "--as-of", "2025-02-03"]
  static let all: [GroupCase] = [
    GroupCase(
      name: "no such column", flags: ledger + ["--by", "produkt"],
      says: ["--by", "produkt", "did you mean product?"]),
    GroupCase(
      name: "no such column beside attributes",
      flags: ledger + ["--by", "zone", "--customers", "customers.parquet"],
      says: ["--by", "zone", "branch"]),
    GroupCase(
      name: "no such period", flags: ledger + ["--by", "cohort:week"],
      says: ["cohort:week", "cohort:month"]),
    GroupCase(
      name: "not constant per customer", flags: ledger + ["--by", "date"], status: 65,
      says: ["date", "texts nor whole numbers"]),
    GroupCase(
      name: "an amount", flags: ledger + ["--by", "amount"], status: 65,
      says: ["amount", "texts nor whole numbers"]),
    GroupCase(
      name: "too many values", flags: ledger + ["--by", "customer_id"], status: 65,
      says: ["customer_id", "1000"]),
    GroupCase(
      name: "two values of a customer",
      flags: [
        "--ledger", "two.csv", "--as-of", "2025-02-03", "--by", "product",
      ], status: 65, says: ["two.csv:4", "product", "\"a\" and \"b\"", "constant"]),
    GroupCase(
      name: "attributes for nothing", flags: ledger + ["--customers", "customers.parquet"],
      says: ["--customers", "--by"]),
    GroupCase(
      name: "given parameters", flags: ledger + ["--by", "product", "--parameters", "p.json"],
      says: ["--parameters", "--by"]),
    GroupCase(
      name: "cohorts of a summary", flags: ["--summary", "s.csv", "--by", "cohort:month"],
      says: ["--by", "no dates"]),
    GroupCase(
      name: "no such column of a summary", flags: ["--summary", "s.csv", "--by", "trib"],
      says: ["trib", "did you mean tribe?"]),
  ]
}
