"""What an agent sees of a market, the same in trading and in simulation.

`MarketView` carries B series forward bar by bar: the symbols of a portfolio, one bar a day, or
thousands of simulated paths. `Observer` turns a view into the agent's market observation at the
close of its newest bar. Position, cash and the like are not here: they belong to the account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from models.forecast.density import OUTPUTS
from models.forecast.forecaster import Forecaster, HeadParameters
from models.forecast.inference import RecurrentState
from models.market.features import FEATURES, LOOKBACK, FeatureState, features
from models.market.history import History

WINDOW = 60
"""Feature rows a view keeps unless told otherwise; at least the forecaster's window."""

SUMMARY = (
    "forecast_location",  # of the next log return, in tenths of its scale
    "forecast_scale",  # log of the forecast scale over the baseline volatility
    "forecast_up",  # P(next close > last close) less a half, times 10
    "forecast_gap_share",  # log of the gap's scale over the intraday scale
    "forecast_volume",  # location of the next volume deviation
)
"""What the observation says about the forecast of the mean network."""

OBSERVATION_CLIP = 5.0


class MarketView:
    """Features-only state of B series at the close of their newest bars.

    Build it with `at` or `at_rows`.
    """

    def __init__(self, state: FeatureState, windows: np.ndarray) -> None:
        """Take over a feature state of B series and their last feature rows (B, W, F)."""
        self._state = state
        self._windows = windows
        self._head = 0

    @classmethod
    def at(
        cls,
        histories: Sequence[History],
        rows: Sequence[int] | None = None,
        *,
        window: int = WINDOW,
    ) -> MarketView:
        """One series for each history.

        Args:
            histories: B histories, each with at least `LOOKBACK` + window bars up to its row.
            rows: B rows to stand at; the newest bars if None.
            window: feature rows to keep.

        Raises:
            ValueError: if a history is too short or a row lies outside it.
        """
        if rows is not None and len(rows) != len(histories):
            raise ValueError(
                f"rows must have one entry for each of the {len(histories)} histories; "
                f"received {len(rows)}"
            )
        return cls.concatenate(
            [
                cls.at_rows(history, [len(history) - 1 if rows is None else rows[i]], window=window)
                for i, history in enumerate(histories)
            ]
        )

    @classmethod
    def at_rows(
        cls, history: History, rows: Sequence[int] | np.ndarray, *, window: int = WINDOW
    ) -> MarketView:
        """B series that all follow one history, each up to its own row (repeats allowed).

        Raises:
            ValueError: if a row leaves no room for the window or lies beyond the newest bar.
        """
        history.require(LOOKBACK + window)
        rows = np.asarray(rows, dtype=np.int64).reshape(-1)
        first = LOOKBACK + window - 1
        if rows.size and (rows.min() < first or rows.max() >= len(history)):
            raise ValueError(
                f"{history.symbol}: rows must lie in {first}..{len(history) - 1}; "
                f"received {rows.min()}..{rows.max()}"
            )
        found = features(history.bars)
        windows = found[rows[:, None] + np.arange(1 - window, 1)]
        return cls(FeatureState.at(history.bars, rows), windows)

    @classmethod
    def concatenate(cls, views: Sequence[MarketView]) -> MarketView:
        """One view of all the series of several views, in their order."""
        state = FeatureState.concatenate([view._state for view in views])
        return cls(state, np.concatenate([view.windows for view in views]))

    def __len__(self) -> int:
        return len(self._state)

    def take(self, rows: np.ndarray | Sequence[int]) -> MarketView:
        """An independent view of chosen series (repeats allowed)."""
        index = np.asarray(rows)
        return MarketView(self._state.take(index), self.windows[index])

    def copy(self) -> MarketView:
        """An independent copy."""
        return self.take(np.arange(len(self)))

    def push(self, bars: np.ndarray) -> np.ndarray:
        """Advance every series by one bar.

        Args:
            bars: shape (B, 5), columns `BAR_FIELDS`, valid bars.

        Returns:
            Shape (B, F): the feature rows at their close.
        """
        rows = self._state.push(bars)
        self._windows[:, self._head] = rows
        self._head = (self._head + 1) % self._windows.shape[1]
        return rows

    @property
    def windows(self) -> np.ndarray:
        """Newest feature rows, shape (B, W, F), oldest first; a copy."""
        return np.roll(self._windows, -self._head, axis=1)

    @property
    def feature_rows(self) -> np.ndarray:
        """Features at the newest close, shape (B, F); a copy."""
        return self._windows[:, self._head - 1].copy()

    @property
    def last_close(self) -> np.ndarray:
        """Newest closes, shape (B,)."""
        return self._state.last_close

    @property
    def volume_mean(self) -> np.ndarray:
        """Means of the last 20 log volumes, shape (B,), as `bars_from_parts` takes them."""
        return self._state.volume_mean

    @property
    def volatility(self) -> np.ndarray:
        """EWMA (0.94) volatility per bar at the newest close, shape (B,)."""
        return self._state.volatility


