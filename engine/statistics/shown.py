"""Statistics as user code sees them: decimals are doubles, times are aware UTC."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.clock import aware_utc
from engine.common.decimals import to_double
from engine.common.naming import LeanObject
from engine.common.pairs import PairsDict


class Shown:
    """Read-only view of a trade or of statistics; missing names are answered by what it shows."""

    def __init__(self, exact: Any) -> None:
        self._exact = exact

    def __str__(self) -> str:
        return LeanObject.__str__(self._exact)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return shown(getattr(self._exact, name))


def shown(value: Any) -> Any:
    """A value of the statistics as user code sees it."""
    if isinstance(value, Decimal):
        return to_double(value)
    if isinstance(value, datetime):
        return aware_utc(value)
    if is_dataclass(value):
        return Shown(value)
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return PairsDict((key, shown(item)) for key, item in value.items())
    return value
