"""A market by hand: bar by bar, with an agent's proposals and a person's decisions.

A `Walk` goes through a market in one account of all symbols. At every close it shows what the agent
sees (`Walk.look`): observation, forecast of the next bar, what the agent proposes and why; `step`
takes the proposal, or other weights for some symbols, and fills at the next open. Beside the
person's account run three more, under the same rules and on the same bars: one that always takes
the agent's proposals, one that is always at the caps, and one that buys and holds. Accounts are
those of the market environment that agents learn and are judged in (`sim.market_env`): a walk
without a word of the person is `sim.rollout.rollout` of the agent. Stops, which the algorithm has
besides, are not part of it, and nothing is trained anew on the way.

A market is a real span, or an imagined one that goes on where the known bars end, on business
days. Either way it is given as histories, and observed bar by bar as in trading: nothing that is
shown at a close knows a later bar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithm.decision import FAN
from algorithm.learning import LearningConfig, data_end, investor, markets_to_learn_on
from algorithm.settings import Settings
from algorithm.training import TrainedModels, Trainer
from models.agent.account import Standing
from models.agent.agent import window_of
from models.agent.observation import Observer
from models.agent.outlook import FORECAST, Outlook
from models.artifacts import ArtifactStore
from models.forecast.forecaster import Forecaster
from models.forecast.predictive import PredictiveDistribution
from models.forecast.recalibration import Memory
from models.limits import TOLERANCE
from models.market.features import FeatureTable
from models.market.history import BAR_FIELDS, CLOSE, OPEN, History
from models.market.market_view import MarketView
from models.reporting import Progress
from models.seeding import streams
from research.real_markets import RealMarket, Refit, follow
from research.reasons import Reasons, reasons
from research.workspace import known_at_start
from sim.accounting import Rules
from sim.dates import CommonDates
from sim.market_env import MarketVectorEnv
from sim.paths import Paths
from sim.rewards import REWARDS, Reward
from sim.rollout import Policy, constant
from sim.rules import Rule

Floats = NDArray[np.float64]

YOURS, AGENTS, AT_THE_CAPS, BUY_AND_HOLD = (
    "yours",
    "the agent's",
    "always at the caps",
    "buy and hold",
)
ACCOUNTS = (YOURS, AGENTS, AT_THE_CAPS, BUY_AND_HOLD)
"""The accounts of a walk."""

BARS = 252
"""Of a walk by default: a year."""


@dataclass(frozen=True)
class Close:
    """What is known at a close, and where the accounts stand. Frames have a row for each symbol.

    Attributes:
        time: of the close, exchange time.
        row: bars walked so far.
        bars: of this close, columns `BAR_FIELDS` and ``move``, the simple return since the last.
        observation: what an agent sees, columns `Observer.names`.
        outlook: what it is told besides, columns `models.agent.outlook.FORECAST`.
        correlation: of the symbols' next returns, S × S.
        fan: quantiles of the next close at the levels `FAN`, in currency, from the draws that the
            algorithm's own decision makes at this close.
        rise: forecast probability that the next close is above this one.
        proposal: the agent's target weights for your account, as shares of the portfolio; NaN
            leaves a position as it is.
        reasons: what the proposal is based on.
        held: weights held in your account.
        accounts: a row for each of `ACCOUNTS`; columns ``equity`` and ``cash`` in $, ``gain`` since
            the start as a fraction, ``costs`` so far in $, ``reward`` so far (sum).
    """

    time: pd.Timestamp
    row: int
    bars: pd.DataFrame
    observation: pd.DataFrame
    outlook: pd.DataFrame
    correlation: pd.DataFrame
    fan: pd.DataFrame
    rise: pd.Series
    proposal: pd.Series
    reasons: Reasons
    held: pd.Series
    accounts: pd.DataFrame


@dataclass(frozen=True)
class Stepped:
    """What a decision led to, one bar later. Series have an entry for each symbol.

    Attributes:
        time: of the close that values the decision.
        proposed: target weights that the agent proposed; NaN: kept.
        chosen: target weights that were taken; NaN: kept.
        overridden: whether the person chose.
        orders: signed shares bought or sold in your account.
        opens: at which they filled, before slippage.
        reward: of the step, in your account.
        costs: fees and slippage, in $.
        growth: log growth of each account's equity, by name.
        ruined: whether your account was ruined.
    """

    time: pd.Timestamp
    proposed: pd.Series
    chosen: pd.Series
    overridden: pd.Series
    orders: pd.Series
    opens: pd.Series
    reward: float
    costs: float
    growth: pd.Series
    ruined: bool


class _Account:
    """One account on the market from row 0 on; ruined, it stands still, as in `sim.rollout`."""

    def __init__(self, paths: Paths, rules: Rules, reward: Reward) -> None:
        self._env = MarketVectorEnv(paths, rules, 1, actions=None, reward=reward)
        self._env.reset(seed=0, options={"path": 0, "row": 0})
        self._caps, self._gross = rules.caps_of(paths.series), rules.gross
        self._exposure = np.zeros((1, paths.n_symbols))
        self.equity = float(rules.equity)
        self.earned, self.costs = 0.0, 0.0
        self.reward, self.growth, self.paid = 0.0, 0.0, 0.0
        self.ruined = False

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        return Standing(self._exposure, self._caps, self._gross)

    @property
    def weights(self) -> Floats:
        """Held, shape (S,)."""
        return self.standing.weights[0]

    def trade(self, exposures: Floats) -> None:
        """Go one bar on, towards exposures (1, S), NaN to keep."""
        self.reward = self.growth = self.paid = 0.0
        if self.ruined:
            return
        _, earned, terminated, _, info = self._env.trade(exposures)
        moved = info.get("final_info", info)
        self.reward, self.growth = float(earned[0]), float(moved["log_growth"][0])
        self.paid = float(moved["costs"][0]) * self.equity
        self.ruined = bool(terminated[0])
        if self.ruined:  # what is left may be less than nothing; the floored growth tells
            self.equity *= math.exp(self.growth)
            self._exposure = np.zeros_like(self._exposure)
        else:
            self.equity = float(moved["equity"][0])
            self._exposure = moved["exposure"].reshape(1, -1)
        self.earned += self.reward
        self.costs += self.paid


class _Forecasts:
    """What the forecaster says of the next bar of each symbol, carried on bar by bar.

    As `algorithm.decision.AgentDecider` carries it: from the newest known bars, so that the fan is
    that of the algorithm's decision at the same close.
    """

    def __init__(
        self, forecaster: Forecaster, tables: Sequence[FeatureTable], seed: int, draws: int
    ) -> None:
        self._forecaster, self._seed, self._draws = forecaster, seed, draws
        observer, window = Observer(forecaster), forecaster.config.window
        self._markets = []
        for table in tables:
            memory = forecaster.hindcast(table).memory_at(np.array([len(table) - 1]))
            view = MarketView.at([table], window=window)
            self._markets.append(observer.follow(view, memory))

    def push(self, bars: Sequence[Floats]) -> None:
        """Take in the next bars of each symbol, shape (n, 5) each."""
        for market, rows in zip(self._markets, bars, strict=True):
            for row in rows:
                market.push(row[None])

    def at(self, when: datetime) -> PredictiveDistribution:
        """The distribution of the next bar of every symbol."""
        view = MarketView.concatenate([market.view for market in self._markets])
        memory = Memory.concatenate([market.memory for market in self._markets])
        rng = streams(self._seed, "forecast", when.isoformat())["draws"]
        return self._forecaster.predict(view, self._draws, rng, memory)


class Walk:
    """One account walked through a market by hand; see the module's description.

    Attributes:
        symbols: S tickers.
        kind: of the agent, one of `algorithm.learning.AGENTS`.
        agent: which proposes.
        market: what is walked through; row 0 is the last close that all symbols knew.
        times: of its closes, exchange time, shape (T+1,).
        rules: what binds the accounts.
        row: bars walked so far.
    """

    def __init__(
        self,
        models: TrainedModels,
        histories: Sequence[History],
        rules: Rules,
        *,
        reward: Reward,
        seed: int,
        draws: int,
        bars: int | None = None,
    ) -> None:
        """Stand at the last known close, with cash only.

        Args:
            models: forecaster and agent; bars up to their `data_end` are known, those after it are
                walked through.
            histories: of S symbols, in the order of `rules.caps`, from the first bar that models
                were trained on.
            rules: the accounts' size, caps and costs.
            reward: what steps are worth.
            seed: of the forecasts' draws.
            draws: of each forecast.
            bars: to walk at most, >= 1; as many as there are by default.

        Raises:
            ValueError: for fewer bars than 1, another number of caps, or histories that share no
                date before and none after the end of what is known.
        """
        if bars is not None and bars < 1:
            raise ValueError(f"bars must be at least 1; received {bars}")
        if len(rules.caps) != len(histories):
            raise ValueError(
                f"rules must have a cap for each of {len(histories)} symbols; received "
                f"{len(rules.caps)}"
            )
        histories, dates = _through(histories, models.data_end, bars)
        known = [FeatureTable.of(one.until(_end_of(dates[0]))) for one in histories]
        market = follow(histories, [Refit(dates[0] + 1, tuple(known), models.forecaster)])
        back = window_of(models.agent) - 1
        if back:
            market = _remembering(market, known, models.forecaster, back)
        self.market, self.symbols = market, market.symbols
        self.agent, self.kind, self.rules = models.agent, models.trading, rules
        days = [one.time.astype("datetime64[D]") for one in histories]
        self._ends = [np.searchsorted(each, dates, side="right") for each in days]
        ends = [one.time[end - 1] for one, end in zip(histories, self._ends, strict=True)]
        self.times = pd.DatetimeIndex(np.max(ends, axis=0))
        self._histories = histories
        self._forecasts = _Forecasts(models.forecaster, known, seed, draws)
        self._accounts = {name: _Account(market.paths, rules, reward) for name in ACCOUNTS}
        self._policies: dict[str, Policy] = {
            AGENTS: self.agent.act,
            AT_THE_CAPS: constant(1.0),
            BUY_AND_HOLD: Rule("buy_and_hold").act,
        }
        self._rows: list[dict[tuple[str, str], object]] = []
        self._looked: dict[int, Close] = {}
        self.row = 0

    @property
    def bars(self) -> int:
        """How many there are to walk, T."""
        return self.market.paths.n_steps

    @property
    def done(self) -> bool:
        """Whether the market has ended, or your account is ruined."""
        return self.row == self.bars or self._accounts[YOURS].ruined

    @property
    def caps(self) -> pd.Series:
        """Largest absolute weight of each symbol."""
        return pd.Series(self.rules.caps, index=list(self.symbols))

    def look(self) -> Close:
        """What is known at the present close; asked twice, it is the same object."""
        if self.row not in self._looked:
            self._looked[self.row] = self._look()
        return self._looked[self.row]

    @property
    def looked(self) -> tuple[Close, ...]:
        """The closes that were looked at so far, in order."""
        return tuple(self._looked.values())

    def _look(self) -> Close:
        names, paths, row = list(self.symbols), self.market.paths, self.row
        outlook, yours = self._outlook(), self._accounts[YOURS]
        forecast = self._forecasts.at(self.times[row].to_pydatetime())
        bars = pd.DataFrame(paths.bars[0, :, row], index=names, columns=list(BAR_FIELDS))
        closes = paths.bars[0, :, : row + 1, CLOSE]
        before = closes[:, -2] if row else self._closes_before()
        accounts = {
            name: {
                "equity": one.equity,
                "cash": one.equity * (1.0 - one.weights.sum()),
                "gain": one.equity / self.rules.equity - 1.0,
                "costs": one.costs,
                "reward": one.earned,
            }
            for name, one in self._accounts.items()
        }
        return Close(
            time=self.times[row],
            row=row,
            bars=bars.assign(move=closes[:, -1] / before - 1.0),
            observation=pd.DataFrame(
                outlook.observation[0], index=names, columns=list(Observer.names)
            ),
            outlook=pd.DataFrame(outlook.forecast[0], index=names, columns=list(FORECAST)),
            correlation=pd.DataFrame(outlook.correlation[0], index=names, columns=names),
            fan=pd.DataFrame(forecast.close_quantiles(FAN), index=names, columns=list(FAN)),
            rise=pd.Series(forecast.probability_up, index=names),
            proposal=self._series(self._proposed() * self.rules.caps),
            reasons=reasons(self.agent, outlook, yours.standing, names),
            held=self._series(yours.weights),
            accounts=pd.DataFrame.from_dict(accounts, orient="index"),
        )

    def step(self, overrides: Mapping[str, float] | None = None) -> Stepped:
        """Decide, and go on to the next close.

        Args:
            overrides: target weights by ticker, as shares of the portfolio; NaN leaves a position
                as it is. The others take the agent's proposal. Orders are then sized as ever:
                within the buffered caps and the gross cap, whole lots, and none inside the
                rebalancing band (`models.limits.plan_orders`).

        Raises:
            ValueError: naming symbol, rule and value, for a stranger, a weight beyond its cap or
                weights beyond the gross cap together; or at the end of the walk. Nothing has moved
                then.
        """
        if self.done:
            raise ValueError(
                f"a walk must have bars left; received a step after {self.row} of {self.bars}"
                + (", the account is ruined" if self._accounts[YOURS].ruined else "")
            )
        proposed = self._proposed()
        chosen, overridden = proposed.copy(), np.zeros(len(self.symbols), bool)
        for name, weight in self._checked(overrides or {}).items():
            at = self.symbols.index(name)
            # A cap's own quotient may lie a rounding error beyond one.
            chosen[at] = np.clip(weight / self.rules.caps[at], -1.0, 1.0)
            overridden[at] = True
        outlook, yours = self._outlook(), self._accounts[YOURS]
        targets = {
            name: act(outlook, self._accounts[name].standing)
            for name, act in self._policies.items()
        }
        closes = self.market.paths.bars[0, :, self.row, CLOSE]
        shares = yours.weights * yours.equity / closes
        yours.trade(chosen[None])
        for name, target in targets.items():
            self._accounts[name].trade(target)
        self.row += 1
        self._forecasts.push(
            [
                one.bars[end[self.row - 1] : end[self.row]]
                for one, end in zip(self._histories, self._ends, strict=True)
            ]
        )
        now = self.market.paths.bars[0, :, self.row]
        # Of ruin nothing is told but the equity: no orders are made of it.
        orders = yours.weights * yours.equity / now[:, CLOSE] - shares
        done = Stepped(
            time=self.times[self.row],
            proposed=self._series(proposed * self.rules.caps),
            chosen=self._series(chosen * self.rules.caps),
            overridden=pd.Series(overridden, index=list(self.symbols)),
            orders=self._series(np.zeros_like(orders) if yours.ruined else orders.round(6)),
            opens=self._series(now[:, OPEN]),
            reward=yours.reward,
            costs=yours.paid,
            growth=pd.Series({name: one.growth for name, one in self._accounts.items()}),
            ruined=yours.ruined,
        )
        self._remember(done)
        return done

    def _checked(self, overrides: Mapping[str, float]) -> dict[str, float]:
        """Overrides as plain numbers, if the rules allow them."""
        found: dict[str, float] = {}
        for name, weight in overrides.items():
            if name not in self.symbols:
                raise ValueError(
                    f"an override must name one of {', '.join(self.symbols)}; received {name!r}"
                )
            cap = float(self.caps[name])
            try:
                value = float(weight)
            except (TypeError, ValueError):
                raise ValueError(f"{name}: weight must be a number; received {weight!r}") from None
            if abs(value) > cap * (1.0 + TOLERANCE):
                raise ValueError(
                    f"{name}: weight must lie in [{-cap:g}, {cap:g}], its cap; received {value:g}"
                )
            found[name] = value
        total = sum(abs(value) for value in found.values() if not math.isnan(value))
        if total > self.rules.gross * (1.0 + TOLERANCE):
            raise ValueError(
                f"{', '.join(found)}: absolute weights must sum to at most {self.rules.gross:g}, "
                f"the gross cap; received {total:g}"
            )
        return found

    @property
    def record(self) -> pd.DataFrame:
        """Every bar walked, indexed by the close that valued its decision.

        Columns come in pairs: ``proposed``, ``chosen``, ``overridden``, ``held`` (after the step)
        and ``close`` of each symbol; ``reward``, ``costs`` in $ and ``equity`` of each account.
        """
        index = self.times[1 : self.row + 1].rename("time")
        columns = pd.MultiIndex.from_tuples(
            [
                *[(what, name) for what in _OF_SYMBOLS for name in self.symbols],
                *[(what, name) for what in _OF_ACCOUNTS for name in ACCOUNTS],
            ]
        )
        frame = pd.DataFrame(self._rows, index=index, columns=columns)
        kinds = {column: bool if column[0] == "overridden" else float for column in columns}
        return frame.astype(kinds)

    @property
    def equity(self) -> pd.DataFrame:
        """Of each account at each close so far, the first before any trade, in $."""
        start = pd.DataFrame(self.rules.equity, index=self.times[:1], columns=list(ACCOUNTS))
        return pd.concat([start, self.record["equity"]]) if self.row else start

    def _remember(self, done: Stepped) -> None:
        held, closes = self._accounts[YOURS].weights, self.market.paths.bars[0, :, self.row, CLOSE]
        of_symbols = (done.proposed, done.chosen, done.overridden, held, closes)
        kept: dict[tuple[str, str], object] = {
            (what, name): value
            for what, values in zip(_OF_SYMBOLS, of_symbols, strict=True)
            for name, value in zip(self.symbols, values, strict=True)
        }
        for name, one in self._accounts.items():
            values = (one.reward, one.paid, one.equity)
            kept |= {(what, name): v for what, v in zip(_OF_ACCOUNTS, values, strict=True)}
        self._rows.append(kept)

    def _outlook(self) -> Outlook:
        return self.market.paths.outlook(self.row)

    def _proposed(self) -> Floats:
        """Target exposures (S,) of the agent for your account, NaN to keep."""
        return self.agent.act(self._outlook(), self._accounts[YOURS].standing)[0]

    def _closes_before(self) -> Floats:
        """Each symbol's close before row 0."""
        return np.array(
            [one.close[end[0] - 2] for one, end in zip(self._histories, self._ends, strict=True)]
        )

    def _series(self, values: Floats) -> pd.Series:
        return pd.Series(values, index=list(self.symbols))


