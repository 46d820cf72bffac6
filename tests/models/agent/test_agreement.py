"""Agents that trade where they agree: the smallest exposure on a common side, otherwise none."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.agent.account import Standing
from models.agent.agreement import Agreement
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from tests.models.agent.outlooks import seen, standing


@dataclass(frozen=True)
class Says:
    """An agent that always wants the same."""

    exposures: tuple
    stays_flat: bool = False

    def act(self, outlook, standing):
        return np.array([self.exposures])

    def to_arrays(self):
        return {"exposures": np.array(self.exposures)}


NAN = np.nan


def agreed(*wanted, held=0.5):
    """What agents who each want one exposure of one symbol take together."""
    members = {str(i): Says((one,)) for i, one in enumerate(wanted)}
    now = Standing(np.array([[held]]), np.ones((1, 1)))
    return Agreement(members).act(None, now)[0, 0]


@pytest.mark.parametrize(
    ("wanted", "held", "found"),
    [
        ((0.3, 0.8), 0.5, 0.3),
        ((0.8, 0.3), 0.5, 0.3),
        ((-0.8, -0.3), 0.5, -0.3),
        ((-0.8, 0.3), 0.5, 0.0),
        ((0.0, 0.3), 0.5, 0.0),
        ((0.9, 0.7, 0.8), 0.5, 0.7),
        ((0.9, 0.7, -0.1), 0.5, 0.0),
        # One that leaves it as it is wants what is held.
        ((NAN, 0.8), 0.5, NAN),
        ((NAN, 0.3), 0.5, 0.3),
        ((0.8, NAN), -0.5, 0.0),
        ((0.8, NAN), 0.0, 0.0),
        ((NAN, NAN), 0.5, NAN),
        ((NAN, NAN), 0.0, NAN),
        ((NAN, 1.0), 1.3, 1.0),
    ],
)
def test_what_all_want_is_taken(wanted, held, found):
    np.testing.assert_equal(agreed(*wanted, held=held), found)


EXPOSURE = st.one_of(st.just(NAN), st.floats(-1, 1))


@given(st.lists(EXPOSURE, min_size=2, max_size=4), st.floats(-1.5, 1.5))
def test_nobody_gets_more_than_he_wants_and_their_order_does_not_matter(wanted, held):
    found = agreed(*wanted, held=held)
    assert np.isnan(found) or abs(found) <= 1
    np.testing.assert_equal(agreed(*wanted[::-1], held=held), found)
    after = held if np.isnan(found) else found
    for one in wanted:
        own = held if np.isnan(one) else one
        assert abs(after) <= abs(own)
        assert after * own >= 0


def test_members_see_the_same_and_decide_symbol_by_symbol():
    members = {
        "calm": MeanVariance(MeanVarianceConfig(aversion=20.0)),
        "bold": MeanVariance(MeanVarianceConfig(aversion=2.0, trend=1.0)),
    }
    agent, outlook, now = Agreement(members), seen(), standing()
    for i, s in np.ndindex(20, 3):
        own = [one.act(outlook, now)[i, s] for one in members.values()]
        np.testing.assert_equal(
            agent.act(outlook, now)[i, s], agreed(*own, held=now.exposure[i, s])
        )


def test_one_that_stays_flat_keeps_all_flat():
    assert Agreement({"a": Says((1.0,)), "b": Says((0.0,), True)}).stays_flat
    assert not Agreement({"a": Says((1.0,)), "b": Says((0.0,))}).stays_flat


def test_it_takes_two():
    with pytest.raises(ValueError, match=r"members must be two or more; received \['a'\]"):
        Agreement({"a": Says((1.0,))})


RESTORE = {
    "a": lambda arrays: Says(tuple(arrays["exposures"].tolist())),
    "mean_variance": MeanVariance.from_arrays,
}


def test_it_survives_arrays():
    agent = Agreement({"mean_variance": MeanVariance(), "a": Says((0.1, 0.2, 0.3))})
    arrays = agent.to_arrays()
    assert set(arrays) == {"mean_variance/config", "a/exposures"}
    again = Agreement.from_arrays(dict(sorted(arrays.items())), RESTORE)
    assert dict(again.members) == dict(agent.members)


@pytest.mark.parametrize("wrong", ["stranger/config", "config", "a/"])
def test_arrays_of_no_member_are_refused(wrong):
    arrays = Agreement({"mean_variance": MeanVariance(), "a": Says((0.1,))}).to_arrays()
    with pytest.raises(ValueError, match=f"known members; received {wrong}"):
        Agreement.from_arrays(arrays | {wrong: np.zeros(1)}, RESTORE)


def test_an_agreement_travels_between_processes():
    """Candidates learn in workers of their own and come back from them."""
    members = {"one": MeanVariance(), "two": MeanVariance(MeanVarianceConfig(aversion=3.0))}
    found = pickle.loads(pickle.dumps(Agreement(members)))
    assert found == Agreement(members)
    with pytest.raises(TypeError, match="does not support item assignment"):
        found.members["three"] = MeanVariance()
