"""`python -m engine status`: what a live account holds and waits for, and how old its data are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from engine.common.clock import NEW_YORK, from_utc
from engine.common.decimals import text
from engine.common.enums import OrderType
from engine.live.state import AccountStore, holder

_TIME = "%Y-%m-%d %H:%M:%S"


def told(folder: Path) -> list[str]:
    """Lines about an account; times are New York's, of the run's own clock.

    Raises:
        ValueError: if the folder holds no account.
        StateError: if it cannot be read.
    """
    store = AccountStore(folder, read_only=True)
    try:
        return list(_lines(store, holder(folder)))
    finally:
        store.close()


def _lines(store: AccountStore, process: int | None) -> Iterator[str]:
    facts = store.facts()
    state = facts.get("status", "never run")
    if process is not None:
        state = f"running, process {process}"
    elif state == "running":
        state = "not running: it was killed"
    yield f"Run        {facts.get('run', 'none')} ({state})"
    if facts.get("error"):
        yield f"Error      {facts['error']}"
    if "project" in facts:
        yield f"Project    {facts['project']}"
    clock = facts.get("clock")
    if clock is not None:
        yield f"Clock      {_local(clock):{_TIME}} New York"
    bar = facts.get("last_bar")
    if bar is None or clock is None:
        yield "Last bar   none yet"
    else:
        age = datetime.fromisoformat(clock) - datetime.fromisoformat(bar)
        yield f"Last bar   {_local(bar):{_TIME}}, {age} old"
    if "equity" in facts:
        yield f"Equity     ${float(facts['equity']):,.2f}"
    if store.cash is not None:
        yield f"Cash       ${store.cash:,.2f}"
    positions = store.positions()
    yield "Holds      " + (
        ", ".join(f"{t} {text(q)} @ {p:,.2f}" for t, (q, p) in positions.items()) or "nothing"
    )
    waiting = [
        f"{OrderType[order['type']].net_name} {order['quantity']} {order['ticker']} "
        f"(order {order['id']}, {order['status'].lower()})"
        for order in store.open_orders()
    ]
    yield "Waits      " + (", ".join(waiting) or "for nothing")
    if facts.get("last_line"):
        yield f"Last line  {facts['last_line']}"


def _local(iso: str) -> datetime:
    return from_utc(datetime.fromisoformat(iso), NEW_YORK)
