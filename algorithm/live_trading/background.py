"""Work beside trading: one piece at a time, on a thread of its own.

LEAN runs `train` callbacks on the thread of its scheduled events, one after the other: a training
there would hold up the sending of orders. So a callback only starts the work and returns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """At most one piece of work at a time.

    The thread is a daemon: a process that ends does not wait for it.
    """

    def __init__(self, name: str) -> None:
        """Build it, idle.

        Args:
            name: of the thread.
        """
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, work: Callable[[], None]) -> bool:
        """Begin a piece of work.

        Args:
            work: must not raise; nobody would hear of it.

        Returns:
            Whether it was begun: not while another is under way.
        """
        with self._lock:
            if self.running:
                return False
            self._thread = threading.Thread(target=work, name=self._name, daemon=True)
            self._thread.start()
            return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the work under way, if any.

        Args:
            seconds: at most; without end by default.

        Returns:
            Whether there is none any more.
        """
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)
        return not self.running
