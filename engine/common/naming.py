"""LEAN's PascalCase names in the snake_case of its Python API."""

import re
from functools import lru_cache

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """Convert `SetStartDate` to `set_start_date`; snake_case names stay."""
    if not name[:1].isupper():
        return name
    return _BOUNDARY.sub("_", name).lower()
