"""What the agent wants at a close: observation, action values, target weights, forecast.

No LEAN here: the same object decides in backtests, in paper trading and in notebooks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithm.bars import BarBook, Row
from models.agent.account import Standing, account_features
from models.agent.agent import Agent
from models.agent.observation import Observer
from models.agent.outlook import Outlook, advance_moments, correlation_of, surprises
from models.agent.q_agent import QAgent
from models.forecast.predictive import PredictiveDistribution
from models.forecast.recalibration import Memory
from models.market.features import FeatureTable
from models.market.market_view import MarketView
from models.seeding import streams
from sim.accounting import Rules
from sim.shadow import ShadowAccounts
from sim.starts import newest_moments

FAN = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of the forecast quantiles that are shown."""


@dataclass(frozen=True)
class Decision:
    """A decision taken at a close, for the symbols that have a bar there.

    Attributes:
        time: the close, algorithm time.
        weights: target weight by ticker, a signed fraction of portfolio value, before stops;
            NaN for no fresh target.
        magnitudes: forecast mean of the next log return, close to close.
        confidences: forecast probability that the next close lies on the decision's side of this
            one; one half for a flat decision.
        action_values: by ticker, the agent's value of each action ("short", "flat", "long"); empty
            for an agent that has no such thing.
        forecasts: by ticker, the distribution of the next bar.
        fans: by ticker, quantiles of the next close at the levels `FAN`, in currency.
    """

    time: datetime
    weights: Mapping[str, float]
    magnitudes: Mapping[str, float] = field(default_factory=dict)
    confidences: Mapping[str, float] = field(default_factory=dict)
    action_values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    forecasts: Mapping[str, PredictiveDistribution] = field(default_factory=dict)
    fans: Mapping[str, Sequence[float]] = field(default_factory=dict)


class Decider(Protocol):
    """Takes the decisions of a run; the strategy asks it once after every close."""

    def catch_up(self, bars: BarBook) -> None:
        """Take in the bars that are newer than those it has seen."""
        ...

    def decide(self, time: datetime, fresh: Sequence[str], held: Mapping[str, float]) -> Decision:
        """Decide at a close.

        Args:
            time: the close, algorithm time.
            fresh: tickers that have a bar at this close.
            held: weight now held of every ticker, a signed fraction of portfolio value.
        """
        ...


class _Dependence:
    """Moving second moments of surprises that come symbol by symbol, in any order of closes."""

    def __init__(self, start: NDArray[np.float64]) -> None:
        """Begin with moments of shape (1, S, S)."""
        self._start = start
        self._surprises: dict[datetime, NDArray[np.float64]] = {}
        self._along: list[tuple[datetime, NDArray[np.float64]]] = []

    def add(self, time: datetime, symbol: int, surprise: float) -> None:
        """Take in what a symbol did at a close; the others count as still until they are told."""
        row = self._surprises.setdefault(time, np.zeros((1, self._start.shape[-1])))
        row[0, symbol] = surprise
        while self._along and self._along[-1][0] >= time:
            self._along.pop()

    def moments(self) -> NDArray[np.float64]:
        """After the newest close, shape (1, S, S)."""
        reached = self._along[-1][0] if self._along else datetime.min
        for time in sorted(time for time in self._surprises if time > reached):
            before = self._along[-1][1] if self._along else self._start
            self._along.append((time, advance_moments(before, self._surprises[time])))
        return self._along[-1][1] if self._along else self._start


