"""The kernel against hand-made answers, a slow twin in exact decimals, and itself."""

from decimal import Decimal

import numpy as np
import pytest

from models.limits import Caps, plan_orders
from models.market.history import CLOSE, OPEN
from sim.accounting import (
    Account,
    Rules,
    all_action_outcomes,
    is_ruined,
    replay,
    settle,
    step,
)
from sim.costs import InteractiveBrokersCost, ProportionalCost, ZeroCost


def market(t=60, n=3, seed=0):
    """Random valid bars (T, N, 5) with gaps."""
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (t, n)), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.01, (t, n)))
    high = np.maximum(opens, closes) * 1.01
    low = np.minimum(opens, closes) * 0.99
    return np.stack([opens, high, low, closes, np.full((t, n), 1e6)], axis=-1)


def test_one_step_by_hand():
    """100 shares from 10 to 11 over night, then 50 shares from 11 to 12, fee 1 % of 550."""
    rules = Rules(np.array([1.0]), buffer=0.0, band=0.0, costs=ProportionalCost(0.01))
    account = Account(np.array([0.0]), np.array([[100.0]]), np.array([1000.0]))
    done = step(
        account,
        np.array([[0.5]]),
        np.array([[10.0]]),
        np.array([[11.0]]),
        np.array([[12.0]]),
        rules,
    )
    assert done.orders[0, 0] == -50
    assert done.account.cash[0] == pytest.approx(550 - 5.5)
    assert done.account.equity[0] == pytest.approx(550 - 5.5 + 600)
    assert done.growth[0] == pytest.approx(np.log(1.1445))


