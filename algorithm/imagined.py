"""What a run shows of its imagined markets, beside the real ones that they were learned from.

Stylised facts, dependence between symbols, whether a classifier can tell imagined windows from real
ones, some markets whole, and the worst day among these beside the real market's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithm.learning import ImaginationConfig, imagined_markets
from algorithm.training import AGENT_CODE, TrainedModels
from models.artifacts import Artifact, ArtifactStore
from models.market.features import FeatureTable
from models.market.history import CLOSE
from models.provenance import code_fingerprint, described, key_for, versions
from models.seeding import streams
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.crisis import deviations_of, worst_imagined_day, worst_real_day
from sim.dependence import DependenceTable
from sim.facts import FactsTable, facts_table, real_markets, simulated_markets
from sim.one_span import WINDOW, SpanTest, SpanVerdict
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler

FACTS_PATHS, FACTS_BARS = 16, 504
"""How much is simulated for the tables of facts: markets, and about how many bars; somewhat fewer
where the span is then cut into pieces of that length with little left over."""

SHOWN_PATHS = 12
"""Synthetic markets kept for the report's pictures."""

SIMULATED, BOOTSTRAP, GARCH = "simulated", "block bootstrap", "GJR-GARCH"
SECTIONS = ("dependence", "crisis", "two_sample")


@dataclass(frozen=True)
class Imagined:
    """What is shown of imagined markets.

    Attributes:
        facts: stylised facts of the real and the simulated markets.
        unconverged: symbols whose GARCH fit, one of the baselines, did not converge.
        closes: of some markets from the newest bars on, shape (markets, S, bars).
        sections: of the diagnostics' document, by name (`SECTIONS`), as JSON can say them: of
            several symbols how they depend on each other (``dependence``) and the worst day
            (``crisis``), and what a classifier can tell (``two_sample``), if the span is long
            enough.
        said: the classifier's verdict in a line; empty if there is none.
    """

    facts: FactsTable
    unconverged: tuple[str, ...]
    closes: NDArray[np.float64]
    sections: Mapping[str, Any]
    said: str


def imagined(
    tables: Sequence[FeatureTable],
    models: TrainedModels,
    config: ImaginationConfig,
    seed: int,
    artifacts: ArtifactStore,
    now: datetime,
) -> Imagined:
    """Imagine some markets and measure them, or take what was measured before.

    It takes some seconds, so it is kept beside the models it tells of.
    """
    depends = {
        "imagined": [FACTS_PATHS, FACTS_BARS, SHOWN_PATHS],
        "seed": seed,
        "imagination": described(config),
        "forecaster": models.forecaster_key,
        "code": code_fingerprint(*AGENT_CODE, "algorithm.imagined"),
        "versions": versions(),
    }
    key = key_for(depends)
    saved = artifacts.load(key, not_after=now)
    if saved is not None:
        try:
            return _read(saved, len(tables))
        except (KeyError, TypeError, ValueError) as problem:
            artifacts.set_aside(key, f"what was imagined cannot be read ({problem})")
    found = _measured(tables, models, config, seed)
    artifacts.save(
        key,
        {"shown": {"closes": found.closes}},
        {
            "facts": found.facts.to_json(),
            "unconverged": list(found.unconverged),
            "sections": dict(found.sections),
            "said": found.said,
        },
        depends=depends,
        data_end=models.data_end,
    )
    return found


def _read(saved: Artifact, n_symbols: int) -> Imagined:
    """What was kept; KeyError, TypeError or ValueError if a part is missing or not understood."""
    meta, closes = saved.meta, saved.parts["shown"]["closes"]
    if closes.ndim != 3 or closes.shape[1] != n_symbols:
        raise ValueError(f"closes must have shape (B, {n_symbols}, T); received {closes.shape}")
    if not (np.isfinite(closes) & (closes > 0)).all():
        raise ValueError("closes must be finite and > 0; received others")
    return Imagined(
        FactsTable.from_json(meta["facts"]),
        tuple(meta["unconverged"]),
        closes,
        {name: meta["sections"][name] for name in SECTIONS if name in meta["sections"]},
        str(meta["said"]),
    )


def _measured(
    tables: Sequence[FeatureTable], models: TrainedModels, config: ImaginationConfig, seed: int
) -> Imagined:
    histories = [table.history for table in tables]
    rng = streams(seed, "facts")["paths"]
    garch = GarchSampler(tables)
    source = imagined_markets(tables, models.forecaster, config)
    samplers: dict[str, PathSampler] = {
        SIMULATED: source,
        BOOTSTRAP: BlockBootstrapSampler(tables),
        GARCH: garch,
    }
    real = real_markets(histories)
    known = min(market.returns.shape[1] for market in real)
    bars = min(FACTS_BARS, known // max(round(known / FACTS_BARS), 1))
    markets = {name: sampler.sample(FACTS_PATHS, bars, rng) for name, sampler in samplers.items()}
    sections: dict[str, Any] = {}
    shown = _shown(source, config, seed)
    dependence = DependenceTable.of(histories, markets)
    if dependence is not None:
        sections["dependence"] = dependence.to_json()
        if (worst := worst_real_day(histories)) is not None:
            imagined_day = worst_imagined_day(shown, deviations_of(histories))
            sections["crisis"] = {
                "symbols": [table.symbol for table in tables],
                "real": worst.to_json(),
                "simulated": imagined_day.to_json(),
            }
    verdict = _told_apart(tables, source, seed)
    if verdict is not None:
        sections["two_sample"] = verdict.to_json()
    return Imagined(
        facts_table(real, {name: simulated_markets(paths) for name, paths in markets.items()}),
        tuple(symbol for symbol, converged in garch.converged.items() if not converged),
        shown.bars[:, :, 1:, CLOSE],
        sections,
        "" if verdict is None else str(verdict),
    )


def _shown(source: ForecasterSampler, config: ImaginationConfig, seed: int) -> Paths:
    """Some markets from the newest bars, all symbols in each."""
    rng = streams(seed, "shown")["paths"]
    return source.starting("latest").sample(SHOWN_PATHS, config.bars, rng)


def _told_apart(
    tables: Sequence[FeatureTable], source: ForecasterSampler, seed: int
) -> SpanVerdict | None:
    """The two-sample test within the span; None if it is too short."""
    test = SpanTest.of([table.history for table in tables], source.first)
    if test is None:
        return None
    rng = streams(seed, "told apart")["paths"]
    samplers: dict[str, PathSampler] = {
        SIMULATED: source.starting(test.dates),
        BOOTSTRAP: BlockBootstrapSampler(tables, starts=test.dates),
    }
    return test.verdict(
        {name: one.sample(test.markets, WINDOW, rng) for name, one in samplers.items()}, seed
    )
