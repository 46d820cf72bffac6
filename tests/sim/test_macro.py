"""Outside series in imagined markets: fitted, bound to the market, stationary, seen as in trading.

The VIX of these tests follows a known recursion on the bars of `tests.sim.joint`.
"""

import dataclasses

import numpy as np
import pytest

from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.market.features import COLUMN, FEATURES, LOOKBACK, FeatureTable
from models.market.groups import DEFAULT_GROUPS
from models.market.macro import MACRO, RATE, VIX, WTI, MacroSeries, MacroValues
from models.market.market_view import MarketView
from sim import path_sampler
from sim.baselines import BlockBootstrapSampler, GarchSampler
from sim.dates import CommonDates
from sim.macro import MARGIN, SLOWEST, MacroModel, MacroWalk
from sim.path_sampler import ForecasterSampler
from tests.models.synthetic import random_forecaster
from tests.sim.joint import CALENDAR, HISTORIES, related

PULL, FALL = -0.1, -0.05
"""Of log VIX to log 20 a bar, and by a mean surprise of one."""

CONFIG = ForecasterConfig(units=6, window=20, masks=4, features=(*DEFAULT_GROUPS, *MACRO))


def outside(seed=5, noise=0.02):
    """Series on the days of the calendar and before it; VIX listens to the mean return of a day."""
    rng = np.random.default_rng(seed)
    closes = np.log(np.stack([bars[:, 3] for bars in related()]))
    mean = np.diff(closes, axis=1, prepend=closes[:, :1]).mean(axis=0) / 0.01
    log_vix = np.empty(len(CALENDAR))
    before = np.log(20.0)
    for t, moved in enumerate(mean):
        before += PULL * (before - np.log(20.0)) + FALL * moved + noise * rng.normal()
        log_vix[t] = before
    values = {
        VIX: np.exp(log_vix),
        WTI: 60 * np.exp(np.cumsum(rng.standard_t(4, len(CALENDAR)) * 0.015)),
        RATE: 2.0 + np.cumsum(rng.normal(0, 0.02, len(CALENDAR))),
    }
    early = CALENDAR[0] - np.arange(20, 0, -1)
    return [
        MacroSeries(name, np.concatenate([early, CALENDAR]), np.append(np.full(20, x[0]), x))
        for name, x in values.items()
    ]


SERIES = outside()
BESIDE = [one.beside(MacroValues.at(SERIES, one.time)) for one in HISTORIES]
TABLES = [FeatureTable.of(one) for one in BESIDE]


@pytest.fixture(scope="module")
def observer():
    return Observer(random_forecaster(TABLES, CONFIG, seed=1))


@pytest.fixture(scope="module")
def model():
    return MacroModel.of(TABLES)


def draw(observer, n_paths=64, n_steps=15, seed=0, **options):
    sampler = ForecasterSampler(observer, TABLES, **({"blend": 0.5} | options))
    return sampler.sample(n_paths, n_steps, np.random.default_rng(seed))


def seen(observer, paths, name):
    """A feature of the first symbol of each market as it was before scaling, (B, T+1)."""
    scaler, place = observer.forecaster.scaler, CONFIG.columns.index(name)
    found = paths.observations[:, 0, :, observer.names.index(name)].astype(float)
    return found * scaler.scale[place] + scaler.mean[place]


def test_without_outside_series_there_is_no_model():
    plain = [FeatureTable.of(one) for one in HISTORIES]
    assert MacroModel.of(plain) is None
    with pytest.raises(ValueError, match="histories must come with the same outside series"):
        MacroModel.of([TABLES[0], plain[1]])


def test_the_steps_of_a_known_process_are_found(model):
    """A mean surprise is that of a day's returns, but for volatility; so about these numbers."""
    _constant, pulled, _, surprise, asymmetry = model.coefficients
    assert pulled == pytest.approx(PULL, abs=0.04)
    # Below zero both act, above zero the first alone; their mean is what the process has.
    assert surprise + 0.5 * asymmetry == pytest.approx(FALL, rel=0.35)
    assert np.abs(model.rests.mean(axis=0)).max() < 1e-12
    of_vix, of_wti, _ = model.rests.std(axis=0)
    assert 0.01 < of_vix < 0.04
    assert of_wti == pytest.approx(1.0, abs=0.25)


