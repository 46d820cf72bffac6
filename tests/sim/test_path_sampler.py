"""Simulated markets: valid, reproducible, covering, bounded, and true to the forecaster."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from models.agent.observation import Observer
from models.agent.outlook import FORECAST
from models.forecast.config import ForecasterConfig
from models.forecast.density import OUTPUTS, SCALES, log_sizes
from models.forecast.distributions import MIN_UNIFORM
from models.forecast.forecaster import Forecaster
from models.forecast.inference import LSTMInference
from models.market import features as features_module
from models.market.features import (
    FEATURES,
    LOOKBACK,
    FeatureTable,
    bars_from_parts,
    features,
    parts_from_bars,
)
from models.market.history import CLOSE, VOLUME
from models.market.market_view import MarketView
from sim import bounds, path_sampler, steadiness
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.bounds import MOVE_LIMIT, VOLUME_MARGIN, Bounds
from sim.common_factor import CommonFactor
from sim.noise import CopulaNoise, DatedNoise
from sim.path_sampler import ForecasterSampler, Made, Seen
from sim.premium import Premium
from sim.steadiness import START, Feedback, steady
from sim.walking import make_bars
from tests.sim.forecasting import HISTORIES, TABLES, small_forecaster


@pytest.fixture(scope="module")
def observer():
    return Observer(small_forecaster())


def draw(observer, n_paths=64, n_steps=15, seed=0, **options):
    sampler = ForecasterSampler(observer, TABLES, **({"blend": 0.25} | options))
    return sampler.sample(n_paths, n_steps, np.random.default_rng(seed))


def shares(paths):
    """Market, symbol, start, bars and observations of every symbol's share."""
    for b, s in np.ndindex(paths.n_paths, paths.n_symbols):
        yield b, s, paths.start_row[b, s], paths.bars[b, s], paths.observations[b, s]


def test_markets_are_ordered_by_nine_decimals_and_by_number():
    values = np.random.default_rng(0).normal(-4.0, 0.5, 500).round(2)
    values += np.random.default_rng(1).uniform(-1e-11, 1e-11, 500)
    wanted = np.argsort(values.round(9), kind="stable")
    np.testing.assert_array_equal(path_sampler._ascending(values), wanted)


def test_bars_are_made_of_what_the_bounds_leave_of_their_parts():
    """Each bound met by some bars; tapes have markets first."""
    rng, limit, markets, symbols, t = np.random.default_rng(3), 3.0, 7, 2, 1
    count = markets * symbols
    parts = rng.normal(0.0, 0.05, (5, count))
    parts[2:4] = np.abs(parts[2:4])
    means, volatility = rng.normal(size=(2, count)), rng.uniform(0.01, 0.02, count)
    lean, shift = rng.normal(size=(count, 2)), rng.normal(0.0, 0.01, count)
    moves = np.full((count, 4), 0.06)
    mean = rng.normal(10.0, 0.1, count)
    log_volume = np.tile([9.9, 10.1], (count, 1))
    first, close = np.full(count, 5.0), 5.0 * np.exp(np.linspace(-1.5, 1.5, count))
    pushed, places = np.empty((5, count)), rng.permutation(markets + 2)[:markets]
    bars, innovations = np.zeros((9, symbols, 3, 5)), np.zeros((9, symbols, 2, 2))
    by_row = [np.ascontiguousarray(x.T) for x in (lean, moves, log_volume)]
    make_bars(
        parts, means, volatility, by_row[0], shift, *by_row[1:], close, first, mean, limit,
        pushed, places, bars, innovations, t,
    )  # fmt: skip
    wanted = parts.T.copy()
    wanted[:, 1] += shift
    wanted[:, :4] = np.clip(wanted[:, :4], -moves, moves)
    rise = np.log(close / first)
    far = np.abs(rise) > np.log(limit)
    wanted[far, :2] = -np.sign(rise[far])[:, None] * np.abs(wanted[far, :2])
    wanted[:, 4] = np.clip(mean + wanted[:, 4], *log_volume.T) - mean
    assert set(rise[far] > 0) == {True, False}
    assert (np.abs(parts[:4].T) > moves).any()
    assert not np.allclose(wanted[:, 4], parts[4])
    np.testing.assert_allclose(pushed.T, bars_from_parts(close, mean, wanted), rtol=1e-14)
    of_series = bars[places, :, t + 1].swapaxes(0, 1).reshape(count, 5)
    np.testing.assert_array_equal(of_series, pushed.T)
    missed = parts[:2].T - means.T - lean * volatility[:, None]
    of_series = innovations[places, :, t].swapaxes(0, 1).reshape(count, 2)
    np.testing.assert_allclose(of_series, missed, rtol=1e-12)
    assert not np.delete(bars, places, axis=0).any()
    assert not bars[:, :, :2].any()
    assert not innovations[:, :, 0].any()


