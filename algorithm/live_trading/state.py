"""What must survive a restart, kept in the object store.

JSON documents, each saved in one of two places in turn with a number that counts up and a checksum:
whatever a crash leaves half written, the document before it is whole. `save` returns only when LEAN
has written it to disk.

There are three of them. The *state* is what trading must know; it is small and saved after every
change. The *record* is what rules and candidates have earned beside it, the *report* what became of
forecasts and trainings (`algorithm.diagnostics`); both grow with every close. They are saved before
the state where they have changed, so that whatever a kill leaves they are of no fewer closes; what
they have of more they are not shown again. So the state alone decides what was traded, and one of
the others that is lost or of another run costs evidence or pictures, not a start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

SCHEMA = 10
"""Raise when a document's layout changes, and say in `_STATES` and `_BESIDE` how one of the layout
before becomes one of this; documents of layouts that are not there are refused by name."""

BroughtUp = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Makes a document of one layout one of the next."""

STATES = "mirage-live/"
"""Before the name of a deployment: head of the keys of its saved state."""

PLACES = ("a", "b")

RECORDS = "record/"
"""Before the last part of a state's name: that of its record. No deployment is named like it."""

REPORTS = "report/"
"""The same of its report."""


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
        brought_up: by the number of a layout before: makes a document of it one of the next.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        report: Callable[[str], Any] = lambda line: None,
        brought_up: Mapping[int, BroughtUp] = MappingProxyType({}),
    ) -> None:
        self._brought_up = brought_up
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
        schema, state = newest["schema"], dict(newest["state"])
        while schema in self._brought_up:
            schema, state = schema + 1, self._brought_up[schema](state)
        if schema != SCHEMA:
            raise StateError(
                f"the saved state must have schema {SCHEMA}; received {schema!r}: it was "
                "saved by another version of this program; go on with that one, or delete "
                f"{' and '.join(self._keys)} to begin anew with what the broker holds"
            )
        return state

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


class Documents(NamedTuple):
    """What a deployment has kept; None for what there is not."""

    state: dict[str, Any] | None
    record: dict[str, Any] | None
    report: dict[str, Any] | None


class _Beside:
    """A document beside the state, of the same run; to lose it costs no start.

    Args:
        store: see `Store`.
        name: of the deployment.
        part: of what, a folder and the name of what it holds.
        what: in words, for messages.
        report: as in `StateStore`.
    """

    def __init__(
        self, store: Store, name: str, part: str, what: str, report: Callable[[str], Any]
    ) -> None:
        folder, _, last = name.rpartition("/")
        self._name = part.rstrip("/")
        self._documents = StateStore(store, f"{folder}/{part}{last}", report, _BESIDE)
        self._what = what
        self._report = report
        self._kept: dict[str, Any] | None = None

    def load(self, state: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What there is of a state's run; what cannot be used is reported."""
        try:
            found = self._documents.load()
        except StateError as problem:
            self._report(f"of {self._what}: {problem}")
            return None
        if state is None or found is None:
            return None
        if found["begun"] != state["begun"]:
            self._report(
                f"{self._what} is of the run begun at {found['begun']}, not of that of "
                f"{state['begun']}; it is left out"
            )
            return None
        return dict(found[self._name])

    def save(self, begun: str, document: Mapping[str, Any] | None) -> None:
        """Keep it, unless there is none or it has not changed."""
        if document is None:
            return
        whole = {"begun": begun, self._name: dict(document)}
        if whole != self._kept:
            self._documents.save(whole)
            self._kept = whole


class LiveState:
    """State, record and report of a deployment.

    Args:
        store: see `Store`.
        name: of the deployment, the head of its keys; the others' are like it.
        report: as in `StateStore`.
    """

    def __init__(self, store: Store, name: str, report: Callable[[str], Any]) -> None:
        self._state = StateStore(store, name, report, _STATES)
        earned, told = "what rules and candidates earned", "what the report shows"
        self._record = _Beside(store, name, RECORDS, earned, report)
        self._told = _Beside(store, name, REPORTS, told, report)

    def load(self) -> Documents:
        """What was kept.

        A record or a report that cannot be used, or is of another run than the state, counts as
        none and is reported.

        Raises:
            StateError: as `StateStore.load`, of the state.
        """
        state = self._state.load()
        return Documents(state, self._record.load(state), self._told.load(state))

    def save(
        self,
        state: Mapping[str, Any],
        record: Mapping[str, Any] | None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep them; when this returns they are on disk.

        Args:
            state: with the time when the run has begun, ``begun``.
            record: None if there is none; one that has not changed is not written again.
            report: likewise.

        Raises:
            ValueError: if JSON cannot say them.
            OSError: if the store refuses.
        """
        self._told.save(state["begun"], report)
        self._record.save(state["begun"], record)
        self._state.save(state)


def _from_4(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 4 did not have: refusals, trainings in a part of their own, who was promoted."""
    kept = {name: value for name, value in state.items() if name not in ("trained", "untrained")}
    models = state["models"]
    return kept | {
        "trainings": {"newest": state["trained"], "failed": state["untrained"]},
        "refusals": [],
        "models": None if models is None else {"promotions": [], **models},
    }


def _from_5(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 5 did not have: orders that were withdrawn."""
    return {**state, "outbox": {"withdrawn": [], **state["outbox"]}}


def _from_6(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 6 did not have: to which day a split belongs."""
    splits = {
        name: {time: [factor, None] for time, factor in told.items()}
        for name, told in state["bars"]["splits"].items()
    }
    return {**state, "bars": {**state["bars"], "splits": splits}}


def _from_7(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 7 did not have: what of history's splits the broker has told; the benchmark."""
    splits = {
        name: [
            {
                "time": time,
                "factor": factor,
                "day": day,
                "followed": False,
                "unclaimed": factor if day is None else 1.0,
                "is_part": False,
            }
            for time, (factor, day) in told.items()
        ]
        for name, told in state["bars"]["splits"].items()
    }
    return {**state, "bars": {**state["bars"], "splits": splits}, "benchmark": {}}


def _from_8(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 8 did not have: the days of dividends; scales that are no splits so far."""
    splits = {
        name: [{**one, "is_scale": False} for one in known]
        for name, known in state["bars"]["splits"].items()
    }
    return {
        **state,
        "account": {**state["account"], "paid": {}},
        "bars": {**state["bars"], "splits": splits},
    }


def _from_9(state: Mapping[str, Any]) -> dict[str, Any]:
    """What layout 9 did not have: what was filled lately."""
    return {**state, "account": {**state["account"], "fills": {}}}


_STATES: Mapping[int, BroughtUp] = {
    4: _from_4,
    5: _from_5,
    6: _from_6,
    7: _from_7,
    8: _from_8,
    9: _from_9,
}
_BESIDE: Mapping[int, BroughtUp] = {5: dict, 6: dict, 7: dict, 8: dict, 9: dict}


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
