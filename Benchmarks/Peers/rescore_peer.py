"""One peer's whole rescoring, as a process of its own: Parquet ledger in, scored customers out.

    rescore_peer.py --engine duckdb|polars --learner sklearn|sklearnex --as-of DATE --out FILE LEDGER…

Ledger columns: customer_id, date, amount, channel. Eight features per customer, signed log, standard
scaling, K-Means, Parquet. Prints one JSON object with seconds per stage. It does what a careful user of
these libraries would do: only the needed columns, all threads, float32 for the clustering, zstd.
"""
import argparse
import datetime
import json
import time

FEATURES = [
    "recency_days", "frequency", "monetary", "average_amount", "active_days", "tenure_days",
    "amount_90d", "count_90d",
]


def aggregate_with_duckdb(files, as_of):
    import duckdb

    query = f"""
        select customer_id,
               cast(date '{as_of}' - max(date) as double) as recency_days,
               cast(count(*) as double) as frequency,
               cast(sum(amount) as double) as monetary,
               cast(sum(amount) as double) / count(*) as average_amount,
               cast(count(distinct date) as double) as active_days,
               cast(date '{as_of}' - min(date) as double) as tenure_days,
               cast(coalesce(sum(amount) filter (date > date '{as_of}' - 90), 0) as double)
                   as amount_90d,
               cast(count(*) filter (date > date '{as_of}' - 90) as double) as count_90d
        from read_parquet({files!r})
        where date <= date '{as_of}' and customer_id is not null
        group by customer_id
    """
    return duckdb.connect().sql(query).to_arrow_table()


def aggregate_with_polars(files, as_of):
    import polars as pl

    day = datetime.date.fromisoformat(as_of)
    is_recent = pl.col("date") > day - datetime.timedelta(days=90)
    frame = (
        pl.scan_parquet(files)
        .filter((pl.col("date") <= day) & pl.col("customer_id").is_not_null())
        .group_by("customer_id")
        .agg(
            (pl.lit(day) - pl.col("date").max()).dt.total_days().cast(pl.Float64)
            .alias("recency_days"),
            pl.len().cast(pl.Float64).alias("frequency"),
            pl.col("amount").sum().cast(pl.Float64).alias("monetary"),
            pl.col("date").n_unique().cast(pl.Float64).alias("active_days"),
            (pl.lit(day) - pl.col("date").min()).dt.total_days().cast(pl.Float64)
            .alias("tenure_days"),
            pl.col("amount").filter(is_recent).sum().cast(pl.Float64).alias("amount_90d"),
            is_recent.sum().cast(pl.Float64).alias("count_90d"),
        )
        .with_columns((pl.col("monetary") / pl.col("frequency")).alias("average_amount"))
        .select(["customer_id"] + FEATURES)
    )
    return frame.collect(engine="streaming").to_arrow()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=["duckdb", "polars"], required=True)
    parser.add_argument("--learner", choices=["sklearn", "sklearnex"], required=True)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True)
    parser.add_argument("ledger", nargs="+")
    options = parser.parse_args()
    seconds = {}
    start = time.perf_counter()

    def lap(stage):
        nonlocal start
        now = time.perf_counter()
        seconds[stage] = now - start
        start = now

    if options.learner == "sklearnex":
        from sklearnex import patch_sklearn

        patch_sklearn(verbose=False)
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans

    lap("import")
    aggregate = aggregate_with_duckdb if options.engine == "duckdb" else aggregate_with_polars
    table = aggregate(options.ledger, options.as_of)
    lap("features")
    x = np.empty((table.num_rows, len(FEATURES)), np.float32)
    for place, name in enumerate(FEATURES):
        column = table[name].to_numpy()
        logged = np.copysign(np.log1p(np.abs(column)), column)
        deviation = logged.std()
        x[:, place] = (logged - logged.mean()) / (deviation if deviation > 0 else 1)
    lap("standardise")
    model = KMeans(
        options.clusters, init="k-means++", n_init=1, tol=1e-4, random_state=options.seed).fit(x)
    lap("cluster")
    table = table.add_column(1, "segment", pa.array(model.labels_.astype(np.int32)))
    pq.write_table(table, options.out, compression="zstd")
    lap("write")
    print(json.dumps({
        "customers": table.num_rows, "iterations": int(model.n_iter_),
        "inertia": float(model.inertia_), "seconds": seconds,
    }))


if __name__ == "__main__":
    main()