def test_features_of_a_history_are_worked_out_once_for_all_that_needs_them(monkeypatch):
    """Fit, start, residuals, paths of every sampler and forecasts share one table."""
    calls = []
    worker = features_module._feature_rows

    def counted(bars):
        calls.append(len(bars))
        return worker(bars)

    monkeypatch.setattr(features_module, "_feature_rows", counted)
    tables = [FeatureTable.of(history) for history in HISTORIES]
    config = ForecasterConfig(units=8, window=20, epochs=1, masks=4)
    forecaster = Forecaster.fit(tables, config, seed=1)
    observer = Observer(forecaster)
    for sampler in (
        ForecasterSampler(observer, tables, blend=0.5),
        BlockBootstrapSampler(tables, observer),
        GarchSampler(tables, observer),
    ):
        sampler.sample(4, 3, np.random.default_rng(0))
    forecaster.predict(MarketView.at(tables, window=20), 8, np.random.default_rng(0))
    assert calls == [len(history) for history in HISTORIES]


def test_paths_continue_real_bars(observer):
    paths = draw(observer)
    assert paths.bars.shape == (64, 2, 16, 5)
    for b, s, row, bars, _ in shares(paths):
        assert paths.series[b, s] == s
        np.testing.assert_array_equal(bars[0], HISTORIES[s].bars[row])


def test_observations_are_those_of_the_real_market_at_the_start(observer):
    paths = draw(observer)
    for _, s, row, _, seen in [*shares(paths)][::9]:
        view = MarketView.at_rows(TABLES[s], [row], window=20)
        np.testing.assert_allclose(seen[0], observer.observe(view)[0], atol=1e-5)


def test_observations_later_on_know_the_simulated_bars(observer):
    """Scaled features of a path equal those of its real past with the simulated bars appended."""
    paths = draw(observer, blend=0.0)
    n_features = len(FEATURES)
    for _, s, row, bars, observed in [*shares(paths)][7::50]:
        history = HISTORIES[s]
        longer = np.concatenate([history.bars[: row + 1], bars[1:]])
        found = features(longer)[row + 1 :]
        seen = features(history.bars)[LOOKBACK:]
        found = np.clip(found, seen.min(axis=0), seen.max(axis=0))
        want = np.clip(observer.forecaster.scaler.scaled(found), -5, 5)
        np.testing.assert_allclose(observed[1:, :n_features], want, atol=2e-3)


def test_the_seed_repeats_paths_and_another_differs(observer):
    first, again, other = draw(observer), draw(observer), draw(observer, seed=1)
    np.testing.assert_array_equal(first.bars, again.bars)
    np.testing.assert_array_equal(first.observations, again.observations)
    assert not np.array_equal(first.bars[:, :, 1], other.bars[:, :, 1])


def test_no_two_paths_are_alike(observer):
    returns = draw(observer, n_paths=40).each().log_returns[:, 0]
    assert len(np.unique(returns.round(12), axis=0)) == 80


