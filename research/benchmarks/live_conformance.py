"""Does the local live host do what LEAN's live paper environment does?

Runs recorded scenarios of LEAN (small algorithms on a clock that jumped from window to window)
through the live host on a simulated clock, and compares the algorithm's log lines and the order
events with LEAN's.

    python -m research.benchmarks.live_conformance --oracle ../shared/lean/oracle/live \
        --lean ../shared/lean/data

Lines are compared with their times to the second, those of one moment as a set. What LEAN itself
varies in from run to run is allowed for (`SLACK`, `LATER`, `START_SLACK`, a ticket's status just
after the call, `(varied)`), what is ignored is in `IGNORED`, each with its reason.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from engine.api.run_context import RunContext
from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.common.decimals import to_decimal
from engine.feed.subscriptions import Sources
from engine.live.brokerage import LeanPaperBrokerage, Position
from engine.live.clock import Step, WindowClock
from engine.live.host import LiveHost
from engine.live.ticks import FactorsAsOf, ReplayTicks
from engine.run.result_files import event_json
from engine.run.runner import loaded_algorithm, make_context
from research.conditions import conditions, option_parser

SLACK = timedelta(seconds=1)
"""Scheduled events fire 0 to 1 s after their time, LEAN's clock in them is up to 1 s early."""
LATER = timedelta(seconds=3)
"""A time with `~`: LEAN's other run was up to three seconds later."""
START_SLACK = timedelta(minutes=1)
"""... or, in what belongs to a start, up to a minute."""

_ENDED = "LEAN's first run of this scenario was ended without on_end_of_algorithm; it left it out"
_BETWEEN = "due between two windows of LEAN's clock; LEAN's record leaves lines of that kind out"
_MIDNIGHT = "due at midnight, where LEAN's window sometimes ended before it came"
_TWICE = "LEAN's events of this order varied (one more Submitted); its record leaves them out"
_ONE_RUN = "the record holds what both of LEAN's runs had, and lacks the end of this start"
IGNORED: Sequence[tuple[str, str, str]] = (
    ("clock", r"23:59:59 warm 0 live 1 on_end_of_algorithm$", _ENDED),
    ("orders-(alpaca|tradestation|ib)", r"23:59:59 (account|on_end_of_algorithm)", _ENDED),
    ("clock", r"2013-06-29 00:00:01 .* all days, midnight$", _MIDNIGHT),
    ("corporate.*", r"^scheduled 2014-06-(09|10) 00:00:01 ", _BETWEEN),
    ("errors-.*", r"2013-07-01 15:59:53 .* on_end_of_day", _BETWEEN),
    ("framework-.*", r"(12|15):59:53 .* scheduled 12:00$", _BETWEEN),
    ("framework-.*", r"2013-07-08 00:00:01 .* scheduled (09:20|12:00)$", _BETWEEN),
    ("orders-alpaca", r"15:50:00 .* orderEventId [23] .*orderId 15 ", _TWICE),
    ("restart-pending", r"2013-07-02 23:59:59 .* on_end_of_algorithm ", _ONE_RUN),
)
"""Lines and events of ours (scenario, pattern of phase, time and text) not compared, and why."""
LEAN_LOG = re.compile(
    r"Runtime Error|New Order Event|Warning: market orders|Algorithm (starting|finished) warm|"
    r"During the algorithm initialization"
)
"""What of LEAN's own lines, recorded for the errors only, is compared: the rest tells of LEAN's
version, of the progress of the warm-up, and of .NET's side of an error in `initialize`."""

_STAMP = re.compile(r"^\| (\d{4}-\d\d-\d\d) (\d\d:\d\d:)(\d\d)?(?:\.\d+)?(~)? ?(.*)$")
_VARIES = re.compile(r" waited \d+ s|(?<=\d\d:\d\d:\d\d)\.\d+|(?<=New Order Event: )Time: \S+ \S+")


