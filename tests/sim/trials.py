"""Samplers in tests of other things: no trial walks, feedback as before anything is seen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from sim import steadiness


@contextmanager
def first_feedback() -> Iterator[None]:
    """Samplers have the feedback of before anything is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steadiness, "ROUNDS", 0)
        yield


@pytest.fixture(autouse=True, scope="module")
def no_trials() -> Iterator[None]:
    """For tests of what does not depend on them; they take a second a sampler."""
    with first_feedback():
        yield


def without_trials(job: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What a job comes to in a worker, which is a process of its own and knows of no test."""
    with first_feedback():
        return job(*args, **named)
