"""LEAN's names in Python: snake_case, LEAN's older PascalCase, and what the engine lacks.

`LeanObject` is the base of what a user's algorithm sees. Missing attributes are then answered in
one way everywhere: a PascalCase spelling leads to the snake_case one, a name that LEAN has and the
engine has not raises NotImplementedError, anything else is a mistake and raises AttributeError.

`DirectObject` is the base of what is looked at for every bar and every order. It answers the same,
but without `__getattr__`, which would slow the look-up of every attribute there is: its classes
hold the names that they have to answer. Classes that a user derives have `__getattr__` again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from inspect import get_annotations, signature
from opcode import EXTENDED_ARG, opmap
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from engine.common.hints import similar_members
from engine.common.lean_names import is_lean_member, lean_classes, members, refusal
from engine.common.net_type import NetType, full_name

Made = TypeVar("Made")
_STORE_ATTR = opmap["STORE_ATTR"]
_ABBREVIATIONS = frozenset(
    (
        *("ad", "adv", "cik", "cusip", "ema", "figi", "id", "isin"),
        *("ma", "mae", "mfe", "poc", "roc", "sedol", "us", "vwap"),
    )
)
"""Words that LEAN writes in capitals in names of an object's members."""


@lru_cache(maxsize=8192)
def snake_case(name: str) -> str:
    """Convert `SetStartDate` or `liquidateExisting` as LEAN does; snake_case names stay.

    A word begins at a capital after a small letter or a digit, at the last of several capitals if a
    small letter follows, at a digit after a letter, and at a small letter between a digit and a
    letter: `roc_1_ma`, `t_3`, `scatter_3d`.
    """
    letters: list[str] = []
    before = "_"
    for index, letter in enumerate(name):
        after = name[index + 1 : index + 2]
        if before == "_":
            begins = False
        elif letter.isupper():
            begins = before.islower() or bool(after if before.isdigit() else after.islower())
        elif letter.isdigit():
            begins = not before.isdigit()
        else:
            begins = letter != "_" and before.isdigit() and after.isalpha()
        letters += ("_", letter.lower()) if begins else (letter.lower(),)
        before = letter
    return "".join(letters)


@lru_cache(maxsize=8192)
def pascal_case(name: str) -> str:
    """Convert `set_start_date` to `SetStartDate`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _abbreviated(name: str) -> str:
    """Convert `ema_fast` to `EMAFast`, as LEAN spells some members."""
    return "".join(
        word.upper() if word in _ABBREVIATIONS else word[:1].upper() + word[1:]
        for word in name.split("_")
    )


def classes_of_ours(cls: type) -> Iterator[type]:
    """The engine's classes among a class and its bases, the nearest first."""
    return (base for base in cls.__mro__ if base.__module__.startswith("engine."))


def name_in_lean(cls: type) -> str:
    """LEAN's name of a class of ours: its own `lean_name` where that differs."""
    name: str = cls.__dict__.get("lean_name", cls.__name__)
    return name


def has_own(cls: type, name: str) -> bool:
    """Whether a class or one of its bases defines a name."""
    return any(
        name in base.__dict__ and type(base.__dict__[name]) is not _Unfound for base in cls.__mro__
    )


@lru_cache(maxsize=8192)
def _spelling(cls: type, name: str) -> str | None:
    """What a class calls a name that was written in PascalCase; None if it has none such."""
    snake = snake_case(name)
    for spelling in (snake, snake.upper()):
        if has_own(cls, spelling):
            return spelling
    return None


def _as_written(value: Any) -> Any:
    """A method under its PascalCase name, which takes camelCase keywords as well."""
    if not isinstance(value, MethodType | FunctionType | BuiltinFunctionType):
        return value

    def call(*args: Any, **keywords: Any) -> Any:
        return value(*args, **{snake_case(key): item for key, item in keywords.items()})

    return call


def missing_attribute(cls: type, name: str) -> Exception:
    """Error for an attribute that neither a class nor its instance has."""
    if not name.startswith("_"):
        snake = snake_case(name) if name[:1].isupper() else name
        for name_there in map(name_in_lean, classes_of_ours(cls)):
            if is_lean_member(name_there, snake):
                return NotImplementedError(refusal(name_there, snake))
    return AttributeError(f"{cls.__name__!r} object has no attribute {name!r}{_near(cls, name)}")


