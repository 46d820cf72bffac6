"""LEAN's importable framework modules, such as `from Risk.TrailingStop... import ...`.

LEAN ships one Python file per model in the folders Alphas, Execution, Portfolio, Risk and
Selection. While a run is in progress, imports from those packages find the engine's models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from engine.brokerage.fees import VolumeShareSlippageModel
from engine.common.lean_names import RefusedName, lean_classes
from engine.framework.python_files import MODULES

_PACKAGES = ("Alphas", "Execution", "Portfolio", "Risk", "Selection")
_NET = ("clr", "System", "QuantConnect")
_ORDERS = ("Orders", "Orders.Slippage")
_SLIPPAGE = "Orders.Slippage.VolumeShareSlippageModel"


def _is_refused(package: str, model: str) -> bool:
    """Whether LEAN has a model in a package; one that the engine lacks refuses when it is used."""
    entry = lean_classes().get(model)
    return entry is not None and entry.namespace.endswith(f".Framework.{package}")


class _Finder(MetaPathFinder, Loader):
    """Finds the packages and, in them, modules named after a model."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Spec of a framework module that the engine has a model for."""
        package, _, model = name.partition(".")
        if name in (*_ORDERS, _SLIPPAGE):
            return ModuleSpec(name, self, is_package=name in _ORDERS)
        if package not in _PACKAGES:
            return None
        if model:
            import engine.framework as framework

            known = name in MODULES or hasattr(framework, model)
            if not known and not _is_refused(package, model):
                return None
        return ModuleSpec(name, self, is_package=not model)

    def create_module(self, spec: ModuleSpec) -> None:
        """Use Python's own."""

    def exec_module(self, module: ModuleType) -> None:
        """Put all models into the module."""
        if module.__name__ == _SLIPPAGE:
            vars(module)["VolumeShareSlippageModel"] = VolumeShareSlippageModel
        if module.__name__.startswith(_ORDERS[0]):
            return
        import engine.framework as framework

        contents: dict[str, Any] = {name: getattr(framework, name) for name in framework.__all__}
        vars(module).update(contents)
        own = MODULES.get(module.__name__)
        if own is not None:
            vars(module)[own.__name__] = own
        package, _, model = module.__name__.partition(".")
        if model and _is_refused(package, model):
            vars(module).setdefault(model, RefusedName(model))


class _NetNamespaces(MetaPathFinder):
    """Refuses imports of .NET's namespaces, which only LEAN's Python has."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing, for any other name.

        Raises:
            NotImplementedError: for .NET's namespaces.
        """
        if name.partition(".")[0] in _NET:
            raise NotImplementedError(
                f"import of {name}: .NET's namespaces are not supported by this engine; LEAN's own "
                "names come with `from AlgorithmImports import *`, for the rest use Python's"
            )
        return None


@contextmanager
def framework_modules() -> Iterator[None]:
    """Let imports of LEAN's framework modules work inside the block, and refuse .NET's."""
    finder, refusing = _Finder(), _NetNamespaces()
    sys.meta_path.append(finder)
    sys.meta_path.insert(0, refusing)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.meta_path.remove(refusing)
        for name, module in list(sys.modules.items()):
            if getattr(module, "__loader__", None) is finder:
                del sys.modules[name]
