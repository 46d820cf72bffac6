"""The algorithm's parameters: one typed, validated object, resolved once.

LEAN hands parameters over as strings. `Settings.from_parameters` turns them into values, refuses
unknown names, and checks every rule before anything else runs. The defaults here equal those of
`config.json` (a test holds them together), because `lean backtest --parameter` replaces the
whole dictionary of `config.json`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from models.limits import Caps

OFF = "off"
"""The word that switches an optional rule off."""


def _parameter(default: Any, parse: Callable[[str], Any], rule: str, holds: Callable) -> Any:
    """A dataclass field that knows how to read itself from a string and what it must satisfy."""
    return field(default=default, metadata={"parse": parse, "rule": rule, "holds": holds})


def _parse_bool(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def _parse_symbols(text: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())


def _parse_optional(text: str) -> float | None:
    return None if text.lower() == OFF else float(text)


def _count(default: int, low: int, high: int) -> Any:
    return _parameter(
        default, int, f"must be a whole number in {low}..{high}", lambda v: low <= v <= high
    )


def _number(default: float, rule: str, holds: Callable[[float], bool]) -> Any:
    return _parameter(default, float, f"must be a number {rule}", holds)


def _optional(default: float | None, rule: str, holds: Callable[[float], bool]) -> Any:
    return _parameter(
        default,
        _parse_optional,
        f"must be {OFF!r} or a number {rule}",
        lambda v: v is None or holds(v),
    )


def _day(default: str) -> Any:
    return _parameter(
        date.fromisoformat(default),
        date.fromisoformat,
        "must be a date such as 2009-01-02",
        lambda v: True,
    )


def _choice(default: str, *choices: str) -> Any:
    return _parameter(default, str, f"must be one of {', '.join(choices)}", lambda v: v in choices)


@dataclass(frozen=True)
class Settings:
    """Everything a user can set. Fractions are of portfolio value unless said otherwise."""

    # What is traded, and when.
    symbols: tuple[str, ...] = _parameter(
        ("AAPL", "GOOG", "IBM"),
        _parse_symbols,
        "must name at least one ticker, each once",
        lambda v: len(v) > 0 and len(set(v)) == len(v),
    )
    start_date: date = _day("2009-01-02")
    end_date: date = _day("2013-02-28")
    cash: float = _number(100_000.0, "> 0", lambda v: 0 < v < float("inf"))
    trade_mode: str = _choice("insights", "insights", "orders")
    seed: int = _count(1, 0, 2**31 - 1)

    # How much of it.
    cap: float = _number(0.32, "in (0, 1]", lambda v: 0 < v <= 1)
    caps: str = _parameter("", str, "must read like TSLA:0.01,AAPL:0.2", lambda v: True)
    gross_cap: float = _number(1.0, "in (0, 1]", lambda v: 0 < v <= 1)
    cap_buffer: float = _number(0.03, "in [0, 1)", lambda v: 0 <= v < 1)
    rebalance_band: float = _number(0.10, "in [0, 1]", lambda v: 0 <= v <= 1)
    slippage: float = _number(0.0005, "in [0, 0.1]", lambda v: 0 <= v <= 0.1)
    allow_short: bool = _parameter(True, _parse_bool, "must be true or false", lambda v: True)

    # When to get out regardless of the agent.
    stop_loss: float | None = _optional(0.15, "in (0, 1)", lambda v: 0 < v < 1)
    take_profit: float | None = _optional(None, "> 0", lambda v: 0 < v < float("inf"))
    daily_stop: float | None = _optional(0.05, "in (0, 1)", lambda v: 0 < v < 1)
    cooldown_bars: int = _count(5, 0, 252)

    # Learning.
    warm_up_years: float = _number(4.0, "in [1, 20]", lambda v: 1 <= v <= 20)
    retrain: str = _choice("monthly", "monthly", "weekly", "never")
    forecaster_units: int = _count(32, 4, 512)
    forecaster_window: int = _count(60, 20, 250)
    forecaster_dropout: float = _number(0.1, "in (0, 1)", lambda v: 0 < v < 1)
    forecaster_epochs: int = _count(40, 1, 1000)
    forecaster_retrain_epochs: int = _count(2, 1, 1000)
    forecast_draws: int = _count(128, 16, 100_000)
    paths: int = _count(1024, 8, 100_000)
    retrain_paths: int = _count(512, 8, 100_000)
    path_bars: int = _count(60, 10, 1000)
    blend: float = _number(0.25, "in [0, 1]", lambda v: 0 <= v <= 1)
    agent_units: int = _count(64, 4, 1024)
    agent_updates: int = _count(4000, 1, 10_000_000)
    agent_retrain_updates: int = _count(200, 1, 10_000_000)
    agent_discount: float = _number(0.9, "in [0, 1)", lambda v: 0 <= v < 1)

    # Keeping.
    clear_models: bool = _parameter(False, _parse_bool, "must be true or false", lambda v: True)

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if not item.metadata["holds"](value):
                raise ValueError(
                    f"parameter {item.name} {item.metadata['rule']}; received {value!r}"
                )
        if self.start_date >= self.end_date:
            raise ValueError(
                f"parameter start_date must lie before end_date; "
                f"received {self.start_date} and {self.end_date}"
            )
        self.limits()

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
        known = {item.name: item for item in dataclasses.fields(cls)}
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise ValueError(
                f"unknown parameter {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            )
        values = {}
        for name, text in parameters.items():
            metadata = known[name].metadata
            try:
                values[name] = metadata["parse"](str(text).strip())
            except ValueError:
                raise ValueError(
                    f"parameter {name} {metadata['rule']}; received {text!r}"
                ) from None
        return cls(**values)

    def to_parameters(self) -> dict[str, str]:
        """The same settings as the strings that `from_parameters` reads."""
        return {item.name: _as_text(getattr(self, item.name)) for item in dataclasses.fields(self)}

    def limits(self) -> Caps:
        """The capital caps, as the pure functions of `models.limits` take them."""
        caps = Caps.parse(
            default=self.cap,
            overrides=self.caps,
            gross=self.gross_cap,
            buffer=self.cap_buffer,
            band=self.rebalance_band,
        )
        strangers = sorted(set(caps.overrides) - set(self.symbols))
        if strangers:
            raise ValueError(
                f"parameter caps must name traded symbols only ({', '.join(self.symbols)}); "
                f"received {', '.join(strangers)}"
            )
        return caps


def _as_text(value: Any) -> str:
    if value is None:
        return OFF
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer() and abs(value) >= 10:
        return str(int(value))
    return str(value)
