"""How fast does the agent learn, and what does a first training and a retraining cost?

Updates of the Double DQN (full-action targets, batch 256) a second, and the seconds of a first
training (3,000 updates) and of a warm retraining (200 updates) on 256 paths of 60 bars, held-out
judgement and replay memory included; sampling the paths is not.

    python -m research.benchmarks.agent_updates [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time

import numpy as np

from models.agent.q_agent import QAgentConfig, train
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import train_agent
from sim.paths import Paths

PATHS, BARS, WIDTH = 256, 60, 27


def market(seed: int) -> Paths:
    rng = np.random.default_rng(seed)
    shape = (PATHS, BARS + 1)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=1))
    opens = closes * np.exp(rng.normal(0, 0.004, shape))
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    bars = np.stack([opens, high, low, closes, np.full(shape, 1e6)], axis=-1)
    seen = rng.normal(size=(*shape, WIDTH)).astype(np.float32)
    none = np.zeros(PATHS, np.int64)
    return Paths(bars, seen, none, none)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rules, config = Rules(np.array([0.32]), equity=100_000.0), QAgentConfig(WIDTH)
    first = train_agent(market(0), rules, config, 25, streams(0))  # compiles
    seconds: dict[str, list[float]] = {"1,000 updates alone": [], "first": [], "retraining": []}
    for repeat in range(options.repeats):
        paths, rngs = market(repeat), streams(repeat)
        started = time.perf_counter()
        train(config, first.memory, 1000, weights_rng=rngs["weights"], replay_rng=rngs["replay"])
        seconds["1,000 updates alone"].append(time.perf_counter() - started)
        started = time.perf_counter()
        done = train_agent(paths, rules, config, 3000, rngs)
        seconds["first"].append(time.perf_counter() - started)
        started = time.perf_counter()
        train_agent(paths, rules, config, 200, rngs, previous=done.agent)
        seconds["retraining"].append(time.perf_counter() - started)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print(
        f"{options.repeats} repeats; commit {commit or 'unknown'}; {os.cpu_count()} CPUs, "
        f"{platform.machine()}; Python {platform.python_version()}, numpy {np.__version__}"
    )
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(f"{name:20s} {middle:8.2f} s  ({min(found):.2f}..{max(found):.2f})")
    rate = 1000 / statistics.median(seconds["1,000 updates alone"])
    print(f"updates per second: {rate:,.0f}")


if __name__ == "__main__":
    main()
