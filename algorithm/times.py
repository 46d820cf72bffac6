"""Times as JSON can say them, and exceptions as a log can."""

from __future__ import annotations

from datetime import datetime


def to_text(time: datetime | None) -> str | None:
    """A time, or that there is none, as JSON has it."""
    return None if time is None else time.isoformat()


def from_text(text: str | None) -> datetime | None:
    """What `to_text` said."""
    return None if text is None else datetime.fromisoformat(text)


def said(problem: Exception) -> str:
    """An exception in a line."""
    return f"{type(problem).__name__}: {problem}"
