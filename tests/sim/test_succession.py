"""Days in another order: each once, nearly when it was, and remembering what was before."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import signal, special

from sim.noise import N_PARTS
from sim.succession import AHEAD, SPANS, Autoregression, reordered, scores

N_FEATURES = 2 * len(SPANS)


def rng(seed):
    return np.random.default_rng(seed)


def in_turn(paths, n_steps, n=500, first=7):
    """Days one after the other, round and round."""
    return (first * np.arange(paths)[:, None] + np.arange(n_steps + AHEAD)) % n


def ranked(values):
    """Ranks (N, S, 5) in (0, 1) of what they are of, each among its own."""
    return (np.argsort(np.argsort(values, axis=0), axis=0) + 0.5) / len(values)


def memory(x, y=None, lag=1):
    """Correlation of x (B, T) with y so many steps later."""
    y = x if y is None else y
    return np.corrcoef(x[:, :-lag].ravel(), y[:, lag:].ravel())[0, 1]


def lively(n, coefficient, seed, symbols=1):
    """Values (N, S, 5) whose volume and whose size of moves go on for a while."""
    values = rng(seed).normal(size=(n, symbols, N_PARTS))
    slow = signal.lfilter([np.sqrt(1 - coefficient**2)], [1.0, -coefficient], values, axis=0)
    values[..., 4] = slow[..., 4]
    side = np.sign(rng(seed + 1).normal(size=(n, symbols, 2)))
    values[..., :2] = side * special.ndtri(0.5 + 0.5 * special.ndtr(slow[..., :2]))
    return values


def learn(ranks, known=None):
    known = np.ones(ranks.shape[:2], bool) if known is None else known
    return Autoregression.of(ranks, known)


# Order -----------------------------------------------------------------------------------------


def test_every_day_comes_once_and_nearly_when_it_was():
    rows = in_turn(40, 100)
    found = reordered(rows, 500, rng(1))
    assert found.shape == (40, 100)
    place = (found - rows[:, :1] + AHEAD) % 500 - AHEAD
    for path in place:
        assert len(np.unique(path)) == 100
    moved = place - np.arange(100)
    assert (np.abs(moved) <= AHEAD).all()
    assert (np.abs(moved) <= 0.5 * AHEAD).mean() > 0.9
    assert (np.diff(found, axis=1) == 1).mean() < 0.1
    # So all that was dealt long after the start and before the end has come.
    assert all(set(range(AHEAD, 100 - AHEAD)) <= set(path) for path in place)


def test_the_first_and_the_last_days_are_moved_like_all():
    rows = in_turn(4000, 40)
    moved = (reordered(rows, 500, rng(2)) - rows[:, :1] + AHEAD) % 500 - AHEAD - np.arange(40)
    np.testing.assert_allclose(moved.mean(axis=0), 0.0, atol=1.0)
    np.testing.assert_allclose(moved.std(axis=0), AHEAD / np.sqrt(12), rtol=0.1)


# Autoregression ---------------------------------------------------------------------------------


def test_in_their_own_order_days_are_what_they_were():
    """Whatever they remember: what they saw is what they really saw."""
    ranks = ranked(lively(401, 0.5, 3, symbols=2))
    found = learn(ranks).ranks_on(np.arange(100, 160)[None], np.array([99]))
    wanted = np.round(ranks[100:160] * 401 - 0.5).astype(int)
    np.testing.assert_array_equal(found[:, :, 0], wanted)


@pytest.mark.parametrize("symbols", [1, 3])
def test_what_days_remember_is_there_in_any_order(symbols):
    n, paths, n_steps = 3000, 400, 60
    values = lively(n, 0.5, 4, symbols)
    # A lively volume goes before large moves, too.
    values[1:, :, :2] *= np.exp(0.3 * values[:-1, :, 4:])
    ranks = ranked(values)
    rows = (rng(5).integers(n, size=(paths, 1)) + np.arange(n_steps + AHEAD)) % n
    dates = reordered(rows, n, rng(6))
    learned = learn(ranks)
    found = learned.ranks_on(dates, np.full(paths, -1))
    drawn = scores((found + 0.5) / n, n)[:, 0].swapaxes(0, 1)  # (B, T, 5)
    real = scores(ranks, n)[None, :, 0]
    forgotten = real[0][dates]
    for lag in (1, 2):
        wanted = memory(real[..., 4], lag=lag)
        assert memory(drawn[..., 4], lag=lag) == pytest.approx(wanted, abs=0.07)
        assert memory(forgotten[..., 4], lag=lag) < 0.3 * wanted
    wanted = memory(real[..., 4], real[..., 1])
    assert wanted > 0.1
    assert memory(drawn[..., 4], drawn[..., 1]) == pytest.approx(wanted, abs=0.05)
    assert memory(forgotten[..., 4], forgotten[..., 1]) < 0.3 * wanted
    # Every rank comes about as often as before, and moves keep their side.
    for part in range(N_PARTS):
        each = (found[..., part] + 0.5) / n
        quantiles = np.quantile(each, [0.05, 0.25, 0.5, 0.75, 0.95])
        np.testing.assert_allclose(quantiles, [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.02)
    rose = ranks[dates][..., :2].transpose(1, 2, 0, 3) > 0.5  # (T, S, B, 2)
    np.testing.assert_array_equal(found[..., :2] >= n / 2, rose)


def test_the_day_before_the_first_counts():
    ranks = ranked(lively(2000, 0.6, 7))
    learned = learn(ranks)
    volume = ranks[:, 0, 4]
    dates = rng(8).integers(2000, size=(4000, 1))
    first = [
        learned.ranks_on(dates, np.full(4000, last))[0, 0, :, 4].mean() / 2000
        for last in (np.argmax(volume), np.argmin(volume))
    ]
    assert first[0] > first[1] + 0.3
    none = learned.ranks_on(dates, np.full(4000, -1))[0, 0, :, 4] / 2000
    assert none.mean() == pytest.approx(0.5, abs=0.02)


def test_symbols_remember_what_they_had_and_what_all_had():
    """Beside loops over days and symbols."""
    ranks = rng(9).random((80, 2, N_PARTS))
    learned = learn(ranks)
    volume = special.ndtri(ranks[..., 4])
    size = special.ndtri(np.clip(np.abs(2.0 * ranks[..., :2] - 1.0), 1 / 160, 1 - 1 / 160))
    volume, size = np.clip(volume, *special.ndtri([1 / 160, 1 - 1 / 160])), size.mean(axis=-1)
    for s in range(2):
        for k, values in enumerate((volume, size)):
            for j, span in enumerate(SPANS):
                now = 0.0
                for day in range(80):
                    now += (values[day, s] - now) / span
                    assert learned.averages[day, s, k, j] == pytest.approx(now)
    own = learned.averages.reshape(80, 2, N_FEATURES)
    seen = np.concatenate([own, np.repeat(own.mean(axis=1, keepdims=True), 2, axis=1)], axis=2)
    z = scores(ranks, 80)
    np.testing.assert_allclose(learned.unexpected[1:], z[1:] - seen[:-1] @ learned.weights)
    np.testing.assert_allclose(learned.unexpected[0], z[0])


@pytest.mark.parametrize(("n", "symbols"), [(600, 1), (600, 3), (110, 3)])
def test_weights_are_least_squares_drawn_to_none_by_the_wald_statistic_of_dates(n, symbols):
    """Beside statsmodels' regression with clusters; of what is known alone."""
    ranks = ranked(lively(n, 0.4, 10, symbols))
    known = rng(14).random((n, symbols)) < 0.9
    learned = learn(ranks, known)
    own = learned.averages.reshape(n, symbols, N_FEATURES)
    every = np.repeat(own.mean(axis=1, keepdims=True), symbols, axis=1)
    seen = own if symbols == 1 else np.concatenate([own, every], axis=2)
    k = seen.shape[2]
    both = (known[1:] & known[:-1]).ravel()
    x = seen[:-1].reshape(-1, k)[both]
    dates = np.repeat(np.arange(n - 1), symbols)[both]
    m = len(np.unique(dates))
    kept = []
    for part in range(N_PARTS):
        y = scores(ranks, n)[1:, :, part].ravel()[both]
        fit = sm.OLS(y, x).fit(
            cov_type="cluster", cov_kwds={"groups": dates, "use_correction": False}
        )
        wald = float(fit.wald_test(np.eye(k), use_f=False, scalar=True).statistic) * (m - k) / m
        kept.append(max(0.0, 1.0 - (k - 2) / wald))
        np.testing.assert_allclose(learned.weights[:, part], kept[-1] * fit.params, atol=1e-9)
    assert kept[4] > 0.6
    assert min(kept) < 0.6


