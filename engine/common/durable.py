"""Files that a loss of power cannot take back once they are written."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk: what was made or moved in it stays."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, for good.

    Raises:
        OSError: if one cannot be made.
    """
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def replace_durably(part: Path, path: Path) -> None:
    """Move a written file to its place; both its content and its name are on disk afterwards.

    Raises:
        OSError: if it cannot be written.
    """
    with open(part, "rb+") as stream:
        os.fsync(stream.fileno())
    os.replace(part, path)
    sync_folder(path.parent)


def write_durably(path: Path, content: str) -> None:
    """Write a file of text as a whole: after a loss of power it is the one before or this one.

    Raises:
        OSError: if it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    part.write_text(content, encoding="utf-8")
    replace_durably(part, path)
