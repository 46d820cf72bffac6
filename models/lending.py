"""What takes seconds to make and is used again and again: lent to one thread at a time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Lent = TypeVar("Lent")

KEPT = 8
"""Makes that are kept; the one that was not asked for longest goes first."""


class Lender(Generic[Lent]):
    """One thing for each make (compiled updates, say), for all that need it in this process.

    What a thing holds is whoever's borrowed it last: put in what is needed at first, take out what
    was found before the end.

    Args:
        make: from what describes a make to a new thing; called when it is first asked for.
    """

    def __init__(self, make: Callable[..., Lent]) -> None:
        self._lock = threading.Lock()

        @functools.lru_cache(maxsize=KEPT)
        def made(*arguments: Hashable) -> tuple[Lent, threading.Lock]:
            return make(*arguments), threading.Lock()

        self._made = made

    @contextmanager
    def borrow(self, *arguments: Hashable) -> Iterator[Lent]:
        """The thing of a make, for this thread alone until it is given back."""
        with self._lock:
            thing, lock = self._made(*arguments)
        with lock:
            yield thing
