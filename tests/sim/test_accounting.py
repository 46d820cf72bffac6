"""The kernel against hand-made answers, a slow twin in exact decimals, and itself."""

import re
from dataclasses import fields, replace
from decimal import Decimal

import numpy as np
import pytest

from models.limits import Caps
from models.market.history import CLOSE, OPEN
from sim.accounting import (
    Account,
    Rules,
    all_action_outcomes,
    control_variate,
    costs_paid,
    finite_growth,
    is_ruined,
    replay,
    settle,
    step,
    traded,
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


def test_rules_carry_all_that_caps_say_and_cannot_be_changed():
    caps = Caps(0.3, {"IBM": 0.2}, gross=0.7, buffer=0.05, band=0.25)
    costs = ProportionalCost(0.01)
    found = Rules.of(caps, ["AAPL", "IBM"], equity=5e3, lot_size=10, costs=costs, ruin=0.0)
    wanted = Rules(np.array([0.3, 0.2]), 5e3, 0.7, 0.05, 0.25, 10, costs, 0.0)
    for item in fields(Rules):
        np.testing.assert_array_equal(getattr(found, item.name), getattr(wanted, item.name))
    assert Rules.of(caps, ["IBM"], equity=1.0).ruin == Rules([0.2], 1.0).ruin == 0.1
    own = np.array([1])
    rules = Rules(own, 1.0)
    own[0] = 0
    assert rules.caps.dtype == float
    with pytest.raises(ValueError, match="read-only"):
        rules.caps[0] = 0.5


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


@pytest.mark.parametrize("shape", [(4, 3, 2), (12, 1, 2)])
def test_accounts_may_lie_along_several_axes(shape):
    """With several symbols each, and some of them insolvent after the bar."""
    rng = np.random.default_rng(5)
    rules = Rules(np.array([0.5, 0.5]), 1e4, costs=ProportionalCost(0.01))
    closes = rng.uniform(9, 11, shape)
    opens, ends = closes * rng.uniform(0.9, 1.1, shape), closes * rng.uniform(0.5, 4.0, shape)
    weights, targets = rng.uniform(-0.6, 0.6, (2, *shape))
    many = step(Account.at_weights(weights, closes, 1e4), targets, closes, opens, ends, rules)
    assert 0 < np.isneginf(many.growth).sum() < 6
    for place in np.ndindex(shape[:2]):
        at = (place[0], slice(place[1], place[1] + 1))
        own = Account.at_weights(weights[at], closes[at], 1e4)
        one = step(own, targets[at], closes[at], opens[at], ends[at], rules)
        assert one.growth[0] == many.growth[place]
        assert one.account.cash[0] == many.account.cash[place]
        assert one.account.equity[0] == many.account.equity[place]
        np.testing.assert_array_equal(one.orders[0], many.orders[place])
        np.testing.assert_array_equal(one.fees[0], many.fees[place])


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
    np.testing.assert_array_equal(blind.control_variate, np.zeros((200, 4)))
    assert blind.control_variate.dtype == float
    for a, action in enumerate(actions):
        now, then = closes[:, None], opens[:, None]
        done = step(account, action * caps, now, then, ends[:, None], rules, caps)
        np.testing.assert_array_equal(every.log_growth[:, a], done.growth)
        np.testing.assert_array_equal(
            every.control_variate[:, a], control_variate(account, done, now, then, missed[:, None])
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


def test_growth_is_minus_infinity_from_zero_equity_on_and_exact_above():
    cash = np.array([1000.0, 1000.5, 999.0, 3000.0])
    account = Account(cash, np.full((4, 1), -10.0), np.full(4, 500.0))
    price, none = np.full((4, 1), 100.0), np.zeros((4, 1))
    done = settle(account, none, price, price, replace(ONE, costs=ZeroCost()))
    np.testing.assert_array_equal(done.account.equity, [0.0, 0.5, -1.0, 2000.0])
    np.testing.assert_array_equal(done.growth, [-np.inf, np.log(0.001), -np.inf, np.log(4.0)])
    np.testing.assert_array_equal(done.fills, price)


def test_an_account_that_ends_at_nothing_is_ruined_and_weighs_nothing():
    """50 shares short at 16 $, and 36 $ at the next close take the 1,800 $ of cash."""
    rules = Rules(np.array([0.8]), 1000.0, buffer=0.0, ruin=0.0, costs=ZeroCost())
    account = Account(np.array([1800.0]), np.array([[-50.0]]), np.array([1000.0]))
    prices = (np.array([16.0]), np.array([36.0]), np.array([36.0]))
    out = all_action_outcomes(account, [-1.0], *prices, rules, rules.caps[:, None], np.ones((1, 2)))
    assert out.ruined.all()
    assert out.weight == out.control_variate == 0
    assert out.log_growth == pytest.approx(np.log(0.0005))


def test_a_reward_is_never_below_the_fall_to_half_the_point_of_ruin():
    """50 $ here; who has less already cannot fall; a point of ruin of 0 counts as a thousandth."""
    rules = replace(ONE, equity=1000.0)
    growth = np.array([-np.inf, -2.9, -np.inf, 0.1, 0.1])
    before = np.array([1000.0, 1000.0, 10.0, 1000.0, 10.0])
    found = finite_growth(growth, before, rules)
    np.testing.assert_allclose(found, [np.log(0.05), -2.9, 0.0, 0.1, 0.1])
    found = finite_growth(growth[:1], before[:1], replace(rules, ruin=0.0))
    np.testing.assert_allclose(found, [np.log(0.0005)])


def test_the_control_variate_by_hand():
    """Weight 2 over night; at the open half the shares weigh 600 / 700 for the day.

    The others have nothing, or less, or half a dollar at the open.
    """
    account = Account(
        np.array([-500.0, -1200.0, -1300.0, -1199.5]), np.full((4, 1), 100.0), np.full(4, 500.0)
    )
    closes, opens = np.full((4, 1), 10.0), np.full((4, 1), 12.0)
    done = settle(account, np.full((4, 1), -50.0), opens, opens, replace(ONE, costs=ZeroCost()))
    missed = np.tile([0.01, -0.02], (4, 1, 1))
    found = control_variate(account, done, closes, opens, missed)
    late = 0.02 - 1200 * 0.02
    np.testing.assert_allclose(found, [0.02 - 6 / 7 * 0.02, 0.0, 0.0, late], rtol=1e-12)
    assert control_variate(account, done, closes, opens, missed).dtype == float


def test_the_control_variate_of_a_portfolio_by_hand():
    """1,000 $, of which 300 in one symbol and -200 in another; the second is bought back."""
    account = Account(np.array([900.0]), np.array([[30.0, -10.0]]), np.array([1000.0]))
    closes, opens = np.array([[10.0, 20.0]]), np.array([[11.0, 19.0]])
    free = replace(ONE, caps=np.array([0.5, 0.5]), costs=ZeroCost())
    done = settle(account, np.array([[10.0, 10.0]]), opens, opens, free)
    missed = np.array([[[0.02, 0.01], [-0.01, 0.05]]])
    at_open = 900.0 + 30 * 11.0 - 10 * 19.0
    want = 0.3 * 0.02 + -0.2 * -0.01 + 40 * 11.0 / at_open * 0.01
    np.testing.assert_allclose(control_variate(account, done, closes, opens, missed), want)
    assert traded(account, done, closes) == pytest.approx(0.3)
    for shape in ((1, 2), (1, 1, 2), (1, 3, 2)):
        with pytest.raises(ValueError, match="innovations must be two for each of 2 symbols"):
            control_variate(account, done, closes, opens, np.zeros(shape))


def test_costs_are_fees_and_slippage():
    """Half a percent of slippage on 1,000 $ traded each way, and one dollar of fees."""
    account = Account.opened([10_000.0], 2)
    opens = np.array([[100.0, 50.0]])
    rules = replace(ONE, caps=np.array([0.5, 0.5]), costs=InteractiveBrokersCost(slippage=0.005))
    done = settle(account, np.array([[10.0, -20.0]]), opens, opens, rules)
    assert costs_paid(account, done, opens) == pytest.approx((2.0 + 10.0) / 10_000)
    free = settle(
        account, np.array([[10.0, -20.0]]), opens, opens, replace(rules, costs=ZeroCost())
    )
    assert costs_paid(account, free, opens) == 0.0


def test_caps_of_accounts_with_one_symbol_and_with_several():
    rules = Rules(np.array([0.5, 0.2, 0.3]), 1.0)
    np.testing.assert_array_equal(rules.caps_of(np.array([2, 0])), [[0.3], [0.5]])
    np.testing.assert_array_equal(
        rules.caps_of(np.array([[2, 0], [1, 1]])), [[0.3, 0.5], [0.2] * 2]
    )
    np.testing.assert_array_equal(rules.caps_of(np.array([[2, 0]] * 4)), [[0.3, 0.5]])
    np.testing.assert_array_equal(rules.caps_of(np.array([1, 1])), [[0.2]])
    np.testing.assert_array_equal(Rules([0.4], 1.0).caps_of(np.zeros((5, 3), int)), [[0.4] * 3])


def test_accounts_of_whole_dollars_are_counted_in_floats():
    opened = Account.opened([1000, 2000], 3)
    assert opened.cash.dtype == opened.equity.dtype == opened.holdings.dtype == float
    np.testing.assert_array_equal(opened.equity, [1000.0, 2000.0])
    assert opened.cash is not opened.equity
    held = Account.at_weights([[1]], np.array([[8.0]]), 1000)
    assert held.equity.dtype == float
    np.testing.assert_array_equal([held.cash[0], held.holdings[0, 0]], [0.0, 125.0])


def test_numbers_may_be_decimals():
    """As engines and brokers keep them."""
    decimals = np.vectorize(lambda number: Decimal(str(number)), otypes=[object])
    bars, rules = market(t=4, n=1), Rules([0.5], 1e4)
    decisions = np.array([[0.5], [np.nan], [-0.25], [0.0]])
    wanted = replay(decisions, bars, rules)
    np.testing.assert_array_equal(replay(decimals(decisions), bars, rules), wanted)
    np.testing.assert_array_equal(replay(decisions, decimals(bars), rules), wanted)
    closes, opens, ends = bars[:3, 0, CLOSE, None]
    held = Account.at_weights(decimals([[0.25]]), closes[:, None], Decimal(10_000))
    assert held.holdings.dtype == float
    actions = (closes, opens, ends, rules, rules.caps[:, None])
    np.testing.assert_array_equal(
        all_action_outcomes(held, decimals([-1.0, 0.5]), *actions).weight,
        all_action_outcomes(held, [-1.0, 0.5], *actions).weight,
    )


SHORT = np.array([[-0.5], [np.nan], [np.nan]])
"""50 shares of 10 $ short, of an account of 1,000 $, and kept."""


def flat_bars(*prices):
    return np.repeat(prices, 5).reshape(-1, 1, 5)


def test_replay_stops_where_equity_is_gone():
    rules = Rules(np.array([0.5]), 1000.0, buffer=0.0, costs=ZeroCost())
    np.testing.assert_allclose(
        replay(SHORT, flat_bars(10.0, 10.0, 29.99), rules), [1000.0, 1000.0, 0.5]
    )
    np.testing.assert_allclose(
        replay(SHORT, flat_bars(0.1, 0.1, 0.2), rules), [1000.0, 1000.0, 500.0]
    )
    with pytest.raises(ValueError, match=r"^equity must stay > 0; received 0\.0 at row 2$"):
        replay(SHORT, flat_bars(10.0, 10.0, 30.0), rules)


def test_settle_prices_fees_at_the_mark():
    """LEAN caps a fee by the price at the close of the filling bar, not by the fill."""
    rules = Rules(np.array([1.0]), 1000.0)
    account = Account.opened(1000.0)
    done = settle(account, np.array([[1000.0]]), np.array([[0.5]]), np.array([[0.4]]), rules)
    assert done.fees[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Rules([0.0], 1.0),
            "caps must be a vector of values in (0, 1.0], at most the gross cap; received [0.0]",
        ),
        (
            lambda: Rules([0.6], 1.0, gross=0.5),
            "caps must be a vector of values in (0, 0.5], at most the gross cap; received [0.6]",
        ),
        (
            lambda: Rules([], 1.0),
            "caps must be a vector of values in (0, 1.0], at most the gross cap; received []",
        ),
        (
            lambda: Rules([[0.5]], 1.0),
            "caps must be a vector of values in (0, 1.0], at most the gross cap; received [[0.5]]",
        ),
        (lambda: Rules([1.0], 0.0), "equity must be finite and > 0; received 0.0"),
        (lambda: Rules([1.0], np.inf), "equity must be finite and > 0; received inf"),
        (
            lambda: Rules([1.0], 1.0, lot_size=0.5),
            "lot_size must be 0 or a whole number of shares; received 0.5",
        ),
        (lambda: Rules([1.0], 1.0, ruin=1.0), "ruin must lie in [0, 1); received 1.0"),
        (lambda: Rules([1.0], 1.0, ruin=-0.1), "ruin must lie in [0, 1); received -0.1"),
        (lambda: Rules([1.0], 1.0, gross=2.0), "gross must be in (0, 1]; received 2.0"),
        (lambda: Rules([1.0], 1.0, buffer=1.0), "buffer must be in [0, 1); received 1.0"),
        (lambda: Rules([1.0], 1.0, band=2.0), "band must be in [0, 1]; received 2.0"),
        (
            lambda: replay(np.zeros((5, 1)), np.ones((5, 2, 5)), ONE),
            "bars must have shape (T, N, 5) for decisions (T, N); received (5, 2, 5) and (5, 1)",
        ),
        (
            lambda: replay(np.zeros((5, 1)), np.ones((5, 1, 6)), ONE),
            "bars must have shape (T, N, 5) for decisions (T, N); received (5, 1, 6) and (5, 1)",
        ),
        (
            lambda: replay(np.zeros((5, 1)), np.zeros((5, 1, 5)), ONE),
            "bars must hold finite prices > 0; received others",
        ),
        (
            lambda: replay(np.zeros((5, 1)), np.full((5, 1, 5), np.inf), ONE),
            "bars must hold finite prices > 0; received others",
        ),
        (
            lambda: all_action_outcomes(
                Account.opened(1.0, 2), [0.0], *np.ones((3, 1)), ONE, ONE.caps[:, None]
            ),
            "caps must be one for each of 2 symbols; received 1",
        ),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build()
