"""The algorithm's parameters: typed, nested, validated, resolved once.

LEAN hands parameters over as one flat dictionary of strings. `Settings.from_parameters` turns them
into the configurations that the parts of the program take, refuses unknown names, and checks every
rule before anything else runs. `PARAMETERS` says for each name where its value lives; defaults live
there too, in the configurations, and nowhere else. `config.json` repeats them (a test holds the
two together), because `lean backtest --parameter` replaces its whole dictionary.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import Any

from algorithm.learning import AGENTS, ALONE, BEST, AgentConfig, ImaginationConfig, LearningConfig
from algorithm.stops import StopRules
from models.agent.observation import observation_names
from models.forecast.forecaster import ForecasterConfig
from models.limits import Caps, parse_overrides
from models.market.groups import GROUPS, groups_from
from sim.accounting import Rules
from sim.costs import InteractiveBrokersCost
from sim.rewards import BARS_PER_YEAR, REWARDS

OFF = "off"
"""The word that switches an optional rule off."""

INSIGHTS, ORDERS = "insights", "orders"
MONTHLY, WEEKLY, NEVER = "monthly", "weekly", "never"


@dataclass(frozen=True)
class RunSettings:
    """What is traded, when and how.

    Attributes:
        symbols: tickers, US equities.
        start_date: first day that is traded.
        end_date: last day.
        cash: $ at the start.
        account_share: of the account's value that is traded with; the rest is somebody else's.
        deployment: name of what live trading keeps for a restart; each account needs its own.
        trade_mode: ``insights`` (LEAN's framework) or ``orders`` (direct).
        seed: of everything random.
        warm_up_years: history before the start, and the length of what is learned from.
        retrain: ``monthly``, ``weekly`` or ``never``.
        forecast_draws: draws of every forecast.
        clear_models: forget the cached models first.
    """

    symbols: tuple[str, ...] = ("AAPL", "GOOG", "IBM")
    start_date: date = date(2009, 1, 2)
    end_date: date = date(2013, 2, 28)
    cash: float = 100_000.0
    account_share: float = 1.0
    deployment: str = "default"
    trade_mode: str = INSIGHTS
    seed: int = 1
    warm_up_years: float = 4.0
    retrain: str = MONTHLY
    forecast_draws: int = 128
    clear_models: bool = False

    @property
    def learned_bars(self) -> int:
        """Bars of each symbol that are learned from, at most: the newest."""
        return math.ceil(self.warm_up_years * BARS_PER_YEAR)


@dataclass(frozen=True)
class Settings:
    """Everything a user can set, by the part of the program that takes it.

    Attributes:
        run: what is traded, when and how.
        costs: what trading costs, in backtest and training alike.
        caps: how much of each symbol may be held.
        stops: when to get out regardless of the agent.
        forecaster: the LSTM.
        imagination: the markets that are imagined for a training.
        agent: which agent trades, what it wants and how long it learns.

    Raises:
        ValueError: naming the parameter, the rule and what was received.
    """

    run: RunSettings = field(default_factory=RunSettings)
    costs: InteractiveBrokersCost = field(
        default_factory=lambda: InteractiveBrokersCost(slippage=0.0005)
    )
    caps: Caps = field(default_factory=lambda: Caps(default=0.32))
    stops: StopRules = field(default_factory=StopRules)
    forecaster: ForecasterConfig = field(default_factory=ForecasterConfig)
    imagination: ImaginationConfig = field(default_factory=ImaginationConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)

    def __post_init__(self) -> None:
        for parameter in PARAMETERS:
            parameter.check(_at(self, parameter.path))
        if self.run.start_date >= self.run.end_date:
            raise ValueError(
                f"parameter start_date must lie before end_date; "
                f"received {self.run.start_date} and {self.run.end_date}"
            )
        strangers = sorted(set(self.caps.overrides) - set(self.run.symbols))
        if strangers:
            raise ValueError(
                "parameter caps must name traded symbols only "
                f"({', '.join(self.run.symbols)}); received {', '.join(strangers)}"
            )

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> Settings:
        """Read settings from LEAN's parameters.

        Args:
            parameters: names and values as LEAN gives them, all strings; absent names keep
                their default.

        Raises:
            ValueError: for an unknown name, a malformed value, or a value out of range, naming
                the parameter, the rule and what was received.
        """
        known = {parameter.name: parameter for parameter in PARAMETERS}
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            meant = {name: get_close_matches(name, known, n=1) for name in unknown}
            named = [f"{n} (is {meant[n][0]} meant?)" if meant[n] else n for n in unknown]
            raise ValueError(
                f"unknown parameter {', '.join(named)}; known: {', '.join(sorted(known))}"
            )
        changes: dict[tuple[str, ...], Any] = {}
        for name, text in parameters.items():
            changes[known[name].path] = known[name].read(str(text))
        return _changed(cls(), changes)

    def to_parameters(self) -> dict[str, str]:
        """The same settings as the strings that `from_parameters` reads."""
        return {
            parameter.name: parameter.show(_at(self, parameter.path)) for parameter in PARAMETERS
        }

    def learning(self) -> LearningConfig:
        """What learning takes of the settings; agents are as wide as what they observe."""
        width = len(observation_names(self.forecaster.features))
        return LearningConfig(
            self.run.seed, self.forecaster, self.imagination, self.agent.observing(width)
        )

    def rules(self, equity: float, lot_size: float = 1) -> Rules:
        """What binds an account, the same in the environment and in trading.

        Args:
            equity: portfolio value in $, > 0; taken as `account_size` has it.
            lot_size: shares that orders are a multiple of; 0 for fractional ones.
        """
        return Rules.of(
            self.caps,
            self.run.symbols,
            equity=account_size(equity),
            lot_size=lot_size,
            costs=self.costs,
        )


@dataclass(frozen=True)
class Parameter:
    """A name that users set, where its value lives, how it reads and what it must satisfy.

    Attributes:
        name: as users write it.
        path: fields that lead to its value, from `Settings` down.
        parse: text to value; raises ValueError.
        rule: what a value must be, after "must".
        holds: whether a value satisfies the rule.
        show: value to text, the inverse of `parse`.
        explains: whether the errors of `parse` say more than the rule does.
    """

    name: str
    path: tuple[str, ...]
    parse: Callable[[str], Any]
    rule: str
    holds: Callable[[Any], bool]
    show: Callable[[Any], str]
    explains: bool = False

    def read(self, text: str) -> Any:
        """The value that a user's text stands for, checked.

        Raises:
            ValueError: naming the parameter, the rule and the text.
        """
        try:
            value = self.parse(text.strip())
        except ValueError as problem:
            if self.explains:
                raise ValueError(f"parameter {self.name}: {problem}") from None
            raise ValueError(f"parameter {self.name} must {self.rule}; received {text!r}") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """The same value, if it satisfies the rule; otherwise ValueError."""
        if not self.holds(value):
            raise ValueError(f"parameter {self.name} must {self.rule}; received {value!r}")
        return value


def _parse_bool(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) >= 10:
        return str(int(value))
    return str(value)


def _count(name: str, path: str, low: int, high: int) -> Parameter:
    return Parameter(
        name,
        tuple(path.split(".")),
        int,
        f"be a whole number in {low}..{high}",
        lambda v: low <= v <= high,
        _show,
    )


def _number(name: str, path: str, rule: str, holds: Callable[[float], bool]) -> Parameter:
    return Parameter(name, tuple(path.split(".")), float, f"be a number {rule}", holds, _show)


def _optional(name: str, path: str, rule: str, holds: Callable[[float], bool]) -> Parameter:
    return Parameter(
        name,
        tuple(path.split(".")),
        lambda text: None if text.lower() == OFF else float(text),
        f"be {OFF!r} or a number {rule}",
        lambda v: v is None or holds(v),
        lambda v: OFF if v is None else _show(v),
    )


def _day(name: str, path: str) -> Parameter:
    return Parameter(
        name,
        tuple(path.split(".")),
        date.fromisoformat,
        "be a date such as 2009-01-02",
        lambda v: isinstance(v, date),
        date.isoformat,
    )


def _choice(name: str, path: str, *choices: str) -> Parameter:
    return Parameter(
        name,
        tuple(path.split(".")),
        str,
        f"be one of {', '.join(choices)}",
        lambda v: v in choices,
        str,
    )


def _flag(name: str, path: str) -> Parameter:
    return Parameter(
        name,
        tuple(path.split(".")),
        _parse_bool,
        "be true or false",
        lambda v: isinstance(v, bool),
        _show,
    )


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "symbols",
        ("run", "symbols"),
        lambda text: tuple(part.strip().upper() for part in text.split(",") if part.strip()),
        "name at least one ticker, each once",
        lambda v: len(v) > 0 and len(set(v)) == len(v),
        ",".join,
    ),
    _day("start_date", "run.start_date"),
    _day("end_date", "run.end_date"),
    _number("cash", "run.cash", "> 0", lambda v: 0 < v < float("inf")),
    _number("account_share", "run.account_share", "in (0, 1]", lambda v: 0 < v <= 1),
    Parameter(
        "deployment",
        ("run", "deployment"),
        str,
        "be made of letters, digits, - and _",
        lambda v: re.fullmatch(r"[A-Za-z0-9_-]+", v) is not None,
        str,
    ),
    _choice("trade_mode", "run.trade_mode", INSIGHTS, ORDERS),
    _count("seed", "run.seed", 0, 2**31 - 1),
    _number("cap", "caps.default", "in (0, 1]", lambda v: 0 < v <= 1),
    Parameter(
        "caps",
        ("caps", "overrides"),
        parse_overrides,
        "read like TSLA:0.01,AAPL:0.2",
        lambda v: all(0 < cap <= 1 for cap in v.values()),
        lambda v: ",".join(f"{symbol}:{cap}" for symbol, cap in v.items()),
        explains=True,
    ),
    _number("gross_cap", "caps.gross", "in (0, 1]", lambda v: 0 < v <= 1),
    _number("cap_buffer", "caps.buffer", "in [0, 1)", lambda v: 0 <= v < 1),
    _number("rebalance_band", "caps.band", "in [0, 1]", lambda v: 0 <= v <= 1),
    _number("slippage", "costs.slippage", "in [0, 0.1]", lambda v: 0 <= v <= 0.1),
    _flag("allow_short", "agent.allow_short"),
    _choice("agent", "agent.kind", BEST, *AGENTS),
    Parameter(
        "candidates",
        ("agent", "candidates"),
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        f"name two or more of {', '.join(AGENTS)}, each once",
        lambda v: len(v) >= 2 and len(set(v)) == len(v) and set(v) <= set(AGENTS),
        ",".join,
    ),
    Parameter(
        "members",
        ("agent", "members"),
        lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
        f"name two or more of {', '.join(ALONE)}, each once",
        lambda v: len(v) >= 2 and len(set(v)) == len(v) and set(v) <= set(ALONE),
        ",".join,
    ),
    _number("aversion", "agent.analytic.aversion", "in (0, 1000]", lambda v: 0 < v <= 1000),
    _count("workers", "agent.workers", 1, 256),
    _optional("target_volatility", "agent.target_volatility", "in (0, 1]", lambda v: 0 < v <= 1),
    _choice("reward", "agent.reward", *REWARDS),
    _number("premium", "agent.analytic.sharpe_ratio", "in [0, 5]", lambda v: 0 <= v <= 5),
    _number(
        "premium_deviation", "imagination.premium_deviation", "in [0, 2]", lambda v: 0 <= v <= 2
    ),
    _number("trend", "agent.analytic.trend", "in [0, 1]", lambda v: 0 <= v <= 1),
    Parameter(
        "actions",
        ("agent", "network", "actions"),
        lambda text: tuple(float(part) for part in text.split(",")),
        "be two or more ascending numbers in [-1, 1], zero among them",
        lambda v: (
            len(v) >= 2
            and 0.0 in v
            and all(-1 <= a <= 1 for a in v)
            and all(a < b for a, b in itertools.pairwise(v))
        ),
        lambda v: ",".join(f"{a:g}" for a in v),
    ),
    _optional("stop_loss", "stops.stop_loss", "in (0, 1)", lambda v: 0 < v < 1),
    _optional("take_profit", "stops.take_profit", "> 0", lambda v: 0 < v < float("inf")),
    _optional("daily_stop", "stops.daily_stop", "in (0, 1)", lambda v: 0 < v < 1),
    _count("cooldown_bars", "stops.cooldown_bars", 0, 252),
    _number("warm_up_years", "run.warm_up_years", "in [1, 20]", lambda v: 1 <= v <= 20),
    _choice("retrain", "run.retrain", MONTHLY, WEEKLY, NEVER),
    Parameter(
        "features",
        ("forecaster", "features"),
        lambda text: groups_from([part.strip() for part in text.split(",") if part.strip()]),
        f"name one or more of {', '.join(GROUPS)}, each once",
        lambda v: v == groups_from(v),
        ",".join,
        explains=True,
    ),
    _count("forecaster_units", "forecaster.units", 4, 512),
    _count("forecaster_window", "forecaster.window", 20, 250),
    _number("forecaster_dropout", "forecaster.dropout", "in (0, 1)", lambda v: 0 < v < 1),
    _count("forecaster_epochs", "forecaster.epochs", 1, 1000),
    _count("forecaster_retrain_epochs", "forecaster.retrain_epochs", 1, 1000),
    _count("forecast_draws", "run.forecast_draws", 16, 100_000),
    _count("paths", "imagination.paths", 8, 100_000),
    _count("retrain_paths", "imagination.retrain_paths", 8, 100_000),
    _count("path_bars", "imagination.bars", 10, 1000),
    _number("blend", "imagination.blend", "in [0, 1]", lambda v: 0 <= v <= 1),
    Parameter(
        "agent_units",
        ("agent", "network", "units"),
        lambda text: (int(text),) * 2,
        "be a whole number in 4..1024",
        lambda v: all(4 <= width <= 1024 for width in v),
        lambda v: str(v[0]),
    ),
    _count("agent_updates", "agent.updates", 1, 10_000_000),
    _count("agent_retrain_updates", "agent.retrain_updates", 1, 10_000_000),
    _number("agent_discount", "agent.network.discount", "in [0, 1)", lambda v: 0 <= v < 1),
    _flag("clear_models", "run.clear_models"),
)
"""Every parameter, in the order of `config.json`."""


def account_size(equity: float) -> float:
    """An account's size as training takes it: two significant digits.

    What depends on it, fees per share and whole lots, changes little within a few percent; so
    that the same account finds its models again, the size is not told more exactly.

    Raises:
        ValueError: if it is not finite and > 0.
    """
    if not (math.isfinite(equity) and equity > 0):
        raise ValueError(f"the account's size must be finite and > 0; received {equity}")
    return float(f"{equity:.1e}")


def _at(settings: Settings, path: tuple[str, ...]) -> Any:
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _changed(part: Any, changes: Mapping[tuple[str, ...], Any]) -> Any:
    """A configuration with other values at some paths; every part of it is built once."""
    values: dict[str, Any] = {path[0]: v for path, v in changes.items() if len(path) == 1}
    for name in {path[0] for path in changes if len(path) > 1}:
        below = {path[1:]: v for path, v in changes.items() if path[0] == name}
        values[name] = _changed(getattr(part, name), below)
    return dataclasses.replace(part, **values)
