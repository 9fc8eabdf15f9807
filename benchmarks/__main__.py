"""`python -m benchmarks`: every benchmark in turn, each in a process of its own, so that none warms up the next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run every bench_*.py of this folder; the number of those that failed is the exit status."""
    failed = 0
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"== {script.stem.removeprefix('bench_')}", flush=True)
        failed += subprocess.run([sys.executable, str(script)]).returncode != 0
        print(flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
