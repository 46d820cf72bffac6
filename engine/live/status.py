"""`python -m engine status`: what a live account holds and waits for, and how old its data are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.common.decimals import text
from engine.common.enums import OrderType
from engine.live.feeds import REPLAY
from engine.live.state import AccountStore, holder

_TIME = "%Y-%m-%d %H:%M:%S"
_SHOWN_BARS = 8


def status(folder: Path) -> dict[str, Any]:
    """What is known of an account, as JSON can say it.

    Times are UTC, ISO; ages are seconds, on the run's own clock for a replay and up to now for any
    other feed. Money and quantities are decimal text. What was never noted is None.

    Raises:
        ValueError: if the folder holds no account.
        StateError: if it cannot be read.
    """
    store = AccountStore(folder, read_only=True)
    try:
        return _gathered(store, holder(folder))
    finally:
        store.close()


def told(folder: Path) -> list[str]:
    """Lines about an account, for a screen; times are New York's.

    Raises:
        ValueError: if the folder holds no account.
        StateError: if it cannot be read.
    """
    return list(_lines(status(folder)))


def _gathered(store: AccountStore, process: int | None) -> dict[str, Any]:
    facts = store.facts()
    state = facts.get("status", "never run")
    if process is not None:
        state = "running"
    elif state == "running":
        state = "killed"
    clock, feed = facts.get("clock"), facts.get("feed")
    now = None if clock is None else datetime.fromisoformat(clock)
    if feed not in (None, REPLAY):
        now = datetime.now(UTC).replace(tzinfo=None)
    bars = {
        ticker: {"end": end, "age": _age(datetime.fromisoformat(end), now)}
        for ticker, end in sorted(json.loads(facts.get("newest", "{}")).items())
    }
    return {
        "run": facts.get("run"),
        "state": state,
        "process": process,
        "error": facts.get("error") or None,
        "project": facts.get("project"),
        "feed": feed,
        "clock": clock,
        "last_bars": bars,
        "equity": facts.get("equity"),
        "cash": None if store.cash is None else str(store.cash),
        "positions": {
            ticker: {"quantity": str(quantity), "average_price": str(price)}
            for ticker, (quantity, price) in store.positions().items()
        },
        "open_orders": [
            {name: order[name] for name in ("id", "type", "ticker", "quantity", "status")}
            for order in store.open_orders()
        ],
        "told_by_algorithm": {
            name: {"value": value, "age": _age(_as_utc(value), now)}
            for name, value in json.loads(facts.get("told_by_algorithm", "{}")).items()
        },
        "last_line": facts.get("last_line") or None,
    }


def _age(moment: datetime | None, now: datetime | None) -> float | None:
    """Seconds since a moment; None without one."""
    return None if moment is None or now is None else (now - moment).total_seconds()


def _as_utc(value: str) -> datetime | None:
    """UTC of a time in New York that an algorithm tells of; None for anything else."""
    try:
        return to_utc(datetime.fromisoformat(value), NEW_YORK)
    except ValueError:
        return None


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    state = {
        "running": f"running, process {found['process']}",
        "killed": "not running: it was killed",
    }.get(found["state"], found["state"])
    yield _line("Run", f"{found['run'] or 'none'} ({state})")
    if found["error"]:
        yield _line("Error", found["error"])
    if found["project"]:
        yield _line("Project", found["project"])
    if found["feed"]:
        yield _line("Feed", found["feed"])
    if found["clock"]:
        yield _line("Clock", f"{_local(found['clock']):{_TIME}} New York")
    bars = found["last_bars"]
    for number, (ticker, bar) in enumerate(list(bars.items())[:_SHOWN_BARS]):
        age = "" if bar["age"] is None else f", {_span(bar['age'])} old"
        shown = f"{ticker:6} {_local(bar['end']):{_TIME}}{age}"
        yield _line("" if number else "Last bars", shown)
    if len(bars) > _SHOWN_BARS:
        oldest = min(bars, key=lambda ticker: bars[ticker]["end"])
        rest = f"and {len(bars) - _SHOWN_BARS} more; the oldest is {oldest}'s, of "
        yield _line("", rest + f"{_local(bars[oldest]['end']):{_TIME}}")
    if not bars:
        yield _line("Last bars", "none yet")
    for name, each in found["told_by_algorithm"].items():
        age = "" if each["age"] is None else f", {_span(each['age'])} ago"
        yield _line(name, each["value"].replace("T", " ") + age if age else each["value"])
    if found["equity"] is not None:
        yield _line("Equity", f"${float(found['equity']):,.2f}")
    if found["cash"] is not None:
        yield _line("Cash", f"${float(found['cash']):,.2f}")
    yield _line("Holds", ", ".join(_held(found["positions"])) or "nothing")
    waiting = [
        f"{OrderType[order['type']].net_name} {order['quantity']} {order['ticker']} "
        f"(order {order['id']}, {order['status'].lower()})"
        for order in found["open_orders"]
    ]
    yield _line("Waits", ", ".join(waiting) or "no order")
    if found["last_line"]:
        yield _line("Last line", found["last_line"])


def _held(positions: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for ticker, held in positions.items():
        quantity, price = text(Decimal(held["quantity"])), float(held["average_price"])
        yield f"{ticker} {quantity} @ {price:,.2f}"


def _line(name: str, value: str) -> str:
    return f"{name:14} {value}"


def _span(seconds: float) -> str:
    """A length of time as one reads it: days and hours, or hours, minutes and seconds."""
    whole = timedelta(seconds=int(seconds))
    if whole < timedelta(days=1):
        return str(whole)
    return f"{whole.days} d {whole.seconds // 3600} h"


def _local(iso: str) -> datetime:
    return from_utc(datetime.fromisoformat(iso), NEW_YORK)
