"""The object store: files under a folder, with LEAN's rules for keys.

A key is a relative path. Each part may hold letters, digits, space and `_ # - $ =`; one dot is
allowed in the whole key, in the file's extension. Writes are atomic.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.common.durable import make_folders, replace_durably, sync_folder
from engine.common.enumerables import NetList
from engine.common.naming import LeanObject, RefusedProperty
from engine.common.net_exceptions import (
    ArgumentException,
    ArgumentNullException,
    KeyNotFoundException,
)
from engine.common.pairs import KeyValuePair
from engine.common.signatures import overloads

DEFAULT_MAX_BYTES = 10 * 1024**3
DEFAULT_MAX_FILES = 10_000
_PART = re.compile(r"[A-Za-z0-9 _#\-$=]+")
_FILE = re.compile(r"[A-Za-z0-9 _#\-$=]+(\.[A-Za-z0-9 _#\-$=]+)?")
_TEMPORARY = ".part-"


def check_key(key: str) -> str:
    """Return a key with forward slashes.

    Raises:
        ArgumentException: if the key breaks LEAN's rules.
    """
    if key is None:
        raise ArgumentNullException("Value cannot be null. (Parameter 'path')")
    if not isinstance(key, str):
        raise TypeError(f"object store key must be text; received {key!r}")
    parts = key.replace("\\", "/").strip("/").split("/")
    legal = all(_PART.fullmatch(part) for part in parts[:-1]) and _FILE.fullmatch(parts[-1])
    if not legal:
        raise ArgumentException(f"LocalObjectStore: path is not supported: '{key}'")
    return "/".join(parts)


def _encoding(encoding: Any) -> str:
    """Name of a text's encoding; None is UTF-8, as in LEAN."""
    return "utf-8" if encoding is None else str(encoding)


class ObjectStore(LeanObject):
    """Files by key under a folder.

    Args:
        root: the folder; created when something is saved.
        max_bytes: `save` refuses to let the store grow beyond this.
        max_files: likewise.
        durable: what is saved is on disk when `save` returns, also after a loss of power; for live
            runs, since it takes a few milliseconds.
    """

    error_raised: Any = RefusedProperty()

    def __init__(
        self,
        root: Path,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_files: int = DEFAULT_MAX_FILES,
        durable: bool = False,
    ) -> None:
        self._root = Path(root)
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._durable = durable

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*check_key(key).split("/"))

    def _make(self, folder: Path) -> None:
        if self._durable:
            make_folders(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)

    def _files(self) -> Iterator[Path]:
        if self._root.is_dir():
            for path in sorted(self._root.rglob("*")):
                if path.is_file() and not path.name.startswith("."):
                    yield path

    @property
    def keys(self) -> NetList[str]:
        """All keys."""
        return NetList(path.relative_to(self._root).as_posix() for path in self._files())

    def contains_key(self, path: str) -> bool:
        """True if something is saved under a key."""
        try:
            return self._path(path).is_file()
        except ArgumentNullException:
            raise
        except ArgumentException:  # only what is saved must keep to the rules
            return False

    def read_bytes(self, path: str) -> bytes:
        """Content of a key.

        Raises:
            KeyNotFoundException: if nothing is saved under it.
        """
        if not self.contains_key(path):
            raise KeyNotFoundException(
                f"Object with path '{path}' was not found in the current project. Please use "
                "ObjectStore.ContainsKey(key) to check if an object exists before attempting to "
                "read."
            )
        return self._path(path).read_bytes()

    def read(self, path: str, encoding: Any = None) -> str:
        """Text of a key.

        Raises:
            KeyNotFoundException: if nothing is saved under it.
        """
        return self.read_bytes(path).decode(_encoding(encoding))

    read_string = read

    def read_json(self, path: str) -> Any:
        """Object whose JSON is saved under a key.

        Raises:
            KeyNotFoundException: if nothing is saved under it.
        """
        return json.loads(self.read(path))

    def save_bytes(self, path: str, contents: bytes) -> bool:
        """Save; False if the store would exceed its limits.

        Raises:
            ArgumentException: if the key is illegal.
            ValueError: if the folder cannot be written.
        """
        file = self._path(path)
        contents = bytes(contents)
        others = [p for p in self._files() if p != file]
        if len(others) + 1 > self._max_files:
            return False
        if sum(p.stat().st_size for p in others) + len(contents) > self._max_bytes:
            return False
        try:
            self._make(file.parent)
            handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=file.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(contents)
                if self._durable:
                    replace_durably(Path(name), file)
                else:
                    os.replace(name, file)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ValueError(f"object store {self._root} cannot be written: {error}") from error
        return True

    @overloads("path: str", "path: str, text: str, encoding: Encoding = None")
    def save(self, path: str, text: str | None = None, encoding: Any = None) -> bool:
        """Save text. Without text: what was written to the key's file itself.

        Raises:
            ArgumentException: if the key is illegal, or without text if there is no such file.
        """
        if text is None:
            if not self.contains_key(path):
                where = self.get_file_path(path)
                raise ArgumentException(
                    f"There is no file associated with path {path} in '{where}'"
                )
            return True
        return self.save_bytes(path, text.encode(_encoding(encoding)))

    save_string = save

    def save_json(self, path: str, value: Any) -> bool:
        """Save an object as JSON."""
        return self.save(path, json.dumps(value))

    def delete(self, path: str) -> bool:
        """Delete a key; False if it does not exist."""
        file = self._path(path)
        if not file.is_file():
            return False
        file.unlink()
        if self._durable:
            sync_folder(file.parent)
        return True

    def get_file_path(self, path: str) -> str:
        """Path of a key's file; its folder exists afterwards, so that it can be written.

        Raises:
            ArgumentException: if the key is illegal.
            ValueError: if the folder cannot be made.
        """
        file = self._path(path)
        try:
            self._make(file.parent)
        except OSError as error:
            raise ValueError(f"object store {self._root} cannot be written: {error}") from error
        return str(file.resolve())

    def clear(self) -> None:
        """Forget what is in memory, as LEAN does: nothing here, and every key stays."""

    @property
    def max_size(self) -> int:
        """Bytes that may be saved."""
        return self._max_bytes

    @property
    def max_files(self) -> int:
        """Files that may be saved."""
        return self._max_files

    def __iter__(self) -> Iterator[Any]:
        return iter([KeyValuePair(key, self.read_bytes(key)) for key in self.keys])
