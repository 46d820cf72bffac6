"""Caps: parsing, the planning rules one by one, and that no order ever breaks a cap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.limits import SHORT_LIMIT, Caps, cap_weights, parse_overrides, plan_orders

ONE = np.array([1.0])


def plan(target, held, price=10.0, equity=1000.0, caps=(1.0,), **options):
    caps = np.asarray(caps, dtype=float)
    ones = np.ones(caps.shape)
    return plan_orders(target * ones, held * ones, 0 * ones, price * ones, equity, caps, **options)


def test_parse_reads_overrides_and_default():
    caps = Caps(0.3, parse_overrides(" tsla:0.01, AAPL:0.2 "), gross=0.9)
    assert caps.overrides == {"TSLA": 0.01, "AAPL": 0.2}
    np.testing.assert_array_equal(caps.for_symbols(["AAPL", "IBM", "TSLA"]), [0.2, 0.3, 0.01])
    assert parse_overrides("") == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("TSLA", "TSLA"),
        ("TSLA:", "TSLA:"),
        (":0.1", ":0.1"),
        ("TSLA:x", "'x'"),
        ("TSLA:0", "cap of TSLA must be in .0, 1.; received 0.0"),
        ("TSLA:nan", "cap of TSLA"),
        ("TSLA:-0.1", "cap of TSLA"),
        ("TSLA:1.5", "1.5"),
        ("TSLA:0.1,tsla:0.2", "once"),
    ],
)
def test_parse_names_what_is_wrong(text, words):
    with pytest.raises(ValueError, match=words):
        parse_overrides(text)


def test_caps_that_cannot_be_met_are_refused():
    with pytest.raises(ValueError, match=r"cap of TSLA must be at most the gross cap 0\.5"):
        Caps(0.3, parse_overrides("TSLA:0.6"), gross=0.5)
    with pytest.raises(ValueError, match="cap of default"):
        Caps(default=0.6, gross=0.5)
    for name in ("gross", "buffer", "band"):
        with pytest.raises(ValueError, match=f"{name} must be"):
            Caps(**{name: -0.1})  # type: ignore[arg-type]


def test_cap_weights_clips_then_scales():
    caps = np.array([0.5, 0.5, 0.1])
    np.testing.assert_allclose(cap_weights([0.9, -0.4, 0.3], caps, 1.0), [0.5, -0.4, 0.1])
    np.testing.assert_allclose(cap_weights([0.9, -0.9, 0.9], caps, 0.55), [0.25, -0.25, 0.05])


def test_short_limit_lets_an_account_buy_back_after_prices_double():
    short = cap_weights([-1.0], ONE, 1.0)[0]
    assert short == -SHORT_LIMIT
    cash = 1.0 - short
    assert cash - (-short) * 2.0 * 1.01 == pytest.approx(0.0, abs=1e-12)


def test_orders_are_sized_inside_the_buffer_and_in_whole_lots():
    assert plan(1.0, 0.0, price=9.0, buffer=0.03) == 107  # 970 $ at 9 $
    assert plan(1.0, 0.0, price=9.0, buffer=0.03, lot_size=10) == 100
    assert plan(1.0, 0.0, price=9.0, buffer=0.03, lot_size=0) == pytest.approx(970 / 9)
    assert plan(-0.5, 0.0, price=9.0) == -55


def test_lots_may_differ_by_symbol():
    caps = np.array([0.5, 0.5])
    orders = plan_orders(caps, [0, 0], [0, 0], [9.0, 9.0], 1000.0, caps, lot_size=[1, 10])
    np.testing.assert_array_equal(orders, [55, 50])
    same = plan_orders(caps, [0, 0], [0, 0], [9.0, 9.0], 1000.0, caps, lot_size=[1, 1])
    np.testing.assert_array_equal(same, [55, 55])


def test_a_change_of_sign_is_one_order():
    assert plan(-0.5, 50.0) == -100
    assert plan(0.0, 50.0) == -50


def test_no_order_inside_the_band_unless_the_direction_changes():
    assert plan(0.5, 46.0, band=0.05) == 0
    assert plan(0.5, 44.0, band=0.05) == 6
    assert plan(0.0, 1.0, band=0.05) == -1
    assert plan(0.01, 0.0, band=0.05) == 1


def test_the_band_shrinks_with_the_cap():
    assert plan(0.01, 0.0, price=1.0, caps=[0.01], band=0.1) == 10
    assert plan(0.01, 8.0, price=1.0, caps=[0.01], band=0.1) == 2
    assert plan(0.01, 9.0, price=1.0, caps=[0.01], band=0.1) == 0


def test_without_a_fresh_target_a_position_stays_but_is_trimmed_at_its_cap():
    assert plan(np.nan, 25.0, caps=[0.3], buffer=0.1) == 0
    assert plan(np.nan, 31.0, caps=[0.3], buffer=0.1) == -4  # to 27 of at most 30
    assert plan(np.nan, -31.0, caps=[0.3], buffer=0.1) == 4
    assert plan(0.3, 31.0, caps=[0.3], buffer=0.1, band=1.0) == -4


def test_trimming_a_fractional_holding_rounds_below_the_cap():
    assert plan(np.nan, 30.5, caps=[0.3]) == -1
    assert plan(0.0, 30.5) == -30


def test_open_orders_count_as_held():
    order = plan_orders(ONE * 0.5, [20.0], [30.0], [10.0], 1000.0, ONE)
    assert order == 0


def test_growth_yields_to_what_is_held():
    caps = np.array([0.6, 0.6])
    orders = plan_orders([np.nan, 0.6], [55.0, 0.0], [0.0, 0.0], [10.0, 10.0], 1000.0, caps)
    np.testing.assert_array_equal(orders, [0.0, 45.0])


def test_drift_above_the_gross_cap_is_scaled_back():
    caps = np.array([0.5, 0.5])
    orders = plan_orders(
        [np.nan, np.nan],
        [40.0, -40.0],
        [0.0, 0.0],
        [10.0, 10.0],
        1000.0,
        caps,
        gross=0.5,
        buffer=0.2,
    )
    np.testing.assert_array_equal(orders, [-20.0, 20.0])


def test_accounts_with_caps_of_their_own_are_sized_as_each_would_be_alone():
    rng = np.random.default_rng(0)
    caps = rng.choice([0.1, 0.4, 0.9], (200, 2))
    targets = rng.uniform(-1, 1, (200, 2)) * caps
    held = np.rint(rng.uniform(-60, 60, (200, 2)))
    price = rng.uniform(9, 11, (200, 2))
    together = plan_orders(targets, held, 0 * held, price, np.full(200, 1e3), caps, buffer=0.03)
    for i in range(200):
        alone = plan_orders(targets[i], held[i], 0 * held[i], price[i], 1e3, caps[i], buffer=0.03)
        np.testing.assert_array_equal(together[i], alone)


def test_ruin_closes_everything():
    orders = plan_orders(
        [[1.0], [1.0]], [[-7.0], [3.0]], np.zeros((2, 1)), np.ones((2, 1)), [-5.0, 3.0], ONE
    )
    np.testing.assert_array_equal(orders, [[7.0], [0.0]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prices": [0.0]}, "prices must be finite and > 0; received 0.0"),
        ({"prices": [np.nan]}, "prices"),
        ({"target_weights": [np.inf]}, "target_weights"),
        ({"holdings": [np.nan]}, "holdings"),
        ({"equity": np.nan}, "equity"),
        ({"lot_size": 0.5}, "lot_size"),
        ({"lot_size": -1}, "lot_size"),
        ({"lot_size": [0, 1]}, "lot_size"),
        ({"gross": 1.5}, "gross"),
    ],
)
def test_bad_input_is_named(change, words):
    good = {
        "target_weights": [0.5],
        "holdings": [0.0],
        "open_orders": [0.0],
        "prices": [1.0],
        "equity": 100.0,
        "caps": [1.0],
    }
    with pytest.raises(ValueError, match=words):
        plan_orders(**(good | change))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 4),
    lot=st.sampled_from([0, 1, 10]),
    gross=st.floats(0.05, 1.0),
    buffer=st.sampled_from([0.0, 0.03, 0.3]),
    band=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_no_sequence_leaves_an_order_above_a_cap(seed, n, lot, gross, buffer, band):
    """Random walks with crashes, gaps, splits, withdrawals of cash, rejected and late orders."""
    rng = np.random.default_rng(seed)
    caps = rng.uniform(0.01, 1.0, n) * gross
    price = rng.uniform(1.0, 300.0, n)
    cash, shares = 50_000.0, np.zeros(n)
    pending = np.zeros(n)
    for _ in range(30):
        equity = cash + shares @ price
        if equity <= 1.0:
            break
        targets = rng.choice([-1.0, -0.4, 0.0, 1.0, np.nan], n) * caps * rng.choice([1.0, 5.0])
        orders = plan_orders(
            targets, shares, pending, price, equity, caps, gross, buffer, band, lot
        )
        weights = (shares + pending + orders) * price / equity
        ordered = orders != 0
        slack = 1 + 1e-7
        assert (np.abs(weights[ordered]) <= caps[ordered] * slack).all()
        whole = lot == 0 or np.all(orders % max(lot, 1) == 0)
        assert whole
        if lot == 0:  # lots round positions toward zero one by one, so only then is it exact
            assert np.abs(weights).sum() <= gross * slack
            assert -weights[weights < 0].sum() <= SHORT_LIMIT * slack
        over = np.abs((shares + pending) * price / equity) > caps * slack
        assert ordered[over & (np.abs(shares + pending) >= lot)].all()

        pending = pending + orders
        fate = rng.choice(3, n, p=[0.6, 0.2, 0.2])  # fills, is rejected, stays open
        gap = np.exp(rng.standard_t(2, n) * 0.03)
        price = np.clip(price * gap, 0.05, 1e5)
        filled = np.where(fate == 0, pending, 0.0)
        cash -= filled @ price
        shares = shares + filled
        pending = np.where(fate == 2, pending, 0.0)
        if rng.random() < 0.1:
            split = rng.choice([0.5, 2.0, 7.0], n)
            price, shares, pending = price / split, shares * split, pending * split


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_longs_never_need_more_cash_than_there_is(seed):
    rng = np.random.default_rng(seed)
    n, rate = 3, 0.005
    caps = rng.uniform(0.1, 1.0, n)
    price = rng.uniform(5.0, 300.0, n)
    weights = rng.dirichlet(np.ones(n + 1))[:n] * caps
    equity = 10_000.0
    shares = weights * equity / price
    targets = rng.uniform(0.0, 1.0, n) * caps
    orders = plan_orders(targets, shares, 0 * shares, price, equity, caps, buffer=0.02, lot_size=0)
    cash = equity - shares @ price - orders @ price - rate * np.abs(orders) @ price
    if (orders > 0).any():
        assert cash >= -1e-6


def test_batches_equal_single_accounts_to_the_last_bit():
    rng = np.random.default_rng(0)
    caps = np.array([0.5, 0.7, 0.2])
    shape = (257, 3)
    targets = rng.choice([-1.0, 0.0, 1.0, np.nan], shape) * caps
    held = rng.integers(-40, 40, shape).astype(float)
    price = rng.uniform(1, 20, shape)
    equity = rng.uniform(500, 2000, shape[0])
    batch = plan_orders(targets, held, 0 * held, price, equity, caps, 0.8, 0.03, 0.1, 0)
    for i in range(shape[0]):
        alone = plan_orders(
            targets[i], held[i], 0 * held[i], price[i], equity[i], caps, 0.8, 0.03, 0.1, 0
        )
        assert np.array_equal(alone, batch[i])
