# ruff: noqa: N818 - the names are .NET's
""".NET's exceptions under their own names, as `except` and `type(e).__name__` meet them.

Each is also the built-in error that means the same, so that either can be caught.
"""

from __future__ import annotations


class NetException(Exception):
    """Base of the exceptions that LEAN's C# code raises."""

    def __str__(self) -> str:
        # KeyError would quote its message.
        return str(self.args[0]) if self.args else ""

    @property
    def message(self) -> str:
        """What went wrong."""
        return str(self)


class KeyNotFoundException(NetException, KeyError):
    """A key that is not there."""


class ArgumentException(NetException, ValueError):
    """An argument that a call does not take."""


class ArgumentNullException(ArgumentException):
    """None where a value is needed."""


class ArgumentOutOfRangeException(ArgumentException):
    """An argument outside its range."""


class InvalidOperationException(NetException, RuntimeError, ValueError):
    """A call that the object's state does not allow."""


class InvalidCastException(NetException, TypeError):
    """A value of another kind than asked for."""


class NotSupportedException(NetException, TypeError):
    """A call that LEAN itself does not support."""


class DuplicateNameException(NetException, ValueError):
    """A name that is taken."""


class RegressionTestException(NetException):
    """What LEAN's own tests of algorithms raise."""


class FormatException(NetException, ValueError):
    """A text that cannot be read."""
