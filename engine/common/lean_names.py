"""What LEAN has: the names that its AlgorithmImports exports, and the members of its classes.

`lean_names.txt` lists them by namespace, as quantconnect-stubs give them: `[namespace]`, then one
class to a line, `Class(bases): members`, going on in lines that begin with a space; methods end
with `()`, what only subclasses may use begins with `-`. Classes of data sets and of .NET itself
have no members here. `python -m research.lean_names` writes it anew from other stubs; a test holds
it to those installed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

FILE = Path(__file__).with_name("lean_names.txt")
_LINE = re.compile(r"(\w+)(?:\(([^)]*)\))?:?\s*(.*)")
_ELSEWHERE = "run the algorithm in LEAN itself (`lean backtest`)"
# What to do without a name, by the beginning of its namespace; the first that fits.
_INSTEAD = (
    ("System", "use Python's own"),
    ("QuantConnect.Securities.Option", f"only equities are supported; {_ELSEWHERE}"),
    ("QuantConnect.Securities.IndexOption", f"only equities are supported; {_ELSEWHERE}"),
    ("QuantConnect.Securities.Future", f"only equities are supported; {_ELSEWHERE}"),
    ("QuantConnect.Securities.Forex", f"only equities are supported; {_ELSEWHERE}"),
    ("QuantConnect.Securities.Crypto", f"only equities are supported; {_ELSEWHERE}"),
    ("QuantConnect.Data.Fundamental", f"there is no fundamental data; {_ELSEWHERE}"),
    ("QuantConnect.DataSource", f"there are no data sets but bars and FRED's; {_ELSEWHERE}"),
    ("QuantConnect.Research", "read bars with the algorithm's history()"),
)


class LeanClass(NamedTuple):
    """A class of LEAN's: its namespace, its bases' names and its own members.

    Attributes:
        listed: the members as the list writes them.
    """

    namespace: str
    bases: tuple[str, ...]
    listed: tuple[str, ...]

    @property
    def members(self) -> frozenset[str]:
        """Names of its own members."""
        return frozenset(text.strip("-()") for text in self.listed)


def exported_names() -> list[str]:
    """The names of LEAN's own classes and .NET's that AlgorithmImports exports."""
    return re.findall(r"^\w+", FILE.read_text(encoding="utf-8"), re.MULTILINE)


@lru_cache(maxsize=1)
def lean_classes() -> dict[str, LeanClass]:
    """All classes that AlgorithmImports exports, by name."""
    classes: dict[str, LeanClass] = {}
    namespace = ""
    for line in re.sub(r"\n ", " ", FILE.read_text(encoding="utf-8")).splitlines():
        if line.startswith("["):
            namespace = line.strip("[]")
        elif found := _LINE.match(line):
            bases = tuple(found[2].split()) if found[2] else ()
            classes[found[1]] = LeanClass(namespace, bases, tuple(found[3].split()))
    return classes


@cache
def members(name: str) -> frozenset[str]:
    """Members of a class of LEAN's with those it inherits; none of a class that LEAN has not."""
    entry = lean_classes().get(name)
    if entry is None:
        return frozenset()
    return entry.members.union(*(members(base) for base in entry.bases))


def is_lean_member(name: str, member: str) -> bool:
    """Whether LEAN's class has a member, in snake_case or as a constant."""
    return member in members(name) or member.upper() in members(name)


def refusal(name: str, member: str = "") -> str:
    """What to say of a class, or of a member of one, that LEAN has and the engine has not."""
    full = f"{name}.{member}" if member else name
    entry = lean_classes().get(name)
    namespace = entry.namespace if entry is not None else ""
    fitting = (hint for start, hint in _INSTEAD if namespace.startswith(start))
    return f"{full} is not supported by this engine: {next(fitting, _ELSEWHERE)}"


class RefusedName:
    """Stands for a name of LEAN's that the engine lacks.

    It may be imported, and written in annotations; whoever calls it, derives from it or asks it
    for an attribute gets a NotImplementedError that names it. Nothing is an instance of it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, member: str = "") -> NoReturn:
        raise NotImplementedError(refusal(self._name, member))

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse."""
        self._refuse()

    def __mro_entries__(self, _: tuple[Any, ...]) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        self._refuse(name)

    def __getitem__(self, _: Any) -> RefusedName:
        return self

    def __or__(self, other: Any) -> Any:
        return Any

    __ror__ = __or__

    def __instancecheck__(self, _: Any) -> bool:
        return False

    def __subclasscheck__(self, _: Any) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._name}, which this engine does not support>"
