"""What was learned, kept in an object store and checked before it is trusted again.

The store is passed in: LEAN's `object_store` or the local engine's, whose Python methods
`contains_key`, `read_bytes`, `save_bytes`, `delete` and `keys` are all that is used. An artifact is
a folder of `.npz` files (arrays only, nothing pickled) and a `manifest.json`, written last, with
the checksum of each. Its key is a hash of everything it depends on, so that a stale model is
simply never found; one that is found but broken is reported, set aside and not used.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from models.provenance import canonical_json, key_for, versions

SCHEMA = 4
"""Raise when the layout of artifacts or of the arrays in them changes; others are set aside."""

_ALLOWED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_-")
_MANIFEST_FIELDS = {
    "schema": int,
    "key": str,
    "depends": dict,
    "meta": dict,
    "data_end": str,
    "versions": dict,
    "parts": dict,
    "checksum": str,
}

Parts = Mapping[str, Mapping[str, np.ndarray]]


class Store(Protocol):
    """The part of LEAN's object store (its Python names) that artifacts need."""

    @property
    def keys(self) -> Any:
        """Keys held: a collection, or a method that returns one."""

    def contains_key(self, key: str, /) -> bool:
        """Whether the key is held."""

    def read_bytes(self, key: str, /) -> Any:
        """The bytes under a key; raises if it is missing."""

    def save_bytes(self, key: str, contents: Any, /) -> bool:
        """Keep bytes under a key; False if there is no room."""

    def delete(self, key: str, /) -> bool:
        """Forget a key."""


@dataclass(frozen=True)
class Artifact:
    """What `ArtifactStore.load` found.

    Attributes:
        parts: arrays by part and name, as saved.
        meta: small facts saved beside them (JSON values).
        data_end: time of the newest bar that anything in it was trained on.
        manifest: the whole manifest.
    """

    parts: dict[str, dict[str, np.ndarray]]
    meta: dict[str, Any]
    data_end: datetime
    manifest: dict[str, Any]


class _BrokenError(Exception):
    """Why an artifact cannot be used."""


