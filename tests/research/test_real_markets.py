"""A real span as one market: what was known when, and by whose forecast."""

from dataclasses import replace

import numpy as np
import pytest

from models.agent.outlook import FORECAST
from models.forecast.config import ForecasterConfig
from models.market.features import FeatureTable
from models.market.history import CLOSE, History
from models.market.market_view import MarketView
from research import real_markets
from research.real_markets import (
    RealMarket,
    WalkForward,
    follow,
    known,
    new_years,
    real_market,
    walk,
)
from sim.starts import start_moments
from tests.sim.forecasting import HISTORIES

SETTINGS = WalkForward(
    years=1.3, config=ForecasterConfig(units=8, window=20, epochs=1, retrain_epochs=1, masks=2)
)
DAYS = HISTORIES[0].time.astype("datetime64[D]")
REFITS = DAYS[[500, 550]]


@pytest.fixture(scope="module")
def refits():
    return walk(HISTORIES, REFITS, SETTINGS)


@pytest.fixture(scope="module")
def market(refits):
    return follow(HISTORIES, refits)


def changed_after(day):
    """Other bars from a day on."""
    found = []
    for one in HISTORIES:
        bars = one.bars.copy()
        late = one.time >= day
        bars[late] = bars[late] * [1.3, 1.3, 1.3, 1.3, 2.0]
        found.append(History(one.symbol, one.time, bars))
    return found


def test_it_holds_the_common_dates_from_the_last_close_before_the_first_refit(market):
    np.testing.assert_array_equal(market.dates, DAYS[499:])
    assert market.symbols == ("AAA", "BBB")
    assert market.paths.start_row.tolist() == [[499, 499]]
    for s, one in enumerate(HISTORIES):
        np.testing.assert_array_equal(market.paths.bars[0, s], one.bars[499:600])
    assert market.paths.observations.shape[:3] == (1, 2, 101)


def test_nothing_knows_a_later_bar(market):
    day = DAYS[570]
    histories = changed_after(day)
    other = follow(histories, walk(histories, REFITS, SETTINGS))
    row = market.row_before(day)
    same = slice(0, row + 1)
    for name in ("bars", "observations", "forecasts"):
        mine, theirs = getattr(market.paths, name), getattr(other.paths, name)
        np.testing.assert_array_equal(mine[:, :, same], theirs[:, :, same], err_msg=name)
        assert not np.array_equal(mine[:, :, row + 1], theirs[:, :, row + 1])
    np.testing.assert_array_equal(market.paths.moments, other.paths.moments)


def test_a_refit_decides_from_the_last_close_before_its_date(market, refits):
    first, second = refits
    table = FeatureTable.of(HISTORIES[0])
    for refit, row in ((first, 499), (second, 549)):
        view = MarketView.at_rows(table, [row], window=20)
        memory = refit.forecaster.hindcast(table).memory_at(np.array([row]))
        seen = refit.observer.follow(view, memory)
        np.testing.assert_array_equal(market.paths.forecasts[0, 0, row - 499], seen.forecast[0])
        np.testing.assert_array_equal(market.paths.observations[0, 0, row - 499], seen.current()[0])
    alone = follow(HISTORIES, [first]).paths.forecasts
    np.testing.assert_array_equal(alone[:, :, :50], market.paths.forecasts[:, :, :50])
    deviation = FORECAST.index("deviation")
    assert (alone[:, :, 50:, deviation] != market.paths.forecasts[:, :, 50:, deviation]).all()


def test_fits_know_the_years_before_their_date(refits):
    for refit, row in zip(refits, (500, 550), strict=True):
        for table in refit.tables:
            assert table.history.time[-1] == DAYS[row - 1]
            assert len(table) == round(1.3 * 365.25)
    assert known(HISTORIES[0], DAYS[30], 9.0).bars.shape == (30, 5)
    with pytest.raises(ValueError, match="AAA must have bars in the 1 years before 2015-01-01"):
        known(HISTORIES[0], DAYS[0], 1.0)


