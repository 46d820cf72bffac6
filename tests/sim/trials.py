"""Samplers in tests of other things: no trial walks, feedback as before anything is seen."""

from collections.abc import Iterator

import pytest

from sim import steadiness


@pytest.fixture(autouse=True, scope="module")
def no_trials() -> Iterator[None]:
    """For tests of what does not depend on them; they take a second a sampler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steadiness, "ROUNDS", 0)
        yield
