"""Can a classifier tell imagined windows from the real ones that came later?

Sixty-bar windows of stocks and years that no model was fitted on: forecasters are fitted on ten of
the fifteen TDQN stocks to 2017, the other five are imagined from their own histories to 2017 and
compared with their real bars of 2018-2019, in rotation over all. Every kind of windows is pooled
over the stocks; gradient boosting and a random forest try to tell it from the real windows, folds
by stock (`sim.two_sample`). The training span's own windows set the floor: what the change of eras
alone gives away; a last column adds the share of closes that have not moved, which shows the grid
of real prices. Then what the classifier used, the mean of every statistic, how much stocks
differ in it, and stylised facts and distances of two-year paths (`sim.facts`). With `--joint` the
same for windows of whole markets: three held-out stocks of one calendar each, folds by market.

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
from research.held_out import (
    DEFAULT,
    ROTATIONS,
    SAME_DAYS,
    SIMULATORS,
    Stock,
    markets_of,
    simulator,
    stocks_of,
)
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all
from sim.facts import FactsTable, MarketSeries, facts_table, real_markets, simulated_markets
from sim.two_sample import BOOSTING, FOREST, Told, two_sample_test
from sim.windows import (
    CONTEXT,
    OF_EACH,
    TICKS,
    Statistics,
    history_windows,
    joint_statistics,
    path_windows,
    window_statistics,
)

WINDOW = 60
STRIDE = 5  # bars between real windows: overlap costs nothing, folds are of whole stocks
JOINT_STRIDE, JOINT_PATHS = 2, 240  # there are fewer markets than stocks
FACT_BARS = 480  # the shortest of the TDQN test spans has 486 bars
FACT_PATHS = 40  # of each stock
FLOOR = "training span"
JOINT_SIMULATORS = (
    "block bootstrap",
    SAME_DAYS,
    DEFAULT,
    "blend 0",
    "blend 0 alone",
    "blend 1",
    "GJR-GARCH",
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Statistics of windows of all stocks (or markets of them), and the stock of each."""

    statistics: Statistics
    symbol: NDArray[np.str_]

    @classmethod
    def pooled(cls, bars: Mapping[str, Floats]) -> Windows:
        """From windows (N, S, bars, 5) by stock or market; single ones where S = 1."""
        symbols = np.concatenate([np.repeat(name, len(each)) for name, each in bars.items()])
        every = np.concatenate(list(bars.values()))
        single = every.shape[1] == 1
        return cls(window_statistics(every[:, 0]) if single else joint_statistics(every), symbols)

    def mean(self, name: str) -> float:
        """Mean of a statistic, stocks weighing the same."""
        return float(self._by_stock(name).mean())

    def between(self, name: str) -> float:
        """Deviation between stocks of a statistic's mean."""
        return float(self._by_stock(name).std())

    def _by_stock(self, name: str) -> Floats:
        values = self.statistics[name]
        return np.array([values[self.symbol == s].mean() for s in np.unique(self.symbol)])


Market = Sequence[Stock]


def name_of(market: Market) -> str:
    """The tickers of its stocks."""
    return "+".join(stock.symbol for stock in market)


def real_windows(markets: Sequence[Market]) -> tuple[Windows, Windows]:
    """Of the test span and of the part of the training span that paths may start in."""
    later: dict[str, Floats] = {}
    past: dict[str, Floats] = {}
    for market in markets:
        name, stride = name_of(market), STRIDE if len(market) == 1 else JOINT_STRIDE
        first = LOOKBACK + market[0].forecaster.config.window
        for found, histories, earliest in (
            (later, [stock.later for stock in market], CONTEXT),
            (past, [stock.past.history for stock in market], first),
        ):
            found[name] = history_windows(histories, earliest, WINDOW, stride)[0]
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
        facts: of two-year paths of single stocks, unless in a hurry.
    """

    real: Windows
    kinds: Mapping[str, Windows]
    told: Mapping[str, Told]
    ticks: Mapping[str, float]
    families: Mapping[str, Mapping[str, float]]
    facts: FactsTable | None


def measure(
    markets: Sequence[Market],
    simulators: Sequence[str],
    seed: int,
    options: argparse.Namespace,
    progress: tqdm,
) -> Found:
    """Sample, describe and tell apart."""
    real, past = real_windows(markets)
    single, kinds = len(markets[0]) == 1, {FLOOR: past}
    series: dict[str, list[MarketSeries]] = {}
    for name in simulators:
        progress.set_postfix_str(f"sample {name}")
        bars, series[name] = {}, []
        for market in markets:
            rng = streams(seed, "two-sample", name, name_of(market))["paths"]
            sampler = simulator(name, market)
            paths = sampler.sample(options.paths if single else JOINT_PATHS, WINDOW, rng)
            bars[name_of(market)] = path_windows(paths, [s.past.history for s in market])
            if single and not options.quick:
                long = sampler.sample(FACT_PATHS, FACT_BARS, rng)
                series[name] += simulated_markets(long)
        kinds[name] = Windows.pooled(bars)
        progress.update()
    told, ticks, families = {}, {}, {}
    for name in kinds:
        progress.set_postfix_str(f"classify {name}")
        told[name], ticks[name], families[name] = tell(real, kinds[name], seed, options)
        progress.update()
    table = None
    if single and not options.quick:
        history = real_markets([market[0].past.history for market in markets])
        series = {FLOOR: [one.pieces(FACT_BARS) for one in history]} | series
        table = facts_table(real_markets([market[0].later for market in markets]), series)
    return Found(real, kinds, told, ticks, families, table)


def tell(
    real: Windows, windows: Windows, seed: int, options: argparse.Namespace
) -> tuple[Told, float, dict[str, float]]:
    """The verdict on one kind, gradient boosting's AUC with ticks, and its AUC by family."""
    folds = min(5, len(np.unique(real.symbol)))
    test = partial(two_sample_test, seed=seed, folds=folds)
    symbols = real.symbol, windows.symbol
    repeats = 1 if options.quick else options.repeats
    verdict = test(
        real.statistics.without(TICKS),
        windows.statistics.without(TICKS),
        *symbols,
        repeats=repeats,
        classifiers=(BOOSTING,) if options.quick else (BOOSTING, FOREST),
        shuffles=1,
    )
    quickly = partial(test, classifiers=(BOOSTING,), shuffles=0)
    pair = real.statistics, windows.statistics
    families = {
        family: quickly(*(kind.only(family) for kind in pair), *symbols, repeats=1).auc[BOOSTING]
        for family in dict.fromkeys(real.statistics.families)
    }
    return verdict, quickly(*pair, *symbols, repeats=repeats).auc[BOOSTING], families


