"""The feeds of `engine live`: where bars, history and corporate events come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from engine.common.clock import NEW_YORK, from_utc, midnight
from engine.common.enums import Resolution
from engine.feed.bar_files import BarFiles
from engine.feed.subscriptions import Sources
from engine.live.alpaca import AlpacaFeed
from engine.live.arrivals import BarSource, ReceivedFiles
from engine.live.clock import Clock, SystemClock
from engine.live.corporate import ActionFactors, ReceivedActions
from engine.live.folder import FolderFeed
from engine.live.ticks import FactorsAsOf, ReplayTicks, TickSource
from engine.market.market_hours import ExchangeHours

REPLAY, FOLDER, ALPACA = "replay", "folder", "alpaca"
FEEDS = (REPLAY, FOLDER, ALPACA)
_DAY = timedelta(days=1)

Hours = Callable[[str], ExchangeHours]


@dataclass(frozen=True)
class Feed:
    """What a live run trades on.

    Attributes:
        source: the trades, or the bars as they come in.
        sources: bars and factor files for warm-up and history.
        events: the files that tell of splits and dividends.
    """

    source: TickSource | BarSource
    sources: Sources
    events: Sources

    def close(self) -> None:
        """Let go of files and connections."""
        if isinstance(self.source, BarSource):
            self.source.close()


def replay_feed(bars: BarFiles, data_folder: Path, clock: Clock) -> Feed:
    """The bars of a data folder, as trades on their days."""
    sources, events = sources_as_of(bars, data_folder, clock)
    return Feed(ReplayTicks(sources), sources, events)


def folder_feed(
    folder: Path,
    data_folder: Path,
    hours: Hours,
    clock: SystemClock,
    given: Mapping[str, Mapping[str, datetime]],
) -> Feed:
    """What is appended to a folder; see `engine.live.folder`.

    Raises:
        ValueError: if there is no such folder.
    """
    source = FolderFeed(folder, hours, lambda: clock.now, clock.tell, given)
    return _received(source, source.want, source.actions, data_folder, hours, clock)


def alpaca_feed(
    data_folder: Path,
    hours: Hours,
    clock: SystemClock,
    given: Mapping[str, Mapping[str, datetime]],
) -> Feed:
    """Alpaca's minutes and history; see `engine.live.alpaca`.

    Raises:
        ValueError: if alpaca-py or a key is missing.
    """
    source = AlpacaFeed(hours, lambda: clock.now, clock.tell, given)
    return _received(source, source.fetch, source.actions, data_folder, hours, clock)


def _received(
    source: BarSource,
    fetch: Callable[[str, Resolution, datetime], None],
    actions: ReceivedActions,
    data_folder: Path,
    hours: Hours,
    clock: SystemClock,
) -> Feed:
    """A feed of what a source receives; the clock looks whether there is any."""
    clock.news = source.poll
    bars = ReceivedFiles(data_folder, source, hours, fetch)

    def known(ahead: timedelta) -> Sources:
        day = _day(clock, ahead)
        return Sources(bars, ActionFactors(actions, source.bars, hours, day))

    return Feed(source, known(timedelta(0)), known(_DAY))


def sources_as_of(bars: BarFiles, data_folder: Path, clock: Clock) -> tuple[Sources, Sources]:
    """Files as they are on a clock's day: for bars and history, and for corporate events.

    A row of a factor file is of the last day before its event. Prices follow it from the next day
    on; who tells of events must know it in that day's morning already.
    """
    return (
        Sources(bars, FactorsAsOf(data_folder, _day(clock, timedelta(0)))),
        Sources(bars, FactorsAsOf(data_folder, _day(clock, _DAY))),
    )


def _day(clock: Clock, ahead: timedelta) -> Callable[[], datetime]:
    """A clock's day in New York, or one that lies ahead."""
    return lambda: midnight(from_utc(clock.now, NEW_YORK)) + ahead
