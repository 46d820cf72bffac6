"""LEAN's `Compression`: zips in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Any

from engine.common.naming import LeanObject


class Compression(LeanObject):
    """Zips in memory; files are left to Python's `zipfile`."""

    @staticmethod
    def zip_bytes(bytes: Iterable[int], zip_entry_name: str) -> bytearray:
        """A zip of one file with a content of bytes, a list of numbers or Python's bytes."""
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zip_entry_name, bytearray(bytes))
        return bytearray(target.getvalue())

    @staticmethod
    def unzip_data(zip_data: Any, encoding: Any = None) -> dict[str, str]:
        """Texts of the files in a zip by their names, ASCII by default; none of what is no zip."""
        chosen = "ascii" if encoding is None else str(encoding)
        try:
            with zipfile.ZipFile(io.BytesIO(bytearray(zip_data))) as archive:
                names = archive.namelist()
                # What is not ASCII becomes a question mark, as in .NET.
                return {
                    name: archive.read(name).decode(chosen, "replace").replace("\ufffd", "?")
                    for name in names
                }
        except zipfile.BadZipFile:
            return {}