def test_bars_timed_by_their_end_belong_to_their_day():
    late = replace(HISTORIES[0], time=HISTORIES[0].time + np.timedelta64(16, "h"))
    assert known(late, DAYS[30], 9.0).time[-1] == late.time[29]
    assert len(known(late, DAYS[300], 100 / 365.25)) == 100


def test_symbols_are_observed_at_their_own_bars_and_meet_on_common_dates(refits, market):
    keep = np.arange(660) != 520
    other = HISTORIES[1]
    gap = [HISTORIES[0], History("BBB", other.time[keep], other.bars[keep])]
    found = follow(gap, refits)
    np.testing.assert_array_equal(found.dates, np.delete(market.dates, 21))
    rows = np.delete(np.arange(101), 21)
    # The symbol with all of its bars is seen as ever.
    np.testing.assert_array_equal(found.paths.forecasts[:, 0], market.paths.forecasts[:, 0, rows])


def test_a_part_knows_what_the_whole_knew(market):
    part = market.rows(30, 60)
    np.testing.assert_array_equal(part.dates, market.dates[30:61])
    assert part.paths.start_row.tolist() == [[529, 529]]
    np.testing.assert_array_equal(part.paths.bars[0, 0, :, CLOSE], HISTORIES[0].close[529:560])
    for row in (0, 12, 30):
        mine, whole = part.paths.outlook(row), market.paths.outlook(30 + row)
        np.testing.assert_array_equal(mine.forecast, whole.forecast)
        np.testing.assert_array_equal(mine.observation, whole.observation)
        np.testing.assert_allclose(mine.correlation, whole.correlation, atol=1e-6)
    tables = [FeatureTable.of(one) for one in HISTORIES]
    np.testing.assert_allclose(part.paths.moments, start_moments(tables, np.array([[529, 529]])))
    assert market.row_before(DAYS[530]) == 30
    with pytest.raises(ValueError, match="rows must be 0 <= first < last <= 100; received 5, 101"):
        market.rows(5, 101)
    with pytest.raises(ValueError, match="dates must begin before"):
        market.row_before(DAYS[499])


def test_what_was_kept_is_what_was_made(market, tmp_path, monkeypatch):
    made, _ = real_market(HISTORIES, REFITS, SETTINGS, cache=tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 3

    def refused(*arguments, **named):
        raise AssertionError("made again")

    monkeypatch.setattr(real_markets.Forecaster, "fit", refused)
    monkeypatch.setattr(real_markets, "follow", refused)
    again, refits = real_market(HISTORIES, REFITS, SETTINGS, cache=tmp_path)
    for found in (made, again):
        assert isinstance(found, RealMarket)
        assert found.symbols == market.symbols
        np.testing.assert_array_equal(found.dates, market.dates)
        for name in ("bars", "observations", "forecasts", "moments", "start_row"):
            np.testing.assert_array_equal(getattr(found.paths, name), getattr(market.paths, name))
    assert [refit.date for refit in refits] == list(REFITS)
    with pytest.raises(AssertionError, match="made again"):
        real_market(HISTORIES, REFITS, replace(SETTINGS, seed=2), cache=tmp_path)


def test_new_years_follow_the_first_day():
    found = new_years(np.datetime64("2003-01-02"), np.datetime64("2005-03-01"))
    assert found.astype(str).tolist() == ["2003-01-02", "2004-01-01", "2005-01-01"]
    found = new_years(np.datetime64("2004-06-05"), np.datetime64("2004-12-31"))
    assert found.astype(str).tolist() == ["2004-06-05"]


def test_what_cannot_be_walked_is_refused(refits):
    with pytest.raises(ValueError, match="years must be finite and > 0; received 0"):
        WalkForward(years=0)
    with pytest.raises(ValueError, match="dates of refits must ascend"):
        walk(HISTORIES, REFITS[::-1], SETTINGS)
    with pytest.raises(ValueError, match="refits must hold at least one; received none"):
        follow(HISTORIES, [])
    with pytest.raises(ValueError, match="histories must share a date before 2016-05-15"):
        follow(HISTORIES, refits, until=DAYS[498])