@dataclass(frozen=True)
class Line:
    """A log line or an order event of one start.

    Attributes:
        start: number of the start, from 1.
        time: to the second, New York time.
        text: what happened, blanks single.
        early, late: how far the other side's time may lie before and after.
        phase: what the algorithm's code was called for; ours only.
    """

    start: int
    time: datetime
    text: str
    early: timedelta = timedelta(0)
    late: timedelta = timedelta(0)
    phase: str = ""

    def __str__(self) -> str:
        return f"{self.time:%Y-%m-%d %H:%M:%S} {self.text}"


@dataclass(frozen=True)
class Verdict:
    """Differences of a scenario: (`-` LEAN's or `+` ours, line)."""

    name: str
    lines: list[tuple[str, Line]]
    events: list[tuple[str, Line]]
    compared: int

    @property
    def same(self) -> bool:
        """True without differences."""
        return not self.lines and not self.events


# LEAN's record -------------------------------------------------------------------------------


def _single(text: str) -> str:
    return " ".join(_VARIES.sub("", text).split())


def _stamped(start: int, line: str) -> Line | None:
    """A line of the algorithm's own; None for others."""
    match = _STAMP.match(line)
    if match is None:
        return None
    day, minute, second, varies, text = match.groups()
    time = datetime.fromisoformat(f"{day} {minute}{second or '00'}")
    late = START_SLACK if second is None else LATER if varies else timedelta(0)
    return Line(start, time, _single(text), timedelta(0), late)


def recorded_lines(folder: Path) -> list[Line]:
    """LEAN's log of a scenario."""
    start, found = 1, []
    for text in (folder / "log.txt").read_text(encoding="utf-8").splitlines():
        if text.startswith("# start"):
            start = int(text.split()[-1])
        elif (line := _stamped(start, text)) is not None:
            found.append(line)
    return found


def _system_line(start: int, entry: str) -> Line | None:
    """A line of LEAN's own, which may have several lines of text; None if it is not compared."""
    stamp, text = entry[:19], entry[20:]
    if LEAN_LOG.match(text) is None:
        return None
    if text.startswith("During"):
        # Behind its first line come .NET's own frames.
        text = text.partition("\n")[0]
    return Line(start, datetime.fromisoformat(stamp), _single(text), LATER, START_SLACK)


def recorded_log(folder: Path) -> list[Line]:
    """LEAN's own lines of a scenario, none where they were not recorded."""
    path = folder / "lean-log.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    entries = re.split(r"\n(?=\d{4}-\d\d-\d\d \d\d:)", "\n" + text)
    found = (_system_line(1, entry) for entry in entries[1:])
    return [line for line in found if line is not None]


def recorded_events(folder: Path) -> list[Line]:
    """LEAN's order events of a scenario."""
    found = []
    for event in json.loads((folder / "order-events.json").read_text(encoding="utf-8")):
        line = _stamped(event.pop("start"), f"| {event.pop('time')}")
        if line is not None:
            found.append(replace(line, text=_event_text(event)))
    return found


def _event_text(event: Mapping[str, Any]) -> str:
    cells = {
        key: format(float(value), ".9g") if isinstance(value, int | float | Decimal) else value
        for key, value in event.items()
        if not isinstance(value, bool)
    }
    return _single(" ".join(f"{key} {cells[key]}" for key in sorted(cells)))


# Our run -------------------------------------------------------------------------------------


def _utc(text: str) -> datetime:
    return to_utc(datetime.fromisoformat(text), NEW_YORK)


@dataclass
class _Start:
    """One start of a scenario."""

    at: datetime
    account: Mapping[str, Any]
    steps: list[Step]
    interrupted: bool = True


def starts(scenario: Mapping[str, Any], set_day: Callable[[datetime], None]) -> list[_Start]:
    """The starts of a scenario.

    Args:
        scenario: its JSON.
        set_day: called when the factor files become those of another day.
    """
    found: list[_Start] = []
    at = _utc(scenario["fake_start"])
    for kind, *rest in scenario["steps"]:
        if kind == "at":
            at = _utc(rest[0])
        elif kind == "start":
            found.append(_Start(at, rest[0] if rest else {}, []))
        elif kind == "run":
            windows = scenario["windows"][rest[0]]
            found[-1].steps += [
                (_utc(f"{day} {first}"), _utc(f"{day} {last}"))
                for day in rest[1:]
                for first, last in windows
            ]
        elif kind == "data_as_of":
            day = datetime.fromisoformat(rest[0])
            found[-1].steps.append(partial(set_day, day))
        elif kind == "stop":
            found[-1].interrupted = rest[0] == "INT"
        else:
            raise ValueError(f"steps of a scenario must be known; received {kind!r}")
    return found


