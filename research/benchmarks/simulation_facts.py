"""Which simulator's markets look most like the real market that came after?

Fits forecaster, block bootstrap and GARCH models on one span, samples two-year markets from each,
and compares them with the real bars that followed: stylised facts and distances, means over stocks.

    python -m research.benchmarks.simulation_facts --tdqn FOLDER # fit to 2017, compare 2018-2019
    python -m research.benchmarks.simulation_facts --packaged    # AAPL, GOOG, IBM as the default
                                                                 # run: fit 2005-2008, then to 2013
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.market.history import History
from models.seeding import streams
from research.conditions import conditions
from research.held_out import DEFAULT, DEFAULT_BLEND
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.facts import FactsTable, facts_table, real_markets, simulated_markets
from sim.path_sampler import ForecasterSampler
from sim.paths import PathSampler

STEPS = 480  # the shortest of the TDQN test spans has 493 bars


def compare(
    histories: list[History], split: np.datetime64, seed: int, paths: int, epochs: int
) -> FactsTable:
    """Facts of the bars after `split` and of what was simulated from the bars up to it."""
    train = [history.until(split) for history in histories]
    test = [
        # Twenty bars before, so that the first one has a volume deviation.
        h.tail(len(h) - len(t) + 21)
        for h, t in zip(histories, train, strict=True)
    ]
    tables = [FeatureTable.of(history) for history in train]
    forecaster = Forecaster.fit(tables, ForecasterConfig(epochs=epochs), seed=seed)
    observer = Observer(forecaster)
    asymmetric, symmetric = GarchSampler(tables), GarchSampler(tables, asymmetric=False)
    samplers: dict[str, PathSampler] = {
        "forecaster": ForecasterSampler(observer, tables, blend=0.0),
        DEFAULT: ForecasterSampler(observer, tables, blend=DEFAULT_BLEND),
        "blend 1": ForecasterSampler(observer, tables, blend=1.0),
        "block": BlockBootstrapSampler(tables),
        "GJR-GARCH": asymmetric,
        "GARCH": symmetric,
    }
    fits = {"GJR-GARCH": asymmetric.converged, "GARCH": symmetric.converged}
    for name, converged in fits.items():
        if not all(converged.values()):
            print(f"{name} did not converge: {[s for s, good in converged.items() if not good]}")
    if not forecaster.converged:
        print("the forecaster's calibration did not converge")
    found = {}
    for name, sampler in samplers.items():
        rng = streams(seed, "facts", name)["paths"]
        found[name] = simulated_markets(sampler.sample(paths, STEPS, rng))
    return facts_table(real_markets(test), found)


def report(
    title: str, histories: list[History], split: np.datetime64, options: argparse.Namespace
) -> None:
    """Print one table for each seed."""
    print(f"{title}: {len(histories)} stocks, {options.paths} markets of {STEPS} bars each")
    for seed in range(1, options.seeds + 1):
        started = time.perf_counter()
        table = compare(histories, split, seed, options.paths, options.epochs)
        print(f"\nseed {seed}, {time.perf_counter() - started:.0f} s\n{table}")


def main() -> None:
    """Compare and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--symbols", default="", help="of the TDQN stocks, comma separated")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--paths", type=int, default=40, help="markets")
    parser.add_argument("--epochs", type=int, default=40)
    options = parse(parser)
    print(conditions("numpy", "tensorflow", "keras", "arch"))
    if options.tdqn is not None:
        histories = load_all(options.tdqn)
        if options.symbols:
            histories = [h for h in histories if h.symbol in options.symbols.split(",")]
        histories = [h for h in histories if h.time[0] < np.datetime64("2015-01-01")]
        report("TDQN", histories, np.datetime64("2017-12-31"), options)
    if options.packaged:
        spans = [since(history, FIRST_TRAINING) for history in packaged_histories()]
        report("Default run", spans, np.datetime64("2009-01-01"), options)


if __name__ == "__main__":
    main()
