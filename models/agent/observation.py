"""What an agent sees of a market, the same in trading and in simulation.

`Observer` turns a `MarketView` into the agent's market observation at the close of its newest
bar. Position, cash and the like are not here: they belong to the account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.agent.outlook import AVERAGES, SURPRISE
from models.agent.seeing import SeenTape, keep_seen
from models.arrays import plain
from models.forecast.drawing import EXPECTED
from models.forecast.forecaster import Forecaster, Hindcast
from models.forecast.inference import RecurrentState
from models.forecast.recalibration import Memory
from models.market.features import COLUMN, FeatureTable
from models.market.groups import DEFAULT_GROUPS, shown
from models.market.history import CLOSE, OPEN
from models.market.market_view import MarketView

_TOLD = {
    "forecast_location": ("ratio", 10.0, 0.0),  # of the next log return, in tenths of its scale
    "forecast_scale": ("width", 1.0, 0.0),  # log of the forecast scale over baseline volatility
    "forecast_up": ("rise", 10.0, 0.5),  # P(next close > last close) less a half, times 10
    "forecast_gap_share": ("gap_share", 1.0, 0.0),  # log of the gap's scale over the intraday one
    "forecast_volume": ("volume", 1.0, 0.0),  # location of the next volume deviation
}
"""For each entry: one of `EXPECTED`, what it is multiplied by, less what before."""

SUMMARY = tuple(_TOLD)
"""What the observation says about the forecast of the mean network, in numbers of order one."""

_SUMMARY_ROWS = np.array([EXPECTED.index(name) for name, *_ in _TOLD.values()])
_SUMMARY_NUMBERS = np.array([numbers for _, *numbers in _TOLD.values()], np.float32).T.copy()
_KNOWN = np.array([COLUMN[name] for name in ("volatility_ewma", *AVERAGES, SURPRISE)])

OBSERVATION_CLIP = 5.0
"""Entries are cut off here: an agent's network should meet no number far from its others."""


def observation_names(groups: Sequence[str]) -> tuple[str, ...]:
    """Names of the entries of an observation with groups of features."""
    return (*shown(groups), *SUMMARY)


