import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.curriculum import Stage, growing


def test_episodes_double_and_data_stays_even():
    assert growing(256, 60, 3000) == (
        Stage(1024, 15, 500),
        Stage(512, 30, 1000),
        Stage(256, 60, 1500),
    )


def test_one_stage_is_the_whole_training():
    assert growing(10, 7, 5, stages=1) == (Stage(10, 7, 5),)
    assert growing(10, 1, 5, stages=3) == (Stage(10, 1, 5),)


@given(
    n_paths=st.integers(2, 500),
    n_steps=st.integers(1, 400),
    stages=st.integers(1, 6),
    more=st.integers(0, 10_000),
)
def test_schedules_grow_and_spend_every_update(n_paths, n_steps, stages, more):
    found = growing(n_paths, n_steps, stages + more, stages)
    assert sum(stage.updates for stage in found) == stages + more
    assert found[-1].n_paths == n_paths
    assert found[-1].n_steps == n_steps
    lengths = [stage.n_steps for stage in found]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == len(lengths)
    assert all(stage.n_paths % 2 == 0 and stage.n_paths >= 2 for stage in found[:-1])
    for stage in found[:-1]:
        assert abs(stage.n_paths * stage.n_steps - n_paths * n_steps) <= stage.n_steps


@pytest.mark.parametrize(("name", "value"), [("n_paths", 1), ("n_steps", 0), ("stages", 0)])
def test_bad_input_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        growing(**({"n_paths": 4, "n_steps": 4, "updates": 9} | {name: value}))
    with pytest.raises(ValueError, match="updates must be at least 3; received 2"):
        growing(4, 4, 2)
