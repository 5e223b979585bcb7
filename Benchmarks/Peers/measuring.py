"""What the comparisons share: a peer's clean environment, spreads, and where results go."""
import datetime
import json
import os
import platform
import statistics

# What would slow a peer's BLAS or take its threads away.
UNSET = [
    "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS", "GOTO_NUM_THREADS",
]


def clean_environment():
    return {key: value for key, value in os.environ.items() if key not in UNSET}


def spread(values, digits=2):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}–{max(values):.{digits}f})")


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def write_run(folder, name, text, record):
    """The table as Markdown and the raw data as JSON, both named by the time."""
    now = datetime.datetime.now(datetime.timezone.utc)
    os.makedirs(folder, exist_ok=True)
    stem = os.path.join(folder, f"{now:%Y-%m-%dT%H%M%SZ}-{name}")
    with open(stem + ".md", "w") as file:
        file.write(f"# {text[0]}, {now:%Y-%m-%d}\n\n" + "\n".join(text[1:]) + "\n")
    with open(stem + ".json", "w") as file:
        json.dump({"schema": f"tranche.peers.{name}.v1", "time": now.isoformat(),
                   "cpu": processor(), "cores": os.cpu_count(),
                   "python": platform.python_version(), **record}, file, indent=1)
    print("\n".join(text))
