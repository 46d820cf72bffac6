"""What a terminal shows of a walk."""

import re

import numpy as np
import pytest

from research import screen
from research.stepping import AGENTS, YOURS
from tests.research.walks import walk


@pytest.fixture(scope="module")
def one():
    """Walked a few bars, with overrides."""
    found = walk("dqn", bars=12)
    found.look()
    found.step({"AAA": 0.3})
    found.step({"BBB": float("nan")})
    for _ in range(6):
        found.look()
        found.step()
    return found


def test_a_fan_is_drawn_to_scale():
    shown = screen._fan_bar(np.array([-0.1, -0.04, 0.02, 0.06, 0.1]), 0.1)
    #                  -10 %         -4 %      0  2 %     6 %         10 %
    assert shown == "---------[=====:==|=====]------"
    narrow = screen._fan_bar(np.array([-0.05, -0.02, 0.0, 0.02, 0.05]), 0.1)
    assert narrow == "        ----[==|==]----        "


def test_a_level_is_drawn_from_zero():
    assert screen._level(0.0) == " " * 10 + "|" + " " * 10
    assert screen._level(5.0) == " " * 10 + "|" + "#" * 10
    assert screen._level(-2.5) == " " * 5 + "#" * 5 + "|" + " " * 10
    assert screen._level(-9.0) == "#" * 10 + "|" + " " * 10


def test_the_close_tells_of_symbols_and_accounts(one):
    shown, now = screen.close(one), one.look()
    for name in one.symbols:
        (line,) = [line for line in shown.splitlines() if line.startswith(name)]
        assert f"{now.bars.loc[name, 'close']:,.2f}" in line
        assert f"{now.bars.loc[name, 'move']:+.2%}" in line
        assert f"{now.held[name]:+.3f}" in line
        wanted = now.proposal[name]
        assert line.endswith("keep" if np.isnan(wanted) else f"{wanted:+.3f}")
    assert "bar 8 of 12 · dqn" in shown
    ahead = now.accounts.loc[YOURS, "equity"] - now.accounts.loc[AGENTS, "equity"]
    assert f"{ahead:+,.2f}" in shown


def test_it_tells_where_in_its_fan_a_close_came(one):
    now, last = one.look(), one.looked[-2]
    assert last.row == now.row - 1
    for name, told in screen._landed(one).items():
        low, high = (float(edge) / 100 for edge in re.match(r"(\d+)-(\d+) %", told).groups())
        close, fan = now.bars.loc[name, "close"], last.fan.loc[name]
        assert low == 0 or fan[low] <= close
        assert high == 1 or close <= fan[high]
    assert screen._landed(walk(bars=2)) == {}


def test_no_screen_is_wider_than_a_hundred_columns(one):
    now = one.look()
    for shown in (
        screen.opening(one),
        screen.close(one),
        screen.fan(now),
        screen.values(one),
        screen.values(walk("gradient", bars=2)),
        screen.values(walk("looker", bars=2)),
        screen.observation(now, "AAA"),
        screen.record(one, 8),
        screen.summary(one),
        screen.HELP,
    ):
        assert max(map(len, shown.splitlines())) <= 100, shown


def test_the_whole_observation_is_listed(one):
    now = one.look()
    shown = screen.observation(now, "BBB")
    for name, value in now.observation.loc["BBB"].items():
        assert re.search(rf"\b{name} +\{value:+.2f} ", shown), name


def test_action_values_are_in_basis_points_with_the_best_marked(one):
    shown, values = screen.values(one), one.look().reasons.values
    for name in one.symbols:
        assert f"*{1e4 * values.loc[name].max():.1f}" in shown


def test_the_record_tells_both_sides_of_an_override(one):
    first, second = screen.record(one, 20).splitlines()[1:3]
    kept = one.record
    assert f"+0.300* ({screen._weight(kept['proposed', 'AAA'].iloc[0])})" in first
    assert f"keep* ({screen._weight(kept['proposed', 'BBB'].iloc[1])})" in second
    assert screen.record(walk(bars=2), 5) == "no bar has been walked yet"


def test_the_summary_says_what_overrides_earned(one):
    shown, equity = screen.summary(one), one.equity
    ahead = equity[YOURS].iloc[-1] - equity[AGENTS].iloc[-1]
    verb = "earned" if ahead >= 0 else "cost"
    assert f"overruled the agent on 2 of 8 bars, which {verb} you {abs(ahead):,.2f} $" in shown
    follower = walk("dqn", bars=1)
    assert screen.summary(follower) == "No bar was walked."
    follower.step()
    assert "You took the agent's proposal on all 1 bars." in screen.summary(follower)


def test_an_order_that_the_band_swallows_is_explained():
    one = walk(bars=4)
    one.step({"AAA": 0.3})
    before = one.look()
    done = one.step({"AAA": float(before.held["AAA"]) + 0.02})
    assert not done.orders["AAA"]
    assert "no order in AAA: " in screen.stepped(one, before, done)
    before = one.look()
    done = one.step({"AAA": 0.0})
    assert re.search(r": -[\d,]+ AAA at ", screen.stepped(one, before, done))