_OF_SYMBOLS = ("proposed", "chosen", "overridden", "held", "close")
_OF_ACCOUNTS = ("reward", "costs", "equity")


def _through(
    histories: Sequence[History], end: np.datetime64, bars: int | None
) -> tuple[list[History], NDArray[np.datetime64]]:
    """Histories through a number of common dates after an end; these dates.

    The first of the dates is the last common one that is not after the end.
    """
    common = CommonDates.of(histories)
    shared = common.dates[common.present.all(axis=1)].astype("datetime64[D]")
    first = int(np.searchsorted(shared, end.astype("datetime64[D]"), side="right"))
    if first == 0 or first == len(shared):
        raise ValueError(
            f"histories must share a date up to {str(end)[:10]} and one after it; they share "
            f"{len(shared)} dates"
        )
    dates = shared[first - 1 : None if bars is None else first + bars]
    return [one.until(_end_of(dates[-1])) for one in histories], dates


def _end_of(day: np.datetime64) -> np.datetime64:
    """The last moment of a day."""
    return (day + 1).astype("datetime64[ns]") - np.timedelta64(1, "ns")


def _remembering(
    market: RealMarket, known: Sequence[FeatureTable], forecaster: Forecaster, back: int
) -> RealMarket:
    """The same market, with observations of some real bars before its first row."""
    observer = Observer(forecaster)
    before = [
        observer.remembered(table, forecaster.hindcast(table), len(table) - 1 + np.arange(-back, 0))
        for table in known
    ]
    return replace(market, paths=replace(market.paths, before=np.stack(before)[None]))