def test_twins_share_their_start_and_have_noise_of_their_own(observer):
    paths = draw(observer, n_paths=200, blend=0.0)
    np.testing.assert_array_equal(paths.start_row[0::2], paths.start_row[1::2])
    np.testing.assert_array_equal(paths.observations[0::2, :, 0], paths.observations[1::2, :, 0])
    one, two = paths.log_returns[0::2], paths.log_returns[1::2]
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.1


def test_noise_is_dealt_out_in_the_order_of_volatility(observer, monkeypatch):
    """Noise that grows with the place falls on the wilder markets, at every bar anew."""

    def ramp(self, n, n_steps, rng):
        level = (np.arange(n) + 0.5) / n
        return np.broadcast_to(level[:, None], (n_steps, n, 5)).copy()

    monkeypatch.setattr(CopulaNoise, "draw", ramp)
    sampler = ForecasterSampler(observer, TABLES[:1], blend=0.0, copula="skewed-t")
    paths = sampler.sample(32, 6, np.random.default_rng(0))
    column = FEATURES.index("volatility_ewma")
    for t in range(6):
        wild = paths.observations[:, 0, t, column]
        gained = np.log(paths.bars[:, 0, t + 1, 4] / paths.bars[:, 0, t, 4])
        volume = paths.innovations[:, 0, t, 0]
        assert np.isfinite(gained).all()
        assert stats.spearmanr(wild, volume)[0] > 0.8


@pytest.mark.parametrize("copula", ["checkerboard", "skewed-t"])
def test_threads_and_portions_do_not_matter(observer, monkeypatch, copula):
    def sample(threads=1):
        options = {"blend": 0.25, "threads": threads, "copula": copula}
        sampler = ForecasterSampler(observer, TABLES, **options)
        return sampler.sample(41, 12, np.random.default_rng(2))

    whole = sample()
    for rows, threads in ((8, 1), (8, 3), (512, 2)):
        monkeypatch.setattr(path_sampler, "ROWS_AT_ONCE", rows)
        parts = sample(threads)
        np.testing.assert_array_equal(parts.start_row, whole.start_row)
        np.testing.assert_array_equal(parts.bars, whole.bars)
        np.testing.assert_array_equal(parts.observations, whole.observations)


@pytest.mark.parametrize(("kind", "share"), [("skewed-t", 0.5), ("checkerboard", 0.95)])
def test_coverage_makes_the_mean_more_exact_than_independent_draws_would(observer, kind, share):
    sampler = ForecasterSampler(observer, TABLES, blend=0.0, starts="latest", copula=kind)

    def returns(n, seed=0):
        return sampler.sample(n, 10, np.random.default_rng(seed)).log_returns.sum(axis=2)

    def means(n, repeats):
        return np.array([returns(n, seed).mean(axis=0) for seed in range(repeats)])

    ratio = means(64, 48).std(axis=0) / (returns(512).std(axis=0) / np.sqrt(64))
    assert np.sqrt((ratio**2).mean()) < share


def test_blending_uses_real_residuals_for_its_share_of_the_pairs(observer):
    sampler = ForecasterSampler(observer, TABLES, blend=0.5)
    plan = sampler._plan(40, 6, np.random.default_rng(0))
    anew, blended = plan.of_dates
    assert blended.drawn is None
    of = np.isin(np.arange(80), anew.markets).reshape(40, 2)
    assert (of[:, 0] == of[:, 1]).all()
    assert of[:, 0].sum() == 20
    np.testing.assert_array_equal(np.sort([*anew.markets, *blended.markets]), np.arange(80))
    real = {tuple(day.ravel()) for day in sampler.dated_noise.uniforms}
    assert anew.drawn.shape == (6, len(TABLES), 40, 5)
    assert not any(tuple(day.ravel()) in real for day in anew.drawn[0].swapaxes(0, 1))
    for noise in plan.of_dates:
        assert noise.dates.shape == (40, 6)
        assert 0 <= noise.dates.min() <= noise.dates.max() < len(real)
    for blend, own in ((0.0, True), (1.0, False)):
        whole = ForecasterSampler(observer, TABLES, blend=blend)
        (one,) = whole._plan(40, 2, np.random.default_rng(0)).of_dates
        assert (len(one.markets), one.drawn is not None) == (80, own)
    parametric = ForecasterSampler(observer, TABLES, blend=0.5, copula="skewed-t")
    plan = parametric._plan(40, 6, np.random.default_rng(0))
    assert plan.drawn.shape[:2] == (6, len(plan.placed)) == (6, 40)
    assert len(plan.of_dates) == 1


