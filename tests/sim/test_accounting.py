"""The kernel against hand-made answers, a slow twin in exact decimals, and itself."""

from dataclasses import replace

import numpy as np
import pytest

from models.limits import Caps
from models.market.history import CLOSE, OPEN
from sim.accounting import (
    Account,
    Rules,
    all_action_outcomes,
    control_variate,
    is_ruined,
    replay,
    settle,
    step,
)
from sim.costs import InteractiveBrokersCost, ProportionalCost, ZeroCost
from tests.sim.honest import HonestAccount, HonestRules, exact

ONE = Rules(np.array([1.0]), 1.0)


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
    rules = Rules(np.array([1.0]), 1000.0, buffer=0.0, band=0.0, costs=ProportionalCost(0.01))
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
    rules = Rules(np.array([1.0]), 1000.0, buffer=0.0, band=0.0, lot_size=0, costs=ZeroCost())
    old = rng.uniform(-0.9, 0.9, (50, 1))
    closes, opens, ends = rng.uniform(9, 11, (3, 50, 1))
    account = Account.at_weights(old, closes, 1000.0)
    targets = rng.uniform(-0.9, 0.9, (50, 1))
    done = step(account, targets, closes, opens, ends, rules)
    new_holdings = targets * 1000.0 / closes
    gain = account.holdings * (opens - closes) + new_holdings * (ends - opens)
    np.testing.assert_allclose(done.account.equity - 1000.0, gain[:, 0], atol=1e-9)


@pytest.mark.parametrize("slippage", [0.0, 0.001])
@pytest.mark.parametrize("lot_size", [0, 1, 10])
@pytest.mark.parametrize("equity", [2_000.0, 100_000.0])
def test_replay_equals_an_honest_account(lot_size, slippage, equity):
    """To a billionth, over trims, reversals, kept positions and bars without a target."""
    bars = market()
    rng = np.random.default_rng(2)
    costs = InteractiveBrokersCost(slippage=slippage)
    rules = Rules.of(Caps(0.32), "ABC", equity=equity, lot_size=lot_size, costs=costs)
    decisions = rng.choice([-0.32, 0.0, 0.2, 0.32, np.nan], (60, 3))
    curve = replay(decisions, bars, rules)

    honest = HonestRules(exact(0.32), lot=lot_size, slippage=exact(slippage))
    account, want, traded = HonestAccount(exact(equity)), [equity], 0
    prices = [{name: [exact(p) for p in bar[i]] for i, name in enumerate("ABC")} for bar in bars]
    for t in range(59):
        now, then = prices[t], prices[t + 1]
        orders = account.bar(
            {
                name: None if np.isnan(decisions[t, i]) else exact(decisions[t, i])
                for i, name in enumerate("ABC")
            },
            {name: now[name][CLOSE] for name in "ABC"},
            {name: then[name][OPEN] for name in "ABC"},
            {name: then[name][CLOSE] for name in "ABC"},
            honest,
        )
        traded += sum(order != 0 for order in orders.values())
        want.append(float(account.equity({name: then[name][CLOSE] for name in "ABC"})))
    assert traded > 50
    np.testing.assert_allclose(curve, want, rtol=1e-9)


@pytest.mark.parametrize("cap", [0.05, 0.5, 1.0])
def test_one_step_equals_an_honest_account_from_any_position(cap):
    """Positions far beyond the cap, on both sides, with and without a target."""
    rng = np.random.default_rng(6)
    n = 400
    closes, opens, ends = rng.uniform(20, 60, (3, n, 1))
    holdings = np.rint(rng.uniform(-1.4, 1.4, (n, 1)) * cap * 50_000 / closes)
    account = Account(50_000 - (holdings * closes)[:, 0], holdings, np.full(n, 50_000.0))
    targets = rng.choice([-1.0, -0.4, 0.0, 0.4, 1.0, np.nan], (n, 1)) * cap
    done = step(account, targets, closes, opens, ends, Rules(np.array([cap]), 50_000.0))
    kept = 0
    for i in range(n):
        honest = HonestAccount(exact(account.cash[i]), {"X": exact(holdings[i, 0])})
        target = None if np.isnan(targets[i, 0]) else exact(targets[i, 0])
        orders = honest.bar(
            {"X": target},
            {"X": exact(closes[i, 0])},
            {"X": exact(opens[i, 0])},
            {"X": exact(ends[i, 0])},
            HonestRules(exact(cap)),
        )
        assert done.orders[i, 0] == orders["X"]
        kept += orders["X"] == 0
        equity = honest.equity({"X": exact(ends[i, 0])})
        assert done.account.equity[i] == pytest.approx(float(equity), rel=1e-12)
    assert 20 < kept < 200


