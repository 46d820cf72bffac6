"""Every rule by cases worked out by hand, and what all of them have in common."""

import numpy as np
import pytest

from models.agent.account import Standing
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.outlook import FORECAST, Outlook
from sim.rules import ON_PRICES, RULES, Rule, on_ewma

CAPS = np.array([[0.2, 0.4]])


def outlook(**known) -> Outlook:
    """Of markets of two symbols; columns (B, 2) by name, others usual."""
    usual = {"deviation": 0.01, "long_run": 0.01, "volatility": 0.01}
    shape = np.broadcast_shapes((1, 2), *(np.shape(x) for x in known.values()))
    columns = [np.broadcast_to(known.get(name, usual.get(name, 0.0)), shape) for name in FORECAST]
    return Outlook(
        np.zeros((*shape, 0), np.float32),
        np.stack(columns, axis=-1).astype(float),
        np.array(np.broadcast_to([[1.0, 0.3], [0.3, 1.0]], (shape[0], 2, 2))),
    )


def flat(markets=1, caps=CAPS) -> Standing:
    return Standing(np.zeros((markets, 2)), caps)


def asked(name, seen, **settings) -> list:
    return Rule(name, **settings).act(seen, flat(len(seen))).tolist()


def random_outlook(seed, markets=20) -> Outlook:
    rng = np.random.default_rng(seed)
    return outlook(
        **{name: np.exp(rng.normal(-4.5, 0.5, (markets, 2))) for name in FORECAST[1:4]},
        **{name: rng.normal(0, 0.5, (markets, 2)) for name in FORECAST[4:]},
    )


def test_buy_and_hold_buys_once():
    held = Standing(np.array([[0.0, 0.6], [1.3, -0.1]]), CAPS)
    found = Rule("buy_and_hold").act(outlook(mean=[[0.0, 0.0], [0.1, -0.1]]), held)
    np.testing.assert_array_equal(found, [[1.0, np.nan], [np.nan, np.nan]])


def test_constant_mix_is_always_at_the_caps():
    assert asked("constant_mix", outlook(deviation=[[0.5, 0.001]], sma_200=-9.0)) == [[1.0, 1.0]]


@pytest.mark.parametrize(("kind", "column"), [("ewma", "volatility"), ("forecast", "deviation")])
def test_rules_on_volatility(kind, column):
    seen = outlook(**{column: [[0.02, 0.005], [0.01, 0.04]]}, sma_200=[[0.1, -0.1], [0.1, 0.0]])
    assert asked(f"volatility_target_{kind}", seen) == [[0.5, 1.0], [1.0, 0.25]]
    assert asked(f"variance_target_{kind}", seen) == [[0.25, 1.0], [1.0, 0.0625]]
    assert asked(f"volatility_target_{kind}_200", seen) == [[0.5, 0.0], [1.0, 0.0]]
    assert asked(f"variance_target_{kind}_200", seen) == [[0.25, 0.0], [1.0, 0.0]]
    # One over .02 to one over .005 is a fifth to four fifths of the gross cap; caps .2 and .4.
    np.testing.assert_allclose(asked(f"inverse_volatility_{kind}", seen), [[1, 1], [1, 0.5]])


@pytest.mark.parametrize("kind", ["ewma", "forecast"])
def test_a_rule_reads_its_own_volatility_only(kind):
    other = "deviation" if kind == "ewma" else "volatility"
    seen, moved = outlook(), outlook(**{other: 0.07})
    for name in RULES:
        if kind in name:
            assert asked(name, seen) == asked(name, moved), name


def test_rules_on_averages():
    above = outlook(sma_20=[[0.2, -0.2]], sma_50=[[0.2, -0.2]], sma_200=[[-0.2, 0.2]])
    assert asked("average_200", above) == [[0.0, 1.0]]
    assert asked("momentum", above) == [[1.0, 0.0]]
    assert asked("mean_reversion", above) == [[0.0, 1.0]]
    assert asked("average_200", above, allow_short=True) == [[-1.0, 1.0]]
    assert asked("momentum", above, allow_short=True) == [[1.0, -1.0]]
    assert asked("mean_reversion", above, allow_short=True) == [[-1.0, 1.0]]


