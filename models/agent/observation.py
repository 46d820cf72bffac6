"""What an agent sees of a market, the same in trading and in simulation.

`Observer` turns a `MarketView` into the agent's market observation at the close of its newest
bar. Position, cash and the like are not here: they belong to the account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.forecast.density import OUTPUTS, BarDensity
from models.forecast.forecaster import Forecaster
from models.forecast.inference import RecurrentState
from models.forecast.recalibration import Memory
from models.market.features import FEATURES
from models.market.history import CLOSE, OPEN
from models.market.market_view import MarketView

SUMMARY = (
    "forecast_location",  # of the next log return, in tenths of its scale
    "forecast_scale",  # log of the forecast scale over the baseline volatility
    "forecast_up",  # P(next close > last close) less a half, times 10
    "forecast_gap_share",  # log of the gap's scale over the intraday scale
    "forecast_volume",  # location of the next volume deviation
)
"""What the observation says about the forecast of the mean network."""

OBSERVATION_CLIP = 5.0
"""Entries are cut off here: an agent's network should meet no number far from its others."""


class ObservationStream:
    """Observations of B series, bar by bar; see `Observer.stream`."""

    def __init__(self, observer: Observer, state: RecurrentState) -> None:
        self._observer = observer
        self._state = state

    def current(self) -> np.ndarray:
        """Observations (B, D) at the newest bar."""
        return self._observer._describe(self._state)

    @property
    def memory(self) -> Memory:
        """What outcomes so far said of the forecasts."""
        return self._state.memory

    def push(self, feature_rows: np.ndarray, returns: np.ndarray | None = None) -> np.ndarray:
        """Observations (B, D) at the next bar.

        Args:
            feature_rows: at its close, shape (B, F).
            returns: its gaps and intraday returns, shape (B, 2); without them the memory of
                outcomes stays as it is.
        """
        forecaster, state = self._observer.forecaster, self._state
        pits = None if returns is None else forecaster.returns_pit(state, returns)
        forecaster.advance(state, feature_rows, pits)
        return self.current()

    def take(self, rows: np.ndarray | Sequence[int]) -> ObservationStream:
        """An independent stream of chosen series (repeats allowed), seen alike so far."""
        return ObservationStream(self._observer, self._state.take(np.asarray(rows)))


class ObservedMarket:
    """A view and the stream of its observations, pushed on together; see `Observer.follow`.

    Attributes:
        view: the market; push bars through this object only, never through the view.
    """

    def __init__(
        self, view: MarketView, stream: ObservationStream, *, remembers: bool = False
    ) -> None:
        """Take over a view and the stream of observations of its series.

        Args:
            view: of the series.
            stream: of their observations.
            remembers: whether bars that are pushed on enter the memory of outcomes.
        """
        self.view = view
        self._stream = stream
        self._remembers = remembers

    def __len__(self) -> int:
        return len(self.view)

    def current(self) -> np.ndarray:
        """Observations (B, D) at the newest bar."""
        return self._stream.current()

    def push(self, bars: np.ndarray) -> np.ndarray:
        """Observations (B, D) at the close of the next bars (B, 5), columns `BAR_FIELDS`."""
        returns = None
        if self._remembers:
            gap = np.log(bars[:, OPEN] / self.view.last_close)
            returns = np.stack([gap, np.log(bars[:, CLOSE] / bars[:, OPEN])], axis=1)
        return self._stream.push(self.view.push(bars), returns)

    @property
    def memory(self) -> Memory:
        """What outcomes so far said of the forecasts."""
        return self._stream.memory

    def take(
        self, rows: np.ndarray | Sequence[int], *, window: int | None = None
    ) -> ObservedMarket:
        """An independent market of chosen series (repeats allowed), seen alike so far.

        Args:
            rows: which, shape (B,).
            window: feature rows that its view keeps; see `MarketView.take`.
        """
        return ObservedMarket(
            self.view.take(rows, window=window),
            self._stream.take(rows),
            remembers=self._remembers,
        )


class Observer:
    """The agent's market observation, known at the close of bar t.

    Scaled features of the newest row, within the range they had when the forecaster was fitted,
    then `SUMMARY`: the next bar as the forecaster's mean network (no dropout) sees it.
    Deterministic.

    Attributes:
        forecaster: whose scaler, feature bounds and network are used.
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
        return self._describe(self.forecaster.start(view))

    def stream(self, view: MarketView, memory: Memory | None = None) -> ObservationStream:
        """Observations of a view's series as their feature rows are pushed on.

        The recurrent state runs on instead of restarting from zero W bars ago as `observe` does;
        the difference fades as the network forgets, and is measured by a test.
        """
        return ObservationStream(self, self.forecaster.start(view, memory=memory))

    def follow(self, view: MarketView, memory: Memory | None = None) -> ObservedMarket:
        """A view's series and their stream of observations as bars are pushed on.

        Training and trading both go through it, so that an agent sees in trading what it was
        trained on.

        Args:
            view: taken over: it advances with what is returned.
            memory: of the outcomes up to the view's bars (`Forecaster.hindcast`), taken over and
                kept up to date; None where nobody asks for corrected forecasts.
        """
        return ObservedMarket(view, self.stream(view, memory), remembers=memory is not None)

    def _describe(self, state: RecurrentState) -> np.ndarray:
        summary = forecast_summary(self.forecaster.parameters(state))
        limit = np.float32(OBSERVATION_CLIP)
        observation = np.empty((self.size, len(state)), np.float32)
        np.clip(state.scaled.T, -limit, limit, out=observation[: len(FEATURES)])
        observation[len(FEATURES) :] = np.clip(summary.T, -limit, limit)
        return observation.T


def forecast_summary(density: BarDensity) -> np.ndarray:
    """The forecast in a few numbers of order one, shape (B, 5), columns `SUMMARY`."""
    typical = density.typical_return()
    ratio = typical.location / typical.scale
    intraday = density.given_gap(density.gap.location).intraday
    return np.stack(
        [
            10.0 * ratio,
            np.log(typical.scale / density.volatility),
            10.0 * (0.5 - typical.cdf(0.0)),
            np.log(density.gap.scale / intraday.scale),
            density.outputs[:, OUTPUTS.index("volume_location")],
        ],
        axis=1,
    )
