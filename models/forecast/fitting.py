"""Fitting a forecaster, step by step: rows, scaling, training, calibration, levels.

Three kinds of rows (`splits.validation_split`): the network learns from the training rows, the
early-stopping rows say when it has learned enough, and the calibration rows, which have had no
say in either, set the scales and tails that all symbols share. All rows together say how each
symbol differs from that, and what the distributions' families get wrong.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.forecast.calibration import (
    COMMON_PRIOR,
    SYMBOL_PRIOR,
    Calibration,
    calibrate,
)
from models.forecast.config import ForecasterConfig
from models.forecast.density import OUTPUTS, BarDensity, DensityParameters
from models.forecast.distributions import NUMPY
from models.forecast.fitted import FittedForecaster
from models.forecast.inference import LSTMInference, Masks
from models.forecast.levels import LevelMap, LevelMaps
from models.forecast.network import Architecture, CompiledTrainer, initial_weights, trainer
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SymbolTraits
from models.forecast.weights import LSTMWeights, NetworkWeights
from models.market.features import LOOKBACK, FeatureTable, baseline_volatility
from models.market.splits import validation_split
from models.reporting import Reporter
from models.seeding import streams

ROWS_AT_ONCE = 4096
"""Windows that are run through the network together; results do not depend on it."""

CALIBRATION_MASKS = 2
"""Dropout masks under which each calibration row is forecast."""


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Feature rows and next-bar labels of S histories, end to end; n rows in all.

    Attributes:
        features: shape (n, F).
        parts: the bar after each row, shape (n, 5).
        train: row numbers to learn from.
        early_stopping: row numbers held out to stop by, each at the end of a whole window.
        calibration: row numbers held out to calibrate on, likewise.
        starts: first row of each history, shape (S,).
        lengths: rows of each history, shape (S,).
        series: number of the history each row is of, shape (n,).
    """

    features: np.ndarray
    parts: np.ndarray
    train: np.ndarray
    early_stopping: np.ndarray
    calibration: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    series: np.ndarray

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], config: ForecasterConfig) -> TrainingRows:
        """All rows that have both features and a label."""
        lengths = np.array([len(table) - LOOKBACK - 1 for table in tables])
        starts = np.cumsum(lengths) - lengths
        splits = [
            validation_split(
                table.history.time[LOOKBACK:-1],
                period_days=config.validation_period,
                fraction=config.validation_fraction,
            )
            for table in tables
        ]

        def joined(found: Sequence[np.ndarray], first: int = 0) -> np.ndarray:
            shifted = [x[x >= first] + at for x, at in zip(found, starts, strict=True)]
            return np.concatenate(shifted)

        whole = config.window - 1
        return cls(
            features=np.concatenate([table.rows[LOOKBACK:-1] for table in tables]),
            parts=np.concatenate([table.parts[LOOKBACK + 1 :] for table in tables]),
            train=joined([split.train for split in splits]),
            early_stopping=joined([split.early_stopping for split in splits], whole),
            calibration=joined([split.calibration for split in splits], whole),
            starts=starts,
            lengths=lengths,
            series=np.repeat(np.arange(len(tables)), lengths),
        )

    def whole_windows(self, window: int) -> np.ndarray:
        """Numbers of the rows that end a whole window of their history."""
        return np.concatenate(
            [
                start + np.arange(window - 1, length)
                for start, length in zip(self.starts, self.lengths, strict=True)
            ]
        )

    def sequences(self, config: ForecasterConfig, rng: np.random.Generator) -> np.ndarray:
        """Row numbers (n, window) of one epoch's training sequences, shuffled.

        The grid of starts is shifted afresh each epoch; n is a multiple of the batch.
        """
        firsts = []
        for start, length in zip(self.starts, self.lengths, strict=True):
            last = length - config.window
            shifted = np.arange(
                -int(rng.integers(config.stride)), last + config.stride, config.stride
            )
            firsts.append(start + np.unique(np.clip(shifted, 0, last)))
        first = rng.permutation(np.concatenate(firsts))
        missing = -len(first) % config.batch
        first = np.concatenate([first, rng.choice(first, missing)])
        return first[:, None] + np.arange(config.window)