def opened(
    settings: Settings,
    histories: Sequence[History],
    artifacts: ArtifactStore,
    *,
    bars: int = BARS,
    imagined: int | None = None,
    progress: Progress | None = None,
) -> Walk:
    """A walk with the models of the algorithm's first training.

    They are those of a backtest with the same settings, from the object store where it has them.

    Args:
        settings: which symbols, from when, in what account, by which agent.
        histories: their bars, the warm-up included (`research.workspace.load_histories`).
        artifacts: where models are kept.
        bars: to walk at most, >= 1.
        imagined: seed of an imagined market that goes on from the last known bars; None: the real
            span from the settings' start.
        progress: hears of the stages of learning.

    Raises:
        ValueError: if histories are too short to learn from, or as `Walk`.
    """
    known = known_at_start(histories, settings)
    tables = [FeatureTable.of(past) for past in known]
    # Whole shares, as a float: so the strategy has it, and keys of artifacts tell 1 from 1.0.
    learning, rules = settings.learning(), settings.rules(settings.run.cash, lot_size=1.0)
    now = datetime.combine(settings.run.start_date, time.min)
    models = Trainer(learning, artifacts, progress).train(tables, rules, now=now)
    if imagined is not None:
        market = imagined_histories(tables, models.forecaster, learning, bars, imagined)
    else:
        begins = [
            int(np.searchsorted(one.time, past.time[0]))
            for one, past in zip(histories, known, strict=True)
        ]
        market = [one.tail(len(one) - first) for one, first in zip(histories, begins, strict=True)]
    aversion = investor(learning.agent, len(tables)).aversion
    return Walk(
        models,
        market,
        rules,
        reward=REWARDS[learning.agent.reward](aversion),
        seed=settings.run.seed,
        draws=settings.run.forecast_draws,
        bars=bars,
    )


def imagined_histories(
    tables: Sequence[FeatureTable],
    forecaster: Forecaster,
    learning: LearningConfig,
    bars: int,
    seed: int,
) -> list[History]:
    """Known histories, and how one market of those that agents learn on goes on from them.

    Imagined bars are dated by business days; holidays are not imagined.

    Args:
        tables: of the known histories.
        forecaster: imagines.
        learning: how: the blend and the investor's premium.
        bars: how many, >= 1.
        seed: of the market.
    """
    if bars < 1:
        raise ValueError(f"bars must be at least 1; received {bars}")
    source = markets_to_learn_on(tables, forecaster, learning).starting("latest")
    found = source.sample(1, bars, streams(seed, "step")["paths"]).bars[0, :, 1:]
    end = data_end(tables)
    day = end.astype("datetime64[D]")
    days = np.busday_offset(day, np.arange(1, bars + 1), roll="preceding")
    times = days.astype("datetime64[ns]") + (end - day)
    return [
        History(
            table.symbol,
            np.concatenate([table.history.time, times]),
            np.concatenate([table.history.bars, imagined]),
        )
        for table, imagined in zip(tables, found, strict=True)
    ]
