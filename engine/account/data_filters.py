"""Filters of a security's data, as in LEAN: what of the feed is taken."""

from __future__ import annotations

from typing import Any

from engine.common.naming import LeanObject


class SecurityDataFilter(LeanObject):
    """Says which points of the feed a security takes: all. A subclass overrides ``filter``."""

    def filter(self, vehicle: Any, data: Any) -> bool:
        """Whether a security takes a point; prices are raw, and hours are not looked at yet."""
        return True


class EquityDataFilter(SecurityDataFilter):
    """The same for equities."""


ALL_DATA = EquityDataFilter()
"""What a security has by default."""
