"""Markets of several symbols: one date, one network, dependent noise, unequal histories."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.agent.observation import Observer
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK, FeatureTable
from models.market.history import History
from sim import path_sampler
from sim.baselines import BlockBootstrapSampler, GarchSampler, substituted_rows
from sim.common_factor import CommonFactor
from sim.common_scales import CommonScales
from sim.common_volatility import CommonVolatility
from sim.dates import CommonDates
from sim.dependence import Dependence, JointSeries
from sim.noise import KINDS, completed
from sim.path_sampler import ForecasterSampler
from sim.starts import MomentsByDate, StartDates, draw_starts
from tests.sim.joint import CALENDAR, HISTORIES, TABLES

FIRST = LOOKBACK + 19


@pytest.fixture(scope="module")
def observer():
    config = ForecasterConfig(units=8, window=20, epochs=2, masks=4)
    return Observer(Forecaster.fit(TABLES, config, seed=1))


def sampler(observer, **options):
    return ForecasterSampler(observer, TABLES, **({"blend": 0.25} | options))


def draw(observer, n_paths=32, n_steps=12, seed=0, **options):
    return sampler(observer, **options).sample(n_paths, n_steps, np.random.default_rng(seed))


def dates_of(paths):
    """The date of every symbol's start, shape (B, S)."""
    found = [HISTORIES[s].time[paths.start_row[:, s]] for s in range(3)]
    return np.stack(found, axis=1).astype("datetime64[D]")


def test_symbols_start_on_one_date_or_the_last_one_they_traded_on(observer):
    paths = draw(observer, 200, 1)
    dates = dates_of(paths)
    np.testing.assert_array_equal(paths.series, np.tile([0, 1, 2], (200, 1)))
    np.testing.assert_array_equal(dates[0::2], dates[1::2])
    # ALL has every date. GAP stands at its newest one at or before it.
    newest = np.searchsorted(HISTORIES[2].time, dates[:, 0].astype("datetime64[ns]"), "right") - 1
    far = newest >= FIRST
    assert far.mean() > 0.9
    np.testing.assert_array_equal(paths.start_row[far, 2], newest[far])
    assert (dates[:, 2] < dates[:, 0]).any()
    # NEW joins when it has a past to look back on, and starts from another row of its own before.
    listed = dates[:, 0] >= CALENDAR[200 + FIRST]
    assert (dates[listed, 1] == dates[listed, 0]).all()
    assert 20 < (~listed).sum() < 180
    assert (paths.start_row[~listed, 1] >= FIRST).all()
    assert len(np.unique(paths.start_row[~listed, 1])) > 10


def test_starts_are_stratified_over_all_dates(observer):
    count = 640 - FIRST
    rows = draw_starts(TABLES, FIRST, count, "any", np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(rows[:, 0]), np.arange(FIRST, 640))


def test_pairs_start_on_the_given_dates_in_turn(observer):
    wanted = CALENDAR[[500, 300, 630]]
    paths = draw(observer, 14, 2, starts=wanted)
    np.testing.assert_array_equal(dates_of(paths)[:, 0], wanted[np.repeat([0, 1, 2] * 3, 2)[:14]])
    late = draw(observer, 4, 2, starts="latest")
    np.testing.assert_array_equal(late.start_row, np.tile([len(h) - 1 for h in HISTORIES], (4, 1)))
    exact = CALENDAR[[400]].astype("datetime64[ns]")
    np.testing.assert_array_equal(draw(observer, 2, 1, starts=exact).start_row[:, 0], 400)


