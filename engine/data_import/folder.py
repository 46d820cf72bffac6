"""Writes into a data folder: atomically, only what changed, never over somebody else's files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

RECORD = "imported.json"
"""Lists what the import wrote, with SHA-256 sums; all else in the folder is somebody else's."""

Outcome = Literal["written", "unchanged", "kept"]


class DataFolder:
    """A LEAN data folder that may already hold other data (from `lean init`, say).

    A file is replaced only if an earlier import wrote it. Files that belong together (a symbol's
    bars, map and factor file) are put as one group: if one of them is foreign, all are left alone,
    because bars of one vendor and factors of another do not fit.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._recorded = self._read_record()
        self._sums: dict[str, str] = {}

    def put(self, files: Mapping[str, bytes]) -> Outcome:
        """Write one group of files, relative path to content.

        Returns:
            "unchanged" if all were there with this content, "kept" if a foreign file stands in one
            of their places (nothing is written then), else "written".
        """
        present = {path: _read(self.root / path) for path in files}
        foreign = [
            path
            for path, content in present.items()
            if content not in (None, files[path]) and path not in self._recorded
        ]
        if foreign:
            return "kept"
        self._sums |= {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
        stale = [path for path in files if present[path] != files[path]]
        for path in stale:
            write_atomically(self.root / path, files[path])
        return "written" if stale else "unchanged"

    def close(self, source: str, findings: Iterable[str]) -> None:
        """Write the record of this and earlier imports."""
        record = {
            "source": source,
            "findings": list(findings),
            "files": dict(sorted((self._recorded | self._sums).items())),
        }
        content = (json.dumps(record, indent=2) + "\n").encode()
        if _read(self.root / RECORD) != content:
            write_atomically(self.root / RECORD, content)

    def _read_record(self) -> dict[str, str]:
        content = _read(self.root / RECORD)
        if content is None:
            return {}
        try:
            files = json.loads(content)["files"]
            return {str(path): str(digest) for path, digest in files.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self.root / RECORD} must be the JSON record of an earlier import; it is not "
                f"({error}). Delete it, and the files of that import with it, then import again."
            ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader or a crash never meets half of it.

    Raises:
        ValueError: if the place cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
