"""Notifications: in a backtest LEAN sends none and says so."""

from __future__ import annotations

from typing import Any

from engine.common.naming import LeanObject, RefusedProperty


class NotificationManager(LeanObject):
    """What `self.notify` is: each call answers False in a backtest, as in LEAN.

    Args:
        live_mode: whether messages would have to be sent, which this engine cannot.
    """

    messages: Any = RefusedProperty()

    def __init__(self, live_mode: bool) -> None:
        self._live = live_mode

    def _send(self, call: str) -> bool:
        if self._live:
            raise NotImplementedError(
                f"notify.{call} in live trading: this engine sends no messages; use self.log"
            )
        return False

    def email(
        self, address: str, subject: str, message: str, data: str = "", headers: Any = None
    ) -> bool:
        """Send an email.

        Raises:
            NotImplementedError: in live trading, as all calls here.
        """
        return self._send("email")

    def sms(self, phone_number: str, message: str) -> bool:
        """Send a text message."""
        return self._send("sms")

    def web(self, address: str, data: Any = None, headers: Any = None) -> bool:
        """Post to an address."""
        return self._send("web")

    def telegram(self, id: str, message: str, token: str | None = None) -> bool:
        """Send a Telegram message."""
        return self._send("telegram")

    def ftp(
        self,
        hostname: str,
        username: str,
        password: str,
        file_path: str,
        file_content: Any,
        port: int | None = None,
    ) -> bool:
        """Upload a file."""
        return self._send("ftp")

    def sftp(
        self,
        hostname: str,
        username: str,
        password: str = "",
        file_path: str = "",
        file_content: Any = None,
        port: int | None = None,
        *,
        private_key: str = "",
        private_key_passphrase: str = "",
    ) -> bool:
        """Upload a file by ssh."""
        return self._send("sftp")
