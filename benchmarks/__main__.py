"""`python -m benchmarks [NAME ...]`: every benchmark, each in a process of its own, and one table of what they found.

Progress goes to stderr, the table to stdout, and with the versions and the machine to results/benchmarks.csv and .json.
A benchmark that fails is a row that says why; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from statmech_cl.output import check_writable_folder, to_csv, to_json, write_atomic
from statmech_cl.provenance import versions

from .table import Row, record, text_of

FOLDER = Path(__file__).parent


def rows_of(script: Path) -> list[Row]:
    """The rows of one benchmark, or one row that says why there are none."""
    name = script.stem.removeprefix("bench_")
    # One core for everybody: what is compared then had the same.
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    done = subprocess.run([sys.executable, str(script), "--json"], capture_output=True, text=True, env=environment)
    try:
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise ValueError(lines[-1])
        rows = [Row(**row) for row in json.loads(done.stdout)]
    except (ValueError, TypeError) as error:
        return [Row(what=f"{name}: failed", seconds=math.nan, note=str(error))]
    return [Row(**{**vars(row), "what": f"{name}: {row.what}"}) for row in rows]


def main() -> int:
    """Run the benchmarks in turn, print and write the table; 1 where one failed."""
    scripts = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(scripts)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the table's files")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in scripts]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(scripts)}, got {unknown[0]!r}")
    folder = check_writable_folder(arguments.out)
    rows: list[Row] = []
    for name in arguments.names or scripts:
        started = time.monotonic()
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        new = rows_of(scripts[name])
        rows += new
        print(f" {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(text_of(rows))
    lines = [record(row) for row in rows]
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "system": platform.system()}
    write_atomic(folder / "benchmarks.csv", to_csv(lines))
    write_atomic(folder / "benchmarks.json", to_json({"rows": lines, "machine": machine, "versions": versions()}))
    print(f"\nwrote {folder / 'benchmarks.csv'} {folder / 'benchmarks.json'}")
    return int(any(math.isnan(row.seconds) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