def _near(cls: type, name: str) -> str:
    """What LEAN's bridge adds of similar names, where the class or a base of it is LEAN's."""
    if name.startswith("__"):
        return ""
    known = map(name_in_lean, classes_of_ours(cls))
    lean = next((one for one in known if one in lean_classes()), None)
    return "" if lean is None else similar_members(lean, name)


def with_hint(error: AttributeError) -> str:
    """An error's text with what LEAN's bridge adds, where Python's own look-up raised it."""
    told = str(error)
    if isinstance(error.obj, DirectObject) and error.name and told.endswith(f"{error.name!r}"):
        told += _near(type(error.obj), error.name)
    return told


def find_missing(thing: Any, name: str) -> Any:
    """The value of an attribute that an instance was not found to have: see the module's text.

    Raises:
        NotImplementedError: if LEAN has it.
        AttributeError: if LEAN has it not either.
    """
    cls: Any = type(thing)
    if name[:1].isupper():
        spelling = _spelling(cls, name)
        if spelling is None and snake_case(name) in getattr(thing, "__dict__", ()):
            spelling = snake_case(name)
        if spelling is not None:
            if spelling in getattr(thing, "__dict__", ()):
                return _as_written(_beside_a_users(thing, spelling))
            return _as_written(getattr(thing, spelling))
    elif has_own(cls, name):
        # A property of ours has raised AttributeError: say what it said.
        return object.__getattribute__(thing, name)
    raise missing_attribute(cls, name)


def _beside_a_users(thing: Any, name: str) -> Any:
    """What a class has under a name that an instance has, too: `self.mom` is no `self.MOM`."""
    cls = type(thing)
    held: Any = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
    if isinstance(held, (*_METHODS, BracketCall)):
        return held.__get__(thing, cls)
    return getattr(thing, name)


@lru_cache(maxsize=1024)
def _finder(cls: LeanType) -> Callable[[Any, str], Any]:
    """What answers for missing attributes of a class's instances."""
    own = (base.__dict__["__getattr__"] for base in cls.__mro__ if "__getattr__" in base.__dict__)
    found: Callable[[Any, str], Any] = next(own, find_missing)
    return found


def _refuse_to_set(instance: Any, value: Any) -> None:
    """What pythonnet says of a property that LEAN alone sets."""
    raise TypeError("property is read-only")


class RefusedProperty:
    """A property of LEAN's that the engine lacks: reading and setting it refuse by its name.

    Where LEAN lets a property be set, Python would make an attribute of it, which nobody reads.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = name_in_lean(owner), name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        raise NotImplementedError(refusal(self._owner, self._name))

    def __set__(self, instance: Any, value: Any) -> None:
        raise NotImplementedError(refusal(self._owner, self._name))


class _Alias:
    """PascalCase spelling of an attribute that can be set."""

    def __init__(self, name: str, spelling: str) -> None:
        self._name = name
        self._spelling = spelling

    def __get__(self, instance: Any, owner: LeanType) -> Any:
        if instance is None:
            return getattr(owner, self._name)
        try:
            return getattr(instance, self._name)
        except AttributeError:
            return _finder(owner)(instance, self._spelling)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(instance, self._name, value)


class _Unfound:
    """Stands in a class for a name that it has not, or spells otherwise, and has to answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._snake = snake_case(name)

    def __get__(self, instance: Any, owner: LeanType) -> Any:
        if instance is None:
            return type(owner).__getattr__(owner, self._name)
        if self._snake in owner._qc_overridden:
            return _of_base(instance, owner, self._name)
        return _finder(owner)(instance, self._name)


def _of_base(instance: Any, owner: LeanType, name: str) -> Any:
    """A method that a user's class overrides, of the class of ours: `super().OnData` asks for it.

    Raises:
        NotImplementedError: if LEAN's class has the name and ours has not.
        AttributeError: if it is none of LEAN's.
    """
    mro = owner.__mro__
    at = mro.index(next(classes_of_ours(owner)))
    spelling = _spelling(mro[at], name)
    if spelling is None or spelling == name:
        raise missing_attribute(mro[at], name)
    return _as_written(getattr(super(mro[at - 1], instance), spelling))


def _stored_names(code: CodeType) -> set[str]:
    """Names of the attributes that a function sets, of whatever."""
    found: set[str] = set()
    argument = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = argument << 8 | low
        if operation == _STORE_ATTR:
            found.add(code.co_names[argument])
        if operation != EXTENDED_ARG:
            argument = 0
    return found


