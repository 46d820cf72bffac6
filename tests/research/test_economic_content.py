import numpy as np
import pytest

from models.market.history import History
from research.benchmarks.economic_content import (
    AVERAGE_BARS,
    COST,
    DECAY,
    HORIZONS,
    RULES,
    STATES,
    Cells,
    Earned,
    Indicators,
    Markets,
    Scale,
    cells,
    common_dates,
    imagined_cells,
    real_cells,
    stacked,
    states_table,
    traded,
)
from research.figures import drawdown, sharpe
from sim.accounting import Rules, replay
from sim.baselines import BlockBootstrapSampler
from sim.costs import ProportionalCost
from tests.sim.forecasting import HISTORIES, TABLES

FIRST = 260
CLOSE = HISTORIES[0].close


@pytest.fixture(scope="module")
def markets():
    paths = BlockBootstrapSampler(TABLES[:1]).sample(6, 60, np.random.default_rng(0))
    return paths, Markets.of_paths(paths, HISTORIES)


def test_indicators_equal_their_slow_twins():
    found = Indicators.of(CLOSE)
    returns = np.diff(np.log(CLOSE))
    for row in (AVERAGE_BARS, 333, 599):
        weights = DECAY ** np.arange(row)[::-1]
        variances = [
            np.average(returns[:t] ** 2, weights=DECAY ** np.arange(t)[::-1])
            for t in range(1, row + 1)
        ]
        deviation = np.sqrt(np.average(returns[:row] ** 2, weights=weights))
        assert found.variance[row] == pytest.approx(deviation**2)
        assert found.median[row] == pytest.approx(np.median(variances))
        assert found.above[row] == (CLOSE[row] > CLOSE[row - AVERAGE_BARS + 1 : row + 1].mean())
        assert found.surprise[row] == pytest.approx(returns[row - 1] / np.sqrt(variances[-2]))
        month = np.log(CLOSE[row] / CLOSE[row - 20]) / (deviation * np.sqrt(20))
        assert found.month[row] == pytest.approx(month)
    assert not found.above[: AVERAGE_BARS - 1].any()


def test_indicators_know_nothing_newer():
    whole, part = Indicators.of(CLOSE), Indicators.of(CLOSE[:400])
    for name in Indicators.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(whole, name)[:400], getattr(part, name))


def test_indicators_of_imagined_bars_go_on_from_the_real_ones_before(markets):
    paths, found = markets
    real = Indicators.of(CLOSE)
    for k, row in enumerate(paths.start_row.ravel()):
        for name in Indicators.__dataclass_fields__:
            assert getattr(found.indicators, name)[k, 0, 0] == getattr(real, name)[row]
        closes = np.concatenate([CLOSE[:row], found.bars[k, 0, :, 3]])
        assert found.indicators.variance[k, 0, -1] == Indicators.of(closes).variance[-1]
    assert found.bars.shape == (6, 1, 61, 5)
    assert found.cluster.tolist() == [0, 0, 1, 1, 2, 2]


def test_real_episodes_are_on_common_dates():
    other = HISTORIES[1]
    late = History("CCC", other.time[3:], other.bars[3:])
    found = Markets.of_history([HISTORIES[0], late], 250, 30, 50)
    dates = common_dates([HISTORIES[0], late])
    row = np.searchsorted(late.time, dates[300])
    np.testing.assert_array_equal(found.bars[1, 1], late.bars[row : row + 31])
    np.testing.assert_array_equal(
        found.indicators.variance[1, 1], Indicators.of(late.close).variance[row : row + 31]
    )
    far = History("DDD", late.time + np.timedelta64(9000, "D"), late.bars)
    with pytest.raises(ValueError, match="common dates"):
        common_dates([late, far])


def test_cells_equal_a_slow_twin(markets):
    _, found = markets
    scale = Scale.of(HISTORIES, FIRST)
    sums = imagined_cells(found, scale)
    moments = sums.moments()
    returns = np.diff(np.log(found.bars[:, 0, :, 3]), axis=1) / scale.deviation[0]
    for i, (name, holds) in enumerate(STATES.items()):
        inside = holds(found.indicators, scale.thirds[found.series])[:, 0]
        for j, horizon in enumerate(HORIZONS):
            values = [
                returns[k, t : t + horizon].sum()
                for k in range(6)
                for t in range(61 - horizon)
                if inside[k, t]
            ]
            assert sums.count[:, i, j].sum() == len(values), name
            if len(values) > 1:
                assert moments[i, j] == pytest.approx((np.mean(values), np.var(values)))
            else:
                assert np.isnan(moments[i, j]).all()


