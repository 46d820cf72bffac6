"""Risk-free rates: the Federal Reserve's primary credit rate from LEAN's data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from engine.common.decimals import to_decimal, to_double
from engine.common.naming import LeanObject
from engine.common.text_files import read_rows
from engine.statistics.formatting import mean

DEFAULT_RATE = Decimal("0.01")
FIRST_DATE = date(1998, 1, 1)
RELATIVE_PATH = Path("alternative") / "interest-rate" / "usa" / "interest-rate.csv"
_LAYOUT = "yyyy-MM-dd,percent"


class InterestRates:
    """Annual risk-free rate per day; a day without an entry takes the latest earlier one."""

    def __init__(self, entries: dict[date, Decimal] | None = None):
        """Take announced rates as fractions (0.05 for 5 %) by date; none means 1 % always."""
        self._entries = dict(entries or {})
        self._days = sorted(day for day in self._entries if day >= FIRST_DATE)
        self._before = next(iter(self._entries.values()), DEFAULT_RATE)
        self._cache: dict[date, Decimal] = {}

    @classmethod
    def load(cls, data_folder: Path) -> InterestRates:
        """Read ``alternative/interest-rate/usa/interest-rate.csv``; 1 % if it is not there.

        Raises:
            ValueError: if a row is not ``yyyy-MM-dd,percent``.
        """
        path = Path(data_folder) / RELATIVE_PATH
        if not path.exists():
            return cls()
        entries: dict[date, Decimal] = {}
        for place, row in list(read_rows(path, 1, _LAYOUT))[1:]:
            try:
                day = datetime.strptime(row[0], "%Y-%m-%d").date()
                rate = Decimal(row[1])
            except (ValueError, IndexError, InvalidOperation):
                rate = Decimal("NaN")
            if not rate.is_finite():
                raise ValueError(f"{place} must read {_LAYOUT}; received {','.join(row)!r}")
            entries[day] = rate / 100
        return cls(entries)

    def rate(self, day: date) -> Decimal:
        """Return the annual rate on a day, as a fraction."""
        if isinstance(day, datetime):
            day = day.date()
        found = self._cache.get(day)
        if found is None:
            found = self._cache[day] = self._find(day)
        return found

    def _find(self, day: date) -> Decimal:
        if day in self._entries:
            return self._entries[day]
        day = max(day, FIRST_DATE)
        low, high = 0, len(self._days)
        while low < high:
            middle = (low + high) // 2
            if self._days[middle] <= day:
                low = middle + 1
            else:
                high = middle
        return self._entries[self._days[low - 1]] if low else self._before

    def average(self, days: Iterable[date]) -> Decimal:
        """Return the mean rate over samples; a day sampled twice counts twice."""
        return mean([self.rate(day) for day in days])


class InterestRateProvider(LeanObject):
    """LEAN's default model of the risk-free rate: the data folder's."""

    def __init__(self, rates: InterestRates) -> None:
        self._rates = rates

    def get_interest_rate(self, date: date) -> float:
        """Annual rate on a day, as a fraction; without an entry the latest earlier one."""
        return to_double(self._rates.rate(date))


class ConstantRiskFreeRateInterestRateModel(LeanObject):
    """The same risk-free rate always, a fraction."""

    def __init__(self, risk_free_rate: Any) -> None:
        self._rate = to_decimal(risk_free_rate)

    def get_interest_rate(self, date: date) -> float:
        """The rate."""
        return to_double(self._rate)


class FuncRiskFreeRateInterestRateModel(LeanObject):
    """The risk-free rate, a fraction, as a function of the time."""

    def __init__(self, get_interest_rate_func: Callable[[datetime], Any]) -> None:
        self._function = get_interest_rate_func

    def get_interest_rate(self, date: datetime) -> float:
        """The function's rate."""
        return to_double(to_decimal(self._function(date)))


class ModelRates:
    """Rates of a model: anything with ``get_interest_rate(date)``."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def average(self, days: Iterable[date]) -> Decimal:
        """Return the mean rate over samples; a day sampled twice counts twice."""
        return mean([to_decimal(self._model.get_interest_rate(day)) for day in days])
