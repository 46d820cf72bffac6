"""How do time and memory of imagining joint markets grow with the number of symbols?

For each number of symbols, in a process of its own: a forecaster is fitted on as many correlated
random walks of five years (one epoch: what is learned costs nothing here), then the default run's
markets are imagined. Printed are the processor seconds that a sampler needs once (residuals,
copula) and for the markets, bars of symbols a second, and the peak resident memory of the whole
process, TensorFlow included; ratios tell the growth against that of the symbols.

    python -m research.benchmarks.joint_paths [--symbols 1 3 10 50] [--markets 1024] [--bars 60]
"""

from __future__ import annotations

import json
import subprocess
import sys

from research.benchmarks.backtest_cost import wait_for
from research.conditions import ROOT, conditions, option_parser

YEARS = 5

CHILD = """
import json, sys, time
import numpy as np
from algorithm.learning import ImaginationConfig, imagined_markets
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from research.random_walks import random_histories

count, markets, bars, rows = map(int, sys.argv[1:])
names = [f"S{i}" for i in range(count)]
tables = [FeatureTable.of(h) for h in random_histories(names, rows, seed=1, common=0.4)]
forecaster = Forecaster.fit(tables, ForecasterConfig(epochs=1), seed=1)
sampler = imagined_markets(tables, forecaster, ImaginationConfig())
started = time.process_time()
sampler.sample(8, 1, np.random.default_rng(0))
prepared = time.process_time()
paths = sampler.sample(markets, bars, np.random.default_rng(1))
print(json.dumps([prepared - started, time.process_time() - prepared, paths.bars.shape]))
"""


def measure(count: int, markets: int, bars: int) -> tuple[float, float, float]:
    """Seconds to prepare and to sample, and the peak in MiB, of one process.

    Linux lets the peak of a process begin with its parent's: this one imports little.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, (count, markets, bars, YEARS * 252))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    if child.stdout is None:
        raise RuntimeError("the child's output must be a pipe")
    said = child.stdout.read()
    _, status, usage = wait_for(child)
    if status:
        raise RuntimeError(f"imagining {count} symbols failed with status {status}")
    prepared, sampled, shape = json.loads(said.splitlines()[-1])
    if shape != [markets, count, bars + 1, 5]:
        raise RuntimeError(f"markets must have {count} symbols and {bars} bars; received {shape}")
    return prepared, sampled, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--symbols", type=int, nargs="+", default=[1, 3, 10, 50])
    parser.add_argument("--markets", type=int, default=1024)
    parser.add_argument("--bars", type=int, default=60)
    options = parser.parse_args()
    print(conditions("numpy", "scipy", "tensorflow"))
    print(
        f"{options.markets} markets of {options.bars} bars, default blend; run alone on the machine"
    )
    print(
        f"{'symbols':>7}  {'once: s':>8}  {'markets: s':>10}  {'bars/s':>9}  {'MiB':>6}  "
        f"{'s, x first':>10}  {'symbols, x first':>16}"
    )
    first: tuple[int, float] | None = None
    for count in options.symbols:
        prepared, sampled, peak = measure(count, options.markets, options.bars)
        first = first or (count, sampled)
        speed = count * options.markets * options.bars / sampled
        print(
            f"{count:>7}  {prepared:>8.2f}  {sampled:>10.2f}  {speed:>9,.0f}  {peak:>6.0f}  "
            f"{sampled / first[1]:>10.1f}  {count / first[0]:>16.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
