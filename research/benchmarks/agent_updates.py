"""How fast does the agent learn, and what does a first training and a retraining cost?

Updates of the Double DQN (full-action targets, batch 256) a second, and the seconds of a first
training (3,000 updates) and of a warm retraining (200 updates) on 256 paths of 60 bars, held-out
judgement and replay memory included; sampling the paths is not.

    python -m research.benchmarks.agent_updates [--repeats 5]
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from models.agent.q_agent import QAgentConfig, train
from models.seeding import streams
from research.conditions import conditions, option_parser
from research.random_walks import random_paths
from sim.accounting import Rules
from sim.agent_training import train_agent

PATHS, BARS, WIDTH = 256, 60, 27


def main() -> None:
    """Measure and print."""
    parser = option_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(conditions("numpy", "tensorflow", "keras"))
    rules, config = Rules(np.array([0.32]), equity=100_000.0), QAgentConfig(WIDTH)
    first = train_agent(
        random_paths(PATHS, BARS, WIDTH, 0), rules, config, 25, streams(0)
    )  # compiles
    seconds: dict[str, list[float]] = {"1,000 updates alone": [], "first": [], "retraining": []}
    for repeat in range(options.repeats):
        paths, rngs = random_paths(PATHS, BARS, WIDTH, repeat), streams(repeat)
        started = time.perf_counter()
        train(config, first.memory, 1000, weights_rng=rngs["weights"], replay_rng=rngs["replay"])
        seconds["1,000 updates alone"].append(time.perf_counter() - started)
        started = time.perf_counter()
        done = train_agent(paths, rules, config, 3000, rngs)
        seconds["first"].append(time.perf_counter() - started)
        started = time.perf_counter()
        train_agent(paths, rules, config, 200, rngs, previous=done.agent)
        seconds["retraining"].append(time.perf_counter() - started)
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(f"{name:20s} {middle:8.2f} s  ({min(found):.2f}..{max(found):.2f})")
    rate = 1000 / statistics.median(seconds["1,000 updates alone"])
    print(f"updates per second: {rate:,.0f}")


if __name__ == "__main__":
    main()
