"""Who trades: ahead in imagined and in real markets by more than chance, or nobody new."""

import numpy as np
import pytest

from algorithm.promotion import Promotion, PromotionRule, promote

PAIRS, CLOSES = 64, 200
RULE = PromotionRule(imagined_errors=2.0, real_errors=1.0, closes=126)


def lead(errors, n):
    """Differences whose mean is so many of its own standard errors."""
    noise = np.random.default_rng(n).normal(0.0, 1e-3, n)
    noise -= noise.mean()
    return noise + errors * noise.std(ddof=1) / np.sqrt(n)


def decide(imagined, real, closes=CLOSES, rule=RULE):
    """One challenger, ahead by so many standard errors."""
    base = np.random.default_rng(0)
    first, second = base.normal(0, 1e-2, PAIRS), base.normal(0, 1e-2, closes)
    return promote(
        "old",
        {"old": first, "new": first + lead(imagined, PAIRS)},
        {"old": second, "new": second + lead(real, closes)},
        rule,
    )


@pytest.mark.parametrize(
    ("imagined", "real", "closes", "winner"),
    [
        (2.1, 1.1, 126, "new"),
        (1.9, 1.1, 126, "old"),
        (2.1, 0.9, 126, "old"),
        (50.0, -0.1, 126, "old"),
        (-0.1, 50.0, 126, "old"),
        (50.0, 50.0, 125, "old"),
    ],
)
def test_both_kinds_of_evidence_are_needed_and_enough(imagined, real, closes, winner):
    found = decide(imagined, real, closes)
    assert found.trading == winner
    assert found.before == "old"
    (one,) = found.compared
    assert one.imagined / one.imagined_error == pytest.approx(imagined)
    assert one.real / one.real_error == pytest.approx(real)
    assert one.closes == closes


def test_of_several_the_clearest_in_the_real_market_wins():
    rewards = {"a": 0.0, "b": 3.0, "c": 2.0}
    imagined = {name: lead(3.0, PAIRS) * (name != "a") for name in rewards}
    real = {name: lead(errors, CLOSES) * (name != "a") for name, errors in rewards.items()}
    assert promote("a", imagined, real).trading == "b"


def test_without_real_bars_nobody_is_promoted():
    found = promote("a", {"a": np.zeros(4), "b": np.ones(4)}, {"a": np.empty(0), "b": np.empty(0)})
    assert found.trading == "a"
    assert "b +10000.00 ± 0.00 imagined, no real bars yet" in str(found)


def test_luck_alone_hardly_ever_promotes():
    """Of candidates that are no better, about one in 200 passes both at once."""
    rng = np.random.default_rng(3)
    wins = 0
    for _ in range(2000):
        imagined = {name: rng.normal(0, 1, PAIRS) for name in "ab"}
        real = {name: rng.normal(0, 1, CLOSES) for name in "ab"}
        wins += promote("a", imagined, real).trading == "b"
    assert wins < 30


def test_the_decision_in_words():
    words = str(decide(3.0, 2.0))
    assert words.startswith("new replaces old. Ahead of old, bp a bar: new +")
    assert "in 200 real bars" in words
    assert str(decide(0.0, 0.0)).startswith("old goes on trading.")
    assert isinstance(decide(0.0, 0.0), Promotion)


@pytest.mark.parametrize(
    ("imagined", "real", "message"),
    [
        ({"b": np.zeros(3)}, {"b": np.zeros(3)}, "imagined must hold a and the same candidates"),
        ({"a": np.zeros(3)}, {"b": np.zeros(3)}, "real must hold a and the same candidates"),
        (
            {"a": np.zeros(3), "b": np.zeros(3)},
            {"a": np.zeros(3), "b": np.zeros(4)},
            "real rewards must be equally many",
        ),
    ],
)
def test_candidates_are_compared_on_the_same_ground_or_not_at_all(imagined, real, message):
    with pytest.raises(ValueError, match=message):
        promote("a", imagined, real)


@pytest.mark.parametrize(
    "change", [{"imagined_errors": -1.0}, {"real_errors": np.nan}, {"closes": 1}]
)
def test_a_rule_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be"):
        PromotionRule(**change)
