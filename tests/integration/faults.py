"""Thirty-odd days of accelerated paper trading in which everything goes wrong once.

The whole algorithm trades a small market with scripted decisions, in event time, on a durable paper
account, while feed, broker, disk and clock misbehave on days of their own. Afterwards: did each
fault happen (counted where it is done), is it named in the log, did every target of every close
keep cap and gross cap, was every position that had drifted above its cap made smaller at the next
open, and is the account the sum of its fills and dividends?

    python -m tests.integration.faults

Prints a row per fault; the exit status is 1 if a fault did not happen or was not named, words that
name it are said without it too, a cap was broken, or the account does not add up.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.common.enums import OrderStatus, OrderType
from engine.live.brokerage import PaperBrokerage
from engine.live.clock import EventClock
from engine.live.host import LiveHost
from engine.live.session import sources_as_of
from engine.live.state import AccountStore
from engine.live.ticks import ReplayTicks, Tick
from engine.orders.orders import OrderEvent
from engine.run.runner import loaded_algorithm, make_context
from research.conditions import conditions, option_parser
from tests.integration.live import FIRST, PARAMETERS, Market

BEGIN, END = datetime(2010, 1, 25, 8), datetime(2010, 3, 19, 20)
SPLIT, DIVIDEND = date(2010, 2, 24), date(2010, 2, 18)
"""Last days before them: AAA is sold short at the one, CCC held at the other."""
GAP, LEAP = date(2010, 2, 11), 1.16
"""A day at whose open AAA, which is held then, is up by so much: less than a split would be."""
GROSS = "0.85"
"""Two positions at their caps leave a third less room than its own."""
CLOSING = "closing refused at the open"
ROUNDING = 1e-9
DRIFT = 0.05
"""By such a share of itself a cap may be passed at a close: orders leave a buffer of 3 % below it,
and prices move until then. A position above that is to be smaller after the next sending."""

Change = Callable[[str, list[Tick]], list[Tick]]


def _none(name: str, ticks: list[Tick]) -> list[Tick]:
    return []


def _until_noon(name: str, ticks: list[Tick]) -> list[Tick]:
    return [tick for tick in ticks if tick.time.hour < 12]


def _late(name: str, ticks: list[Tick]) -> list[Tick]:
    return [replace(tick, time=tick.time + timedelta(seconds=2)) for tick in ticks]


def _twice(name: str, ticks: list[Tick]) -> list[Tick]:
    return [tick for tick in ticks for _ in range(2)]


def _shuffled(name: str, ticks: list[Tick]) -> list[Tick]:
    return random.Random(name).sample(ticks, len(ticks))


def _wrong(name: str, ticks: list[Tick]) -> list[Tick]:
    return [replace(tick, price=tick.price * Decimal("1.01")) for tick in ticks]


def _halted(name: str, ticks: list[Tick]) -> list[Tick]:
    return [] if name == "CCC" else ticks


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: of it.
        days: on which.
        said: words that name it in the log, from the first of these days until `within` days later.
        ticks: what it does to the trades of a day.
        within: days.
        always: whether the market itself brings it, in every run.
    """

    name: str
    days: tuple[date, ...]
    said: str
    ticks: Change | None = None
    within: int = 4
    always: bool = False


FAULTS = (
    Fault("half day", (date(2010, 1, 29),), "open from 09:30 to 13:00", always=True),
    Fault("feed silent for a day", (date(2010, 2, 2),), "no bar of today's close", _none),
    Fault("feed silent from noon", (date(2010, 2, 4),), "corrected by history", _until_noon),
    Fault("ticks two seconds late", (date(2010, 2, 12),), "corrected by history", _late),
    Fault("ticks twice", (date(2010, 2, 16),), "corrected by history", _twice),
    Fault("ticks out of order", (date(2010, 2, 18),), "corrected by history", _shuffled),
    Fault("dividend", (DIVIDEND,), "CCC: history has a new scale", always=True),
    Fault("bars corrected afterwards", (date(2010, 2, 22),), "corrected by history", _wrong),
    Fault("rejected orders", (date(2010, 2, 9),), "was refused"),
    Fault(CLOSING, (date(2010, 2, 23),), "since its order was filled before"),
    Fault("split", (SPLIT,), "AAA: split by 0.5", always=True),
    Fault("halted stock", (date(2010, 2, 26), date(2010, 3, 1)), "CCC: no bar of today", _halted),
    Fault("clock jumps over a sending", (date(2010, 3, 2),), "was to be ordered before the open"),
    Fault("full disk", (date(2010, 3, 5), date(2010, 3, 8)), "since the state cannot be saved"),
    Fault("partial fills", (date(2010, 3, 11), date(2010, 3, 12)), "was not filled at its open"),
    Fault("daylight saving begins", (date(2010, 3, 14),), "gone forward an hour", always=True),
)  # fmt: skip


