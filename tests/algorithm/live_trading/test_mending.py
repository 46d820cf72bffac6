from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.live_trading.mending import looks_like_split, mend, scaled

START = datetime(2014, 5, 1, 16)
EVENT = START + timedelta(days=20, hours=-8)


def bars(count, first=0, price=100.0):
    return [
        (START + timedelta(days=first + i), (price + i, price + i + 2, price + i - 2, price + i + 1,
                                             1000.0 + i))
        for i in range(count)
    ]  # fmt: skip


def test_the_same_bars_stay_as_they_are_and_new_ones_come_at_the_end():
    found = mend("AAPL", bars(10), bars(12), {})
    assert (found.bars, found.changed, found.said) == (bars(12), False, ())


def test_kept_bars_that_history_does_not_have_yet_stay():
    found = mend("AAPL", bars(12), bars(10), {})
    assert (found.bars, found.changed, found.said) == (bars(12), False, ())


@pytest.mark.parametrize("scale", [1.0, 0.995])
def test_an_answer_that_is_cut_short_takes_nothing_away(scale):
    """Three of ten bars, or some with a hole: the others stay, at history's scale."""
    truth = [scaled(bar, scale) for bar in bars(10)]
    for places in ((7, 8, 9), (0, 1, 8, 9)):
        found = mend("AAPL", bars(10), [truth[i] for i in places], {})
        assert [time for time, _ in found.bars] == [time for time, _ in truth]
        np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in truth], rtol=1e-12)
        assert any("not in history, kept all the same" in line for line in found.said)


def test_older_bars_than_those_kept_change_nothing():
    """Kept ones are trimmed, history goes back to the start."""
    found = mend("AAPL", bars(10)[4:], bars(12), {})
    assert (found.bars, found.changed) == (bars(12), False)


def test_a_first_look_takes_all_of_history():
    found = mend("AAPL", [], bars(10), {})
    assert (found.bars, found.changed, found.said) == (bars(10), False, ())


def test_history_without_an_answer_leaves_the_kept_bars():
    found = mend("AAPL", bars(10), [], {})
    assert (found.bars, found.changed) == (bars(10), False)
    assert found.said == ("AAPL: history has no bars; the 10 kept so far are used",)


def test_a_day_that_the_feed_missed_comes_back():
    kept = [bar for i, bar in enumerate(bars(10)) if i not in (4, 5)]
    found = mend("AAPL", kept, bars(10), {})
    assert (found.bars, found.changed) == (bars(10), True)
    assert found.said == (
        "AAPL: missed by the feed, taken from history: 2 bars, 2014-05-05 to 2014-05-06",
    )


def test_a_bar_made_of_part_of_a_day_is_corrected():
    kept = bars(10)
    kept[9] = (kept[9][0], (105.0, 108.0, 104.0, 107.0, 300.0))
    found = mend("AAPL", kept, bars(10), {})
    assert (found.bars, found.changed) == (bars(10), True)
    assert found.said == ("AAPL: corrected by history: the bar of 2014-05-10",)


def test_history_that_does_not_know_of_a_split_is_scaled():
    """Kept bars are at the new scale, for the broker told of it; today's bar is, too."""
    old = bars(20, price=700.0)
    kept = [*(scaled(bar, 1 / 7) for bar in old), *bars(1, first=20, price=100.0)]
    found = mend("AAPL", kept, old, {EVENT: 1 / 7})
    assert [time for time, _ in found.bars] == [time for time, _ in kept]
    np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in kept], rtol=1e-12)
    assert found.said == (
        "AAPL: history does not know of the split by 0.142857 of 2014-05-21; it is scaled",
    )


def test_history_that_knows_of_the_split_is_taken_as_it_is():
    old = [scaled(bar, 1 / 7) for bar in bars(20, price=700.0)]
    kept = [*old, *bars(1, first=20, price=100.0)]
    found = mend("AAPL", kept, old, {EVENT: 1 / 7})
    assert (found.bars, found.changed, found.said) == (kept, False, ())


def test_history_that_knows_of_a_split_before_the_broker_tells_is_scaled_back():
    """LEAN's history does, a day before: today's price is at the old scale still."""
    fetched = [scaled(bar, 0.5) for bar in bars(20)]
    for price in (121.0, None):
        found = mend("AAPL", bars(20), fetched, {}, price)
        np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in bars(20)], rtol=1e-12)
        assert "knows of a split by 0.5 that has not come yet" in found.said[0]
    # The price has moved, too: the split is there, whoever told of it.
    found = mend("AAPL", bars(20), fetched, {}, 60.0)
    assert found.bars == fetched


@pytest.mark.parametrize("price", [60.0, None])
@pytest.mark.parametrize("factor", [0.5, 0.375])
def test_a_bar_that_history_lacks_follows_the_split_that_history_knows(price, factor):
    """Ten at the old scale, of which history has nine, at the scale of this morning's split.

    0.375 is of no common split: two for one, say, and a large dividend.
    """
    kept = bars(10)
    fetched = [scaled(bar, factor) for bar in kept[:9]]
    morning = kept[-1][0].replace(hour=8) + timedelta(days=1)
    found = mend("AAPL", kept, fetched, {}, price and price * 2 * factor, morning)
    want = [scaled(bar, factor) for bar in kept]
    assert [time for time, _ in found.bars] == [time for time, _ in want]
    np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in want], rtol=1e-12)
    again = mend("AAPL", found.bars, fetched, {}, price and price * 2 * factor, morning)
    assert (again.bars, again.changed, again.said) == (found.bars, False, ())