def _functions(contents: dict[str, Any]) -> list[FunctionType]:
    """Functions of a class's body, those of its properties and class methods too."""
    found: list[FunctionType] = []
    for value in contents.values():
        parts = (value, getattr(value, "__func__", None), *(
            getattr(value, part, None) for part in ("fget", "fset") if isinstance(value, property)
        ))  # fmt: skip
        found += (part for part in parts if isinstance(part, FunctionType))
    return found


_METHODS = (FunctionType, staticmethod, classmethod, property)


class LeanType(type):
    """Type of LEAN's classes: answers missing names of the class itself, knows both spellings."""

    takes_overrides = True
    """Whether methods that a user's subclass spells in PascalCase override those of ours."""
    _qc_overridden: frozenset[str] = frozenset()
    """Methods that users' classes among a class and its bases define, as we spell them."""

    def __init__(cls, name: str, bases: tuple[type, ...], contents: dict[str, Any]) -> None:
        super().__init__(name, bases, contents)
        if len(bases) > 1:
            cls._uncover()
        if cls.__module__.startswith("engine."):
            mixed = (b.__dict__ for b in bases if not isinstance(b, LeanType))
            for own in (*mixed, contents):
                for key, value in own.items():
                    if type(value) is property and value.fset is None:
                        setattr(cls, key, value.setter(_refuse_to_set))
            cls.__name__ = name_in_lean(cls).rpartition(".")[-1]
            cls._add_aliases(contents)
            if not has_own(cls, "__getattr__"):
                cls._add_unfound(contents)
        else:
            cls._take_overrides(contents)
            cls._note_overrides(contents)
            cls._begin_first(contents)
            if not has_own(cls, "__getattr__"):
                cls.__getattr__ = find_missing  # type: ignore[method-assign, assignment]

    def _add_aliases(cls, contents: dict[str, Any]) -> None:
        """Make what can be set settable under its PascalCase name."""
        names = [key for key, value in contents.items() if hasattr(value, "__set__")]
        names += contents.get("__annotations__", ())
        for start in (contents.get("__init__"), contents.get("_qc_set_up")):
            if isinstance(start, FunctionType):
                names += _stored_names(start.__code__)
        for key in names:
            alias = pascal_case(key)
            if key[0] != "_" and key.islower() and alias not in contents:
                setattr(cls, alias, _Alias(key, alias))

    def _add_unfound(cls, contents: dict[str, Any]) -> None:
        """Let the class hold all names that it has to answer without having them."""
        held = set(contents)
        names = held.union(*(_stored_names(part.__code__) for part in _functions(contents)))
        lean = members(name_in_lean(cls))
        shown = {key.lower() for key in names | lean if key[0] != "_"}
        wanted = {pascal_case(key) for key in shown} | {_abbreviated(key) for key in shown}
        wanted |= lean | {key.lower() for key in lean}
        for base in cls.__mro__:
            held.update(base.__dict__, get_annotations(base))
        for key in wanted - held:
            setattr(cls, key, _Unfound(key))

    def _uncover(cls) -> None:
        """Find what a later base has before what an earlier one has not."""
        held = [base.__dict__ for base in cls.__mro__]
        hidden = {key for names in held for key in names if type(names[key]) is _Unfound}
        for key in hidden:
            values = [names[key] for names in held if key in names]
            real = next((value for value in values if type(value) is not _Unfound), values[0])
            if real is not values[0]:
                setattr(cls, key, real)

    def _begin_first(cls, contents: dict[str, Any]) -> None:
        """Let our constructor run before a user's, if it needs no arguments, as pythonnet does.

        So a user's `__init__` need not call it.
        """
        ours = next(classes_of_ours(cls))
        start: Any = ours.__init__  # type: ignore[misc]
        if "__init__" not in contents or cls.__new__ is not object.__new__:
            return
        try:
            signature(start).bind(None)
        except (TypeError, ValueError):
            return

        def new(kind: type, *_: Any, **__: Any) -> Any:
            instance: Any = object.__new__(kind)
            # What goes wrong here, the user's own call may do better.
            with suppress(Exception):
                start(instance)
            return instance

        cls.__new__ = staticmethod(new)  # type: ignore[method-assign, assignment]

    def _take_overrides(cls, contents: dict[str, Any]) -> None:
        """Let a user's `def CreateTargets` override `create_targets`."""
        if not cls.takes_overrides:
            return
        for key, value in contents.items():
            if not key[:1].isupper() or not isinstance(value, FunctionType):
                continue
            snake = snake_case(key)
            # What a base has wrapped when the class was made stays.
            if snake not in vars(cls) and has_own(cls, snake):
                setattr(cls, snake, value)

    def _note_overrides(cls, contents: dict[str, Any]) -> None:
        """Let `super().CreateTargets` find ours, whichever way the override is spelt."""
        defined = {snake_case(key) for key in contents if isinstance(contents[key], FunctionType)}
        bases = (base for base in cls.__bases__ if isinstance(base, LeanType))
        cls._qc_overridden = frozenset(defined).union(*(base._qc_overridden for base in bases))
        ours = next(classes_of_ours(cls))
        for snake in defined:
            if snake[:1] == "_" or not has_own(ours, snake):
                continue
            for alias in {pascal_case(snake), _abbreviated(snake)}:
                if not any(alias in base.__dict__ for base in ours.__mro__):
                    setattr(ours, alias, _Unfound(alias))

    def __repr__(cls) -> str:
        """.NET's name of a class of LEAN's, Python's of a user's."""
        known = full_name(name_in_lean(cls)) if cls.__module__.startswith("engine.") else None
        return super().__repr__() if known is None else f"<class '{known}'>"

    def __getattr__(cls, name: str) -> Any:
        if name[:2] == "__":
            # Python asks for its own names often.
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        if name[:1].isupper():
            spelling = _spelling(cls, name)
            if spelling is not None:
                return _as_written(getattr(cls, spelling))
        if any(name in get_annotations(base) for base in cls.__mro__):
            # A field, which only instances have; dataclasses ask the class for its default.
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        error = missing_attribute(cls, name)
        if isinstance(error, AttributeError):
            near = _near(cls, name)
            error = AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}{near}")
        raise error