class _Recording(LeanPaperBrokerage):
    """LEAN's paper brokerage, with a note of every order event and of when it came."""

    def watch(self, note: Callable[[Any], None]) -> None:
        self._note = note

    def connect(self, algorithm: Any) -> None:
        super().connect(algorithm)
        algorithm.transactions.recorder = lambda _, event: self._note(event)


def run_scenario(folder: Path, data: Path, store: Path) -> tuple[list[Line], list[Line]]:
    """Log lines and order events of a scenario in the local host.

    Args:
        folder: of the scenario.
        data: LEAN's data folder.
        store: folder of the object store, kept between the starts.
    """
    scenario = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))
    lines: list[Line] = []
    events: list[Line] = []
    today = datetime.fromisoformat(scenario["data_as_of"])
    factors = FactorsAsOf(data, lambda: today)

    def set_day(day: datetime) -> None:
        nonlocal today
        today = day

    for number, start in enumerate(starts(scenario, set_day), start=1):
        context = make_context(data, store, scenario.get("parameters", {}))
        context.sources = Sources(context.sources.bars, factors)
        context.live_start = start.at
        _run_start(number, start, context, folder, lines, events)
    return lines, events


def _run_start(
    number: int,
    start: _Start,
    context: RunContext,
    folder: Path,
    lines: list[Line],
    events: list[Line],
) -> None:
    account = start.account
    brokerage = _Recording(
        to_decimal(account["cash"]) if "cash" in account else None,
        {
            ticker: Position(to_decimal(quantity), to_decimal(price))
            for ticker, (quantity, price) in account.get("holdings", {}).items()
        },
    )
    own_log = (folder / "lean-log.txt").is_file()
    clock = WindowClock(start.at, start.steps, start.interrupted)
    host = LiveHost(context, clock, ReplayTicks(context.sources), brokerage)

    def slack() -> timedelta:
        return SLACK if host.phase == "scheduled" else timedelta(0)

    def note_line(text: str) -> None:
        found = text.find("| ")
        line = _stamped(number, text[found:]) if found >= 0 else None
        if line is not None:
            lines.append(replace(line, early=slack(), late=slack(), phase=host.phase))
        elif own_log and (line := _system_line(number, text)) is not None:
            lines.append(line)

    def note_event(event: Any) -> None:
        cells = {
            key: value
            for key, value in event_json(event, number).items()
            if key not in ("id", "algorithmId", "symbol", "symbolPermtick", "time")
        }
        time = from_utc(event.utc_time, NEW_YORK).replace(microsecond=0)
        events.append(Line(number, time, _event_text(cells), slack(), slack(), host.phase))

    brokerage.watch(note_event)
    context.on_message = note_line
    with loaded_algorithm(folder / "main.py", context) as kind:
        host.run(kind)


# Comparison ----------------------------------------------------------------------------------


def _pattern(text: str) -> re.Pattern[str]:
    """LEAN's text, in which a few words stand for what varied."""
    varied = text.endswith("(varied)")
    head, arrow, rest = text.removesuffix("(varied)").partition(" -> ")
    whole = re.escape(head)
    if arrow:
        match = re.match(r"((?:[A-Z_]+ or )*[A-Z_]+)\b(.*)", rest)
        status, tail = match.groups() if match and text.startswith("given [") else ("", rest)
        if status:
            # The status just after the call is what LEAN's other thread had come to by then: New is
            # any status later on. Without a rest its two runs differed there too.
            statuses = "[A-Z_]+" if "NEW" in status else f"(?:{status.replace(' or ', '|')})"
            whole += f" -> {statuses}" + (f"{re.escape(tail)}(?: error .*)?" if tail else ".*")
        else:
            whole += re.escape(arrow + rest)
    return re.compile(whole + (".*" if varied else "") + "$")


