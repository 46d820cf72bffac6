"""What caps and account allow in the morning of what the close decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.live_trading.last_check import cut_to_caps, kept_part

CAPS = {"AAA": 0.3, "BBB": 0.3, "CCC": 0.5}


def allowed(expected, targets, prices=(100.0, 50.0, 20.0), equity=100_000.0, gross=1.0, lot=1):
    held = dict.fromkeys(CAPS, 0.0) | expected
    cuts = cut_to_caps(
        held, targets, dict(zip(CAPS, prices, strict=True)), equity, CAPS, gross, lot
    )
    assert all(cut.allowed != cut.wanted for cut in cuts)
    return targets | {cut.name: cut.allowed for cut in cuts}


@pytest.mark.parametrize(
    ("expected", "target", "kept"),
    [
        (0.0, 50.0, 0.0),
        (30.0, 50.0, 30.0),
        (50.0, 30.0, 30.0),
        (50.0, 0.0, 0.0),
        (50.0, -30.0, 0.0),
        (-30.0, -50.0, -30.0),
        (-50.0, -30.0, -30.0),
    ],
)
def test_what_an_order_keeps_closes_or_reduces(expected, target, kept):
    assert kept_part(expected, target) == kept


def test_what_the_caps_still_allow_is_left_alone_up_to_the_cap_itself():
    targets = {"AAA": 300.0, "BBB": -600.0, "CCC": 2000.0}
    assert allowed({}, targets) == targets
    # Sized at 97 % of the cap: 3 % of price or account may be lost before anything is cut.
    assert allowed({}, {"AAA": 291.0}, prices=(103.0, 50.0, 20.0)) == {"AAA": 291.0}
    assert allowed({}, {"AAA": 291.0}, equity=97_001.0) == {"AAA": 291.0}


def test_a_position_that_would_be_above_its_cap_is_cut_to_it():
    """30 % of 100,000 $ at 125 $ are 240 shares."""
    assert allowed({}, {"AAA": 291.0}, prices=(125.0, 50.0, 20.0)) == {"AAA": 240.0}
    assert allowed({}, {"AAA": -291.0}, equity=50_000.0) == {"AAA": -150.0}
    assert allowed({}, {"AAA": 290.0}, equity=50_000.0, lot=100) == {"AAA": 100.0}
    assert allowed({}, {"AAA": 291.0}, equity=50_000.0, lot=0)["AAA"] == pytest.approx(150.0)


def test_what_closes_or_reduces_goes_out_whole():
    """Above every cap of what is left: the account is worth a tenth of what it was."""
    expected = {"AAA": 280.0, "BBB": 500.0, "CCC": -1000.0}
    targets = {"AAA": 200.0, "BBB": 0.0, "CCC": 900.0}
    assert allowed(expected, targets, equity=10_000.0) == {"AAA": 200.0, "BBB": 0.0, "CCC": 0.0}


def test_an_order_is_never_turned_round():
    """280 shares are above the cap now; the close trims them, this order is only left out."""
    assert allowed({"AAA": 280.0}, {"AAA": 290.0}, equity=60_000.0) == {"AAA": 280.0}


def test_growth_shares_the_room_under_the_gross_cap():
    """Half of what was decided fits beside what is held: 40,000 of 80,000 $ are held."""
    expected = {"CCC": 2000.0}
    targets = {"AAA": 200.0, "BBB": 400.0}
    found = allowed(expected, targets, equity=80_000.0, gross=0.75)
    assert found == {"AAA": 100.0, "BBB": 200.0}
    assert allowed(expected, targets, equity=80_000.0, gross=0.5) == {"AAA": 0.0, "BBB": 0.0}


def test_without_a_price_or_a_worth_nothing_grows():
    assert allowed({"AAA": 5.0}, {"AAA": 10.0}, prices=(0.0, 50.0, 20.0)) == {"AAA": 5.0}
    assert allowed({"AAA": -5.0}, {"AAA": 10.0}, equity=-1.0) == {"AAA": 0.0}


def test_a_cut_says_what_and_why():
    (cut,) = cut_to_caps({"AAA": 0.0}, {"AAA": 291.0}, {"AAA": 125.0}, 1e5, {"AAA": 0.3}, 1.0, 1)
    assert str(cut) == (
        "AAA: 240 shares are to be held, not the 291 that the close decided: the cap of 0.3 of "
        "100000.00 $ allows 240.0 at 125 $ a share"
    )


@given(
    expected=st.lists(st.integers(-800, 800), min_size=3, max_size=3),
    targets=st.lists(st.integers(-800, 800), min_size=3, max_size=3),
    prices=st.lists(st.floats(1.0, 500.0), min_size=3, max_size=3),
    equity=st.floats(-1e4, 3e5),
)
def test_orders_only_shrink_and_what_they_grow_keeps_the_caps(expected, targets, prices, equity):
    held = dict(zip(CAPS, map(float, expected), strict=True))
    wanted = dict(zip(CAPS, map(float, targets), strict=True))
    found = allowed(held, wanted, prices=prices, equity=equity)
    worth, gross = max(equity, 0.0), 0.0
    for (name, cap), price in zip(CAPS.items(), prices, strict=True):
        order, cut = wanted[name] - held[name], found[name] - held[name]
        assert cut * order >= 0.0
        assert abs(cut) <= abs(order)
        gross += abs(found[name]) * price
        if abs(found[name]) > abs(kept_part(held[name], wanted[name])):
            assert abs(found[name]) * price <= cap * worth * (1 + 1e-6)
    if any(abs(found[n]) > abs(kept_part(held[n], wanted[n])) for n in CAPS):
        assert gross <= worth * (1 + 1e-6)
