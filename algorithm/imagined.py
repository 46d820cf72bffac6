"""What a run shows of its imagined markets, beside the real ones that they were learned from.

Stylised facts, dependence between symbols, whether a classifier can tell imagined windows from real
ones, some markets whole, and the worst day among these beside the real market's.

Like is compared with like. Imagined markets may start only where features and the network's window
are known, about a year into the bars that are learned from, and that year may have been another
era. So whatever stands beside them is made of the bars from there on alone (`Span`): the real
column, the block bootstrap's days, the GARCH models' fits, the classifier's windows and the worst
day. What is too short to be learned from ends in an error before; the shortest that is not has 200
bars, and the span is stated with the tables.
"""

from __future__ import annotations

import math
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
from models.market.history import CLOSE, History
from models.provenance import code_fingerprint, described, key_for, versions
from models.seeding import streams
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.crisis import deviations_of, worst_imagined_day, worst_real_day
from sim.dependence import DependenceTable
from sim.facts import FactsTable, facts_table, real_markets, simulated_markets
from sim.one_span import WINDOW, SpanTest, SpanVerdict
from sim.path_sampler import ForecasterSampler
from sim.paths import Paths, PathSampler

FACTS_BARS, FACTS_MARKET = 16 * 504, 504
"""How much is simulated for the tables of facts: bars of each symbol in all, and of a market at
most; as many fewer as cut the span into equal pieces, with next to nothing left over."""

SHOWN_PATHS = 12
"""Synthetic markets kept for the report's pictures."""

SIMULATED, BOOTSTRAP, GARCH = "simulated", "block bootstrap", "GJR-GARCH"
SECTIONS = ("dependence", "crisis", "two_sample")


@dataclass(frozen=True)
class Span:
    """The real bars that imagined markets are compared with: those that they may start at.

    Attributes:
        begin: date of the first one of any symbol (ISO).
        end: date of the last one.
        bars: fewest and most of a symbol.
        piece: bars of the pieces that each symbol's are cut into for stylised facts, the newest
            whole ones, and of the markets simulated for these.
    """

    begin: str
    end: str
    bars: tuple[int, int]
    piece: int

    @classmethod
    def of(cls, histories: Sequence[History], first: int) -> Span:
        """The span of histories from a row on.

        Args:
            histories: at least one, each with a bar in that row.
            first: at which imagined markets may start.
        """
        counts = [len(history) - first for history in histories]
        fewest, most = min(counts), max(counts)
        begin = min(history.time[first] for history in histories)
        end = max(history.time[-1] for history in histories)
        piece = fewest // math.ceil(fewest / FACTS_MARKET)
        return cls(str(begin)[:10], str(end)[:10], (fewest, most), piece)

    @property
    def markets(self) -> int:
        """How many of that length are simulated for the tables of facts."""
        return math.ceil(FACTS_BARS / self.piece)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Span:
        """The span that `to_json` gave; KeyError, TypeError or ValueError if it is none."""
        fewest, most = map(int, saved["bars"])
        return cls(str(saved["begin"]), str(saved["end"]), (fewest, most), int(saved["piece"]))

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return vars(self) | {"bars": list(self.bars)}

    def __str__(self) -> str:
        fewest, most = self.bars
        each = f"{most}" if fewest == most else f"{fewest} to {most}"
        return (
            f"Real bars, where imagined markets may start: {self.begin} to {self.end}, "
            f"{each} a symbol\nStylised facts of pieces of {self.piece} bars"
        )


@dataclass(frozen=True)
class Imagined:
    """What is shown of imagined markets.

    Attributes:
        span: the real bars of all that follows.
        facts: stylised facts of the real and the simulated markets.
        unconverged: symbols whose GARCH fit, one of the baselines, did not converge.
        closes: of some markets from the newest bars on, shape (markets, S, bars).
        sections: of the diagnostics' document, by name (`SECTIONS`), as JSON can say them: of
            several symbols how they depend on each other (``dependence``) and the worst day
            (``crisis``), and what a classifier can tell (``two_sample``), if the span is long
            enough.
        said: the classifier's verdict in a line; empty if there is none.
    """

    span: Span
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
        "imagined": [FACTS_BARS, FACTS_MARKET, SHOWN_PATHS],
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
            "span": found.span.to_json(),
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
        Span.from_json(meta["span"]),
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
    source = imagined_markets(tables, models.forecaster, config)
    first = source.first
    garch = GarchSampler(tables, first=first)
    samplers: dict[str, PathSampler] = {
        SIMULATED: source,
        BOOTSTRAP: BlockBootstrapSampler(tables, first=first),
        GARCH: garch,
    }
    span = Span.of(histories, first)
    real = real_markets(histories, first)
    markets = {
        name: sampler.sample(span.markets, span.piece, rng) for name, sampler in samplers.items()
    }
    sections: dict[str, Any] = {}
    shown = _shown(source, config, seed)
    dependence = DependenceTable.of(histories, markets, first)
    if dependence is not None:
        sections["dependence"] = dependence.to_json()
        if (worst := worst_real_day(histories, first)) is not None:
            imagined_day = worst_imagined_day(shown, deviations_of(histories, first))
            sections["crisis"] = {
                "symbols": [table.symbol for table in tables],
                "real": worst.to_json(),
                "simulated": imagined_day.to_json(),
            }
    verdict = _told_apart(tables, source, seed)
    if verdict is not None:
        sections["two_sample"] = verdict.to_json()
    return Imagined(
        span,
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
        BOOTSTRAP: BlockBootstrapSampler(tables, starts=test.dates, first=source.first),
    }
    return test.verdict(
        {name: one.sample(test.markets, WINDOW, rng) for name, one in samplers.items()}, seed
    )