def test_the_rests_bring_the_real_series_back(model):
    """Walked with the rests of its own dates, each series is what it was."""
    table = TABLES[0]
    rows = np.arange(LOOKBACK, len(table) - 1)
    values = table.macro.macro.values
    state = table.macro.at(rows)
    common = CommonDates.of(BESIDE, LOOKBACK)
    features = np.full((2, *common.rows.shape), np.nan)
    for s, one in enumerate(TABLES):
        there = common.present[:, s]
        for i, name in enumerate(("volatility_ewma", "log_return")):
            features[i, there, s] = one.rows[common.rows[there, s], COLUMN[name]]
    volatility, surprise = np.nanmean(features, axis=2)[:, :-1]
    number = model.rows_of(table.history.time[rows + 1].astype("datetime64[D]"))
    found = model.next_values(state, volatility, surprise, number)
    change = values[rows + 1] - values[rows]
    wanted = values[rows + 1].T.copy()
    # WTI and the rate lose the mean of the span, VIX none: its rests have none.
    wanted[2] -= change[:, 2].mean()
    np.testing.assert_allclose(found[[0, 2]], wanted[[0, 2]], atol=1e-10)
    np.testing.assert_allclose(found[1], wanted[1], atol=0.01)
    assert np.corrcoef(found[1] - values[rows, 1], change[:, 1])[0, 1] > 0.999


def test_a_short_span_cannot_make_vix_wander_off():
    """A VIX that never reverts in the span does in imagination."""
    dates = SERIES[0].dates
    rising = MacroSeries(VIX, dates, 10.0 * np.exp(np.linspace(0, 2, len(dates)) ** 2))
    tables = [FeatureTable.of(x.beside(MacroValues.at([rising], x.time))) for x in HISTORIES]
    found = MacroModel.of(tables)
    assert found.coefficients[1] <= SLOWEST
    state = tables[0].macro.at(np.full(50, 639))
    rng = np.random.default_rng(0)
    for rows in found.any_rows(50, 500, rng).T:
        still = np.full(50, -4.6), np.zeros(50)
        state.push(found.next_values(state, *still, rows))
    low, high = found.reach
    assert ((low <= state.values) & (state.values <= high)).all()
    assert high - low == pytest.approx(np.ptp(np.log(rising.known_at(CALENDAR[200:]))) + 2 * MARGIN)


@pytest.mark.parametrize("blend", [0.0, 1.0])
def test_vix_rises_when_the_imagined_market_falls(observer, blend):
    """About as much as in the real one, on the day after: so late it is known."""
    paths = draw(observer, 64, 60, blend=blend)
    level = seen(observer, paths, "vix_level")
    change = np.diff(level, axis=1)[:, 1:].ravel()
    returns = paths.log_returns.mean(axis=1)
    real = np.diff(TABLES[0].macro.macro.values[:, 0])[LOOKBACK:]
    moved = np.mean([np.diff(np.log(bars[:, 3]))[LOOKBACK:] for bars in related()], axis=0)
    wanted = np.corrcoef(real[1:], moved[:-1])[0, 1]
    assert wanted < -0.8
    assert np.corrcoef(change, returns[:, :-1].ravel())[0, 1] == pytest.approx(wanted, abs=0.2)
    # Of the returns that come it tells nothing.
    assert abs(np.corrcoef(change, returns[:, 1:].ravel())[0, 1]) < 0.1


def test_vix_stays_in_a_sane_range(observer):
    paths = draw(observer, 64, 250)
    for bar, room in ((60, 1.6), (250, 1.8)):
        level = seen(observer, paths, "vix_level")[:, bar]
        real = TABLES[0].rows[LOOKBACK:, CONFIG.columns.index("vix_level")]
        assert abs(level.mean() - real.mean()) < real.std()
        assert real.std() / room < level.std() < room * real.std()


def of_two(observer, paths, name):
    """A scaled feature of the first and last symbol, held where both may have it."""
    column = CONFIG.columns.index(name)
    ranges = observer.forecaster.scaler.scaled(observer.forecaster.traits(["ALL", "GAP"]).ranges)
    low, high = ranges[:, 0, column].max(), ranges[:, 1, column].min()
    found = np.clip(paths.observations[..., observer.names.index(name)], low, high)
    return found[:, 0], found[:, 2]


@pytest.mark.parametrize("kind", [ForecasterSampler, BlockBootstrapSampler, GarchSampler])
def test_symbols_of_a_market_share_its_series_and_markets_do_not(observer, kind):
    if kind is ForecasterSampler:
        paths = draw(observer, 32, 20)
    else:
        paths = kind(TABLES, observer).sample(32, 20, np.random.default_rng(0))
    for name in ("vix_level", "wti_return", "rate_change"):
        first, last = of_two(observer, paths, name)
        # From the first imagined bar on; a symbol may have started from a date of its own.
        np.testing.assert_array_equal(first[:, 1:], last[:, 1:])
        assert len(np.unique(first[:, -1])) > 20


