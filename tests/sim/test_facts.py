import json

import numpy as np
import pytest
from statsmodels.tsa.stattools import acf

from models.market.features import parts_from_bars
from sim.baselines import BlockBootstrapSampler
from sim.facts import (
    Distances,
    Facts,
    FactsTable,
    MarketSeries,
    aggregated,
    autocorrelations,
    correlations,
    distances,
    excess_kurtosis,
    facts,
    facts_table,
    hill_index,
    real_markets,
    simulated_markets,
)
from tests.sim.forecasting import HISTORIES, TABLES


def market(returns, seed=0):
    volume = np.random.default_rng(seed).normal(size=returns.shape)
    return MarketSeries(returns, volume)


def test_autocorrelations_equal_statsmodels_on_each_series():
    x = np.random.default_rng(0).normal(size=(3, 200)).cumsum(axis=1)
    want = np.mean([acf(row, nlags=10, fft=False)[1:] for row in x], axis=0)
    np.testing.assert_allclose(autocorrelations(x, 10), want, rtol=1e-10)


def test_autocorrelation_of_ar1():
    rng = np.random.default_rng(0)
    x = np.zeros((20, 5000))
    noise = rng.normal(size=x.shape)
    for t in range(1, 5000):
        x[:, t] = 0.6 * x[:, t - 1] + noise[:, t]
    np.testing.assert_allclose(autocorrelations(x, 4), 0.6 ** np.arange(1, 5), atol=0.02)


def test_leverage_has_the_sign_of_the_lagged_effect():
    rng = np.random.default_rng(0)
    r = np.zeros((1, 60_000))
    shocks = rng.normal(size=r.shape)
    for t in range(1, 60_000):
        r[:, t] = shocks[:, t] * (2.0 if r[0, t - 1] < 0 else 1.0)
    found = correlations(r, r**2, 3)
    assert found[0] < -0.2
    assert np.abs(found[2]) < 0.05


def test_kurtosis_and_hill_of_known_laws():
    rng = np.random.default_rng(0)
    assert abs(excess_kurtosis(rng.normal(size=(10, 20_000)))) < 4 * np.sqrt(24 / 200_000)
    assert excess_kurtosis(rng.standard_t(10, (10, 40_000))) == pytest.approx(1.0, abs=0.15)
    pareto = rng.pareto(3.0, (10, 20_000)) + 1.0
    assert hill_index(pareto) == pytest.approx(3.0, abs=4 * 3.0 / np.sqrt(10_000))


def test_tails_are_of_as_many_series_together_as_are_asked_for():
    """Calm and wild series in turn: one by one none has the tails that both have together."""
    rng = np.random.default_rng(2)
    r = rng.normal(size=(7, 2_000)) * np.array([1.0, 5.0, 1.0, 5.0, 1.0, 5.0, 40.0])[:, None]
    whole = market(r)
    pairs = [r[0:2], r[2:4], r[4:6]]
    found = facts(whole, 2)
    assert found.kurtosis == np.mean([excess_kurtosis(pair) for pair in pairs])
    assert found.hill == np.mean([hill_index(pair) for pair in pairs])
    # Of variances 1 and 25 in equal parts: 3 (1 + 625) / 2 / 13² - 3.
    assert found.kurtosis == pytest.approx(2.556, abs=0.3)
    assert abs(facts(whole, 1).kurtosis) < 0.1
    assert facts(whole, 9).kurtosis == facts(whole).kurtosis == excess_kurtosis(r)
    with pytest.raises(ValueError, match="together must be >= 1; received 0"):
        facts(whole, 0)


def test_aggregated_sums_overlap():
    np.testing.assert_allclose(aggregated(np.arange(6.0)[None], 3), [[3, 6, 9, 12]])


def test_a_market_is_at_no_distance_from_itself():
    one = market(np.random.default_rng(0).normal(size=(5, 300)))
    assert set(distances(one, one).__dict__.values()) == {0.0}
    other = market(np.random.default_rng(1).standard_t(3, size=(5, 300)))
    assert all(value > 0 for value in distances(one, other).__dict__.values())


def test_w1_ignores_the_scale_but_not_the_shape():
    rng = np.random.default_rng(0)
    one, scaled = (market(rng.normal(0, s, (50, 300))) for s in (1.0, 7.0))
    fat = market(rng.standard_t(3, (50, 300)))
    assert distances(one, scaled).w1_1 < 0.03 < distances(one, fat).w1_1


def test_volume_deviation_is_that_of_the_features():
    history = HISTORIES[0]
    found = MarketSeries.of_bars(history.bars[None])
    want = parts_from_bars(history.bars)[1:, 4]
    np.testing.assert_allclose(found.volume_deviation[0], want, atol=1e-9)
    np.testing.assert_allclose(found.returns[0], history.log_returns[1:], atol=1e-12)


