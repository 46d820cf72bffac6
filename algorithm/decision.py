"""What the agent wants at a close: observation, action values, target weights, forecast.

No LEAN here: the same object decides in backtests, in paper trading and in notebooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from algorithm.bars import BarBook
from models.agent.account import account_features
from models.agent.observation import Observer
from models.agent.q_agent import QAgent
from models.forecast.predictive import PredictiveDistribution
from models.forecast.recalibration import Memory
from models.market.features import FeatureTable
from models.market.market_view import MarketView
from models.seeding import streams
from sim.accounting import Rules

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
        action_values: by ticker, the agent's value of each action ("short", "flat", "long").
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


class AgentDecider:
    """Decides with a trained forecaster and agent.

    Carries market view and recurrent state of each symbol forward bar by bar from the bar that
    the training ended with, as the simulator carries those of a path from its start. A decision
    is a function of the bars, the models, the present position and the date: it does not depend
    on when the run started, so a restarted algorithm decides alike.
    """

    def __init__(
        self,
        observer: Observer,
        agent: QAgent,
        tables: Sequence[FeatureTable],
        rules: Rules,
        *,
        seed: int,
        draws: int,
    ) -> None:
        """Stand at the newest bar of every history.

        Args:
            observer: sees the market for the agent.
            agent: trained under the same rules.
            tables: one per traded symbol, in the order of `rules.caps`.
            rules: the caps.
            seed: of the forecasts' draws.
            draws: of each forecast.
        """
        forecaster = observer.forecaster
        window = forecaster.config.window
        self._observer = observer
        self._agent = agent
        self._markets = {
            table.symbol: observer.follow(
                MarketView.at([table], window=window),
                forecaster.hindcast(table).memory_at(np.array([len(table) - 1])),
            )
            for table in tables
        }
        self._seen = {table.symbol: table.history.data_end for table in tables}
        names = [table.symbol for table in tables]
        self._caps = _by_name(names, rules.caps)
        self._seed = seed
        self._draws = draws

    def catch_up(self, bars: BarBook) -> None:
        """Push the bars that are newer than those a market has seen."""
        for name, market in self._markets.items():
            for time, row in bars.later_than(name, self._seen[name]):
                market.push(np.array([row]))
                self._seen[name] = np.datetime64(time, "ns")

    def decide(self, time: datetime, fresh: Sequence[str], held: Mapping[str, float]) -> Decision:
        """Observe, forecast and act greedily, for the symbols with a new bar."""
        view = MarketView.concatenate([self._markets[name].view for name in fresh])
        caps = np.array([self._caps[name] for name in fresh])
        account = account_features([held[name] for name in fresh], caps)
        observation = np.concatenate([self._markets[name].current() for name in fresh])
        actions = self._agent.choose(observation, account)
        values = self._agent.q_values(observation, account)
        rng = streams(self._seed, "forecast", time.isoformat())["draws"]
        memory = Memory.concatenate([self._markets[name].memory for name in fresh])
        forecast = self._observer.forecaster.predict(view, self._draws, rng, memory)
        exposures = self._agent.actions[actions]
        up = forecast.probability_up
        sides = np.select([exposures > 0, exposures < 0], [up, 1.0 - up], 0.5)
        labels = [action_name(exposure) for exposure in self._agent.actions]
        return Decision(
            time=time,
            weights=_by_name(fresh, exposures * caps),
            magnitudes=_by_name(fresh, forecast.mean),
            confidences=_by_name(fresh, sides),
            action_values={
                name: _by_name(labels, row) for name, row in zip(fresh, values, strict=True)
            },
            forecasts={name: forecast.of_series(i) for i, name in enumerate(fresh)},
            fans=_by_name(fresh, forecast.close_quantiles(FAN)),
        )


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """Rows of an array by name, as plain numbers; as many rows as names."""
    return dict(zip(names, values.tolist(), strict=True))


def action_name(exposure: float) -> str:
    """What a target exposure is called: short, flat or long, with its size unless it is full."""
    if exposure == 0:
        return "flat"
    side = "long" if exposure > 0 else "short"
    return side if abs(exposure) == 1 else f"{side} {abs(exposure):g}"
