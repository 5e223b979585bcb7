"""The fold alone: the eight features of rescore_peer.py per customer, from Parquet or CSV, against
DuckDB and Polars.

    fold.py --tranche PATH --as-of DATE [--rounds 3] LEDGER…

In turns, each a process of its own. Seconds are those of the aggregation inside the process: imports,
start and writing are left out on all sides. Sums are compared before anything is timed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from measuring import clean_environment
from rescore_peer import FEATURES

HERE = os.path.dirname(os.path.abspath(__file__))

PEER = """
import sys, time, datetime, json
engine, as_of, out, files = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
is_csv = files[0].endswith(".csv")
if engine == "duckdb":
    import duckdb
    db = duckdb.connect()
    types = "{'customer_id': 'BIGINT', 'date': 'DATE', 'amount': 'DECIMAL(18,2)', 'channel': 'VARCHAR'}"
    source = f"read_csv({files!r}, header = true, columns = {types})" if is_csv else f"read_parquet({files!r})"
    begin = time.perf_counter()
    table = db.sql(f'''
        select customer_id, cast(date '{as_of}' - max(date) as double) as recency_days,
               cast(count(*) as double) as frequency, cast(sum(amount) as double) as monetary,
               cast(sum(amount) as double) / count(*) as average_amount,
               cast(count(distinct date) as double) as active_days,
               cast(date '{as_of}' - min(date) as double) as tenure_days,
               cast(coalesce(sum(amount) filter (date > date '{as_of}' - 90), 0) as double) as amount_90d,
               cast(count(*) filter (date > date '{as_of}' - 90) as double) as count_90d
        from {source} where date <= date '{as_of}' and customer_id is not null group by customer_id
    ''').to_arrow_table()
    seconds = time.perf_counter() - begin
else:
    import polars as pl
    day = datetime.date.fromisoformat(as_of)
    recent = pl.col("date") > day - datetime.timedelta(days=90)
    begin = time.perf_counter()
    scan = (pl.scan_csv(files, schema={"customer_id": pl.Int64, "date": pl.Date,
                                       "amount": pl.Decimal(18, 2), "channel": pl.String})
            if is_csv else pl.scan_parquet(files))
    days = lambda e: (pl.lit(day) - e).dt.total_days().cast(pl.Float64)
    table = (scan.filter((pl.col("date") <= day) & pl.col("customer_id").is_not_null())
             .group_by("customer_id").agg(
                 days(pl.col("date").max()).alias("recency_days"),
                 pl.len().cast(pl.Float64).alias("frequency"),
                 pl.col("amount").sum().cast(pl.Float64).alias("monetary"),
                 (pl.col("amount").sum().cast(pl.Float64) / pl.len()).alias("average_amount"),
                 pl.col("date").n_unique().cast(pl.Float64).alias("active_days"),
                 days(pl.col("date").min()).alias("tenure_days"),
                 pl.col("amount").filter(recent).sum().cast(pl.Float64).alias("amount_90d"),
                 recent.sum().cast(pl.Float64).alias("count_90d"))
             .collect(engine="streaming").to_arrow())
    seconds = time.perf_counter() - begin
import pyarrow.compute as pc
names = [n for n in table.column_names if n != "customer_id"]
print(json.dumps({"seconds": seconds, "customers": table.num_rows,
                  "sums": {n: pc.sum(table[n]).as_py() for n in names}}))
"""


def tranche(options, out):
    command = [
        options.tranche, "features", "--ledger", *options.ledger, "--as-of", options.as_of,
        "--features", ",".join(FEATURES), "--out", out, "--json", "--force", "--progress", "never"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(out)
    return {
        "seconds": answer["seconds"]["fold"], "customers": table.num_rows,
        "sums": {name: float(pc.sum(table[name]).as_py()) for name in FEATURES}}


def peer(engine, options, out):
    command = [sys.executable, "-c", PEER, engine, options.as_of, out, *options.ledger]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=HERE, env=clean_environment())
    # DuckDB draws its progress on the same line of standard output.
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tranche", required=True)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("ledger", nargs="+")
    options = parser.parse_args()
    options.ledger = [os.path.abspath(path) for path in options.ledger]
    seconds = {"Tranche": [], "DuckDB": [], "Polars": []}
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "features.parquet")
        runs = {
            "Tranche": lambda: tranche(options, out), "DuckDB": lambda: peer("duckdb", options, out),
            "Polars": lambda: peer("polars", options, out)}
        for number in range(options.rounds + 1):
            # Each round starts with another one, so that a noisy minute hits all.
            names = list(runs)
            turns = names[number % len(names):] + names[:number % len(names)]
            answers = {name: runs[name]() for name in turns}
            first = answers["Tranche"]
            for name, answer in answers.items():
                assert answer["customers"] == first["customers"], (name, answer, first)
                for feature in FEATURES:
                    difference = abs(answer["sums"][feature] - first["sums"][feature])
                    assert difference <= 1e-9 * max(1, abs(first["sums"][feature])), (name, feature)
                # The first round only compares (and warms the files).
                if number > 0:
                    seconds[name].append(answer["seconds"])
    for name, values in seconds.items():
        ratios = [value / own for value, own in zip(values, seconds["Tranche"])]
        print(f"{name}: {statistics.median(values):.2f} s ({min(values):.2f}–{max(values):.2f}), "
              f"{statistics.median(ratios):.2f} × Tranche")


if __name__ == "__main__":
    main()