def test_noise_is_of_days_as_wild_as_the_market(observer):
    sampler = ForecasterSampler(observer, TABLES, blend=0.5)
    plan = sampler._plan(200, 3, np.random.default_rng(0))
    starts = np.repeat(sampler.levels.of_starts(plan.rows), 2)
    for noise in plan.of_dates:
        taken = sampler.levels.of_dates[noise.dates[:, 0]]
        as_was = noise.drawn is None
        least = 0.85 if as_was else 0.55  # days may come a month later or earlier
        assert np.corrcoef(starts[noise.markets], taken)[0, 1] > least


@pytest.mark.parametrize(("blend", "premium"), [(0.0, -0.15), (1.0, -0.25)])
def test_neither_calm_nor_wild_markets_have_a_premium_of_their_own(
    observer, monkeypatch, blend, premium
):
    """Real days that rose by more than was said while all was calm, by less while it was wild."""
    sampler = ForecasterSampler(observer, TABLES, blend=blend)
    sampler.feedback = Feedback(*START.tolist())
    made = sampler.dated_noise
    tilt = (0.5 - made.levels)[:, None, None]
    uniforms = made.uniforms.copy()
    uniforms[..., 1] = special.ndtr(special.ndtri(uniforms[..., 1]) + tilt[..., 0])
    missed = made.missed + tilt * [0.0, np.nanstd(made.missed[..., 1])]
    sampler.dated_noise = replace(made, uniforms=uniforms, missed=missed)

    def wild_less_calm():
        """Mean innovations of markets from wild and from calm days, in their deviations."""
        paths = sampler.sample(1200, 10, np.random.default_rng(0))
        wild = sampler.levels.of_starts(paths.start_row) > 0.5
        each = [paths.innovations[of, ..., 1] for of in (wild, ~wild)]
        return each[0].mean() / each[0].std() - each[1].mean() / each[1].std()

    assert abs(wild_less_calm()) < 0.07
    monkeypatch.setattr(DatedNoise, "luck_on", lambda self, dates: np.zeros((2, len(dates), 2)))
    assert wild_less_calm() < premium


def test_real_residuals_replayed_in_order_give_back_the_real_bars(observer):
    """Transforming a history to noise and back is the identity, the wildest days included."""
    sampler = ForecasterSampler(observer, TABLES[:1], blend=1.0)
    first, table = LOOKBACK + 19, TABLES[0]
    rows = np.arange(first, len(table) - 1)
    view = MarketView.at_rows(table, rows, window=20)
    memory = observer.forecaster.hindcast(table).memory_at(rows)
    state = observer.forecaster.start(view, memory=memory)
    uniforms = sampler.residuals.uniforms[:, 0]
    parts, real = observer.forecaster.draw(state, uniforms).parts, table.parts[rows + 1]
    largest = np.abs(real).max(axis=0)
    assert (np.abs(parts - real) <= 2e-3 * largest).all()
    # Days that no forecaster would draw come back as well, by their own size.
    wild = np.minimum(uniforms, 1.0 - uniforms)[:, :2] < MIN_UNIFORM
    assert wild.any()
    np.testing.assert_allclose(parts[:, :2][wild], real[:, :2][wild], rtol=5e-3)


