"""Are the agent's constants, which no literature fixes, well chosen?

Trains the agent of the default run's first training (warm-up bars only, the project's settings)
with one constant changed at a time, and lets it trade imagined paths that it has not seen. Every
alternative sees the same paths and the same streams as the present values. Figures are log growth
a year in %, less the control variate and less a constant mix at the cap on the same paths: mean
over seeds, and the difference to the present values with its standard error over pairs of twins
of markets of all seeds. Judging is the agent's own: the hurdle is set before what is scored.

    python -m research.experiments.agent_constants [--seeds 1 2 3] [--paths 1024]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from algorithm.learning import (
    DQN,
    AgentConfig,
    LearningConfig,
    fit_forecaster,
    imagined_markets,
    learn_to_trade,
)
from models.market.features import FeatureTable
from models.reporting import Silent
from models.seeding import streams
from research.conditions import conditions, option_parser
from research.workspace import known_at_start, load_histories, load_settings
from sim.accounting import Rules
from sim.rollout import constant, rollout

PER_YEAR_IN_PERCENT = 25_200


def alternatives(present: AgentConfig) -> dict[str, AgentConfig]:
    """Configurations by name, the present one first."""

    def network(**changes) -> AgentConfig:
        return replace(present, network=replace(present.network, **changes))

    def judging(**changes) -> AgentConfig:
        return replace(present, judging=replace(present.judging, **changes))

    return {
        "present": present,
        "learning rate 1e-4": network(learning_rate=1e-4),
        "learning rate 1e-3": network(learning_rate=1e-3),
        "weight decay 0": network(weight_decay=0.0),
        "weight decay 1e-2": network(weight_decay=1e-2),
        "batch 64": network(batch_size=64),
        "batch 1024": network(batch_size=1024),
        "tau 0.001": network(tau=0.001),
        "tau 0.1": network(tau=0.1),
        "units 32": network(units=(32, 32)),
        "units 128": network(units=(128, 128)),
        "discount 0.5": network(discount=0.5),
        "discount 0.97": network(discount=0.97),
        "confidence 0": judging(confidence=0.0),
        "confidence 3": judging(confidence=3.0),
        "held out 0.1": judging(held_out=0.1),
        "one quantile": judging(hurdle_quantiles=(0.75,)),
    }


def earned(
    config: LearningConfig, tables: list[FeatureTable], rules: Rules, n_paths: int
) -> dict[str, np.ndarray]:
    """By alternative, growth ahead of the constant mix of each pair of twins, shape (pairs,)."""
    forecaster = fit_forecaster(tables, config, None, Silent())
    rng = streams(config.seed, "constants")["paths"]
    fresh = imagined_markets(tables, forecaster, config.imagination).sample(
        n_paths, config.imagination.bars, rng
    )
    shares = fresh.each()
    mix = rollout(constant(1.0), shares, rules).controlled
    found = {}
    for name, agent in alternatives(replace(config.agent, kind=DQN, reward="log_growth")).items():
        trained, _ = learn_to_trade(
            tables, forecaster, replace(config, agent=agent), rules, None, Silent()
        )
        ahead = rollout(trained.act, shares, rules).controlled - mix
        pairs = ahead.mean(axis=1).reshape(-1, 2 * fresh.n_symbols).mean(axis=1)
        found[name] = PER_YEAR_IN_PERCENT * pairs
    return found


def main() -> None:
    """Train all alternatives for all seeds and print the table."""
    parser = option_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--paths", type=int, default=1024, help="markets to score on, an even number"
    )
    options = parser.parse_args()
    print(conditions("tensorflow", "keras", "numpy"))
    settings = load_settings()
    known = known_at_start(load_histories(settings), settings)
    tables = [FeatureTable.of(history) for history in known]
    rules = settings.rules(settings.run.cash)
    by_seed = [
        earned(replace(settings.learning(), seed=seed), tables, rules, options.paths)
        for seed in options.seeds
    ]
    print(f"{'constant':<20}{'ahead of constant mix':>24}{'less present':>16}{'error':>9}")
    for name in by_seed[0]:
        ahead = np.array([row[name] for row in by_seed])
        change = ahead - np.array([row["present"] for row in by_seed])
        error = change.std(ddof=1) / np.sqrt(change.size)
        print(f"{name:<20}{ahead.mean():>24.3f}{change.mean():>16.3f}{error:>9.3f}")


if __name__ == "__main__":
    main()
