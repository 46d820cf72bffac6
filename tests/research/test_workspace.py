"""The year after what is known; histories and settings are tested with the notebooks."""

import numpy as np
import pytest

from models.market.history import History
from research.workspace import BARS_PER_YEAR, real_year, year_after
from tests.models.synthetic import garch_history

LONG = [garch_history(symbol, 700, seed) for seed, symbol in enumerate(("AAA", "BBB"))]


def known_of(histories, until, kept):
    return [history.until(histories[0].time[until]).tail(kept) for history in histories]


@pytest.mark.parametrize("kept", [400, 401, 120])
def test_it_begins_with_the_last_known_bar_however_few_bars_were_kept(kept):
    known = known_of(LONG, 400, kept)
    for history, past, rows in zip(LONG, known, year_after(LONG, known), strict=True):
        assert history.time[rows[0]] == past.time[-1]
        np.testing.assert_array_equal(rows, 400 + np.arange(BARS_PER_YEAR + 1))


def test_it_ends_with_the_shortest_history():
    shorter = [LONG[0].until(LONG[0].time[450]), LONG[1]]
    rows = year_after(shorter, known_of(LONG, 400, 300))
    assert [row.tolist() for row in rows] == [list(range(400, 451))] * 2


def test_something_must_follow():
    with pytest.raises(ValueError, match="AAA must have bars after the known ones"):
        year_after(LONG, LONG)


def test_symbols_must_share_their_days():
    other = LONG[1]
    keep = np.arange(len(other)) != 450
    gap = History("BBB", other.time[keep], other.bars[keep])
    with pytest.raises(ValueError, match="BBB must have bars on the days of AAA"):
        year_after([LONG[0], gap], known_of(LONG, 400, 300))


class Watching:
    """Stands in for the observer: it sees the close and knows no more."""

    class forecaster:
        class config:
            window = 20

    def follow(self, view):
        self.view = view
        return self

    def current(self):
        return self.view.last_close[:, None]

    def push(self, bars, macro=None):
        self.view.push(bars)
        return self.current()


def test_as_a_tape_every_row_is_observed_after_its_close():
    year = real_year(LONG, known_of(LONG, 400, 300), Watching())
    assert (year.n_paths, year.n_symbols, year.n_steps) == (1, 2, BARS_PER_YEAR)
    for series, history in enumerate(LONG):
        np.testing.assert_array_equal(year.bars[0, series], history.bars[400:653])
        np.testing.assert_allclose(
            year.observations[0, series, :, 0], history.close[400:653], rtol=1e-6
        )
    assert year.series.tolist() == [[0, 1]]
    assert year.start_row.tolist() == [[400, 400]]
    assert year.innovations is None
