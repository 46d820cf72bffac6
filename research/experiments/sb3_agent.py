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

    pip install -r requirements/agents.txt
    python -m research.experiments.sb3_agent [--seeds 1 2 3] [--steps 250000] [--agents dqn ppo]
        [--parameter NAME VALUE]... [--judge-paths 512]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.vec_env import VecNormalize

from algorithm.learning import curriculum, data_end, fit_forecaster, imagined_markets
from algorithm.settings import Settings
from models.agent.account import Standing
from models.agent.observation import Observer
from models.agent.outlook import Outlook
from models.agent.q_agent import QAgentConfig
from models.market.features import FeatureTable
from models.market.history import History
from models.reporting import Silent
from models.seeding import streams
from research.conditions import conditions, option_parser
from research.sb3_env import StableBaselinesEnv
from research.workspace import (
    BARS_PER_YEAR,
    known_at_start,
    load_histories,
    load_settings,
    real_year,
)
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.curriculum import Stage
from sim.market_env import MarketVectorEnv, observation
from sim.paths import Paths, PathSampler
from sim.rollout import Policy, Rollout, constant, greedy, rollout

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
        markets: of each stage.
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
            paths.each(), rules, ENVS, config.actions, control_variate=True, positions="random"
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

    def policy(outlook: Outlook, standing: Standing) -> np.ndarray:
        seen = scaled.normalize_obs(observation(outlook, standing))
        return exposures[agent.predict(seen, deterministic=True)[0]][:, None]

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
    learning = replace(settings.learning(), seed=seed)
    network, imagination = learning.agent.network, learning.imagination
    known = known_at_start(histories, settings)
    tables = [FeatureTable.of(past) for past in known]
    rules = settings.rules(settings.run.cash)
    forecaster = fit_forecaster(tables, learning, None, Silent())
    sampler = Recorder(imagined_markets(tables, forecaster, imagination))
    stages = curriculum(learning, first=True)
    rngs = streams(seed, "agent", str(data_end(tables)))
    started = time.perf_counter()
    training = train_on_imagined(
        sampler, rules, network, stages, rngs, judging=learning.agent.judging
    )
    seconds = {"Mirage": time.perf_counter() - started}
    policies: dict[str, Policy] = {"Mirage": greedy(training.agent)}
    for kind in options.agents:
        started = time.perf_counter()
        name = f"SB3 {kind.upper()}"
        policies[name] = theirs(kind, sampler.sampled, stages, rules, network, options.steps, seed)
        seconds[name] = time.perf_counter() - started
    policies |= {MIX: constant(1.0), "flat": constant(0.0)}
    rng = streams(seed, "sb3_agent")["paths"]
    markets = {
        "imagined": sampler.sample(options.judge_paths, imagination.bars, rng).each(),
        "real": real_year(histories, known, Observer(forecaster)).each(),
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
    parser = option_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=250_000, help="of each SB3 agent")
    parser.add_argument("--agents", nargs="*", choices=("dqn", "ppo"), default=["dqn", "ppo"])
    parser.add_argument("--judge-paths", type=int, default=512)
    parser.add_argument("--parameter", nargs=2, action="append", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings(dict(options.parameter))
    histories = load_histories(settings)
    print(conditions("numpy", "tensorflow", "stable-baselines3", "torch"))
    run_settings, learning = settings.run, settings.learning()
    print(
        f"{', '.join(run_settings.symbols)}, each in an account of {run_settings.cash:,.0f} $; "
        f"{learning.agent.updates} updates of ours, {options.steps} steps of each other; judged on "
        f"{options.judge_paths} imagined markets of {learning.imagination.bars} bars and the year "
        f"from {run_settings.start_date}",
        flush=True,
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
