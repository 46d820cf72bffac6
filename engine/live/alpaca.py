"""The `alpaca` feed: minute bars streamed by Alpaca, history and corporate actions by request.

Data only: orders stay with the local paper brokerage. Keys come from the environment and go nowhere
else: `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`. `APCA_DATA_FEED` is `iex` (the default, free: the
trades of one exchange, so volumes are a few percent of all) or `sip`; `APCA_API_DATA_URL` and
`APCA_API_STREAM_URL` point to a proxy. Needs alpaca-py (requirements/live.txt).

A connection that is lost is made again by the client, after a second, then two, up to half a
minute; the minutes in between are asked for. History comes in pages, each span once; what is recent
is asked for again at most once a minute, and the client waits where Alpaca says that it was asked
too often.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any

from engine.common.clock import NEW_YORK, from_utc, midnight, to_utc
from engine.common.decimals import ZERO
from engine.common.enums import Resolution
from engine.feed.bar_files import read_prices, read_size
from engine.live.arrivals import MINUTE, BarSource, Prices
from engine.live.corporate import ReceivedActions, Told
from engine.live.day_events import EventKind
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Symbol

KEY, SECRET = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
DATA_FEED, DATA_URL, STREAM_URL = "APCA_DATA_FEED", "APCA_API_DATA_URL", "APCA_API_STREAM_URL"
INSTALL = "pip install -r requirements/live.txt"
_TIMEOUT = 30.0
"""Seconds after which a request that has no answer is given up."""
_SETTLED = timedelta(minutes=20)
"""After a close, from which on Alpaca's daily bar counts; before, its minutes do."""
_AGAIN = timedelta(minutes=1)
"""What is recent is asked for again after so long."""
_RECENT = timedelta(days=5)
_SILENT = timedelta(minutes=3)
"""Without a minute bar for so long within a session, the minutes are asked for."""
_AHEAD = timedelta(days=14)
_CLOSING = 5.0
"""Seconds within which the stream's thread is to end; it does not keep the process alive."""
_ACTIONS_AGAIN = timedelta(hours=1)


