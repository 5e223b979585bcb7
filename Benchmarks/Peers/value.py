"""Value of a base's customers: Tranche against lifetimes and, where it is installed, pymc-marketing.

A retail-like base (Poisson purchases, geometric drop-out, Gamma-Gamma spend; days) is drawn once;
each contender fits BG/NBD and Gamma-Gamma and forecasts a year's discounted value, in turns. Seconds
of the work alone: Tranche's `cells fit spend score`, the peers' calls after their data is in memory.

  python value.py --tranche .build/release/tranche --customers 1000000 --peer PYTHON ...

Each PYTHON is an interpreter with lifetimes (and its older pandas) or pymc-marketing.
"""

import argparse, json, pathlib, statistics, subprocess, sys, tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PEER = r"""
import json, sys, time, warnings, logging
warnings.filterwarnings("ignore"); logging.disable(logging.WARNING)
import numpy as np, pandas as pd
z = np.load(sys.argv[1])
try:
  from lifetimes import BetaGeoFitter, GammaGammaFitter
  def once():
    start = time.perf_counter()
    bg = BetaGeoFitter(); bg.fit(z["x"], z["t_x"], z["T"])
    has = (z["x"] > 0) & (z["m"] > 0)
    spend = GammaGammaFitter(); spend.fit(z["x"][has], z["m"][has])
    bg.conditional_probability_alive(z["x"], z["t_x"], z["T"])
    s = {k: pd.Series(z[k]) for k in z.files}
    spend.customer_lifetime_value(bg, s["x"], s["t_x"], s["T"], s["m"], time=12, discount_rate=.01, freq="D")
    return time.perf_counter() - start
  print(json.dumps({"name": "lifetimes", "seconds": [once()]}))
except ImportError:
  from pymc_marketing.clv import BetaGeoModel, GammaGammaModel
  d = pd.DataFrame({"customer_id": np.arange(len(z["x"])), "frequency": z["x"].astype(float),
    "recency": z["t_x"], "T": z["T"], "monetary_value": z["m"]})
  r = d[(d.frequency > 0) & (d.monetary_value > 0)]
  def once():
    start = time.perf_counter()
    bg = BetaGeoModel(data=d[["customer_id", "frequency", "recency", "T"]]); bg.fit(method="map", progressbar=False)
    spend = GammaGammaModel(data=r[["customer_id", "frequency", "monetary_value"]]); spend.fit(method="map", progressbar=False)
    spend.expected_customer_lifetime_value(transaction_model=bg, data=r, future_t=12, discount_rate=.01, time_unit="D")
    return time.perf_counter() - start
  once()  # compiles
  print(json.dumps({"name": "pymc-marketing (MAP, warm; value of repeat customers only)", "seconds": [once()]}))
"""


def base(n, fractional):
    rng = np.random.default_rng(1)
    rate = np.maximum(rng.gamma(0.25, 1 / 30.8, n), 1e-12)
    leaving = rng.beta(0.8, 2.4, n)
    age = rng.integers(30, 366, n).astype(float) + (rng.random(n) if fractional else 0)
    now, repeats, last = np.zeros(n), np.zeros(n, np.int32), np.zeros(n)
    here = np.arange(n)
    while len(here):
        now[here] += rng.exponential(1 / rate[here])
        here = here[now[here] < age[here]]
        day = now[here] if fractional else np.ceil(now[here])
        repeats[here[day > last[here]]] += 1  # one purchase a day
        last[here] = np.minimum(day, age[here])
        here = here[rng.random(len(here)) > leaving[here]]
    scale = rng.gamma(3.7, 1 / 15.4, n)
    spend = rng.gamma(6.2 * np.maximum(repeats, 1), 1 / scale) / np.maximum(repeats, 1)
    mean = np.where(repeats > 0, np.maximum(spend.round(2), 0.01), 0)
    return {"x": repeats, "t_x": last, "T": age, "m": mean}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--tranche", required=True)
    options.add_argument("--customers", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--fractional", action="store_true", help="no two customers alike")
    options.add_argument("--peer", action="append", default=[])
    options = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    columns = base(options.customers, options.fractional)
    np.savez(folder / "base.npz", **columns)
    pq.write_table(
        pa.table({"customer_id": np.arange(options.customers), **columns}), folder / "base.parquet")
    seconds = {}
    for _ in range(options.rounds):
        out = subprocess.run(
            [options.tranche, "value", "--summary", folder / "base.parquet", "--model", "bg-nbd",
             "--out", folder / "value.parquet", "--force", "--json"],
            check=True, capture_output=True, text=True).stdout
        stages = json.loads(out)["seconds"]
        work = sum(stages[name] for name in ("cells", "fit", "spend", "score"))
        seconds.setdefault("Tranche", []).append(work)
        seconds.setdefault("Tranche, with reading and writing Parquet", []).append(stages["total"])
        for peer in options.peer:
            out = subprocess.run(
                [peer, "-c", PEER, folder / "base.npz"], check=True, capture_output=True, text=True
            ).stdout
            result = json.loads(out.strip().splitlines()[-1])
            seconds.setdefault(result["name"], []).extend(result["seconds"])
    own = statistics.median(seconds["Tranche"])
    print(f"{options.customers:,} customers, {options.rounds} rounds\n")
    print("| contender | seconds, median (least–most) | × Tranche |\n|---|---|---|")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.2f} ({min(times):.2f}–{max(times):.2f}) | {middle / own:.1f} |")


if __name__ == "__main__":
    sys.exit(main())
