"""Can a classifier tell imagined windows from the real ones that came later?

Sixty-bar windows of stocks and years that no model was fitted on: forecasters are fitted on ten of
the fifteen TDQN stocks to 2017, the other five are imagined from their own histories to 2017 and
compared with their real bars of 2018-2019, in rotation over all. Every kind of windows is pooled
over the stocks; gradient boosting and a random forest try to tell it from the real windows, folds
by stock (`sim.two_sample`). The training span's own windows set the floor: what the change of eras
alone gives away; a last column adds the share of closes that have not moved, which shows the grid
of real prices. Then what the classifier used, the mean of every statistic, how much stocks
differ in it, and stylised facts and distances of two-year paths (`sim.facts`).

    python -m research.benchmarks.two_sample --tdqn FOLDER [--seeds 1 2 3] [--models FOLDER]
    python -m research.benchmarks.two_sample --packaged    # AAPL, GOOG, IBM as the default run:
                                                           # fit to 2008, compare 2009-2013
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models.forecast.config import ForecasterConfig
from models.market.features import LOOKBACK
from models.market.history import History
from models.seeding import streams
from research.conditions import conditions
from research.held_out import ROTATIONS, SIMULATORS, Stock, stocks_of
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all
from sim.facts import FactsTable, MarketSeries, facts_table, real_markets
from sim.paths import Paths
from sim.two_sample import BOOSTING, FOREST, Told, two_sample_test
from sim.windows import CONTEXT, OF_EACH, TICKS, Statistics, cut_windows, window_statistics

WINDOW = 60
STRIDE = 5  # bars between real windows: overlap costs nothing, folds are of whole stocks
FACT_BARS = 480  # the shortest of the TDQN test spans has 486 bars
FACT_PATHS = 40  # of each stock
FLOOR = "training span"

Floats = NDArray[np.float64]


def path_bars(paths: Paths) -> tuple[Floats, NDArray[np.int64]]:
    """Bars (B, T+1, 5) of single-symbol paths and the rows they start at (B,)."""
    return paths.bars.reshape(-1, *paths.bars.shape[-2:]), paths.start_row.reshape(-1)


def with_context(paths: Paths, history: History) -> Floats:
    """Windows (B, CONTEXT + T, 5) of paths of one history, after the real bars they follow."""
    bars, rows = path_bars(paths)
    before = history.bars[rows[:, None] + np.arange(1 - CONTEXT, 0)]
    return np.concatenate([before, bars], axis=1)


@dataclass(frozen=True)
class Windows:
    """Statistics of windows of all stocks, and the stock of each."""

    statistics: Statistics
    symbol: NDArray[np.str_]

    @classmethod
    def pooled(cls, bars: Mapping[str, Floats]) -> Windows:
        """From windows by stock."""
        symbols = np.concatenate([np.repeat(name, len(each)) for name, each in bars.items()])
        return cls(window_statistics(np.concatenate(list(bars.values()))), symbols)

    def mean(self, name: str) -> float:
        """Mean of a statistic, stocks weighing the same."""
        return float(self._by_stock(name).mean())

    def between(self, name: str) -> float:
        """Deviation between stocks of a statistic's mean."""
        return float(self._by_stock(name).std())

    def _by_stock(self, name: str) -> Floats:
        values = self.statistics[name]
        return np.array([values[self.symbol == s].mean() for s in np.unique(self.symbol)])


def real_windows(stocks: Sequence[Stock]) -> tuple[Windows, Windows]:
    """Of the test span and of the part of the training span that paths may start in."""
    later = {s.symbol: cut_windows(s.later.bars, CONTEXT, WINDOW, STRIDE)[0] for s in stocks}
    first = LOOKBACK + stocks[0].forecaster.config.window
    past = {s.symbol: cut_windows(s.past.history.bars, first, WINDOW, STRIDE)[0] for s in stocks}
    return Windows.pooled(later), Windows.pooled(past)


