"""QuantStats' figures and plotly's script, without what these packages import besides.

`import quantstats` brings matplotlib, seaborn, IPython and yfinance for pictures and downloads,
`import plotly.offline` brings IPython; together they take longer than a short backtest, and a
report needs none of them. What is imported elsewhere, before or later, is not touched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_QUANTSTATS = "quantstats"


class _Later(ModuleType):
    """A module that is imported when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@contextmanager
def _standing_in(name: str, module: ModuleType | None) -> Iterator[None]:
    """Let imports find another module, or none, where a name has not been imported yet."""
    if name in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[name] = module
    try:
        yield
    finally:
        for imported in [key for key in modules if key.partition(".")[0] == name]:
            del modules[imported]


def _quantstats() -> ModuleType:
    """The module `quantstats.stats`; the package's own code, which imports all, is not run."""
    spec = find_spec(_QUANTSTATS)
    package = None if spec is None else module_from_spec(spec)
    with _standing_in(_QUANTSTATS, package), _standing_in("yfinance", _Later("yfinance")):
        return import_module(f"{_QUANTSTATS}.stats")


quantstats = _quantstats()
"""QuantStats' functions."""

with _standing_in("IPython", None):
    from plotly.offline import get_plotlyjs

__all__ = ["get_plotlyjs", "quantstats"]
