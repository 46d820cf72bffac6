"""For all tests of imagined markets."""

from tests.sim.trials import no_trials  # noqa: F401
