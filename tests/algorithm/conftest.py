"""Parts of the algorithm by themselves: LEAN's names come from the local engine's stand-in."""

import sys
from pathlib import Path

SHIM = Path(__file__).parents[2] / "engine" / "shim"
if str(SHIM) not in sys.path:
    # Before quantconnect-stubs, whose AlgorithmImports can be imported and defines nothing.
    sys.path.insert(0, str(SHIM))

from tests.sim.trials import no_trials  # noqa: E402, F401
