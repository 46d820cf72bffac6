"""Which simulator's markets look most like the real market that came after?

Fits forecaster, block bootstrap and GARCH models on the TDQN stocks up to the end of 2017, samples
two-year paths from each, and compares them with the real bars of 2018 and 2019: stylised facts and
distances, means over stocks.

    python -m research.benchmarks.simulation_facts --data FOLDER [--symbols A,B] [--seeds 3]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from models.agent.observation import Observer
from models.forecast.forecaster import Forecaster, ForecasterConfig
from models.market.history import History
from models.seeding import streams
from research.tdqn_data import load_all
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.facts import FactsTable, facts_table, real_markets, simulated_markets
from sim.path_sampler import ForecasterSampler
from sim.paths import PathSampler

SPLIT = np.datetime64("2017-12-31")
STEPS = 480  # the shortest of the test spans has 493 bars


def compare(histories: list[History], seed: int, paths: int, epochs: int) -> FactsTable:
    train = [history.until(SPLIT) for history in histories]
    test = [
        # Twenty bars before, so that the first of 2018 has a volume deviation.
        History(h.symbol, h.time[len(t) - 21 :], h.bars[len(t) - 21 :], h.max_gap_days)
        for h, t in zip(histories, train, strict=True)
    ]
    forecaster = Forecaster.fit(train, ForecasterConfig(epochs=epochs), seed=seed)
    observer = Observer(forecaster)
    samplers: dict[str, PathSampler] = {
        "forecaster": ForecasterSampler(observer, train, blend=0.0),
        "blend 0.25": ForecasterSampler(observer, train, blend=0.25),
        "blend 1": ForecasterSampler(observer, train, blend=1.0),
        "block": BlockBootstrapSampler(train),
        "GJR-GARCH": GarchSampler(train),
        "GARCH": GarchSampler(train, asymmetric=False),
    }
    found = {}
    for name, sampler in samplers.items():
        rng = streams(seed, "facts", name)["paths"]
        found[name] = simulated_markets(sampler.sample(paths * len(train), STEPS, rng))
    return facts_table(real_markets(test), found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the TDQN csv files")
    parser.add_argument("--symbols", default="", help="comma separated; all by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--paths", type=int, default=40, help="per stock")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    histories = load_all(options.data)
    if options.symbols:
        histories = [h for h in histories if h.symbol in options.symbols.split(",")]
    histories = [h for h in histories if h.time[0] < np.datetime64("2015-01-01")]
    print(f"{len(histories)} stocks, {options.paths} paths of {STEPS} bars each")
    for seed in range(1, options.seeds + 1):
        started = time.perf_counter()
        table = compare(histories, seed, options.paths, options.epochs)
        print(f"\nseed {seed}, {time.perf_counter() - started:.0f} s\n{table}")


if __name__ == "__main__":
    main()
