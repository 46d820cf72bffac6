"""The forecaster: one Monte Carlo dropout LSTM over all symbols, fitted, calibrated, sampled.

`Forecaster.fit` turns histories into a distribution of the next bar. `predict` answers for many
series at once; `start`, `advance` and `sample` walk many paths forward, one dropout mask for the
whole of each path. Everything a forecaster knows is a few arrays (`to_arrays`), never a pickle.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from models.forecast.calibration import calibrate
from models.forecast.density import (
    NUMPY,
    SHAPES,
    Chain,
    QuantileTable,
    StudentT,
    quantile_tables,
)
from models.forecast.inference import LSTMInference, Masks, RecurrentState, weight_shapes
from models.forecast.predictive import PredictiveDistribution
from models.market.features import (
    COLUMN,
    FEATURES,
    LOOKBACK,
    baseline_volatility,
    features,
    parts_from_bars,
)
from models.market.history import History
from models.market.splits import validation_split
from models.reporting import Reporter, Silent
from models.seeding import streams

CLIP = 6.0
"""Scaled features are cut off at this many standard deviations."""

NETWORK_COLUMNS = np.array([i for i, name in enumerate(FEATURES) if name != "volatility_ewma"])
"""Features the network reads: all that do not tell the level of volatility.

The baseline carries the level. A network that sees it learns from a span of rising volatility
that high volatility rises further, and its simulated paths explode.
"""


@dataclass(frozen=True)
class ForecasterConfig:
    """How a forecaster is built and trained.

    Attributes:
        units: LSTM units.
        window: bars the LSTM reads before it forecasts.
        dropout: rate of the variational dropout, in (0, 1).
        epochs: most epochs of a first fit; early stopping may end it before.
        retrain_epochs: epochs of a warm-started fit.
        learning_rate: of Adam in a first fit; it falls to a tenth along a half cosine.
        retrain_learning_rate: of Adam in a warm-started fit.
        batch: sequences in a training step.
        stride: bars between the starts of neighbouring training sequences.
        patience: epochs without a better validation loss before training stops.
        drift_penalty: weight of the variance of the location of close-to-close returns, in
            volatilities; it keeps chance trends of the training span out of the forecast.
        weight_penalty: weight of the squared weights.
        validation_fraction: share of rows held out for early stopping and calibration.
        validation_period: calendar days from one held-out block to the next (see
            `splits.validation_split`).
        masks: dropout masks a prediction averages over.
    """

    units: int = 32
    window: int = 60
    dropout: float = 0.1
    epochs: int = 40
    retrain_epochs: int = 2
    learning_rate: float = 3e-3
    retrain_learning_rate: float = 5e-4
    batch: int = 32
    stride: int = 10
    patience: int = 8
    drift_penalty: float = 40.0
    weight_penalty: float = 1e-3
    validation_fraction: float = 0.2
    validation_period: int = 140
    masks: int = 16

    def __post_init__(self) -> None:
        for name in ("units", "epochs", "retrain_epochs", "batch", "stride", "patience"):
            self._require(name, "be at least 1", getattr(self, name) >= 1)
        self._require("window", "be at least 10", self.window >= 10)
        self._require("masks", "be at least 2", self.masks >= 2)
        self._require("validation_period", "be at least 20", self.validation_period >= 20)
        self._require(
            "dropout", "lie in (0, 1), since at 0 all draws share one network", 0 < self.dropout < 1
        )
        for name in ("learning_rate", "retrain_learning_rate"):
            self._require(name, "be > 0", getattr(self, name) > 0)
        for name in ("drift_penalty", "weight_penalty"):
            self._require(name, "be >= 0", getattr(self, name) >= 0)
        self._require("validation_fraction", "lie in (0, 0.5]", 0 < self.validation_fraction <= 0.5)

    def _require(self, name: str, rule: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"forecaster {name} must {rule}; received {getattr(self, name)}")

    @property
    def burn_in(self) -> int:
        """Steps of a training sequence that are not learned from."""
        return self.window // 3

    @property
    def required_bars(self) -> int:
        """Shortest history that can be fitted."""
        # Two validation periods at least, so that there is a block to hold out.
        return LOOKBACK + max(3 * self.window, 2 * self.validation_period) + 1


@dataclass(frozen=True)
class HeadParameters:
    """The density of the next bar of B paths, before any part of it is known.

    Attributes:
        outputs: shape (B, 10), columns `density.OUTPUTS`.
        volatility: shape (B,), baseline volatility per bar.
        shapes: numbers shared by all bars, calibrated.
    """

    outputs: np.ndarray
    volatility: np.ndarray
    shapes: Mapping[str, np.ndarray]

    def chain(self) -> Chain:
        """The conditionals, ready to be asked part by part."""
        return Chain(NUMPY, self.outputs, self.volatility, self.shapes)

    def typical_return(self) -> StudentT:
        """The log return when the gap is at its location: location and scale (B,), df.

        The scale adds those of gap and intraday return in squares: a summary without draws.
        """
        chain = self.chain()
        gap = chain.gap()
        intraday = chain.intraday(gap.location)
        return StudentT(
            gap.location + intraday.location, np.hypot(gap.scale, intraday.scale), intraday.df
        )


class _Rows:
    """Feature rows and next-bar labels of all histories, end to end."""

    def __init__(self, histories: Sequence[History], config: ForecasterConfig) -> None:
        found, labels, train, held, starts, lengths = [], [], [], [], [], []
        offset = 0
        for history in histories:
            rows = features(history.bars)[LOOKBACK:-1]
            split = validation_split(
                history.time[LOOKBACK:-1],
                period_days=config.validation_period,
                fraction=config.validation_fraction,
            )
            found.append(rows)
            labels.append(parts_from_bars(history.bars)[LOOKBACK + 1 :])
            train.append(split.train + offset)
            held.append(split.held_out[split.held_out >= config.window - 1] + offset)
            starts.append(offset)
            lengths.append(len(rows))
            offset += len(rows)
        self.features = np.concatenate(found)
        self.parts = np.concatenate(labels)
        self.train = np.concatenate(train)
        self.held_out = np.concatenate(held)
        self.is_train = np.zeros(offset, dtype=np.float32)
        self.is_train[self.train] = 1.0
        self._starts, self._lengths = starts, lengths

    def volatility(self, anchor: float) -> np.ndarray:
        """Baseline volatility of every row's next bar, shape (n,)."""
        return baseline_volatility(self.features, anchor)

    def sequences(self, config: ForecasterConfig, rng: np.random.Generator) -> np.ndarray:
        """Row numbers (n, window) of one epoch's training sequences, shuffled.

        The grid of starts is shifted afresh each epoch; n is a multiple of the batch.
        """
        firsts = []
        for start, length in zip(self._starts, self._lengths, strict=True):
            last = length - config.window
            shifted = np.arange(
                -int(rng.integers(config.stride)), last + config.stride, config.stride
            )
            firsts.append(start + np.unique(np.clip(shifted, 0, last)))
        first = rng.permutation(np.concatenate(firsts))
        missing = -len(first) % config.batch
        first = np.concatenate([first, rng.choice(first, missing)])
        return first[:, None] + np.arange(config.window)

    def windows(self, config: ForecasterConfig) -> np.ndarray:
        """Row numbers (n, window) of the windows that end at the held-out rows."""
        return self.held_out[:, None] + np.arange(1 - config.window, 1)


