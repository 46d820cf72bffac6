"""Are the constants that no literature fixes well chosen?

Scores alternatives one at a time on data of training spans only, never on what came later: AAPL,
GOOG and IBM as packaged, 2005-2008, and the stocks of the TDQN paper up to 2017.

- Baseline volatility (always): the next log return as a Student-t whose scale is the baseline's;
  degrees of freedom, scale and anchor are fitted on four fifths of the days, the rest is scored.
- `--network`: the forecaster, fitted on the first part of the span and scored on the rest.
- `--rails`: how often simulated bars meet the simulator's bounds.
- `--blocks`: the block length of Politis & White (2004) for absolute returns.

Differences are from the present value, in log score (nats, higher is better) and CRPS (in
thousandths of a percentage point, lower is better), with the standard error of the difference
between days (names share their days).

    python -m research.experiments.constants --packaged --tdqn FOLDER [--network] [--seeds 1 2]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from arch.bootstrap import optimal_block_length
from scipy import optimize

from algorithm.learning import ImaginationConfig
from models.agent.observation import Observer
from models.forecast import (
    calibration,
    density,
    fitting,
    levels,
    network,
    recalibration,
    scaling,
    traits,
)
from models.forecast.calibration import common_prior
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.forecast.predictive import crps_student_t, log_score_student_t
from models.market import features
from models.market.features import BASELINE, LOOKBACK, FeatureTable, baseline_volatility
from models.market.history import History
from models.market.market_view import MarketView
from models.seeding import streams
from research.conditions import conditions
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load_all
from sim import path_sampler
from sim.bounds import Bounds
from sim.path_sampler import ForecasterSampler

FOLDS = 5
N_DRAWS = 128


@dataclass(frozen=True)
class Span:
    """Histories that end with a training span, and where the network's test part begins."""

    name: str
    histories: Sequence[History]
    split: np.datetime64


@dataclass(frozen=True)
class Scored:
    """Scores of forecasts: day of what was forecast, log score and CRPS, shape (n,) each."""

    day: np.ndarray
    log_score: np.ndarray
    crps: np.ndarray

    def difference(self, other: Scored, name: str) -> tuple[float, float]:
        """Mean difference between days, and its standard error."""
        _, at = np.unique(self.day, return_inverse=True)
        difference = getattr(self, name) - getattr(other, name)
        of_day = np.bincount(at, difference) / np.bincount(at)
        return float(of_day.mean()), float(of_day.std(ddof=1) / np.sqrt(len(of_day)))


# ---------------------------------------------------------------- baseline volatility


def student_t(z: np.ndarray) -> tuple[float, float]:
    """Most likely scale and degrees of freedom (> 1) of values around zero."""

    def loss(log: np.ndarray) -> float:
        scale, df = np.exp(log[0]), 1.0 + np.exp(log[1])
        return -float(log_score_student_t(0.0, scale, df, z).mean())

    found = optimize.minimize(loss, np.log([0.8 * z.std(), 4.0]), method="Nelder-Mead").x
    return float(np.exp(found[0])), float(1.0 + np.exp(found[1]))


def score_baseline(
    span: Span, decay: tuple[float, ...], mixture: features.BaselineMixture
) -> Scored:
    """Cross-validated scores of one baseline volatility."""
    with patch.object(features, "DECAY", decay):
        tables = [FeatureTable.of(history) for history in span.histories]
    rows = np.concatenate([table.rows[LOOKBACK:-1] for table in tables])
    parts = np.concatenate([table.parts[LOOKBACK + 1 :] for table in tables])
    day = np.concatenate([table.history.time[LOOKBACK + 1 :] for table in tables])
    y = parts[:, 0] + parts[:, 1]
    edges = np.quantile(np.unique(day).astype(np.int64), np.arange(1, FOLDS) / FOLDS)
    fold = np.searchsorted(edges, day.astype(np.int64), side="right")
    log_score, crps = np.empty(len(y)), np.empty(len(y))
    for held in (fold == k for k in range(FOLDS)):
        anchor = rows[~held, features.COLUMN["volatility_ewma"]].mean()
        volatility = baseline_volatility(rows, anchor, mixture)
        scale, df = student_t(y[~held] / volatility[~held])
        width = scale * volatility[held]
        log_score[held] = log_score_student_t(0.0, width, df, y[held])
        crps[held] = crps_student_t(0.0, width, df, y[held])
    return Scored(day, log_score, crps)


