"""Rescoring a bank, Tranche against {DuckDB, Polars} × {scikit-learn, scikit-learn-intelex}.

    rescore.py --tranche PATH --as-of DATE [--rounds 5] [--peers ENGINE+LEARNER,…] [--runs FOLDER] LEDGER…

Every contender is a whole process from start to exit, timed from outside with its peak memory, on the
same files, in turns: each round runs all of them, starting with another one each time, so that a noisy
minute hits all. Ratios are taken inside a round. Before timing anything the outputs are compared:
the same customers, the same sums, and the inertia of each labelling in one common space.
"""
import argparse
import glob
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import clean_environment, processor, spread, write_run
from rescore_peer import FEATURES

HERE = os.path.dirname(os.path.abspath(__file__))


def environment_of_all():
    environment = clean_environment()
    # The peers do not winsorise; neither do we then.
    environment["TRANCHE_CLUSTERING_WINSORIZE"] = "0"
    return environment


def run(command, environment, log):
    """Wall seconds and peak bytes of one process; its standard output."""
    with open(log, "w+") as output, open(log + ".err", "w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}\nexited with {process.returncode}:\n{errors.read()}")
        return seconds, usage.ru_maxrss * 1024, output.read()


def report(output):
    """What a contender says of itself, without this machine's folders."""
    said = json.loads(output)
    return {key: os.path.basename(value) if isinstance(value, str) and os.sep in value else value
            for key, value in said.items()}


def contenders(options, folder):
    """Name, command, file with the scores."""
    out = os.path.join(folder, "tranche")
    columns = ",".join(["customer_id", "segment"] + FEATURES)
    yield "Tranche", [
        options.tranche, "rescore", "--ledger", *options.ledger, "--as-of", options.as_of,
        "--out", out, "--clusters", str(options.clusters), "--features", ",".join(FEATURES),
        "--columns", columns, "--seed", str(options.seed), "--no-report", "--json",
        "--force", "--progress", "never", *options.tranche_argument,
    ], os.path.join(out, "scores.parquet")
    for engine, engine_name in [("duckdb", "DuckDB"), ("polars", "Polars")]:
        for learner, learner_name in [("sklearn", "scikit-learn"), ("sklearnex", "sklearn-intelex")]:
            if options.peers and f"{engine}+{learner}" not in options.peers.split(","):
                continue
            scores = os.path.join(folder, f"{engine}-{learner}.parquet")
            yield f"{engine_name} + {learner_name}", [
                sys.executable, os.path.join(HERE, "rescore_peer.py"), "--engine", engine,
                "--learner", learner, "--as-of", options.as_of, "--clusters",
                str(options.clusters), "--seed", str(options.seed), "--out", scores,
                *options.ledger,
            ], scores


