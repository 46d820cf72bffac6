"""Is a live run that is killed again and again the run that was never killed?

A small market with a split and dividends is traded live by the whole algorithm, decisions scripted,
in a process of its own (`python -m engine live`, durable paper account, event time). The process
is killed (SIGKILL) at random: by the clock of the machine, or at a point of the code, in the middle
of a write or between two things that belong together. It is started again until the span is over;
then the next span begins with a new account, until there were as many kills as asked for. Orders,
fills, cash and positions of every span, what shadow accounts have earned, the closes that the
report knows and what the account was worth at each must be those of a run that nobody killed.

    python -m tests.integration.kills [--kills 200] [--seed 1] [--points NAME ...] [--folder F]

Event time stands still while nothing runs, so every restart is over before the next time of
sending. Real time does not: after every other kill the account's clock moves on by a random span
that does not hold the sending and its open, as if nothing had run meanwhile. It may hold a close,
which the next start decides.
Prints a line per span and per class of moment, and a verdict; the exit status is 1 if anything
differs.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from algorithm.bars import BarBook
from algorithm.live_trading.state import RECORDS, STATES, LiveState
from engine.api.object_store import ObjectStore
from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.live.state import DATABASE, AccountStore
from models.agent.outlook import Outlook
from research.conditions import ROOT, conditions, option_parser
from sim.rules import Rule
from sim.shadow import ShadowAccounts
from tests.integration.live import FIRST, PARAMETERS, Market
from tests.integration.scripted import ScriptedDecider

KILL_AT = "MIRAGE_KILL_AT"
"""Environment variable: a point's name, a colon, and at which of its passes the process dies."""

RULES = ("constant_mix", "buy_and_hold")
"""Whose shadow accounts are watched: rules that need no forecast."""

BEGIN, END = date(2010, 3, 1), date(2010, 4, 30)
SPLIT, DIVIDENDS = date(2010, 3, 24), {"BBB": date(2010, 3, 16), "CCC": date(2010, 3, 31)}
RANDOM = "any time"

MAIN = '''
from tests.integration.kills import MonthlyScript, arm
from algorithm.strategy import MirageStrategy


class Scripted(MirageStrategy):
    """The strategy with a new script in place of learned models every month."""

    def create_learner(self, options):
        return MonthlyScript(options.run.seed)


arm()
'''


class WatchedScript(ScriptedDecider):
    """A script beside which shadow accounts are shown every close."""

    def __init__(self, names: list[str], caps: Any, seed: int, accounts: ShadowAccounts) -> None:
        super().__init__(names, caps, seed)
        self._names, self._accounts = names, accounts

    def catch_up(self, bars: BarBook) -> None:
        """Show the accounts the closes that they have not seen."""
        known = {name: dict(bars.of(name)) for name in self._names}
        blank = np.zeros((1, len(self._names), 0))
        for close in sorted(set().union(*known.values())):
            rows = np.array([known[name].get(close, [np.nan] * 5) for name in self._names])
            if close > self._accounts.reached and np.isfinite(rows).all():
                outlook = Outlook(blank.astype(np.float32), blank, np.eye(len(rows))[None])
                self._accounts.close(close, outlook, rows[:, 0], rows[:, 3])