@dataclass(frozen=True, eq=False)
class Samples:
    """Training rows as the network is given them.

    Attributes:
        rows: which rows are for what.
        inputs: scaled features, shape (n, F'), float32, columns `config.network_columns`.
        volatility: baseline volatility of the bar after each row, shape (n,).
        weight: 1 for rows to learn from, else 0, shape (n,), float32.
    """

    rows: TrainingRows
    inputs: np.ndarray
    volatility: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(
        cls,
        rows: TrainingRows,
        scaler: FeatureScaler,
        anchors: np.ndarray,
        config: ForecasterConfig,
    ) -> Samples:
        """The rows, scaled; the baseline reverts to each history's anchor (S,)."""
        weight = np.zeros(len(rows.features), dtype=np.float32)
        weight[rows.train] = 1.0
        return cls(
            rows,
            scaler.scaled(rows.features)[:, config.network_columns],
            baseline_volatility(rows.features, anchors[rows.series]),
            weight,
        )

    def windows(self, ends: np.ndarray, window: int) -> np.ndarray:
        """Inputs (m, window, F') of the windows that end at the given rows (m,)."""
        return self.inputs[ends[:, None] + np.arange(1 - window, 1)]


@dataclass(frozen=True, eq=False)
class Trained:
    """What training found.

    Attributes:
        weights: those with the best early-stopping loss.
        curve: shape (epochs, 3): epoch, training loss, early-stopping loss.
    """

    weights: NetworkWeights
    curve: np.ndarray


@dataclass(frozen=True)
class Schedule:
    """How long training goes on at most, and how fast it learns.

    Attributes:
        epochs: at most.
        learning_rate: at the start; it falls to a tenth along a half cosine.
    """

    epochs: int
    learning_rate: float

    def rate(self, progress: float) -> float:
        """Learning rate at a share of the way, 0..1."""
        return self.learning_rate * (0.1 + 0.45 * (1.0 + np.cos(np.pi * progress)))


def fit(
    tables: Sequence[FeatureTable],
    config: ForecasterConfig,
    *,
    seed: int,
    previous: FittedForecaster | None,
    reporter: Reporter,
) -> FittedForecaster:
    """Fit one model over all histories; see `Forecaster.fit`."""
    _check(tables, config, previous)
    rows = TrainingRows.of(tables, config)
    end = max(table.history.data_end for table in tables)
    random = streams(seed, "forecaster", str(end))
    if previous is None:
        scaler = FeatureScaler.fit(rows.features[rows.train], config.columns)
        weights = initial_weights(len(config.network_columns), config.units, random["weights"])
        schedule = Schedule(config.epochs, config.learning_rate)
    else:
        scaler, weights = previous.scaler, previous.weights
        schedule = Schedule(config.retrain_epochs, config.retrain_learning_rate)
    traits = SymbolTraits.of(tables, scaler.log_volatility, weights.density)
    samples = Samples.of(rows, scaler, traits.anchors, config)
    trained = train(samples, weights, config, schedule, random, reporter)
    common = calibrate_network(samples, trained.weights, config, random["draws"])
    every = Asked.of(samples, trained.weights, config)
    own = calibrate_symbols(samples, every, common.parameters)
    return FittedForecaster(
        config=config,
        weights=trained.weights,
        scaler=scaler,
        traits=traits.with_density(own.parameters),
        levels=fit_levels(samples, every, own.parameters),
        curve=trained.curve,
        data_end=end,
        converged=common.converged and own.converged,
    )