def changed(observer, change):
    """The observer, each array of its forecaster as `change(name, array)` gives it."""
    arrays = observer.forecaster.to_arrays()
    made = {name: change(name, value) for name, value in arrays.items()}
    return Observer(Forecaster.from_arrays(made))


def wilder(observer):
    """Draws three times as wide as calibrated: features leave the range they had in history."""

    def wide(name, value):
        moved = name in ("traits_gap", "traits_intraday", "traits_upper")
        return value + np.log(3.0) * (np.arange(value.shape[1]) == 0) if moved else value

    return changed(observer, wide)


def test_trading_observes_the_bars_of_a_path_as_the_path_did(observer):
    """Bar by bar through the view and stream of trading, beyond the range of history too."""
    wild = wilder(observer)
    paths = draw(wild, n_paths=12, n_steps=60, blend=0.0)
    n_outside = 0
    for _, s, row, bars, observed in shares(paths):
        table = TABLES[s]
        seen = MarketView.at_rows(table, [row], window=20)
        stream = wild.stream(seen)
        found = [stream.current()]
        low, high = wild.forecaster.traits([table.symbol]).ranges[0]
        for bar in bars[1:]:
            rows = seen.push(bar[None])
            n_outside += int(((rows < low) | (rows > high)).any())
            found.append(stream.push(rows))
        traded = np.concatenate(found)
        n = len(FEATURES)
        np.testing.assert_array_equal(traded[:, :n], observed[:, :n])
        np.testing.assert_allclose(traded[:, n:], observed[:, n:], atol=1e-5)
    assert n_outside > 100


def test_what_markets_remember_are_the_real_bars_as_a_market_starts_there(observer):
    plain, paths = draw(observer), draw(observer, remembers=30)
    assert plain.before is None
    assert paths.before.shape == (64, 2, 30, observer.size)
    np.testing.assert_array_equal(paths.bars, plain.bars)
    np.testing.assert_array_equal(paths.observations, plain.observations)
    first = LOOKBACK + 19  # the first row with a whole window behind it
    hindcasts = [observer.forecaster.hindcast(table) for table in TABLES]
    for b, s in ((0, 0), (17, 1), (63, 0)):
        for back in (30, 2, 1):
            row = np.array([max(paths.start_row[b, s] - back, first)])
            view = MarketView.at_rows(TABLES[s], row, window=20)
            seen = observer.follow(view, hindcasts[s].memory_at(row)).current()[0]
            np.testing.assert_allclose(paths.before[b, s, -back], seen, atol=1e-6)
    early = np.unravel_index(paths.start_row.argmin(), paths.start_row.shape)
    assert paths.start_row[early] < first + 30
    np.testing.assert_array_equal(paths.before[early][0], paths.before[early][1])
    with pytest.raises(ValueError, match="remembers must be >= 0; received -1"):
        draw(observer, remembers=-1)


def test_simulated_volatility_stays_within_that_of_the_paths_own_history(observer):
    wild = wilder(observer)
    bounds = Bounds.of(TABLES, wild.forecaster)
    for s, table in enumerate(TABLES):
        rows = table.rows[LOOKBACK:]
        seen = wild.forecaster.baseline_volatility(rows, [table.symbol] * len(rows))
        assert bounds.volatility[s] == seen.max()
    view = MarketView.at(TABLES, window=20)
    state = wild.forecaster.start(view)
    state.volatility = state.volatility * np.array([1.0, 100.0])
    bounds.hold_volatility(state)
    np.testing.assert_array_equal(
        state.volatility, [wild.forecaster.start(view).volatility[0], bounds.volatility[1]]
    )


