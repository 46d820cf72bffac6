"""Days in another order: each once, nearly when it was, after days like those it followed."""

import numpy as np
import pytest
from scipy import signal, special

from sim.noise import N_PARTS
from sim.succession import AHEAD, DECAY, LEAST, WIDTHS, reordered, scores, told


def in_turn(paths, n_steps, n=500, first=7):
    """Days one after the other, round and round."""
    return (first * np.arange(paths)[:, None] + np.arange(n_steps + AHEAD)) % n


def none(paths):
    return np.full(paths, -1)


def test_every_day_comes_once_and_nearly_when_it_was():
    rows = in_turn(40, 100)
    found = reordered(rows, np.random.default_rng(0).normal(size=(500, 3)), none(40), rng(1))
    assert found.shape == (40, 100)
    place = (found - rows[:, :1] + AHEAD) % 500 - AHEAD
    for path in place:
        assert len(np.unique(path)) == 100
    moved = place - np.arange(100)
    assert (np.abs(moved) <= AHEAD).all()
    assert (moved != 0).mean() > 0.9
    # So all that was dealt long after the start and before the end has come.
    assert all(set(range(AHEAD, 100 - AHEAD)) <= set(path) for path in place)


def test_every_day_comes_as_often_at_every_bar():
    """Those after an unusual day, too, and at the first bars as later."""
    n, paths, n_steps = 1000, 4000, 30
    known = signal.lfilter([0.8], [1.0, -0.6], rng(3).normal(size=(n, 1)), axis=0) / 0.4
    rows = (rng(5).integers(n, size=(paths, 1)) + np.arange(n_steps + AHEAD)) % n
    last = (rows[:, 0] - 1) % n
    found = reordered(rows, known, last, rng(6))
    unusual = (np.argsort(-np.abs(known[:, 0]))[: n // 20] + 1) % n
    often = np.isin(found, unusual).mean(axis=0) * 20
    assert (often[:5].mean(), often[5:20].mean(), often[20:].mean()) == pytest.approx(
        (1.0, 1.0, 1.0), abs=0.12
    )


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_is_that_of_the_definition(seed):
    """Beside a slow twin."""
    n, n_steps, paths = 60, 30, 9
    known = rng(seed).normal(size=(n, 2))
    rows = rng(seed).integers(n, size=(paths, n_steps + AHEAD))
    last = rng(seed).integers(-1, n, size=paths)
    uniforms = rng(seed).random((paths, n_steps + AHEAD))
    found = reordered(rows, known, last, rng(seed))
    rows = np.concatenate([(rows[:, :1] - np.arange(AHEAD, 0, -1)) % n, rows], axis=1)
    for b in range(paths):
        newest, now = -1, np.zeros(2)
        left = list(range(n_steps + 2 * AHEAD))
        for t in range(n_steps + AHEAD):
            if t == AHEAD and last[b] >= 0:
                newest, now = last[b], known[last[b]]
            elif t == AHEAD:
                newest, now = -1, np.zeros(2)
            near = [i for i in left if i <= t + AHEAD]
            if near[0] <= t - AHEAD:
                chosen = near[0]
            else:
                beyond = known[rows[b, near] - 1] - now
                weight = np.exp(-0.5 * (beyond**2).sum(axis=1)) + LEAST
                weight[(rows[b, near] - 1) % n == newest] = LEAST
                share = np.cumsum(weight) / weight.sum()
                chosen = near[np.searchsorted(share, uniforms[b, t], side="right")]
            left.remove(chosen)
            assert t < AHEAD or found[b, t - AHEAD] == rows[b, chosen]
            newest, now = rows[b, chosen], known[rows[b, chosen]]


def test_what_tells_nothing_leaves_any_order():
    rows = in_turn(4000, 1)
    found = reordered(rows, np.zeros((500, 3)), none(4000), rng(2))[:, 0]
    moved = (found - rows[:, 0] + AHEAD) % 500 - AHEAD
    assert (moved.min(), moved.max()) == (-AHEAD, AHEAD)
    assert abs((moved > 0).mean() - 0.5) < 0.1


def test_a_day_follows_upon_days_like_those_it_followed():
    """Noise with a memory keeps it in another order, though no day follows its own."""
    n, paths, n_steps = 2000, 400, 60
    volume = signal.lfilter([np.sqrt(1 - 0.6**2)], [1.0, -0.6], rng(3).normal(size=n))
    uniforms = rng(4).random((n, 1, N_PARTS))
    uniforms[:, 0, 4] = special.ndtr(volume)
    rows = (rng(5).integers(n, size=(paths, 1)) + np.arange(n_steps + AHEAD)) % n

    def memory(found):
        return np.corrcoef(volume[found[:, 1:]].ravel(), volume[found[:, :-1]].ravel())[0, 1]

    assert memory(rows) == pytest.approx(0.6, abs=0.05)
    found = reordered(rows, told(uniforms), none(paths), rng(6))
    assert memory(found) > 0.4
    assert (np.diff(found, axis=1) == 1).mean() < 0.1  # days that have waited long enough
    assert memory(reordered(rows, np.zeros((n, 1)), none(paths), rng(6))) < 0.25
    # What the day before the first one told counts, too.
    lively, calm = np.argmax(volume), np.argmin(volume)
    first = [
        volume[reordered(rows, told(uniforms), np.full(paths, last), rng(7))[:, 0]].mean()
        for last in (lively, calm)
    ]
    assert first[0] > first[1] + 0.3


def test_what_days_tell_is_the_volume_now_and_lately_and_the_size_of_moves():
    """Beside loops over the days."""
    uniforms = rng(8).random((80, 2, N_PARTS))
    found = told(uniforms)
    score = scores(uniforms)
    np.testing.assert_allclose(score[3, 1, 4], special.ndtri(uniforms[3, 1, 4]))
    np.testing.assert_allclose(score[3, 1, 0], special.ndtri(abs(2 * uniforms[3, 1, 0] - 1)))
    volume = [day[:, 4].mean() for day in score]
    lately, now = [], 0.0
    for one in volume:
        now = DECAY * now + (1 - DECAY) * one
        lately.append(now)
    size = [day[:, :2].mean() for day in score]
    for k, values in enumerate((volume, lately, size)):
        wanted = (np.array(values) - np.mean(values)) / np.std(values) / WIDTHS[k]
        np.testing.assert_allclose(found[:, k], wanted, atol=1e-9)
    assert np.isfinite(told(uniforms[:1])).all()
