import Columnar
import Foundation
import Sharding
import SyntheticBank
import TestSupport

@testable import Features

/// The features' definitions in SQL, and files of one ledger in many types.
enum DuckDBLedger {
  /// Prints `name number-of-differences` for every feature of `features` (a Parquet file) and for the
  /// order and number of its rows. Arguments: ledger glob, features, as-of, relative tolerance of
  /// sums.
  static let check = """
    import duckdb, sys
    ledger, features, as_of, tolerance = sys.argv[1:5]
    c = duckdb.connect()
    c.execute("set preserve_insertion_order = true")
    c.execute(f'''create table t as
      select customer_id, date, amount, coalesce(channel, 'unknown') channel,
        date '{as_of}' - date age
      from read_parquet('{ledger}') where date <= date '{as_of}' ''')
    c.execute(f"create table f as select * exclude (file_row_number), file_row_number rank from read_parquet('{features}', file_row_number = true)")
    def total(window):
        return f"coalesce(sum(amount) filter ({window}), 0)::double"
    exact = {
      "recency_days": "min(age)", "frequency": "count(*)", "monetary": "sum(amount)::double",
      "average_amount": "sum(amount)::double / count(*)", "tenure_days": "max(age)",
      "active_days": "count(distinct date)", "refund_count": "count(*) filter (amount < 0)",
      "mean_gap_days": "case when count(distinct date) > 1 then (max(age) - min(age)) / (count(distinct date) - 1) end",
    }
    for days in (30, 90, 365):
        exact[f"amount_{days}d"] = total(f"age < {days}")
        exact[f"count_{days}d"] = f"count(*) filter (age < {days})"
    a, b = total("age < 90"), total("age >= 90 and age < 180")
    exact["trend"] = f"case when abs({a}) + abs({b}) = 0 then 0 else ({a} - {b}) / (abs({a}) + abs({b})) end"
    channels = [r[0] for r in c.execute("select distinct channel from t order by channel").fetchall()]
    for x in channels:
        exact[f"share_{x}"] = f"count(*) filter (channel = '{x}') / count(*)"
    c.execute("create table g as select customer_id, " + ", ".join(f"{v} \\"{k}\\"" for k, v in exact.items()) + " from t group by 1")
    c.execute('''create table gaps as select customer_id, stddev_pop(gap) / avg(gap) r from
      (select customer_id, age - lag(age) over (partition by customer_id order by age) gap
       from (select distinct customer_id, age from t)) where gap is not null
      group by 1 having count(*) >= 2''')
    names = [r[0] for r in c.execute("describe f").fetchall() if r[0] not in ("customer_id", "rank")]
    assert sorted(names) == sorted(list(exact) + ["gap_regularity"]), names
    for name in exact:
        loose = f"and abs(f.\\"{name}\\" - g.\\"{name}\\") > {tolerance} * (1 + abs(g.\\"{name}\\"))" if float(tolerance) > 0 else ""
        print(name, c.execute(f'select count(*) from f join g using (customer_id) where f."{name}" is distinct from g."{name}" {loose}').fetchone()[0])
    print("gap_regularity", c.execute('''select count(*) from f left join gaps using (customer_id)
      where (f.gap_regularity is null) <> (r is null) or abs(f.gap_regularity - r) > 1e-9''').fetchone()[0])
    print("customers", c.execute("select abs((select count(*) from g) - (select count(*) from f join g using (customer_id)))").fetchone()[0]
      + c.execute("select abs((select count(*) from f) - (select count(*) from g))").fetchone()[0])
    print("order", c.execute("select count(*) from (select customer_id, lag(customer_id) over (order by rank) p from f) where p is not null and customer_id <= p").fetchone()[0])
    """

  /// Differences by feature; all 0 when the features agree.
  static func differences(
    ledger: String, features: String, asOf: String, tolerance: Double = 0
  ) throws -> [String: Int] {
    let output = try Shell.python(check, [ledger, features, asOf, String(tolerance)])
    return Dictionary(
      uniqueKeysWithValues: output.split(separator: "\n").map { line in
        let cut = line.lastIndex(of: " ")!
        return (String(line[..<cut]), Int(line[line.index(after: cut)...])!)
      })
  }

  /// Writes a synthetic bank's ledger, one file a month.
  static func write(_ bank: SyntheticBank, to folder: TemporaryFolder) throws {
    for month in 0..<bank.configuration.months {
      let batch = try bank.transactions(month: month, workers: Workers(threads: 2))
      var options = WriteOptions()
      options.rowGroupRows = 7_001
      let sink = try TableSink(
        path: folder.path("ledger-\(month + 10).parquet"), schema: batch.schema, options: options)
      try sink.write(batch.columns)
      try sink.close()
    }
  }

  static func write(_ table: FeatureTable, to path: String) throws {
    // SQL's null for a missing value.
    let columns =
      [table.ids]
      + table.columns.map { column in
        let values = array(column)
        return Column(.double(column), validity: Validity(present: values.map { !$0.isNaN }))
      }
    let sink = try TableSink(
      path: path,
      schema: Schema(
        fields: zip(["customer_id"] + table.names, columns).map {
          Field(name: $0, type: $1.type)
        }))
    try sink.write(columns)
    try sink.close()
  }

  /// Writes the ledger again with other types. Arguments: ledger glob, folder.
  static let variants = """
    import duckdb, sys
    ledger, folder = sys.argv[1:3]
    c = duckdb.connect()
    c.execute("set preserve_insertion_order = true")
    base = f"from read_parquet('{ledger}')"
    text = "printf('%012d', customer_id)"
    rows = {
      "int32-double": "customer_id::int customer_id, date::timestamp + interval 13 hour date, amount::double amount, channel",
      "int32-float": "customer_id::int customer_id, date, (amount::int)::float amount, channel",
      "minor": "customer_id, date::varchar date, (amount * 100)::bigint amount, channel",
      "text": f"{text} customer_id, date, amount, channel",
      "wide-decimal": "customer_id, date::timestamptz date, amount::decimal(30, 4) amount, channel",
    }
    for name, columns in rows.items():
        c.execute(f"copy (select {columns} {base}) to '{folder}/{name}.parquet' (row_group_size 5000)")
    c.execute(f"copy (select {text} customer_id, date, amount, channel {base}) to '{folder}/text.csv'")
    c.execute(f"copy (select {text} customer_id, date, amount, channel {base}) to '{folder}/text.csv.gz'")
    import pyarrow as pa, pyarrow.parquet as pq
    table = pq.read_table(f"{folder}/text.parquet")
    coded = table.set_column(0, "customer_id", table["customer_id"].dictionary_encode())
    with pa.OSFile(f"{folder}/dictionary.arrow", "wb") as f, pa.ipc.new_file(f, coded.schema) as w:
        w.write_table(coded.unify_dictionaries(), max_chunksize=9999)
    """
}
