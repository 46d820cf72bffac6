"""Do imagined markets repeat because the sample covers, or only because the seed is fixed?

Deviation between seeds of the stylised facts of the imagined markets, at equal cost (markets times
bars): sampled as agents learn on them (stratified starts, twins, blocks of dates exchanged) and by
plain Monte Carlo, where starts, dropout masks and noise of all markets are independent. A ratio of
.1 is worth a hundred times the markets. Means over seeds show that both sample the same thing: both
go by one fit to the histories (`sim.steadiness`), whose trial walks would otherwise have luck of
their own.

With `--agents N`, the same for what is learned on them: deviation between N seeds of the agent's
action values on fixed observations, and, for comparison, when only the learner's seed changes and
the markets stay. The deviation of whole backtests is `research.experiments.seeds`.

    python -m research.benchmarks.coverage [--seeds 20] [--paths 256] [--agents 5] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from algorithm.learning import AgentConfig, ImaginationConfig
from models.agent.account import ACCOUNT_FEATURES
from models.agent.observation import Observer
from models.agent.q_agent import QAgent
from models.forecast.config import ForecasterConfig
from models.market.features import FeatureTable
from models.seeding import streams
from research.conditions import conditions, option_parser
from research.held_out import fit
from research.stocks import FIRST_TRAINING, packaged_histories, since
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.curriculum import growing
from sim.facts import FACT_LABELS, Facts, facts, simulated_markets
from sim.levels import like
from sim.noise import DatedNoise
from sim.path_sampler import MASK_SHARE, ForecasterSampler, Plan
from sim.paths import Paths, PathSampler
from sim.starts import draw_starts

OURS, PLAIN, SAME = "Mirage", "plain Monte Carlo", "same markets"
END = np.datetime64("2009-01-01")  # of the first training span of the default run

Floats = NDArray[np.float64]


def independent_rows(
    levels: Floats, starts: Floats, n_steps: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Paths of `sim.blocks.matched_rows`, each of them by itself."""
    order, count = np.argsort(levels), len(starts)

    def rows_like(wanted: Floats) -> NDArray[np.int64]:
        at = like(wanted, rng.random(len(wanted))) * len(order)
        return order[np.minimum(at.astype(np.int64), len(order) - 1)]

    found = np.empty((count, n_steps), np.int64)
    found[:, 0] = rows_like(starts)
    for t in range(1, n_steps):
        going_on = (found[:, t - 1] + 1) % len(levels)
        ends = rng.random(count) < 1.0 / mean_block
        going_on[ends] = rows_like(levels[going_on[ends]])
        found[:, t] = going_on
    return found


class PlainSampler(ForecasterSampler):
    """Plain Monte Carlo: starts, masks and noise of all markets are independent, no twins."""

    @cached_property
    def dated_noise(self) -> DatedNoise:
        """Every market by itself."""
        return replace(super().dated_noise, rows=independent_rows)

    def _plan(self, pairs: int, n_steps: int, rng: np.random.Generator) -> Plan:
        start_rng, mask_rng, noise_rng, block_rng = rng.spawn(4)
        count = 2 * pairs
        each = [
            draw_starts(self._tables, self._first, 1, self._starts, start_rng) for _ in range(count)
        ]
        masks = self._forecaster.masks(count, mask_rng).softened(MASK_SHARE)
        is_blended = mask_rng.random(count) < self._blend
        shifts = np.zeros((count, len(self._tables)))
        return self._with_noise(
            np.concatenate(each), masks, is_blended, n_steps, noise_rng, block_rng, shifts
        )


class FixedSampler:
    """The same markets again, whatever the generator."""

    def __init__(self, source: PathSampler, seed: int) -> None:
        self._source, self._seed = source, seed

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """See `sim.paths.PathSampler`."""
        return self._source.sample(n_paths, n_steps, streams(self._seed, "fixed")["paths"])


MOMENT_LABELS = {
    "mean": "mean of r, bp",
    "size": "mean of abs(r), bp",
    "month": "deviation of 20-day returns, %",
    "cross": "correlation of symbols",
}


