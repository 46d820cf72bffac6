"""Shadow accounts beside the accounting kernel's replay of the same decisions."""

from datetime import datetime, timedelta

import numpy as np

from models.agent.account import Standing
from models.agent.outlook import FORECAST, Outlook
from models.limits import Caps
from sim.accounting import Rules, replay
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
    for time, bar in zip(TIMES, bars, strict=True):
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
