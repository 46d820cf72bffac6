"""Where data are: the sources of lines, and LEAN's names of files in a data folder."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.clock import midnight
from engine.common.data_folder import data_folder
from engine.common.decimals import ZERO
from engine.common.enums import (
    FileFormat,
    Resolution,
    SecurityType,
    SubscriptionTransportMedium,
    TickType,
)
from engine.common.naming import LeanObject

_SCALE = Decimal("0.0001")
_HERE = (SecurityType.EQUITY, SecurityType.BASE)


class SubscriptionDataSource(LeanObject):
    """Where the lines of custom data are.

    Args:
        source: path or key; without a medium a web address counts as remote.
        transport_medium: local files and the object store are read.
        format: lines of text are read.
        headers: of web requests.

    Attributes:
        sort: the lines are not in the order of their times.
    """

    def __init__(
        self,
        source: str,
        transport_medium: Any = None,
        format: Any = None,  # LEAN's argument name
        headers: Any = None,
    ) -> None:
        if transport_medium is None:
            remote = source.lower().startswith(("http://", "https://", "ftp://"))
            mediums = SubscriptionTransportMedium
            transport_medium = mediums.REMOTE_FILE if remote else mediums.LOCAL_FILE
        self.source = source
        self.transport_medium = transport_medium
        self.format = FileFormat.CSV if format is None else format
        self.headers = headers or []
        self.sort = False

    def key(self) -> tuple[Any, ...]:
        """What tells two sources apart."""
        return self.source, self.transport_medium, self.format


def _is_long(resolution: Resolution) -> bool:
    """Whether a file has all days of a security."""
    return resolution in (Resolution.HOUR, Resolution.DAILY)


def _security_type(symbol: Any) -> str:
    """The name in paths.

    Raises:
        NotImplementedError: for what is neither an equity nor custom data.
    """
    kind = SecurityType(symbol.security_type)
    if kind not in _HERE:
        raise NotImplementedError(
            f"LeanData of {kind}: the engine has paths of equities and custom data"
        )
    return kind.name.lower()


def _folder(kind: str, market: str, resolution: Resolution, ticker: str) -> str:
    """Folder of a zip; files of a day lie in one of their ticker."""
    parts = [kind, market.lower(), Resolution(resolution).name.lower()]
    if not _is_long(resolution):
        parts.append(ticker.lower())
    return os.path.join(*parts)


class LeanData(LeanObject):
    """Paths in a data folder, for equities and custom data, and what goes with them.

    Most calls take ``(symbol, date, resolution, tick type)``; LEAN's others name a ticker, its
    kind and, for paths, its market instead of a symbol.
    """

    @staticmethod
    def generate_zip_file_name(
        symbol: Any,
        date: Any = None,
        resolution: Any = None,
        tick_type: Any = None,
        *rest: Any,
        security_type: Any = None,
    ) -> str:
        """Name of a zip; also ``(ticker, security_type, date, resolution[, tick_type])``."""
        if not isinstance(symbol, str):
            _security_type(symbol)
            ticker = symbol.value
        else:
            ticker = symbol
            if security_type is None:
                date, resolution, tick_type = (resolution, tick_type, *rest, None)[:3]
        if _is_long(resolution):
            return f"{ticker.lower()}.zip"
        kind = TickType.TRADE if tick_type is None else TickType(tick_type)
        return f"{date:%Y%m%d}_{kind.name.lower()}.zip"

    @staticmethod
    def generate_zip_entry_name(
        symbol: Any, date: datetime, resolution: Resolution, tick_type: TickType
    ) -> str:
        """Name of the file in a zip."""
        _security_type(symbol)
        ticker, span = symbol.value.lower(), Resolution(resolution)
        if _is_long(span):
            return f"{ticker}.csv"
        kind = TickType(tick_type)
        if span == Resolution.TICK and symbol.security_type == SecurityType.EQUITY:
            return f"{date:%Y%m%d}_{ticker}_{kind.net_name}_{span.net_name}.csv"
        return f"{date:%Y%m%d}_{ticker}_{span.name.lower()}_{kind.name.lower()}.csv"

    @staticmethod
    def generate_relative_zip_file_directory(symbol: Any, resolution: Resolution) -> str:
        """Folder of a zip within the data folder."""
        return _folder(_security_type(symbol), symbol.id.market, resolution, symbol.value)

    @staticmethod
    def generate_relative_zip_file_path(
        symbol: Any,
        date: Any = None,
        resolution: Any = None,
        tick_type: Any = None,
        *rest: Any,
        security_type: Any = None,
        market: Any = None,
    ) -> str:
        """Path in the data folder; also ``(ticker, security_type, market, date, resolution)``."""
        if not isinstance(symbol, str):
            folder = LeanData.generate_relative_zip_file_directory(symbol, resolution)
            name = LeanData.generate_zip_file_name(symbol, date, resolution, tick_type)
            return os.path.join(folder, name)
        if security_type is None:
            security_type, market, date, resolution = (date, resolution, tick_type, *rest)
        folder = _folder(SecurityType(security_type).name.lower(), market, resolution, symbol)
        name = LeanData.generate_zip_file_name(symbol, security_type, date, resolution)
        return os.path.join(folder, name)

    @staticmethod
    def generate_zip_file_path(
        data_directory: str,
        symbol: Any,
        date: Any = None,
        resolution: Any = None,
        tick_type: Any = None,
        *rest: Any,
        security_type: Any = None,
        market: Any = None,
    ) -> str:
        """Path of a zip below a folder; the arguments are those of the relative path."""
        path = LeanData.generate_relative_zip_file_path(
            symbol, date, resolution, tick_type, *rest, security_type=security_type, market=market
        )
        return os.path.join(str(data_directory), path)

    @staticmethod
    def get_common_tick_type(security_type: SecurityType) -> TickType:
        """The kind of data that a kind of security has before all."""
        quoted = (SecurityType.FOREX, SecurityType.CFD, SecurityType.CRYPTO)
        return TickType.QUOTE if security_type in quoted else TickType.TRADE


class TradeLines:
    """How bars of trades are read from LEAN's files; a part of `TradeBar`."""

    def get_source(self, config: Any, date: datetime, is_live_mode: bool) -> SubscriptionDataSource:
        """The zip of a day; in live trading the bars are streamed."""
        if is_live_mode:
            return SubscriptionDataSource("", SubscriptionTransportMedium.STREAMING)
        path = LeanData.generate_zip_file_path(
            str(data_folder()), config.symbol, date, config.resolution, config.tick_type
        )
        return SubscriptionDataSource(path, SubscriptionTransportMedium.LOCAL_FILE)

    def reader(self, config: Any, line: str, date: datetime, is_live_mode: bool) -> Any:
        """A bar of a line; an empty one if it cannot be read."""
        try:
            return type(self).parse(config, line, date)
        except (ValueError, ArithmeticError, IndexError):
            return type(self)._empty(config)

    @classmethod
    def parse(cls, config: Any, line: str, base_date: datetime) -> Any:
        """A bar of a line of an equity's file.

        Raises:
            NotImplementedError: for other kinds of securities.
            ValueError: if it cannot be read.
        """
        _security_type(config.symbol)
        return cls.parse_equity(config, line, base_date)

    @classmethod
    def parse_equity(cls, config: Any, line: str, date: datetime) -> Any:
        """A bar of a line of an equity's file: time, prices in ten-thousandths, volume.

        Times are days with hours, or milliseconds of the date.

        Raises:
            ValueError: if the line cannot be read.
        """
        bar = cls._empty(config)
        fields = line.split(",")
        if _is_long(config.resolution):
            bar.time = datetime.strptime(fields[0], "%Y%m%d %H:%M")
        else:
            bar.time = midnight(date) + timedelta(milliseconds=float(fields[0]))
        prices = (Decimal(field) * _SCALE for field in fields[1:5])
        bar.open_exact, bar.high_exact, bar.low_exact, bar.value_exact = prices
        bar.volume_exact = Decimal(fields[5]) if len(fields) > 5 else ZERO
        bar.has_prices = True
        bar.period = config.increment
        return bar

    @classmethod
    def _empty(cls, config: Any) -> Any:
        bar: Any = cls()
        bar.symbol, bar.period = config.symbol, config.increment
        return bar
