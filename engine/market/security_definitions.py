"""Other names of securities (CUSIP, FIGI, SEDOL, ISIN, CIK), from LEAN's security database."""

from __future__ import annotations

from pathlib import Path

from engine.common.text_files import read_text

KINDS = ("cusip", "composite_figi", "sedol", "isin", "cik")
"""Columns of the database after the first, which is the SID."""


class SecurityDefinitions:
    """`symbol-properties/security-database.csv` of a data folder, read when it is first asked.

    A folder without the file knows no other names, as in LEAN.
    """

    def __init__(self, data_folder: Path | None) -> None:
        self._folder = data_folder
        self._rows: list[dict[str, str]] | None = None

    @property
    def rows(self) -> list[dict[str, str]]:
        """Names by kind, the SID's text under `sid`; unknown ones are missing.

        Raises:
            ValueError: if a line has fewer than five columns.
        """
        if self._rows is None:
            self._rows = self._read()
        return self._rows

    def _read(self) -> list[dict[str, str]]:
        if self._folder is None:
            return []
        path = self._folder / "symbol-properties" / "security-database.csv"
        if not path.is_file():
            return []
        rows = []
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            cells = line.split(",")
            if len(cells) < len(KINDS):
                raise ValueError(
                    f"{path}, line {number}: must read SID,CUSIP,FIGI,SEDOL,ISIN[,CIK]; "
                    f"received {line!r}"
                )
            named = zip(("sid", *KINDS), cells, strict=False)
            rows.append({kind: cell for kind, cell in named if cell.strip()})
        return rows

    def of(self, sid: str) -> dict[str, str]:
        """Names of a SID's security, by kind."""
        return next((row for row in self.rows if row.get("sid") == sid), {})

    def sids(self, kind: str, name: str) -> list[str]:
        """SIDs of the securities that bear a name."""
        return [row["sid"] for row in self.rows if row.get(kind, "").upper() == name.upper()]
