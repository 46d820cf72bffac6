"""Baskets of exchange-traded funds, as in LEAN's folder `Selection`: tickers by first day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from engine.common.enums import SecurityType
from engine.framework.universe import InceptionDateUniverseSelectionModel
from engine.market.symbols import Market, Symbol


class _Basket(InceptionDateUniverseSelectionModel):
    """Selects each fund of a basket from its first trading day on."""

    _basket: ClassVar[str]
    _days: ClassVar[str]
    """`TICKER yyyymmdd`, in the order in which they are waited for."""

    def __init__(self) -> None:
        words = self._days.split()
        days = (datetime.strptime(day, "%Y%m%d") for day in words[1::2])
        super().__init__(self._basket, dict(zip(words[::2], days, strict=True)))


class EnergyETFUniverse(_Basket):
    """Selects energy funds from their first trading days on."""

    _basket = "qc-energy-etf-basket"
    _days = """
        XLE 19981222 IYE 20000616 VDE 20040929 USO 20060410 XES 20060622 XOP 20060622
        UNG 20070418 ICLN 20080625 ERX 20081106 ERY 20081106 SCO 20081125 UCO 20081125
        AMJ 20090602 BNO 20100602 AMLP 20100825 OIH 20111221 DGAZ 20120208 UGAZ 20120208
        TAN 20120215
    """


class MetalsETFUniverse(_Basket):
    """Selects metals funds from their first trading days on."""

    _basket = "qc-metals-etf-basket"
    _days = """
        GLD 20041118 IAU 20050128 SLV 20060428 GDX 20060522 AGQ 20081204 GDXJ 20091111
        PPLT 20100108 NUGT 20101208 DUST 20101208 USLV 20111017 UGLD 20111017 JNUG 20131003
        JDST 20131003
    """


class SP500SectorsETFUniverse(_Basket):
    """Selects funds of the sectors of the S&P 500 from their first trading days on."""

    _basket = "qc-sp500-sectors-etf-basket"
    _days = """
        XLB 19981222 XLE 19981222 XLF 19981222 XLI 19981222 XLK 19981222 XLP 19981222
        XLU 19981222 XLV 19981222 XLY 19981222
    """


class TechnologyETFUniverse(_Basket):
    """Selects technology funds from their first trading days on."""

    _basket = "qc-technology-etf-basket"
    _days = """
        XLK 19981222 QQQ 19990310 SOXX 20010713 IGV 20010713 VGT 20040130 QTEC 20060425
        FDN 20060623 FXL 20070510 TECL 20081217 TECS 20081217 SOXL 20100311 SOXS 20100311
        SKYY 20110706 SMH 20111221 KWEB 20130801 FTEC 20131024
    """


class USTreasuriesETFUniverse(_Basket):
    """Selects funds of US treasuries from their first trading days on."""

    _basket = "qc-us-treasuries-etf-basket"
    _days = """
        IEF 20020726 SHY 20020726 TLT 20020726 IEI 20070111 SHV 20070111 TLH 20070111
        EDV 20071210 BIL 20070530 SPTL 20070530 TBT 20080501 TMF 20090416 TMV 20090416
        TBF 20090820 VGSH 20091123 VGIT 20091123 VGLT 20091124 SCHO 20100806 SCHR 20100806
        SPTS 20111201 GOVT 20120224
    """


class VolatilityETFUniverse(_Basket):
    """Selects volatility funds from their first trading days on."""

    _basket = "qc-volatility-etf-basket"
    _days = """
        SQQQ 20100211 TQQQ 20100211 TVIX 20101130 VIXY 20110104 SPLV 20110505 SVXY 20111004
        UVXY 20111004 EEMV 20111020 EFAV 20111020 USMV 20111020
    """


class Grouping(list[Symbol]):
    """Funds that gain with what they follow, and those that lose with it.

    Args:
        long_tickers: of the former.
        inverse_tickers: of the latter.

    Attributes:
        long, inverse: their symbols; the group itself holds both.
    """

    def __init__(self, long_tickers: Iterable[str], inverse_tickers: Iterable[str]) -> None:
        self.long, self.inverse = (
            [Symbol.create(ticker, SecurityType.EQUITY, Market.USA) for ticker in tickers]
            for tickers in (long_tickers, inverse_tickers)
        )
        super().__init__([*self.long, *self.inverse])

    def __str__(self) -> str:
        if not self:
            return "No Symbols"
        sides = {"Long": self.long, "Inverse": self.inverse}
        texts = (
            f" {side}: {','.join(symbol.value for symbol in symbols)}"
            for side, symbols in sides.items()
            if symbols
        )
        return f"{len(self)} symbols:{''.join(texts)}"


class _Group:
    """A group of the liquid funds, whose symbols depend on the map files of the run."""

    def __init__(self, long_tickers: str, inverse_tickers: str) -> None:
        self._tickers = long_tickers.split(), inverse_tickers.split()

    def __get__(self, instance: Any, owner: type) -> Grouping:
        return Grouping(*self._tickers)


class LiquidETFUniverse(InceptionDateUniverseSelectionModel):
    """Selects liquid funds of several kinds, each from the first day of its map file on."""

    Grouping = Grouping
    ENERGY = _Group("VDE USO XES XOP UNG ICLN ERX UCO AMJ BNO AMLP UGAZ TAN", "ERY SCO DGAZ")
    METALS = _Group("GLD IAU SLV GDX AGQ PPLT NUGT USLV UGLD JNUG", "DUST JDST")
    TECHNOLOGY = _Group("QQQ IGV QTEC FDN FXL TECL SOXL SKYY KWEB", "TECS SOXS")
    TREASURIES = _Group("IEF SHY TLT IEI TLH BIL SPTL TMF SCHO SCHR SPTS GOVT", "SHV TBT TBF TMV")
    VOLATILITY = _Group("TVIX VIXY SPLV UVXY EEMV EFAV USMV", "SVXY")
    SP_500_SECTORS = _Group("XLB XLE XLF XLI XLK XLP XLU XLV XLY", "")

    def __init__(self) -> None:
        symbols = [
            *self.SP_500_SECTORS,
            *self.ENERGY,
            *self.METALS,
            *self.TECHNOLOGY,
            *self.TREASURIES,
            *self.VOLATILITY,
        ]
        days = {symbol.value: symbol.id.date for symbol in symbols}
        super().__init__("qc-liquid-etf-basket", days)