class Forecaster:
    """A fitted forecaster; build it with `fit` or `from_arrays`.

    Attributes:
        config: as fitted.
        symbols: whose histories it was fitted on.
        data_end: time of the newest bar it has seen.
        curve: shape (epochs, 3): epoch, training loss, validation loss (negative log density
            of a bar).
    """

    def __init__(
        self,
        config: ForecasterConfig,
        weights: Mapping[str, np.ndarray],
        shapes: Mapping[str, np.ndarray],
        scaler_mean: np.ndarray,
        scaler_scale: np.ndarray,
        curve: np.ndarray,
        symbols: Sequence[str],
        data_end: np.datetime64,
    ) -> None:
        self.config = config
        self.symbols = tuple(symbols)
        self.data_end = data_end
        self.curve = curve
        self._weights = dict(weights)
        self._shapes = {name: np.asarray(v, dtype=np.float64) for name, v in shapes.items()}
        self._mean = np.asarray(scaler_mean, dtype=np.float64)
        self._scale = np.asarray(scaler_scale, dtype=np.float64)
        self._network = LSTMInference(self._weights)
        self._quantiles: dict[str, QuantileTable] = quantile_tables(self._shapes)

    # ------------------------------------------------------------------ fitting

    @classmethod
    def fit(
        cls,
        histories: Sequence[History],
        config: ForecasterConfig | None = None,
        *,
        seed: int,
        previous: Forecaster | None = None,
        reporter: Reporter | None = None,
    ) -> Forecaster:
        """Fit one model over all histories.

        Args:
            histories: one per symbol, each at least `config.required_bars` long.
            config: settings; the defaults if None.
            seed: fixes weights, shuffling and masks.
            previous: an earlier forecaster of the same architecture to start from: its weights
                and scaler are kept, and only `config.retrain_epochs` epochs are trained.
            reporter: told the losses after each epoch.

        Returns:
            The forecaster with the best validation loss, calibrated on the validation blocks.

        Raises:
            ValueError: if there is no history, one is too short, or `previous` does not fit.
        """
        from models.forecast.network import Architecture, initial_weights, trainer

        config = config or ForecasterConfig()
        reporter = reporter or Silent()
        if not histories:
            raise ValueError("histories must name at least one symbol; received none")
        for history in histories:
            history.require(config.required_bars)
        if previous is not None and previous._architecture != (config.units, config.window):
            raise ValueError(
                "previous forecaster must have the same units and window "
                f"({config.units}, {config.window}); received {previous._architecture}"
            )
        rows = _Rows(histories, config)
        end = max(history.data_end for history in histories)
        random = streams(seed, "forecaster", str(end))
        if previous is None:
            scaler = StandardScaler().fit(rows.features[rows.train])
            mean, scale = scaler.mean_, scaler.scale_
            weights = initial_weights(len(NETWORK_COLUMNS), config.units, random["weights"])
            epochs, rate = config.epochs, config.learning_rate
        else:
            mean, scale = previous._mean, previous._scale
            weights = previous._weights
            epochs, rate = config.retrain_epochs, config.retrain_learning_rate
        inputs = _scaled(rows.features, mean, scale)[:, NETWORK_COLUMNS]
        volatility = rows.volatility(mean[COLUMN["volatility_ewma"]])
        worker = trainer(
            Architecture(
                n_features=len(NETWORK_COLUMNS),
                units=config.units,
                window=config.window,
                burn_in=config.burn_in,
                batch=config.batch,
                drift_penalty=config.drift_penalty,
                weight_penalty=config.weight_penalty,
            )
        )
        worker.start(weights)
        held = rows.windows(config)

        def validation_loss(candidate: Mapping[str, np.ndarray]) -> float:
            outputs = _mean_outputs(candidate, inputs[held])
            shapes = _shapes_of(candidate)
            chain = Chain(NUMPY, outputs, volatility[rows.held_out], shapes)
            return -float(chain.log_density(rows.parts[rows.held_out]).sum(axis=1).mean())

        best, best_loss, curve = weights, validation_loss(weights), []
        waited = 0
        for epoch in range(epochs):
            losses = []
            batches = rows.sequences(config, random["shuffle"]).reshape(
                -1, config.batch, config.window
            )
            for number, batch in enumerate(batches):
                progress = (epoch + number / len(batches)) / epochs
                masks = Masks.draw(
                    config.batch,
                    len(NETWORK_COLUMNS),
                    config.units,
                    config.dropout,
                    random["masks"],
                )
                losses.append(
                    worker.step(
                        inputs[batch],
                        volatility[batch],
                        rows.parts[batch],
                        rows.is_train[batch],
                        masks,
                        rate * (0.1 + 0.45 * (1.0 + np.cos(np.pi * progress))),
                    )
                )
            candidate = worker.weights()
            held_loss = validation_loss(candidate)
            curve.append((epoch + 1, float(np.mean(losses)), held_loss))
            reporter.update(epoch + 1, loss=curve[-1][1], validation_loss=held_loss)
            waited = 0 if held_loss < best_loss else waited + 1
            if held_loss < best_loss:
                best, best_loss = candidate, held_loss
            if waited >= config.patience:
                break
        network = {name: best[name] for name in weight_shapes(len(NETWORK_COLUMNS), config.units)}
        shapes = _shapes_of(best)
        outputs = _masked_outputs(network, inputs[held], config, random["draws"], count=2)
        calibrated = calibrate(
            shapes, outputs, volatility[rows.held_out], rows.parts[rows.held_out]
        )
        everything = network | {f"shape_{name}": best[f"shape_{name}"] for name in SHAPES}
        return cls(
            config,
            everything,
            calibrated,
            mean,
            scale,
            np.array(curve),
            [history.symbol for history in histories],
            end,
        )

    @property
    def _architecture(self) -> tuple[int, int]:
        return self.config.units, self.config.window

    # ------------------------------------------------------------------ forecasting

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Network inputs (..., F) from feature rows: standardised, cut off at `CLIP`; float32.

        Raises:
            ValueError: if a feature is NaN or infinite.
        """
        return _scaled(rows, self._mean, self._scale)

    def masks(self, count: int, rng: np.random.Generator) -> Masks:
        """Dropout masks of `count` independent paths."""
        return Masks.draw(count, len(NETWORK_COLUMNS), self.config.units, self.config.dropout, rng)

    def start(
        self, windows: Any, rng: np.random.Generator | None, *, masks: Masks | None = None
    ) -> RecurrentState:
        """Recurrent state of B paths that stand at the end of their windows.

        Args:
            windows: shape (B, W, F), feature rows as `features` gives them, or an object with
                such `.windows` (a `MarketView`).
            rng: draws one dropout mask per path, kept for its whole length; None for the mean
                network without dropout.
            masks: masks to use instead of drawing them.

        Returns:
            The state, to be advanced in place by `advance`.
        """
        windows = np.asarray(getattr(windows, "windows", windows))
        if windows.ndim != 3 or windows.shape[2] != len(FEATURES):
            raise ValueError(
                f"windows must have shape (B, W, {len(FEATURES)}); received {windows.shape}"
            )
        if masks is None and rng is not None:
            masks = self.masks(len(windows), rng)
        scaled = self.scaled(windows)
        _, hidden, cell = self._network.run(scaled[..., NETWORK_COLUMNS], masks)
        return RecurrentState(hidden, cell, masks, scaled[:, -1], self._baseline(windows[:, -1]))

    def _baseline(self, feature_rows: np.ndarray) -> np.ndarray:
        return baseline_volatility(feature_rows, self._mean[COLUMN["volatility_ewma"]])

    def advance(self, state: RecurrentState, feature_rows: np.ndarray) -> RecurrentState:
        """Move every path one bar on, in place.

        Args:
            state: from `start`.
            feature_rows: shape (B, F), the features at the close of the new bar.

        Returns:
            The same state.
        """
        state.scaled = self.scaled(feature_rows)
        state.hidden, state.cell = self._network.step(
            state.hidden, state.cell, state.scaled[:, NETWORK_COLUMNS], state.masks
        )
        state.volatility = self._baseline(feature_rows)
        return state

    def parameters(self, state: RecurrentState) -> HeadParameters:
        """The density of the next bar of every path, calibrated."""
        mask = None if state.masks is None else state.masks.outputs
        outputs = self._network.outputs(state.hidden, state.scaled[:, NETWORK_COLUMNS], mask)
        return HeadParameters(outputs, state.volatility, self._shapes)

    def sample(
        self, state: RecurrentState, uniforms: np.ndarray | np.random.Generator
    ) -> np.ndarray:
        """Parts of the next bar of every path, by inverting the conditional distributions.

        Args:
            state: where the paths stand.
            uniforms: shape (B, 5) in (0, 1), columns `features.PARTS` (Sobol points or mirrored
                ones will do), or a generator to draw them from.

        Returns:
            Shape (B, 5), columns `features.PARTS`, ready for `bars_from_parts`.
        """
        if isinstance(uniforms, np.random.Generator):
            uniforms = uniforms.random((len(state), 5))
        return self.draw(state, uniforms)[0]

    def draw(self, state: RecurrentState, uniforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `sample`, and what was to be expected of the drawn returns.

        Returns:
            Parts of the next bar, shape (B, 5), and their conditional means, shape (B, 2): of
            the gap, and of the intraday return given the drawn gap.
        """
        chain = self.parameters(state).chain()
        parts = chain.sample(uniforms, self._quantiles)
        gap, intraday = chain.gap(), chain.intraday(parts[:, 0])
        return parts, np.stack([gap.location, intraday.location], axis=1)

    def predict(
        self, windows: Any, n_draws: int, rng: np.random.Generator
    ) -> PredictiveDistribution:
        """Distribution of the next bar of S series, all in one batch.

        Draws share `config.masks` dropout masks and are stratified (a Latin hypercube for each
        series), so that a hundred of them already give stable intervals.

        Args:
            windows: shape (S, W, F) or a `MarketView`.
            n_draws: draws of each series, at least 2.
            rng: masks and draws.

        Raises:
            ValueError: if `n_draws` is below 2 or a shape is wrong.
        """
        if n_draws < 2:
            raise ValueError(f"n_draws must be at least 2; received {n_draws}")
        closes = getattr(windows, "last_close", None)
        windows = np.asarray(getattr(windows, "windows", windows))
        count = min(self.config.masks, n_draws)
        series = len(windows)
        shared = self.masks(count, rng)
        rows = np.repeat(np.arange(series), count)
        state = self.start(
            windows[rows], None, masks=shared.take(np.tile(np.arange(count), series))
        )
        of_mask = self.parameters(state)
        mask_mean = of_mask.typical_return().location.reshape(series, count)
        pick = (np.arange(series)[:, None] * count + np.arange(n_draws) % count).reshape(-1)
        chain = Chain(NUMPY, of_mask.outputs[pick], of_mask.volatility[pick], self._shapes)
        order = rng.permuted(np.tile(np.arange(n_draws), (series, 5, 1)), axis=2)
        uniforms = (order + rng.random((series, 5, n_draws))) / n_draws
        parts = chain.sample(np.moveaxis(uniforms, 1, 2).reshape(-1, 5), self._quantiles)
        given_gap = chain.intraday(parts[:, 0])
        shape = (series, n_draws)
        return PredictiveDistribution(
            parts=parts.reshape(*shape, 5),
            location=(parts[:, 0] + given_gap.location).reshape(shape),
            scale=given_gap.scale.reshape(shape),
            df=float(given_gap.df),
            mask_mean=mask_mean,
            last_close=np.ones(series) if closes is None else np.asarray(closes),
        )

    # ------------------------------------------------------------------ keeping

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything the forecaster knows, as plain arrays by name."""
        arrays = {f"weight_{name}": value for name, value in self._weights.items()}
        arrays |= {f"calibrated_{name}": value for name, value in self._shapes.items()}
        arrays |= {"scaler_mean": self._mean, "scaler_scale": self._scale, "curve": self.curve}
        about = {
            "config": dataclasses.asdict(self.config),
            "symbols": self.symbols,
            "features": FEATURES,
            "data_end": str(self.data_end),
        }
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forecaster:
        """The forecaster that `to_arrays` gave.

        Raises:
            ValueError: if an array is missing, has the wrong shape, or was made with other
                features.
        """
        if "about" not in arrays:
            raise ValueError("forecaster arrays must hold 'about'; it is missing")
        about = json.loads(np.asarray(arrays["about"], dtype=np.uint8).tobytes().decode())
        if tuple(about["features"]) != FEATURES:
            raise ValueError("forecaster arrays must be made with the present features")
        config = ForecasterConfig(**about["config"])
        expected: dict[str, tuple[int, ...]] = {
            f"weight_{name}": shape
            for name, shape in weight_shapes(len(NETWORK_COLUMNS), config.units).items()
        }
        for name, initial in SHAPES.items():
            expected[f"weight_shape_{name}"] = (len(initial),)
            expected[f"calibrated_{name}"] = (len(initial),)
        expected |= {"scaler_mean": (len(FEATURES),), "scaler_scale": (len(FEATURES),)}
        for name, shape in expected.items():
            if name not in arrays or np.shape(arrays[name]) != shape:
                received = np.shape(arrays[name]) if name in arrays else "nothing"
                raise ValueError(
                    f"forecaster array {name} must have shape {shape}; received {received}"
                )
        weights = {
            name.removeprefix("weight_"): np.asarray(arrays[name], dtype=np.float32)
            for name in expected
            if name.startswith("weight_")
        }
        return cls(
            config,
            weights,
            {name: arrays[f"calibrated_{name}"] for name in SHAPES},
            arrays["scaler_mean"],
            arrays["scaler_scale"],
            np.asarray(arrays["curve"]),
            about["symbols"],
            np.datetime64(about["data_end"], "ns"),
        )


def _scaled(rows: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    scaled = ((rows - mean) / scale).astype(np.float32)
    if not np.isfinite(scaled).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(scaled))[0])
        raise ValueError(f"feature {FEATURES[place[-1]]} must be finite; received {rows[place]}")
    return np.clip(scaled, -CLIP, CLIP)


def _shapes_of(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: weights[f"shape_{name}"].astype(np.float64) for name in SHAPES}


def _mean_outputs(weights: Mapping[str, np.ndarray], scaled: np.ndarray) -> np.ndarray:
    network = LSTMInference(weights)
    _, hidden, _ = network.run(scaled)
    return network.outputs(hidden, scaled[:, -1], None)


def _masked_outputs(
    weights: Mapping[str, np.ndarray],
    scaled: np.ndarray,
    config: ForecasterConfig,
    rng: np.random.Generator,
    count: int,
) -> np.ndarray:
    """Outputs (count, N, 10) at the end of N windows, each time under fresh masks."""
    network = LSTMInference(weights)
    found = []
    for _ in range(count):
        masks = Masks.draw(len(scaled), len(NETWORK_COLUMNS), config.units, config.dropout, rng)
        _, hidden, _ = network.run(scaled, masks)
        found.append(network.outputs(hidden, scaled[:, -1], masks.outputs))
    return np.stack(found)