class DirectObject(metaclass=LeanType):
    """Base of LEAN's classes that are looked at all the time. `lean_name` is LEAN's name."""

    __slots__ = ()

    def __str__(self) -> str:
        """.NET's text of an object: the class's full name, where LEAN's class has no other."""
        # A user's class is what it derives from.
        name = name_in_lean(next(classes_of_ours(type(self))))
        entry = lean_classes().get(name)
        if entry is None:
            return object.__repr__(self)
        if "to_string" in members(name):
            raise NotImplementedError(refusal(name, "to_string"))
        return f"{entry.namespace}.{name}"

    def to_string(self) -> str:
        """.NET's text of an object."""
        return str(self)

    def equals(self, obj: Any = None, *, other: Any = None, value: Any = None) -> bool:
        """Whether another is the same; LEAN's classes have several names for it."""
        given = (one for one in (obj, other, value) if one is not None)
        return bool(self == next(given, None))

    def get_hash_code(self) -> int:
        """A number of the object."""
        return hash(self)

    def get_type(self) -> NetType:
        """.NET's type of an object; a user's class is what it derives from."""
        return NetType(name_in_lean(next(classes_of_ours(type(self)))))


class LeanObject(DirectObject):
    """Base of the classes that LEAN has too. `lean_name` is LEAN's name where ours differs."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker knows what there is
        __getattr__ = find_missing


class BracketCall(Generic[Made]):
    """A method that takes a class in brackets as well: `history[TradeBar](…)`.

    Like any method, and unlike a property, an algorithm may hide it by a value of its own.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> BracketCall[Made]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Made: ...

    def __get__(self, instance: Any, owner: type) -> BracketCall[Made] | Made:
        return self if instance is None else self._make(instance)


def both_spellings(model: Any) -> Any:
    """A user's model, whose methods in PascalCase are found under our spelling from now on.

    LEAN calls the methods of an object that derives from none of its classes by either.
    """
    for cls in type(model).__mro__:
        if isinstance(cls, LeanType) or cls is object:
            continue
        for key, value in list(vars(cls).items()):
            snake = snake_case(key)
            if key[:1].isupper() and isinstance(value, _METHODS) and snake not in vars(cls):
                setattr(cls, snake, value)
    return model


def either_spelling(thing: Any, name: str) -> Callable[..., Any] | None:
    """A method of any object, whichever way its author spelt it; None if there is none."""
    found = getattr(thing, name, None)
    return found if found is not None else getattr(thing, pascal_case(name), None)
