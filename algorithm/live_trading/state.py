"""What must survive a restart, kept in the object store.

One JSON document, saved after every change in one of two places in turn, each with a number that
counts up and a checksum: whatever a crash leaves half written, the document before it is whole.
`save` returns only when LEAN has written it to disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

SCHEMA = 4
"""Raise when the document's layout changes; documents of another one are refused by name."""

PLACES = ("a", "b")


class Store(Protocol):
    """The part of LEAN's object store (its Python names) that the state needs."""

    def contains_key(self, key: str, /) -> bool:
        """Whether the key is held."""

    def read(self, key: str, /) -> str:
        """The text under a key."""

    def save(self, key: str, text: str, /) -> bool:
        """Keep text under a key; False if there is no room."""

    def get_file_path(self, key: str, /) -> str:
        """Where the store keeps a key, once everything that was saved is on disk."""


class StateError(RuntimeError):
    """A state that is there and cannot be used: to go on without it would be to forget."""


class StateStore:
    """The newest state under a name.

    Args:
        store: see `Store`.
        name: of the state, the head of its keys.
        report: given one line when one of the two places holds nothing that is whole.
    """

    def __init__(
        self, store: Store, name: str, report: Callable[[str], Any] = lambda line: None
    ) -> None:
        self._store = store
        self._keys = [f"{name}-{place}.json" for place in PLACES]
        self._report = report
        self._number = 0

    def load(self) -> dict[str, Any] | None:
        """The newest document that is whole; None if none was ever saved.

        Raises:
            StateError: if there are some and none is whole, or the newest is of another layout.
        """
        found: dict[int, dict[str, Any]] = {}
        broken = []
        for key in self._keys:
            if not self._store.contains_key(key):
                continue
            try:
                number, document = _opened(self._store.read(key))
            except ValueError as problem:
                broken.append(f"{key}: {problem}")
            else:
                found[number] = document
        if broken and not found:
            raise StateError(
                f"the saved state cannot be read ({'; '.join(broken)}); restore it from a copy, "
                "or delete it to begin anew with what the broker holds"
            )
        for line in broken:
            self._report(f"{line}; the state saved before or after it is used")
        if not found:
            return None
        self._number = max(found)
        newest = found[self._number]
        if newest["schema"] != SCHEMA:
            raise StateError(
                f"the saved state must have schema {SCHEMA}; received {newest['schema']!r}: it was "
                "saved by another version of this program"
            )
        return dict(newest["state"])

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep a document; when this returns it is on disk.

        Args:
            state: as JSON can say it, numbers finite.

        Raises:
            ValueError: if JSON cannot say it.
            OSError: if the store refuses; the document before stays the newest.
        """
        number = self._number + 1
        key = self._keys[number % len(self._keys)]
        if not self._store.save(key, _sealed(number, state)):
            raise OSError(f"the object store refused {key}; is there room?")
        # LEAN writes its store every few seconds; asked for a path, it writes at once.
        self._store.get_file_path(key)
        self._number = number


def _sealed(number: int, state: Mapping[str, Any]) -> str:
    body = json.dumps({"number": number, "schema": SCHEMA, "state": state}, allow_nan=False)
    return json.dumps({"checksum": hashlib.sha256(body.encode()).hexdigest(), "body": body})


def _opened(text: str) -> tuple[int, dict[str, Any]]:
    """Number and document of a sealed text; ValueError if it is not whole."""
    try:
        outer = json.loads(text)
        body = outer["body"]
        if hashlib.sha256(body.encode()).hexdigest() != outer["checksum"]:
            raise ValueError("its checksum is another")
        document = json.loads(body)
        return int(document["number"]), document
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as problem:
        raise ValueError(f"not a state ({type(problem).__name__})") from None
