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

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd

from sim.accounting import Rules
from sim.market_env import MarketEnv, MarketVectorEnv
from sim.paths import Paths

BARS, PATHS, WIDTH, SEED = 1000, 64, 20, 0
RULES = Rules(np.array([1.0]), equity=100_000.0)
Runner = Callable[[float], tuple[int, float]]
"""Runs for about so many seconds; steps taken and seconds they took."""


def market() -> Paths:
    """Random walks with gaps, wicks and `WIDTH` numbers to look at."""
    rng = np.random.default_rng(SEED)
    shape = (PATHS, BARS + 1)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=1))
    opens = closes * np.exp(rng.normal(0, 0.004, shape))
    high, low = np.maximum(opens, closes) * 1.004, np.minimum(opens, closes) * 0.996
    bars = np.stack([opens, high, low, closes, np.full(shape, 1e6)], axis=-1)
    seen = rng.normal(size=(*shape, WIDTH)).astype(np.float32)
    none = np.zeros(PATHS, np.int64)
    return Paths(bars, seen, none, none)


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
    from gym_anytrading.envs import StocksEnv

    frame = pd.DataFrame({"Close": paths.bars[0, :, 3]})
    window = WIDTH // 2  # two numbers (price, change) for each bar of the window
    return one_by_one(StocksEnv(frame, window, (window, len(frame))), 2)


def trading_env(paths: Paths) -> Runner:
    from gym_trading_env.environments import TradingEnv

    # The package turns every warning into an error and prints at the end of each episode.
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    names = ("open", "high", "low", "close", "volume")
    index = pd.date_range("2000-01-01", periods=BARS + 1, freq="D")
    frame = pd.DataFrame(paths.bars[0], columns=names, index=index)
    for i in range(WIDTH - 2):  # it adds two numbers about the position
        frame[f"feature_{i}"] = paths.observations[0, :, i]
    env = TradingEnv(frame, positions=[-1, 0, 1], trading_fees=1e-3, verbose=0)
    return one_by_one(env, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--envs", type=int, default=4096, help="size of the vector environment")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    paths = market()
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
    report(rates, options)


def report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(
        f"{' '.join(sys.argv[1:]) or 'defaults'}; commit {commit or 'unknown'}; "
        f"{options.rounds} rounds of {options.seconds} s; {os.cpu_count()} CPUs, "
        f"{platform.machine()}; Python {platform.python_version()}, numpy {np.__version__}, "
        f"gymnasium {version('gymnasium')}, gym-anytrading {version('gym-anytrading')}, "
        f"gym-trading-env {version('gym-trading-env')}"
    )
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
