import re

import numpy as np
import pytest

from sim.costs import InteractiveBrokersCost, ProportionalCost, ZeroCost


@pytest.mark.parametrize(
    ("shares", "price", "fee"),
    [
        (0, 100.0, 0.0),
        (1, 100.0, 1.0),  # the minimum wins over half a percent
        (199, 1.0, 1.0),
        (200, 100.0, 1.0),
        (200, 0.1, 0.1),  # at the minimum the ceiling applies
        (1000, 100.0, 5.0),
        (-1000, 100.0, 5.0),
        (1000, 0.5, 2.5),  # at most half a percent of the value
        (
            201,
            0.01,
            0.005 * 201 * 0.01,
        ),  # above the minimum before the ceiling applies: LEAN's order
        (333, 77.7, 1.665),  # not rounded
    ],
)
def test_interactive_brokers_fee(shares, price, fee):
    got = InteractiveBrokersCost().fees(
        np.array([float(shares)]), np.array([1.0]), np.array([price])
    )
    assert got == pytest.approx(fee, rel=1e-12)


def test_slippage_is_paid_in_the_direction_of_the_order():
    quantities, opens = np.array([5.0, -5.0, 0.0]), np.full(3, 100.0)
    for model in (ProportionalCost(slippage=0.01), InteractiveBrokersCost(slippage=0.01)):
        fills = model.fill_prices(quantities, opens, np.array([100.0, 200.0, 300.0]))
        np.testing.assert_allclose(fills, [101.0, 98.0, 100.0])


def test_proportional_and_zero_fees():
    quantities, price = np.array([5.0, -5.0]), np.array([100.0, 10.0])
    np.testing.assert_allclose(ProportionalCost(0.001).fees(quantities, price, price), [0.5, 0.05])
    np.testing.assert_array_equal(
        ZeroCost().fees(quantities, price, price), np.zeros(2), strict=True
    )
    assert ZeroCost().fill_prices(quantities, price, price) is price


def test_every_order_pays_its_own_fee():
    """The array of a batch: nothing, the minimum, the plain fee, the ceiling."""
    shares, marks = np.array([[0.0, 1.0], [-600.0, 900.0]]), np.array([[9.0, 9.0], [9.0, 0.5]])
    model = InteractiveBrokersCost(per_share=0.01, minimum=2.0, maximum_rate=0.01)
    np.testing.assert_allclose(model.fees(shares, 0 * marks, marks), [[0.0, 2.0], [6.0, 4.5]])
    free = InteractiveBrokersCost(per_share=0.0, minimum=0.0, maximum_rate=0.0)
    np.testing.assert_array_equal(free.fees(shares, marks, marks), np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ProportionalCost(rate=1.0), "rate must lie in [0, 1); received 1.0"),
        (lambda: ProportionalCost(rate=-0.1), "rate must lie in [0, 1); received -0.1"),
        (lambda: ProportionalCost(slippage=1.0), "slippage must lie in [0, 1); received 1.0"),
        (
            lambda: InteractiveBrokersCost(minimum=-1),
            "minimum must be finite and >= 0; received -1",
        ),
        (
            lambda: InteractiveBrokersCost(per_share=float("nan")),
            "per_share must be finite and >= 0; received nan",
        ),
        (
            lambda: InteractiveBrokersCost(per_share=float("inf")),
            "per_share must be finite and >= 0; received inf",
        ),
        (
            lambda: InteractiveBrokersCost(maximum_rate=2.0),
            "maximum_rate must lie in [0, 1); received 2.0",
        ),
        (
            lambda: InteractiveBrokersCost(slippage=-0.1),
            "slippage must lie in [0, 1); received -0.1",
        ),
    ],
)
def test_bad_costs_are_refused(build, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build()
