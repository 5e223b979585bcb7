import Foundation
import TestSupport
import Testing

/// The CDNOW ledger as it is published, against an independent computation in SQL.
@Suite struct CDNOWTests {
  @Test func rescoresTheRealLedger() throws {
    let folder = try TemporaryFolder()
    let ledger = Repository.data.appendingPathComponent("CDNOW_master.txt").path
    let result = try Tranche.json(
      [
        "rescore", "--ledger", ledger, "--as-of", "1998-06-30", "--clusters", "5",
        "--config", Repository.data.appendingPathComponent("cdnow.toml").path, "--out", "scores",
      ], in: folder)
    #expect(result["customers"] as? Int == 23_570)
    let rows = try #require(result["rows"] as? [String: Any])
    #expect(rows["read"] as? Int == 69_659 && rows["scored"] as? Int == 69_659)
    #expect(rows["quarantined"] as? Int == 0 && rows["excluded"] as? Int == 0)
    #expect(result["k"] as? Int == 5)
    try Shell.python(Self.independent, [ledger, folder.path("scores")])
    let report = String(decoding: try folder.data("scores/report.html"), as: UTF8.self)
    #expect(report.hasPrefix("<!DOCTYPE html>"))
  }

  private static let independent = """
    import sys, json, duckdb, numpy as np
    from decimal import Decimal
    ledger, scores = sys.argv[1:]
    rows = [line.split() for line in open(ledger).read().splitlines()[1:]]
    db = duckdb.connect()
    db.execute("create table l (id varchar, day date, amount decimal(12,2))")
    import pyarrow as pa, datetime
    t = pa.table({
      "id": [r[0] for r in rows],
      "day": [datetime.datetime.strptime(r[1], "%Y%m%d").date() for r in rows],
      "amount": pa.array([Decimal(r[3]) for r in rows], pa.decimal128(12, 2))})
    db.execute("insert into l select * from t")
    db.execute("create table s as select * from read_parquet(?)", [scores + "/scores.parquet"])
    one = lambda q: db.execute(q).fetchone()
    assert one("select count(*), count(distinct customer_id) from s") == (23570, 23570)
    assert one("select sum(frequency) from s")[0] == 69659
    assert one("select sum(monetary::decimal(12,2)) from s")[0] == Decimal("2500315.63")
    assert one("select min(customer_id), max(length(customer_id)) from s") == ("00001", 5)

    db.execute('''create table f as with a as (select id, date '1998-06-30' - day as age, amount from l),
      days as (select distinct id, age from a),
      gaps as (select id, lag(age) over (partition by id order by age desc) - age as gap from days),
      g as (select id, avg(gap) as mean, stddev_pop(gap) as deviation, count(gap) as n from gaps group by id)
      select a.id, min(age) as recency_days, count(*) as frequency, sum(amount) as monetary,
        max(age) as tenure_days, count(distinct age) as active_days,
        count(*) filter (amount < 0) as refund_count,
        coalesce(sum(amount) filter (age < 30), 0) as amount_30d, count(*) filter (age < 30) as count_30d,
        coalesce(sum(amount) filter (age < 90), 0) as amount_90d, count(*) filter (age < 90) as count_90d,
        coalesce(sum(amount) filter (age < 365), 0) as amount_365d, count(*) filter (age < 365) as count_365d,
        coalesce(sum(amount) filter (age >= 90 and age < 180), 0) as before,
        any_value(g.mean) as mean_gap_days,
        case when any_value(g.n) > 1 then any_value(g.deviation / g.mean) end as gap_regularity
      from a join g on a.id = g.id group by a.id''')
    for name in ["recency_days", "frequency", "tenure_days", "active_days", "refund_count",
                 "count_30d", "count_90d", "count_365d"]:
      assert one(f"select count(*) from s join f on s.customer_id = f.id where s.{name} = f.{name}")[0] == 23570, name
    for name in ["monetary", "amount_30d", "amount_90d", "amount_365d"]:
      # The double nearest to the exact sum.
      assert one(f"select count(*) from s join f on s.customer_id = f.id where s.{name} = f.{name}::double")[0] == 23570, name
    assert one("select max(abs(average_amount - f.monetary::double / f.frequency)) from s join f on customer_id = f.id")[0] == 0
    assert one('''select max(abs(trend - coalesce((f.amount_90d - before)::double
      / nullif((abs(f.amount_90d) + abs(before))::double, 0), 0))) from s join f on customer_id = f.id''')[0] < 1e-12
    for name in ["mean_gap_days", "gap_regularity"]:
      assert one(f"select count(*) from s join f on customer_id = f.id where (s.{name} is null) <> (f.{name} is null)")[0] == 0, name
      assert one(f"select max(abs(s.{name} - f.{name})) from s join f on customer_id = f.id")[0] < 1e-9, name

    # Quintiles: a block of equal values lies where its middle lies.
    def place(values):
      distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
      return ((np.cumsum(counts) - counts / 2) / len(values))[inverse]
    c = {k: np.array(v) for k, v in db.execute("select * from s").fetchnumpy().items()}
    quintile = lambda values: 1 + sum((place(values) >= q).astype(int) for q in (.2, .4, .6, .8))
    assert (c["r_score"] == quintile(-c["recency_days"])).all()
    assert (c["f_score"] == quintile(c["frequency"])).all()
    assert (c["m_score"] == quintile(c["monetary"])).all()
    names = {}
    for r, f, name in [("12","12","hibernating"),("12","34","at risk"),("12","5","can't lose"),("3","12","about to sleep"),
        ("3","3","needs attention"),("34","45","loyal"),("4","1","promising"),("5","1","new"),("45","23","potential loyalist"),("5","45","champions")]:
      for a in r:
        for b in f: names[int(a), int(b)] = name
    assert [names[r, f] for r, f in zip(c["r_score"], c["f_score"])] == list(c["rfm_segment"])
    value = c["frequency"] * c["average_amount"]
    assert np.abs(value - c["clv_simple"]).max() < 1e-9
    at = place(c["clv"])
    assert (np.where(at >= .8, "high", np.where(at >= .5, "mid", "low")) == c["tier"]).all()
    sizes = [s["size"] for s in json.load(open(scores + "/segments.json"))["segments"]]
    assert (np.bincount(c["segment"], minlength=5) == sizes).all() and sum(sizes) == 23570
    """
}
