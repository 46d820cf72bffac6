"""Trainings of a live run: what is said of them, when one is tried again, and which was missed.

They run beside trading (`background`): the models of before decide meanwhile. Without models
nothing is traded, what is held is kept, and after several trainings that failed everything is sold.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from AlgorithmImports import *

from algorithm.times import from_text, said, to_text

SHOWN = "Models trained"
"""What the age of the models is shown under, beside LEAN's figures."""

TRAIN_AT = (8, 0)
"""New York time of a retraining, on the first trading day of its month or week."""

EARLY = timedelta(minutes=1)
"""By so much the algorithm's clock may be behind a scheduled event's time."""

FAILURES = 3
"""First trainings in a row that failed, after which everything is sold. Later ones are tried again
so often: the models of before trade on."""


class Trainings:
    """Keeps count of trainings."""

    def __init__(
        self,
        algorithm: QCAlgorithm,
        guard: threading.RLock,
        sell_all: Callable[[], None],
        save: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """Build it without models.

        Args:
            algorithm: that trades.
            guard: held while something changes.
            sell_all: lets the next open find nothing held.
            save: puts the state on disk.
            tell: takes one line of text.
        """
        self._algorithm = algorithm
        self._guard = guard
        self._sell_all = sell_all
        self._save = save
        self._tell = tell
        self._newest: datetime | None = None
        self._failed = 0

    def begun(self, deciding: bool) -> None:
        """Say that there are no models yet, where that is so.

        Args:
            deciding: whether there are models of before, which trade on.
        """
        if not deciding and not self._failed:
            self._tell(
                "there are no models yet: they are trained now, and nothing is traded until that "
                "is done"
            )
            since = f"{self._algorithm.time:%Y-%m-%d %H:%M:%S}"
            self._algorithm.set_runtime_statistic(SHOWN, f"not yet; in training since {since}")

    def done(self, begun: datetime, anew: bool) -> None:
        """Note that the models are those of a training.

        Args:
            begun: when it began.
            anew: whether they are others than before; not if no bar has come since.
        """
        with self._guard:
            self._newest, self._failed = begun, 0
            if anew:
                at = f"{begun:%Y-%m-%d %H:%M:%S}"
                self._tell(f"the training of {at} is done; its models trade from now on")
            self._save()

    def failed(self, problem: builtins.Exception, deciding: bool) -> None:
        """Note that a training failed; when it is tried again, and what is held until then.

        Args:
            problem: what ended it.
            deciding: whether there are models of before, which trade on.
        """
        with self._guard:
            self._failed += 1
            tried = f"training failed ({self._failed} in a row): {said(problem)}"
            if deciding and self._failed < FAILURES:
                what = "the models of before trade on; it is tried again at the next close"
            elif deciding:
                what = (
                    f"the models of {self._newest} trade on until the next month's or week's "
                    "training succeeds"
                )
            elif self._failed < FAILURES:
                what = (
                    "there are no models: nothing is traded, what is held is kept; it is tried "
                    "again at the next close"
                )
            else:
                what = (
                    "there are no models: everything is sold, and nothing is traded until a "
                    "training succeeds; it is tried again at every close"
                )
                self._sell_all()
            self._algorithm.error(f"{tried}; {what}")
            if not deciding:
                self._algorithm.set_runtime_statistic(SHOWN, "never: the training failed")
            self._save()

    def wanted(self, deciding: bool) -> bool:
        """Whether a training that failed is to be tried again now, at a close.

        Args:
            deciding: whether there are models of before.
        """
        return not deciding or 0 < self._failed < FAILURES

    def missed(self, symbol: Symbol, first_day: datetime) -> bool:
        """Whether the time of a retraining passed while nothing ran.

        Args:
            symbol: whose exchange hours count.
            first_day: midnight of the first day of the present month, or week.
        """
        hours = self._algorithm.securities[symbol].exchange.hours
        opens = hours.get_next_market_open(first_day - timedelta(seconds=1), False)
        hour, minute = TRAIN_AT
        due = opens.replace(hour=hour, minute=minute, second=0, microsecond=0)
        newest = self._newest
        missed = newest is not None and newest + EARLY < due <= self._algorithm.time
        if missed:
            self._tell(f"the training of {due} was missed while nothing ran, and comes now")
        return bool(missed)

    @property
    def lacking(self) -> str:
        """Why a close without models had no decision."""
        return "failed" if self._failed else "is not done yet"

    def show(self) -> None:
        """Beside LEAN's figures: how old the models are."""
        if self._newest is not None:
            self._algorithm.set_runtime_statistic(SHOWN, self._newest.isoformat())

    def to_state(self) -> dict[str, Any]:
        """What a restart has to bring back, as JSON."""
        return {"newest": to_text(self._newest), "failed": self._failed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Bring back what `to_state` gave."""
        self._newest, self._failed = from_text(state["newest"]), int(state["failed"])