class ArtifactStore:
    """Artifacts under one prefix of an object store.

    Args:
        store: see `Store`.
        prefix: first folder of every key; letters, digits, ``_ - /``.
        report: given one line whenever an artifact is set aside or cannot be used.
    """

    def __init__(
        self,
        store: Store,
        prefix: str = "mirage",
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._prefix = _legal("prefix", prefix)
        self._store = store
        self._report = report

    def contains(self, key: str) -> bool:
        """Whether an artifact of this key was saved completely."""
        return bool(self._store.contains_key(self._path(key, "manifest.json")))

    def save(
        self,
        key: str,
        parts: Parts,
        meta: Mapping[str, Any],
        *,
        depends: Mapping[str, Any],
        data_end: datetime | np.datetime64,
    ) -> None:
        """Keep an artifact, or leave nothing of it behind.

        Args:
            key: from `models.provenance.key_for(depends)`.
            parts: arrays by part (such as "forecaster") and name.
            meta: small facts as JSON can say them (random state, counters).
            depends: what the key was made of, kept for people to read.
            data_end: time of the newest bar that anything in it was trained on.

        Raises:
            ValueError: if the key is not that of `depends`, a name is not legal or an array
                holds objects.
            OSError: if the store refuses; what was already written is removed.
        """
        if key_for(depends) != key:
            raise ValueError(f"key must be the hash of what it depends on; received {key!r}")
        contents: dict[str, bytes] = {}
        about: dict[str, Any] = {}
        for part, arrays in parts.items():
            _legal("part", part)
            data = _pack(part, arrays)
            contents[self._path(key, f"{part}.npz")] = data
            about[part] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        manifest = {
            "schema": SCHEMA,
            "key": key,
            "depends": dict(depends),
            "meta": dict(meta),
            "data_end": _iso(data_end),
            "versions": versions(),
            "parts": about,
        }
        manifest["checksum"] = _checksum(manifest)
        # Last: an artifact without a manifest does not exist.
        contents[self._path(key, "manifest.json")] = canonical_json(manifest, indent=1).encode()
        self._forget(key)
        for path, data in contents.items():
            try:
                self._write(path, data)
            except OSError:
                self._forget(key)
                raise

    def load(self, key: str, not_after: datetime | np.datetime64) -> Artifact | None:
        """The artifact of a key, checked.

        Args:
            key: from `key_for`.
            not_after: the time from which trading is simulated or done: nothing trained on later
                bars may be used.

        Returns:
            The artifact; None if there is none, or if it is corrupt, truncated, edited or foreign
            (then it is reported and moved under ``<prefix>/quarantine/``).

        Raises:
            ValueError: if it was trained on bars later than `not_after`.
        """
        if not self.contains(key):
            return None
        try:
            artifact = self._read(key)
        except _BrokenError as error:
            self.set_aside(key, str(error))
            return None
        if np.datetime64(artifact.data_end) > np.datetime64(_iso(not_after)):
            raise ValueError(
                f"artifact {key} must be trained on data up to {_iso(not_after)} at most; "
                f"received one trained up to {_iso(artifact.data_end)}"
            )
        return artifact

    def set_aside(self, key: str, reason: str) -> None:
        """Report an artifact that cannot be used and move it under ``<prefix>/quarantine/``."""
        self._report(f"artifact {key} is set aside and will be trained again: {reason}")
        self._quarantine(key)

    def set_aside_other_forms(self) -> int:
        """Set aside every artifact that an earlier (or later) form of this module has written.

        Their keys are never asked for again, so without this they would lie there for ever.

        Returns:
            How many there were; they are reported in one line.
        """
        found: dict[str, Any] = {}
        for path in self._keys():
            folders = _slashed(path).split("/")
            if folders[-1] == "manifest.json" and "quarantine" not in folders:
                schema = self._schema(path)
                if schema not in (SCHEMA, None):
                    found[folders[-2]] = schema
        for key in found:
            self._quarantine(key)
        if found:
            forms = ", ".join(sorted(map(str, set(found.values()))))
            self._report(
                f"artifacts of another form (schema {forms}; this version reads {SCHEMA}) are set "
                f"aside under {self._prefix}/quarantine, {len(found)} in all; what they held is "
                "trained anew when it is needed"
            )
        return len(found)

    def check_writable(self) -> None:
        """Save something and delete it again, so that hours of training are not lost later.

        Raises:
            OSError: if the store refuses.
        """
        path = f"{self._prefix}/probe"
        self._write(path, b"probe")
        self._store.delete(path)

    def clear(self) -> int:
        """Delete everything under the prefix; returns how many keys that were."""
        found = self._keys()
        for path in found:
            self._store.delete(path)
        return len(found)

    # ------------------------------------------------------------------ reading

    def _read(self, key: str) -> Artifact:
        manifest = self._read_manifest(key)
        parts = {
            part: self._read_part(key, part, about) for part, about in manifest["parts"].items()
        }
        # Last, because all other checks say more closely what is wrong.
        if manifest["checksum"] != _checksum(manifest):
            raise _BrokenError("manifest does not match its checksum")
        return Artifact(
            parts, manifest["meta"], datetime.fromisoformat(manifest["data_end"]), manifest
        )

    def _read_manifest(self, key: str) -> dict[str, Any]:
        try:
            manifest = json.loads(self._bytes(self._path(key, "manifest.json")).decode())
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise _BrokenError(f"manifest is not JSON ({error})") from None
        if not isinstance(manifest, dict):
            raise _BrokenError("manifest is not a JSON object")
        for field, kind in _MANIFEST_FIELDS.items():
            # A manifest is input like any other: it may say anything.
            if not isinstance(manifest.get(field), kind):
                raise _BrokenError(f"manifest lacks {field} ({kind.__name__})")
        if manifest["schema"] != SCHEMA:
            raise _BrokenError(f"schema must be {SCHEMA}; received {manifest['schema']}")
        if manifest["key"] != key or key_for(manifest["depends"]) != key:
            raise _BrokenError("manifest belongs to another artifact")
        try:
            datetime.fromisoformat(manifest["data_end"])
        except ValueError:
            raise _BrokenError(f"data_end is no time: {manifest['data_end']!r}") from None
        return manifest

    def _schema(self, path: str) -> Any:
        """The schema that a manifest names; None if it is no manifest at all (`load` says why)."""
        try:
            manifest = json.loads(self._bytes(path).decode())
        except (_BrokenError, UnicodeDecodeError, json.JSONDecodeError):
            return None
        return manifest.get("schema") if isinstance(manifest, dict) else None

    def _read_part(self, key: str, part: str, about: Any) -> dict[str, np.ndarray]:
        try:
            path = self._path(key, f"{_legal('part', part)}.npz")
        except ValueError as error:
            raise _BrokenError(str(error)) from None
        if not self._store.contains_key(path):
            raise _BrokenError(f"{part} is missing")
        data = self._bytes(path)
        if not isinstance(about, dict) or about.get("bytes") != len(data):
            raise _BrokenError(f"{part} has {len(data)} bytes, not what the manifest says")
        if about.get("sha256") != hashlib.sha256(data).hexdigest():
            raise _BrokenError(f"{part} does not match its checksum")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise _BrokenError(f"{part} cannot be read ({error})") from None
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise _BrokenError(f"{part}/{name} holds NaN or infinity")
        return arrays

    # ------------------------------------------------------------------ the store

    def _path(self, key: str, name: str) -> str:
        return f"{self._prefix}/{_legal('key', key)}/{name}"

    def _write(self, path: str, data: bytes) -> None:
        try:
            kept = self._store.save_bytes(path, data)
        except Exception as error:
            raise OSError(f"object store could not write {path}: {error}") from error
        if kept is False:
            raise OSError(
                f"object store refused {path} ({len(data)} bytes): it is full or not writable"
            )

    def _bytes(self, path: str) -> bytes:
        try:
            return bytes(self._store.read_bytes(path))
        except Exception as error:
            raise _BrokenError(f"{path} cannot be read ({error})") from None

    def _keys(self, folder: str = "") -> list[str]:
        # LEAN's is a .NET collection, of which `callable` says nothing certain.
        keys = self._store.keys
        found = [str(path) for path in (keys() if inspect.ismethod(keys) else keys)]
        start = f"{self._prefix}/{folder}"
        return sorted(path for path in found if _slashed(path).startswith(start))

    def _forget(self, key: str) -> None:
        for path in self._keys(f"{key}/"):
            self._store.delete(path)

    def _quarantine(self, key: str) -> None:
        for path in self._keys(f"{key}/"):
            name = _slashed(path).split("/")[-1]
            try:
                self._write(f"{self._prefix}/quarantine/{key}/{name}", self._bytes(path))
            except (OSError, _BrokenError) as error:
                self._report(f"{path} cannot be kept in quarantine ({error}); it is deleted")
            self._store.delete(path)


def _pack(part: str, arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz of arrays, the same bytes for the same arrays (no clock in it)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name], order="C")
            if array.dtype.hasobject:
                raise ValueError(f"array {part}/{name} must hold numbers; received {array.dtype}")
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980-01-01
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def _checksum(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of all that a manifest says, but for the checksum itself."""
    said = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _legal(what: str, name: str) -> str:
    """LEAN allows one dot only, in the extension, and few other characters."""
    if not name or not set(name) <= _ALLOWED or name.startswith("/") or name.endswith("/"):
        raise ValueError(
            f"{what} must hold letters, digits, '_', '-' and inner '/' only; received {name!r}"
        )
    return name


def _slashed(path: str) -> str:
    """A listed key as it was saved: LEAN lists them with the separator of its system."""
    return path.replace("\\", "/").lstrip("/")


def _iso(time: datetime | np.datetime64) -> str:
    if isinstance(time, datetime):
        if time.tzinfo is not None:
            raise ValueError(f"time must have no time zone; received {time.isoformat()}")
        return time.isoformat()
    return str(time.astype("datetime64[us]"))
