"""The forecaster: one Monte Carlo dropout LSTM over all symbols, fitted, calibrated, sampled.

`Forecaster.fit` turns histories into a distribution of the next bar. `predict` answers for many
series at once; `start`, `advance` and `draw` walk many paths forward, one dropout mask for the
whole of each path. Everything a forecaster knows is a few arrays (`to_arrays`), never a pickle.

The network is one for all symbols. What it says becomes a density by each symbol's own parameters
(`traits`), whose levels are corrected twice: by what the families of distributions get wrong
(`levels`), and by what recent outcomes said of the forecasts (`recalibration`). `hindcast` gives
that memory for every bar of a history; paths carry it on.

All that the network is fed is held within the range it had in each symbol's history when the
forecaster was fitted: it is asked about nothing it cannot know, in trading as in simulation. The
baseline volatility is not held: a crisis wilder than any so far is forecast as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.forecast.advancing import Advancing
from models.forecast.config import ForecasterConfig
from models.forecast.density import SCALES, BarDensity, GivenGap, QuantileTables, log_sizes
from models.forecast.distributions import MIN_UNIFORM, NUMPY, SkewedT
from models.forecast.drawing import Drawing
from models.forecast.fitted import FittedForecaster
from models.forecast.inference import LSTMInference, Masks, RecurrentState
from models.forecast.levels import LevelMaps
from models.forecast.predictive import PredictiveDistribution
from models.forecast.recalibration import (
    CORRECTED,
    CorrectedT,
    Memory,
    distribution,
    moments,
    quantile,
)
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SeriesTraits
from models.market.features import LOOKBACK, PARTS, FeatureTable, baseline_volatility
from models.market.market_view import MarketView
from models.reporting import Reporter, Silent


@dataclass(frozen=True, eq=False)
class Drawn:
    """The next bar of B paths.

    Attributes:
        parts: shape (B, 5), columns `features.PARTS`, ready for `bars_from_parts`.
        means: what was to be expected of its returns, shape (B, 2): the conditional means of the
            gap, and of the intraday return given the drawn gap.
        pits: levels of gap and intraday return in the corrected distributions they were drawn
            from, shape (B, 2), for `Forecaster.advance`: a path's forecasts are right, so its
            memory fades. Levels before correction would feed the correction on itself, and it
            would wander farther than that of real bars does.
    """

    parts: np.ndarray
    means: np.ndarray
    pits: np.ndarray


@dataclass(frozen=True, eq=False)
class Hindcast:
    """What the n forecasts of a history's bars were worth, each knowing the bars before only.

    Attributes:
        first: row at whose close the first forecast was made; forecast i was made at row
            first + i, for the bar after it.
        uniforms: PITs of the bars' parts under the forecasts as `Forecaster.draw` corrects them,
            shape (n, 5), columns `features.PARTS`: drawn with these, the bars come again.
        missed: gap and intraday return less their means, in baseline volatilities, shape (n, 2).
        outputs: what the network said, shape (n, 10), columns `density.OUTPUTS`.
        state: of the mean network, n + 1 series: entry i stands at row first + i.
        scaled: network inputs from row `LOOKBACK` on, shape (T - LOOKBACK, F).
    """

    first: int
    uniforms: np.ndarray
    missed: np.ndarray
    outputs: np.ndarray
    state: RecurrentState
    scaled: np.ndarray

    @property
    def scales(self) -> np.ndarray:
        """What the network said of the log scales of gap and intraday return, shape (n, 2)."""
        return self.outputs[:, SCALES]

    @property
    def log_sizes(self) -> np.ndarray:
        """Of the forecasts, see `density.log_sizes`, shape (n,)."""
        return log_sizes(self.state.volatility[:-1], self.scales.T)

    @property
    def memory(self) -> Memory:
        """Of n + 1 series: entry i is what was known at row first + i."""
        return self.state.memory

    def memory_at(self, rows: np.ndarray) -> Memory:
        """What was known at the close of rows (B,) of the history.

        Raises:
            ValueError: if a row lies before `first` or beyond the newest bar.
        """
        return self.memory.take(self._numbers(rows))

    def state_at(self, rows: np.ndarray) -> RecurrentState:
        """Where `Forecaster.start` with `memory_at` puts the mean network at rows (B,).

        Raises:
            ValueError: as `memory_at`.
        """
        return self.state.take(self._numbers(rows))

    def windows_at(self, rows: np.ndarray, window: int) -> np.ndarray:
        """Network inputs of the windows that end at rows (B,), shape (B, W, F).

        Raises:
            ValueError: as `memory_at`.
        """
        return _windows_of(self.scaled, self._numbers(rows) + self.first - LOOKBACK, window)

    def _numbers(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the entries at rows."""
        rows = np.asarray(rows)
        last = self.first + len(self.memory) - 1
        if rows.size and (rows.min() < self.first or rows.max() > last):
            raise ValueError(
                f"rows must lie in {self.first}..{last}; received {rows.min()}..{rows.max()}"
            )
        return rows - self.first