class MonthlyScript:
    """A learner whose every training gives another script, by its month; with shadow accounts."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._trained: int | None = None
        self._accounts: ShadowAccounts | None = None
        self._kept: Any = None
        self._since = datetime.min

    def decider(self, histories: Any, rules: Any, now: datetime) -> Any:
        """A script of the month."""
        self._trained, self._since = self._seed + now.month, now
        return self.again(histories, rules)

    def again(self, histories: Any, rules: Any) -> Any:
        """The same script."""
        if self._accounts is None:
            policies = {name: Rule(name) for name in RULES}
            self._accounts = ShadowAccounts(policies, replace(rules, equity=1e5), self._since)
            if self._kept is not None:
                self._accounts.restore(self._kept)
        self._accounts.follow(histories)
        names = [history.symbol for history in histories]
        return WatchedScript(names, rules.caps, self._trained or 0, self._accounts)

    def to_state(self) -> dict[str, int] | None:
        """By what a restart finds the script."""
        return None if self._trained is None else {"seed": self._trained}

    def record(self) -> dict[str, Any] | None:
        """What the accounts have earned."""
        return None if self._accounts is None else self._accounts.to_state()

    def restore(self, state: dict[str, int], record: Any, now: datetime) -> None:
        """Go on with a script."""
        self._trained, self._kept = state["seed"], record


def _status(*names: str) -> Callable[..., bool]:
    return lambda brokerage, order, event: event.status.name in names


def _half(source: Any, target: Any, **rest: Any) -> None:
    """Leave a file half written."""
    os.truncate(source, os.path.getsize(source) // 2)


def _is_kept(folder: str) -> Callable[..., bool]:
    """Whether a file is put straight into a folder of the object store."""
    return lambda source, target, **rest: str(Path(target).parent).endswith(folder.rstrip("/"))


@dataclass(frozen=True)
class Point:
    """A moment in the code.

    Attributes:
        owner: module and class or object in it.
        name: its function.
        after: whether the process dies after the function, or before it.
        when: which calls count, by their arguments; all by default.
        first: done just before the process dies.
        passes: about how often a span of two months passes it.
    """

    owner: str
    name: str
    after: bool = False
    when: Callable[..., bool] = lambda *given, **named: True
    first: Callable[..., None] = lambda *given, **named: None
    passes: int = 40

    def found(self) -> tuple[Any, Callable[..., Any]]:
        """Owner and function as they are."""
        module, _, owner = self.owner.partition(":")
        holder = getattr(import_module(module), owner)
        return holder, getattr(holder, self.name)


_BROKERAGE = "engine.live.brokerage:PaperBrokerage"
_ACCOUNT = "engine.live.state:AccountStore"
_ORDERING = "algorithm.live_trading.ordering:Ordering"
_STATE = "algorithm.live_trading.state:StateStore"
_STRATEGY = "algorithm.strategy:MirageStrategy"
_SUBMITTED, _FILLED = _status("SUBMITTED"), _status("FILLED", "PARTIALLY_FILLED")

POINTS = {
    "starting": Point("algorithm.live_trading.desk:LiveDesk", "begin", passes=1),
    "started": Point("algorithm.live_trading.desk:LiveDesk", "begin", after=True, passes=1),
    "training": Point("tests.integration.kills:MonthlyScript", "decider", passes=1),
    "trained": Point(_STRATEGY, "_learn_beside", after=True, passes=1),
    "deciding": Point("tests.integration.scripted:ScriptedDecider", "decide"),
    "decided, not noted": Point("algorithm.live_trading.desk:LiveDesk", "record"),
    "noted, close not over": Point(_STRATEGY, "_trade_live", after=True),
    "state before it is saved": Point(_STATE, "save", passes=80),
    "state half written": Point(
        "engine.api.object_store:os", "replace", passes=80, first=_half, when=_is_kept(STATES),
    ),
    "record half written": Point(
        "engine.api.object_store:os", "replace", first=_half, when=_is_kept(STATES + RECORDS),
    ),
    "record saved before the state": Point(
        "engine.api.object_store:os", "replace", after=True, when=_is_kept(STATES + RECORDS),
    ),
    "state saved": Point(_STATE, "save", after=True, passes=80),
    "order not on disk": Point(_BROKERAGE, "_record", when=_SUBMITTED),
    "order half written": Point(
        _ACCOUNT, "add_event", when=lambda s, o, n, content: content["status"] == "SUBMITTED"
    ),
    "order not acknowledged": Point(_BROKERAGE, "_record", after=True, when=_SUBMITTED),
    "room ordered, the rest not": Point(_ORDERING, "_fitted", passes=20),
    "ordered, not noted": Point(_ORDERING, "_sent"),
    "filled, not on disk": Point(_BROKERAGE, "_record", when=_FILLED),
    "fill half written": Point(
        _ACCOUNT, "add_event", when=lambda s, o, n, content: content["status"] == "FILLED"
    ),
    "fill not acknowledged": Point(_BROKERAGE, "_record", after=True, when=_FILLED),
    "dividend or split half written": Point(
        # Of a day's event, not of all that are known at a start.
        _BROKERAGE, "_note_day", passes=2, when=lambda account, now, days: len(days) == 1
    ),
    "dividend or split not told": Point(
        "engine.live.loop:LiveLoop", "_dividends_and_splits", after=True, passes=2,
        when=lambda loop, step: step.slice.dividends or step.slice.splits,
    ),
    "dividend or split told": Point(
        "engine.live.loop:LiveLoop", "_user_events", after=True, passes=2,
        when=lambda loop, step: step.slice.dividends or step.slice.splits,
    ),
    "between two beats": Point(
        _ACCOUNT, "note", when=lambda store, facts: "done" in facts, passes=400
    ),
}  # fmt: skip
"""Where a process is killed, by what has happened."""


def arm() -> None:
    """In the process that is to be killed: wait at the point that the environment names."""
    wanted = os.environ.get(KILL_AT)
    if not wanted:
        return
    name, _, count = wanted.rpartition(":")
    point = POINTS[name]
    holder, function = point.found()
    left = int(count)

    def die(*given: Any, **named: Any) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            point.first(*given, **named)
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(function)
    def wrapped(*given: Any, **named: Any) -> Any:
        counts = point.when(*given, **named)
        if counts and not point.after:
            die(*given, **named)
        result = function(*given, **named)
        if counts and point.after:
            die(*given, **named)
        return result

    setattr(holder, point.name, wrapped)


@dataclass(frozen=True)
class Outcome:
    """What a span left behind.

    Attributes:
        orders: day, symbol, quantity and status.
        fills: time, symbol, quantity and price.
        cash: in $, decimal text.
        positions: symbol, quantity and average price.
        earned: see the function of that name.
        worth: in $ by time (UTC), at the closes that a process saw.
    """

    orders: Sequence[tuple[str, ...]]
    fills: Sequence[tuple[str, ...]]
    cash: str
    positions: Sequence[tuple[str, ...]]
    earned: Sequence[tuple[str, ...]] = ()
    worth: Mapping[datetime, str] = field(default_factory=dict)

    def difference(self, other: Outcome) -> list[str]:
        """What the other has and this has not, and the other way round; a line each."""
        lines = []
        for what in ("orders", "fills", "positions", "earned"):
            mine, others = Counter(getattr(self, what)), Counter(getattr(other, what))
            lines += [f"{what}: missing {row}" for row in (others - mine).elements()]
            lines += [f"{what}: too many {row}" for row in (mine - others).elements()]
        if self.cash != other.cash:
            lines.append(f"cash: {self.cash}, not {other.cash}")
        for close, worth in self.worth.items():
            if worth != other.worth.get(close):
                lines.append(f"worth at {close}: {worth}, not {other.worth.get(close)}")
        return lines


@contextmanager
def opened(project: Path, read_only: bool = False) -> Any:
    """The account of a project."""
    store = AccountStore(project / "live" / "state", read_only=read_only)
    try:
        yield store
    finally:
        store.close()


def outcome(project: Path) -> Outcome:
    """What the account of a project tells."""
    with opened(project, read_only=True) as store:
        orders = [
            (order["time"][:10], order["ticker"], plain(order["quantity"]), order["status"])
            for order in store.orders()
        ]
        fills = [
            (
                event["time"],
                event["ticker"],
                *map(plain, (event["fill_quantity"], event["fill_price"])),
            )
            for event in store.events()
            if float(event["fill_quantity"]) != 0.0
        ]
        held = [(name, plain(q), plain(price)) for name, (q, price) in store.positions().items()]
        worth = {each.time: plain(each.equity) for each in store.samples() if not each.run}
        return Outcome(
            sorted(orders), sorted(fills), plain(store.cash), held, earned(project), worth
        )


def plain(amount: Any) -> str:
    """A decimal without the zeros at its end, whose number depends on how it was worked out."""
    return f"{Decimal(amount).normalize():f}"


def earned(project: Path) -> list[tuple[str, ...]]:
    """What the saved record and report of a project tell.

    Name, closes and last equity of every shadow account; ticker, number of closes and the newest.
    """
    kept = LiveState(ObjectStore(project / "storage"), f"{STATES}default", print).load()
    accounts = {} if kept.record is None else kept.record["accounts"]
    prices = {} if kept.report is None else kept.report["prices"]
    found = [(n, one["equity"], one["equity"][-1]) for n, one in accounts.items()]
    found += [(n, rows, rows[-1][1]) for n, rows in prices.items() if rows]
    return [(name, str(len(closes)), f"{last:.2f}") for name, closes, last in found]


def prepared(folder: Path) -> Path:
    """A folder with data, `main.py` and settings of the market."""
    market = Market(folder, main=MAIN)
    factors = {"AAA": market.halve("AAA", SPLIT)}
    for name, day in DIVIDENDS.items():
        close = market.bars[name][market.days.index(day)][3]
        factors[name] = f"{FIRST:%Y%m%d},0.98,1,1\n{day:%Y%m%d},0.98,1,{close}\n20501231,1,1,0\n"
    market.write(factors=factors)
    text = json.dumps({"parameters": PARAMETERS})
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder


def fresh(original: Path, folder: Path) -> Path:
    """A project like the original, without an account."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("live", "storage"))
    return folder


