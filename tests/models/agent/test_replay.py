import numpy as np
import pytest

from models.agent.replay import ReplayMemory, Transitions


def some(n, start=0, d=2):
    column = np.arange(start, start + n, dtype=np.float32)[:, None]
    return Transitions(
        observation=np.repeat(column, d, axis=1),
        account=column,
        reward=np.repeat(column, 3, axis=1),
        next_observation=np.repeat(column, d, axis=1),
        next_account=np.repeat(column, 3, axis=1)[..., None],
        terminated=np.zeros((n, 3), np.float32),
    )


def test_the_newest_are_kept_in_order_across_the_seam():
    memory = ReplayMemory(5)
    for start, count in ((0, 3), (3, 3), (6, 1)):
        memory.add(some(count, start))
    assert len(memory) == 5
    np.testing.assert_array_equal(memory.contents().account[:, 0], [2, 3, 4, 5, 6])
    memory.add(some(12, 100))
    np.testing.assert_array_equal(memory.contents().account[:, 0], np.arange(107, 112))


def test_gather_keeps_fields_together():
    memory = ReplayMemory(10)
    memory.add(some(10))
    rows = np.array([[3, 1], [9, 9]])
    observation, account, reward, *_ = memory.gather(rows)
    np.testing.assert_array_equal(account[..., 0], rows)
    np.testing.assert_array_equal(reward[..., 2], rows)
    np.testing.assert_array_equal(observation[..., 1], rows)


def test_bad_input_is_named():
    memory = ReplayMemory(7)
    with pytest.raises(ValueError, match="empty"):
        memory.contents()
    memory.add(some(2))
    with pytest.raises(ValueError, match="observation must have rows"):
        memory.add(some(2, d=3))
    with pytest.raises(ValueError, match="capacity must be at least 1; received 0"):
        ReplayMemory(0)
    fields = some(2).__dict__
    with pytest.raises(ValueError, match="account must have shape"):
        Transitions(**(fields | {"account": np.zeros((3, 1), np.float32)}))
    with pytest.raises(ValueError, match="reward must be finite"):
        Transitions(**(fields | {"reward": np.full((2, 3), np.nan, np.float32)}))