class FaultyTicks(ReplayTicks):
    """The replay, changed on some days."""

    def __init__(self, sources: Any, faults: Sequence[Fault], happened: Counter[str]) -> None:
        super().__init__(sources)
        self._changes = {day: fault for fault in faults for day in fault.days if fault.ticks}
        self._happened = happened

    def ticks(self, symbol: Any, day: datetime) -> list[Tick]:
        """Trades as they come on that day."""
        found, fault = super().ticks(symbol, day), self._changes.get(day.date())
        if fault is None or fault.ticks is None:
            return found
        changed = fault.ticks(symbol.value, found)
        self._happened[fault.name] += changed != found
        return changed


class JumpingClock(EventClock):
    """From noon of some days it jumps to noon of the next."""

    def __init__(
        self, start: datetime, end: datetime, fault: Fault | None, happened: Counter[str]
    ) -> None:
        super().__init__(start, end)
        self._days = set(fault.days) if fault else set()
        self._name = fault.name if fault else ""
        self._happened = happened

    def wait_until(self, due: datetime) -> datetime | None:
        """The due moment, or a later one."""
        local = from_utc(due, NEW_YORK)
        if local.date() in self._days and local.hour >= 12:
            due = to_utc(local.replace(hour=12, minute=1) + timedelta(days=1), NEW_YORK)
            self._happened[self._name] += 1
        return super().wait_until(due)


class FaultyBrokerage(PaperBrokerage):
    """Refuses orders on some days and fills half of them on others; counts what it pays."""

    def __init__(
        self,
        store: AccountStore,
        sources: Any,
        faults: Mapping[str, Fault],
        happened: Counter[str],
    ) -> None:
        super().__init__(store, sources)
        self._faults = faults
        self._happened = happened
        self.paid = Decimal(0)

    def connect(self, algorithm: Any) -> None:
        """Bring the account, and take over what the broker says."""
        super().connect(algorithm)
        model = algorithm.brokerage_model
        takes = model.can_submit_order

        def can_submit(security: Any, order: Any, message: Any = None) -> Any:
            if self._hit("rejected orders", algorithm):
                self._happened["rejected orders"] += 1
                return False, None
            return takes(security, order, message)

        model.can_submit_order = can_submit
        for security in algorithm.securities.values():
            self._fill_half(algorithm, security.fill_model)

    def _hit(self, name: str, algorithm: Any) -> bool:
        fault = self._faults.get(name)
        return fault is not None and algorithm.time.date() in fault.days

    def _fill_half(self, algorithm: Any, model: Any) -> None:
        whole, halved = model.fill, set()

        def fill(parameters: Any) -> Any:
            order = parameters.order
            closes = algorithm.portfolio[order.symbol].quantity_exact == -order.quantity_exact
            at_open = order.type == OrderType.MARKET_ON_OPEN
            if closes and at_open and self._hit(CLOSING, algorithm):
                self._happened[CLOSING] += 1
                refused = OrderEvent(order, algorithm.utc_time_naive, message=CLOSING)
                refused.status = OrderStatus.INVALID
                return [refused]
            if order.id in halved:
                return []
            found = list(whole(parameters))
            for event in found:
                if event.fill_quantity_exact and self._hit("partial fills", algorithm):
                    halved.add(order.id)
                    self._happened["partial fills"] += 1
                    event.fill_quantity_exact = Decimal(int(event.fill_quantity_exact / 2))
                    event.status = OrderStatus.PARTIALLY_FILLED
            return found

        model.fill = fill

    def pay_dividends(self, dividends: Any, *since: Any) -> None:
        """Pay, and note how much."""
        before = self._algorithm.portfolio.cash_exact
        super().pay_dividends(dividends, *since)
        paid = self._algorithm.portfolio.cash_exact - before
        self.paid += paid
        self._happened["dividend"] += paid != 0

    @contextmanager
    def corporate_events(self, utc_time: datetime, days: Any) -> Any:
        """Note whether a split has changed what is held."""
        before = self._quantities()
        with super().corporate_events(utc_time, days) as due:
            yield due
        self._happened["split"] += self._quantities() != before

    def _quantities(self) -> list[Decimal]:
        securities = self._algorithm.securities.values()
        return [security.holdings.quantity_exact for security in securities]