@dataclass(frozen=True)
class Found:
    """What one seed gave.

    Attributes:
        real: windows of the test span.
        kinds: every other kind, by name.
        told: verdict on each kind, without the statistics of the price grid.
        ticks: AUC of gradient boosting with them.
        families: AUC of gradient boosting that is given a single family of statistics.
        facts: of two-year paths, unless in a hurry.
    """

    real: Windows
    kinds: Mapping[str, Windows]
    told: Mapping[str, Told]
    ticks: Mapping[str, float]
    families: Mapping[str, Mapping[str, float]]
    facts: FactsTable | None


def measure(
    stocks: Sequence[Stock], seed: int, options: argparse.Namespace, progress: tqdm
) -> Found:
    """Sample, describe and tell apart."""
    real, past = real_windows(stocks)
    kinds, markets = {FLOOR: past}, {}
    for name in options.simulators:
        progress.set_postfix_str(f"sample {name}")
        bars, series = {}, []
        for stock in stocks:
            rng = streams(seed, "two-sample", name, stock.symbol)["paths"]
            sampler = stock.sampler(name)
            paths = sampler.sample(options.paths, WINDOW, rng)
            bars[stock.symbol] = with_context(paths, stock.past.history)
            if not options.quick:
                long, _ = path_bars(sampler.sample(FACT_PATHS, FACT_BARS, rng))
                series.append(MarketSeries.of_bars(long))
        kinds[name] = Windows.pooled(bars)
        markets[name] = series
        progress.update()
    told, ticks, families = {}, {}, {}
    test = partial(
        two_sample_test,
        seed=seed,
        folds=min(5, len(stocks)),
        repeats=1 if options.quick else options.repeats,
    )
    for name, windows in kinds.items():
        progress.set_postfix_str(f"classify {name}")
        told[name] = test(
            real.statistics.without(TICKS),
            windows.statistics.without(TICKS),
            real.symbol,
            windows.symbol,
            classifiers=(BOOSTING,) if options.quick else (BOOSTING, FOREST),
            shuffles=1,
        )
        alone = partial(test, classifiers=(BOOSTING,), shuffles=0)
        pair = real.statistics, windows.statistics
        ticks[name] = alone(*pair, real.symbol, windows.symbol).auc[BOOSTING]
        families[name] = {
            family: alone(
                *(kind.only(family) for kind in pair), real.symbol, windows.symbol, repeats=1
            ).auc[BOOSTING]
            for family in dict.fromkeys(real.statistics.families)
        }
        progress.update()
    table = None
    if not options.quick:
        history = [
            market.pieces(FACT_BARS) for market in real_markets([s.past.history for s in stocks])
        ]
        table = facts_table(real_markets([s.later for s in stocks]), {FLOOR: history} | markets)
    return Found(real, kinds, told, ticks, families, table)


def auc_table(found: Sequence[Found]) -> str:
    """AUC of every kind by classifier: mean over seeds and deviation over seeds, or repeats."""
    classifiers = list(found[0].told[FLOOR].auc)
    families = list(found[0].families[FLOOR])
    lines = [
        f"{'AUC against later real windows':32s}"
        + "".join(f"{name:>16s}" for name in classifiers)
        + f"{'with ticks':>12s}   boosting on one family: {', '.join(families)}"
    ]
    for name in found[0].kinds:
        row = f"{name:32s}"
        for classifier in classifiers:
            each = [one.told[name].auc[classifier] for one in found]
            spread = found[0].told[name].spread[classifier]
            if len(each) > 1:
                spread = float(np.std(each, ddof=1))
            row += f"{np.mean(each):8.3f} ± {spread:.3f}"
        row += f"{np.mean([one.ticks[name] for one in found]):12.3f}   "
        row += "  ".join(
            f"{np.mean([one.families[name][family] for one in found]):.3f}" for family in families
        )
        lines.append(row)
    return "\n".join(lines)