def test_fees_of_a_small_account_cost_it_more():
    """2,000 $ at a cap of .32 buy six shares at 100 $ for a minimum fee of 1 $: 16.7 bp."""
    price = np.array([[100.0]])
    for equity, shares, rate in ((2_000.0, 6, 1 / 600), (100_000.0, 310, 1.55 / 31_000)):
        rules = Rules.of(Caps(0.32, buffer=0.03), ["X"], equity=equity)
        done = step(Account.opened(equity), np.array([[0.32]]), price, price, price, rules)
        assert done.orders[0, 0] == shares
        assert done.fees.sum() / (shares * 100.0) == pytest.approx(rate)


def test_a_symbol_that_is_never_wanted_is_never_traded_and_all_others_are():
    bars = market()
    decisions = np.zeros((60, 3))
    decisions[:, 2] = 0.32
    alone = replay(decisions[:, 2:], bars[:, 2:], Rules(np.array([0.32]), 1e5))
    np.testing.assert_allclose(
        replay(decisions, bars, Rules(np.array([0.32] * 3), 1e5)), alone, rtol=1e-12
    )


def test_one_account_gives_the_same_bits_alone_as_in_a_batch():
    """Each with the cap of its own symbol."""
    bars = market(t=2, n=500)
    rules = Rules(np.array([0.7, 0.2, 1.0]), 1e5)
    rng = np.random.default_rng(3)
    series = rng.integers(3, size=500)
    caps = rules.caps_of(series)
    exposures, wanted = rng.uniform(-1, 1, (500, 1)), rng.choice([-1.0, 0.0, 1.0], (500, 1))
    account = Account.at_weights(exposures * caps, bars[0, :, CLOSE, None], 1e5)
    args = (bars[0, :, CLOSE, None], bars[1, :, OPEN, None], bars[1, :, CLOSE, None])
    batch = step(account, wanted * caps, *args, rules, caps)
    for i in range(500):
        one = Account(*(x[i : i + 1] for x in (account.cash, account.holdings, account.equity)))
        now, opens, ends = (a[i : i + 1] for a in args)
        own = replace(rules, caps=rules.caps[series[i]])
        alone = step(one, wanted[i : i + 1] * own.caps, now, opens, ends, own)
        assert alone.growth[0] == batch.growth[i]
        assert alone.account.equity[0] == batch.account.equity[i]


def test_each_account_keeps_the_cap_of_its_own_symbol():
    rules = Rules(np.array([0.1, 0.8]), 1e5, buffer=0.0, lot_size=0)
    series = np.array([1, 0, 1])
    price = np.full((3, 1), 50.0)
    caps = rules.caps_of(series)
    asked = np.ones((3, 1))  # far above either cap
    done = step(Account.opened(np.full(3, 1e5)), asked, price, price, price, rules, caps)
    weights = done.account.holdings[:, 0] * 50.0 / 1e5
    np.testing.assert_allclose(weights, [0.8, 0.1, 0.8])
    np.testing.assert_array_equal(Rules(np.array([0.3]), 1.0).caps_of(series), [[0.3]])
    with pytest.raises(ValueError, match=r"series must have a cap each, 0\.\.1; received 0\.\.2"):
        rules.caps_of(np.array([0, 2]))
    with pytest.raises(ValueError, match="caps must be one for each of 1 symbols; received 2"):
        step(Account.opened(np.full(3, 1e5)), asked, price, price, price, rules)