@dataclass
class Found:
    """What a run with faults showed.

    Attributes:
        log: its lines.
        happened: how often each fault was done, by name.
        broken: closes at which a target or a position passed a cap, in words.
        drifted: closes at which a position was above its cap by less than `DRIFT`.
        reduced: positions above that, which were smaller after the next sending.
        sums: what of the account does not add up, in words.
        fills: how many there were.
        error: what ended the run before its time.
    """

    log: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    drifted: int = 0
    reduced: int = 0
    sums: list[str] = field(default_factory=list)
    fills: int = 0
    error: str = ""

    def names(self, fault: Fault) -> bool:
        """Whether the log names a fault in time."""
        last = fault.days[-1] + timedelta(days=fault.within)
        return any(
            fault.said in line and str(fault.days[0]) <= line[:10] <= str(last) for line in self.log
        )


def market(folder: Path) -> Market:
    """The market with its split, its dividend and its gap, written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Market(folder)
    made.parameters |= {"start_date": f"{BEGIN:%Y-%m-%d}", "end_date": f"{END:%Y-%m-%d}"}
    made.parameters["gross_cap"] = GROSS
    gap = made.days.index(GAP)
    made.bars["AAA"] = [
        row if i < gap else (*(round(price * LEAP, 2) for price in row[:4]), row[4])
        for i, row in enumerate(made.bars["AAA"])
    ]
    close = made.bars["CCC"][made.days.index(DIVIDEND)][3]
    ratio = f"{FIRST:%Y%m%d},0.98,1,1\n{DIVIDEND:%Y%m%d},0.98,1,{close}\n20501231,1,1,0\n"
    return made.write(factors={"AAA": made.halve("AAA", SPLIT), "CCC": ratio})


def run(made: Market, faults: Sequence[Fault], state: Path) -> Found:
    """Trade a market with faults.

    Args:
        made: market.
        faults: what goes wrong.
        state: folder of the account; must not exist.
    """
    state.mkdir(parents=True)
    by_name = {fault.name: fault for fault in faults}
    begin, stop = to_utc(BEGIN, NEW_YORK), to_utc(END, NEW_YORK)
    found = Found()
    jumps = by_name.get("clock jumps over a sending")
    clock = JumpingClock(begin, stop, jumps, found.happened)
    context = make_context(made.data, state / "store", made.parameters)
    context.live_start = begin
    context.on_message = found.log.append
    context.sources, events = sources_as_of(context.sources.bars, made.data, clock)
    store = AccountStore(state)
    try:
        brokerage = FaultyBrokerage(store, events, by_name, found.happened)
        ticks = FaultyTicks(context.sources, faults, found.happened)
        host = LiveHost(context, clock, ticks, brokerage, events)
        with loaded_algorithm(made.root, context) as kind:
            ended = host.run(kind, _Watching(host, found, by_name))
        found.error = ended.told
        _add_up(store, brokerage, found)
    finally:
        store.close()
    return found


class _Watching:
    """After every beat: what day is it, is the disk full, and are the caps kept?"""

    def __init__(self, host: LiveHost, found: Found, faults: Mapping[str, Fault]) -> None:
        self._host, self._found = host, found
        self._full, self._rejected = faults.get("full disk"), faults.get("rejected orders")
        self._offset: timedelta | None = None
        self._close: Any = None
        self._save: Any = None
        self._above: dict[str, float] = {}
        self._sent = False

    def __call__(self, now: datetime) -> None:
        algorithm: Any = self._host.algorithm
        self._look_at_day(algorithm, now)
        self._fill_disk(algorithm)
        outbox = algorithm._live.outbox
        self._sent |= outbox.ordered and outbox.close == self._close
        if outbox.close is None or outbox.close == self._close or now.hour < 17:
            return
        self._close = outbox.close
        equity = algorithm._equity()
        caps = dict(zip(algorithm._options.run.symbols, algorithm._rules.caps, strict=True))
        self._judge_targets(algorithm, caps, equity)
        self._judge_positions(algorithm, caps, equity)
        self._sent = False

    def _look_at_day(self, algorithm: Any, now: datetime) -> None:
        """Count the special days."""
        offset = algorithm.qc_default_hours.from_utc(now) - now
        self._found.happened["daylight saving begins"] += offset != (self._offset or offset)
        self._offset = offset
        data = algorithm.current_slice
        bars = [] if data is None else list(data.bars.values())
        self._found.happened["half day"] += any(bar.end_time.hour == 13 for bar in bars)

    def _fill_disk(self, algorithm: Any) -> None:
        store = algorithm.object_store
        full = self._full is not None and algorithm.time.date() in self._full.days
        if full and self._save is None:
            self._save = store.save
            store.save = self._refuse
        elif not full and self._save is not None:
            store.save, self._save = self._save, None

    def _refuse(self, *given: Any) -> bool:
        self._found.happened["full disk"] += 1
        return False

    def _judge_targets(self, algorithm: Any, caps: Mapping[str, float], equity: float) -> None:
        """No target of a close is above its cap, nor are all of them above the gross cap."""
        outbox, broken = algorithm._live.outbox, self._found.broken
        weights = {
            name: abs(quantity) * float(algorithm.securities[name].price) / equity
            for name, quantity in outbox.targets.items()
        }
        for name, weight in weights.items():
            if weight > caps[name] + ROUNDING:
                broken.append(f"{outbox.close} {name}: {weight:.4f} over {caps[name]:.4f}")
        if sum(weights.values()) > algorithm._rules.gross + ROUNDING:
            broken.append(f"{outbox.close}: gross {sum(weights.values()):.4f}")

    def _judge_positions(self, algorithm: Any, caps: Mapping[str, float], equity: float) -> None:
        """What was further above its cap than drift explains is smaller after a sending.

        All positions together are not above the gross cap by more.
        """
        above, together = {}, 0.0
        for name, cap in caps.items():
            held = abs(float(algorithm.portfolio[name].quantity))
            weight = held * float(algorithm.securities[name].price) / equity
            together += weight
            self._found.drifted += cap < weight <= cap * (1.0 + DRIFT)
            if weight > cap * (1.0 + DRIFT):
                above[name] = held
            if name in self._above and self._sent and not self._was_refused():
                if name in above and held >= self._above[name]:
                    self._found.broken.append(
                        f"{self._close} {name}: {weight:.4f} held, over {cap:.4f} since the close "
                        "before, and not made smaller"
                    )
                self._found.reduced += held < self._above[name]
        self._above = above
        if together > algorithm._rules.gross * (1.0 + DRIFT):
            self._found.broken.append(f"{self._close}: {together:.4f} held together")

    def _was_refused(self) -> bool:
        return self._rejected is not None and self._close.date() in self._rejected.days


def _add_up(store: AccountStore, brokerage: FaultyBrokerage, found: Found) -> None:
    """Compare cash and positions with fills, fees, dividends and the split."""
    cash, held = Decimal(PARAMETERS["cash"]) + brokerage.paid, dict[str, Decimal]()
    for event in store.events():
        quantity, price = Decimal(event["fill_quantity"]), Decimal(event["fill_price"])
        if not quantity:
            continue
        found.fills += 1
        cash -= quantity * price + Decimal(event["fee"])
        factor = 2 if event["ticker"] == "AAA" and event["time"][:10] <= str(SPLIT) else 1
        held[event["ticker"]] = held.get(event["ticker"], Decimal(0)) + factor * quantity
    kept = {name: quantity for name, (quantity, _) in store.positions().items()}
    held = {name: quantity for name, quantity in held.items() if quantity}
    if kept != held:
        found.sums.append(f"positions {kept}, fills give {held}")
    if store.cash != cash:
        found.sums.append(f"cash {store.cash}, fills and dividends give {cash}")


def lacking(faults: Sequence[Fault], found: Found, usual: Found) -> list[str]:
    """Which faults are no evidence, and why.

    Args:
        faults: of a run.
        found: what it showed.
        usual: what a run without any showed.
    """
    words = []
    for fault in faults:
        if not found.happened[fault.name]:
            words.append(f"{fault.name}: did not happen")
        if not found.names(fault):
            words.append(f"{fault.name}: not named ({fault.said})")
        if not fault.always and usual.names(fault):
            words.append(f"{fault.name}: its words are said without it ({fault.said})")
    return words


def main() -> int:
    """Run the command line."""
    option_parser(__doc__).parse_args()
    print(conditions(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = market(Path(folder) / "market")
        good = True
        print(f"\n{'fault':28}{'times':>7}{'named':>8}{'caps':>6}{'adds up':>9}{'fills':>7}")
        usual = run(made, (), Path(folder) / "usual")
        cases = [(fault.name, (fault,)) for fault in FAULTS] + [("all of them", FAULTS)]
        for number, (name, faults) in enumerate(cases):
            found = run(made, faults, Path(folder) / f"run-{number}")
            silent = lacking(faults, found, usual)
            words = ["no" if bad else "yes" for bad in (silent, found.broken, found.sums)]
            times = sum(found.happened[fault.name] for fault in faults)
            print(
                f"{name:28}{times:7}{words[0]:>8}{words[1]:>6}{words[2]:>9}{found.fills:7}",
                flush=True,
            )
            problems = [*silent, *found.broken, *found.sums]
            problems += [found.error] if found.error else []
            good &= not problems
            print(*(f"    {line}\n" for line in problems[:5]), sep="", end="")
    print(
        "\nevery fault happened and was named, caps held, accounts add up"
        if good
        else "\nNOT ALL GOOD"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
