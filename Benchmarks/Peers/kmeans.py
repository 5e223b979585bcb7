"""K-Means in memory, Tranche against scikit-learn, scikit-learn-intelex, faiss and mlpack.

    kmeans.py --tranche PATH_OF_KMEANS_WORKLOAD [--rounds 3] [--workloads A,B,…] [--modes …]

Each contender gets the same float32 file with the same starting centroids, as a process of its own, in
turns: a round runs all of them, starting with another one each time. What is timed is the call on an
array in memory; ours includes laying the array out. Ratios are taken inside a round. Modes: iterate
(20 iterations, tolerance 0), assign (labels of every row), fit (k-means++ to 1e-4, five seeds, median).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from measuring import clean_environment, processor, spread, write_run

HERE = os.path.dirname(os.path.abspath(__file__))
WORKLOADS = {
    "A": (2_000_000, 2, 3), "B": (5_000_000, 3, 5), "C": (5_000_000, 8, 8),
    "H": (10_000_000, 8, 10), "D": (2_000_000, 16, 32), "E": (1_000_000, 32, 64),
    "F": (500_000, 64, 256), "G": (200_000, 128, 1024),
}
LIBRARIES = {"sklearn": "scikit-learn", "sklearnex": "scikit-learn-intelex", "faiss": "faiss",
             "mlpack": "mlpack"}
# faiss has no k-means++ and no tolerance; mlpack no assignment; neither is near the front on tables
# of few columns, where their rounds would only take time.
TAKES_PART = {
    "iterate": lambda library, d: library not in ("faiss", "mlpack") or d >= 16,
    "assign": lambda library, d: library != "mlpack" and (library != "faiss" or d >= 16),
    "fit": lambda library, d: library in ("sklearn", "sklearnex"),
}
FIT_WORKLOADS = "CD"
REPETITIONS = {"iterate": 2, "assign": 5, "fit": 5}


def generate(path, rows, columns, clusters):
    """Overlapping normal clouds, twice as many as clusters, so that Lloyd has work to the end."""
    random = np.random.default_rng(1)
    centers = random.normal(size=(2 * clusters, columns)).astype(np.float32) * 1.5
    with open(path, "wb") as file:
        start = []
        for first in range(0, rows, 500_000):
            count = min(500_000, rows - first)
            block = centers[random.integers(0, 2 * clusters, count)]
            block = block + random.normal(size=(count, columns)).astype(np.float32)
            start.append(block[: clusters * 2])
            file.write(block.astype(np.float32).tobytes())
        pool = np.concatenate(start)
        file.write(pool[random.choice(len(pool), clusters, replace=False)].tobytes())


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nexited with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def contenders(options, mode, workload, path):
    rows, columns, clusters = WORKLOADS[workload]
    arguments = [path, str(rows), str(columns), str(clusters), mode, str(REPETITIONS[mode])]
    yield "Tranche", [options.tranche, *arguments]
    for library in options.libraries.split(","):
        if TAKES_PART[mode](library, columns):
            yield LIBRARIES[library], [
                sys.executable, os.path.join(HERE, "kmeans_peer.py"), library, *arguments]


def figure(mode, report):
    """The seconds that count: the least of repeated calls, the median over seeds."""
    return statistics.median(report["seconds"]) if mode == "fit" else min(report["seconds"])


def check(mode, workload, reports):
    """All contenders must have found the same: after equal iterations, or in the median over seeds."""
    ours = reports["Tranche"]["inertia"]
    for name, report in reports.items():
        if mode == "iterate" and abs(report["inertia"][0] / ours[0] - 1) > 1e-4:
            sys.exit(f"{workload}: the inertia of {name} is {report['inertia'][0]!r}, "
                     f"Tranche's {ours[0]!r}")
        if mode == "fit" and statistics.median(ours) > 1.002 * statistics.median(
                report["inertia"]):
            sys.exit(f"{workload}: Tranche's median inertia {statistics.median(ours)!r} is above "
                     f"that of {name}, {statistics.median(report['inertia'])!r}")


def measure(options, mode, workload, path, environment):
    entries = list(contenders(options, mode, workload, path))
    rounds = []
    for number in range(options.rounds):
        reports = {}
        for place in range(len(entries)):
            name, command = entries[(place + number) % len(entries)]
            reports[name] = run(command, environment)
            print(f"{workload} {mode} round {number + 1}: {name}: "
                  f"{figure(mode, reports[name]):.4f} s", file=sys.stderr)
        check(mode, workload, reports)
        rounds.append(reports)
    return rounds


def shown(libraries):
    return [LIBRARIES[library] for library in libraries.split(",")]


def line(mode, workload, rounds, libraries):
    rows, columns, clusters = WORKLOADS[workload]
    names = [name for name in rounds[0] if name != "Tranche"]
    ours = [figure(mode, reports["Tranche"]) for reports in rounds]
    best = [min(figure(mode, reports[name]) for name in names) for reports in rounds]
    ratios = [theirs / own for theirs, own in zip(best, ours)]
    cells = [f"{workload} {rows // 1000:,}k × {columns}, {clusters}", spread(ours, 4)]
    for name in shown(libraries):
        seconds = [figure(mode, reports[name]) for reports in rounds if name in reports]
        cells.append(f"{statistics.median(seconds):.3f}" if seconds else "–")
    cells.append(f"**{spread(ratios, 1)}**")
    return "| " + " | ".join(cells) + " |", ratios


TITLES = {
    "iterate": "20 iterations from the same start, layout included (seconds)",
    "assign": "Labels of a table that is in memory, tiles laid out (seconds)",
    "fit": "Whole fits, k-means++ to tolerance 1e-4, median of five seeds (seconds)",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tranche", required=True, help="the built kmeans-workload")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--modes", default="iterate,assign,fit")
    parser.add_argument("--libraries", default="sklearn,sklearnex,faiss")
    parser.add_argument("--runs", default=os.path.join(HERE, "..", "Runs"))
    parser.add_argument("--scratch", help="folder for the workloads; a temporary one by default")
    options = parser.parse_args()
    environment = clean_environment()
    measured, ratios = {}, {}
    with tempfile.TemporaryDirectory(prefix="tranche-kmeans-", dir=options.scratch) as folder:
        for workload in options.workloads.split(","):
            path = os.path.join(folder, workload + ".f32")
            generate(path, *WORKLOADS[workload])
            for mode in options.modes.split(","):
                if mode == "fit" and workload not in FIT_WORKLOADS:
                    continue
                measured.setdefault(mode, {})[workload] = measure(
                    options, mode, workload, path, environment)
            os.remove(path)

    text = [
        "K-Means in memory",
        f"{options.rounds} rounds in turns, float32, {os.cpu_count()} cores, {processor()}; "
        "the last column is the best peer of each round ÷ Tranche, median (least–most).",
    ]
    for mode, workloads in measured.items():
        text += ["", f"**{TITLES[mode]}**", "",
                 "| n × d, k | Tranche | " + " | ".join(shown(options.libraries)) + " | ratio |",
                 "|---" * (len(shown(options.libraries)) + 3) + "|"]
        for workload, rounds in workloads.items():
            cells, found = line(mode, workload, rounds, options.libraries)
            ratios.setdefault(mode, {})[workload] = found
            text.append(cells)
    write_run(options.runs, "kmeans", text, {"measured": measured, "best_peer_ratios": ratios})


if __name__ == "__main__":
    main()
