import numpy as np
import pytest

from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import CLOSE
from research.held_out import SAME_DAYS, SIMULATORS, fit, markets_of, simulator, stocks_of
from sim.windows import CONTEXT
from tests.sim.forecasting import HISTORIES, TABLES, history, small_forecaster

CONFIG = ForecasterConfig(units=8, window=20, epochs=1, masks=4)
SPLIT = HISTORIES[0].time[-120]


@pytest.fixture(scope="module")
def forecaster():
    return small_forecaster()


@pytest.fixture
def fits(monkeypatch, forecaster):
    """Fits instead of which the same forecaster is returned: symbols and newest time of each."""
    found = []

    def recorded(tables, config, *, seed):
        found.append(([t.symbol for t in tables], max(t.history.data_end for t in tables), seed))
        return forecaster

    monkeypatch.setattr(Forecaster, "fit", recorded)
    return found


def test_no_forecaster_knows_its_stock_or_what_came_later(fits):
    histories = [*HISTORIES, history("CCC", seed=2)]
    stocks = stocks_of(histories, SPLIT, CONFIG, 7, rotations=3, cache=None)
    assert [stock.symbol for stock in stocks] == ["AAA", "BBB", "CCC"]
    assert [symbols for symbols, _, _ in fits] == [["BBB", "CCC"], ["AAA", "CCC"], ["AAA", "BBB"]]
    assert all(newest <= SPLIT and seed == 7 for _, newest, seed in fits)
    for stock, whole in zip(stocks, histories, strict=True):
        assert stock.past.history.data_end <= SPLIT
        later = stock.later
        np.testing.assert_array_equal(later.bars, whole.bars[len(stock.past) - CONTEXT :])
        assert later.time[CONTEXT] > SPLIT


def test_without_rotation_one_forecaster_knows_all_stocks(fits):
    stocks_of(HISTORIES, SPLIT, CONFIG, 1, rotations=1, cache=None)
    assert [symbols for symbols, _, _ in fits] == [["AAA", "BBB"]]
    with pytest.raises(ValueError, match=r"rotations must lie in 1..2; received 3"):
        stocks_of(HISTORIES, SPLIT, CONFIG, 1, rotations=3, cache=None)


def test_fits_are_kept_by_what_they_depend_on(fits, tmp_path, forecaster):
    folder = tmp_path / "models"
    first = fit(TABLES, CONFIG, 1, folder)
    again = fit(TABLES, CONFIG, 1, folder)
    assert len(fits) == 1
    for name, values in first.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], values)
    fit(TABLES, CONFIG, 2, folder)
    fit(TABLES[:1], CONFIG, 1, folder)
    fit(TABLES, ForecasterConfig(units=8, window=20, epochs=2, masks=4), 1, folder)
    shorter = [FeatureTable.of(HISTORIES[0].until(SPLIT)), TABLES[1]]
    fit(shorter, CONFIG, 1, folder)
    assert len(fits) == 5


def test_every_simulator_starts_in_the_past_of_its_stock(fits):
    stock = stocks_of(HISTORIES, SPLIT, CONFIG, 1, rotations=2, cache=None)[0]
    for name in SIMULATORS:
        paths = stock.sampler(name).sample(4, 10, np.random.default_rng(0))
        assert paths.bars.shape == (4, 1, 11, 5)
        rows = paths.start_row
        assert rows.min() >= CONTEXT
        assert rows.max() < len(stock.past)
    assert len(stock.past) > LOOKBACK


def test_a_block_bootstrap_may_have_the_days_of_imagined_markets(fits):
    """Whole days: a bar's move from the bar before it is one of those from the first day on."""
    stock = stocks_of(HISTORIES, SPLIT, CONFIG, 1, rotations=2, cache=None)[0]
    first = LOOKBACK + CONFIG.window - 1
    past = stock.past.history
    for name in (SAME_DAYS, "block bootstrap"):
        paths = stock.sampler(name).sample(20, 60, np.random.default_rng(0))
        found = np.diff(np.log(paths.bars[..., CLOSE])).ravel()
        moves = np.diff(np.log(past.bars[:, CLOSE]))
        row = 1 + np.abs(moves[:, None] - found).argmin(axis=0)
        np.testing.assert_allclose(moves[row - 1], found, atol=1e-12)
        assert (row.min() >= first) == (name == SAME_DAYS)
        assert (paths.start_row.min() >= first) == (name == SAME_DAYS)


def test_markets_are_of_stocks_with_one_forecaster_and_calendar(fits, forecaster):
    histories = [history(name, seed=seed) for seed, name in enumerate("ABCDE")]
    late = HISTORIES[1]  # sixty bars more: another calendar
    stocks = stocks_of([*histories, late], SPLIT, CONFIG, 1, rotations=1, cache=None)
    symbols = [[stock.symbol for stock in market] for market in markets_of(stocks)]
    assert symbols == [["A", "B", "C"]]
    assert len(markets_of(stocks, size=1)) == 2
    market = markets_of(stocks)[0]
    for name in ("block bootstrap", "blend 0", "blend 1", "blend 0 alone"):
        paths = simulator(name, market).sample(4, 10, np.random.default_rng(0))
        assert paths.bars.shape == (4, 3, 11, 5)