def test_real_cells_are_those_of_every_stock_by_date():
    scale = Scale.of(HISTORIES, FIRST)
    found = real_cells(HISTORIES, FIRST, scale)
    dates = np.unique(np.concatenate([history.time[FIRST:] for history in HISTORIES]))
    assert found.count.shape == (len(dates), len(STATES), len(HORIZONS))
    always = found.count[:, 0, 0]
    # The first row of a span has no state before it, the last no return after it.
    assert always.sum() == sum(len(history) - FIRST - 1 for history in HISTORIES)
    returns = [
        history.log_returns[FIRST + 1 :] / scale.deviation[s] for s, history in enumerate(HISTORIES)
    ]
    every = np.concatenate(returns)
    assert found.moments()[0, 0] == pytest.approx((every.mean(), every.var()))


def test_errors_of_independent_values_are_the_textbooks():
    values = np.random.default_rng(0).normal(0, 2, 900)
    shape = (900, 1, 1)
    found = Cells(np.ones(shape), values.reshape(shape), (values**2).reshape(shape))
    mean, variance = found.errors(np.random.default_rng(1), 1.0)[0, 0]
    assert mean == pytest.approx(2 / 30, rel=0.12)
    assert variance == pytest.approx(4 * np.sqrt(2 / 900), rel=0.15)
    # The same values twice over, in order: blocks see that they are not 1,800.
    twice = Cells(*(np.repeat(x, 2, axis=0) for x in (found.count, found.total, found.square)))
    assert twice.errors(np.random.default_rng(1), 20.0)[0, 0, 0] == pytest.approx(2 / 30, rel=0.2)


def test_a_market_agrees_with_itself(markets):
    _, found = markets
    scale = Scale.of(HISTORIES, FIRST)
    one = imagined_cells(found, scale)
    table = states_table(one, {"itself": one}, np.random.default_rng(0))
    assert table.count("within two standard errors") == 2
    rows = [row for row in table.splitlines() if row.startswith("always")]
    assert [row.split()[-1] for row in rows] == ["0.0", "0.0"]


def test_rules_trade_as_the_accounting_says():
    episodes = Markets.of_history(HISTORIES, FIRST, 40, 60)
    rules = Rules(
        np.full(2, 0.5), equity=1e5, buffer=0.0, band=0.0, lot_size=0, costs=ProportionalCost(COST)
    )
    for rule in RULES.values():
        growth = traded(episodes, rule, 0.5)
        targets = 0.5 * rule(episodes.indicators)
        for k in (0, len(growth) - 1):
            curve = replay(targets[k].T, episodes.bars[k].transpose(1, 0, 2), rules)
            np.testing.assert_allclose(growth[k], np.diff(np.log(curve)), atol=1e-12)


def test_the_variance_rule_is_never_above_its_cap_and_falls_with_variance():
    i = stacked([Indicators.of(CLOSE).rows(slice(FIRST, None))])
    share = RULES["variance"](i)
    calm = i.variance <= i.median
    np.testing.assert_array_equal(share[calm], 1.0)
    np.testing.assert_allclose(share[~calm], (i.median / i.variance)[~calm])
    np.testing.assert_array_equal(RULES["both"](i), np.where(i.above, share, 0.0))


def test_what_is_earned_is_that_of_the_figures():
    growth = np.random.default_rng(0).normal(5e-4, 0.01, (400, 60))
    found = Earned.of(growth, np.arange(400), 1.0, np.random.default_rng(1))
    assert found.sharpe == sharpe(growth.ravel())
    assert found.growth == pytest.approx(252 * growth.mean())
    assert found.drawdown == pytest.approx(np.mean([drawdown(one) for one in growth]))
    assert found.error == pytest.approx(np.sqrt(252 / growth.size), rel=0.15)


def test_sums_ignore_the_return_into_the_first_row():
    i = stacked([Indicators.of(CLOSE[:300])])
    returns = np.zeros((1, 300))
    returns[0, 0] = np.nan
    thirds = np.ones((1, 2))
    found = cells(i, returns, thirds, np.zeros(1, np.int64), 1)
    assert np.isfinite(found.total).all()