class Forecaster:
    """A fitted forecaster; build it with `fit` or `from_arrays`."""

    def __init__(self, fitted: FittedForecaster) -> None:
        self._fitted = fitted
        config = fitted.config
        self._network = LSTMInference(
            fitted.weights.lstm, config.network_columns, len(config.columns)
        )
        own = fitted.traits.density
        self._quantiles = QuantileTables.of(own, fitted.levels)
        self._moments = np.stack(
            [
                moments(own.tails[name], fitted.levels[part])
                for part, name in enumerate(("gap", "intraday"))
            ],
            axis=1,
        )
        self._drawing = Drawing.of(own, self._quantiles, self._moments)
        self._advancing = Advancing.of(fitted.scaler, fitted.traits)

    @classmethod
    def fit(
        cls,
        tables: Sequence[FeatureTable],
        config: ForecasterConfig | None = None,
        *,
        seed: int,
        previous: Forecaster | None = None,
        reporter: Reporter | None = None,
    ) -> Forecaster:
        """Fit one model over all histories.

        Args:
            tables: one per symbol, each at least `config.required_bars` long.
            config: settings; the defaults if None.
            seed: fixes weights, shuffling and masks.
            previous: an earlier forecaster of the same architecture to start from: its weights
                and scaler are kept, and only `config.retrain_epochs` epochs are trained.
            reporter: told the losses after each epoch.

        Returns:
            The forecaster with the best loss on the early-stopping blocks, calibrated on the
            calibration blocks; then each symbol's own parameters, and the level maps, on all bars.

        Raises:
            ValueError: if there is no history, one is too short, two have one symbol, or
                `previous` does not fit.
        """
        from models.forecast import fitting  # here, since only training needs TensorFlow

        fitted = fitting.fit(
            tables,
            config or ForecasterConfig(),
            seed=seed,
            previous=None if previous is None else previous._fitted,
            reporter=reporter or Silent(),
        )
        return cls(fitted)

    @property
    def config(self) -> ForecasterConfig:
        """Settings it was fitted with."""
        return self._fitted.config

    @property
    def symbols(self) -> tuple[str, ...]:
        """Whose histories it was fitted on."""
        return self._fitted.traits.symbols

    @property
    def data_end(self) -> np.datetime64:
        """Time of the newest bar it has seen."""
        return self._fitted.data_end

    @property
    def curve(self) -> np.ndarray:
        """Epoch, training and early-stopping loss (negative log density), shape (epochs, 3)."""
        return self._fitted.curve

    @property
    def converged(self) -> bool:
        """Whether the calibration's optimizer came to its end."""
        return self._fitted.converged

    @property
    def scaler(self) -> FeatureScaler:
        """How features are scaled."""
        return self._fitted.scaler

    def masks(self, count: int, rng: np.random.Generator) -> Masks:
        """Dropout masks of `count` independent paths."""
        return Masks.draw(
            count, len(self.config.network_columns), self.config.units, self.config.dropout, rng
        )

    def adapted(self, tables: Sequence[FeatureTable]) -> Forecaster:
        """The same network, knowing the traits of further symbols from their histories.

        Args:
            tables: one per symbol, each at least `config.required_bars` long; symbols that it
                was fitted on get the traits that these histories tell of.

        Raises:
            ValueError: as `fit`.
        """
        from models.forecast import fitting  # here, since only fitting needs TensorFlow

        return Forecaster(fitting.adapt(self._fitted, tables))

    def traits(self, symbols: Sequence[str] | np.ndarray) -> SeriesTraits:
        """What is each symbol's own, of B series; a stranger has what all symbols share."""
        return self._fitted.traits.of_series(symbols)

    def baseline_volatility(
        self, feature_rows: np.ndarray, symbols: Sequence[str] | np.ndarray
    ) -> np.ndarray:
        """Volatility per bar (B,) before anything learned, from feature rows (B, F)."""
        return baseline_volatility(feature_rows, self.traits(symbols).anchors)

    def start(
        self, view: MarketView, masks: Masks | None = None, memory: Memory | None = None
    ) -> RecurrentState:
        """Recurrent state of B paths that stand at the end of their windows.

        Args:
            view: of B series; its newest `config.window` feature rows are read.
            masks: a dropout mask for each path, kept for its whole length; None for the mean
                network without dropout.
            memory: what outcomes so far said of the forecasts (`hindcast`), taken over; a blank
                one if None.

        Returns:
            The state, to be advanced in place by `advance`. Each series keeps the traits of its
            symbol; a stranger has those that all symbols share.

        Raises:
            ValueError: if the view keeps fewer rows than the window, a feature is not finite, or
                the memory is of another number of series.
        """
        return self._start(self._windows(view), self.traits(view.symbols), masks, memory)

    def _windows(self, view: MarketView) -> np.ndarray:
        windows, wanted = view.windows, self.config.window
        if windows.shape[1] < wanted:
            raise ValueError(
                f"view must keep at least {wanted} feature rows, the forecaster's window; "
                f"received {windows.shape[1]}"
            )
        return windows[:, -wanted:]

    def _start(
        self,
        windows: np.ndarray,
        traits: SeriesTraits,
        masks: Masks | None,
        memory: Memory | None = None,
    ) -> RecurrentState:
        scaled = self.scaler.held(windows, traits.ranges)
        hidden, cell = self._network.settle(scaled, masks)
        volatility = baseline_volatility(windows[:, -1], traits.anchors)
        memory = _memory_of(len(windows), memory)
        return RecurrentState(hidden, cell, masks, scaled[:, -1], volatility, traits, memory)

    def advance(
        self, state: RecurrentState, feature_rows: np.ndarray, pits: np.ndarray | None = None
    ) -> RecurrentState:
        """Move every path one bar on, in place.

        Args:
            state: from `start`.
            feature_rows: shape (B, F), the features at the close of the new bar.
            pits: shape (B, 2), of its gap and intraday return: of a real bar under the forecast
                before any correction by outcomes (`returns_pit`), of an imagined one `Drawn.pits`;
                None leaves the memory as it is.

        Returns:
            The same state.

        Raises:
            ValueError: if a feature is not finite.
        """
        state.scaled, state.volatility, state.memory = self._advancing.advance(
            feature_rows, state.traits.rows, pits, state.memory
        )
        return self._step(state)

    def advance_beside(self, state: RecurrentState, other: RecurrentState) -> RecurrentState:
        """Move every path one bar on, in place, as `advance` has moved another state of them.

        Args:
            state: from `start`, of the same series as the other, with the same memory.
            other: of this forecaster, already there.

        Returns:
            The first state. They share what they know of the new bar, each keeping what it is
            given later for itself.
        """
        state.scaled, state.volatility, state.memory = other.scaled, other.volatility, other.memory
        return self._step(state)

    def masked(self, state: RecurrentState, windows: np.ndarray, masks: Masks) -> RecurrentState:
        """Masked networks where the mean network stands, as `start` with masks puts them.

        Args:
            state: of B series (`Hindcast.state_at`); what is not the network's is shared with it.
            windows: of the same, shape (B, W, F) (`Hindcast.windows_at`).
            masks: a dropout mask for each series.
        """
        hidden, cell = self._network.settle(windows, masks)
        return replace(state, hidden=hidden, cell=cell, masks=masks)

    def _step(self, state: RecurrentState) -> RecurrentState:
        self._network.advance(state)
        return state

    def parameters(self, state: RecurrentState) -> BarDensity:
        """The density of the next bar of every path: network outputs, calibrated parameters."""
        return BarDensity(NUMPY, self.outputs(state), state.volatility, state.traits.density)

    def outputs(self, state: RecurrentState) -> np.ndarray:
        """What the network says of the next bar, (B, 10), columns `density.OUTPUTS`.

        Series are contiguous; the array is the caller's own.
        """
        mask = None if state.masks is None else state.masks.outputs
        outputs = self._network.outputs(state.hidden, state.scaled, mask)
        if state.shift is not None:
            outputs.T[SCALES] += state.shift.T  # series contiguous
        return outputs

    def draw(
        self, state: RecurrentState, uniforms: np.ndarray, outputs: np.ndarray | None = None
    ) -> Drawn:
        """The next bar of every path, by inverting the corrected conditional distributions.

        Args:
            state: where the paths stand; its memory corrects the widths of gap and intraday
                return.
            uniforms: shape (B, 5) in (0, 1), columns `features.PARTS`: levels that real bars had,
                or drawn ones, which must keep `MIN_UNIFORM` from 0 and 1: further out a fitted
                tail says what no market does, and one draw in a thousand makes all of the variance.
            outputs: to draw with in place of the network's own (`outputs`), shape (B, 10).
        """
        if uniforms.shape != (len(state), len(PARTS)):
            raise ValueError(
                f"uniforms must have shape ({len(state)}, {len(PARTS)}); received {uniforms.shape}"
            )
        if outputs is None:
            outputs = self.outputs(state)
        parts, means = self._drawing.draw(
            outputs, state.volatility, state.memory, uniforms, state.traits.rows
        )
        return Drawn(parts, means, uniforms[:, CORRECTED])

    def expect(self, state: RecurrentState) -> np.ndarray:
        """What the next bar of every path is expected to be, (7, B), rows `drawing.EXPECTED`.

        The gap and, as if it were typical, the intraday return; variances add. Mean and deviation
        are corrected as the bars of paths are (`draw`): in levels, and in width by the memory of
        outcomes.
        """
        return self._drawing.expect(
            self.outputs(state), state.volatility, state.memory, state.traits.rows
        )

    def _means(self, given_gap: GivenGap, correction: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Conditional means (B, 2) of gap, and of intraday return given the gap, corrected."""
        return np.stack([x.mean for x in self._corrected(given_gap, correction, rows)], axis=1)

    def _corrected(
        self, given_gap: GivenGap, correction: np.ndarray, rows: np.ndarray
    ) -> list[CorrectedT]:
        """The distributions of gap, and of intraday return given the gap, after corrections."""
        return [
            CorrectedT(base, self._levels[part], correction[:, part], self._moments[rows, part])
            for part, base in enumerate((given_gap.bar.gap, given_gap.intraday))
        ]

    def hindcast(self, table: FeatureTable) -> Hindcast:
        """What the mean network would have forecast for every bar of a history, and what came.

        Args:
            table: of the history, long enough for the window and one bar more.

        Raises:
            ValueError: if it is too short.
        """
        first = LOOKBACK + self.config.window - 1
        table.history.require(first + 2)
        every = self.traits(np.repeat(table.symbol, len(table) - LOOKBACK))
        scaled = self.scaler.held(table.rows[LOOKBACK:, None], every.ranges)[:, 0]
        rows = np.arange(first, len(table))
        traits = every.take(rows - LOOKBACK)
        hidden, cell = self._network.settle(
            _windows_of(scaled, rows - LOOKBACK, self.config.window)
        )
        volatility = baseline_volatility(table.rows[first:], traits.anchors)
        blank = Memory.blank(len(rows))
        state = RecurrentState(
            hidden, cell, None, scaled[rows - LOOKBACK], volatility, traits, blank
        )
        density = self.parameters(state.take(np.arange(len(rows) - 1)))
        pits = density.pit(table.parts[first + 1 :], self._levels)
        state.memory = Memory.after(pits[:, CORRECTED])
        return self._judged(table, first, density, pits, state, scaled)

    def rejudged(self, table: FeatureTable, known: Hindcast, outputs: np.ndarray) -> Hindcast:
        """What forecasts of other outputs would have been worth.

        Args:
            table: of the history.
            known: its hindcast, whose volatilities and memory of outcomes are kept.
            outputs: in place of what the network said, shape (n, 10).
        """
        past = known.state.take(np.arange(len(outputs)))
        density = BarDensity(NUMPY, outputs, past.volatility, past.traits.density)
        pits = density.pit(table.parts[known.first + 1 :], self._levels)
        return self._judged(table, known.first, density, pits, known.state, known.scaled)

    def _judged(
        self,
        table: FeatureTable,
        first: int,
        density: BarDensity,
        pits: np.ndarray,
        state: RecurrentState,
        scaled: np.ndarray,
    ) -> Hindcast:
        """A hindcast from densities of n bars and the bars' PITs under them, before the memory."""
        n, parts = len(pits), table.parts[first + 1 :]
        correction = state.memory.take(slice(0, n)).coefficients(shift=False)
        uniforms = pits.copy()
        uniforms[:, CORRECTED] = distribution(pits[:, CORRECTED], correction)
        given_gap = density.given_gap(parts[:, 0])
        missed = parts[:, :2] - self._means(given_gap, correction, state.traits.rows[:n])
        missed = missed / density.volatility[:, None]
        return Hindcast(first, uniforms, missed, density.outputs, state, scaled)

    def returns_pit(self, state: RecurrentState, returns: np.ndarray) -> np.ndarray:
        """PITs (B, 2) of the next gaps and intraday returns (B, 2), before any correction."""
        density = self.parameters(state)
        intraday = density.given_gap(returns[:, 0]).intraday
        found = [
            self._levels[part].distribution(base.cdf(returns[:, part]))
            for part, base in enumerate((density.gap, intraday))
        ]
        return np.stack(found, axis=1)

    @property
    def _levels(self) -> LevelMaps:
        return self._fitted.levels

    def predict(
        self,
        view: MarketView,
        n_draws: int,
        rng: np.random.Generator,
        memory: Memory | None = None,
    ) -> PredictiveDistribution:
        """Distribution of the next bar of S series, all in one batch.

        Draws share `config.masks` dropout masks and are stratified (a Latin hypercube for each
        series), so that a hundred of them already give stable intervals.

        Args:
            view: of S series.
            n_draws: draws of each series, at least 2.
            rng: masks and draws.
            memory: what outcomes so far said of the forecasts (`hindcast`), which shifts and
                widens them; blank if None.

        Raises:
            ValueError: if `n_draws` is below 2, or view or memory does not fit (see `start`).
        """
        if n_draws < 2:
            raise ValueError(f"n_draws must be at least 2; received {n_draws}")
        series, count = len(view), min(self.config.masks, n_draws)
        shared = self.masks(count, rng).take(np.tile(np.arange(count), series))
        rows = np.repeat(np.arange(series), count)
        traits = self.traits(view.symbols)
        of_mask = self.parameters(self._start(self._windows(view)[rows], traits.take(rows), shared))
        correction = _memory_of(series, memory).coefficients(shift=True)
        pick = (np.arange(series)[:, None] * count + np.arange(n_draws) % count).reshape(-1)
        of_draw = np.repeat(np.arange(series), n_draws)
        own = traits.take(of_draw)
        density = BarDensity(NUMPY, of_mask.outputs[pick], of_mask.volatility[pick], own.density)
        levels = _latin_hypercube(series, n_draws, rng)
        levels[:, CORRECTED] = quantile(levels[:, CORRECTED], correction[of_draw])
        levels = np.clip(levels, MIN_UNIFORM, 1.0 - MIN_UNIFORM)
        parts, given_gap = density.draw(levels, self._quantiles, own.rows)
        intraday = given_gap.intraday
        shape = (series, n_draws)
        of_intraday = self._moments[traits.rows, None, 1]
        given = SkewedT(
            (parts[:, 0] + intraday.location).reshape(shape),
            intraday.scale.reshape(shape),
            intraday.shape.take(np.arange(series)[:, None] * n_draws),
        )
        mask_mean = of_mask.typical_return().location.reshape(series, count)
        return PredictiveDistribution(
            parts=parts.reshape(*shape, 5),
            components=CorrectedT(given, self._levels[1], correction[:, None, 1], of_intraday),
            mask_mean=mask_mean,
            last_close=view.last_close,
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything the forecaster knows, as plain arrays by name."""
        return self._fitted.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Forecaster:
        """The forecaster that `to_arrays` gave.

        Raises:
            ValueError: if an array is missing, has the wrong shape, or was made with other
                features.
        """
        return cls(FittedForecaster.from_arrays(arrays))


def _windows_of(scaled: np.ndarray, ends: np.ndarray, window: int) -> np.ndarray:
    """Windows of rows (n, F) that end at some of them (B,), shape (B, W, F), series contiguous."""
    by_column = np.ascontiguousarray(scaled.T)
    found = np.empty((window, len(by_column), len(ends)), scaled.dtype)
    for t in range(window):
        np.take(by_column, ends - (window - 1 - t), axis=1, out=found[t], mode="clip")
    return np.moveaxis(found, -1, 0)


def _memory_of(series: int, memory: Memory | None) -> Memory:
    """The memory of so many series, checked; a blank one if None."""
    if memory is None:
        return Memory.blank(series)
    if len(memory) != series:
        raise ValueError(f"memory must be of {series} series; received one of {len(memory)}")
    return memory


def _latin_hypercube(series: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Uniforms (series * n_draws, 5), stratified within each series."""
    order = rng.permuted(np.tile(np.arange(n_draws), (series, 5, 1)), axis=2)
    uniforms = (order + rng.random((series, 5, n_draws))) / n_draws
    return np.moveaxis(uniforms, 1, 2).reshape(-1, 5)