def describe(scores):
    """What must be the same for all, and the inertia of the labels in log-standardised space."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(scores)
    ids = np.argsort(table["customer_id"].to_numpy(zero_copy_only=False), kind="stable")
    columns = []
    sums = {}
    for name in FEATURES:
        column = table[name].to_numpy(zero_copy_only=False).astype(np.float64)[ids]
        # Summed in one order for all, so that only values can differ.
        sums[name] = float(column.sum())
        logged = np.copysign(np.log1p(np.abs(column)), column)
        deviation = logged.std()
        columns.append((logged - logged.mean()) / (deviation if deviation > 0 else 1))
    x = np.column_stack(columns)
    labels = table["segment"].to_numpy(zero_copy_only=False)[ids]
    inertia = 0.0
    for label in np.unique(labels):
        members = x[labels == label]
        inertia += float(((members - members.mean(axis=0)) ** 2).sum())
    return {
        "customers": table.num_rows, "sums": sums, "inertia": inertia,
        "clusters": int(len(np.unique(labels))),
    }


def check(described):
    first_name, first = next(iter(described.items()))
    for name, other in described.items():
        if other["customers"] != first["customers"] or other["clusters"] != first["clusters"]:
            sys.exit(f"{name} scored {other['customers']} customers in {other['clusters']} clusters, "
                     f"{first_name} {first['customers']} in {first['clusters']}")
        for feature, value in first["sums"].items():
            if abs(other["sums"][feature] - value) > 1e-9 * max(1, abs(value)):
                sys.exit(f"the sum of {feature} is {other['sums'][feature]!r} with {name} and "
                         f"{value!r} with {first_name}")


def table(order, measured, described):
    lines = [
        "| contender | seconds, median (least–most) | × Tranche, median (least–most) | peak MiB "
        "| inertia ÷ Tranche's |",
        "|---|---|---|---|---|",
    ]
    ours = [entry["seconds"] for entry in measured["Tranche"]]
    for name in order:
        seconds = [entry["seconds"] for entry in measured[name]]
        ratios = [theirs / own for theirs, own in zip(seconds, ours)]
        peak = max(entry["peak_memory_bytes"] for entry in measured[name]) / 2**20
        inertia = described[name]["inertia"] / described["Tranche"]["inertia"]
        lines.append(
            f"| {name} | {spread(seconds)} | {spread(ratios)} | {peak:.0f} | {inertia:.4f} |")
    return "\n".join(lines)


def best_ratios(order, measured):
    """The fastest peer of each round against Tranche."""
    return [
        min(measured[name][index]["seconds"] for name in order if name != "Tranche")
        / own["seconds"]
        for index, own in enumerate(measured["Tranche"])
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tranche", required=True, help="the release binary")
    parser.add_argument("--tranche-argument", action="append", default=[])
    parser.add_argument("--as-of", required=True, help="last day of the ledger, such as 2025-12-31")
    parser.add_argument("--clusters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", help="such as polars+sklearnex; all four by default")
    parser.add_argument("--runs", default=os.path.join(HERE, "..", "Runs"))
    parser.add_argument("--scratch", help="folder for outputs; a temporary one by default")
    parser.add_argument("ledger", nargs="+", help="Parquet files or patterns")
    options = parser.parse_args()
    options.ledger = sorted(
        path for pattern in options.ledger for path in glob.glob(pattern))
    if not options.ledger:
        sys.exit("no ledger file matches")

    folder = tempfile.mkdtemp(prefix="tranche-peers-", dir=options.scratch)
    environment = environment_of_all()
    entries = list(contenders(options, folder))
    order = [name for name, _, _ in entries]
    measured = {name: [] for name in order}
    described = {}
    try:
        for number in range(options.rounds + 1):  # the first round warms the files and is checked
            for place in range(len(entries)):
                name, command, scores = entries[(place + number) % len(entries)]
                target = os.path.dirname(scores) if name == "Tranche" else scores
                shutil.rmtree(target) if os.path.isdir(target) else (
                    os.path.exists(target) and os.remove(target))
                seconds, peak, output = run(command, environment, os.path.join(folder, "log"))
                if number == 0:
                    # A process counts the memory of the one that started it as its own peak: what
                    # looks at the scores is another one.
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        described[name] = pool.apply(describe, (scores,))
                else:
                    measured[name].append({
                        "round": number, "seconds": seconds, "peak_memory_bytes": peak,
                        "report": report(output)})
                print(f"round {number}: {name}: {seconds:.2f} s, {peak / 2**20:.0f} MiB",
                      file=sys.stderr)
            if number == 0:
                check(described)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    ratios = best_ratios(order, measured)
    text = [
        "Rescoring",
        f"{described['Tranche']['customers']:,} customers, {len(options.ledger)} Parquet files of "
        f"{sum(map(os.path.getsize, options.ledger)) / 2**20:.0f} MiB, k = {options.clusters}, "
        f"{options.rounds} rounds in turns; {os.cpu_count()} cores, {processor()}.",
        "",
        table(order, measured, described),
        "",
        f"Best peer of each round ÷ Tranche: {spread(ratios)}.",
    ]
    write_run(options.runs, "rescore", text, {
        "commands": {name: [os.path.basename(word) if os.sep in word else word for word in command]
                     for name, command, _ in entries},
        "described": described, "measured": measured, "best_peer_ratios": ratios})


if __name__ == "__main__":
    main()