def differences(recorded: Iterable[Line], ours: Iterable[Line]) -> list[tuple[str, Line]]:
    """Lines that only one side has, in order of time."""
    left = list(ours)
    found: list[tuple[str, Line]] = []
    for line in recorded:
        pattern = _pattern(line.text)
        # What belongs to a start may be late by the time that a start takes.
        late = START_SLACK if line.late and _is_start(line) else line.late
        # The earliest of ours that fits: both sides are in order, so that none is taken amiss.
        index = next(
            (
                index
                for index, other in enumerate(left)
                if other.start == line.start
                and pattern.match(other.text)
                and -other.early <= line.time - other.time <= other.late + late
            ),
            None,
        )
        if index is None:
            found.append(("-", line))
        else:
            left.pop(index)
    found += [("+", line) for line in left]
    return sorted(found, key=lambda pair: (pair[1].start, pair[1].time))


_START_WORDS = re.compile(r"initialize|on_warmup_finished|brokerage model|history")


def _is_start(line: Line) -> bool:
    return _START_WORDS.search(line.text) is not None


def _compared(name: str, lines: list[Line]) -> list[Line]:
    rules = [pattern for scenario, pattern, _ in IGNORED if re.fullmatch(scenario, name)]
    return [
        line
        for line in lines
        if not any(re.search(pattern, f"{line.phase} {line}") for pattern in rules)
    ]


def judge(folder: Path, data: Path) -> Verdict:
    """Run a scenario and compare it with LEAN's record."""
    lean_lines = recorded_lines(folder) + recorded_log(folder)
    lean_events = recorded_events(folder)
    with tempfile.TemporaryDirectory() as store:
        lines, events = run_scenario(folder, data, Path(store))
    return Verdict(
        folder.name,
        differences(lean_lines, _compared(folder.name, lines)),
        differences(lean_events, _compared(folder.name, events)),
        len(lean_lines) + len(lean_events),
    )


def scenarios(oracle: Path, only: Sequence[str] = ()) -> list[Path]:
    """Folders of the scenarios.

    Raises:
        ValueError: if there are none, or not those asked for.
    """
    found = [path.parent for path in sorted(oracle.glob("*/scenario.json"))]
    if not found:
        raise ValueError(f"--oracle must hold folders with a scenario.json; {oracle} has none")
    if unknown := sorted(set(only) - {path.name for path in found}):
        raise ValueError(f"--only must name scenarios; {oracle} has no {', '.join(unknown)}")
    return [path for path in found if not only or path.name in only]


def _told(verdict: Verdict, shown: int) -> Iterator[str]:
    if verdict.same:
        yield f"{verdict.name:<20} same ({verdict.compared} lines and events)"
        return
    yield (
        f"{verdict.name:<20} {len(verdict.lines)} lines and {len(verdict.events)} events differ "
        f"(of {verdict.compared})"
    )
    for kind, lines in (("line", verdict.lines), ("event", verdict.events)):
        for sign, line in lines[:shown]:
            yield f"    {kind} {sign} [{line.start}] {line}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a verdict per scenario; 1 if one differs."""
    parser = option_parser(__doc__)
    parser.add_argument("--oracle", type=Path, required=True, help="folder of the scenarios")
    parser.add_argument("--lean", type=Path, required=True, help="LEAN's data folder")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="scenarios")
    parser.add_argument("--shown", type=int, default=10, help="differences shown of each")
    options = parser.parse_args(arguments)
    print(conditions("pandas"), flush=True)
    try:
        folders = scenarios(options.oracle, options.only)
    except ValueError as error:
        parser.error(str(error))
    same = 0
    for folder in folders:
        verdict = judge(folder, options.lean)
        same += verdict.same
        print("\n".join(_told(verdict, options.shown)), flush=True)
    print(f"{same} of {len(folders)} scenarios are the same")
    return int(same < len(folders))


if __name__ == "__main__":
    raise SystemExit(main())
