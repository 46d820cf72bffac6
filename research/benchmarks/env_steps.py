"""How many market steps a second does the environment take, beside others'?

The vector environment with full accounting (next-open fills, Interactive Brokers fees, caps, whole
shares, rebalancing band, ruin) against gym-anytrading (`StocksEnv`: position flips at the close)
and Gym-Trading-Env (`TradingEnv`: portfolio with proportional fees). All see 20 market numbers a
step, trade the same closes at random, and are measured in turn in one process, so that the load of
the machine falls on all of them.

    pip install -r requirements/bench.txt
    python -m research.benchmarks.env_steps [--rounds 7] [--seconds 1.0] [--envs 4096]
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from research.conditions import conditions, option_parser
from research.random_walks import random_paths
from sim.accounting import Rules
from sim.market_env import MarketEnv, MarketVectorEnv
from sim.paths import Paths

BARS, PATHS, WIDTH, SEED = 1000, 64, 20, 0
RULES = Rules(np.array([1.0]), equity=100_000.0)
Runner = Callable[[float], tuple[int, float]]
"""Runs for about so many seconds; steps taken and seconds they took."""


def timed(step: Callable[[int], None], per_call: int, chunk: int) -> Runner:
    """Calls `step(i)` in chunks until the time is up; each call makes `per_call` steps."""

    def run(seconds: float) -> tuple[int, float]:
        calls, started = 0, time.perf_counter()
        while (took := time.perf_counter() - started) < seconds:
            for _ in range(chunk):
                step(calls)
                calls += 1
        return calls * per_call, took

    return run


def ours_vector(paths: Paths, n: int) -> Runner:
    """The project's environment, `n` at a time."""
    envs = MarketVectorEnv(paths, RULES, n)
    envs.reset(seed=SEED)
    actions = np.random.default_rng(SEED).integers(3, size=(128, n))
    return timed(lambda i: envs.step(actions[i % 128]) and None, n, 20)


def one_by_one(env, n_actions: int) -> Runner:
    """A scalar environment, reset whenever an episode ends."""
    env.reset(seed=SEED)
    actions = np.random.default_rng(SEED).integers(n_actions, size=4096).tolist()

    def step(i: int) -> None:
        _, _, terminated, truncated, _ = env.step(actions[i % 4096])
        if terminated or truncated:
            env.reset()

    return timed(step, 1, 500)


def anytrading(paths: Paths) -> Runner:
    """The `StocksEnv` of gym-anytrading, on the first path."""
    from gym_anytrading.envs import StocksEnv

    frame = pd.DataFrame({"Close": paths.bars[0, 0, :, 3]})
    window = WIDTH // 2  # two numbers (price, change) for each bar of the window
    return one_by_one(StocksEnv(frame, window, (window, len(frame))), 2)


def trading_env(paths: Paths) -> Runner:
    """The `TradingEnv` of Gym-Trading-Env, on the first path."""
    from gym_trading_env.environments import TradingEnv

    # The package turns every warning into an error and prints at the end of each episode.
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    names = ("open", "high", "low", "close", "volume")
    index = pd.date_range("2000-01-01", periods=BARS + 1, freq="D")
    frame = pd.DataFrame(paths.bars[0, 0], columns=names, index=index)
    for i in range(WIDTH - 2):  # it adds two numbers about the position
        frame[f"feature_{i}"] = paths.observations[0, 0, :, i]
    env = TradingEnv(frame, positions=[-1, 0, 1], trading_fees=1e-3, verbose=0)
    return one_by_one(env, 3)


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--envs", type=int, default=4096, help="size of the vector environment")
    options = parser.parse_args()
    print(conditions("numpy", "gymnasium", "gym-anytrading", "gym-trading-env"))
    warnings.simplefilter("ignore")
    paths = random_paths(PATHS, BARS, WIDTH, SEED)
    runners: dict[str, Runner] = {
        f"Mirage, vector of {options.envs}": ours_vector(paths, options.envs),
        "Mirage, scalar": one_by_one(MarketEnv(paths, RULES), 3),
        "gym-anytrading": anytrading(paths),
        "Gym-Trading-Env": trading_env(paths),
    }
    for run in runners.values():
        run(0.3)
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(options.rounds):
        for name, run in runners.items():
            steps, seconds = run(options.seconds)
            rates[name].append(steps / seconds)
    report(rates)


def report(rates: dict[str, list[float]]) -> None:
    """Print medians, ranges and the ratio to the fastest of the others."""
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, found in rates.items():
        print(f"{name:24s} {medians[name]:14,.0f} steps/s  ({min(found):,.0f}..{max(found):,.0f})")
    ours, _, *others = medians
    rival = max(others, key=medians.__getitem__)
    print(
        f"ratio of {ours} to {rival}, the faster of the others: "
        f"{medians[ours] / medians[rival]:.1f}"
    )


if __name__ == "__main__":
    main()