def used_table(found: Sequence[Found], name: str, most: int = 10) -> str:
    """What the classifier used against one kind: its AUC without, and the means that differ."""
    told = [one.told[name] for one in found]

    def mean(values: Sequence[Mapping[str, float]], key: str) -> float:
        return float(np.mean([each[key] for each in values]))

    families = sorted(told[0].families, key=lambda f: -mean([t.families for t in told], f))
    share = ", ".join(f"{f} {mean([t.families for t in told], f):.3f}" for f in families)
    lines = [f"{name}: AUC falls by (family shuffled) {share}"]
    lines.append(
        f"  {'statistic shuffled':32s}{'falls by':>9s}{'alone':>8s}{'KS':>7s}"
        f"{'real':>9s}{'seen':>9s}"
    )
    ranked = sorted(told[0].used, key=lambda s: -mean([t.used for t in told], s))
    for key in ranked[:most]:
        real, seen = np.mean([t.means[key] for t in told], axis=0)
        lines.append(
            f"  {key:32s}{mean([t.used for t in told], key):9.3f}"
            f"{mean([t.alone for t in told], key):8.3f}{mean([t.distance for t in told], key):7.3f}"
            f"{real:9.3f}{seen:9.3f}"
        )
    return "\n".join(lines)


def means_table(found: Sequence[Found], between: bool = False) -> str:
    """The mean of every statistic (or how much stocks differ in it) in every kind of windows."""
    kinds = {"test span": [one.real for one in found]} | {
        name: [one.kinds[name] for one in found] for name in found[0].kinds
    }
    names = OF_EACH if between else found[0].real.statistics.names
    title = "deviation between stocks" if between else "mean over stocks"
    lines = [f"{title:32s}" + "".join(f"{kind:>16s}" for kind in kinds)]
    for name in names:
        values = (
            np.mean([w.between(name) if between else w.mean(name) for w in every])
            for every in kinds.values()
        )
        lines.append(f"{name:32s}" + "".join(f"{value:16.3f}" for value in values))
    return "\n".join(lines)


def report(
    title: str,
    histories: list[History],
    split: np.datetime64,
    options: argparse.Namespace,
    rotations: int,
) -> None:
    """Measure with every seed and print."""
    config = ForecasterConfig(epochs=options.epochs)
    found = []
    steps = len(options.seeds) * (2 * len(options.simulators) + 1)
    with tqdm(total=steps, desc=title, leave=False) as progress:
        for seed in options.seeds:
            stocks = stocks_of(
                histories,
                split,
                config,
                seed,
                rotations=rotations,
                cache=options.models,
            )
            found.append(measure(stocks, seed, options, progress))
    print(
        f"\n{title}: {len(histories)} stocks, {options.paths} imagined windows of each, "
        f"seeds {options.seeds}\n\n{auc_table(found)}\n"
    )
    for name in found[0].kinds:
        print(used_table(found, name) + "\n")
    print(means_table(found) + "\n")
    print(means_table(found, between=True))
    for seed, one in zip(options.seeds, found, strict=True):
        if one.facts is not None:
            print(f"\nseed {seed}: {FACT_PATHS} paths of {FACT_BARS} bars a stock\n{one.facts}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--paths", type=int, default=100, help="imagined windows per stock")
    parser.add_argument("--repeats", type=int, default=3, help="of the folds")
    parser.add_argument("--epochs", type=int, default=ForecasterConfig.epochs)
    parser.add_argument("--models", type=Path, help="folder that keeps fitted forecasters")
    parser.add_argument(
        "--simulators",
        nargs="+",
        default=list(SIMULATORS),
        metavar="NAME",
        help=f"of {', '.join(SIMULATORS)}, or another blend",
    )
    parser.add_argument(
        "--quick", action="store_true", help="gradient boosting alone, once, without facts"
    )
    options = parse(parser, arguments)
    print(conditions("numpy", "tensorflow", "keras", "scikit-learn", "arch"), flush=True)
    if options.tdqn is not None:
        report("TDQN", load_all(options.tdqn), np.datetime64("2017-12-31"), options, ROTATIONS)
    if options.packaged:
        spans = [since(history, FIRST_TRAINING) for history in packaged_histories()]
        report("Default run", spans, np.datetime64("2009-01-01"), options, 1)


if __name__ == "__main__":
    main()
