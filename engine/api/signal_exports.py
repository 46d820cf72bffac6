"""Signal exports: targets that LEAN sends to other sites, in live trading only.

In a backtest LEAN says once that nothing is sent; so does the engine. It sends nothing in live
trading either, and refuses there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.common.naming import LeanObject, RefusedProperty
from engine.common.net_exceptions import ArgumentException


class _SignalExport(LeanObject):
    """Somewhere to send targets to."""


class Collective2SignalExport(_SignalExport):
    """Collective2's site."""

    destination: Any = RefusedProperty()

    def __init__(self, api_key: str, system_id: int, use_white_label_api: bool = False) -> None:
        self.name = "Collective2"


class CrunchDAOSignalExport(_SignalExport):
    """CrunchDAO's site."""

    def __init__(
        self, api_key: str, model: str, submission_name: str = "", comment: str = ""
    ) -> None:
        self.name = "CrunchDAO"


class NumeraiSignalExport(_SignalExport):
    """Numerai's site."""

    def __init__(
        self, public_id: str, secret_id: str, model_id: str, file_name: str = "predictions.csv"
    ) -> None:
        self.name = "Numerai"


class VBaseSignalExport(_SignalExport):
    """vBase's site.

    Raises:
        ArgumentException: without a key or a name.
    """

    def __init__(
        self,
        api_key: str,
        collection_name: str,
        store_stamped_file: bool = True,
        idempotent: bool = False,
    ) -> None:
        for given, what in ((api_key, "API key"), (collection_name, "collection name")):
            if not (given or "").strip():
                raise ArgumentException(f"vBaseSignalExport: {what} not provided")
        self.name = "vBase"


class SignalExportManager(LeanObject):
    """LEAN's `self.signal_export`.

    Attributes:
        automatic_export_time_span: how long after the last order LEAN sends the portfolio itself;
            None for never.
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._has_told = False
        self.automatic_export_time_span: timedelta | None = timedelta(seconds=5)

    def add_signal_export_provider(self, signal_export: Any) -> None:
        """Add a site.

        Raises:
            NotImplementedError: in live trading.
        """
        self._refuse_live()

    def add_signal_export_providers(self, *sites: Any, signal_exports: Any = ()) -> None:
        """Add sites.

        Raises:
            NotImplementedError: in live trading.
        """
        self._refuse_live()

    def set_target_portfolio(self, *portfolio_targets: Any) -> bool:
        """Send targets: in a backtest they go nowhere, and that is a success.

        Raises:
            NotImplementedError: in live trading.
        """
        self._refuse_live()
        if not self._has_told:
            self._has_told = True
            self._algorithm.debug("Portfolio targets are only sent in live mode")
        return True

    def set_target_portfolio_from_portfolio(self) -> bool:
        """Send the portfolio's weights: as `set_target_portfolio`; False of a worthless one."""
        if self._algorithm.portfolio.total_portfolio_value_exact <= 0:
            self._algorithm.error("Total portfolio value was less than or equal to 0")
            return False
        return self.set_target_portfolio()

    def _refuse_live(self) -> None:
        if self._algorithm.live_mode:
            raise NotImplementedError(
                "signal exports in live trading: the engine sends nothing; use LEAN itself"
            )
