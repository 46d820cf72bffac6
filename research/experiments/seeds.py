"""What does the default run earn, over several seeds, beside its benchmark?

Runs the algorithm as `make backtest` does, once for each seed with an object store of its own, and
prints for each: return, Sharpe ratio, drawdown, orders, and the annualised difference to the
benchmark (equal-weight buy and hold of the same symbols, without costs). Then mean, standard
deviation and a paired t statistic over seeds. Seeds share the market: their spread is that of
learning, not that of markets.

    python -m research.experiments.seeds [--seeds 1 2 3 4 5] [--jobs 2] [--parameter NAME VALUE]...
"""

from __future__ import annotations

import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from engine.common.charting import Series
from engine.run.runner import BacktestResult
from research.conditions import conditions, option_parser
from research.default_run import run_default
from research.figures import drawdown, sharpe

SHOWN = ("net profit", "annual", "Sharpe", "drawdown", "orders", "exposure", "t of difference")


def run(seed: int, changes: dict[str, str]) -> dict[str, float]:
    """One backtest in this process; see `figures`."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as store:
        result = run_default(Path(store), changes | {"seed": str(seed)})
    return figures(result) | {"seconds": time.perf_counter() - started}


def figures(result: BacktestResult) -> dict[str, float]:
    """What is shown of a result, from its daily equity and benchmark samples."""
    strategy = sampled(result.charts["Strategy Equity"].series["Equity"])
    benchmark = sampled(result.charts["Benchmark"].series["Benchmark"])
    nights = sorted(set(strategy) & set(benchmark))
    ours = np.diff(np.log([strategy[night] for night in nights]))
    theirs = np.diff(np.log([benchmark[night] for night in nights]))
    # Nothing moves on a weekend or a holiday.
    traded = (ours != 0) | (theirs != 0)
    ours, theirs = ours[traded], theirs[traded]
    weights = [
        [abs(float(point.value)) for point in series.values]
        for name, series in result.charts["Weights"].series.items()
        if not name.endswith(" cap")
    ]
    difference = ours - theirs
    return {
        "net profit": float(np.expm1(ours.sum())),
        "annual": float(np.expm1(ours.mean() * 252)),
        "Sharpe": sharpe(ours),
        "drawdown": drawdown(ours),
        "orders": float(result.statistics["Total Orders"]),
        "exposure": float(np.sum([np.mean(w) for w in weights])),
        "t of difference": float(
            difference.mean() / difference.std(ddof=1) * np.sqrt(len(difference))
        ),
        "benchmark net profit": float(np.expm1(theirs.sum())),
        "benchmark annual": float(np.expm1(theirs.mean() * 252)),
        "benchmark Sharpe": sharpe(theirs),
        "benchmark drawdown": drawdown(theirs),
    }


def sampled(series: Series) -> dict[datetime, float]:
    """Values of a chart's series by their UTC time; LEAN samples at every midnight."""
    return {point.time: float(point.value) for point in series.values}


def main() -> None:
    """Run all seeds and print the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--parameter", nargs=2, action="append", default=[])
    arguments = parser.parse_args()
    changes = dict(arguments.parameter)
    print(conditions("numpy", "tensorflow", "keras"), flush=True)
    rows = Parallel(n_jobs=arguments.jobs)(delayed(run)(s, changes) for s in arguments.seeds)
    print(f"{'seed':>9}" + "".join(f"{name:>17}" for name in SHOWN))
    for seed, row in zip(arguments.seeds, rows, strict=True):
        print(f"{seed:>9}" + "".join(f"{row[name]:>17.3f}" for name in SHOWN))
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    if len(rows) > 1:
        for label, reduce in (("mean", np.mean), ("deviation", lambda x: np.std(x, ddof=1))):
            print(f"{label:>9}" + "".join(f"{reduce(table[name]):>17.3f}" for name in SHOWN))
    print(
        f"{'benchmark':>9}"
        + "".join(
            f"{table['benchmark ' + name].mean():>17.3f}"
            if f"benchmark {name}" in table
            else f"{'':>17}"
            for name in SHOWN
        )
    )
    gap = table["Sharpe"] - table["benchmark Sharpe"]
    if len(gap) > 1:
        error = gap.std(ddof=1) / np.sqrt(len(gap))
        print(f"Sharpe less benchmark's: {gap.mean():.3f}, standard error over seeds {error:.3f}")


if __name__ == "__main__":
    main()
