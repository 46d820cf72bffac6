import numpy as np
import pytest

from models.market.features import LOOKBACK, FeatureTable
from models.market.history import VOLUME
from models.market.market_view import MarketView
from tests.models.synthetic import garch_table

WINDOW = 20
TABLES = [garch_table(name, 640, seed) for seed, name in enumerate(("AAA", "BBB"))]
HISTORIES = [table.history for table in TABLES]


def view(rows, table=TABLES[0]):
    return MarketView.at_rows(table, rows, window=WINDOW)


def test_a_view_shows_the_rows_of_the_batch_features():
    found = TABLES[0].rows
    seen = view([300, 400])
    np.testing.assert_allclose(seen.windows[1], found[381:401])
    np.testing.assert_allclose(seen.feature_rows, found[[300, 400]])
    assert np.array_equal(seen.last_close, HISTORIES[0].close[[300, 400]])
    means = [np.log(HISTORIES[0].bars[row - 19 : row + 1, VOLUME]).mean() for row in (300, 400)]
    np.testing.assert_allclose(seen.volume_mean, means)


def test_pushing_bars_gives_the_view_of_the_longer_history():
    seen = view([300, 400])
    for step in range(1, 31):
        rows = seen.push(HISTORIES[0].bars[[300 + step, 400 + step]])
    later = view([330, 430])
    np.testing.assert_allclose(seen.windows, later.windows, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(rows, later.feature_rows, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(seen.volatility, later.volatility)


def test_views_are_joined_and_chosen_and_go_their_own_ways():
    both = MarketView.at(TABLES, window=WINDOW)
    assert len(both) == 2
    assert both.symbols.tolist() == ["AAA", "BBB"]
    np.testing.assert_allclose(both.last_close, [h.close[-1] for h in HISTORIES])
    chosen = both.take([1, 1, 0])
    assert chosen.symbols.tolist() == ["BBB", "BBB", "AAA"]
    np.testing.assert_allclose(chosen.windows, both.windows[[1, 1, 0]])
    both.push(np.stack([h.bars[-1] for h in HISTORIES]))
    assert not np.allclose(chosen.take([2, 0]).feature_rows, both.feature_rows)
    np.testing.assert_array_equal(chosen.last_close, [HISTORIES[s].close[-1] for s in (1, 1, 0)])
    at_row = MarketView.at(TABLES, [300, 301], window=WINDOW)
    np.testing.assert_allclose(at_row.windows[1], view([301], TABLES[1]).windows[0])


def test_bad_rows_are_refused():
    with pytest.raises(ValueError, match=r"AAA: rows must lie in 219..639; received 100..300"):
        view([100, 300])
    with pytest.raises(ValueError, match="history must have at least 220 bars; received 210"):
        view([205], FeatureTable.of(HISTORIES[0].tail(LOOKBACK + 10)))
    with pytest.raises(ValueError, match="rows must have one entry for each of the 2 tables"):
        MarketView.at(TABLES, [300], window=60)


def test_a_view_keeps_as_many_rows_as_it_is_told_to():
    seen = view([300, 400])
    short, bare = seen.take([1, 0, 1], window=7), seen.take([1, 0], window=1)
    np.testing.assert_array_equal(short.windows, seen.windows[[1, 0, 1], -7:])
    np.testing.assert_array_equal(bare.feature_rows, seen.feature_rows[[1, 0]])
    for step in (1, 2, 3):
        bars = HISTORIES[0].bars[[300 + step, 400 + step]]
        seen.push(bars)
        short.push(bars[[1, 0, 1]])
        np.testing.assert_array_equal(bare.push(bars[[1, 0]]), seen.feature_rows[[1, 0]])
        np.testing.assert_array_equal(bare.feature_rows, seen.feature_rows[[1, 0]])
    assert bare.windows.shape == (2, 1, TABLES[0].rows.shape[1])
    np.testing.assert_array_equal(short.windows, seen.windows[[1, 0, 1], -7:])
    np.testing.assert_array_equal(seen.take([1], window=5).windows, seen.windows[[1], -5:])
    for window in (0, WINDOW + 1):
        with pytest.raises(ValueError, match=rf"window must lie in 1..20; received {window}"):
            seen.take([0], window=window)


@pytest.mark.parametrize("pushed", [0, 3])
def test_windows_are_had_for_some_series_alone(pushed):
    """Before a bar is pushed they lie in the histories, afterwards in the view."""
    both = MarketView.at(TABLES, [300, 301], window=WINDOW).take([1, 0, 1])
    for step in range(pushed):
        both.push(np.stack([HISTORIES[s].bars[302 + step] for s in (1, 0, 1)]))
    np.testing.assert_array_equal(both.windows_of([2, 0]), both.windows[[2, 0]])
    given = both.windows
    given[:] = 0.0
    assert both.windows.any()


def test_views_of_unequal_windows_are_not_joined():
    with pytest.raises(ValueError, match="must match exactly"):
        MarketView.concatenate([view([300]), view([300]).take([0], window=5)])