class ObservationStream:
    """Observations of many paths, bar by bar; see `Observer.stream`."""

    def __init__(self, observer: Observer, state: RecurrentState) -> None:
        self._observer = observer
        self._state = state

    def current(self) -> np.ndarray:
        """Observations (B, D) at the newest bar."""
        return self._observer._describe(self._state)

    def push(self, feature_rows: np.ndarray) -> np.ndarray:
        """Observations (B, D) at the next bar, whose feature rows (B, F) are given."""
        self._observer.forecaster.advance(self._state, feature_rows)
        return self.current()


class Observer:
    """The agent's market observation, known at the close of bar t.

    Scaled features of the newest row, then `SUMMARY`: the next bar as the forecaster's mean
    network (no dropout) sees it. Deterministic.

    Attributes:
        forecaster: whose scaler and network are used.
        names: of the D entries of an observation.
    """

    names = (*FEATURES, *SUMMARY)

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster

    @property
    def size(self) -> int:
        """Entries of an observation, D."""
        return len(self.names)

    def observe(self, view: MarketView) -> np.ndarray:
        """Observations (B, D), float32, a function of the view's last W feature rows only."""
        return self._describe(self._start(view))

    def stream(self, view: MarketView) -> ObservationStream:
        """Observations of a view's series as they are pushed on.

        The recurrent state runs on instead of restarting from zero W bars ago as `observe` does;
        the difference fades as the network forgets, and is measured by a test.
        """
        return ObservationStream(self, self._start(view))

    def _start(self, view: MarketView) -> RecurrentState:
        windows = view.windows
        wanted = self.forecaster.config.window
        if windows.shape[1] < wanted:
            raise ValueError(
                f"view must keep at least {wanted} feature rows, the forecaster's window; "
                f"received {windows.shape[1]}"
            )
        return self.forecaster.start(windows[:, -wanted:], None)

    def _describe(self, state: RecurrentState) -> np.ndarray:
        parameters = self.forecaster.parameters(state)
        summary = forecast_summary(parameters)
        clipped = np.clip(np.concatenate([state.scaled, summary], axis=1), *_CLIPS)
        return clipped.astype(np.float32)


_CLIPS = (-OBSERVATION_CLIP, OBSERVATION_CLIP)


def forecast_summary(parameters: HeadParameters) -> np.ndarray:
    """The forecast in a few numbers of order one, shape (B, 5), columns `SUMMARY`."""
    typical = parameters.typical_return()
    chain = parameters.chain()
    gap = chain.gap()
    ratio = typical.location / typical.scale
    return np.stack(
        [
            10.0 * ratio,
            np.log(typical.scale / parameters.volatility),
            10.0 * (special.stdtr(typical.df, ratio) - 0.5),
            np.log(gap.scale / chain.intraday(gap.location).scale),
            parameters.outputs[:, OUTPUTS.index("volume_location")],
        ],
        axis=1,
    )
