from dataclasses import replace

import numpy as np
import pytest

from sim.paths import Paths
from tests.sim.known_truths import market_of
from tests.sim.markets import random_tape, tape_of

FIELDS = ("bars", "observations", "series", "start_row", "innovations")


def joint(markets=3, symbols=2):
    """Markets of several symbols, put together from single ones."""
    alone = random_tape(b=markets * symbols, known=True, series=np.arange(markets * symbols))
    return alone, Paths(
        *(
            getattr(alone, name).reshape(markets, symbols, *getattr(alone, name).shape[2:])
            for name in FIELDS
        )
    )


def test_paths_know_their_size_and_returns():
    returns = np.array([[0.1, -0.2]])
    paths = tape_of(returns)
    assert (paths.n_paths, paths.n_symbols, paths.n_steps) == (1, 1, 2)
    np.testing.assert_allclose(paths.log_returns, returns[:, None])
    assert paths.take([0, 0]).n_paths == 2
    _, markets = joint()
    assert (markets.n_paths, markets.n_symbols) == (3, 2)
    assert markets.log_returns.shape == (3, 2, markets.n_steps)


def test_shares_are_all_symbols_market_by_market_and_nothing_is_copied():
    alone, markets = joint()
    each = markets.each()
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(each, name), getattr(alone, name))
        assert np.shares_memory(getattr(each, name), getattr(markets, name))
    assert each.require_single() is each


def test_a_market_is_taken_with_all_its_symbols():
    _, markets = joint()
    taken = markets.take([2, 0])
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(taken, name), getattr(markets, name)[[2, 0]])


def test_what_needs_single_symbols_says_how_to_get_them():
    with pytest.raises(ValueError, match=r"one symbol each.*paths.each\(\); received 2 symbols"):
        joint()[1].require_single()


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("bars", lambda x: x[:, 0], "bars must have shape"),
        ("bars", lambda x: x[:, :, :1], "bars must have shape"),
        ("bars", lambda x: x * np.array([1, 1, 1.5, 1, 1]), "low <= open, close <= high"),
        ("bars", lambda x: x * np.array([1, 1, 1, 1, 0]), "> 0"),
        ("bars", lambda x: np.where(x == x.max(), np.nan, x), "finite"),
        ("observations", lambda x: x[:, :, 1:], "observations must have shape"),
        ("observations", lambda x: x * np.inf, "observations must be finite"),
        ("series", lambda x: x[1:], "series must have shape"),
        ("start_row", lambda x: x[:, :1], "start_row must have shape"),
        ("innovations", lambda x: x[:, :, 1:], "innovations must have shape"),
    ],
)
def test_bad_paths_are_refused(field, change, words):
    fields = {name: getattr(joint()[1], name) for name in FIELDS}
    with np.errstate(invalid="ignore"):
        fields[field] = change(fields[field])
    with pytest.raises(ValueError, match=words):
        Paths(**fields)


def remembering(before):
    """Two markets of two symbols with numbered observations, and what came before them."""
    count = np.arange(2 * 2 * 6 * 1.0).reshape(2, 2, 6, 1)
    known = market_of(np.zeros((2, 2, 5)), count, np.zeros((2, 2, 5)))
    earlier = -1.0 - np.arange(2 * 2 * before).reshape(2, 2, before, 1)
    return replace(known, before=earlier.astype(np.float32) if before else None)


@pytest.mark.parametrize("before", [0, 1, 3, 9])
def test_an_outlook_remembers_the_rows_before(before):
    paths = remembering(before)
    every = paths.observations
    if before:
        every = np.concatenate([paths.before, every], axis=2)
    for markets, rows in ((None, 2), ([1, 0, 1], [5, 0, 3])):
        outlook = paths.outlook(rows, markets)
        recent = outlook.recent(4)
        assert recent.shape == (len(outlook), 2, 4, 1)
        np.testing.assert_array_equal(recent[:, :, -1], outlook.observation)
        at = np.arange(2) if markets is None else markets
        for e, (market, row) in enumerate(zip(at, np.broadcast_to(rows, len(at)), strict=True)):
            for back in range(4):
                place = max(row + before - back, 0)
                np.testing.assert_array_equal(recent[e, :, -1 - back], every[market, :, place])
        np.testing.assert_array_equal(outlook.take(np.array([1])).recent(4), recent[[1]])


def test_what_came_before_goes_where_its_market_goes():
    paths = remembering(3)
    np.testing.assert_array_equal(paths.take([1]).before, paths.before[[1]])
    np.testing.assert_array_equal(paths.each().before[:, 0], paths.before.reshape(4, 3, 1))


@pytest.mark.parametrize(
    "change", [lambda x: x[1:], lambda x: x[0], lambda x: x * np.nan, lambda x: x[..., :0]]
)
def test_what_came_before_must_fit(change):
    paths = remembering(3)
    with pytest.raises(ValueError, match=r"before must be finite and have shape \(2, 2, P, 1\)"):
        replace(paths, before=change(paths.before))