def test_what_is_learned_from_is_what_is_seen_in_trading(observer, monkeypatch):
    """Imagined bars and series, appended to the past and worked out as a table, look the same."""
    steps, step = [], MacroWalk.next_values
    monkeypatch.setattr(
        MacroWalk, "next_values", lambda self, view: steps.append(step(self, view)) or steps[-1]
    )
    paths = draw(observer, 8, 40, starts="latest", blend=0.0)
    known = np.stack(steps)  # symbol by symbol, with all markets of each
    shown = [i for i, name in enumerate(observer.names) if name in CONFIG.columns]
    past = BESIDE[0]
    for market in (0, 5):
        whole = dataclasses.replace(
            past,
            time=np.append(past.time, past.time[-1] + np.arange(1, 41) * np.timedelta64(1, "D")),
            bars=np.concatenate([past.bars, paths.bars[market, 0, 1:]]),
            macro=MacroValues(MACRO, np.concatenate([past.macro.values, known[:, market]])),
        )
        rows = np.arange(len(past), len(whole))
        view = MarketView.at_rows(FeatureTable.of(whole), rows, window=20)
        np.testing.assert_allclose(
            paths.observations[market, 0, 1:][:, shown],
            observer.observe(view)[:, shown],
            rtol=1e-5,
            atol=1e-5,
        )


def test_seeds_repeat_and_threads_and_portions_change_nothing(observer, monkeypatch):
    first, again, other = (draw(observer, 24, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.observations, again.observations)
    assert not np.array_equal(first.observations, other.observations)
    threads = draw(observer, 24, 10, 1, threads=2)
    np.testing.assert_array_equal(first.observations, threads.observations)
    monkeypatch.setattr(path_sampler, "ROWS_AT_ONCE", 7)
    portions = draw(observer, 24, 10, 1)
    np.testing.assert_allclose(first.observations, portions.observations, atol=1e-4)


def test_bars_of_imagined_markets_keep_their_noise(observer):
    """Outside series draw from a stream of their own: other rests, the same uniforms and starts."""
    plain = [FeatureTable.of(one) for one in HISTORIES]
    alone = Observer(
        random_forecaster(plain, dataclasses.replace(CONFIG, features=DEFAULT_GROUPS), seed=1)
    )
    with_series = ForecasterSampler(observer, TABLES, blend=0.0, copula="skewed-t")
    without = ForecasterSampler(alone, plain, blend=0.0, copula="skewed-t")
    plans = [one._plan(6, 5, np.random.default_rng(3)) for one in (with_series, without)]
    np.testing.assert_array_equal(plans[0].rows, plans[1].rows)
    np.testing.assert_array_equal(plans[0].drawn, plans[1].drawn)
    assert plans[0].rests.shape == (12, 5)
    assert plans[1].rests is None


def test_a_market_takes_the_rests_of_the_dates_of_its_noise(observer):
    sampler = ForecasterSampler(observer, TABLES, blend=0.5)
    plan = sampler._plan(6, 30, np.random.default_rng(3))
    model, dates = sampler.macro_model, sampler.residuals.dates
    assert len(plan.of_dates) == 2
    for noise in plan.of_dates:
        wanted = dates[noise.dates].astype("datetime64[D]")
        np.testing.assert_array_equal(model.dates[plan.rests[noise.markets]], wanted)


@pytest.mark.parametrize("kind", [BlockBootstrapSampler, GarchSampler])
def test_other_simulators_move_the_series_too(observer, kind):
    paths = kind(TABLES, observer).sample(24, 30, np.random.default_rng(0))
    change = np.diff(seen(observer, paths, "vix_level"), axis=1)[:, 1:].ravel()
    returns = paths.log_returns.mean(axis=1)[:, :-1].ravel()
    assert np.corrcoef(change, returns)[0, 1] < -0.5
    assert len(observer.names) == len(FEATURES) + 6 + 5


def test_the_order_of_symbols_does_not_matter(model):
    turned = MacroModel.of(TABLES[::-1])
    np.testing.assert_array_equal(turned.coefficients, model.coefficients)
    np.testing.assert_array_equal(turned.rests, model.rests)
