"""Outside series that features may need beside bars: where they come from, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from AlgorithmImports import *

from algorithm.bars import BarBook
from models.market.macro import RATE, VIX, WTI

FRED_SERIES = {VIX: "VIXCLS", WTI: "DCOILWTICO"}
"""Outside series that come from FRED, and what they are called there; the rate is LEAN's own."""

LEAD = timedelta(days=30)
"""Before the first bar, from which on outside series are listened to: longer than any of their
values may be old (`models.market.macro.PUBLICATION`)."""


class OutsideSeries:
    """Keeps what is told of outside series beside the bars.

    Attributes:
        lead: by which a warm-up begins before the first bar that is wanted: what is known there was
            told before it.
    """

    def __init__(self, algorithm: QCAlgorithm, wanted: Sequence[str], bars: BarBook) -> None:
        """Subscribe to what is wanted; in `initialize`.

        Args:
            algorithm: that subscribes.
            wanted: names, of `models.market.macro.MACRO`.
            bars: where the values are kept.

        Raises:
            ValueError: for FRED's series in live trading, which LEAN does not feed there.
        """
        told = [name for name in wanted if name in FRED_SERIES]
        if told and algorithm.live_mode:
            raise ValueError(
                f"parameter features must not name {', '.join(told)} in live trading: LEAN has no "
                f"live feed of FRED's series; received {', '.join(wanted)} among the features"
            )
        self._algorithm = algorithm
        self._bars = bars
        self._rate = RATE in wanted
        self._symbols = {
            name: algorithm.add_data(Fred, FRED_SERIES[name], Resolution.DAILY).symbol
            for name in told
        }
        self.lead = LEAD if wanted else timedelta(0)

    def take(self, data: Slice) -> None:
        """Keep what a slice tells."""
        for name, symbol in self._symbols.items():
            if data.contains_key(symbol):
                point = data.get(Fred, symbol)
                self._bars.add_macro(name, point.time.date(), float(point.value))
        self.look_up([self._algorithm.time])

    def look_up(self, times: Iterable[datetime]) -> None:
        """Keep what LEAN itself knows of some times: the interest rate."""
        if self._rate:
            model = self._algorithm.risk_free_interest_rate_model
            for time in times:
                rate = model.get_interest_rate(time)
                self._bars.add_macro(RATE, time.date(), 100.0 * rate)
