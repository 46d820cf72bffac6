"""The kernel's twin: the same money to the last digits, and the gradients that it claims."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import accounting, differentiable
from sim.accounting import Account, Rules
from sim.costs import InteractiveBrokersCost, ProportionalCost, ZeroCost
from sim.differentiable import TensorAccount, Terms

COSTS = (
    ZeroCost(),
    ProportionalCost(0.001, slippage=0.0005),
    InteractiveBrokersCost(slippage=0.0005),
    InteractiveBrokersCost(per_share=0.05, minimum=2.0, maximum_rate=0.001),
)
B, T = 12, 6


def tensors(account: Account) -> TensorAccount:
    return TensorAccount(*(tf.constant(getattr(account, name)) for name in TensorAccount._fields))


def market(rng, n_symbols, volatility):
    """Closes and opens of T+1 bars, shape (T+1, B, S) each."""
    price = np.exp(rng.uniform(np.log(2.0), np.log(500.0), (1, B, n_symbols)))
    returns = rng.normal(0, volatility, (2, T + 1, B, n_symbols))
    closes = price * np.exp(np.cumsum(returns.sum(axis=0), axis=0))
    return closes, closes * np.exp(-returns[0])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_symbols=st.sampled_from([1, 2, 3, 7]),
    costs=st.sampled_from(COSTS),
    lot=st.sampled_from([0, 1, 10]),
    band=st.sampled_from([0.0, 0.1, 0.6]),
    buffer=st.sampled_from([0.0, 0.03]),
    gross=st.sampled_from([0.5, 1.0]),
    cap=st.sampled_from([0.1, 0.4, 1.0]),
    own_caps=st.booleans(),
    low=st.sampled_from([-1.3, 0.0]),
    volatility=st.sampled_from([0.01, 0.1]),
)
def test_values_are_the_kernels(
    seed, n_symbols, costs, lot, band, buffer, gross, cap, own_caps, low, volatility
):
    rng = np.random.default_rng(seed)
    caps = np.full(n_symbols, min(cap, gross))
    rules = Rules(caps, 1e4, gross, buffer, band, lot, costs)
    limits = caps[None]
    if own_caps:
        limits = limits * rng.uniform(0.2, 1.0, (B, n_symbols))
    terms = Terms.of(rules)
    closes, opens = market(rng, n_symbols, volatility)
    weights = rng.uniform(low, 1.2, (B, n_symbols)) * limits / n_symbols
    account = Account.at_weights(weights, closes[0], rng.uniform(2e3, 1e5, B))
    twin = tensors(account)
    for t in range(T):
        # Many targets are exact zeros, caps or what is held already.
        held = account.holdings * closes[t] / account.equity[:, None]
        targets = rng.choice([0.0, 1.0, 0.5], (B, n_symbols)) * limits
        free = rng.uniform(low, 1.3, (B, n_symbols)) * limits
        targets = np.where(rng.random(targets.shape) < 0.6, free, targets)
        targets = np.where(rng.random(targets.shape) < 0.1, held, targets)
        keep = rng.random(targets.shape) < 0.2
        now = closes[t], opens[t + 1], closes[t + 1]
        done = accounting.step(account, np.where(keep, np.nan, targets), *now, rules, limits)
        asked = [tf.constant(x) for x in (targets, *now, limits)]
        found = differentiable.step(twin, *asked, terms, tf.constant(keep), float(t % 2))
        scale = account.equity[:, None]
        for name in ("orders", "fees"):
            ours, theirs = getattr(found, name).numpy(), getattr(done, name)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.growth.numpy(), done.growth, rtol=1e-9, atol=1e-9)
        for name in ("cash", "equity"):
            ours, theirs = getattr(found.account, name).numpy(), getattr(done.account, name)
            np.testing.assert_allclose(ours / scale[:, 0], theirs / scale[:, 0], atol=1e-9)
        fine = done.account.equity > 100.0
        opened = Account.opened(np.full(B, 1e4), n_symbols)
        account = Account(
            *(
                np.where(fine if x.ndim == 1 else fine[:, None], x, y)
                for x, y in (
                    (getattr(done.account, name), getattr(opened, name))
                    for name in TensorAccount._fields
                )
            )
        )
        twin = tensors(account)


def test_control_variate_is_the_kernels():
    rng = np.random.default_rng(5)
    rules = Rules(np.array([0.5, 0.5]), 1e4, buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
    closes, opens = market(rng, 2, 0.1)
    opens[1, 0] = closes[0, 0] * 4.0  # more than the short has
    account = Account.at_weights(np.linspace([-0.4, -0.5], [0.5, 0.5], B), closes[0], 1e4)
    targets, missed = rng.uniform(-1, 1, (B, 2)), rng.normal(0, 0.1, (B, 2, 2))
    now = closes[0], opens[1], closes[1]
    done = accounting.step(account, targets, *now, rules)
    wanted = accounting.control_variate(account, done, closes[0], opens[1], missed)
    price, opened = tf.constant(closes[0]), tf.constant(opens[1])
    found = differentiable.settle(
        tensors(account), tf.constant(done.orders), opened, tf.constant(closes[1]), Terms.of(rules)
    )
    known = differentiable.control_variate(
        tensors(account), found, price, opened, tf.constant(missed)
    )
    np.testing.assert_allclose(known.numpy(), wanted, rtol=1e-9, atol=1e-12)
    assert known.numpy()[0] == 0.0


@pytest.mark.parametrize("costs", [ZeroCost(), ProportionalCost(0.002, slippage=0.001)])
@pytest.mark.parametrize("n_symbols", [1, 2])
def test_gradient_is_that_of_finite_differences_where_the_kernel_is_smooth(costs, n_symbols):
    """Growth over several bars by targets and by the first position, and the control variate's."""
    rng = np.random.default_rng(n_symbols)
    caps = np.full(n_symbols, 0.5)
    rules = Rules(caps, 1e4, 1.0, 0.03, 0.0, 0, costs)
    terms, limits = Terms.of(rules), caps[None]
    closes, opens = market(rng, n_symbols, 0.02)
    missed = rng.normal(0, 0.01, (T, B, n_symbols, 2))
    targets = rng.uniform(-0.9, 0.9, (T, B, n_symbols)) * 0.3
    start = rng.uniform(-0.9, 0.9, (B, n_symbols)) * 0.3

    def outcome(targets, start):
        account = differentiable.at_weights(
            start, tf.constant(closes[0]), tf.constant(np.full(B, 1e4))
        )
        total = tf.zeros(B, tf.float64)
        for t in range(3):
            now = [tf.constant(x) for x in (closes[t], opens[t + 1], closes[t + 1])]
            done = differentiable.step(account, targets[t], *now, tf.constant(limits), terms)
            known = differentiable.control_variate(
                account, done, now[0], now[1], tf.constant(missed[t])
            )
            total += (t + 1.0) * (done.growth - 0.5 * known)
            account = done.account
        return total

    inputs = [tf.constant(targets), tf.constant(start)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(outcome(*inputs))
    by_targets, by_start = tape.gradient(total, inputs)
    h = 1e-6
    for t in range(3):
        for s in range(n_symbols):
            up, down = targets.copy(), targets.copy()
            up[t, :, s] += h
            down[t, :, s] -= h
            slope = outcome(tf.constant(up), inputs[1]) - outcome(tf.constant(down), inputs[1])
            np.testing.assert_allclose(by_targets[t, :, s], slope / (2 * h), rtol=1e-5, atol=1e-7)
    for s in range(n_symbols):
        up, down = start.copy(), start.copy()
        up[:, s] += h
        down[:, s] -= h
        slope = outcome(inputs[0], tf.constant(up)) - outcome(inputs[0], tf.constant(down))
        np.testing.assert_allclose(by_start[:, s], slope / (2 * h), rtol=1e-5, atol=1e-7)


def slope_of(rules, target, held=0.0, keep=False, follow=0.0, opened=10.0, closed=11.0):
    """Gradient of growth by the target weight of one account of one symbol at a price of 10."""
    price = tf.constant([[10.0]], tf.float64)
    account = differentiable.at_weights(
        tf.constant([[held]], tf.float64), price, tf.constant([rules.equity], tf.float64)
    )
    asked = tf.constant([[target]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(asked)
        done = differentiable.step(
            account,
            asked,
            price,
            tf.constant([[opened]], tf.float64),
            tf.constant([[closed]], tf.float64),
            tf.constant(rules.caps[None]),
            Terms.of(rules),
            tf.constant([[keep]]),
            follow,
        )
    return tape.gradient(done.growth, asked).numpy().item(), done


def rules_of(band=0.0, lot=0, costs=None):
    return Rules(np.array([1.0]), 1000.0, 1.0, 0.0, band, lot, costs or ZeroCost())


def test_whole_lots_have_the_gradient_of_fractional_shares():
    slope, done = slope_of(rules_of(lot=10), 0.55)
    assert done.orders.numpy().item() == 50.0
    assert slope == pytest.approx(0.1 / 1.05)  # a tenth of what is held, on the wealth it led to


@pytest.mark.parametrize(("follow", "want"), [(0.0, 0.0), (0.5, 0.05 / 1.05), (1.0, 0.1 / 1.05)])
@pytest.mark.parametrize("keep", [False, True])
def test_positions_within_a_band_follow_by_the_share_asked_for(follow, want, keep):
    """Those near enough by the rules, and those that the caller keeps."""
    rules = rules_of(band=0.0 if keep else 0.2, costs=ProportionalCost(0.01))
    slope, done = slope_of(rules, 0.55, held=0.5, keep=keep, follow=follow)
    assert done.orders.numpy().item() == 0.0
    assert slope == pytest.approx(want)


def test_targets_beyond_the_cap_have_no_gradient():
    assert slope_of(rules_of(), 1.2)[0] == 0.0


@pytest.mark.parametrize(
    ("target", "rate"),
    [
        (0.5, 1.0 / 50),  # 50 shares pay the minimum of 1 $
        (0.005, 1.0 * 0.5),  # half a share: below one it falls to nothing
    ],
)
def test_minimum_fee_has_the_gradient_of_the_rate_that_an_order_pays(target, rate):
    slope, done = slope_of(rules_of(costs=InteractiveBrokersCost()), target, closed=10.0)
    assert done.fees.numpy().item() == 1.0
    assert slope == pytest.approx(-rate * 100.0 / 999.0)  # a unit of weight is 100 shares


def test_large_orders_have_the_fee_of_a_share():
    broker = InteractiveBrokersCost(per_share=0.05)
    slope, done = slope_of(rules_of(costs=broker), 0.9, closed=10.0)
    assert done.fees.numpy().item() == pytest.approx(4.5)
    assert slope == pytest.approx(-0.05 * 100.0 / 995.5)


def test_lost_accounts_have_a_value_but_no_gradient():
    slope, done = slope_of(rules_of(), -0.9, closed=1e4)
    assert done.growth.numpy().item() == -np.inf
    assert slope == 0.0


def test_costs_without_a_twin_are_refused():
    class Odd(ZeroCost):
        pass

    with pytest.raises(ValueError, match="costs"):
        Terms.of(rules_of(costs=Odd()))
    with pytest.raises(ValueError, match="lot_size"):
        Terms.of(Rules(np.array([0.1, 0.1]), 1e3, lot_size=np.array([1, 10])))