@pytest.mark.parametrize("price", [60.0, None])
def test_a_bar_since_a_split_that_history_lacks_is_at_its_scale(price):
    """The feed had it at the new scale already, though nobody had told of a split."""
    old, new = bars(10), bars(2, 10, 55.0)
    fetched = [scaled(bar, 0.5) for bar in old[:9]]
    want = [*(scaled(bar, 0.5) for bar in old), *new]
    # From before the morning after them on: the split came with the first of the two.
    for now in (new[-1][0], new[-1][0] + timedelta(days=1)):
        found = mend("AAPL", [*old, *new], fetched, {}, price, now)
        assert [time for time, _ in found.bars] == [time for time, _ in want]
        np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in want], rtol=1e-12)
        assert found.split == 0.5


def test_a_split_is_to_come_after_the_newest_bar_whether_history_has_that_or_not():
    """At its close, and history, a bar behind, knows of the next morning's split."""
    kept = bars(10)
    fetched = [scaled(bar, 0.5) for bar in kept[:9]]
    found = mend("AAPL", kept, fetched, {}, now=kept[-1][0])
    assert (found.ahead, found.split) == (True, None)
    np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in kept], rtol=1e-12)


def test_a_provider_that_never_hears_of_a_split_has_bars_of_two_scales():
    """Those before it at the old scale, those since at the new: only the former are scaled."""
    truth = bars(30)
    fetched = [scaled(bar, 2.0) if bar[0] < EVENT else bar for bar in truth]
    for kept in ([], truth, truth[:20]):
        found = mend("AAPL", kept, fetched, {EVENT: 0.5}, 130.0)
        np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in truth], rtol=1e-12)


def test_two_splits_of_which_history_knows_the_first():
    kept = [scaled(bar, 1 / 14) for bar in bars(20, price=1400.0)]
    fetched = [scaled(bar, 1 / 7) for bar in bars(20, price=1400.0)]
    splits = {EVENT - timedelta(days=300): 1 / 7, EVENT: 1 / 2}
    found = mend("AAPL", kept, fetched, splits)
    np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in kept], rtol=1e-12)
    assert "does not know of the split by 0.5 of 2014-05-21" in found.said[0]


@pytest.mark.parametrize(
    ("scale", "told"),
    [(0.5, 0.5), (0.495, 0.5), (2.0, 2.0), (0.98, None), (1.0, None), (0.6, None)],
)
def test_a_split_that_only_history_knows_is_told(scale, told):
    kept = bars(5)
    fetched = [scaled(bar, scale) for bar in kept]
    day_after = kept[-1][0].replace(hour=8, minute=0) + timedelta(days=1)
    assert mend("AAA", kept, fetched, {}, now=day_after).split == told
    # Before eight of the day after the last bar it is still to come, whatever history says.
    if told is not None:
        early = mend("AAA", kept, fetched, {}, now=day_after - timedelta(minutes=1))
        assert early.split is None
        np.testing.assert_allclose([r for _, r in early.bars], [r for _, r in kept], rtol=0.02)


def test_a_dividend_scales_history_and_history_is_right():
    fetched = [scaled(bar, 0.995) for bar in bars(20)]
    found = mend("AAPL", bars(20), fetched, {EVENT: 1 / 7})
    assert (found.bars, found.changed) == (fetched, True)
    assert found.said == (
        "AAPL: history has a new scale, 0.995 times that of the kept bars, as after a dividend",
    )


@given(st.sets(st.integers(0, 29)), st.integers(0, 29), st.sampled_from([1.0, 0.5, 1 / 7, 3.0]))
def test_whatever_was_missed_the_mended_bars_are_those_of_an_unbroken_run(lost, known, factor):
    """At today's scale, in order, none twice; asked again nothing changes any more."""
    truth = bars(30)
    old = [scaled(bar, 1 / factor) for bar in truth]
    kept = [bar for i, bar in enumerate(truth) if i not in lost]
    fetched = old if factor != 1.0 else truth[: known + 1]
    event = {truth[-1][0] + timedelta(hours=16): factor} if factor != 1.0 else {}
    found = mend("AAPL", kept, fetched, event)
    want = truth if factor != 1.0 else [*truth[: known + 1], *(b for b in kept if b not in fetched)]
    if factor != 1.0 and not kept:
        return  # nothing to tell the scale by
    want = sorted(dict(want).items())
    assert [time for time, _ in found.bars] == [time for time, _ in want]
    np.testing.assert_allclose([r for _, r in found.bars], [r for _, r in want], rtol=1e-9)
    again = mend("AAPL", found.bars, fetched, event)
    assert again.bars == found.bars
    assert not again.changed


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [(645.0, 93.7, 1 / 7), (100.0, 52.0, 0.5), (10.0, 99.0, 10.0), (100.0, 84.0, None),
     (100.0, 70.0, 2 / 3), (100.0, 119.0, None), (100.0, 40.5, 0.4), (100.0, 44.5, None)],
)  # fmt: skip
def test_moves_that_look_like_splits(before, after, factor):
    assert looks_like_split(before, after) == (None if factor is None else pytest.approx(factor))


def test_a_split_of_a_day_nobody_saw_has_come_by_the_evening():
    """Killed before it, started after its close: history has the day at the new scale already."""
    kept, truth = bars(10), [*[scaled(bar, 0.5) for bar in bars(10)], *bars(1, 10, 50.0)]
    evening = truth[-1][0] + timedelta(hours=1)
    found = mend("AAPL", kept[-3:], truth, {}, now=evening)
    assert (found.bars, found.split) == (truth, 0.5)
    assert not any("has not come yet" in line for line in found.said)
