"""Where the data of the run in progress lie, for what reads files of its own accord."""

from pathlib import Path

_folder: list[Path] = []


def set_data_folder(folder: Path | None) -> None:
    """Make a folder the one of the run in progress; None after it."""
    _folder[:] = [] if folder is None else [folder]


def data_folder() -> Path:
    """The folder of the run in progress.

    Raises:
        RuntimeError: if there is none.
    """
    if not _folder:
        raise RuntimeError("the data folder is known while an algorithm runs only")
    return _folder[0]
