"""Shadow accounts beside the accounting kernel's replay of the same decisions."""

import json
from datetime import datetime, timedelta

import numpy as np
import pytest

from models.agent.account import Standing
from models.agent.outlook import FORECAST, Outlook
from models.limits import Caps
from models.market.history import History
from sim.accounting import Rules, replay
from sim.rules import Rule
from sim.shadow import ShadowAccounts
from tests.models.synthetic import garch_bars

RULES = Rules.of(Caps(0.5, {"BBB": 0.2}), ("AAA", "BBB"), equity=10_000.0)
BARS = np.stack([garch_bars(80, seed=s) for s in (1, 2)], axis=1)
BLANK = Outlook(np.zeros((1, 2, 0), np.float32), np.zeros((1, 2, len(FORECAST))), np.eye(2)[None])


class Scripted:
    """Decides what a table says, and remembers where it stood."""

    def __init__(self, exposures):
        self._left = iter(exposures)
        self.stood = []

    def act(self, outlook: Outlook, standing: Standing):
        assert outlook is BLANK
        self.stood.append(standing)
        return next(self._left)[None]


TIMES = [datetime(2020, 1, 1) + timedelta(days=day) for day in range(len(BARS))]


def run(accounts, bars):
    """Every close, each told of twice."""
    for time, bar in zip(TIMES, bars, strict=False):
        for _ in range(2):
            accounts.close(time, BLANK, bar[:, 0], bar[:, 3])


def trade(policies):
    accounts = ShadowAccounts(policies, RULES)
    run(accounts, BARS)
    assert accounts.times == TIMES
    return {name: accounts[name].equity for name in accounts}


def test_equity_is_that_of_the_replayed_decisions():
    rng = np.random.default_rng(0)
    exposures = rng.choice([-1.0, 0.0, 0.4, 1.0, np.nan], (len(BARS), 2))
    policy, idle = Scripted(exposures), Scripted(np.zeros((len(BARS), 2)))
    found = trade({"scripted": policy, "idle": idle})
    np.testing.assert_array_equal(found["scripted"], replay(exposures * RULES.caps, BARS, RULES))
    assert set(found["idle"]) == {10_000.0}
    assert policy.stood[0].exposure.tolist() == [[0.0, 0.0]]
    assert np.abs(policy.stood[-1].exposure).max() > 0
    np.testing.assert_array_equal(policy.stood[3].caps, [[0.5, 0.2]])


def test_a_ruined_account_stays_as_it_is():
    crash = BARS.copy()
    crash[40:, :, :4] *= 0.001
    rules = Rules.of(Caps(1.0, gross=1.0), ("AAA", "BBB"), equity=10_000.0)
    accounts = ShadowAccounts({"all in": Scripted(np.tile([1.0, np.nan], (80, 1)))}, rules)
    run(accounts, crash)
    equity = np.array(accounts["all in"].equity)
    assert len(equity) == 80
    assert equity[39] > 5_000
    assert (equity[40:] == equity[40]).all()
    assert equity[40] < 1_000


POLICIES = {name: Rule(name) for name in ("constant_mix", "buy_and_hold")}
FRACTIONS = Rules.of(Caps(0.5), ("AAA", "BBB"), equity=10_000.0, lot_size=0)


def kept(accounts):
    return json.loads(json.dumps(accounts.to_state(), allow_nan=False))


@pytest.mark.parametrize("cut", [0, 1, 2, 40])
def test_a_restart_goes_on_as_if_nothing_had_happened(cut):
    """Before the first close as well as later; targets that keep a position among them."""
    whole, before, after = (ShadowAccounts(POLICIES, RULES) for _ in range(3))
    run(whole, BARS)
    run(before, BARS[:cut])
    after.restore(kept(before))
    assert kept(after) == kept(before)
    run(after, BARS)
    assert kept(after) == kept(whole)
    assert len(whole["buy_and_hold"].equity) == len(BARS)


def test_closes_up_to_the_time_of_opening_are_not_shown():
    accounts = ShadowAccounts(POLICIES, RULES, TIMES[9])
    run(accounts, BARS)
    assert accounts.times == TIMES[10:]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_new_scale_of_prices_changes_nobodys_worth(restarts):
    """A split two for one of AAA after the 30th bar: history gives all bars at the new scale."""
    whole, accounts = (ShadowAccounts(POLICIES, FRACTIONS) for _ in range(2))
    run(whole, BARS)
    halved = BARS.copy()
    halved[:, 0, :4] *= 0.5
    days = np.array(TIMES, "datetime64[D]")
    for bars, start, end in ((BARS, 0, 30), (halved, 30, 80)):
        accounts.follow([
            History(name, days[:20], bars[:20, s]) for s, name in enumerate(("AAA", "BBB"))
        ])  # fmt: skip
        if restarts:
            state, accounts = kept(accounts), ShadowAccounts(POLICIES, FRACTIONS)
            accounts.restore(state)
        for t in range(start, end):
            accounts.close(TIMES[t], BLANK, bars[t, :, 0], bars[t, :, 3])
    for name in POLICIES:
        np.testing.assert_allclose(accounts[name].equity, whole[name].equity, rtol=1e-12)


def test_one_bar_that_history_corrects_is_no_new_scale():
    accounts = ShadowAccounts(POLICIES, FRACTIONS)
    days = np.array(TIMES, "datetime64[D]")
    wrong = BARS.copy()
    wrong[19, :, :4] *= 1.01
    accounts.follow([History("AAA", days[:20], wrong[:20, 0]), History("BBB", days, BARS[:, 1])])
    run(accounts, BARS[:30])
    before = kept(accounts)["accounts"]
    accounts.follow([History("AAA", days[:30], BARS[:30, 0]), History("BBB", days, BARS[:, 1])])
    assert kept(accounts)["accounts"] == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(version=2), "version must be 1; received 2"),
        (lambda s: s["accounts"].pop("buy_and_hold"), "accounts must be constant_mix, buy_and_"),
        (lambda s: s["times"].reverse(), "times must ascend"),
        (lambda s: s["times"].pop(), "constant_mix: equity must be that of 4 closes; received 5"),
        (lambda s: s["accounts"]["constant_mix"].pop("cash"), "constant_mix: no account"),
        (lambda s: s["accounts"]["constant_mix"]["holdings"].pop(), "finite numbers, 2 of them"),
        (lambda s: s["accounts"]["constant_mix"]["turnover"].pop(), "every close but the first"),
        (lambda s: s["accounts"]["constant_mix"]["targets"].pop(), "targets must be 2; received 1"),
    ],
)
def test_what_is_no_state_of_these_accounts_is_refused(change, message):
    accounts = ShadowAccounts(POLICIES, RULES)
    run(accounts, BARS[:5])
    state = kept(accounts)
    change(state)
    with pytest.raises(ValueError, match=message):
        ShadowAccounts(POLICIES, RULES).restore(state)