class ObservationStream:
    """Observations of B series, bar by bar; see `Observer.stream`."""

    def __init__(
        self, observer: Observer, state: RecurrentState, tape: SeenTape, *, keeps: bool = False
    ) -> None:
        """Take over where series stand.

        Args:
            observer: of them.
            state: in its forecaster's mean network.
            tape: whose first row is what is seen there.
            keeps: whether each further bar goes to the tape's next row; otherwise every bar has a
                tape of its own.
        """
        self._observer = observer
        self._state = state
        self._tape, self._row, self._keeps = tape, 0, keeps

    def current(self) -> np.ndarray:
        """Observations (B, D) at the newest bar."""
        return self._tape.observed(self._row)

    @property
    def forecast(self) -> np.ndarray:
        """What else is known at the newest bar, (B, 8), columns `models.agent.outlook.FORECAST`."""
        return self._tape.forecast(self._row)

    @property
    def state(self) -> RecurrentState:
        """Where the series stand in the forecaster's mean network; not to be written to."""
        return self._state

    @property
    def memory(self) -> Memory:
        """What outcomes so far said of the forecasts."""
        return self._state.memory

    def push(
        self,
        feature_rows: np.ndarray,
        returns: np.ndarray | None = None,
        pits: np.ndarray | None = None,
    ) -> np.ndarray:
        """Observations (B, D) at the next bar; see `advance`."""
        self.advance(feature_rows, returns, pits)
        return self.current()

    def advance(
        self,
        feature_rows: np.ndarray,
        returns: np.ndarray | None = None,
        pits: np.ndarray | None = None,
    ) -> None:
        """Move on to the next bar.

        Args:
            feature_rows: at its close, shape (B, F).
            returns: its gaps and intraday returns, shape (B, 2), which enter the memory of
                outcomes by their levels under the forecast.
            pits: these levels, shape (B, 2), where they are known already (`Drawn.pits`). Without
                either the memory stays as it is.
        """
        forecaster, state = self._observer.forecaster, self._state
        if returns is not None:
            pits = forecaster.returns_pit(state, returns)
        forecaster.advance(state, feature_rows, pits)
        if self._keeps:
            self._row += 1
        else:
            self._tape = SeenTape.of_one_bar(len(state), self._observer.size)
        self._observer._look(state, feature_rows, self._tape, self._row)

    def take(self, rows: np.ndarray | Sequence[int]) -> ObservationStream:
        """An independent stream of chosen series (repeats allowed), seen alike so far."""
        index = np.asarray(rows)
        seen = SeenTape.of_one_bar(len(index), self._observer.size)
        seen.observations[:, 0, 0] = self.current()[index]
        seen.forecasts[:, 0, 0] = self.forecast[index]
        return ObservationStream(self._observer, self._state.take(index), seen)


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

    @property
    def forecast(self) -> np.ndarray:
        """What else is known at the newest bar, (B, 8), columns `models.agent.outlook.FORECAST`."""
        return self._stream.forecast

    def push(
        self,
        bars: np.ndarray,
        pits: np.ndarray | None = None,
        macro: np.ndarray | None = None,
    ) -> np.ndarray:
        """Observations (B, D) at the close of the next bars (B, 5); see `advance`."""
        self.advance(bars, pits, macro)
        return self.current()

    def advance(
        self,
        bars: np.ndarray,
        pits: np.ndarray | None = None,
        macro: np.ndarray | None = None,
    ) -> None:
        """Move on to the close of the next bars.

        Args:
            bars: valid bars, shape (B, 5), columns `BAR_FIELDS`.
            pits: levels of their gaps and intraday returns under the forecast, shape (B, 2), where
                they are known already; otherwise worked out if the market remembers outcomes.
            macro: what is known of outside series at their close, shape (B, n), where the features
                have such.
        """
        returns = None
        if self._remembers and pits is None:
            gap = np.log(bars[:, OPEN] / self.view.last_close)
            returns = np.stack([gap, np.log(bars[:, CLOSE] / bars[:, OPEN])], axis=1)
        self._stream.advance(self.view.push(bars, macro), returns, pits)

    @property
    def state(self) -> RecurrentState:
        """Where the series stand in the forecaster's mean network; not to be written to."""
        return self._stream.state

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

    Scaled features of the newest row, those of the forecaster's groups, within the range they had
    when it was fitted, then `SUMMARY`: the next bar as the forecaster's mean network (no dropout)
    sees it. Deterministic.

    Attributes:
        forecaster: whose scaler, feature bounds and network are used.
        names: of the D entries of an observation; of the class those with the default groups.
    """

    names = observation_names(DEFAULT_GROUPS)

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster
        self.names = observation_names(forecaster.config.features)
        self._columns = forecaster.config.observed_columns

    @property
    def size(self) -> int:
        """Entries of an observation, D."""
        return len(self.names)

    def observe(self, view: MarketView) -> np.ndarray:
        """Observations (B, D), float32, a function of the view's last W feature rows only."""
        return self.stream(view).current()

    def remembered(self, table: FeatureTable, hindcast: Hindcast, rows: np.ndarray) -> np.ndarray:
        """Observations after given rows of a history, each as `follow` begins there.

        Args:
            table: the history.
            hindcast: of it (`Forecaster.hindcast`).
            rows: shape (...); in place of rows that are too early to be observed comes the first
                that is not.

        Returns:
            Shape (..., D).
        """
        held = np.maximum(rows, hindcast.first)
        each, place = np.unique(held, return_inverse=True)
        view = MarketView.at_rows(table, each, window=self.forecaster.config.window)
        found = self.stream(view, hindcast.memory_at(each)).current()
        return found[place.reshape(held.shape)]

    def stream(self, view: MarketView, memory: Memory | None = None) -> ObservationStream:
        """Observations of a view's series as their feature rows are pushed on.

        The recurrent state runs on instead of restarting from zero W bars ago as `observe` does;
        the difference fades as the network forgets, and is measured by a test.
        """
        return self._begin(view, self.forecaster.start(view, memory=memory))

    def _begin(
        self, view: MarketView, state: RecurrentState, tape: SeenTape | None = None
    ) -> ObservationStream:
        room = SeenTape.of_one_bar(len(state), self.size) if tape is None else tape
        self._look(state, view.feature_rows, room, 0)
        return ObservationStream(self, state, room, keeps=tape is not None)

    def follow(self, view: MarketView, memory: Memory | None = None) -> ObservedMarket:
        """A view's series and their stream of observations as bars are pushed on.

        Training and trading both go through it, so that an agent sees in trading what it was
        trained on.

        Args:
            view: taken over: it advances with what is returned.
            memory: of the outcomes up to the view's bars (`Forecaster.hindcast`), taken over and
                kept up to date; None where nobody asks for forecasts.
        """
        return ObservedMarket(view, self.stream(view, memory), remembers=memory is not None)

    def resume(
        self, view: MarketView, state: RecurrentState, tape: SeenTape | None = None
    ) -> ObservedMarket:
        """As `follow` with a memory, where it is known already where the mean network stands.

        Args:
            view: taken over; one feature row is enough.
            state: of its series, memory included (`Hindcast.state_at`), taken over.
            tape: where what is seen is kept, bar by bar from its first row on; None if it is not.
        """
        return ObservedMarket(view, self._begin(view, state, tape), remembers=True)

    def _look(
        self, state: RecurrentState, feature_rows: np.ndarray, tape: SeenTape, row: int
    ) -> None:
        """Put what is seen of B series on a tape; their features as they are, shape (B, F)."""
        keep_seen(
            plain(state.scaled.T, np.float32), self._columns, self.forecaster.expect(state),
            _SUMMARY_ROWS, _SUMMARY_NUMBERS, OBSERVATION_CLIP, state.traits.long_run,
            plain(feature_rows.T), _KNOWN, tape.markets, tape.observations, tape.forecasts, row,
        )  # fmt: skip