def baselines() -> Iterator[tuple[str, tuple[float, ...], features.BaselineMixture]]:
    """Label, decays and mixture of every alternative."""
    for long in (0.0, 0.15, 0.25, 0.4, 0.55):
        for ranged in (0.0, 0.2, 0.35, 0.5, 0.7):
            mixture = replace(BASELINE, long=long, ranged=ranged)
            yield f"long {long:g}, ranged {ranged:g}", features.DECAY, mixture
    for reversion in (0.03, 0.08, 0.3):
        yield f"reversion {reversion:g}", features.DECAY, replace(BASELINE, reversion=reversion)
    for high in (0.5, 0.75, 1.0, 1.5, np.inf):
        yield f"high {high:g}", features.DECAY, replace(BASELINE, high=high)
    for place, name, values in (
        (0, "decay", (0.92, 0.96)),
        (1, "long decay", (0.98, 0.985, 0.995)),
        (2, "range decay", (0.85, 0.88, 0.92, 0.94)),
    ):
        for value in values:
            decay = list(features.DECAY)
            decay[place] = value
            yield f"{name} {value:g}", tuple(decay), BASELINE


# ---------------------------------------------------------------- network


@dataclass(frozen=True)
class Change:
    """One constant set otherwise: an attribute of a module, or of the configuration (None)."""

    label: str
    module: Any
    name: str
    value: Any

    @contextmanager
    def made(self, config: ForecasterConfig) -> Iterator[ForecasterConfig]:
        """The configuration to fit with, while the change holds."""
        with ExitStack() as stack:
            if self.module is None:
                config = replace(config, **{self.name: self.value})
            else:
                stack.enter_context(patch.object(self.module, self.name, self.value))
            forget_compiled()
            yield config
        forget_compiled()


def forget_compiled() -> None:
    """Compiled training and calibration steps hold the constants they were compiled with."""
    network._TRAINERS.clear()
    calibration._objective.cache_clear()


def symbol_prior(factor: float) -> calibration.Prior:
    """The prior between symbols, that many times as wide."""
    return {
        name: tuple(factor * deviation for deviation in deviations)
        for name, deviations in calibration.SYMBOL_PRIOR.items()
    }


CHANGES = [
    Change("ranged 0.5", features, "BASELINE", replace(BASELINE, ranged=0.5)),
    Change("range decay 0.85", features, "DECAY", (0.94, 0.99, 0.85, 0.94)),
]
CHANGES += [
    Change(f"{name} prior {value:g}", fitting, "COMMON_PRIOR", common_prior(**{name: value}))
    for name, values in (("scale", (0.03, 0.3)), ("tail", (0.15, 1.5)), ("skew", (0.07, 0.6)))
    for value in values
]
CHANGES += [
    Change(f"symbol prior x {factor:g}", fitting, "SYMBOL_PRIOR", symbol_prior(factor))
    for factor in (0.01, 0.5, 2.0)
]
CHANGES += [
    Change(f"half-life {bars:g}", recalibration, "_DECAY", 0.5 ** (1.0 / bars))
    for bars in (30.0, 120.0)
]
CHANGES += [
    Change(f"prior bars {bars:g}", recalibration, "PRIOR_BARS", np.full(2, bars))
    for bars in (25.0, 100.0, 1e9)
]
CHANGES += [
    Change(f"{name} {value:g}", module, name, value)
    for module, name, values in (
        (scaling, "CLIP", (3.0, 12.0)),
        (network, "MEAN_PENALTY", (0.0, 0.05, 1.0)),
        (network, "PART_PENALTY", (0.0, 0.5)),
        (density, "MAX_DRIFT", (0.1, 0.5)),
        (density, "MAX_LOG_SCALE", (0.75, 3.0)),
        (density, "MIN_DF", (2.1, 3.0)),
        (levels, "PRIOR_COUNT", (1.0, 25.0, 1e9)),
        (traits, "ANCHOR_BARS", (50, 1250)),
        (None, "drift_penalty", (0.0, 10.0, 160.0)),
        (None, "weight_penalty", (0.0, 1e-4, 1e-2)),
        (None, "learning_rate", (1e-3, 6e-3)),
        (None, "dropout", (0.05, 0.2)),
        (None, "stride", (5, 20)),
        (None, "patience", (4, 16)),
        (None, "masks", (4, 64)),
    )
    for value in values
]