def auc_table(found: Sequence[Found]) -> str:
    """AUC of every kind by classifier: mean over seeds and deviation over seeds, or repeats."""
    classifiers = list(found[0].told[FLOOR].auc)
    families = list(found[0].families[FLOOR])
    lines = [
        f"{'AUC against later real windows':40s}"
        + "".join(f"{name:>16s}" for name in classifiers)
        + f"{'with ticks':>12s}   boosting on one family: {', '.join(families)}"
    ]
    for name in found[0].kinds:
        row = f"{name:40s}"
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
        f"  {'statistic shuffled':40s}{'falls by':>9s}{'alone':>8s}{'KS':>7s}"
        f"{'real':>9s}{'seen':>9s}"
    )
    ranked = sorted(told[0].used, key=lambda s: -mean([t.used for t in told], s))
    for key in ranked[:most]:
        real, seen = np.mean([t.means[key] for t in told], axis=0)
        lines.append(
            f"  {key:40s}{mean([t.used for t in told], key):9.3f}"
            f"{mean([t.alone for t in told], key):8.3f}{mean([t.distance for t in told], key):7.3f}"
            f"{real:9.3f}{seen:9.3f}"
        )
    return "\n".join(lines)


def means_table(found: Sequence[Found], between: Sequence[str] = ()) -> str:
    """The mean of every statistic in every kind of windows, or how much stocks differ in some."""
    kinds = {"test span": [one.real for one in found]} | {
        name: [one.kinds[name] for one in found] for name in found[0].kinds
    }
    title = "deviation between stocks" if between else "mean over stocks"
    lines = [f"{title:40s}" + "".join(f"{kind:>16s}" for kind in kinds)]
    for name in between or found[0].real.statistics.names:
        values = (
            np.mean([w.between(name) if between else w.mean(name) for w in every])
            for every in kinds.values()
        )
        lines.append(f"{name:40s}" + "".join(f"{value:16.3f}" for value in values))
    return "\n".join(lines)


def show(title: str, found: Sequence[Found], between: Sequence[str]) -> None:
    """Print all tables."""
    print(f"\n{title}\n\n{auc_table(found)}\n")
    for name in found[0].kinds:
        print(used_table(found, name) + "\n")
    print(means_table(found))
    if between:
        print("\n" + means_table(found, between))
    for one in found:
        if one.facts is not None:
            print(f"\n{FACT_PATHS} paths of {FACT_BARS} bars a stock\n{one.facts}")


def report(
    title: str,
    histories: list[History],
    split: np.datetime64,
    options: argparse.Namespace,
    rotations: int,
) -> None:
    """Measure with every seed and print."""
    config, single, joint = ForecasterConfig(epochs=options.epochs), [], []
    # Folds are of markets: where one forecaster knows all stocks there is only one.
    of_markets = JOINT_SIMULATORS if options.joint and rotations > 1 else ()
    kinds = len(options.simulators) + len(of_markets)
    steps = len(options.seeds) * (2 * kinds + 1 + bool(of_markets))
    with tqdm(total=steps, desc=title, leave=False) as progress:
        for seed in options.seeds:
            stocks = stocks_of(
                histories, split, config, seed, rotations=rotations, cache=options.models
            )
            each = [[stock] for stock in stocks]
            single.append(measure(each, options.simulators, seed, options, progress))
            if of_markets:
                markets = markets_of(stocks)
                joint.append(measure(markets, JOINT_SIMULATORS, seed, options, progress))
    show(
        f"{title}: {len(histories)} stocks, {options.paths} imagined windows of each, "
        f"seeds {options.seeds}",
        single,
        OF_EACH,
    )
    if joint:
        show(
            f"{title}: joint windows, {JOINT_PATHS} of {', '.join(map(name_of, markets))}",
            joint,
            (),
        )


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
    parser.add_argument("--joint", action="store_true", help="windows of whole markets as well")
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
