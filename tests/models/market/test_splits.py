import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.market.splits import validation_split, walk_forward
from tests.models.synthetic import days


@given(
    n_rows=st.integers(150, 1000),
    period=st.integers(60, 150),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 8),
)
def test_training_rows_keep_their_distance_from_held_out_blocks(n_rows, period, purge, embargo):
    split = validation_split(days(n_rows), period_days=period, purge=purge, embargo=embargo)
    held = np.zeros(n_rows + purge + embargo, dtype=bool)
    held[split.held_out] = True
    for row in split.train:
        assert not held[row : row + purge + 1].any()
        assert not held[max(row - embargo, 0) : row + 1].any()
    assert abs(len(split.held_out) - 0.2 * n_rows) < 0.2 * period + 2


def test_a_day_is_held_out_whatever_the_span():
    """A later, warm-started training must not validate on what an earlier one learned."""
    time = days(900)
    early, late = validation_split(time[:600]), validation_split(time[150:])
    assert not set(time[:600][early.train]) & set(time[150:][late.held_out])
    assert not set(time[150:][late.train]) & set(time[:600][early.held_out])


def test_walk_forward_tests_every_later_row_once_and_never_trains_on_it():
    splits = list(walk_forward(100, train_rows=40, test_rows=25, purge=3))
    assert np.concatenate([s.held_out for s in splits]).tolist() == list(range(43, 100))
    for split in splits:
        assert len(split.train) == 40
        assert split.train.max() == split.held_out.min() - 4


def test_an_expanding_walk_keeps_the_oldest_rows():
    splits = list(walk_forward(100, train_rows=40, test_rows=25, expanding=True))
    assert all(split.train[0] == 0 for split in splits)
    assert len(splits[1].train) == 65


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: validation_split(days(300), fraction=1.5), r"fraction must lie in .*received 1.5"),
        (lambda: validation_split(days(300), period_days=0), "period_days must be at least 1"),
        (lambda: validation_split(days(2)), r"time must leave rows to train.*received 2 rows"),
        (lambda: walk_forward(10, train_rows=10, test_rows=1), "n_rows must exceed"),
        (lambda: walk_forward(10, train_rows=5, test_rows=0), "test_rows must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
