"""How do time and peak memory of a backtest grow with its length?

Runs the default algorithm over one, two and four years, each in a process of its own with an
empty object store (so that every training is done) and again on the store it left behind (so
that every training is reused). Prints seconds and peak resident memory of each, and ratios.

    python -m research.benchmarks.backtest_cost [--repeats N]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from research.conditions import ROOT, conditions, option_parser

ENDS = {1: "2009-12-31", 2: "2010-12-31", 4: "2012-12-31"}

CHILD = """
import sys
from pathlib import Path
from research.default_run import run_default
run_default(Path(sys.argv[1]), {"end_date": sys.argv[2]})
"""


def measure(years: int, store: Path) -> tuple[float, float]:
    """Seconds and peak resident memory (MiB) of one backtest in a process of its own.

    Linux lets the peak of a process begin with its parent's: this one must stay small, so it
    imports none of what it measures.
    """
    before = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store), ENDS[years]],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = wait_for(child)
    if status:
        raise RuntimeError(f"the backtest over {years} years failed with status {status}")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def wait_for(child: subprocess.Popen) -> tuple[int, int, resource.struct_rusage]:
    """Wait for a child and return what it used (its pid, exit status and resource usage)."""
    pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return pid, child.returncode, usage


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="runs of each length (median)")
    repeats = parser.parse_args().repeats
    print(conditions("numpy", "tensorflow"))
    print(f"{repeats} run(s) of each; run alone on the machine")
    print(f"{'years':>5}  {'trained: s':>11}  {'MiB':>6}  {'reused: s':>10}  {'MiB':>6}")
    rows = {}
    for years in ENDS:
        found = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                store = Path(folder)
                found.append((*measure(years, store), *measure(years, store)))
        rows[years] = [statistics.median(column) for column in zip(*found, strict=True)]
        seconds, memory, again, memory_again = rows[years]
        print(f"{years:>5}  {seconds:>11.1f}  {memory:>6.0f}  {again:>10.1f}  {memory_again:>6.0f}")
    ratios = [long / short for short, long in zip(rows[1], rows[4], strict=True)]
    print(
        f"{'4 / 1':>5}  {ratios[0]:>10.2f}x  {ratios[1]:>5.2f}x  {ratios[2]:>9.2f}x  "
        f"{ratios[3]:>5.2f}x"
    )


if __name__ == "__main__":
    main()
