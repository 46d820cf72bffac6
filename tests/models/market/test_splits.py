from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.market.splits import validation_split
from tests.models.synthetic import days

USUAL = {"period_days": 140, "fraction": 0.2}
ROLES = ("train", "early_stopping", "calibration")


@given(
    n_rows=st.integers(250, 1000),
    period=st.integers(60, 150),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 8),
)
def test_training_rows_keep_their_distance_from_both_kinds_of_blocks(
    n_rows, period, purge, embargo
):
    split = validation_split(
        days(n_rows), period_days=period, fraction=0.2, purge=purge, embargo=embargo
    )
    for block in (split.early_stopping, split.calibration):
        held = np.zeros(n_rows + purge + embargo, dtype=bool)
        held[block] = True
        for row in split.train:
            assert not held[row : row + purge + 1].any()
            assert not held[max(row - embargo, 0) : row + 1].any()
    n_held = len(split.early_stopping) + len(split.calibration)
    assert abs(n_held - 0.2 * n_rows) < 0.2 * period + 2
    assert abs(len(split.early_stopping) - len(split.calibration)) < 0.2 * period + 2


@given(n_rows=st.integers(250, 1000), period=st.integers(20, 150))
def test_roles_do_not_share_rows_and_only_purged_rows_have_none(n_rows, period):
    split = validation_split(days(n_rows), period_days=period, fraction=0.2, purge=0, embargo=0)
    every = np.concatenate([getattr(split, role) for role in ROLES])
    assert np.array_equal(np.sort(every), np.arange(n_rows))


def test_blocks_of_both_kinds_take_turns():
    time = days(1000)
    split = validation_split(time, **USUAL)
    held = np.sort(np.concatenate([split.early_stopping, split.calibration]))
    blocks = np.split(held, np.flatnonzero(np.diff(held) > 1) + 1)
    shares = [np.isin(block, split.calibration).mean() for block in blocks]
    assert len(blocks) > 8
    assert set(shares) == {0.0, 1.0}
    assert all(one != following for one, following in pairwise(shares))


def test_a_day_keeps_its_role_whatever_the_span():
    """A later, warm-started training must not be judged on what an earlier one learned."""
    time = days(900)
    spans = time[:600], time[150:], time[37:803]
    for early in spans:
        for late in spans:
            one, other = validation_split(early, **USUAL), validation_split(late, **USUAL)
            for role in ROLES:
                for another in set(ROLES) - {role}:
                    mine = set(early[getattr(one, role)])
                    assert not mine & set(late[getattr(other, another)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: validation_split(days(300), period_days=140, fraction=1.5),
            r"fraction must lie in .*received 1.5",
        ),
        (
            lambda: validation_split(days(300), period_days=0, fraction=0.2),
            "period_days must be at least 1",
        ),
        (lambda: validation_split(days(2), **USUAL), r"time must leave rows for .*received 2 rows"),
        (
            lambda: validation_split(days(100), **USUAL),
            r"time must leave rows for (early|cali).*100 rows",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
