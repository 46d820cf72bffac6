"""Does the project's agent learn more from its imagined markets than Stable-Baselines3's agents?

For each seed: the forecaster is fitted on the warm-up, the curriculum imagines its paths, and every
agent learns from those same paths in the same environment (`sim.market_env`): fills, fees, caps,
account size, random starting positions and control variates alike. Ours looks at every action of
every decision and judges itself on a quarter of the paths; the others (DQN; PPO) step through all
of them in as many passes as their steps allow, wrapped in `VecNormalize` as their authors advise.
DQN has our network, discount, batch, learning rate, tau and number of updates; PPO keeps its
defaults but network and discount.

All are then judged by one function (`sim.rollout`), each symbol in an account of its own, on
imagined paths nobody has seen and on the real year that followed; beside them a constant mix at the
cap and staying flat. Printed are mean and standard deviation over seeds. What was imagined differs
between seeds and is the same for all agents of one, so differences to the constant mix say more
than levels; the real year is the same for all seeds, so its deviation is that of learning alone.

    pip install -r requirements/bench.txt
    python -m research.experiments.sb3_agent [--seeds 1 2 3] [--steps 250000] [--agents dqn ppo]
        [--parameter NAME VALUE]... [--judge-paths 512]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import stable_baselines3
import torch
from stable_baselines3.common.vec_env import VecNormalize

from algorithm.settings import Settings
from algorithm.training import agent_config, forecaster_config
from models.agent.observation import MarketView, Observer
from models.agent.q_agent import QAgentConfig
from models.forecast.forecaster import Forecaster
from models.market.history import History
from models.seeding import streams
from research.sb3_env import StableBaselinesEnv
from research.workspace import BARS_PER_YEAR, known_at_start, load_histories, load_settings
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.costs import InteractiveBrokersCost
from sim.curriculum import Stage, growing
from sim.market_env import MarketVectorEnv
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler
from sim.rollout import Policy, Rollout, constant, greedy, rollout

ROOT = Path(__file__).parents[2]
ENVS = 64
"""Environments that a Stable-Baselines3 agent steps at once."""


class Recorder:
    """A sampler that keeps what it sampled, so that others can learn from the same paths."""

    def __init__(self, sampler: PathSampler) -> None:
        self._sampler = sampler
        self.sampled: list[Paths] = []

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """See `sim.paths.PathSampler`."""
        self.sampled.append(self._sampler.sample(n_paths, n_steps, rng))
        return self.sampled[-1]


def theirs(
    kind: str,
    markets: Sequence[Paths],
    stages: Sequence[Stage],
    rules: Rules,
    config: QAgentConfig,
    steps: int,
    seed: int,
) -> Policy:
    """Train a Stable-Baselines3 agent, stage after stage; its greedy policy.

    Args:
        kind: ``"dqn"`` or ``"ppo"``.
        markets: the paths of each stage.
        stages: their shares of the steps are their shares of the updates.
        rules: what accounts trade under.
        config: of our agent.
        steps: environment steps in all.
        seed: of everything random.
    """
    updates = sum(stage.updates for stage in stages)
    agent: Any = None
    scaled: Any = None
    for paths, stage in zip(markets, stages, strict=True):
        envs = MarketVectorEnv(
            paths, rules, ENVS, config.actions, control_variate=True, positions="random"
        )
        if agent is None:
            scaled = VecNormalize(StableBaselinesEnv(envs), gamma=config.discount)
            agent = _untrained(kind, scaled, config, steps, updates, seed)
        else:
            scaled.venv = StableBaselinesEnv(envs)
            scaled.venv.seed(seed)
            agent.set_env(scaled)
        agent.learn(round(steps * stage.updates / updates), reset_num_timesteps=False)
    exposures = np.array(config.actions)

    def policy(seen: np.ndarray, account: np.ndarray) -> np.ndarray:
        observation = scaled.normalize_obs(np.concatenate([seen, account], axis=1))
        return exposures[agent.predict(observation, deterministic=True)[0]]

    return policy


def _untrained(
    kind: str, envs: Any, config: QAgentConfig, steps: int, updates: int, seed: int
) -> Any:
    common: dict[str, Any] = {
        "gamma": config.discount,
        "policy_kwargs": {"net_arch": list(config.units)},
        "seed": seed,
        "device": "cpu",
    }
    if kind == "ppo":
        return stable_baselines3.PPO("MlpPolicy", envs, n_steps=64, batch_size=256, **common)
    calls = steps // ENVS
    return stable_baselines3.DQN(
        "MlpPolicy",
        envs,
        learning_rate=config.learning_rate,
        batch_size=config.batch_size,
        buffer_size=config.memory,
        learning_starts=10 * config.batch_size,
        tau=config.tau,
        target_update_interval=ENVS,  # in steps of single environments: at every update, as ours
        train_freq=1,
        gradient_steps=max(round(updates / calls), 1),
        **common,
    )


def real_year(histories: Sequence[History], known: Sequence[History], observer: Observer) -> Paths:
    """The bars after the known ones, one path per symbol."""
    days = min(BARS_PER_YEAR, *(len(h) - len(k) for h, k in zip(histories, known, strict=True)))
    bars, seen = [], []
    window = observer.forecaster.config.window
    for history, past in zip(histories, known, strict=True):
        first = int(np.searchsorted(history.time, past.time[-1]))
        rows = first + np.arange(days + 1)
        bars.append(history.bars[rows])
        seen.append(observer.observe(MarketView.at_rows(history, rows, window=window)))
    series = np.arange(len(histories))
    return Paths(np.stack(bars), np.stack(seen), series, np.zeros_like(series))


def figures(done: Rollout) -> dict[str, float]:
    """What is shown of a rollout, a year, mean over accounts."""
    return {
        "growth": 100 * BARS_PER_YEAR * float(done.controlled.mean()),
        "exposure": float(done.exposure.mean()),
        "turnover": BARS_PER_YEAR * done.mean_turnover,
    }


def run(
    seed: int, options: argparse.Namespace, settings: Settings, histories: Sequence[History]
) -> dict[str, dict[str, float]]:
    """Figures of every agent on both markets, and the seconds its training took."""
    known = known_at_start(histories, settings)
    forecaster = Forecaster.fit(known, forecaster_config(settings), seed=seed)
    observer = Observer(forecaster)
    sampler = Recorder(ForecasterSampler(observer, known, blend=settings.blend))
    config = agent_config(settings, observer.size)
    rules = Rules.of(
        settings.limits(),
        settings.symbols,
        equity=settings.cash,
        costs=InteractiveBrokersCost(slippage=settings.slippage),
    )
    stages = growing(settings.paths, settings.path_bars, settings.agent_updates)
    rngs = streams(seed, "agent", str(max(history.time[-1] for history in known)))
    started = time.perf_counter()
    training = train_on_imagined(sampler, rules, config, stages, rngs)
    seconds = {"Mirage": time.perf_counter() - started}
    policies: dict[str, Policy] = {"Mirage": greedy(training.agent)}
    for kind in options.agents:
        started = time.perf_counter()
        name = f"SB3 {kind.upper()}"
        policies[name] = theirs(kind, sampler.sampled, stages, rules, config, options.steps, seed)
        seconds[name] = time.perf_counter() - started
    policies |= {MIX: constant(1.0), "flat": constant(0.0)}
    rng = streams(seed, "sb3_agent")["paths"]
    markets = {
        "imagined": sampler.sample(options.judge_paths, settings.path_bars, rng),
        "real": real_year(histories, known, observer),
    }
    found = {
        name: {
            f"{market} {label}": value
            for market, paths in markets.items()
            for label, value in figures(rollout(policy, paths, rules)).items()
        }
        for name, policy in policies.items()
    }
    for name, row in found.items():
        for market in markets:
            yardstick = found[MIX][f"{market} growth"]
            row[f"{market} ahead"] = row[f"{market} growth"] - yardstick
        row["seconds"] = seconds.get(name, float("nan"))
    return found


MIX = "constant mix at the cap"
SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "imagined growth": ("imagined: growth, % a year", "{:.2f}".format),
    "imagined ahead": ("less constant mix", "{:.2f}".format),
    "imagined exposure": ("exposure", "{:.2f}".format),
    "imagined turnover": ("turnover a year", "{:.1f}".format),
    "real growth": ("real year: growth, %", "{:.2f}".format),
    "real ahead": ("less constant mix", "{:.2f}".format),
    "real exposure": ("exposure", "{:.2f}".format),
    "real turnover": ("turnover a year", "{:.1f}".format),
    "seconds": ("seconds to train", "{:.0f}".format),
}


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=250_000, help="of each SB3 agent")
    parser.add_argument("--agents", nargs="*", choices=("dqn", "ppo"), default=["dqn", "ppo"])
    parser.add_argument("--judge-paths", type=int, default=512)
    parser.add_argument("--parameter", nargs=2, action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(dict(options.parameter))
    histories = load_histories(settings)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    print(
        f"commit {commit}; seeds {options.seeds}; changed parameters: "
        f"{dict(options.parameter) or 'none'}; {', '.join(settings.symbols)}, each in an account "
        f"of {settings.cash:,.0f} $ with a cap of {settings.cap:g}; {settings.agent_updates} "
        f"updates of ours, {options.steps} steps of each other; judged on {options.judge_paths} "
        f"imagined paths of {settings.path_bars} bars and the year from {settings.start_date}; "
        f"stable-baselines3 {version('stable-baselines3')}, torch {torch.__version__}, "
        f"{os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}"
    )
    found = []
    for seed in options.seeds:
        found.append(run(seed, options, settings, histories))
        print(
            f"seed {seed}: "
            + "; ".join(
                f"{name} {row['imagined growth']:.2f} / {row['real growth']:.2f}"
                for name, row in found[-1].items()
            ),
            flush=True,
        )
    print("\n| " + " | ".join(["", *(title for title, _ in SHOWN.values())]) + " |")
    print("|---" * (len(SHOWN) + 1) + "|")
    for name in found[0]:
        cells = []
        for label, (_, write) in SHOWN.items():
            values = np.array([row[name][label] for row in found])
            if np.isnan(values).all():
                cells.append("")
                continue
            spread = f" ± {write(values.std(ddof=1))}" if len(values) > 1 else ""
            cells.append(write(values.mean()) + spread)
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
