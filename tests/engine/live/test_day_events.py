"""Which of a day's events are to be followed, and of which share a dividend is."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.common.enums import SecurityType, SplitType
from engine.live.corporate import ReceivedActions, Told
from engine.live.day_events import DayEvent, EventKind, kinds_of, later_splits, to_follow
from engine.market.data import Dividend, Split
from engine.market.symbols import Symbol

ABC = Symbol.create("ABC", SecurityType.EQUITY, "usa")
DAY, ONE_DAY = datetime(2010, 1, 13), timedelta(days=1)
SPLIT = Split(ABC, DAY, 100, Decimal("0.25"))
WARNING = Split(ABC, DAY, 100, Decimal("0.5"), SplitType.WARNING)
PAID = Dividend(ABC, DAY, Decimal(2), 100)
BOTH = set(EventKind)


def told(points, due):
    """Kind and size of what is to be followed."""
    return [
        (point.split_factor_exact,) if isinstance(point, Split)
        else (point.distribution_exact, point.reference_price_exact)
        for point in to_follow(points, due)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "due", "expected"),
    [
        ([SPLIT, PAID], BOTH, [(2, 100), (Decimal("0.25"),)]),
        ([SPLIT, PAID], {EventKind.SPLIT}, [(Decimal("0.25"),)]),
        # Two dollars a share of before are half a dollar on each of the four that it has become.
        ([SPLIT, PAID], {EventKind.DIVIDEND}, [(Decimal("0.5"), 25)]),
        ([WARNING, PAID], {EventKind.DIVIDEND}, [(2, 100)]),
        ([PAID], {EventKind.DIVIDEND}, [(2, 100)]),
        ([PAID], BOTH, [(2, 100)]),
        ([WARNING], BOTH, []),
        ([SPLIT, PAID], set(), []),
    ],
)
def test_what_is_due_is_of_the_share_that_there_is(points, due, expected):
    assert told(points, due) == expected


def test_a_dividend_is_restated_by_the_later_splits_that_were_followed():
    followed = [DayEvent(DAY + n * ONE_DAY, kind) for n in range(3) for kind in EventKind if n != 1]
    by_day = {
        DAY + n * ONE_DAY: [Split(ABC, DAY + n * ONE_DAY, 100, factor), PAID, WARNING]
        for n, factor in enumerate(map(Decimal, ("0.25", "0.5", "0.1", "0.2")))
    }
    later = later_splits(by_day, DAY, followed)
    assert later == {DAY + 2 * ONE_DAY: Decimal("0.1")}
    assert later_splits(by_day, DAY + 2 * ONE_DAY, followed) == {}
    (paid,) = to_follow(by_day[DAY], {EventKind.DIVIDEND}, later.values())
    # Two dollars a share, on each of the forty that it has become.
    assert paid.distribution_exact == Decimal("0.05")


def test_the_warning_of_a_split_is_no_event():
    assert kinds_of([SPLIT, WARNING, PAID]) == BOTH
    assert kinds_of([WARNING]) == set()


def test_news_are_what_a_day_had_not_and_corrections_are_none():
    actions, day = ReceivedActions(), date(2010, 1, 13)
    news = []
    for split, dividend in ((2, 0), (2, 0), (2, 1), (4, 2), (1, 2), (2, 2)):
        actions.put("ABC", day, Told(Fraction(split), Decimal(dividend)))
        news.append(actions.take_news())
    split, dividend = [[("ABC", day, kind)] for kind in (EventKind.SPLIT, EventKind.DIVIDEND)]
    assert news == [split, [], dividend, [], [], split]
