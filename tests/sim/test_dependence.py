"""Measures of dependence against closed forms and against one pair at a time."""

import json
import warnings

import numpy as np
import pytest
from scipy import stats

from models.market.features import VOLUME_MEAN_BARS, parts_from_bars
from sim.baselines import BlockBootstrapSampler
from sim.dependence import (
    LABELS,
    Dependence,
    DependenceTable,
    JointSeries,
    co_jump_frequency,
    correlation_matrix,
    dispersion,
    exceedance_matrices,
    mean_of_pairs,
    tail_dependence_matrices,
)
from tests.sim.joint import HISTORIES, TABLES

R = np.array([[1.0, 0.7, 0.1], [0.7, 1.0, 0.4], [0.1, 0.4, 1.0]])


def gaussian(n=20, t=5000, seed=0):
    draws = np.random.default_rng(seed).multivariate_normal(np.zeros(3), R, (n, t))
    return draws.swapaxes(1, 2) * np.array([1.0, 2.0, 0.5])[:, None] + 0.3


def test_correlations_are_those_of_the_law_and_of_numpy():
    values = gaussian()
    found = correlation_matrix(values)
    np.testing.assert_allclose(found, R, atol=0.015)
    np.testing.assert_allclose(found, np.corrcoef(values.swapaxes(0, 1).reshape(3, -1)), atol=1e-12)


def test_each_pair_is_measured_on_the_bars_that_both_have():
    values = gaussian(n=2, t=400)
    gone = np.random.default_rng(1).random(values.shape) < 0.2
    values[gone] = np.nan
    found, flat = correlation_matrix(values), values.swapaxes(0, 1).reshape(3, -1)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        there = np.isfinite(flat[[a, b]]).all(axis=0)
        want = np.corrcoef(flat[[a, b]][:, there])[0, 1]
        assert found[a, b] == found[b, a] == pytest.approx(want, abs=1e-12)


def test_exceedance_correlations_of_a_normal_pair():
    """Halves of a bivariate normal: both tails alike, and below the correlation itself."""
    down, up = exceedance_matrices(gaussian(), 0.5)
    np.testing.assert_allclose(down, up, atol=0.03)
    # Of the pair (z1, z2) with r = .7 given both below 0, by numerical integration.
    grid = np.linspace(-6, 0, 601)
    weight = stats.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]]).pdf(
        np.dstack(np.meshgrid(grid, grid))
    )
    weight /= weight.sum()
    mean = (weight.sum(axis=0) * grid).sum()
    variance = (weight.sum(axis=0) * (grid - mean) ** 2).sum()
    covariance = ((grid - mean) * (weight @ (grid - mean))).sum()
    assert down[0, 1] == pytest.approx(covariance / variance, abs=0.03)
    further, _ = exceedance_matrices(gaussian(), 0.1)
    assert further[0, 1] < down[0, 1]


def test_exceedance_correlations_one_pair_at_a_time():
    values = gaussian(n=3, t=800)
    values[0, 1, :300] = np.nan
    down, up = exceedance_matrices(values, 0.25)
    flat = values.swapaxes(0, 1).reshape(3, -1)
    low, high = np.nanquantile(flat, [0.25, 0.75], axis=1)
    for a, b in ((0, 1), (1, 2)):
        both = (flat[a] <= low[a]) & (flat[b] <= low[b])
        assert down[a, b] == pytest.approx(np.corrcoef(flat[[a, b]][:, both])[0, 1], abs=1e-10)
        both = (flat[a] >= high[a]) & (flat[b] >= high[b])
        assert up[a, b] == pytest.approx(np.corrcoef(flat[[a, b]][:, both])[0, 1], abs=1e-10)


def test_tail_dependence_of_equal_independent_and_normal_symbols():
    rng = np.random.default_rng(2)
    one, other = rng.standard_t(4, (2, 10, 4000))
    lower, upper = tail_dependence_matrices(np.stack([one, one * 2, other], axis=1), 0.05)
    for found in (lower, upper):
        assert found[0, 1] == pytest.approx(1.0)
        assert found[0, 2] == pytest.approx(0.05, abs=0.01)
    lower, upper = tail_dependence_matrices(gaussian(), 0.05)
    at = stats.norm.ppf(0.05)
    want = stats.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]]).cdf([at, at]) / 0.05
    assert lower[0, 1] == pytest.approx(want, abs=0.02)
    assert upper[0, 1] == pytest.approx(want, abs=0.02)


def test_dispersion_and_co_jumps_by_hand():
    returns = np.zeros((1, 3, 100))
    returns[0, :, 10] = [0.5, 0.5, 0.0]  # two jump
    returns[0, :, 20] = [0.5, 0.0, 0.0]  # one does
    returns[0, :, 30] = [-0.5, -0.5, -0.5]  # all do
    assert co_jump_frequency(returns) == pytest.approx(0.02)
    np.testing.assert_allclose(dispersion(returns)[0, [10, 20, 30]], [np.sqrt(1 / 12)] * 2 + [0])
    returns[0, 1:, 10] = np.nan
    assert np.isnan(dispersion(returns)[0, 10])
    returns[0, :, 20] = [0.1, np.nan, 0.3]
    assert dispersion(returns)[0, 20] == pytest.approx(np.std([0.1, 0.3], ddof=1))


