"""Do imagined markets repeat because the sample covers, or only because the seed is fixed?

Deviation between seeds of the stylised facts of the imagined markets, at equal cost (markets times
bars): sampled as agents learn on them (stratified starts, antithetic pairs, scrambled Sobol
points) and by plain Monte Carlo, where starts, dropout masks and noise of all markets are
independent. A ratio of .1 is worth a hundred times the markets. Means over seeds show that both
sample the same thing.

With `--agents N`, the same for what is learned on them: deviation between N seeds of the agent's
action values on fixed observations, and, for comparison, when only the learner's seed changes and
the markets stay. The deviation of whole backtests is `research.experiments.seeds`.

    python -m research.benchmarks.coverage [--seeds 20] [--paths 256] [--agents 5] [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from algorithm.learning import AgentConfig, ImaginationConfig
from models.agent.account import ACCOUNT_FEATURES
from models.agent.observation import Observer
from models.agent.q_agent import QAgent
from models.forecast.config import ForecasterConfig
from models.market.features import LOOKBACK, FeatureTable
from models.seeding import streams
from research.conditions import conditions, option_parser
from research.held_out import fit
from research.stocks import FIRST_TRAINING, packaged_histories, since
from sim.accounting import Rules
from sim.agent_training import train_on_imagined
from sim.curriculum import growing
from sim.dates import CommonDates
from sim.facts import FACT_LABELS, facts, simulated_markets
from sim.noise import NoiseSource
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler

OURS, PLAIN, SAME = "Mirage", "plain Monte Carlo", "same markets"
END = np.datetime64("2009-01-01")  # of the first training span of the default run

Floats = NDArray[np.float64]


class PlainNoise:
    """The pairs of another source of noise, each drawn on its own and made of two equals.

    A single pair gets a single scrambled Sobol point, which is uniform: pairs are independent.
    """

    def __init__(self, source: NoiseSource) -> None:
        self._source = source

    @property
    def lean(self) -> Floats:
        """See `sim.noise.NoiseSource`."""
        return self._source.lean

    def draw(self, n_markets: int, n_steps: int, rng: np.random.Generator) -> Floats:
        """See `sim.noise.NoiseSource`."""
        pairs = rng.spawn(n_markets // 2)
        first = np.concatenate([self._source.draw(2, n_steps, own)[:1] for own in pairs])
        return np.repeat(first, 2, axis=0)


class PlainSampler:
    """Plain Monte Carlo: independent starts, masks and noise of all markets.

    Of every pair of markets of the sampler, which shares its start and mask, the first is taken.

    Args:
        observer: as in `sim.path_sampler.ForecasterSampler`; likewise the next two.
        tables: of the symbols of every market.
        blend: share of the blended markets.
    """

    def __init__(self, observer: Observer, tables: Sequence[FeatureTable], blend: float) -> None:
        self._make = partial(ForecasterSampler, observer, tables, blend=blend)
        known = self._make()
        self._noise = {"copula_noise": PlainNoise(known.copula_noise)}
        if blend > 0:
            self._noise["dated_noise"] = PlainNoise(known.dated_noise)
        first = LOOKBACK + observer.forecaster.config.window - 1
        self._dates = CommonDates.of([table.history for table in tables], first).dates

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """See `sim.paths.PathSampler`."""
        sampler = self._make(starts=rng.choice(self._dates, n_paths))
        vars(sampler).update(self._noise)  # in the place of what it would work out itself
        return sampler.sample(2 * n_paths, n_steps, rng).take(np.arange(0, 2 * n_paths, 2))


class FixedSampler:
    """The same markets again, whatever the generator."""

    def __init__(self, source: PathSampler, seed: int) -> None:
        self._source, self._seed = source, seed

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """See `sim.paths.PathSampler`."""
        return self._source.sample(n_paths, n_steps, streams(self._seed, "fixed")["paths"])


LABELS = {"mean": "mean of r, bp", **FACT_LABELS}


def mean_facts(paths: Paths) -> dict[str, float]:
    """Mean return and stylised facts, mean over the symbols; see `LABELS`."""
    markets = simulated_markets(paths)
    each = [{"mean": 1e4 * one.returns.mean(), **asdict(facts(one))} for one in markets]
    return {name: float(np.mean([one[name] for one in each])) for name in LABELS}


def deviations_table(
    found: Mapping[str, Sequence[Mapping[str, float]]], labels: Mapping[str, str]
) -> str:
    """Mean, deviation between seeds and its ratio to plain Monte Carlo's, of every figure.

    The ratio of two deviations of n seeds each has a relative error of about 1 / sqrt(n - 1).
    """
    lines = [
        f"{'':34s}"
        + "".join(f"{name + ': mean':>26s}{'deviation':>11s}" for name in found)
        + f"{'ratio':>8s}"
    ]
    for key, label in labels.items():
        row, deviation = f"{label:34s}", {}
        for name, each in found.items():
            values = [one[key] for one in each]
            deviation[name] = float(np.std(values, ddof=1))
            row += f"{np.mean(values):26.4f}{deviation[name]:11.4f}"
        lines.append(row + f"{deviation[OURS] / deviation[PLAIN]:8.2f}")
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
    return {
        OURS: ForecasterSampler(observer, tables, blend=options.blend),
        PLAIN: PlainSampler(observer, tables, options.blend),
    }


def compare_facts(sampler: Mapping[str, PathSampler], options: argparse.Namespace) -> str:
    """The table of stylised facts."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in sampler}
    seconds = dict.fromkeys(sampler, 0.0)
    with tqdm(total=len(sampler) * options.seeds, desc="facts", leave=False) as progress:
        for name, one in sampler.items():
            for seed in range(options.seeds):
                began = time.perf_counter()
                rng = streams(options.seed, "coverage", name, seed)["paths"]
                paths = one.sample(options.paths, options.bars, rng)
                seconds[name] += time.perf_counter() - began
                found[name].append(mean_facts(paths))
                progress.update()
    took = ", ".join(f"{name} {total / options.seeds:.1f}" for name, total in seconds.items())
    return f"{deviations_table(found, LABELS)}\nseconds a sample: {took}"


def compare_agents(sampler: Mapping[str, PathSampler], options: argparse.Namespace) -> str:
    """The deviation of action values, and how often two seeds prefer the same action."""
    config = AgentConfig()
    stages = growing(options.paths, options.bars, options.updates)
    seen = sampler[OURS].sample(options.paths, 1, streams(options.seed, "coverage")["paths"])
    width = seen.observations.shape[-1]
    observations = seen.observations[::2, :, 0].reshape(-1, width)
    rules = Rules(np.full(seen.n_symbols, 0.32), equity=1e5)
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
