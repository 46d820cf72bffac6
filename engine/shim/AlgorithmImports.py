"""Stands in for LEAN's AlgorithmImports: `from AlgorithmImports import *`.

Only the engine's runner puts this folder on the path; inside LEAN its own file is found. It exports
what LEAN's exports: a name that the engine lacks stands for itself until it is used, and then
raises NotImplementedError.
"""

import json
import math
import os
import sys
import typing
from datetime import date, datetime, time, timedelta
from importlib import import_module
from typing import *

import numpy as np
import pandas as pd

from engine.account.cash import Cash, CashBook, Currencies
from engine.account.data_filters import EquityDataFilter, SecurityDataFilter
from engine.account.exchanges import EquityExchange, SecurityExchange
from engine.account.initializers import (
    BrokerageModelSecurityInitializer,
    CompositeSecurityInitializer,
    FuncSecurityInitializer,
    FuncSecuritySeeder,
    SecuritySeeder,
)
from engine.account.margin_call import DefaultMarginCallModel, MarginCallModel
from engine.account.portfolio import SecurityPortfolioManager
from engine.account.price_variation import (
    AdjustedPriceVariationModel,
    EquityPriceVariationModel,
    GetMinimumPriceVariationParameters,
    SecurityPortfolioModel,
    SecurityPriceVariationModel,
)
from engine.account.securities import (
    Equity,
    Security,
    SecurityHolding,
    SecurityManager,
)
from engine.account.security_cache import SecurityCache
from engine.account.volatility import (
    BaseVolatilityModel,
    IndicatorVolatilityModel,
    RelativeStandardDeviationVolatilityModel,
    StandardDeviationOfReturnsVolatilityModel,
    VolatilityModel,
    VolatilityModelExtensions,
)
from engine.api.algorithm import QCAlgorithm
from engine.api.algorithm_framework import UniverseManager
from engine.api.algorithm_indicators import IndicatorDataPoints, IndicatorHistory
from engine.api.candlestick_patterns import CandlestickPatterns
from engine.api.extensions import Extensions, OrderExtensions
from engine.api.market_impact import MarketImpactSlippageModel
from engine.api.net_types import Action, CircularQueue, Func, Globals, Random, Time, TimeSpan
from engine.api.notifications import NotificationManager
from engine.api.object_store import ObjectStore
from engine.api.pandas_converter import PandasConverter
from engine.api.schedule_rules import (
    CompositeTimeRule,
    DateRules,
    FuncDateRule,
    FuncTimeRule,
    TimeRules,
)
from engine.api.scheduling import ScheduledEvent, ScheduleManager
from engine.api.signal_exports import (
    Collective2SignalExport,
    CrunchDAOSignalExport,
    NumeraiSignalExport,
    SignalExportManager,
    VBaseSignalExport,
)
from engine.api.subscription_manager import SubscriptionManager
from engine.api.trading_calendar import TradingCalendar, TradingDay
from engine.brokerage.brokerage_models import (
    AlpacaBrokerageModel,
    BrokerageMessageEvent,
    DefaultBrokerageModel,
    FuncBenchmark,
    InteractiveBrokersBrokerageModel,
    SecurityBenchmark,
    TradeStationBrokerageModel,
)
from engine.brokerage.brokers import (
    AlphaStreamsBrokerageModel,
    AxosClearingBrokerageModel,
    BloombergFixBrokerageModel,
    BrokerageModel,
    CharlesSchwabBrokerageModel,
    ExanteBrokerageModel,
    EzeBrokerageModel,
    InteractiveBrokersFixModel,
    PublicBrokerageModel,
    RBIBrokerageModel,
    TastytradeBrokerageModel,
    TDAmeritradeBrokerageModel,
    TerminalLinkBrokerageModel,
    TradierBrokerageModel,
    WebullBrokerageModel,
    WolverineBrokerageModel,
)
from engine.brokerage.buying_power import (
    BuyingPowerModel,
    BuyingPowerModelExtensions,
    CashBuyingPowerModel,
    ConstantBuyingPowerModel,
    NullBuyingPowerModel,
    PatternDayTradingMarginModel,
    SecurityMarginModel,
)
from engine.brokerage.buying_power_terms import *
from engine.brokerage.equity_fill_model import EquityFillModel
from engine.brokerage.fees import (
    AlpacaFeeModel,
    AlphaStreamsFeeModel,
    AlphaStreamsSlippageModel,
    AxosFeeModel,
    CharlesSchwabFeeModel,
    ConstantFeeModel,
    ConstantSlippageModel,
    ExanteFeeModel,
    EzeFeeModel,
    FeeModel,
    InteractiveBrokersFeeModel,
    NullSlippageModel,
    OrderFeeParameters,
    PublicFeeModel,
    RBIFeeModel,
    TastytradeFeeModel,
    TDAmeritradeFeeModel,
    TradeStationFeeModel,
    VolumeShareSlippageModel,
    WebullFeeModel,
    WolverineFeeModel,
)
from engine.brokerage.fill_model import (
    Fill,
    FillModel,
    FillModelParameters,
    ImmediateFillModel,
    LatestPriceFillModel,
    Prices,
)
from engine.brokerage.settlement import (
    AccountCurrencyImmediateSettlementModel,
    ApplyFundsSettlementModelParameters,
    DelayedSettlementModel,
    ImmediateSettlementModel,
    ScanSettlementModelParameters,
)
from engine.brokerage.shortable import (
    InteractiveBrokersShortableProvider,
    LocalDiskShortableProvider,
    MarginInterestRateModel,
    MarginInterestRateParameters,
    NullShortableProvider,
    ShortMarginInterestRateModel,
)
from engine.brokerage.transactions import ProjectedHoldings, SecurityTransactionManager
from engine.common.charting import (
    BaseSeries,
    Candlestick,
    CandlestickSeries,
    Chart,
    ChartPoint,
    ScatterChartPoint,
    Series,
)
from engine.common.clock import TimeZones
from engine.common.colors import Color
from engine.common.compression import Compression
from engine.common.enums import *
from engine.common.expiry import Expiry
from engine.common.lean_names import RefusedName, exported_names
from engine.common.net_exceptions import *
from engine.common.settings import AlgorithmSettings, ScheduleSettings, UniverseSettings
from engine.feed.auxiliary_files import SymbolProperties
from engine.feed.consolidators import *
from engine.feed.custom_data import PythonData
from engine.feed.fred import Fred
from engine.feed.period_consolidators import *
from engine.feed.price_bars import *
from engine.feed.symbol_properties_database import SymbolPropertiesDatabase
from engine.feed.universe_selection import SecurityChanges
from engine.framework import *
from engine.indicators import *
from engine.indicators.candlesticks import *
from engine.market.data import (
    Bar,
    BaseData,
    Delisting,
    Dividend,
    QuoteBar,
    Split,
    SubscriptionDataConfig,
    SymbolChangedEvent,
    TradeBar,
)
from engine.market.data_sources import LeanData, SubscriptionDataSource
from engine.market.fundamentals import (
    CoarseFundamental,
    ETFConstituentUniverse,
    FineFundamental,
    Fundamental,
)
from engine.market.market_hours import ExchangeHours, MarketHoursDatabase
from engine.market.slices import (
    DataDictionary,
    Delistings,
    Dividends,
    QuoteBars,
    Slice,
    Splits,
    SymbolChangedEvents,
    Ticks,
    TradeBars,
)
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache
from engine.orders.combo_orders import (
    ComboLegLimitOrder,
    ComboLimitOrder,
    ComboMarketOrder,
    ComboOrder,
    GroupOrderManager,
    Leg,
)
from engine.orders.order_properties import (
    AlpacaOrderProperties,
    CharlesSchwabOrderProperties,
    DayTimeInForce,
    EzeOrderProperties,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    InteractiveBrokersOrderProperties,
    OrderProperties,
    PublicOrderProperties,
    RBIOrderProperties,
    TastytradeOrderProperties,
    TDAmeritradeOrderProperties,
    TimeInForce,
    TradeStationOrderProperties,
    TradierOrderProperties,
    WebullOrderProperties,
)
from engine.orders.order_requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderFields,
    UpdateOrderRequest,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import (
    CashAmount,
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    OrderEvent,
    OrderFee,
    OrderSubmissionData,
    StopLimitOrder,
    StopMarketOrder,
    TrailingStopOrder,
)
from engine.statistics.inputs import Trade
from engine.statistics.interest_rate import (
    ConstantRiskFreeRateInterestRateModel,
    FuncRiskFreeRateInterestRateModel,
    InterestRateProvider,
)
from engine.statistics.performance_metrics import PerformanceMetrics
from engine.statistics.portfolio import PortfolioStatistics
from engine.statistics.trade_builder import TradeBuilder
from engine.statistics.trades import TradeStatistics

QCAlgorithmFramework = QCAlgorithm
QCAlgorithmFrameworkBridge = QCAlgorithm


class _Pyplot:
    """matplotlib.pyplot, imported when it is used: it takes longer than a short backtest."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("matplotlib.pyplot"), name)


plt = _Pyplot()

_LEAN = exported_names()
_PYTHON = ["date", "datetime", "json", "math", "np", "os", "pd", "plt", "sys", "time", "timedelta"]
__all__ = [*_LEAN, *_PYTHON, *typing.__all__, "Action", "Func"]
__all__ += ["QCAlgorithmFramework", "QCAlgorithmFrameworkBridge"]
# LEAN's file ends with Python's own Exception, which .NET's had hidden.
__all__.remove("Exception")
for _name in _LEAN:
    if _name not in globals():
        globals()[_name] = RefusedName(_name)
