"""The worst day, real and imagined."""

import json

import numpy as np
import pytest

from models.market.history import CLOSE, History
from sim.crisis import BARS_AROUND, deviations_of, worst_imagined_day, worst_real_day
from sim.paths import Paths

DAYS = np.busday_offset(np.datetime64("2014-01-01"), np.arange(100), roll="forward")


def bars_of(log_returns, price):
    close = price * np.exp(np.concatenate([[0.0], np.cumsum(log_returns)]))
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    return np.stack([opened, high, low, close, np.full(len(close), 1e6)], axis=1)


def market(worst, fall=0.2, n=100):
    """Log returns of two symbols, the second three times as wild; both fall on one day."""
    rng = np.random.default_rng(0)
    returns = rng.normal(0, 0.01, (2, n - 1)) * np.array([[1.0], [3.0]])
    returns[:, worst - 1] = [-fall, -3 * fall]
    # A symbol's own disaster is none of the market's.
    returns[1, 10] = -0.5
    return returns


def histories(worst=60, **options):
    found = market(worst, **options)
    return [
        History(name, DAYS, bars_of(r, p))
        for name, r, p in (("A", found[0], 10.0), ("B", found[1], 200.0))
    ]


def test_the_worst_real_day_is_that_on_which_all_fell():
    both = histories()
    found = worst_real_day(both)
    assert found.date == str(DAYS[60])
    assert (found.market, found.searched) == (None, 99)
    np.testing.assert_allclose(found.returns, np.expm1([-0.2, -0.6]))
    wanted = np.array([-0.2, -0.6]) / [h.log_returns[1:].std() for h in both]
    np.testing.assert_allclose(found.deviations, wanted)
    assert found.day == BARS_AROUND + 1
    assert found.closes.shape == (2, 2 * BARS_AROUND + 2)
    np.testing.assert_array_equal(found.closes[:, found.day - 1], 1.0)
    np.testing.assert_allclose(found.closes[:, found.day] - 1.0, found.returns)


@pytest.mark.parametrize(("worst", "day", "length"), [(3, 3, 24), (98, 21, 23)])
def test_bars_around_are_as_many_as_there_are(worst, day, length):
    found = worst_real_day(histories(worst))
    assert (found.day, found.closes.shape[1]) == (day, length)


def test_only_dates_on_which_all_have_a_bar_count():
    a, b = histories()
    b = History("B", b.time[70:], b.bars[70:])  # listed after the fall
    found = worst_real_day([a, b])
    assert found.searched == 29
    assert np.datetime64(found.date) > DAYS[70]
    assert worst_real_day([a, History("C", DAYS[:50] + np.timedelta64(999), a.bars[:50])]) is None


def test_only_days_from_the_first_row_on_count():
    """The worst day of all is day 60, the worst after it another; deviations are of those days."""
    both = histories(60)
    found = worst_real_day(both, 61)
    assert found.searched == 39
    late = np.stack([h.log_returns[61:] for h in both])
    of_each = late / late.std(axis=1, keepdims=True)
    at = of_each.mean(axis=0).argmin()
    assert found.date == str(DAYS[61 + at])
    np.testing.assert_allclose(found.deviations, of_each[:, at])
    np.testing.assert_allclose(deviations_of(both, 61), late.std(axis=1))
    # The row itself is a day, its close before only the base.
    assert worst_real_day(both, 60).date == str(DAYS[60])
    assert worst_real_day(both, 60).day == 1
    assert worst_real_day(both, 100) is None
    with pytest.raises(ValueError, match="first must be >= 1: row 0 has no return; received 0"):
        worst_real_day(both, 0)


def test_the_worst_imagined_day_is_found_among_all_markets():
    quiet, wild = market(60, fall=0.1), market(30, fall=0.3)
    bars = np.stack([[bars_of(r, 5.0) for r in found] for found in (quiet, wild, quiet)])
    seen = np.zeros((*bars.shape[:3], 0), np.float32)
    paths = Paths(bars, seen, np.tile([0, 1], (3, 1)), np.zeros((3, 2), np.int64))
    found = worst_imagined_day(paths, np.array([0.01, 0.03]))
    assert (found.date, found.market, found.searched) == (None, 1, 3 * 99)
    np.testing.assert_allclose(found.deviations, -30.0)
    np.testing.assert_allclose(found.returns, np.expm1([-0.3, -0.9]))
    at = bars[1, :, 30, CLOSE] / bars[1, :, 29, CLOSE]
    np.testing.assert_allclose(found.closes[:, found.day], at)
    assert json.loads(json.dumps(found.to_json()))["returns"] == found.returns.round(5).tolist()


def test_a_price_that_never_moves_divides_by_nothing():
    still = History("S", DAYS, bars_of(np.zeros(99), 10.0))
    assert deviations_of([still])[0] > 0
    assert np.isfinite(worst_real_day([still, histories()[0]]).deviations).all()