def test_the_same_source_starts_elsewhere_and_shares_what_was_fitted(observer):
    source = sampler(observer)
    assert source.first == FIRST
    source.sample(4, 2, np.random.default_rng(5))
    other = source.starting("latest")
    assert other.residuals is source.residuals
    found = other.sample(6, 3, np.random.default_rng(0))
    wanted = draw(observer, 6, 3, starts="latest")
    np.testing.assert_array_equal(found.bars, wanted.bars)
    # The source itself goes on as before.
    again = source.sample(6, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(again.bars, draw(observer, 6, 3).bars)
    with pytest.raises(ValueError, match="starts must be any or latest"):
        source.starting("now")


def test_dates_nobody_can_start_on_are_refused(observer):
    for day in (CALENDAR[10], CALENDAR[639] + np.timedelta64(60, "D")):
        with pytest.raises(ValueError, match=f"starts must be dates .* received {day}"):
            draw(observer, 2, 1, starts=np.array([day]))
    for bad in (np.array([1.0]), np.array([], "datetime64[D]"), np.array(["NaT"], "datetime64[D]")):
        with pytest.raises(ValueError, match="starts must be any or latest or an array of dates"):
            draw(observer, 2, 1, starts=bad)


def test_a_market_has_the_date_of_most_of_its_symbols_and_of_the_longest_history_among_equals():
    """NEW begins 200 days after ALL, GAP lacks days that ALL has."""
    shared = np.searchsorted(HISTORIES[2].time, HISTORIES[0].time[500])
    rows = np.array([[500, 300, shared], [600, 300, shared], [600, 301, shared]])
    of = np.array([500, 500, 600]) - LOOKBACK
    dates = StartDates(TABLES)
    np.testing.assert_array_equal(dates.of_markets(rows), of)
    assert dates.leading_symbols(rows)[[0, 2]].tolist() == [0, 0]
    moments = MomentsByDate.of(TABLES)
    np.testing.assert_array_equal(moments.at(rows), moments.moments[of])
    # Whatever the order of the symbols is.
    turned = StartDates([TABLES[1], TABLES[0], TABLES[2]])
    np.testing.assert_array_equal(turned.of_markets(rows[:, [1, 0, 2]]), of)
    np.testing.assert_array_equal(turned.leading_symbols(rows[:, [1, 0, 2]])[[0, 2]], [1, 1])


def test_hourly_bars_share_times_not_days():
    hours = np.datetime64("2020-01-01T10") + np.arange(30) * np.timedelta64(1, "h")
    bars = np.full((30, 5), 10.0)
    common = CommonDates.of([History("A", hours, bars), History("B", hours[5:], bars[5:])])
    np.testing.assert_array_equal(common.dates, hours.astype("datetime64[ns]"))
    np.testing.assert_array_equal(common.rows[:6, 1], [-1] * 5 + [0])


def test_all_symbols_of_a_pair_share_one_network(observer, monkeypatch):
    asked = []
    masks = observer.forecaster.masks
    monkeypatch.setattr(
        observer.forecaster, "masks", lambda n, rng: asked.append(masks(n, rng)) or asked[-1]
    )
    used = []
    masked = observer.forecaster.masked
    monkeypatch.setattr(
        observer.forecaster,
        "masked",
        lambda state, windows, masks: used.append(masks) or masked(state, windows, masks),
    )
    sampler(observer, blend=0.0).sample(10, 1, np.random.default_rng(0))
    (drawn,) = asked
    assert len(drawn.inputs) == 5
    (once,) = used  # for both of a pair
    whole = once.outputs.reshape(3, 5, -1).swapaxes(0, 1)
    softened = drawn.softened(path_sampler.MASK_SHARE).outputs
    np.testing.assert_array_equal(whole, softened[:, None].repeat(3, axis=1))
    np.testing.assert_allclose(softened - 1.0, 0.5 * (drawn.outputs - 1.0), atol=1e-6)


@pytest.mark.parametrize("rows", [7, 90, 100_000])
def test_markets_walked_in_other_portions_are_the_same(observer, monkeypatch, rows):
    whole = draw(observer, 41, 30)
    monkeypatch.setattr(path_sampler, "ROWS_AT_ONCE", rows)
    parts = draw(observer, 41, 30)
    np.testing.assert_array_equal(parts.start_row, whole.start_row)
    for name in ("bars", "observations", "innovations", "forecasts"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_repeat_markets_of_every_family(observer, kind):
    first, again, other = (draw(observer, 8, 5, seed, copula=kind) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.bars, again.bars)
    assert not np.array_equal(first.bars[:, :, 1:], other.bars[:, :, 1:])
    assert len(np.unique(first.each().log_returns[:, 0].round(12), axis=0)) == 24


def test_samples_do_not_depend_on_what_was_sampled_before(observer):
    used = sampler(observer)
    used.sample(6, 4, np.random.default_rng(5))
    again = used.sample(16, 8, np.random.default_rng(6))
    np.testing.assert_array_equal(again.bars, draw(observer, 16, 8, seed=6).bars)


def test_one_symbol_is_what_it_is_alone(observer, monkeypatch):
    """Same start, network and noise: who is beside it does not touch a symbol's path.

    It does touch which dates' noise it takes, which are the markets' own here, how far a
    volatility and a scale are believed, which is entirely here, and what it has in common with
    them, which is as on the dates here.
    """
    monkeypatch.setattr(CommonVolatility, "corrected", lambda self, volatility: volatility)
    monkeypatch.setattr(
        CommonScales, "of", classmethod(lambda cls, tables, _: cls(np.zeros((len(tables), 4)), 0.0))
    )
    joint = sampler(observer, blend=0.0, starts="latest")
    joint.common_factor = None
    together = joint.sample(12, 10, np.random.default_rng(0))
    alone = ForecasterSampler(observer, TABLES[:1], blend=0.0, starts="latest")
    alone.feedback = joint.feedback
    plan = joint._plan(6, 10, np.random.default_rng(0))
    (noise,) = plan.of_dates
    own = replace(plan, rows=plan.rows[:, :1], lean=plan.lean[:, :1], shifts=plan.shifts[:, :1])
    own = replace(own, of_dates=[replace(noise, drawn=noise.drawn[:, :1])])
    alone.dated_noise = SimpleNamespace(
        luck=None, luck_on=lambda dates: joint.dated_noise.luck_on(dates)[:1]
    )
    paths = alone._imagine(own)
    assert paths.bars.shape == (12, 1, 11, 5)
    np.testing.assert_allclose(together.bars[:, :1], paths.bars, rtol=1e-6)
    np.testing.assert_allclose(together.innovations[:, :1], paths.innovations, atol=1e-7)


def test_noise_goes_on_from_the_day_of_the_market_and_none_later(observer):
    """Also where a symbol was not listed yet, and starts from a later date of its own."""
    market = sampler(observer, blend=0.0)
    first, dates = TABLES[0].history.time[FIRST], market.residuals.dates
    early = first.astype("datetime64[D]") + np.arange(0, 40)
    early = early[np.isin(early, TABLES[0].history.time.astype("datetime64[D]"))]
    seen = set()
    for day in early:
        plan = market.starting(np.array([day]))._plan(2, 3, np.random.default_rng(0))
        assert HISTORIES[0].time[plan.rows[0, 0]].astype("datetime64[D]") == day
        later = dates_of(SimpleNamespace(start_row=plan.rows)).max() > day
        (last,) = set(market._last_dates(plan.rows))
        assert last == np.searchsorted(dates, day, side="right") - 1
        seen.add(bool(later))
    assert True in seen


def test_one_symbol_needs_no_residuals_where_its_parts_are_independent(observer):
    alone = ForecasterSampler(observer, TABLES[:1], blend=0.0, copula="skewed-t")
    alone.sample(4, 3, np.random.default_rng(0))
    assert "residuals" not in vars(alone)


def test_imagined_symbols_depend_on_each_other_as_real_ones_do(observer):
    real = Dependence.of(JointSeries.of_histories([h.tail(len(h) - FIRST) for h in HISTORIES]))
    found = {
        name: Dependence.of(JointSeries.of_paths(draw(observer, 300, 30, **options)))
        for name, options in {
            "independent": {"blend": 0.0, "copula": "independent"},
            "copula": {"blend": 0.0, "copula": "skewed-t"},
            "checkerboard": {"blend": 0.0, "copula": "checkerboard"},
            "dates": {"blend": 1.0},
        }.items()
    }
    assert real.returns > 0.25
    assert abs(found["independent"].returns) < 0.04
    for name in ("copula", "checkerboard", "dates"):
        assert found[name].returns == pytest.approx(real.returns, abs=0.1)
        assert found[name].gap == pytest.approx(real.gap, abs=0.12)
        assert found[name].tail_lower > 2 * found["independent"].tail_lower


@pytest.mark.parametrize("blend", [0.0, 1.0])
def test_markets_start_as_wild_as_the_date_that_follows(observer, monkeypatch, blend):
    """As its forecasts are made, by the mean network, whatever draws are scaled with."""
    monkeypatch.setattr(path_sampler, "MASK_SHARE", 0.0)
    monkeypatch.setattr(CommonVolatility, "corrected", lambda self, volatility: 1.3 * volatility)
    dates = HISTORIES[1].time[350:400:7]
    source = sampler(observer, blend=blend, starts=dates)
    _ = source.feedback
    seen = watched(monkeypatch)
    plan = source._plan(len(dates), 4, np.random.default_rng(0))
    source._imagine(plan)
    taken, above, _ = (np.concatenate(each) for each in zip(*seen[:: plan.n_steps], strict=True))
    np.testing.assert_array_equal(taken, plan.of_dates[0].dates[:, 0])
    common = CommonDates.of(HISTORIES, source.first + 1)
    at = [np.flatnonzero((common.rows == row + 1).all(axis=1)) for row in plan.rows]
    there = np.repeat([len(one) > 0 for one in at], 2)  # of symbols that all have the next day
    assert there.sum() >= 12
    own = source.common_factor.above[np.concatenate(at)]
    np.testing.assert_allclose(above[there], np.repeat(own, 2), atol=1e-4)


def test_what_symbols_have_in_common_is_told_by_noise_without_gaps(observer):
    source = sampler(observer)
    assert np.isnan(source.residuals.uniforms).any()
    known = source.common_factor
    again = CommonFactor.of(
        TABLES, source._corrected, completed(source.residuals.uniforms, source._copula)
    )
    np.testing.assert_array_equal(known.means, again.means)
    np.testing.assert_array_equal(known.line, again.line)


def watched(monkeypatch):
    """What noise was brought where, bar by bar: dates, log sizes of markets, and the noise."""
    seen, brought = [], CommonFactor.brought

    def watch(self, noise, dates, volatility, scales):
        size = np.log(volatility) + 0.5 * np.logaddexp(*(2.0 * scales))
        found = brought(self, noise, dates, volatility, scales)
        seen.append((dates, (size - self.usual[:, None]).mean(axis=0), found.swapaxes(0, 1)))
        return found

    monkeypatch.setattr(CommonFactor, "brought", watch)
    return seen


def test_symbols_move_together_where_a_market_is_wilder_than_the_days_it_takes(
    observer, monkeypatch
):
    """Late in a path as well: noise is brought at every bar to where the market then is."""
    source = sampler(observer, blend=1.0)
    known = source.common_factor
    steep = np.array([np.full(5, 0.4), np.full(5, 1.5 / known.above.std())])
    even = np.full((3, 5), 3**-0.5)
    source.common_factor = replace(known, leading=even, line=steep)
    _ = source.feedback
    seen = watched(monkeypatch)
    drawn, draw_one = [], Forecaster.draw

    def watch(self, state, uniforms, outputs=None):
        drawn.append(uniforms.copy())
        return draw_one(self, state, uniforms, outputs)

    monkeypatch.setattr(Forecaster, "draw", watch)
    paths = source.sample(400, 20, np.random.default_rng(0))
    for (_, _, noise), uniforms in zip(seen, drawn, strict=True):
        np.testing.assert_array_equal(noise.swapaxes(0, 1).reshape(-1, 5), uniforms)
    portions = [seen[k : k + 20] for k in range(0, len(seen), 20)]
    dates, above = (
        np.concatenate([np.stack([bar[of] for bar in portion], axis=1) for portion in portions])
        for of in (0, 1)
    )
    # Markets do not stay where they started.
    assert np.corrcoef(above[:, 0], above[:, -1])[0, 1] < 0.95
    wilder = (above - known.above[dates])[:, 10:]
    missed = np.moveaxis(paths.innovations[:, :, 10:, 1], 1, 0) / np.exp(above[:, 10:])
    calm, wild = (
        np.corrcoef(missed[:, part])[np.triu_indices(3, 1)].mean()
        for part in (wilder < np.quantile(wilder, 0.2), wilder > np.quantile(wilder, 0.8))
    )
    assert wild > calm + 0.3


def test_innovations_have_mean_zero_for_each_symbol(observer):
    for blend in (0.0, 1.0):
        missed = draw(observer, 400, 20, blend=blend).innovations.sum(axis=(2, 3))
        error = missed.std(axis=0) / np.sqrt(len(missed))
        assert (np.abs(missed.mean(axis=0)) < 4 * error).all()


def days_of(table):
    """Row of each gap and intraday return of a history."""
    return {tuple(part): row for row, part in enumerate(table.parts[:, :2].round(9))}


def test_a_bootstrap_takes_all_symbols_of_a_date():
    paths = BlockBootstrapSampler(TABLES).sample(12, 25, np.random.default_rng(0))
    market = JointSeries.of_paths(paths)
    common = CommonDates.of(HISTORIES)
    on = [np.where(common.present[:, s], common.rows[:, s], -2) for s in range(3)]
    known = [days_of(table) for table in TABLES]
    together = {(0, 1): 0, (0, 2): 0}
    for b, t in np.ndindex(12, 25):
        rows = []
        for s in range(3):
            part = np.round([market.gap[b, s, t], market.intraday[b, s, t]], 9)
            near = [tuple(part + np.array([i, j]) * 1e-9) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            rows.append(
                next(
                    known[s][tuple(np.round(n, 9))]
                    for n in near
                    if tuple(np.round(n, 9)) in known[s]
                )
            )
        date = np.flatnonzero(on[0] == rows[0])[0]
        for s in (1, 2):
            if common.present[date, s] and common.rows[date, s] >= 20:
                assert common.rows[date, s] == rows[s]
                together[0, s] += 1
    assert together[0, 1] > 100
    assert together[0, 2] > 250


def test_a_symbol_that_lacks_takes_the_day_that_was_most_alike():
    rows = substituted_rows(TABLES, 20)
    common = CommonDates.of(HISTORIES, 20)
    there = common.present
    np.testing.assert_array_equal(rows[there], common.rows[there])
    assert (rows >= 20).all()
    scaled = [h.log_returns / h.log_returns[20:].std() for h in HISTORIES]
    missing = np.flatnonzero(~there[:, 1])
    assert len(missing) > 150
    day = missing[7]
    others = [s for s in (0, 2) if there[day, s]]
    moved = np.mean([scaled[s][common.rows[day, s]] for s in others])
    own = np.flatnonzero(there[:, 1])

    def mean_of(k):
        return np.mean([scaled[s][common.rows[k, s]] for s in (0, 2) if there[k, s]])

    nearest = min(own, key=lambda k: abs(mean_of(k) - moved))
    assert abs(mean_of(nearest) - moved) < 0.2
    assert rows[day, 1] == common.rows[nearest, 1]


def test_baselines_start_all_symbols_on_one_date(observer):
    for kind in (BlockBootstrapSampler, GarchSampler):
        paths = kind(TABLES, observer).sample(20, 3, np.random.default_rng(0))
        assert paths.observations.shape == (20, 3, 4, observer.size)
        dates = dates_of(paths)
        listed = dates[:, 0] >= CALENDAR[200 + FIRST]
        assert (dates[listed, 1] == dates[listed, 0]).all()


def test_a_symbol_that_is_gone_is_imagined_as_it_once_was(observer):
    """A history that ended a year before the others."""
    gone = FeatureTable.of(History("OLD", HISTORIES[0].time[:400], HISTORIES[0].bars[:400]))
    made = ForecasterSampler(observer, [TABLES[0], gone], blend=0.5)
    paths = made.sample(60, 3, np.random.default_rng(0))
    dates = CALENDAR[paths.start_row[:, 0]]
    after = dates > CALENDAR[399] + np.timedelta64(10, "D")
    np.testing.assert_array_equal(
        paths.start_row[~after, 1], np.minimum(paths.start_row[~after, 0], 399)
    )
    assert after.sum() > 20
    assert (paths.start_row[after, 1] < 400).all()