def test_what_was_completed_is_not_learned_from():
    """Days that a symbol lacks have no memory, and would say that none has any."""
    n = 2000
    ranks = ranked(lively(n, 0.6, 15, symbols=2))
    whole = learn(ranks).weights
    known = np.ones((n, 2), bool)
    known[:1200, 1] = False
    gaps = ranks.copy()
    gaps[:1200, 1] = rng(16).random((1200, N_PARTS))
    found = learn(gaps, known).weights
    diluted = learn(gaps).weights
    of_volume = found[0, 4] + found[N_FEATURES, 4]
    assert of_volume == pytest.approx(whole[0, 4] + whole[N_FEATURES, 4], rel=0.25)
    assert abs(diluted[0, 4] - whole[0, 4]) > 2 * abs(found[0, 4] - whole[0, 4])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_too_few_days_owe_nothing_to_each_other(n):
    ranks = ranked(rng(11).random((n, 2, N_PARTS)))
    learned = learn(ranks)
    assert not learned.weights.any()
    found = learned.ranks_on(np.arange(n)[None], np.array([-1]))
    np.testing.assert_array_equal(found[:, :, 0], np.round(ranks * n - 0.5))


@pytest.mark.parametrize(("n", "symbols", "strength"), [(41, 1, 1.0), (60, 3, 1.0), (60, 3, 20.0)])
def test_markets_go_on_from_what_they_had(n, symbols, strength):
    """Beside loops over markets, days and symbols; scores stay among the days', come what may."""
    ranks = ranked(lively(n, 0.7, 12, symbols))
    learned = learn(ranks)
    weights = strength * (learned.weights + 0.1 * rng(17).normal(size=learned.weights.shape))
    object.__setattr__(learned, "weights", weights)
    dates, last = rng(13).integers(n, size=(6, 25)), np.array([-1, 0, 7, n - 1, 3, -1])
    found = learned.ranks_on(dates, last)
    edge = special.ndtri(1.0 - 0.5 / n)
    for b in range(6):
        now = learned.averages[last[b]].copy() if last[b] >= 0 else np.zeros((symbols, 2, 3))
        for t, day in enumerate(dates[b]):
            everybody = now.mean(axis=0).ravel()
            before = now.copy()
            for s in range(symbols):
                seen = before[s].ravel()
                if symbols > 1:
                    seen = np.concatenate([seen, everybody])
                z = np.clip(learned.unexpected[day, s] + seen @ weights, -edge, edge)
                for part in range(N_PARTS):
                    level = special.ndtr(z[part])
                    if part < 2:
                        side = -1 if ranks[day, s, part] < 0.5 else 1
                        level = 0.5 + 0.5 * side * level
                    assert found[t, s, b, part] == min(int(level * n), n - 1)
                for k, new in enumerate((z[4], z[:2].mean())):
                    now[s, k] = before[s, k] + (new - before[s, k]) / SPANS
    if strength > 1:
        assert (found.min(), found.max()) == (0, n - 1)