def life(project: Path, kill_at: str = "", seconds: float | None = None) -> int:
    """One process, from its start to its end.

    Args:
        project: traded.
        kill_at: see `KILL_AT`.
        seconds: after which it is killed from outside.

    Returns:
        Its exit status: 0 at the span's end, -9 if it was killed.

    Raises:
        RuntimeError: if it ended otherwise.
    """
    command = [
        sys.executable, "-m", "engine", "live", str(project),
        "--data-folder", str(project / "data"), "--from", str(BEGIN), "--to", str(END),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {KILL_AT: kill_at},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a run ended with {process.returncode}: {said[-2000:]}")
    return process.returncode


def away(project: Path, draw: random.Random) -> None:
    """Let time pass in which nothing runs, short of the next sending and of the span's end."""
    if not (project / "live" / "state" / DATABASE).is_file():
        return
    with opened(project) as store:
        noted = store.fact("clock")
        if noted is None:
            return
        now = from_utc(datetime.fromisoformat(noted), NEW_YORK)
        later = min(now + (_bound(now) - now) * draw.random(), _LAST)
        store.note({"clock": to_utc(later.replace(microsecond=0), NEW_YORK)})


_LAST = datetime.combine(END, datetime.max.time()).replace(microsecond=0) - timedelta(minutes=1)
"""The last moment at which a span can be gone on with; New York time."""


def _bound(now: datetime) -> datetime:
    """The last moment until which nothing need run; New York time."""
    day = datetime.combine(now.date(), datetime.min.time())
    sending, filled = day + timedelta(hours=9, minutes=19), day + timedelta(hours=9, minutes=31)
    if now < sending:
        return sending
    return sending + timedelta(days=1) if now > filled else now


@dataclass
class Tally:
    """What came of the kills of one class."""

    kills: int = 0
    spans: int = 0
    wrong: int = 0


def span(
    project: Path, draw: random.Random, points: list[str], whole: float, most: int
) -> list[str]:
    """Trade a span in many lives.

    Returns:
        The moments at which they were killed.
    """
    moments: list[str] = []
    while len(moments) < most:
        name = draw.choice(points)
        if name == RANDOM:
            status = life(project, seconds=draw.uniform(0.0, whole))
        else:
            count = draw.randint(1, max(1, POINTS[name].passes // 8))
            status = life(project, f"{name}:{count}")
        if status == 0:
            return moments
        moments.append(name)
        if draw.random() < 0.5:
            away(project, draw)
    life(project)
    return moments


def main() -> int:
    """Run the command line."""
    parser = option_parser(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--points", nargs="+", help="names of classes; all by default")
    parser.add_argument("--folder", type=Path, help="where the runs are kept")
    options = parser.parse_args()
    points = options.points or [RANDOM, *POINTS]
    for name in points:
        if name != RANDOM and name not in POINTS:
            parser.error(f"--points must name classes of {[RANDOM, *POINTS]}; received {name!r}")
    if options.kills < 1:
        parser.error(f"--kills must be at least 1; received {options.kills}")
    print(conditions(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary)
        return prove(root, options.kills, random.Random(options.seed), points)


def prove(root: Path, kills: int, draw: random.Random, points: list[str]) -> int:
    """Kill, compare and print.

    Args:
        root: folder for the runs.
        kills: how many.
        draw: for moments.
        points: classes of moments.

    Returns:
        1 if anything differs, else 0.
    """
    original = prepared(root / "unbroken")
    begun = time.monotonic()
    life(original)
    whole = time.monotonic() - begun
    wanted = outcome(original)
    print(f"Unbroken: {len(wanted.orders)} orders, {len(wanted.fills)} fills, {whole:.1f} s")
    tallies = {name: Tally() for name in points}
    spans = wrong = done = 0
    while done < kills:
        project = fresh(original, root / f"span-{spans}")
        moments = span(project, draw, points, whole, min(25, kills - done))
        spans, done = spans + 1, done + len(moments)
        lines = outcome(project).difference(wanted)
        for name in moments:
            tallies[name].kills += 1
        for name in set(moments):
            tallies[name].spans += 1
            tallies[name].wrong += bool(lines)
        if lines:
            wrong += 1
            print(f"Span {spans} differs; killed at: {', '.join(moments)}")
            print(*(f"  {line}" for line in lines[:8]), sep="\n", flush=True)
        else:
            print(f"Span {spans}: {len(moments)} kills, the same; {done} so far", flush=True)
            shutil.rmtree(project)
    print(f"\n{'killed':32}{'kills':>7}{'spans':>7}{'differ':>8}")
    for name, tally in tallies.items():
        print(f"{name:32}{tally.kills:7}{tally.spans:7}{tally.wrong:8}")
    verdict = "the same as unbroken" if not wrong else f"{wrong} DIFFER"
    print(f"\n{done} kills in {spans} spans: {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