def test_paths_are_scaled_with_the_bounded_volatility(observer):
    """Without the bound, draws three times as wide feed on themselves."""

    def late_deviation(sampler):
        paths = sampler.sample(40, 200, np.random.default_rng(0))
        return paths.log_returns[:, :, 100:].std()

    # With uniform margins: those of real transforms would make up for it.
    options = {"blend": 0.0, "copula": "independent"}
    bounded, free = (ForecasterSampler(wilder(observer), TABLES[:1], **options) for _ in "12")
    free._bounds = Bounds(free._bounds.moves, free._bounds.log_volume, np.array([np.inf]))
    assert late_deviation(bounded) < 0.9 * late_deviation(free)


def test_wild_forecasters_stay_within_bounds(observer):
    """Weights blown up thirtyfold; paths of 400 bars stay finite, valid and bounded."""
    blown_up = ("weight_head", "weight_skip", "weight_kernel")
    wild = changed(observer, lambda name, value: value * 30 if name in blown_up else value)
    paths = draw(wild, n_paths=12, n_steps=400)
    assert np.isfinite(paths.bars).all()
    for s, history in enumerate(HISTORIES):
        mine = paths.bars[:, s]
        real = parts_from_bars(history.bars)[1:, :2]
        step = np.diff(np.log(mine[:, :, CLOSE]), axis=1)
        assert np.abs(step).max() <= MOVE_LIMIT * np.abs(real).max(axis=0).sum() + 1e-9
        volume = np.log(mine[:, :, VOLUME])
        known = np.log(history.bars[:, VOLUME])
        assert volume.max() <= known.max() + VOLUME_MARGIN + 1e-9
        assert volume.min() >= known.min() - VOLUME_MARGIN - 1e-9
        rise = np.log(mine[:, :, CLOSE] / mine[:, :1, CLOSE])
        assert np.abs(rise).max() < np.log(1e3) + 1.0


def test_scales_that_wander_off_are_led_back(observer, monkeypatch):
    """What the network says of imagined bars beyond what it said of real ones fades bar by bar."""
    told, draw_bars = [], Forecaster.draw

    def outputs(self, hidden, scaled, output_mask):
        imagined = output_mask is not None  # the histories' bars are judged by the mean network
        found = np.zeros((len(OUTPUTS), len(hidden)))
        found[SCALES] = [[0.3], [0.6]] if imagined else [[0.1], [0.2]]
        return found.T

    def recorded(self, state, uniforms, outputs):
        told.append(outputs[:, SCALES].copy())
        return draw_bars(self, state, uniforms, outputs)

    monkeypatch.setattr(LSTMInference, "outputs", outputs)
    monkeypatch.setattr(Forecaster, "draw", recorded)
    draw(observer, n_paths=4, n_steps=121)
    back = START[3]
    for t in (0, 1, 60, 120):
        wanted = np.array([0.1, 0.2]) + np.array([0.2, 0.4]) * (1.0 - back) ** t
        np.testing.assert_allclose(told[t], np.tile(wanted, (len(told[t]), 1)), rtol=1e-12)


def test_imagined_markets_stay_as_they_began(observer, monkeypatch):
    """At the feedback that is found moments grow or shrink by less than where it was begun."""
    monkeypatch.setattr(steadiness, "ROUNDS", 4)
    monkeypatch.setattr(path_sampler, "WALK", 40)
    seen: list[tuple[Feedback, np.ndarray]] = []
    growth = steadiness._growth

    def steadied(trial, dates):
        found = steady(trial, 10**9)
        seen.extend((one, growth(trial(one))) for one in (Feedback(*START.tolist()), found))
        return found

    monkeypatch.setattr(path_sampler, "steady", steadied)
    sampler = ForecasterSampler(observer, TABLES, blend=0.5, starts="latest")
    found = sampler.feedback
    assert seen[1][0] == found
    assert np.abs(seen[1][1][:3]).max() < 0.1
    assert np.abs(seen[1][1][:3]).sum() < np.abs(seen[0][1][:3]).sum()
    # Where it starts, and its premium, are not what a source was fitted with.
    monkeypatch.setattr(path_sampler, "steady", steady)
    assert sampler.starting("any").feedback is found