def keys(environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Key and secret.

    Raises:
        ValueError: naming the variable that is not set.
    """
    for name in (KEY, SECRET):
        if not environment.get(name):
            raise ValueError(
                f"--feed alpaca must have its key in the environment variables {KEY} and {SECRET}; "
                f"{name} is not set"
            )
    return environment[KEY], environment[SECRET]


def _module(name: str) -> Any:
    """A module of the package.

    Raises:
        ValueError: if it is not installed; names the command.
    """
    try:
        return import_module(f"alpaca.{name}")
    except ImportError as error:
        raise ValueError(f"--feed alpaca must have alpaca-py installed: {INSTALL}") from error


def _data_feed(environment: Mapping[str, str]) -> str:
    """The data to ask for.

    Raises:
        ValueError: if Alpaca has none of that name.
    """
    found = environment.get(DATA_FEED, "iex")
    known = [kind.value for kind in _module("data.enums").DataFeed]
    if found not in known:
        raise ValueError(
            f"--feed alpaca must have one of {', '.join(known)} in {DATA_FEED}; received {found!r}"
        )
    return found


class _Requests:
    """Alpaca's REST interface."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        from requests.adapters import HTTPAdapter

        class Impatient(HTTPAdapter):
            """Gives up in the end."""

            def send(self, *given: Any, **named: Any) -> Any:
                named["timeout"] = _TIMEOUT
                return super().send(*given, **named)

        self._data = _module("data")
        self._ask_for = _module("data.requests")
        historical = _module("data.historical.corporate_actions")
        key, secret = keys(environment)
        url = environment.get(DATA_URL)
        self._feed = _data_feed(environment)
        self._bars = self._data.StockHistoricalDataClient(
            key, secret, raw_data=True, url_override=url
        )
        self._actions = historical.CorporateActionsClient(
            key, secret, raw_data=True, url_override=url
        )
        for client in (self._bars, self._actions):
            for scheme in ("http://", "https://"):
                client._session.mount(scheme, Impatient())

    def bars(
        self, ticker: str, resolution: Resolution, start: datetime, end: datetime
    ) -> list[Mapping[str, Any]]:
        """Unadjusted bars that start within two moments (UTC).

        Raises:
            ValueError: if Alpaca refuses.
            OSError: if it cannot be reached.
        """
        frames = self._data.TimeFrame
        frame = frames.Day if resolution == Resolution.DAILY else frames.Minute
        request = self._ask_for.StockBarsRequest(
            symbol_or_symbols=ticker,
            timeframe=frame,
            start=start,
            end=end,
            adjustment="raw",
            feed=self._feed,
        )
        found = self._asked(lambda: self._bars.get_stock_bars(request))
        return list((found or {}).get(ticker) or [])

    def actions(self, ticker: str, start: date, end: date) -> Mapping[str, Any]:
        """Splits and dividends by kind.

        Raises:
            ValueError: if Alpaca refuses.
            OSError: if it cannot be reached.
        """
        kinds = ["forward_split", "reverse_split", "cash_dividend"]
        request = self._ask_for.CorporateActionsRequest(
            symbols=[ticker], types=kinds, start=start, end=end
        )
        return dict(self._asked(lambda: self._actions.get_corporate_actions(request)) or {})

    @staticmethod
    def _asked(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except _module("common.exceptions").APIError as error:
            status = error.status_code
            if status in (401, 403):
                raise ValueError(
                    f"--feed alpaca: Alpaca refuses the key in {KEY} and {SECRET}, or data that it "
                    f"does not cover (HTTP {status})"
                ) from None
            raise OSError(f"Alpaca answered with an error (HTTP {status}): {error}") from None
        except OSError as error:
            raise OSError(f"Alpaca cannot be reached ({type(error).__name__})") from error


def _stream(environment: Mapping[str, str], feed: AlpacaFeed) -> Any:
    """Alpaca's websocket, which tells a feed how its connection fares."""
    stock, kinds = _module("data.live.stock"), _module("data.enums")
    key, secret = keys(environment)
    # The client logs every try with its traceback; the feed tells of them.
    logging.getLogger("alpaca").setLevel(logging.CRITICAL)

    kind = kinds.DataFeed(_data_feed(environment))
    stream = stock.StockDataStream(
        key, secret, raw_data=True, feed=kind, url_override=environment.get(STREAM_URL)
    )
    begin, wait = stream._start_ws, stream._wait_before_reconnect

    async def begin_and_tell() -> None:
        await begin()
        feed.connected()

    async def tell_and_wait(retries: int) -> None:
        feed.disconnected(retries)
        await wait(retries)

    stream._start_ws, stream._wait_before_reconnect = begin_and_tell, tell_and_wait
    return stream


class AlpacaFeed(BarSource):
    """Bars of Alpaca.

    Args:
        hours: of the exchange, by ticker.
        now, tell, given: see `BarSource`.
        environment: holds keys and addresses; see the module.

    Attributes:
        actions: splits and dividends.

    Raises:
        ValueError: if alpaca-py or a key is missing.
    """

    def __init__(
        self,
        hours: Callable[[str], ExchangeHours],
        now: Callable[[], datetime],
        tell: Callable[[str], None],
        given: Mapping[str, Mapping[str, datetime]],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__(now, tell, given)
        self.actions = ReceivedActions()
        self._hours = hours
        self._environment = environment
        self._requests = _Requests(environment)
        self._guard = threading.RLock()
        self._asked: dict[tuple[str, Resolution], tuple[datetime, datetime]] = {}
        self._actions_asked: dict[str, tuple[datetime, datetime]] = {}
        self._served: list[str] = []
        self._stream: Any = None
        self._thread: threading.Thread | None = None
        self._fresh = threading.Event()
        self._last_minute = now()
        self._minutes_asked = datetime.min
        self._connections = 0
        self._connected = self._gap = False
        self._news: list[str] = []
        self._odd: set[tuple[str, str]] = set()
        self._failing = ""

    # The run asks ---------------------------------------------------------------------------

    def serve(self, symbol: Symbol, hours: ExchangeHours) -> None:
        """Begin with a symbol: its minutes since the run before, or of today, and those to come."""
        ticker = symbol.value.upper()
        if ticker in self._served:
            return
        self._served.append(ticker)
        today = midnight(hours.from_utc(self._now()))
        self._ask_minutes(ticker, min(today, self.given.get(ticker, {}).get("minute", today)))
        if self._stream is not None:
            self._subscribe([ticker])

    def poll(self) -> bool:
        """Whether minutes have come; begins to stream, and asks for what a lost connection lost."""
        if self._stream is None and self._served:
            self._begin()
        with self._guard:
            told, self._news = self._news, []
        for line in told:
            self.tell(line)
        self._ask_what_was_missed()
        for ticker in self._served:
            self._ask_actions(ticker, self._now())
        if not self._fresh.is_set():
            return False
        self._fresh.clear()
        return True

    def take_event_news(self) -> list[tuple[str, date, EventKind]]:
        """What Alpaca has told since the last call."""
        return self.actions.take_news()

    def close(self) -> None:
        """Close the connection."""
        loop = getattr(self._stream, "_loop", None)
        if self._thread is None or loop is None or not self._thread.is_alive():
            return
        self._stream.stop()
        # What it waits for on the socket would hold it up for seconds.
        asyncio.run_coroutine_threadsafe(self._stream.close(), loop)
        self._thread.join(timeout=_CLOSING)

    def fetch(self, ticker: str, resolution: Resolution, day: datetime) -> None:
        """Ask for the bars from a day (exchange time) on, where they are not known yet.

        What cannot be had when the run goes on is told, once; it is asked for again later.

        Raises:
            ValueError, OSError: if nothing of the symbol can be had at all.
        """
        with self._guard:
            now = self._now()
            local = from_utc(now, NEW_YORK)
            first = min(day, midnight(local) - 2 * _RECENT)
            key = ticker, resolution
            since, asked = self._asked.get(key, (datetime.max, datetime.min))
            wanted = []
            if first < since:
                wanted.append((first, min(since, local + MINUTE)))
            if since is not datetime.max and day > local - _RECENT and now - asked >= _AGAIN:
                wanted.append((midnight(local) - _RECENT, local + MINUTE))
            for start, end in wanted:
                try:
                    self._put(ticker, resolution, self._requests.bars(ticker, *_span(
                        resolution, start, end)))  # fmt: skip
                except (OSError, ValueError) as problem:
                    if not self.bars.has(ticker):
                        raise
                    self._fail(f"history of {ticker}", problem)
                    return
                self._failing = ""
                since = min(since, first)
                self._asked[key] = since, now
            if wanted:
                self._ask_actions(ticker, now, since)

    # Requests -------------------------------------------------------------------------------

    def _ask_minutes(self, ticker: str, start: datetime) -> None:
        try:
            end = from_utc(self._now(), NEW_YORK)
            found = self._requests.bars(ticker, *_span(Resolution.MINUTE, start, end))
        except (OSError, ValueError) as problem:
            self._fail(f"minutes of {ticker}", problem)
            return
        self._failing = ""
        if self._put(ticker, Resolution.MINUTE, found):
            self._fresh.set()

    def _ask_what_was_missed(self) -> None:
        """After a lost connection, and while the stream is silent in a session."""
        now = self._now()
        if now - self._minutes_asked < _AGAIN:
            return
        with self._guard:
            gap = self._gap and self._connected
            silent = now - self._last_minute > _SILENT and self._in_session(now)
            if not (gap or silent):
                return
            self._gap = self._gap and not gap
        self._minutes_asked = now
        since = from_utc(self._last_minute, NEW_YORK) - _SILENT
        for ticker in self._served:
            self._ask_minutes(ticker, since)

    def _in_session(self, now: datetime) -> bool:
        hours = self._hours(self._served[0]) if self._served else None
        return hours is not None and hours.is_open(hours.from_utc(now))

    def _ask_actions(self, ticker: str, now: datetime, since: datetime = datetime.max) -> None:
        """Ask for splits and dividends: where older ones are wanted, and once an hour."""
        first, asked = self._actions_asked.get(ticker, (datetime.max, datetime.min))
        start = min(since, first)
        if start == datetime.max or (start == first and now - asked < _ACTIONS_AGAIN):
            return
        self._actions_asked[ticker] = start, now
        try:
            found = self._requests.actions(ticker, start.date(), (now + _AHEAD).date())
        except (OSError, ValueError) as problem:
            self._fail(f"splits and dividends of {ticker}", problem)
            return
        by_day, odd = _actions(found)
        with self._guard:
            new = [problem for problem in odd if (ticker, problem) not in self._odd]
            self._odd |= {(ticker, problem) for problem in new}
            self._news += [
                f"feed: a split or dividend of {ticker} from Alpaca cannot be read, and is "
                f"skipped: {problem}"
                for problem in new
            ]
        for day, told in by_day.items():
            self.actions.put(ticker, day, told)

    def _fail(self, what: str, problem: Exception) -> None:
        if self._failing != str(problem):
            self._failing = str(problem)
            self.tell(f"feed: {what} cannot be had from Alpaca, and is asked for again: {problem}")

    def _put(self, ticker: str, resolution: Resolution, found: Iterable[Mapping[str, Any]]) -> bool:
        new = False
        now = from_utc(self._now(), NEW_YORK)
        for bar in found:
            try:
                start = from_utc(_moment(bar["t"]), NEW_YORK)
                texts = [str(bar[name]) for name in "ohlc"]
                opened, high, low, close = read_prices(texts, places=0)
                row = Prices(opened, high, low, close, read_size(str(bar["v"]), "volume"))
            except (KeyError, TypeError, AttributeError, ValueError) as problem:
                with self._guard:
                    self._news.append(
                        f"feed: a bar of {ticker} from Alpaca cannot be read, and is skipped: "
                        f"{type(problem).__name__} {problem}"
                    )
                continue
            if resolution == Resolution.DAILY:
                start = midnight(start)
                session = self._hours(ticker).session(start.date())
                if session is None or now < session.close + _SETTLED:
                    continue
            new |= self.bars.put(ticker, resolution, start, row) != row
        return new

    # The stream -----------------------------------------------------------------------------

    def _begin(self) -> None:
        self._stream = _stream(self._environment, self)
        self._subscribe(self._served)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca", daemon=True)
        self._thread.start()

    def _subscribe(self, tickers: list[str]) -> None:
        self._stream.subscribe_bars(self._hear, *tickers)
        self._stream.subscribe_updated_bars(self._hear, *tickers)

    async def _hear(self, bar: Mapping[str, Any]) -> None:
        """A minute, new or corrected, on the stream's thread."""
        if self._put(bar["S"], Resolution.MINUTE, [bar]):
            self._last_minute = self._now()
            self._fresh.set()

    def connected(self) -> None:
        """The stream is there, for the first time or again."""
        with self._guard:
            self._connections += 1
            self._connected = True
            again = " again; what was missed is asked for" if self._connections > 1 else ""
            self._news.append(f"feed: connected to Alpaca's stream{again}")

    def disconnected(self, tries: int) -> None:
        """The stream is lost, or could not be had for so many times."""
        with self._guard:
            self._connected = False
            self._gap = True
            if tries == 1 or tries % 10 == 0:
                self._news.append(
                    "feed: no connection to Alpaca's stream"
                    + (f" after {tries} tries" if tries > 1 else "")
                    + "; it is tried again and again"
                )


def _span(
    resolution: Resolution, start: datetime, end: datetime
) -> tuple[Resolution, datetime, datetime]:
    """Moments (UTC) between two exchange times."""
    return resolution, to_utc(start, NEW_YORK), to_utc(end, NEW_YORK)


def _moment(time: Any) -> datetime:
    """UTC of a time in an answer (text) or on the stream (msgpack's type)."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time.to_datetime()
    return moment.astimezone(UTC).replace(tzinfo=None)


def _actions(found: Mapping[str, Any]) -> tuple[dict[date, Told], list[str]]:
    """Splits and dividends by ex-date, those of one day together; what is wrong with others."""
    by_day: dict[date, Told] = {}
    odd = []
    for kind in ("forward_splits", "reverse_splits", "cash_dividends"):
        for each in found.get(kind) or []:
            split, dividend = Fraction(1), ZERO
            try:
                day = date.fromisoformat(each["ex_date"])
                if kind == "cash_dividends":
                    dividend = Decimal(str(each["rate"]))
                else:
                    split = Fraction(str(each["new_rate"])) / Fraction(str(each["old_rate"]))
                if split <= 0 or not dividend.is_finite() or dividend < 0:
                    raise ValueError(f"a split must be > 0, a dividend >= 0; received {each}")
            except (KeyError, TypeError, ValueError, ArithmeticError) as problem:
                odd.append(f"{type(problem).__name__} {problem}")
                continue
            known = by_day.get(day, Told())
            by_day[day] = Told(known.split * split, known.dividend + dividend)
    return by_day, odd
