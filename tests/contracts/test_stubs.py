"""The engine's surface beside LEAN's, as quantconnect-stubs describe it.

Every name that LEAN has is there or refuses by its name, and what is there takes LEAN's documented
keywords. `stub_exceptions.txt` lists the calls that do not yet; it may only shrink.
"""

import ast
import enum
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.common.enums import LeanEnum
from engine.common.lean_names import (
    FILE,
    RefusedName,
    exported_names,
    is_lean_member,
    lean_classes,
    members,
)
from engine.common.naming import LeanType, pascal_case, snake_case
from engine.common.net_exceptions import NetException
from engine.run.runner import SHIM
from research.lean_names import class_sources, listing, stubs

MISNUMBERED = ("BrokerageName", "SeriesType")
"""Enumerations with aliases or gaps, which the stubs count wrongly."""
SET_OTHERWISE = {
    "BaseVolatilityModel.subscription_data_config_provider",
    "PortfolioConstructionModel.python_wrapper",
    "QCAlgorithm.subscription_manager",
}
"""Of derived classes' use alone, or read where a part of the algorithm keeps it."""
EXCEPTIONS = Path(__file__).with_name("stub_exceptions.txt")


@cache
def shim() -> ModuleType:
    """The engine's AlgorithmImports, as a module that nothing else sees."""
    sys.path.insert(0, str(SHIM))
    known = sys.modules.pop("AlgorithmImports", None)
    try:
        return import_module("AlgorithmImports")
    finally:
        sys.path.remove(str(SHIM))
        del sys.modules["AlgorithmImports"]
        if known is not None:
            sys.modules["AlgorithmImports"] = known


@cache
def supported() -> dict[str, type]:
    """The engine's classes by the name under which they are exported."""
    found = {name: getattr(shim(), name) for name in exported_names()}
    return {
        name: thing
        for name, thing in found.items()
        if inspect.isclass(thing) and thing.__module__.startswith("engine.")
    }


@cache
def sources(namespace: str) -> dict[str, str]:
    return class_sources(stubs(), namespace)


def calls(name: str) -> Iterator[tuple[str, list[str]]]:
    """Public methods and constructors of a class in the stubs: name and the arguments' names."""
    for block in ast.parse(sources(lean_classes()[name].namespace)[name]).body:
        for call in block.body if isinstance(block, ast.ClassDef) else ():
            if not isinstance(call, ast.FunctionDef):
                continue
            if call.name.startswith("_") and call.name != "__init__":
                continue
            decorators = {ast.unparse(decorator) for decorator in call.decorator_list}
            text = ast.get_docstring(call) or ""
            if decorators <= {"overload", "staticmethod"} and "is protected." not in text:
                named = [item.arg for item in (*call.args.args, *call.args.kwonlyargs)]
                yield call.name, [item for item in named if item != "self"]


def missing_keywords() -> dict[str, set[str]]:
    """LEAN's keywords that calls of the engine's (`Class.call`) do not take."""
    found: dict[str, set[str]] = {}
    for name, cls in supported().items():
        if issubclass(cls, enum.Enum):
            continue
        for call, keywords in calls(name):
            own = inspect.getattr_static(cls, call, None)
            own = own.__func__ if isinstance(own, staticmethod | classmethod) else own
            if not inspect.isfunction(own):
                continue
            accepted = {
                parameter.name
                for parameter in inspect.signature(own).parameters.values()
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            }
            if not accepted.issuperset(keywords):
                found.setdefault(f"{name}.{call}", set()).update(set(keywords) - accepted)
    return found


def test_the_list_of_names_is_that_of_the_stubs() -> None:
    assert FILE.read_text(encoding="utf-8") == listing(stubs()), (
        "run: python -m research.lean_names"
    )


def test_the_list_holds_what_algorithms_use() -> None:
    assert "current" in members("SimpleMovingAverage")
    assert "value" in members("IndicatorDataPoint")
    assert {"set_holdings", "option_chain", "on_data"} <= members("QCAlgorithm")
    assert is_lean_member("Resolution", "DAILY")
    assert not is_lean_member("Resolution", "DAYLY")