def test_markets_are_as_wild_as_they_are_drawn_and_start_as_the_real_ones_were(
    observer, monkeypatch
):
    """The moments that are kept, beside those of the sizes that every bar is drawn with."""
    draw_bars, bring = Forecaster.draw, CommonFactor.brought
    sampler = ForecasterSampler(observer, TABLES, blend=0.5)
    drawn_with: list[np.ndarray] = []
    brought_to: list[np.ndarray] = []
    began: dict[float, np.ndarray] = {}
    sizes: list[np.ndarray] = []
    scales: list[np.ndarray] = []
    # Of real bars, as corrected by what other symbols' forecasts say.
    corrected = sampler.common_scales.corrected(TABLES, sampler._hindcasts, observer.forecaster)
    assert not np.allclose(corrected[0].scales, sampler._hindcasts[0].scales, atol=1e-3)
    usual = [
        0.5 * np.log(((one.state.volatility[:-1, None] * np.exp(one.scales)) ** 2).sum(axis=1))
        for one in corrected
    ]
    usual_size = np.array([sizes.mean() for sizes in usual])[:, None]
    usual_scales = np.stack([known.scales.mean(axis=0) for known in sampler._hindcasts], axis=1)

    def recorded(self, state, uniforms, outputs):
        said = outputs.T[SCALES].reshape(2, len(TABLES), -1)
        size = log_sizes(state.volatility.reshape(len(TABLES), -1), said)
        sizes.append(size - usual_size)
        scales.append(((said - usual_scales[:, :, None]) ** 2).mean(axis=(0, 1)))
        drawn_with.append(state.volatility.reshape(len(TABLES), -1).copy())
        return draw_bars(self, state, uniforms, outputs)

    def brought(self, noise, dates, volatility, said):
        brought_to.append(volatility.copy())
        return bring(self, noise, dates, volatility, said)

    found = {}
    for wild in (0.0, 0.3):
        sampler.feedback = Feedback(0.0, wild, 0.0, 0.0)
        _ = sampler.common_factor
        for each in (sizes, scales, drawn_with, brought_to):
            each.clear()
        plan = sampler._plan(4, 3, np.random.default_rng(0))
        found[wild] = np.empty((8, 3, 4))
        with monkeypatch.context() as patch:
            patch.setattr(Forecaster, "draw", recorded)
            patch.setattr(CommonFactor, "brought", brought)
            sampler._walk(plan, Made.of(plan, None, found[wild]))
        began[wild] = np.concatenate(brought_to[::3], axis=1)
    np.testing.assert_array_equal(began[0.0], began[0.3])
    assert not np.allclose(began[0.3], np.concatenate(drawn_with[::3], axis=1), rtol=1e-3)
    np.testing.assert_array_equal(found[0.0][:, 0], found[0.3][:, 0])
    walked = np.concatenate([of.markets for of in plan.of_dates])
    for t in (1, 2):
        # Markets of either kind of noise walk by themselves.
        together = np.concatenate([each.mean(axis=0) for each in sizes[t::3]])
        wanted = np.stack([np.minimum(together, 0.0) ** 2, np.maximum(together, 0.0) ** 2], axis=1)
        np.testing.assert_allclose(found[0.3][walked, t, :2], wanted, atol=1e-12)
        np.testing.assert_allclose(found[0.3][walked, t, 3], np.concatenate(scales[t::3]))
        np.testing.assert_array_equal(
            np.concatenate(brought_to[t::3], axis=1), np.concatenate(drawn_with[t::3], axis=1)
        )
    assert not np.allclose(found[0.0][:, 2], found[0.3][:, 2])