def _check(
    tables: Sequence[FeatureTable], config: ForecasterConfig, previous: FittedForecaster | None
) -> None:
    if not tables:
        raise ValueError("tables must hold at least one symbol; received none")
    for table in tables:
        table.history.require(config.required_bars)
        known = () if table.macro is None else table.macro.macro.series
        if known != config.macro:
            raise ValueError(
                f"{table.symbol}: history must come with the outside series that the features "
                f"{', '.join(config.features)} need ({', '.join(config.macro) or 'none'}); "
                f"received {', '.join(known) or 'none'}"
            )
    if previous is not None and previous.config.features != config.features:
        raise ValueError(
            f"previous forecaster must have the same features {', '.join(config.features)}; "
            f"received {', '.join(previous.config.features)}"
        )
    if previous is not None:
        wanted = config.units, config.window
        received = previous.config.units, previous.config.window
        if received != wanted:
            raise ValueError(
                f"previous forecaster must have the same units and window {wanted}; "
                f"received {received}"
            )


def train(
    samples: Samples,
    weights: NetworkWeights,
    config: ForecasterConfig,
    schedule: Schedule,
    random: Mapping[str, np.random.Generator],
    reporter: Reporter,
) -> Trained:
    """Train until the early-stopping loss gets no better.

    Args:
        samples: what to learn from and to stop by.
        weights: to start from; they are kept if training makes nothing better of them.
        config: settings.
        schedule: of this training.
        random: streams "shuffle" and "masks".
        reporter: told the losses after each epoch.
    """
    best, best_loss = weights, early_stopping_loss(weights, samples, config)
    waited, curve = 0, []
    with trainer(_architecture(config)).borrow(weights) as borrowed:
        for epoch in range(schedule.epochs):
            loss = _train_epoch(borrowed, epoch, samples, config, schedule, random)
            candidate = borrowed.weights()
            held_out = early_stopping_loss(candidate, samples, config)
            curve.append((epoch + 1, loss, held_out))
            reporter.update(epoch + 1, loss=loss, validation_loss=held_out)
            if held_out < best_loss:
                best, best_loss, waited = candidate, held_out, 0
            else:
                waited += 1
            if waited >= config.patience:
                break
    return Trained(best, np.array(curve))


def _architecture(config: ForecasterConfig) -> Architecture:
    return Architecture(
        n_features=len(config.network_columns),
        units=config.units,
        window=config.window,
        burn_in=config.burn_in,
        batch=config.batch,
        drift_penalty=config.drift_penalty,
        weight_penalty=config.weight_penalty,
    )


def _train_epoch(
    borrowed: CompiledTrainer,
    epoch: int,
    samples: Samples,
    config: ForecasterConfig,
    schedule: Schedule,
    random: Mapping[str, np.random.Generator],
) -> float:
    """One pass over the training sequences; the mean loss."""
    sequences = samples.rows.sequences(config, random["shuffle"])
    batches = sequences.reshape(-1, config.batch, config.window)
    losses = []
    for number, batch in enumerate(batches):
        progress = (epoch + number / len(batches)) / schedule.epochs
        losses.append(
            borrowed.step(
                samples.inputs[batch],
                samples.volatility[batch],
                samples.rows.parts[batch],
                samples.weight[batch],
                _masks(config.batch, config, random["masks"]),
                schedule.rate(progress),
            )
        )
    return float(np.mean(losses))


def _masks(count: int, config: ForecasterConfig, rng: np.random.Generator) -> Masks:
    return Masks.draw(count, len(config.network_columns), config.units, config.dropout, rng)


def early_stopping_loss(
    weights: NetworkWeights, samples: Samples, config: ForecasterConfig
) -> float:
    """Mean negative log density of the bars after the early-stopping rows, mean network."""
    ends = samples.rows.early_stopping
    outputs = _outputs(samples, weights.lstm, ends, config)
    density = BarDensity(NUMPY, outputs, samples.volatility[ends], weights.density)
    return -float(density.log_density(samples.rows.parts[ends]).sum(axis=1).mean())