def test_every_name_of_leans_is_exported() -> None:
    module = shim()
    absent = [name for name in exported_names() if name not in vars(module)]
    assert not absent
    names = set(module.__all__)
    assert names.issuperset(set(exported_names()) - {"Exception"})
    assert {"np", "pd", "plt", "List", "datetime", "QCAlgorithmFramework"} <= names


def test_python_keeps_its_exception() -> None:
    assert "Exception" not in shim().__all__


def test_nothing_else_is_exported() -> None:
    foreign = [
        name
        for name in shim().__all__
        if getattr(getattr(shim(), name), "__module__", "").startswith("engine.")
        and name not in lean_classes()
        and not name.startswith("QCAlgorithmFramework")
        and name not in ("Action", "Func")  # .NET's, which the stubs leave out
    ]
    assert not foreign


def test_what_is_not_supported_says_so_when_used() -> None:
    chain = shim().OptionChain
    assert isinstance(chain, RefusedName)
    assert not isinstance(1, chain)
    for use in (chain, lambda: chain.something, lambda: type_of(chain)):
        with pytest.raises(NotImplementedError, match="OptionChain"):
            use()
    optional: Any = chain | None
    assert optional is not None


def type_of(base: Any) -> type:
    class Derived(base):
        pass

    return Derived


@pytest.mark.parametrize("name", sorted(supported()))
def test_a_supported_class_refuses_what_it_lacks(name: str) -> None:
    cls = supported()[name]
    if issubclass(cls, enum.Enum):
        assert issubclass(cls, LeanEnum)
    elif issubclass(cls, Exception):
        assert issubclass(cls, NetException)
    else:
        assert isinstance(cls, LeanType), f"derive {name} from LeanObject"


@pytest.mark.parametrize(
    "name", sorted(name for name, cls in supported().items() if issubclass(cls, enum.Enum))
)
def test_members_of_enumerations_have_leans_numbers(name: str) -> None:
    text = sources(lean_classes()[name].namespace)[name]
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.ClassDef)
    numbers = {
        item.targets[0].id: ast.literal_eval(item.value)
        for item in tree.body
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
    }
    own = supported()[name].__members__
    assert numbers.keys() >= own.keys()
    if name not in MISNUMBERED:
        assert {key: int(value) for key, value in own.items()} == {key: numbers[key] for key in own}


def settable(name: str) -> Iterator[str]:
    """Properties of a class that LEAN lets be set."""
    for block in ast.parse(sources(lean_classes()[name].namespace)[name]).body:
        for item in block.body if isinstance(block, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and any(
                ast.unparse(decorator).endswith(".setter") for decorator in item.decorator_list
            ):
                text = ast.get_docstring(item) or ""
                if "is protected." not in text:
                    yield item.name


def test_what_lean_lets_be_set_is_read_or_refused() -> None:
    """What is set under a name that nobody reads would change nothing, without a word."""
    lost = []
    for name, cls in supported().items():
        if issubclass(cls, enum.Enum | Exception):
            continue
        for member in settable(name):
            spellings = member, pascal_case(member)
            if any(one in vars(base) for base in cls.__mro__ for one in spellings):
                continue
            try:
                thing = cls()
            except Exception:  # what a constructor needs is not the point
                thing = object.__new__(cls)
            try:
                setattr(thing, member, None)
            except NotImplementedError:
                continue
            lost.append(f"{name}.{member}")
    assert not set(lost) - SET_OTHERWISE


def test_pascal_case_and_back() -> None:
    assert snake_case("SetStartDate") == "set_start_date"
    assert snake_case("liquidateExistingHoldings") == "liquidate_existing_holdings"
    assert snake_case("RSI") == "rsi"
    assert snake_case("T3") == "t_3"
    assert snake_case("ROC1MA") == "roc_1_ma"
    assert snake_case("set_cash") == "set_cash"
    assert pascal_case("is_ready") == "IsReady"


def test_calls_take_leans_keywords() -> None:
    lines = EXCEPTIONS.read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    found = missing_keywords()
    new = {call: keywords for call, keywords in found.items() if call not in listed}
    assert not new, "take LEAN's documented keywords in these calls"
    assert not listed - found.keys(), f"these take them now: remove them from {EXCEPTIONS.name}"