@pytest.mark.parametrize("copula", ["checkerboard", "skewed-t"])
def test_markets_that_nobody_looks_at_go_the_same_way(observer, copula):
    sampler = ForecasterSampler(observer, TABLES, blend=0.5, copula=copula)
    sampler.feedback = Feedback(*START.tolist())
    plan = sampler._plan(4, 7, np.random.default_rng(0))
    shape = (8, len(TABLES), 8)
    seen = Seen(np.empty((*shape, observer.size), np.float32), np.empty((*shape, len(FORECAST))))
    looked_at, unseen = (Made.of(plan, each, np.empty((8, 7, 4))) for each in (seen, None))
    for made in (looked_at, unseen):
        sampler._walk(plan, made)
    for name in ("bars", "innovations", "moments"):
        np.testing.assert_array_equal(getattr(unseen, name), getattr(looked_at, name))


def test_an_odd_number_of_paths_is_allowed(observer):
    assert draw(observer, n_paths=7, n_steps=2).n_paths == 7
    assert draw(observer, n_paths=1, n_steps=1).n_steps == 1


def test_bad_input_is_named(observer):
    for options, words in (
        ({"blend": 1.5}, r"blend must lie in \[0, 1\]; received 1.5"),
        (
            {"starts": "first"},
            "starts must be any or latest or an array of dates; received 'first'",
        ),
        ({"mean_block": 0.5}, "mean_block"),
        ({"threads": 0}, "threads must be >= 1; received 0"),
        ({"copula": "frank"}, "copula must be one of checkerboard, .*; received 'frank'"),
        ({"n_paths": 0}, "n_paths must be at least 1; received 0"),
        ({"n_steps": 0}, "n_steps"),
    ):
        with pytest.raises(ValueError, match=words):
            draw(observer, **options)
    with pytest.raises(ValueError, match="at least one symbol"):
        ForecasterSampler(observer, [], blend=0.0)
    with pytest.raises(ValueError, match="AAA: history must have at least"):
        ForecasterSampler(observer, [FeatureTable.of(HISTORIES[0].tail(210))], blend=0.0)


def test_a_premium_shifts_returns_and_nothing_that_nobody_could_know(observer):
    """The same noise; returns of the first bar differ by the premium less the history's mean."""
    plain, shifted = draw(observer), draw(observer, premium=Premium(0.5, 0.0))
    moved = (shifted.log_returns - plain.log_returns)[:, :, 0]
    forecaster = observer.forecaster
    for s, table in enumerate(TABLES):
        past = table.history.log_returns[LOOKBACK:]
        long_run = np.exp(forecaster.traits([table.symbol]).anchors[0])
        wanted = 0.5 / np.sqrt(252) * long_run - past.mean() - past.var() / 2
        np.testing.assert_allclose(moved[:, s], wanted, atol=1e-12)
    np.testing.assert_allclose(shifted.innovations[:, :, 0], plain.innovations[:, :, 0], atol=1e-12)


def test_every_market_and_symbol_has_a_premium_of_its_own_but_twins(observer, monkeypatch):
    monkeypatch.setattr(bounds, "MOVE_LIMIT", 100.0)
    premium = Premium(0.5, 0.25)
    moved = draw(observer, n_paths=512, n_steps=1, premium=premium).log_returns
    moved = (moved - draw(observer, n_paths=512, n_steps=1).log_returns)[:, :, 0]
    np.testing.assert_allclose(moved[::2], moved[1::2], atol=1e-12)
    long_run = np.exp(observer.forecaster.traits(["AAA", "BBB"]).anchors)
    ratios = moved[::2] * np.sqrt(252) / long_run
    np.testing.assert_allclose(ratios.std(axis=0), 0.25, rtol=0.2)
    assert abs(np.corrcoef(ratios.T)[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("change", "name"), [((np.nan, 0.1), "sharpe_ratio"), ((0.5, -0.1), "deviation")]
)
def test_a_premium_that_makes_no_sense_is_refused(change, name):
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        Premium(*change)