class AgentDecider:
    """Decides with a trained forecaster and agent, for all symbols together.

    Carries market view and recurrent state of each symbol, and the dependence between symbols,
    forward bar by bar from the bar that the training ended with, as the simulator carries those of
    a path from its start. A decision is a function of the bars, the models, the present positions
    and the date: it does not depend on when the run started, so a restarted algorithm decides
    alike.
    """

    def __init__(
        self,
        observer: Observer,
        agent: Agent,
        tables: Sequence[FeatureTable],
        rules: Rules,
        *,
        seed: int,
        draws: int,
        shadows: ShadowAccounts | None = None,
        remembers: int = 0,
    ) -> None:
        """Stand at the newest bar of every history.

        Args:
            observer: sees the market for the agent.
            agent: trained under the same rules.
            tables: one per traded symbol, in the order of `rules.caps`.
            rules: the caps.
            seed: of the forecasts' draws.
            draws: of each forecast.
            shadows: accounts that are shown what is known at every close that comes, whether the
                agent is asked there or not.
            remembers: bars before a close whose observations are shown, too, >= 0; at first real
                bars of the histories, as in imagined markets (`ForecasterSampler`).

        Raises:
            ValueError: unless there is a cap for every symbol.
        """
        if len(rules.caps) != len(tables):
            raise ValueError(
                f"rules must have a cap for each of {len(tables)} symbols; received "
                f"{len(rules.caps)}"
            )
        forecaster = observer.forecaster
        window = forecaster.config.window
        self._observer = observer
        self._agent = agent
        self._markets = {}
        self._recent: dict[str, deque[NDArray[np.float32]]] = {}
        for table in tables:
            hindcast, newest = forecaster.hindcast(table), len(table) - 1
            market = observer.follow(
                MarketView.at([table], window=window), hindcast.memory_at(np.array([newest]))
            )
            recent = deque([market.current()[0]], maxlen=remembers + 1)
            if remembers:
                before = observer.remembered(table, hindcast, newest + np.arange(-remembers, 0))
                recent.extendleft(before[::-1])
            self._markets[table.symbol], self._recent[table.symbol] = market, recent
        self._seen = {table.symbol: table.history.data_end for table in tables}
        self._dependence = _Dependence(newest_moments(tables))
        self._rules = rules
        self._seed = seed
        self._draws = draws
        self._shadows = shadows
        self._newest: dict[str, tuple[datetime, Row]] = {}
        self._known: Outlook | None = None

    def catch_up(self, bars: BarBook) -> None:
        """Push the bars that are newer than those a market has seen, close by close."""
        fresh = {name: dict(bars.later_than(name, seen)) for name, seen in self._seen.items()}
        for time in sorted(set().union(*fresh.values())):
            macro = bars.known_at([time])
            for s, name in enumerate(self._markets):
                row = fresh[name].get(time)
                if row is not None:
                    self._push(s, name, time, row, None if macro is None else macro.values)
            if self._shadows is not None and time > self._shadows.reached:
                self._shadows.close(time, self.outlook(), *self._prices(time))

    def _push(self, s: int, name: str, time: datetime, row: Row, macro: Any) -> None:
        """Take in a symbol's next bar, and what is known of outside series at its close."""
        market = self._markets[name]
        self._recent[name].append(market.push(np.array([row]), macro=macro)[0])
        self._newest[name] = time, row
        self._seen[name] = np.datetime64(time, "ns")
        self._dependence.add(time, s, surprises(market.forecast)[0])
        self._known = None

    def outlook(self) -> Outlook:
        """What is known now, of one market with all symbols."""
        if self._known is None:
            self._known = self._looked()
        return self._known

    def _looked(self) -> Outlook:
        markets = self._markets.values()
        return Outlook(
            np.stack([market.current() for market in markets], axis=1),
            np.stack([market.forecast for market in markets], axis=1),
            correlation_of(self._dependence.moments()),
            self._last,
        )

    def _last(self, window: int) -> NDArray[np.float32]:
        """See `Outlook.recent`."""
        known = np.stack([np.stack(seen) for seen in self._recent.values()])
        place = np.maximum(np.arange(-window, 0) + known.shape[1], 0)
        return known[None, :, place]

    def decide(self, time: datetime, fresh: Sequence[str], held: Mapping[str, float]) -> Decision:
        """Observe, forecast and act greedily; targets are for the symbols with a new bar."""
        outlook, rules = self.outlook(), self._rules
        weights = np.array([[held[name] for name in self._markets]])
        standing = Standing(weights / rules.caps, rules.caps[None], rules.gross)
        exposures = self._agent.act(outlook, standing)[0]
        place = [list(self._markets).index(name) for name in fresh]
        view = MarketView.concatenate([self._markets[name].view for name in fresh])
        rng = streams(self._seed, "forecast", time.isoformat())["draws"]
        memory = Memory.concatenate([self._markets[name].memory for name in fresh])
        forecast = self._observer.forecaster.predict(view, self._draws, rng, memory)
        up = forecast.probability_up
        # A position that is kept is a side taken, too.
        taken = np.where(np.isnan(exposures), weights[0], exposures)[place]
        sides = np.select([taken > 0, taken < 0], [up, 1.0 - up], 0.5)
        return Decision(
            time=time,
            weights=_by_name(fresh, (exposures * rules.caps)[place]),
            magnitudes=_by_name(fresh, forecast.mean),
            confidences=_by_name(fresh, sides),
            action_values=self._action_values(outlook, standing, fresh, place),
            forecasts={name: forecast.of_series(i) for i, name in enumerate(fresh)},
            fans=_by_name(fresh, forecast.close_quantiles(FAN)),
        )

    def _prices(self, time: datetime) -> NDArray[np.float64]:
        """Opens and closes of the bars that end at a time, (2, S); the last close where none does.

        A symbol whose bar comes later, at the same close, counts as still.
        """
        found = []
        for name, market in self._markets.items():
            close = float(market.view.last_close[0])
            newest = self._newest.get(name)
            found.append((newest[1][0] if newest and newest[0] == time else close, close))
        return np.array(found).T

    def _action_values(
        self, outlook: Outlook, standing: Standing, fresh: Sequence[str], place: Sequence[int]
    ) -> dict[str, dict[str, float]]:
        """The agent's value of each action, where it has such a thing."""
        if not isinstance(self._agent, QAgent):
            return {}
        account = account_features(standing.weights[0], standing.caps[0])
        values = self._agent.q_values(outlook.observation[0], account)
        labels = [action_name(exposure) for exposure in self._agent.actions]
        return {name: _by_name(labels, values[s]) for name, s in zip(fresh, place, strict=True)}


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """Rows of an array by name, as plain numbers; as many rows as names."""
    return dict(zip(names, values.tolist(), strict=True))


def action_name(exposure: float) -> str:
    """What a target exposure is called: short, flat or long, with its size unless it is full."""
    if exposure == 0:
        return "flat"
    side = "long" if exposure > 0 else "short"
    return side if abs(exposure) == 1 else f"{side} {abs(exposure):g}"
