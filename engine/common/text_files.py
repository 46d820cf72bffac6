"""Reading text and CSV files of a data folder so that a damaged one is named."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path


def read_text(path: Path) -> str:
    """Text of a file.

    Raises:
        ValueError: if it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8: {error}") from None


def read_rows(path: Path, cells: int, layout: str) -> Iterator[tuple[str, list[str]]]:
    """Rows of a CSV file that are not blank.

    Args:
        path: the file.
        cells: how many each row must have at least.
        layout: what a row looks like, for messages.

    Yields:
        Where the row is, for messages, and its cells.

    Raises:
        ValueError: if the file is not UTF-8 or a row is too short.
    """
    reader = csv.reader(read_text(path).splitlines())
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        place = f"{path}, line {reader.line_num}"
        if len(row) < cells:
            raise ValueError(f"{place} must read {layout}; received {','.join(row)!r}")
        yield place, row
