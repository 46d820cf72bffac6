"""The bars of a live run: what the feed brings and what history has, kept as one.

Before every decision and every training kept bars are brought together with history (`mending`).
A bar counts if it is of a whole session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from AlgorithmImports import *

from algorithm.bars import Bar as KeptBar
from algorithm.bars import BarBook, Row, row_of
from algorithm.live_trading.known_splits import KnownSplits
from algorithm.live_trading.mending import Mended, is_large, looks_like_split, mend, scaled
from models.market.history import History

LEFT = 3
"""Bars of a symbol that a state keeps: the newest may be corrected by history still, and alone or
beside a single other one it would be taken for a change of scale, as by a dividend."""


@dataclass(frozen=True)
class Away:
    """What happened to a symbol while nothing ran.

    Attributes:
        split: price factor of its splits, 1 without one.
        scale: history's prices over those that were kept, with all its splits and dividends.
        close: the last of before, $ a share as it was.
        opened: open of the first session that nobody saw; None if none has passed.
        low, high: lowest and highest price of those sessions; the last close without one.
    """

    split: float
    scale: float
    close: float
    opened: float | None
    low: float
    high: float

    def dividend_beside(self, split: float) -> float:
        """About what it paid in $ on a share as it is now, if its splits were by a price factor."""
        # History's prices before a dividend are the smaller by it.
        return self.close * (split - self.scale)


class LiveBars:
    """Keeps the bars of a live run whole and at the account's scale.

    Attributes:
        version: counts up with every change of bars that were there already, so that who has read
            them can tell whether they are still the same; new bars at the end are no such change.
    """

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        bars: BarBook,
        since: datetime,
        guard: threading.RLock,
        on_split: Callable[[str, float], None],
        tell: Callable[[str], None],
    ) -> None:
        """Build it without bars.

        Args:
            algorithm: whose history and exchange hours count.
            symbols: what is traded.
            bars: where bars are kept.
            since: bars that end later are wanted.
            guard: held while bars or what is known of splits change.
            on_split: hears of every split, ticker and price factor, once.
            tell: takes one line of text.
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._by_name = {symbol.value: symbol for symbol in self._symbols}
        self._bars = bars
        self._since = since
        self._guard = guard
        self._on_split = on_split
        self._tell = tell
        self._started = algorithm.time
        self._splits = KnownSplits(tell)
        self._left: dict[str, list[KeptBar]] = {}
        self._held: dict[str, float] = {}
        self._said: set[str] = set()
        self._away: dict[str, Away] = {}
        self.version = 0

    # What is there.

    def days(self) -> list[datetime]:
        """Ends of all bars kept, ascending, each once."""
        return sorted({time for symbol in self._symbols for time, _ in self._bars.of(symbol.value)})

    def newest(self) -> datetime | None:
        """End of the newest bar kept."""
        ends = [bar[0] for s in self._symbols if (bar := self._bars.newest(s.value)) is not None]
        return max(ends, default=None)

    def at(self, close: datetime) -> dict[str, KeptBar]:
        """The newest bars that end at a close, by ticker."""
        found = {symbol.value: self._bars.newest(symbol.value) for symbol in self._symbols}
        return {name: bar for name, bar in found.items() if bar is not None and bar[0] == close}

    def lacking(self, close: datetime) -> list[str]:
        """Tickers without a bar that ends at a close."""
        there = self.at(close)
        return [symbol.value for symbol in self._symbols if symbol.value not in there]

    def silent_on(self, now: datetime) -> list[str]:
        """Tickers without a bar of a day."""
        newest = {s.value: self._bars.newest(s.value) for s in self._symbols}
        return [n for n, bar in newest.items() if bar is None or bar[0].date() != now.date()]

    def away(self) -> Mapping[str, Away]:
        """What happened while nothing ran, by ticker; of symbols that the run before had bars of.

        Known after the first `refresh`.
        """
        return dict(self._away)

    def seen(self) -> tuple[int, list[History]]:
        """Version and histories, of one moment."""
        with self._guard:
            return self.version, self._bars.histories()

    # History.

    def refresh(self, before: datetime) -> None:
        """Bring kept bars together with history.

        Where history has followed a split that nobody has told of (nothing ran when it came, or it
        is still to be told of today), pending targets follow it too.

        Args:
            before: bars that end later are left to the feed.
        """
        with self._guard:
            for symbol in self._symbols:
                self._refresh(symbol, before)

    def _refresh(self, symbol: Symbol, before: datetime, price: float | None = None) -> None:
        """Mend a symbol's bars, and heed a split that history knows and nobody has told of."""
        name, algorithm = symbol.value, self._algorithm
        kept = self._bars.of(name)
        try:
            found = list(
                algorithm.history[TradeBar](symbol, self._since, algorithm.time, Resolution.DAILY)
            )
            security = algorithm.securities[symbol]
            if found and float(security.price) == 0.0:
                # Without a price, and before the first tick there is none, orders are refused.
                security.set_market_price(found[-1])
            fetched = self._whole(symbol, found, before, dict(kept))
            if not kept and fetched:
                # They tell the scale of what the run before left; a bar that history does not have
                # yet is one of a close that is still to come, or to be decided again.
                left = self._left.get(name, [])
                kept = [bar for bar in left if bar[0] <= fetched[-1][0]]
            told = self._splits.told(name)
            had = self._held.pop(name, 0.0)
            followed = had == 0.0 or float(algorithm.portfolio[symbol].quantity) != had
            mended = mend(name, kept, fetched, told, price, algorithm.time, followed)
            self._bars.replace(name, mended.bars)
            if mended.ahead and found and float(security.price) == float(found[-1].close):
                # A price that comes from history is ahead of the shares that are held, too.
                security.set_market_price(_as_bar(symbol, mended.bars[-1], found[-1].period))
                algorithm.portfolio.invalidate_total_portfolio_value()
        except ValueError as problem:
            self._tell(f"{name}: history cannot be used, kept bars stay: {problem}")
            return
        for line in mended.said:
            if line not in self._said:
                self._tell(line)
        self._said |= set(mended.said)
        self.version += mended.changed
        if self._left.get(name):
            self._away[name] = _away(self._left.pop(name), self._bars.of(name), mended)
        if mended.split is not None:
            came = had != 0.0 and followed
            self._splits.history_told(name, mended.split, algorithm.time, came)
            self._on_split(name, mended.split)
            self._tell(
                f"{name}: history tells of a split by {mended.split:g}; pending targets follow it"
            )
        elif is_large(mended.scale):
            self._splits.history_scaled(name, mended.scale, algorithm.time)

    def _whole(
        self,
        symbol: Symbol,
        found: Sequence[TradeBar],
        before: datetime,
        known: Mapping[datetime, Row],
    ) -> list[KeptBar]:
        """History's bars of whole sessions; those that are kept already were found whole before."""
        whole = []
        for bar in found:
            end = bar.end_time
            if not self._since < end <= before:
                continue
            row = row_of(bar)
            if known.get(end) == row or self._spans_session(symbol, bar):
                whole.append((end, row))
        return whole

    # The feed.

    def take(self, data: Slice) -> dict[str, tuple[datetime, Row]]:
        """The bars of a close that may be decided on, kept; end and bar by ticker.

        A bar that does not span its session, or of which only a part was seen, is not one; where
        history has it whole already, that is taken. A night's move that looks like a split nobody
        has told of costs the whole close.
        """
        taken: dict[str, tuple[datetime, Row]] = {}
        with self._guard:
            for symbol in self._symbols:
                name = symbol.value
                bar = data.bars.get(symbol)
                if bar is None or bar.is_fill_forward or not self._spans_session(symbol, bar):
                    continue
                opened = bar.end_time - bar.period
                known = self._bars.newest(name)
                if known is not None and known[0] >= bar.end_time:
                    continue
                self._refresh(symbol, opened, float(bar.open))
                row = row_of(bar) if self._started <= opened else self._from_history(symbol, bar)
                if row is None:
                    self._tell(
                        f"{name}: the bar of {bar.end_time:%Y-%m-%d} is of a part of its session, "
                        f"which was under way at the start ({self._started}); no decision on it"
                    )
                    continue
                try:
                    self._bars.add(name, bar.end_time, row)
                except ValueError as problem:
                    self._tell(f"bar skipped: {problem}")
                    continue
                taken[name] = (bar.end_time, row)
            return {} if self.doubted(taken) else taken

    def _from_history(self, symbol: Symbol, bar: TradeBar) -> Row | None:
        """The same day's bar as history has it, whole; None if it has not."""
        found = self._algorithm.history[TradeBar](
            symbol, bar.end_time - bar.period, self._algorithm.time, Resolution.DAILY
        )
        same = [each for each in found if each.end_time == bar.end_time]
        return row_of(same[-1]) if same else None

    def _spans_session(self, symbol: Symbol, bar: TradeBar) -> bool:
        """Whether a bar is that of a whole session by its times."""
        hours = self._algorithm.securities[symbol].exchange.hours
        opened = bar.end_time - bar.period
        return bool(
            hours.get_next_market_open(opened - timedelta(seconds=1), False) == opened
            and hours.get_next_market_close(opened, False) == bar.end_time
        )

    # Splits.

    def doubted(self, names: Iterable[str]) -> bool:
        """Whether the newest move of some symbol looks like a split nobody has told of; says so."""
        doubted = [name for name in names if self._is_doubtful(name)]
        if doubted:
            self._tell(
                f"{', '.join(doubted)}: the price moved as by a split that nobody has told of; "
                "nothing is decided and no stop is heeded at this close"
            )
        return bool(doubted)

    def _is_doubtful(self, name: str) -> bool:
        """Whether the newest move looks like a split, and no split was told of since."""
        newest = self._bars.of(name)[-2:]
        if len(newest) < 2:
            return False
        (before, old), (now, new) = newest
        if looks_like_split(old[3], new[3]) is None:
            return False
        return not self._splits.any_between(name, before, now)

    def split(self, name: str, factor: float, day: date, paid: float = 1.0) -> None:
        """Heed a split that the broker tells of: kept bars and pending targets follow it.

        Args:
            name: ticker.
            factor: of prices.
            day: to which it belongs.
            paid: price factor of the dividend of the same day, 1 without one.
        """
        with self._guard:
            now, newest = self._algorithm.time, self._bars.newest(name)
            left = self._splits.broker_told(name, factor, day, now, newest and newest[0], paid)
            if left.bars != 1.0:
                self._bars.replace(name, [scaled(bar, left.bars) for bar in self._bars.of(name)])
                self.version += 1
                self._tell(f"{name}: split by {factor:g}; kept bars and pending targets follow it")
            elif left.targets != 1.0:
                self._tell(
                    f"{name}: split by {factor:g}, which history's new scale has, with whatever "
                    f"else; pending targets follow what there is of splits, by {left.targets:g}"
                )
            if left.targets != 1.0:
                self._on_split(name, left.targets)
            if left.bars == 1.0:
                # Should it be another after all, history knows of both by now.
                self._refresh(self._by_name[name], now)

    def account_showed(self, name: str, factor: float) -> None:
        """Heed, at a start, what the account shows of the new scale that history has.

        Args:
            name: ticker.
            factor: of prices, by the splits that came; 1 if none did.
        """
        with self._guard:
            self._splits.account_showed(name, factor)
        self._tell(
            f"{name}: the account shows that history's new scale has "
            + (
                "no split; pending targets are those of before"
                if factor == 1.0
                else f"a split by {factor:g}; pending targets follow that alone"
            )
        )

    def splits_since(self, name: str, time: datetime) -> float:
        """Price factor of a ticker's splits that came after a moment; 1 without one."""
        return self._splits.since(name, time)

    # State.

    def to_state(self) -> dict[str, Any]:
        """What a restart has to bring back, as JSON: of bars the newest, which tell the scale."""
        return {
            "since": self._since.isoformat(),
            "splits": self._splits.to_state(),
            "newest": {
                symbol.value: [
                    (time.isoformat(), row) for time, row in self._bars.of(symbol.value)[-LEFT:]
                ]
                for symbol in self._symbols
            },
        }

    def restore(self, state: Mapping[str, Any], held: Mapping[str, float]) -> None:
        """Bring back what `to_state` gave.

        Args:
            state: of it.
            held: shares by ticker that were held then.
        """
        self._held = dict(held)
        self._since = datetime.fromisoformat(state["since"])
        self._splits.restore(state["splits"])
        self._left = {
            name: [(datetime.fromisoformat(time), tuple(row)) for time, row in bars]
            for name, bars in state["newest"].items()
        }


def price_factor(dividend: Dividend | None) -> float:
    """Of prices, by a dividend; 1 without one, and where the price before it is not told."""
    if dividend is None:
        return 1.0
    paid, before = float(dividend.distribution), float(dividend.reference_price)
    return 1.0 - paid / before if paid < before else 1.0


def _as_bar(symbol: Symbol, bar: KeptBar, period: timedelta) -> TradeBar:
    """A kept bar as LEAN has it."""
    end, row = bar
    return TradeBar(end - period, symbol, *row, period)


def _away(left: Sequence[KeptBar], bars: Sequence[KeptBar], mended: Mended) -> Away:
    """What happened between the bars that a run left and those of now.

    Args:
        left: the last bars that the run before had, not empty.
        bars: of now.
        mended: what bringing them together has shown.
    """
    split = mended.split or 1.0
    last, (*_, close, _) = left[-1]
    since = [row for time, row in bars if time > last]
    return Away(
        split,
        mended.scale,
        close,
        opened=since[0][0] if since else None,
        low=min((row[2] for row in since), default=close * split),
        high=max((row[1] for row in since), default=close * split),
    )