def test_reward_is_the_gap_on_the_old_and_the_day_on_the_new_position():
    """With free trading the gain splits as DESIGN's timing rule says, for any positions."""
    rng = np.random.default_rng(1)
    rules = Rules(np.array([1.0]), buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
    old = rng.uniform(-0.9, 0.9, (50, 1))
    closes, opens, ends = rng.uniform(9, 11, (3, 50, 1))
    account = Account.holding(old, closes, 1000.0)
    targets = rng.uniform(-0.9, 0.9, (50, 1))
    done = step(account, targets, closes, opens, ends, rules)
    new_shares = targets * 1000.0 / closes
    gain = account.shares * (opens - closes) + new_shares * (ends - opens)
    np.testing.assert_allclose(done.account.equity - 1000.0, gain[:, 0], atol=1e-9)


@pytest.mark.parametrize("lot_size", [0, 1])
def test_replay_equals_a_slow_twin_in_exact_decimals(lot_size):
    """The twin does what an engine does: one symbol, one order, one fill at a time."""
    bars = market()
    rng = np.random.default_rng(2)
    caps = Caps(0.32, gross=1.0)
    rules = Rules.of(caps, ["A", "B", "C"], lot_size=lot_size)
    decisions = rng.choice([-0.32, 0.0, 0.32, np.nan], (60, 3))
    curve = replay(decisions, bars, 100_000.0, rules)

    cash, shares, want = Decimal(100_000), [Decimal(0)] * 3, [100_000.0]
    for t in range(59):
        held = np.array([float(s) for s in shares])
        closes = [Decimal(float(p)) for p in bars[t, :, CLOSE]]
        equity = cash + sum(s * p for s, p in zip(shares, closes, strict=True))
        orders = plan_orders(
            decisions[t],
            held,
            0 * held,
            bars[t, :, CLOSE],
            float(equity),
            rules.caps,
            1.0,
            0.03,
            0.10,
            lot_size,
        )
        for i, order in enumerate(orders):
            if order == 0:
                continue
            quantity = Decimal(float(order))
            fee = max(abs(quantity) * Decimal("0.005"), Decimal(1))
            cash -= quantity * Decimal(float(bars[t + 1, i, OPEN])) + fee
            shares[i] += quantity
        ends = [Decimal(float(p)) for p in bars[t + 1, :, CLOSE]]
        want.append(float(cash + sum(s * p for s, p in zip(shares, ends, strict=True))))
    np.testing.assert_allclose(curve, want, rtol=1e-12)


def test_a_symbol_that_is_never_wanted_is_never_traded_and_all_others_are():
    bars = market()
    decisions = np.zeros((60, 3))
    decisions[:, 2] = 0.32
    alone = replay(decisions[:, 2:], bars[:, 2:], 1e5, Rules(np.array([0.32])))
    np.testing.assert_allclose(
        replay(decisions, bars, 1e5, Rules(np.array([0.32] * 3))), alone, rtol=1e-12
    )


def test_one_account_gives_the_same_bits_alone_as_in_a_batch():
    bars = market(t=2, n=500)
    rules = Rules(np.array([0.7]))
    rng = np.random.default_rng(3)
    account = Account.holding(rng.uniform(-0.7, 0.7, (500, 1)), bars[0, :, CLOSE, None], 1e5)
    targets = rng.choice([-0.7, 0.0, 0.7], (500, 1))
    args = (bars[0, :, CLOSE, None], bars[1, :, OPEN, None], bars[1, :, CLOSE, None])
    batch = step(account, targets, *args, rules)
    for i in range(500):
        one = Account(account.cash[i : i + 1], account.shares[i : i + 1], account.equity[i : i + 1])
        now, opens, ends = (a[i : i + 1] for a in args)
        alone = step(one, targets[i : i + 1], now, opens, ends, rules)
        assert alone.growth[0] == batch.growth[i]
        assert alone.account.equity[0] == batch.account.equity[i]


def test_all_action_outcomes_equal_taking_each_action():
    bars = market(t=2, n=200, seed=4)
    rules = Rules(np.array([0.8]), costs=InteractiveBrokersCost(slippage=0.001))
    rng = np.random.default_rng(4)
    actions = np.array([-1.0, 0.0, 0.5, 1.0])
    closes, opens, ends = bars[0, :, CLOSE], bars[1, :, OPEN], bars[1, :, CLOSE]
    account = Account.holding(rng.uniform(-0.8, 0.8, (200, 1)), closes[:, None], 1e4)
    every = all_action_outcomes(account, actions, closes, opens, ends, rules, 1e4)
    for a, action in enumerate(actions):
        done = step(
            account,
            np.full((200, 1), action * 0.8),
            closes[:, None],
            opens[:, None],
            ends[:, None],
            rules,
        )
        np.testing.assert_array_equal(every.reward[:, a], done.growth)
        weight = done.account.shares[:, 0] * ends / done.account.equity
        np.testing.assert_array_equal(every.weight[:, a], weight)
    assert not every.ruined.any()


def test_ruin_is_flagged_and_its_reward_finite():
    rules = Rules(np.array([0.98]), buffer=0.0, ruin=0.2)
    account = Account.holding([[-0.98]], np.array([[10.0]]), 1000.0)
    out = all_action_outcomes(
        account, [-1.0, 0.0], np.array([10.0]), np.array([25.0]), np.array([30.0]), rules, 1000.0
    )
    assert out.ruined.all()
    np.testing.assert_allclose(out.reward, np.log(0.1))
    assert (out.weight == 0).all()
    assert is_ruined(np.array([200.0, 200.1]), 1000.0, rules).tolist() == [True, False]


def test_settle_prices_fees_at_the_mark():
    """LEAN caps a fee by the price at the close of the filling bar, not by the fill."""
    rules = Rules(np.array([1.0]))
    account = Account.opened(1000.0)
    done = settle(account, np.array([[1000.0]]), np.array([[0.5]]), np.array([[0.4]]), rules)
    assert done.fees[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Rules(np.array([0.0])), "caps"),
        (lambda: Rules(np.array([1.0]), lot_size=0.5), "lot_size"),
        (lambda: Rules(np.array([1.0]), ruin=1.0), "ruin"),
        (lambda: Rules(np.array([1.0]), gross=2.0), "gross"),
        (
            lambda: replay(np.zeros((5, 1)), np.ones((5, 2, 5)), 1.0, Rules(np.array([1.0]))),
            "shape",
        ),
        (
            lambda: replay(np.zeros((5, 1)), np.zeros((5, 1, 5)), 1.0, Rules(np.array([1.0]))),
            "prices > 0",
        ),
        (
            lambda: all_action_outcomes(
                Account.opened(1.0, 2),
                [0.0],
                np.ones(1),
                np.ones(1),
                np.ones(1),
                Rules(np.array([0.5, 0.5])),
                1.0,
            ),
            "one symbol",
        ),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()