def score_network(span: Span, config: ForecasterConfig, seeds: Sequence[int]) -> Scored:
    """Scores after the split of forecasters fitted before it, one for each seed."""
    day, log_score, crps = [], [], []
    usable = [h for h in span.histories if len(h.until(span.split)) >= config.required_bars]
    past = [FeatureTable.of(history.until(span.split)) for history in usable]
    tables = [FeatureTable.of(history) for history in usable]
    for seed in seeds:
        forecaster = Forecaster.fit(past, config, seed=seed)
        for table, known in zip(tables, past, strict=True):
            rng = streams(seed, "constants", table.symbol)["draws"]
            hindcast = forecaster.hindcast(table)
            rows = np.arange(len(known) - 1, len(table) - 1)
            for chunk in np.array_split(rows, max(1, len(rows) // 100)):
                view = MarketView.at_rows(table, chunk, window=config.window)
                forecast = forecaster.predict(view, N_DRAWS, rng, hindcast.memory_at(chunk))
                y = table.history.log_returns[chunk + 1]
                day.append(table.history.time[chunk + 1])
                log_score.append(forecast.log_score(y))
                crps.append(forecast.crps(y))
    return Scored(np.concatenate(day), np.concatenate(log_score), np.concatenate(crps))


# ---------------------------------------------------------------- simulator


def rails(span: Span, seed: int) -> Iterator[tuple[str, float]]:
    """Name and share of simulated bars that each bound of the simulator moved."""
    tables = [FeatureTable.of(history) for history in span.histories]
    forecaster = Forecaster.fit(tables, seed=seed)
    moved: list[np.ndarray] = []
    scaled_down: list[float] = []
    make_bars, hold_volatility = path_sampler.make_bars, Bounds.hold_volatility

    def counted(*given: Any) -> None:
        make_bars(*given)
        parts, _, _, _, shift, moves, log_volume, close, first_close, mean, limit, *_ = given
        sizes = np.abs(parts[:4].T + np.outer(shift, [0.0, 1.0, 0.0, 0.0]))
        volume, far = mean + parts[4], np.abs(np.log(close / first_close)) > np.log(limit)
        by_volume = (volume < log_volume[0]) | (volume > log_volume[1])
        by_size = (sizes > moves.T).any(axis=1)
        moved.append(np.array([by_size.mean(), by_volume.mean(), far.mean()]))

    def counted_volatility(self: Bounds, state: Any) -> None:
        scaled_down.append(float((state.volatility > self.volatility).mean()))
        hold_volatility(self, state)

    with (
        patch.object(path_sampler, "make_bars", counted),
        patch.object(Bounds, "hold_volatility", counted_volatility),
    ):
        sampler = ForecasterSampler(Observer(forecaster), tables, blend=ImaginationConfig.blend)
        markets = max(512 // len(tables), 2)
        sampler.sample(markets, 250, streams(seed, "constants")["paths"])
    yield from zip(
        ("MOVE_LIMIT", "VOLUME_MARGIN", "PRICE_LIMIT"),
        np.mean(moved, axis=0).tolist(),
        strict=True,
    )
    yield "highest volatility", float(np.mean(scaled_down))


def block_lengths(span: Span) -> np.ndarray:
    """Best mean block length of the stationary bootstrap for each name's absolute returns."""
    lengths = [
        float(optimal_block_length(np.abs(h.log_returns[1:]))["stationary"].iloc[0])
        for h in span.histories
    ]
    return np.array(lengths)


# ---------------------------------------------------------------- tables


def compare(
    title: str, present: Scored, others: Iterator[tuple[str, Callable[[], Scored]]]
) -> None:
    """Print one table, a line as soon as it is known."""
    print(
        f"\n{title}: present log score {present.log_score.mean():.4f}, "
        f"CRPS {100 * present.crps.mean():.4f} %"
    )
    print(f"{'':28s} {'log score':>10s} {'+-':>8s} {'CRPS':>8s} {'+-':>8s}")
    for label, score in others:
        found = score()
        better, error = found.difference(present, "log_score")
        worse, crps_error = found.difference(present, "crps")
        mark = " better" if better > 2 * error > 0 else " worse" if better < -2 * error else ""
        print(
            f"{label:28s} {better:10.4f} {error:8.4f} {1e5 * worse:8.2f} "
            f"{1e5 * crps_error:8.2f}{mark}",
            flush=True,
        )


def baseline_alternatives(span: Span) -> Iterator[tuple[str, Callable[[], Scored]]]:
    """Label and scoring of every other baseline."""
    for label, decay, mixture in baselines():
        yield label, partial(score_baseline, span, decay, mixture)


def network_alternatives(
    span: Span, config: ForecasterConfig, seeds: Sequence[int]
) -> Iterator[tuple[str, Callable[[], Scored]]]:
    """Label and scoring of every change."""
    for change in CHANGES:
        yield change.label, partial(_score_change, change, span, config, seeds)


def _score_change(
    change: Change, span: Span, config: ForecasterConfig, seeds: Sequence[int]
) -> Scored:
    with change.made(config) as changed:
        return score_network(span, changed, seeds)


def main() -> None:
    """Score and print."""
    parser = stock_parser(__doc__)
    parser.add_argument("--network", action="store_true", help="fit forecasters too: long")
    parser.add_argument("--rails", action="store_true", help="count meetings with bounds")
    parser.add_argument("--blocks", action="store_true", help="estimate block lengths")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parse(parser)
    print(conditions("numpy", "tensorflow", "keras", "arch"))
    spans = []
    if options.packaged:
        end = np.datetime64("2008-12-31T23:59")
        known = [since(history.until(end), FIRST_TRAINING) for history in packaged_histories()]
        spans.append(Span("AAPL, GOOG, IBM to 2008", known, np.datetime64("2007-12-31T23:59")))
    if options.tdqn is not None:
        known = [history.until(np.datetime64("2017-12-31")) for history in load_all(options.tdqn)]
        spans.append(Span("TDQN stocks to 2017", known, np.datetime64("2015-12-31")))
    for span in spans:
        present = score_baseline(span, features.DECAY, BASELINE)
        compare(f"{span.name}, baseline volatility", present, baseline_alternatives(span))
        if options.blocks:
            lengths = block_lengths(span)
            print(f"\nblock length: {lengths.mean():.0f} bars, {lengths.round().tolist()}")
        if options.rails:
            print("\nshare of simulated bars moved by a bound")
            for name, share in rails(span, options.seeds[0]):
                print(f"{name:28s} {share:10.5f}")
        if options.network:
            config = ForecasterConfig()
            base = score_network(span, config, options.seeds)
            others = network_alternatives(span, config, options.seeds)
            compare(f"{span.name}, network, seeds {options.seeds}", base, others)


if __name__ == "__main__":
    main()
