"""Rows in blocks: as long as wanted, all of them equally often, and like what they follow."""

import numpy as np
import pytest
from scipy import stats

from sim.blocks import LEAST_PATHS, matched_rows, stationary_rows
from sim.levels import REACH

N = 400


def walk(seed=0):
    """Levels of days whose wildness goes on from day to day."""
    rng, value, found = np.random.default_rng(seed), 0.0, []
    for _ in range(N):
        value = 0.95 * value + rng.standard_normal()
        found.append(value)
    return (stats.rankdata(found) - 0.5) / N


def evenly(count, seed=0):
    return (np.random.default_rng(seed).permutation(count) + 0.5) / count


def breaks(rows, n=N):
    return np.diff(rows, axis=1) % n != 1


def test_blocks_have_the_wanted_mean_length_and_end_equally_often_at_every_step():
    rows = matched_rows(walk(), evenly(400), 60, 10.0, np.random.default_rng(0))
    assert rows.shape == (400, 60)
    fresh = breaks(rows)
    assert (fresh.sum(axis=0) == 40).all()


def test_paths_from_all_levels_take_all_rows_equally_often_at_every_step():
    """A path more or less than two of each row where there are twice as many as rows."""
    rows = matched_rows(walk(), evenly(2 * N), 30, 10.0, np.random.default_rng(1))
    for step in (0, 1, 15, 29):
        often = np.bincount(rows[:, step], minlength=N)
        assert often.sum() == 2 * N
        assert (np.abs(often - 2) <= 1).all()
    # By chance it would be about the root of 60.
    assert np.bincount(rows.ravel(), minlength=N).std() < 0.25 * np.sqrt(60)


def test_what_goes_on_at_a_step_is_what_was_there_before():
    rows = matched_rows(walk(), evenly(300), 20, 5.0, np.random.default_rng(2))
    for before, after in zip(rows.T[:-1], rows.T[1:], strict=True):
        np.testing.assert_array_equal(np.sort((before + 1) % N), np.sort(after))


def test_a_path_begins_like_its_start_and_goes_on_like_what_would_have_come():
    levels, starts = walk(), evenly(400)
    rows = matched_rows(levels, starts, 60, 10.0, np.random.default_rng(3))
    assert np.abs(levels[rows[:, 0]] - starts).max() < 1.5 * REACH + 2 / N
    fresh = breaks(rows)
    would, did = levels[(rows[:, :-1] + 1) % N][fresh], levels[rows[:, 1:]][fresh]
    assert np.corrcoef(would, did)[0, 1] > 0.9
    # And of other times: a day's own future is not what follows it.
    own = np.argsort(levels)[(starts * N).astype(int)]
    assert (rows[:, 0] == own).mean() < 0.02


@pytest.mark.parametrize("count", [1, 16, 100, 230])
def test_few_paths_of_long_blocks_go_on_like_what_would_have_come(count):
    """Where one path or five break off at a step, what they have to exchange is seldom alike."""
    levels, before, after = walk(), [], []
    for seed in range(-(-100 // count)):
        starts = evenly(count, seed)
        rows = matched_rows(levels, starts, 250, 40.0, np.random.default_rng(seed))
        fresh = breaks(rows)
        before.append(levels[(rows[:, :-1] + 1) % N][fresh])
        after.append(levels[rows[:, 1:]][fresh])
    would, did = np.concatenate(before), np.concatenate(after)
    assert np.corrcoef(would, did)[0, 1] > 0.85
    # Within a group, or that of one who joined it from either side.
    assert np.abs(would - did).max() <= 3.0 * REACH
    # Who waits for its like waits for some steps of forty.
    steps = 250 * count * (-(-100 // count))
    assert 1 / 48 < len(would) / steps < 1 / 36


def test_few_paths_break_off_as_often_and_depend_on_nothing_but_chance():
    levels = walk()
    for count in (1, 2, 5):
        each = [
            matched_rows(levels, np.full(count, 0.7), 80, 8.0, np.random.default_rng(seed))
            for seed in range(40)
        ]
        assert all(rows.shape == (count, 80) for rows in each)
        assert np.mean([breaks(rows).mean() for rows in each]) == pytest.approx(1 / 8, rel=0.15)
        first = np.concatenate([rows[:, 0] for rows in each])
        assert np.abs(levels[first] - 0.7).max() < 1.5 * REACH
        assert len(np.unique(first)) > 0.6 * min(len(first), 60)
    assert LEAST_PATHS > 5


def test_where_all_start_alike_rows_are_those_like_the_start_evenly():
    levels = walk()
    rows = matched_rows(levels, np.full(300, 0.5), 1, 8.0, np.random.default_rng(4))[:, 0]
    assert np.abs(levels[rows] - 0.5).max() < REACH + 1 / N
    often = np.bincount(rows, minlength=N)[np.abs(levels - 0.5) < 0.9 * REACH]
    assert often.min() >= 1
    assert often.max() - often.min() <= 1


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_rows_will_do(n):
    levels = (np.arange(n) + 0.5) / n
    for start in (0.0, 0.4, 1.0):
        rows = matched_rows(levels, np.full(3, start), 9, 4.0, np.random.default_rng(0))
        assert rows.shape == (3, 9)
        assert set(rows.ravel()) <= set(range(n))


def test_no_path_needs_no_row():
    assert matched_rows(walk(), np.empty(0), 9, 4.0, np.random.default_rng(0)).shape == (0, 9)


def test_stationary_rows_are_blocks_of_the_wanted_mean_length():
    rows = stationary_rows(1000, 400, 300, 20.0, np.random.default_rng(0))
    share = breaks(rows, 1000).mean()  # but for the one in a thousand that goes on by chance
    assert share == pytest.approx(1 / 20, rel=0.05)
    assert np.abs(np.bincount(rows.ravel(), minlength=1000).mean() - 120) < 1e-9


def test_blocks_shorter_than_a_bar_are_refused():
    with pytest.raises(ValueError, match="mean_block"):
        stationary_rows(5, 1, 1, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="mean_block"):
        matched_rows(walk(), evenly(3), 1, 0.0, np.random.default_rng(0))
