"""What a run shows of its imagined markets: stylised facts beside real ones, and some paths."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from algorithm.learning import ImaginationConfig, imagined_markets
from algorithm.training import AGENT_CODE, TrainedModels
from models.artifacts import ArtifactStore
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.market.history import CLOSE
from models.provenance import code_fingerprint, described, key_for
from models.seeding import streams
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.facts import FactsTable, facts_table, real_markets, simulated_markets
from sim.paths import PathSampler

FACTS_PATHS, FACTS_BARS = 16, 504
"""How much is simulated for the table of stylised facts: markets, and at most this many bars."""

SHOWN_PATHS = 12
"""Synthetic markets kept for the report's pictures."""


def imagined_facts(
    tables: Sequence[FeatureTable],
    models: TrainedModels,
    config: ImaginationConfig,
    seed: int,
    artifacts: ArtifactStore,
    now: datetime,
) -> tuple[FactsTable, list[str]]:
    """Stylised facts of the real and the imagined markets, baselines beside them.

    They take some seconds, so they are kept beside the models they tell of.

    Returns:
        The table, and the symbols whose GARCH fit did not converge.
    """
    depends = {
        "facts": [FACTS_PATHS, FACTS_BARS],
        "seed": seed,
        "imagination": described(config),
        "forecaster": models.forecaster_key,
        "code": code_fingerprint(*AGENT_CODE, "algorithm.imagined"),
    }
    key = key_for(depends)
    saved = artifacts.load(key, not_after=now)
    if saved is not None:
        try:
            return FactsTable.from_json(saved.meta["facts"]), list(saved.meta["unconverged"])
        except (KeyError, ValueError) as problem:
            artifacts.set_aside(key, f"facts cannot be read ({problem})")
    garch = GarchSampler(tables)
    samplers: dict[str, PathSampler] = {
        "simulated": imagined_markets(tables, models.forecaster, config),
        "block bootstrap": BlockBootstrapSampler(tables),
        "GJR-GARCH": garch,
    }
    rng = streams(seed, "facts")["paths"]
    real = real_markets([table.history for table in tables])
    bars = min(FACTS_BARS, *(market.returns.shape[1] for market in real))
    found = facts_table(
        real,
        {
            name: simulated_markets(sampler.sample(FACTS_PATHS, bars, rng))
            for name, sampler in samplers.items()
        },
    )
    unconverged = [symbol for symbol, converged in garch.converged.items() if not converged]
    artifacts.save(
        key,
        {},
        {"facts": found.to_json(), "unconverged": unconverged},
        depends=depends,
        data_end=models.data_end,
    )
    return found, unconverged


def shown_closes(
    tables: Sequence[FeatureTable], forecaster: Forecaster, config: ImaginationConfig, seed: int
) -> list[np.ndarray]:
    """Closes of some markets from the newest bars, (markets, bars) of each symbol."""
    rng = streams(seed, "shown")["paths"]
    sampler = imagined_markets(tables, forecaster, config, starts="latest")
    closes = sampler.sample(SHOWN_PATHS, config.bars, rng).bars[:, :, 1:, CLOSE]
    return list(closes.swapaxes(0, 1))
