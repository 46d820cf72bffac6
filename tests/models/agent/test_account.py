"""What an agent sees of its account."""

from decimal import Decimal

import numpy as np

from models.agent.account import ACCOUNT_FEATURES, EXPOSURE_LIMIT, account_features


def test_an_exposure_is_the_weight_as_a_share_of_the_cap():
    weights = np.array([[0.08, -0.16, 0.0], [0.4, -0.4, 0.16]])
    found = account_features(weights, [0.32, 0.32, 0.16])
    assert found.shape == (2, 3, len(ACCOUNT_FEATURES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], [[0.25, -0.5, 0.0], [1.25, -1.25, 1.0]])


def test_exposures_far_beyond_the_cap_look_alike():
    found = account_features([2, -2, 1, -1], 0.5)
    assert EXPOSURE_LIMIT == 1.5
    np.testing.assert_array_equal(found[:, 0], [1.5, -1.5, 1.5, -1.5])


def test_one_weight_may_be_a_plain_number_and_any_a_decimal():
    np.testing.assert_array_equal(account_features(0.25, 0.5), np.float32([0.5]))
    np.testing.assert_array_equal(account_features([Decimal("0.25")], 0.5), np.float32([[0.5]]))
