"""The bar contract: what every model, simulator and observation is given.

A `History` is one symbol's daily (or other equally spaced) bars, oldest first, checked once when
it is built, so that nothing behind it needs to ask again whether prices are positive or sorted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.arrays import column, read_only
from models.market.macro import MacroValues

BAR_FIELDS = ("open", "high", "low", "close", "volume")
"""Columns of a bar array, in this order everywhere."""

OPEN, HIGH, LOW, CLOSE, VOLUME = range(len(BAR_FIELDS))
MAX_GAP_DAYS = 10


@dataclass(frozen=True)
class History:
    """Valid bars of one symbol.

    Attributes:
        symbol: ticker, used in error messages.
        time: shape (T,), datetime64[ns], strictly increasing: when each bar was complete (its
            date, or its end).
        bars: shape (T, 5), float64, columns `BAR_FIELDS`: prices in currency (> 0,
            low <= open, close <= high), volume in shares (> 0).
        max_gap_days: longest allowed distance between neighbouring bars, calendar days.
        macro: what was known of outside series at each bar, T of them; None where nothing is.

    Raises:
        ValueError: naming the symbol, the field, the rule, the value and the date.
    """

    symbol: str
    time: np.ndarray
    bars: np.ndarray
    max_gap_days: float = MAX_GAP_DAYS
    macro: MacroValues | None = None

    def __post_init__(self) -> None:
        time = read_only(self.time, "datetime64[ns]")
        bars = read_only(self.bars, np.float64)
        if bars.ndim != 2 or bars.shape[1] != len(BAR_FIELDS):
            raise ValueError(
                f"{self.symbol}: bars must have shape (T, {len(BAR_FIELDS)}); received {bars.shape}"
            )
        if time.shape != (len(bars),):
            raise ValueError(
                f"{self.symbol}: time must have one entry for each of the {len(bars)} bars; "
                f"received shape {time.shape}"
            )
        _check_time(self.symbol, time, self.max_gap_days)
        _check_bars(self.symbol, time, bars)
        if self.macro is not None and len(self.macro) != len(bars):
            raise ValueError(
                f"{self.symbol}: macro must have one entry for each of the {len(bars)} bars; "
                f"received {len(self.macro)}"
            )
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "bars", bars)

    @classmethod
    def from_frame(
        cls, symbol: str, frame: pd.DataFrame, *, max_gap_days: float = MAX_GAP_DAYS
    ) -> History:
        """Bars from a data frame indexed by time.

        Args:
            symbol: ticker.
            frame: columns `BAR_FIELDS` (any letter case; others are ignored), index of
                timestamps; a time zone is dropped (local wall time is kept).
            max_gap_days: see `History`.

        Raises:
            ValueError: if a column is missing, the index holds no timestamps, or a bar is
                invalid.
        """
        columns = {str(name).lower(): name for name in frame.columns}
        missing = [name for name in BAR_FIELDS if name not in columns]
        if missing:
            raise ValueError(
                f"{symbol}: frame must have the columns {', '.join(BAR_FIELDS)}; "
                f"{', '.join(missing)} missing"
            )
        index = frame.index
        if not isinstance(index, pd.DatetimeIndex):
            raise ValueError(
                f"{symbol}: frame must be indexed by timestamps; received {type(index).__name__}"
            )
        if index.tz is not None:
            index = index.tz_localize(None)
        bars = frame[[columns[name] for name in BAR_FIELDS]].to_numpy(dtype=np.float64)
        return cls(symbol, index.to_numpy(dtype="datetime64[ns]"), bars, max_gap_days)

    def __len__(self) -> int:
        return len(self.bars)

    @property
    def close(self) -> np.ndarray:
        """Closing prices, shape (T,)."""
        return column(self.bars, CLOSE)

    @property
    def log_returns(self) -> np.ndarray:
        """Close-to-close log returns, shape (T,); row 0 is NaN."""
        result = np.full(len(self), np.nan)
        result[1:] = np.diff(np.log(self.close))
        return result

    @property
    def data_end(self) -> np.datetime64:
        """When the newest bar was complete."""
        return self.time[-1]

    def tail(self, n: int) -> History:
        """The newest n bars (all of them if there are fewer)."""
        if n < 1:
            raise ValueError(f"{self.symbol}: tail must keep at least 1 bar; received {n}")
        return self._part(slice(-n, None))

    def until(self, time: np.datetime64) -> History:
        """The bars complete at or before a time."""
        count = int(np.searchsorted(self.time, np.datetime64(time, "ns"), side="right"))
        return self._part(slice(0, count))

    def beside(self, macro: MacroValues | None) -> History:
        """The same bars beside other macro values, or none."""
        return replace(self, macro=macro)

    def _part(self, bars: slice) -> History:
        macro = None if self.macro is None else self.macro.part(bars)
        return replace(self, time=self.time[bars], bars=self.bars[bars], macro=macro)

    def require(self, n_bars: int) -> History:
        """The same history, if it is long enough.

        Raises:
            ValueError: if it has fewer than `n_bars` bars.
        """
        if len(self) < n_bars:
            span = f", {_day(self.time[0])} to {_day(self.time[-1])}" if len(self) else ""
            raise ValueError(
                f"{self.symbol}: history must have at least {n_bars} bars; "
                f"received {len(self)}{span}"
            )
        return self

    def fingerprint(self) -> str:
        """SHA-256 of symbol, times, bars and macro values: changes when any of them does."""
        digest = hashlib.sha256(self.symbol.encode())
        digest.update(self.time.astype("<i8").tobytes())
        digest.update(self.bars.astype("<f8").tobytes())
        if self.macro is not None:
            digest.update(",".join(self.macro.series).encode())
            digest.update(self.macro.values.astype("<f8").tobytes())
        return digest.hexdigest()


def _day(time: np.datetime64) -> str:
    text = str(time.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _check_time(symbol: str, time: np.ndarray, max_gap_days: float) -> None:
    if not max_gap_days > 0:
        raise ValueError(f"{symbol}: max_gap_days must be > 0; received {max_gap_days}")
    if np.isnat(time).any():
        row = int(np.isnat(time).argmax())
        raise ValueError(f"{symbol}: time must be a timestamp; received NaT in row {row}")
    steps = np.diff(time)
    zero = np.timedelta64(0, "ns")
    if (steps < zero).any():
        row = int((steps < zero).argmax())
        raise ValueError(
            f"{symbol}: time must be sorted, oldest first; "
            f"received {_day(time[row])} before {_day(time[row + 1])}"
        )
    if (steps == zero).any():
        row = int((steps == zero).argmax())
        raise ValueError(f"{symbol}: time must be unique; received {_day(time[row])} twice")
    days = steps / np.timedelta64(1, "D")
    if (days > max_gap_days).any():
        row = int((days > max_gap_days).argmax())
        raise ValueError(
            f"{symbol}: time must have no gap longer than {max_gap_days:g} days; received "
            f"{days[row]:g} days from {_day(time[row])} to {_day(time[row + 1])}"
        )


def _check_bars(symbol: str, time: np.ndarray, bars: np.ndarray) -> None:
    for place, name in enumerate(BAR_FIELDS):
        values = bars[:, place]
        for broken, rule in ((~np.isfinite(values), "be finite"), (values <= 0, "be > 0")):
            if broken.any():
                row = int(broken.argmax())
                raise ValueError(
                    f"{symbol}: {name} must {rule}; received {values[row]} on {_day(time[row])}"
                )
    for bound, other in ((HIGH, OPEN), (HIGH, CLOSE), (HIGH, LOW), (LOW, OPEN), (LOW, CLOSE)):
        above = bound == HIGH
        broken = bars[:, bound] < bars[:, other] if above else bars[:, bound] > bars[:, other]
        if broken.any():
            row = int(broken.argmax())
            raise ValueError(
                f"{symbol}: {BAR_FIELDS[bound]} must be {'>=' if above else '<='} "
                f"{BAR_FIELDS[other]}; received {bars[row, bound]} and {bars[row, other]} "
                f"on {_day(time[row])}"
            )