def test_real_bars_are_cut_to_the_length_of_the_paths():
    whole = real_markets(HISTORIES)
    pieces = [market.pieces(60) for market in whole]
    assert [market.returns.shape[1] for market in whole] == [580, 640]
    assert [p.returns.shape for p in pieces] == [(9, 60), (10, 60)]
    np.testing.assert_array_equal(pieces[0].returns[-1], HISTORIES[0].log_returns[-60:])
    assert np.isfinite(pieces[0].volume_deviation).all()
    with pytest.raises(ValueError, match="must have 600 bars to compare; received 580"):
        whole[0].pieces(600)


def test_real_bars_may_begin_at_a_row():
    """Its return and its volume deviation are the first ones, whatever bars came before."""
    for market, history in zip(real_markets(HISTORIES, 259), HISTORIES, strict=True):
        np.testing.assert_array_equal(market.returns[0], history.log_returns[259:])
        want = parts_from_bars(history.bars)[259:, 4]
        np.testing.assert_allclose(market.volume_deviation[0], want, atol=1e-9)
    with pytest.raises(ValueError, match="first must be >= 20; received 19"):
        real_markets(HISTORIES, 19)


def table_of(paths):
    return facts_table(real_markets(HISTORIES), {"blocks": simulated_markets(paths)})


@pytest.fixture(scope="module")
def paths():
    return BlockBootstrapSampler(TABLES).sample(60, 60, np.random.default_rng(0))


def test_a_table_holds_the_means_of_each_market_beside_its_own_simulation(paths):
    table = table_of(paths)
    real = [market.pieces(60) for market in real_markets(HISTORIES)]
    simulated = simulated_markets(paths)
    for name in Facts.__dataclass_fields__:
        want = np.mean([getattr(facts(market), name) for market in real])
        assert getattr(table.real, name) == pytest.approx(want)
        # Tails of nine and of ten paths together, as many as there are real pieces.
        each = [facts(one, pieces) for one, pieces in zip(simulated, (9, 10), strict=True)]
        want = np.mean([getattr(one, name) for one in each])
        assert getattr(table.simulated["blocks"], name) == pytest.approx(want)
    for name in Distances.__dataclass_fields__:
        pairs = zip(real, simulated, strict=True)
        want = np.mean([getattr(distances(one, other), name) for one, other in pairs])
        assert getattr(table.distances["blocks"], name) == pytest.approx(want)
    assert table.simulated["blocks"].deviation == pytest.approx(table.real.deviation, rel=0.3)


def test_a_tables_rows_are_numbers_and_only_its_text_is_rounded(paths):
    table = table_of(paths)
    rows = dict(table.rows())
    assert table.columns == ("real", "blocks")
    assert rows["excess kurtosis"] == [table.real.kurtosis, table.simulated["blocks"].kurtosis]
    assert rows["distance: W1, 20 days"] == [None, table.distances["blocks"].w1_20]
    assert len(rows) == 14
    lines = str(table).splitlines()
    assert lines[0].split() == ["stylised", "fact", "real", "blocks"]
    assert lines[1].split()[-2:] == [f"{value:.3f}" for value in rows["excess kurtosis"]]
    assert lines[-1].split()[-1] == f"{table.distances['blocks'].w1_20:.3f}"
    assert len({len(line) for line in lines}) == 1


def test_a_table_survives_json(paths):
    table = table_of(paths)
    saved = json.loads(json.dumps(table.to_json()))
    assert FactsTable.from_json(saved) == table
    for spoiled, message in (
        ({"real": saved["real"]}, "facts must hold simulated; it is missing"),
        (saved | {"distances": {}}, r"distances of the simulated .*\['blocks'\]; received \[\]"),
        (saved | {"real": {"kurtosis": 1.0}}, "exactly the statistics of Facts"),
    ):
        with pytest.raises(ValueError, match=message):
            FactsTable.from_json(spoiled)


def test_facts_of_independent_noise():
    found = facts(market(np.random.default_rng(0).normal(0, 0.01, (100, 250))))
    assert found.deviation == pytest.approx(1.0, rel=0.02)
    assert abs(found.kurtosis) < 0.1
    assert abs(found.acf_abs_1) < 0.02
    assert abs(found.volume_abs) < 0.03


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 30 bars"):
        market(np.zeros((2, 10)))
    with pytest.raises(ValueError, match="one shape"):
        MarketSeries(np.zeros((2, 50)), np.zeros((2, 49)))
    one = market(np.random.default_rng(0).normal(size=(2, 50)))
    with pytest.raises(ValueError, match="x must simulate 1 markets; received 2"):
        facts_table([one], {"x": [one, one]})
    with pytest.raises(ValueError, match="at least one market"):
        facts_table([], {})
