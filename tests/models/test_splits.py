import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.splits import validation_split, walk_forward


@given(
    n_rows=st.integers(100, 1000),
    blocks=st.integers(1, 5),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 8),
)
def test_training_rows_keep_their_distance_from_held_out_blocks(n_rows, blocks, purge, embargo):
    split = validation_split(n_rows, blocks=blocks, fraction=0.25, purge=purge, embargo=embargo)
    assert not set(split.train) & set(split.held_out)
    ends = split.held_out[np.append(np.diff(split.held_out) > 1, True)]
    starts = split.held_out[np.insert(np.diff(split.held_out) > 1, 0, True)]
    assert len(starts) == blocks
    for start, end in zip(starts, ends, strict=True):
        near = (split.train >= start - purge) & (split.train <= end + embargo)
        assert not near.any()
    assert abs(len(split.held_out) - 0.25 * n_rows) <= blocks


def test_one_block_is_the_newest_rows():
    split = validation_split(100, blocks=1, fraction=0.2, purge=2)
    assert split.held_out.tolist() == list(range(80, 100))
    assert split.train.tolist() == list(range(78))


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
        (
            lambda: validation_split(10, fraction=1.5),
            r"fraction must lie in \(0, 1\); received 1.5",
        ),
        (lambda: validation_split(10, blocks=0), "blocks must be at least 1; received 0"),
        (lambda: validation_split(2, fraction=0.1), "n_rows must leave rows"),
        (lambda: walk_forward(10, train_rows=10, test_rows=1), "n_rows must exceed"),
        (lambda: walk_forward(10, train_rows=5, test_rows=0), "test_rows must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
