"""One month more: from the state, and recomputed from all files. No peer keeps one.

    state.py --tranche PATH --as-of DATE --new FILE [--rounds 3] [--runs FOLDER] [--all-columns] [--refold] LEDGER…

LEDGER are the files of the months before, --new is the month to come, DATE its last day. First, untimed,
a model is fitted and the state of the months before is made, as of the day before the new month's
first; with --all-columns for every column of the scores, forecasts of value too. Then, in turns, whole
processes on the same files with the same frozen model: all files without a state, the new file with a
fresh copy of the state, and with --refold all files into a new state, which is what the month from the
state leaves too. The scores must be the same bytes.
"""
import argparse
import datetime
import filecmp
import glob
import json
import os
import shutil
import statistics
import sys
import tempfile

import pyarrow.parquet

from measuring import clean_environment, processor, spread, write_run
from rescore import run
from rescore_peer import FEATURES


def size(folder, prefix=""):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
               if name.startswith(prefix))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tranche", required=True)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--new", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs")
    parser.add_argument("--folder", help="for the work, on the disk to measure")
    parser.add_argument("--all-columns", action="store_true", help="forecasts of value too")
    parser.add_argument("--refold", action="store_true", help="all files into a new state too")
    parser.add_argument("ledger", nargs="+")
    options = parser.parse_args()
    old = [file for pattern in options.ledger for file in sorted(glob.glob(pattern))]
    day = datetime.date.fromisoformat(options.as_of)
    before = day.replace(day=1) - datetime.timedelta(days=1)
    environment = clean_environment()
    environment["TRANCHE_CLUSTERING_WINSORIZE"] = "0"
    columns = ",".join(["customer_id", "segment"] + FEATURES)
    common = ["--json", "--force", "--progress", "never"]
    if not options.all_columns:
        common += ["--columns", columns, "--no-report"]

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = lambda name: os.path.join(folder, name)
        rescore = [options.tranche, "rescore"]
        run(rescore + ["--ledger", *old, "--state", path("state"), "--as-of", str(before), "--out",
                       path("before"), "--clusters", "8", "--features", ",".join(FEATURES)] + common,
            environment, path("log"))
        model = ["--as-of", options.as_of, "--model", path("before/model.json")] + common
        commands = {
            "all files": ["--ledger", *old, options.new, "--out", path("full")],
            "the new file and the state": ["--ledger", options.new, "--state", path("copy"),
                                           "--out", path("next")],
        }
        if options.refold:
            commands["all files into a new state"] = commands["all files"] + [
                "--state", path("copy"), "--refold"]
        results = {name: [] for name in commands}
        for round in range(options.rounds + 1):
            names = list(commands)
            for name in names[round % len(names):] + names[:round % len(names)]:
                # Both find their files in the page cache, and neither waits for the copy's writes.
                shutil.rmtree(path("copy"), ignore_errors=True)
                shutil.copytree(path("state"), path("copy"))
                os.sync()
                seconds, peak, said = run(
                    rescore + commands[name] + model, environment, path("log"))
                # The first round warms the files up.
                if round:
                    results[name].append({"seconds": seconds, "peak": peak,
                                          "stages": json.loads(said)["seconds"]})
                if "--state" in commands[name] and "--refold" not in commands[name]:
                    sizes = {"before": size(path("state"))} | {
                        kind: size(path("copy"), kind + "-")
                        for kind in ("customers", "days", "purchases")}
            if not filecmp.cmp(path("full/scores.parquet"), path("next/scores.parquet"), False):
                sys.exit("the scores from the state are others than those from all files")
        told = json.loads(said)
        full, month, *others = [[row["seconds"] for row in rows] for rows in results.values()]
        ratios = [a / b for a, b in zip(full, month)]
        refolded = [a / b for a, b in zip(others[0], month)] if others else []
        lines = [
            f"{told['customers']:,} customers, {told['rows']['read']:,} transactions, of which "
            f"{pyarrow.parquet.read_metadata(options.new).num_rows:,} in the new file; "
            f"{options.rounds} rounds in turns, whole processes, "
            f"{'all columns and the report' if options.all_columns else 'eight features'}, {processor()}, "
            f"{told['threads']} threads.", "",
            "| | seconds | fold | peak MiB |", "|---|---|---|---|"]
        for name, rows in results.items():
            lines.append(
                f"| {name} | {spread([row['seconds'] for row in rows])} | "
                f"{spread([row['stages']['fold'] for row in rows])} | "
                f"{max(row['peak'] for row in rows) >> 20} |")
        beside = (f", {spread(refolded)} times faster than all files into a new state"
                  if refolded else "")
        lines += ["", f"From the state {spread(ratios)} times faster than all files{beside}. "
                  "On disk the state takes "
                  f"{sizes['before'] / 1e6:.0f} MB after the first run, and after the new month "
                  f"{sizes['customers'] / 1e6:.0f} MB of customers, {sizes['days'] / 1e6:.0f} MB of "
                  f"transactions that leave a window yet and {sizes['purchases'] / 1e6:.0f} MB of "
                  "purchases by day. The scores are the same bytes."]
        if options.runs:
            write_run(options.runs, "state", ["The next month from the state"] + lines,
                      {"results": results, "ratios": ratios, "refolded": refolded, "sizes": sizes,
                       "files": len(old) + 1})
        else:
            print("\n".join(lines))


if __name__ == "__main__":
    main()
