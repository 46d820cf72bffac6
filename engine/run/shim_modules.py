"""LEAN's importable framework modules, such as `from Risk.TrailingStop... import ...`.

LEAN ships one Python file per model in the folders Alphas, Execution, Portfolio, Risk and
Selection. While a run is in progress, imports from those packages find the engine's models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from engine.brokerage.fees import VolumeShareSlippageModel
from engine.common.lean_names import RefusedName, lean_classes
from engine.framework.python_files import MODULES

_PACKAGES = ("Alphas", "Execution", "Portfolio", "Risk", "Selection")
_HELPERS = ("SymbolData", "IntradayVwap")
"""What LEAN's files keep beside their models; the engine's models do without."""
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
        for helper in _HELPERS:
            vars(module).setdefault(helper, RefusedName(helper))


def _is_namespace(name: str) -> bool:
    """Whether one of LEAN's classes is in a namespace or further inside."""
    return any(f"{entry.namespace}.".startswith(f"{name}.") for entry in lean_classes().values())


class _NetNamespaces(MetaPathFinder, Loader):
    """Finds .NET's namespaces, which LEAN's Python can import.

    They hold what `AlgorithmImports` exports of them; any other name can be imported, and refuses
    when it is used. `clr` loads nothing: all there is, is there.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Spec of a namespace; nothing for any other name."""
        top, _, inner = name.partition(".")
        if top not in _NET or (top == "QuantConnect" and inner and not _is_namespace(name)):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> None:
        """Use Python's own."""

    def exec_module(self, module: ModuleType) -> None:
        """Let the module answer for what its namespace has."""
        namespace = module.__name__
        if namespace == "clr":
            vars(module)["AddReference"] = lambda name: None

        def find(name: str) -> Any:
            if name.startswith("__") or _is_namespace(f"{namespace}.{name}"):
                # An inner namespace is a module of its own.
                raise AttributeError(name)
            exported = vars(import_module("AlgorithmImports"))
            return exported[name] if name in lean_classes() else RefusedName(name)

        vars(module)["__getattr__"] = find
        # Python's Exception stays: .NET's would catch nothing of Python's.
        vars(module)["__all__"] = [
            name
            for name, entry in lean_classes().items()
            if entry.namespace == namespace and name != "Exception"
        ]


@contextmanager
def framework_modules() -> Iterator[None]:
    """Let imports of LEAN's framework modules and .NET's namespaces work inside the block."""
    finder, namespaces = _Finder(), _NetNamespaces()
    sys.meta_path.append(finder)
    sys.meta_path.insert(0, namespaces)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.meta_path.remove(namespaces)
        for name, module in list(sys.modules.items()):
            if getattr(module, "__loader__", None) in (finder, namespaces):
                del sys.modules[name]