def test_real_series_are_the_parts_of_each_date():
    market = JointSeries.of_histories(HISTORIES)
    assert market.gap.shape == (1, 3, 639)
    for s, history in enumerate(HISTORIES):
        there = np.isfinite(market.gap[0, s])
        parts = parts_from_bars(history.bars)[1:]
        assert there.sum() == len(parts)
        np.testing.assert_array_equal(market.gap[0, s, there], parts[:, 0])
        np.testing.assert_array_equal(market.intraday[0, s, there], parts[:, 1])
        np.testing.assert_array_equal(market.volume_deviation[0, s, there], parts[:, 4])


def test_real_series_may_begin_at_a_row_of_each_history():
    market, whole = (JointSeries.of_histories(HISTORIES, first) for first in (259, 1))
    dates = np.unique(np.concatenate([history.time[259:] for history in HISTORIES]))
    assert market.gap.shape == (1, 3, len(dates))
    for s, history in enumerate(HISTORIES):
        there = np.isfinite(market.gap[0, s])
        np.testing.assert_array_equal(dates[there], history.time[259:])
        for found, all_of_it in ((market.gap, whole.gap), (market.intraday, whole.intraday)):
            known = all_of_it[0, s][np.isfinite(all_of_it[0, s])]
            np.testing.assert_array_equal(found[0, s, there], known[258:])
        assert np.isfinite(market.volume_deviation[0, s, there]).all()
    with pytest.raises(ValueError, match="first must be >= 1: a bar needs one before it"):
        JointSeries.of_histories(HISTORIES, 0)


def test_imagined_series_are_the_parts_of_their_bars():
    paths = BlockBootstrapSampler(TABLES).sample(5, 40, np.random.default_rng(0))
    market = JointSeries.of_paths(paths)
    assert market.returns.shape == (5, 3, 40)
    np.testing.assert_allclose(market.returns, paths.log_returns, atol=1e-12)
    parts = parts_from_bars(paths.bars[3, 1])[1:]
    np.testing.assert_allclose(market.gap[3, 1], parts[:, 0], atol=1e-12)
    np.testing.assert_allclose(market.intraday[3, 1], parts[:, 1], atol=1e-12)
    np.testing.assert_allclose(market.volume_deviation[3, 1], parts[:, 4], atol=1e-12)
    assert np.isnan(market.volume_deviation[..., : VOLUME_MEAN_BARS - 1]).all()


def test_a_summary_is_the_means_of_its_pairs():
    market = JointSeries.of_histories(HISTORIES)
    found = Dependence.of(market)
    assert found.gap == mean_of_pairs(correlation_matrix(market.gap))
    assert found.size == mean_of_pairs(correlation_matrix(np.abs(market.returns)))
    assert found.tail_lower == mean_of_pairs(tail_dependence_matrices(market.returns)[0])
    assert 0.1 < found.returns < 0.9
    assert "tail_lower" in str(found)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"values must have shape \(N, S, T\); received \(3, 4\)"):
        correlation_matrix(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"quantile must lie in \(0, 0.5\]; received 0.6"):
        exceedance_matrices(gaussian(1, 50), 0.6)
    with pytest.raises(ValueError, match=r"must share a shape \(N, S, T\)"):
        JointSeries(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.zeros((1, 2, 4)))


def test_the_table_holds_every_measure_of_every_market():
    rng = np.random.default_rng(0)
    paths = BlockBootstrapSampler(TABLES).sample(4, 60, rng)
    found = DependenceTable.of(HISTORIES, {"simulated": paths, "other": paths.take([0, 1])})
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["symbols"] == ["ALL", "NEW", "GAP"]
    assert document["columns"] == ["real", "simulated", "other"]
    real = Dependence.of(JointSeries.of_histories(HISTORIES))
    imagined = Dependence.of(JointSeries.of_paths(paths))
    rows = {row["name"]: row["values"] for row in document["rows"]}
    assert len(rows) == len(LABELS)
    for field, label in LABELS.items():
        assert rows[label][:2] == [getattr(real, field), getattr(imagined, field)], field
    maps = {each["name"]: each["correlations"] for each in document["maps"]}
    assert [set(each) for each in maps.values()] == [{"real", "simulated"}] * 3
    wanted = correlation_matrix(JointSeries.of_paths(paths).returns).round(4)
    np.testing.assert_allclose(maps["daily returns"]["simulated"], wanted, atol=1e-9)


def test_real_bars_of_the_table_may_begin_at_a_row():
    paths = BlockBootstrapSampler(TABLES).sample(4, 60, np.random.default_rng(0))
    found = DependenceTable.of(HISTORIES, {"simulated": paths}, 300)
    assert found.dependence["real"] == Dependence.of(JointSeries.of_histories(HISTORIES, 300))
    assert found.dependence["simulated"] == Dependence.of(JointSeries.of_paths(paths))


def test_what_is_not_defined_is_none_in_the_table():
    """Volumes of paths shorter than their mean have no deviation, tails of few bars no pairs."""
    paths = BlockBootstrapSampler(TABLES).sample(2, 12, np.random.default_rng(0))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = DependenceTable.of(HISTORIES, {"simulated": paths}).to_json()
    rows = {row["name"]: row["values"] for row in document["rows"]}
    assert rows["corr of volume deviations"][1] is None
    volume = document["maps"][-1]["correlations"]["simulated"]
    assert volume == [[None] * 3] * 3
    json.dumps(document, allow_nan=False)


def test_one_symbol_depends_on_none():
    paths = BlockBootstrapSampler(TABLES[:1]).sample(2, 60, np.random.default_rng(0))
    assert DependenceTable.of(HISTORIES[:1], {"simulated": paths}) is None
