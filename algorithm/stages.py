"""What the stages of LEAN's framework have in common here."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

Failed = Callable[[builtins.Exception], None]
"""Hears of a stage's exception, which then costs a decision; in LEAN it would end the process."""


def contained(work: Callable[[], Made], otherwise: Made, failed: Failed | None) -> Made:
    """What a stage's work gives.

    Args:
        work: of the stage.
        otherwise: what it gives if it fails and somebody hears of it.
        failed: hears of the exception; None lets it pass, as a backtest does.
    """
    if failed is None:
        return work()
    try:
        return work()
    except builtins.Exception as problem:
        failed(problem)
        return otherwise