def test_all_action_outcomes_equal_taking_each_action():
    bars = market(t=2, n=200, seed=4)
    rules = Rules(np.array([0.8, 0.3]), 1e4, costs=InteractiveBrokersCost(slippage=0.001))
    rng = np.random.default_rng(4)
    caps = rules.caps_of(rng.integers(2, size=200))
    actions = np.array([-1.0, 0.0, 0.5, 1.0])
    closes, opens, ends = bars[0, :, CLOSE], bars[1, :, OPEN], bars[1, :, CLOSE]
    missed = rng.normal(0, 0.01, (200, 2))
    account = Account.at_weights(rng.uniform(-1, 1, (200, 1)) * caps, closes[:, None], 1e4)
    every = all_action_outcomes(account, actions, closes, opens, ends, rules, caps, missed)
    blind = all_action_outcomes(account, actions, closes, opens, ends, rules, caps)
    assert (blind.control_variate == 0).all()
    for a, action in enumerate(actions):
        now, then = closes[:, None], opens[:, None]
        done = step(account, action * caps, now, then, ends[:, None], rules, caps)
        np.testing.assert_array_equal(every.log_growth[:, a], done.growth)
        np.testing.assert_array_equal(
            every.control_variate[:, a], control_variate(account, done, now, then, missed)
        )
        weight = done.account.holdings[:, 0] * ends / done.account.equity
        np.testing.assert_array_equal(every.weight[:, a], weight)
    assert not every.ruined.any()


def test_ruin_is_flagged_and_its_reward_finite():
    rules = Rules(np.array([0.98]), 1000.0, buffer=0.0, ruin=0.2)
    account = Account.at_weights([[-0.98]], np.array([[10.0]]), 1000.0)
    bar = (np.array([10.0]), np.array([25.0]), np.array([30.0]))
    out = all_action_outcomes(account, [-1.0, 0.0], *bar, rules, rules.caps[:, None])
    assert out.ruined.all()
    np.testing.assert_allclose(out.log_growth, np.log(0.1))
    assert (out.weight == 0).all()
    assert is_ruined(np.array([200.0, 200.1]), rules).tolist() == [True, False]


def test_settle_prices_fees_at_the_mark():
    """LEAN caps a fee by the price at the close of the filling bar, not by the fill."""
    rules = Rules(np.array([1.0]), 1000.0)
    account = Account.opened(1000.0)
    done = settle(account, np.array([[1000.0]]), np.array([[0.5]]), np.array([[0.4]]), rules)
    assert done.fees[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Rules(np.array([0.0]), 1.0), "caps"),
        (lambda: Rules(np.array([0.6]), 1.0, gross=0.5), r"\(0, 0.5\], at most the gross cap"),
        (lambda: Rules(np.empty(0), 1.0), "caps"),
        (lambda: Rules(np.array([1.0]), 0.0), "equity must be finite and > 0; received 0.0"),
        (lambda: Rules(np.array([1.0]), np.inf), "equity"),
        (lambda: Rules(np.array([1.0]), 1.0, lot_size=0.5), "lot_size"),
        (lambda: Rules(np.array([1.0]), 1.0, ruin=1.0), "ruin"),
        (lambda: Rules(np.array([1.0]), 1.0, gross=2.0), "gross"),
        (lambda: replay(np.zeros((5, 1)), np.ones((5, 2, 5)), ONE), "shape"),
        (lambda: replay(np.zeros((5, 1)), np.zeros((5, 1, 5)), ONE), "prices > 0"),
        (
            lambda: all_action_outcomes(
                Account.opened(1.0, 2), [0.0], *np.ones((3, 1)), ONE, ONE.caps[:, None]
            ),
            "one for each of 2 symbols",
        ),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()