def calibrate_network(
    samples: Samples, weights: NetworkWeights, config: ForecasterConfig, rng: np.random.Generator
) -> Calibration:
    """Calibrate a trained network on the calibration rows, under masks drawn from `rng`."""
    ends = samples.rows.calibration
    outputs = np.stack(
        [
            _outputs(samples, weights.lstm, ends, config, _masks(len(ends), config, rng))
            for _ in range(CALIBRATION_MASKS)
        ]
    )
    found = calibrate(
        weights.density, outputs, samples.volatility[ends], samples.rows.parts[ends], COMMON_PRIOR
    )
    return dataclasses.replace(found, parameters=found.parameters.take(0))


@dataclass(frozen=True, eq=False)
class Asked:
    """What the mean network says of all rows that end a whole window.

    Attributes:
        ends: row numbers, shape (m,).
        outputs: of the network, shape (m, 10).
    """

    ends: np.ndarray
    outputs: np.ndarray

    @classmethod
    def of(cls, samples: Samples, weights: NetworkWeights, config: ForecasterConfig) -> Asked:
        """Ask a trained network."""
        ends = samples.rows.whole_windows(config.window)
        return cls(ends, _outputs(samples, weights.lstm, ends, config))


def calibrate_symbols(samples: Samples, every: Asked, common: DensityParameters) -> Calibration:
    """Each history's own density parameters, and after them the common ones: arrays (S + 1, n)."""
    found = calibrate(
        common,
        every.outputs[None],
        samples.volatility[every.ends],
        samples.rows.parts[every.ends],
        SYMBOL_PRIOR,
        samples.rows.series[every.ends],
    )
    numbers = np.concatenate([found.parameters.joined(), common.joined()[None]])
    return dataclasses.replace(found, parameters=DensityParameters.split(numbers))


def fit_levels(samples: Samples, every: Asked, own: DensityParameters) -> LevelMaps:
    """What the distributions get wrong over all rows, with each history's own parameters."""
    density = BarDensity(
        NUMPY,
        every.outputs,
        samples.volatility[every.ends],
        own.take(samples.rows.series[every.ends]),
    )
    parts = samples.rows.parts[every.ends]
    return LevelMaps(tuple(LevelMap.fit(levels) for levels in density.levels(parts)))


def adapt(fitted: FittedForecaster, tables: Sequence[FeatureTable]) -> FittedForecaster:
    """A fitted forecaster that knows the traits of further symbols; see `Forecaster.adapted`."""
    _check(tables, fitted.config, None)
    rows = TrainingRows.of(tables, fitted.config)
    traits = SymbolTraits.of(tables, fitted.scaler.log_volatility, fitted.traits.common)
    samples = Samples.of(rows, fitted.scaler, traits.anchors, fitted.config)
    every = Asked.of(samples, fitted.weights, fitted.config)
    own = calibrate_symbols(samples, every, fitted.traits.common)
    known = fitted.traits.and_those_of(traits.with_density(own.parameters))
    end = max(fitted.data_end, *(table.history.data_end for table in tables))
    return dataclasses.replace(
        fitted, traits=known, data_end=end, converged=fitted.converged and own.converged
    )


def _outputs(
    samples: Samples,
    weights: LSTMWeights,
    ends: np.ndarray,
    config: ForecasterConfig,
    masks: Masks | None = None,
) -> np.ndarray:
    """Outputs (m, 10) at the end of the windows that end at given rows (m,), some at a time."""
    network = LSTMInference(weights)
    found = np.empty((len(ends), len(OUTPUTS)))
    for first in range(0, len(ends), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        windows = samples.windows(ends[some], config.window)
        mine = None if masks is None else masks.take(np.arange(len(ends))[some])
        hidden, _ = network.settle(windows, mine)
        mask = None if mine is None else mine.outputs
        found[some] = network.outputs(hidden, windows[:, -1], mask)
    return found