def mean_facts(paths: Paths) -> dict[str, float]:
    """Stylised facts and moments, mean over the symbols."""
    each = [asdict(facts(market)) for market in simulated_markets(paths)]
    found = {item.name: float(np.mean([one[item.name] for one in each])) for item in fields(Facts)}
    returns = paths.log_returns
    found["mean"] = float(1e4 * returns.mean())
    found["size"] = float(1e4 * np.abs(returns).mean())
    month = returns[:, :, : returns.shape[2] // 20 * 20].reshape(*returns.shape[:2], -1, 20)
    found["month"] = float(100 * month.sum(axis=3).std(axis=(0, 2)).mean())
    together = np.corrcoef(returns.swapaxes(0, 1).reshape(returns.shape[1], -1))
    found["cross"] = float(together[np.triu_indices(len(together), 1)].mean())
    return found


def deviations_table(
    found: Mapping[str, Sequence[Mapping[str, float]]], labels: Mapping[str, str]
) -> str:
    """Mean, deviation between seeds and its ratio to plain Monte Carlo's, of every figure.

    The last line is the geometric mean of the ratios.

    The ratio of two deviations of n seeds each has a relative error of about 1 / sqrt(n - 1).
    """
    lines = [
        f"{'':34s}"
        + "".join(f"{name + ': mean':>26s}{'deviation':>11s}" for name in found)
        + f"{'ratio':>8s}"
    ]
    ratios = []
    for key, label in labels.items():
        row, deviation = f"{label:34s}", {}
        for name, each in found.items():
            values = [one[key] for one in each]
            deviation[name] = float(np.std(values, ddof=1))
            row += f"{np.mean(values):26.4f}{deviation[name]:11.4f}"
        ratios.append(deviation[OURS] / deviation[PLAIN])
        lines.append(row + f"{ratios[-1]:8.2f}")
    lines.append(f"{'all':{len(lines[0]) - 8}s}{np.exp(np.mean(np.log(ratios))):8.2f}")
    return "\n".join(lines)


def preferences(agent: QAgent, observations: NDArray) -> Floats:
    """Action values of a flat account less that of staying flat, in basis points, (N, A - 1)."""
    account = np.zeros((len(observations), len(ACCOUNT_FEATURES)), np.float32)
    values = agent.q_values(observations, account)
    return 1e4 * np.delete(values - values[:, [agent.flat]], agent.flat, axis=1)


def between_seeds(values: Sequence[Floats]) -> float:
    """Root mean square over all entries of the deviation between seeds."""
    return float(np.sqrt(np.var(values, axis=0, ddof=1).mean()))


def samplers(options: argparse.Namespace) -> dict[str, PathSampler]:
    """Of the default run's first training: as agents learn on them, and plain."""
    histories = [since(history.until(END), FIRST_TRAINING) for history in packaged_histories()]
    tables = [FeatureTable.of(history) for history in histories]
    observer = Observer(fit(tables, ForecasterConfig(), options.seed, options.models))
    return both_ways(observer, tables, options.blend)


def both_ways(
    observer: Observer, tables: Sequence[FeatureTable], blend: float
) -> dict[str, PathSampler]:
    """One fit, sampled as agents learn on it, and plain."""
    ours, plain = (
        kind(observer, tables, blend=blend) for kind in (ForecasterSampler, PlainSampler)
    )
    plain.feedback = ours.feedback
    return {OURS: ours, PLAIN: plain}


def compare_facts(sampler: Mapping[str, PathSampler], options: argparse.Namespace) -> str:
    """The table of stylised facts."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sampler}
    seconds = dict.fromkeys(sampler, 0.0)
    with tqdm(total=len(sampler) * options.seeds, desc="facts", leave=False) as progress:
        for name, one in sampler.items():
            one.sample(2, 1, np.random.default_rng(0))  # residuals are worked out once
            for seed in range(options.seeds):
                began = time.process_time()
                rng = streams(options.seed, "coverage", name, seed)["paths"]
                paths = one.sample(options.paths, options.bars, rng)
                seconds[name] += time.process_time() - began
                found[name].append(mean_facts(paths))
                progress.update()
    took = ", ".join(f"{name} {total / options.seeds:.1f}" for name, total in seconds.items())
    table = deviations_table(found, FACT_LABELS | MOMENT_LABELS)
    return f"{table}\nprocessor seconds a sample: {took}"


def compare_agents(sampler: Mapping[str, PathSampler], options: argparse.Namespace) -> str:
    """The deviation of action values, and how often two seeds prefer the same action."""
    config = AgentConfig()
    stages = growing(options.paths, options.bars, options.updates)
    seen = sampler[OURS].sample(options.paths, 1, streams(options.seed, "coverage")["paths"])
    width = seen.observations.shape[-1]
    observations = seen.observations.reshape(-1, 2, width)[:, 0]
    rules = Rules(np.full(int(seen.series.max()) + 1, 0.32), equity=1e5)
    every = dict(sampler) | {SAME: FixedSampler(sampler[OURS], options.seed)}
    lines = [
        f"{'action values less flat, bp':34s}{'deviation':>11s}{'size':>9s}{'same choice':>13s}"
    ]
    with tqdm(total=len(every) * options.agents, desc="agents", leave=False) as progress:
        for name, one in every.items():
            found = []
            for seed in range(options.agents):
                rngs = streams(options.seed, "coverage", "agent", seed)
                trained = train_on_imagined(
                    one, rules, config.network, stages, rngs, judging=config.judging
                )
                found.append(preferences(trained.agent, observations))
                progress.update()
            best = np.array([np.argmax(np.pad(v, ((0, 0), (0, 1))), axis=1) for v in found])
            pairs = [np.mean(best[i] == best[j]) for i in range(len(best)) for j in range(i)]
            size = float(np.sqrt(np.mean(np.square(np.mean(found, axis=0)))))
            lines.append(
                f"{name:34s}{between_seeds(found):11.3f}{size:9.3f}{100 * np.mean(pairs):11.0f} %"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    imagination = ImaginationConfig()
    parser = option_parser(__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the forecaster")
    parser.add_argument("--seeds", type=int, default=20, help="samples of either kind")
    parser.add_argument("--paths", type=int, default=256, help="markets in a sample")
    parser.add_argument("--bars", type=int, default=imagination.bars)
    parser.add_argument("--blend", type=float, default=imagination.blend)
    parser.add_argument("--agents", type=int, default=0, help="agents trained on either kind")
    parser.add_argument("--updates", type=int, default=1500, help="of an agent")
    parser.add_argument("--models", type=Path, help="folder that keeps fitted forecasters")
    options = parser.parse_args(arguments)
    if options.seeds < 2 or options.agents == 1:
        parser.error("a deviation takes two seeds or more")
    print(conditions("numpy", "tensorflow", "keras"), flush=True)
    both = samplers(options)
    print(
        f"{options.seeds} samples of {options.paths} markets of {options.bars} bars, "
        f"blend {options.blend:g}\n\n{compare_facts(both, options)}"
    )
    if options.agents:
        print(f"\n{options.agents} agents each, {options.updates} updates")
        print(compare_agents(both, options))


if __name__ == "__main__":
    main()
