"""Do symbols depend on each other in imagined markets as in real ones, in calm and in crises?

Fits a forecaster, and lets every source of joint noise imagine markets that start all over the span
it was fitted to: independent symbols, a Gaussian, a t and a skewed-t copula of the residuals, the
residuals by date (blend 1), the default blend, and a block bootstrap of whole dates. Printed are
`sim.dependence.Dependence` of each beside the span itself and, for its natural tolerance, the span
after; means over seeds, deviations between them below; and what the copula found.

    python -m research.benchmarks.joint_dependence --tdqn FOLDER    # fit to 2017, then 2018-2019
    python -m research.benchmarks.joint_dependence --packaged       # fit 2005-2008, then to 2013
    python -m research.benchmarks.joint_dependence --lean FOLDER    # fit 2003-2012, then to 2021
        [--symbols AAPL,JPM] [--markets 256] [--bars 60] [--seeds 1 2 3]
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np

from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK, PARTS, FeatureTable
from models.market.history import History
from models.seeding import streams
from research.conditions import conditions
from research.held_out import DEFAULT, DEFAULT_BLEND
from research.stocks import FIRST_TRAINING, packaged_histories, since, stock_parser
from research.tdqn_data import load_all
from research.workspace import load_histories, load_settings
from sim.baselines import BlockBootstrapSampler
from sim.dependence import Dependence, JointSeries
from sim.noise import KINDS, CopulaNoise
from sim.path_sampler import ForecasterSampler
from sim.paths import PathSampler

LEAN_SYMBOLS = "AAPL,AIG,BAC,IBM,SPY"


def dependence_of(
    histories: list[History], split: np.datetime64, seed: int, options: argparse.Namespace
) -> dict[str, Dependence]:
    """The dependence of the bars up to `split`, after it, and of every source of markets."""
    known = [history.until(split) for history in histories]
    tables = [FeatureTable.of(history) for history in known]
    forecaster = Forecaster.fit(tables, ForecasterConfig(epochs=options.epochs), seed=seed)
    observer = Observer(forecaster)
    # Where paths can start: the features are known.
    first = LOOKBACK + forecaster.config.window
    seen = [history.tail(len(history) - first) for history in known]
    found = {"real": Dependence.of(JointSeries.of_histories(seen))}
    after = [h.tail(len(h) - len(k) + 21) for h, k in zip(histories, known, strict=True)]
    found["real, after"] = Dependence.of(JointSeries.of_histories(after))
    samplers: dict[str, PathSampler] = {
        kind: ForecasterSampler(observer, tables, blend=0.0, copula=kind) for kind in KINDS
    }
    samplers["by date"] = ForecasterSampler(observer, tables, blend=1.0)
    samplers[DEFAULT] = default = ForecasterSampler(observer, tables, blend=DEFAULT_BLEND)
    # Of the days that the others have.
    samplers["block bootstrap"] = BlockBootstrapSampler(tables, observer, first=default.first)
    for name, sampler in samplers.items():
        rng = streams(seed, "joint")["paths"]
        paths = sampler.sample(options.markets, options.bars, rng)
        found[name] = Dependence.of(JointSeries.of_paths(paths))
    fitted = ForecasterSampler(observer, tables, blend=0.0, copula="skewed-t").copula_noise
    if not isinstance(fitted, CopulaNoise):
        raise TypeError(f"skewed-t must be a CopulaNoise; received {type(fitted).__name__}")
    print(
        f"seed {seed}: "
        + ", ".join(
            f"{name} df {of.df:g} skew {of.skew:g}"
            for name, of in zip(PARTS, fitted.copula.margins, strict=True)
        ),
        flush=True,
    )
    return found


def report(
    title: str, histories: list[History], split: np.datetime64, options: argparse.Namespace
) -> None:
    """Print the table of one set of stocks."""
    if options.symbols:
        histories = [h for h in histories if h.symbol in options.symbols.split(",")]
    print(f"\n{title}: {' '.join(h.symbol for h in histories)}, fitted to {split}")
    found = [dependence_of(histories, split, seed, options) for seed in options.seeds]
    names = [item.name for item in fields(Dependence)]
    print(f"{'':18s}" + "".join(f"{name:>17s}" for name in names))
    for source in found[0]:
        values = np.array([[getattr(run[source], name) for name in names] for run in found])
        print(f"{source:18s}" + "".join(f"{value:17.3f}" for value in values.mean(axis=0)))
        if len(found) > 1 and not source.startswith("real"):
            spread = values.std(axis=0, ddof=1)
            print(f"{'  ± between seeds':18s}" + "".join(f"{value:17.3f}" for value in spread))


def lean_histories(folder: Path) -> list[History]:
    """Five stocks of LEAN's sample data."""
    changes = {
        "symbols": LEAN_SYMBOLS,
        "caps": "",
        "start_date": "2007-01-02",
        "end_date": "2021-03-30",
    }
    return load_histories(load_settings(changes), data_folder=folder)


def main() -> None:
    """Compare and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--lean", type=Path, help="LEAN data folder with its sample stocks")
    parser.add_argument("--symbols", default="", help="of the stocks, comma separated")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--markets", type=int, default=256)
    parser.add_argument("--bars", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    if options.tdqn is None and options.lean is None and not options.packaged:
        parser.error("give --tdqn FOLDER, --lean FOLDER or --packaged")
    print(conditions("numpy", "scipy", "scikit-learn", "tensorflow"))
    if options.tdqn is not None:
        histories = load_all(options.tdqn)
        histories = [h for h in histories if h.time[0] < np.datetime64("2015-01-01")]
        report("TDQN", histories, np.datetime64("2017-12-31"), options)
    if options.packaged:
        spans = [since(history, FIRST_TRAINING) for history in packaged_histories()]
        report("Default run", spans, np.datetime64("2009-01-01"), options)
    if options.lean is not None:
        report("LEAN's sample", lean_histories(options.lean), np.datetime64("2012-12-31"), options)


if __name__ == "__main__":
    main()