def test_the_cross_compares_the_averages_themselves():
    # Closes 10 % above the average of 50; the average of 50 a twentieth above and below the other.
    volatility, near, far = 0.02, np.log(1.1), np.log(1.1) + np.log([1.05, 0.95])
    seen = outlook(
        volatility=volatility,
        sma_50=near / (volatility * np.sqrt(50)),
        sma_200=far[None] / (volatility * np.sqrt(200)),
    )
    assert asked("moving_average_cross", seen) == [[1.0, 0.0]]
    assert asked("moving_average_cross", seen, allow_short=True) == [[1.0, -1.0]]


def test_the_random_rule_is_even_and_repeats_itself():
    seen = random_outlook(1, markets=4000)
    drawn = np.array(asked("random", seen, allow_short=True))
    # 8,000 draws: the mean of an even distribution on [-1, 1] has an error of .0065.
    assert abs(drawn.mean()) < 0.03
    assert np.allclose(np.quantile(drawn, [0.25, 0.75]), [-0.5, 0.5], atol=0.05)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.06
    assert drawn.tolist() == asked("random", seen, allow_short=True)
    assert (np.array(asked("random", seen)) == np.maximum(drawn, 0)).all()


@pytest.mark.parametrize("trend", [0.0, MeanVarianceConfig.trend])
def test_mean_variance_is_the_agent_of_that_name_without_shorts(trend):
    seen, name = random_outlook(2), "mean_variance_trend" if trend else "mean_variance"
    agent = MeanVariance(MeanVarianceConfig(trend=trend, band=0.0, allow_short=False))
    np.testing.assert_array_equal(asked(f"{name}_forecast", seen), agent.act(seen, flat(20)))
    plain = outlook(**{k: seen.column(k) for k in FORECAST if k != "deviation"},
                    deviation=seen.column("volatility"))  # fmt: skip
    np.testing.assert_array_equal(asked(f"{name}_ewma", seen), agent.act(plain, flat(20)))
    np.testing.assert_array_equal(on_ewma(seen).forecast, plain.forecast)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_keeps_to_its_range_its_band_and_the_order_of_symbols(name):
    seen, held = random_outlook(3), np.random.default_rng(4).uniform(-0.2, 1.2, (20, 2))
    standing = Standing(held, CAPS)
    free = Rule(name).act(seen, standing)
    assert np.nanmin(free, initial=0.0) >= 0.0
    assert np.nanmax(free, initial=0.0) <= 1.0
    short = Rule(name, allow_short=True).act(seen, standing)
    assert np.nanmin(short, initial=0.0) >= -1.0

    banded = Rule(name, band=0.3).act(seen, standing)
    keeps = np.isnan(free) | ((np.abs(free - held) < 0.3) & (free != 0.0))
    np.testing.assert_array_equal(banded, np.where(keeps, np.nan, free))

    turned = Outlook(
        seen.observation[:, ::-1], seen.forecast[:, ::-1], seen.correlation[:, ::-1, ::-1]
    )
    back = Rule(name).act(turned, Standing(held[:, ::-1], CAPS[:, ::-1]))[:, ::-1]
    np.testing.assert_allclose(back, free, atol=1e-6)

    again = Rule.from_arrays(Rule(name, 0.3, allow_short=True, band_for=2e4).to_arrays())
    assert again == Rule(name, 0.3, allow_short=True, band_for=2e4)
    assert not again.stays_flat


def test_rules_on_prices_need_no_forecast():
    seen = random_outlook(5)
    blind = outlook(**{k: seen.column(k) for k in FORECAST if k not in ("mean", "deviation")})
    for name in ON_PRICES:
        np.testing.assert_array_equal(asked(name, seen), asked(name, blind))
    assert {"constant_mix", "variance_target_ewma"} <= set(ON_PRICES)
    assert not any(name.endswith("forecast") for name in ON_PRICES)


def test_what_is_no_rule_is_refused():
    with pytest.raises(ValueError, match=r"rule must be one of buy_and_hold, .*; received 'hodl'"):
        Rule("hodl")
    with pytest.raises(ValueError, match=r"band must lie in \[0, 1\]; received nan"):
        Rule("momentum", np.nan)
    with pytest.raises(ValueError, match=r"band_for must be finite and >= 0; received -1"):
        Rule("momentum", band_for=-1.0)
    with pytest.raises(ValueError, match="a rule must have its settings; received none"):
        Rule.from_arrays({"rule": np.zeros(2, np.uint8)})
    arrays = Rule("momentum").to_arrays() | {"settings": np.array([0.1, 0.5, 0.0])}
    with pytest.raises(ValueError, match="settings must be a band, 0 or 1, and an amount"):
        Rule.from_arrays(arrays)
