"""Bars as they come in: checked, kept once, given back as histories."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from algorithm.bars import BarBook

CLOSE = datetime(2009, 1, 2, 16)
ROW = (10.0, 11.0, 9.0, 10.5, 1e6)


def day(n):
    return CLOSE + timedelta(days=n)


@pytest.fixture
def book():
    return BarBook(["A", "B"], keep=3)


def test_bars_come_back_as_histories_oldest_first(book):
    for n in (0, 1):
        assert book.add("A", day(n), (*ROW[:4], 1e6 + n))
    assert book.add("B", day(0), ROW)
    a, b = book.histories()
    assert (a.symbol, b.symbol) == ("A", "B")
    np.testing.assert_array_equal(a.bars[:, 4], [1e6, 1e6 + 1])
    assert a.time.tolist() == np.array([day(0), day(1)], dtype="datetime64[ns]").tolist()
    np.testing.assert_array_equal(b.bars, [ROW])


def test_only_the_newest_are_kept(book):
    for n in range(5):
        book.add("A", day(n), ROW)
    book.add("B", day(0), ROW)
    assert [str(time)[:10] for time in book.histories()[0].time] == [
        "2009-01-04",
        "2009-01-05",
        "2009-01-06",
    ]


def test_a_bar_told_twice_is_kept_once(book):
    assert book.add("A", day(0), ROW)
    assert not book.add("A", day(0), ROW)
    assert len(list(book.later_than("A", np.datetime64("2000-01-01")))) == 1


@pytest.mark.parametrize(
    ("time", "row", "message"),
    [
        (day(0), (*ROW[:4], 2e6), r"A: time must be unique; received 2009-01-02 16:00:00 twice"),
        (day(-1), ROW, "A: time must be sorted, oldest first"),
        (day(11), ROW, "A: time must have no gap longer than 10 days"),
        (day(1), (10.0, 9.5, 9.0, 9.2, 1e6), "A: high must be >= open"),
        (day(1), (10.0, 11.0, 9.0, 10.5, 0.0), "A: volume must be > 0; received 0.0"),
    ],
)
def test_a_bad_bar_is_refused_and_not_kept(book, time, row, message):
    book.add("A", day(0), ROW)
    with pytest.raises(ValueError, match=message):
        book.add("A", time, row)
    assert list(book.later_than("A", np.datetime64("2000-01-01"))) == [(day(0), ROW)]
    assert book.add("A", day(1), ROW)


def test_the_first_bar_is_checked_too(book):
    with pytest.raises(ValueError, match="close must be finite"):
        book.add("A", day(0), (10.0, 11.0, 9.0, float("nan"), 1e6))
    assert book.without_bars() == ["A", "B"]


def test_symbols_without_bars_are_named(book):
    book.add("B", day(0), ROW)
    assert book.without_bars() == ["A"]


def test_later_bars_come_oldest_first_and_without_the_one_at_the_time(book):
    for n in range(3):
        book.add("A", day(n), ROW)
    later = [time for time, _ in book.later_than("A", np.datetime64(day(0), "ns"))]
    assert later == [day(1), day(2)]
    assert list(book.later_than("A", np.datetime64(day(2), "ns"))) == []


def test_bars_that_stay_away_are_noticed_after_ten_days(book):
    book.check_gap("A", day(0))
    book.add("A", day(0), ROW)
    book.check_gap("A", day(10))
    with pytest.raises(
        ValueError, match=r"A: .*gap.*no bar from 2009-01-02 16:00:00 to 2009-01-12"
    ):
        book.check_gap("A", day(10) + timedelta(seconds=1))


def test_other_bars_are_kept_instead_the_newest_of_them(book):
    book.add("A", day(0), ROW)
    others = [(day(n), tuple(2 * x for x in ROW)) for n in range(book._bars["A"].maxlen + 2)]
    book.replace("A", others)
    assert book.of("A") == others[2:]
    book.add("B", day(0), ROW)
    assert [len(history) for history in book.histories()] == [len(others) - 2, 1]


def test_bars_that_are_no_history_replace_nothing(book):
    book.add("A", day(0), ROW)
    with pytest.raises(ValueError, match="volume must be > 0"):
        book.replace("A", [(day(30), (*ROW[:4], 0.0))])
    assert book.of("A") == [(day(0), ROW)]


def test_outside_series_come_with_the_bars_as_they_were_known():
    book = BarBook(["A", "B"], keep=3, macro=("vix", "rate"))
    with pytest.raises(
        ValueError, match=r"vix: values .* from 2009-01-02 to 2009-01-02; received none"
    ):
        book.known_at([CLOSE])
    for n in range(-3, 4):
        book.add_macro("vix", day(n).date(), 20.0 + n)
        book.add_macro("rate", day(n).date(), 2.0 + n)
    for n in (0, 1):
        book.add("A", day(n), ROW)
    book.add("B", day(1), ROW)
    a, b = book.histories()
    # VIX of the day before, the rate of the day.
    wanted = [[np.log(19.0), 2.0], [np.log(20.0), 3.0]]
    np.testing.assert_array_equal(a.macro.values, wanted)
    np.testing.assert_array_equal(b.macro.values, wanted[1:])
    # A bar that comes later is told the same, whatever has come since.
    book.add_macro("vix", day(9).date(), 50.0)
    np.testing.assert_array_equal(book.known_at([day(1)]).values, wanted[1:])


def test_without_outside_series_there_is_nothing_beside_bars(book):
    book.add("A", day(0), ROW)
    book.add("B", day(0), ROW)
    assert book.known_at([day(0)]) is None
    assert [one.macro for one in book.histories()] == [None, None]
