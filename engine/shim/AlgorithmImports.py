"""Stands in for LEAN's AlgorithmImports: `from AlgorithmImports import *`.

Only the engine's runner puts this folder on the path; inside LEAN its own file is found.
"""

import json
import math
from datetime import date, datetime, time, timedelta
from typing import *

import numpy as np
import pandas as pd

from engine.algorithm import QCAlgorithm
from engine.algorithm_data import SubscriptionManager
from engine.auxiliary_files import SymbolProperties
from engine.brokerage import (
    BrokerageMessageEvent,
    BrokerageMessageType,
    BrokerageModel,
    DefaultBrokerageModel,
    FuncBenchmark,
    InteractiveBrokersBrokerageModel,
    SecurityBenchmark,
)
from engine.buying_power import (
    BuyingPowerModel,
    BuyingPowerParameters,
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
    GetMaximumOrderQuantityResult,
    HasSufficientBuyingPowerForOrderParameters,
    HasSufficientBuyingPowerForOrderResult,
    ReservedBuyingPowerForPositionParameters,
    SecurityMarginModel,
)
from engine.charting import *
from engine.charting import CandlestickSeries, Chart, Color, Series
from engine.clock import TimeZones
from engine.consolidators import *
from engine.data import (
    Bar,
    BaseData,
    Delisting,
    Delistings,
    Dividend,
    Dividends,
    QuoteBar,
    QuoteBars,
    Slice,
    Split,
    Splits,
    SubscriptionDataConfig,
    SymbolChangedEvent,
    SymbolChangedEvents,
    TradeBar,
    TradeBars,
)
from engine.enums import *
from engine.fees import (
    ConstantFeeModel,
    ConstantSlippageModel,
    FeeModel,
    InteractiveBrokersFeeModel,
    NullSlippageModel,
    OrderFeeParameters,
    VolumeShareSlippageModel,
)
from engine.fill_model import (
    EquityFillModel,
    Fill,
    FillModel,
    FillModelParameters,
    ImmediateFillModel,
)
from engine.framework import *
from engine.indicators import *
from engine.margin_call import DefaultMarginCallModel, MarginCallModel
from engine.market_hours import ExchangeHours
from engine.net_types import CircularQueue, Random, TimeSpan
from engine.object_store import ObjectStore
from engine.order_requests import (
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    OrderTicket,
    SubmitOrderRequest,
    UpdateOrderFields,
    UpdateOrderRequest,
)
from engine.orders import (
    CashAmount,
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    InteractiveBrokersOrderProperties,
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    OrderEvent,
    OrderFee,
    OrderProperties,
    OrderSubmissionData,
    StopLimitOrder,
    StopMarketOrder,
    TimeInForce,
    TrailingStopOrder,
)
from engine.portfolio import SecurityPortfolioManager
from engine.scheduling import DateRules, ScheduledEvent, TimeRules
from engine.securities import Equity, Security, SecurityExchange, SecurityHolding
from engine.settings import AlgorithmSettings, UniverseSettings
from engine.settlement import DelayedSettlementModel, ImmediateSettlementModel
from engine.symbols import Market, SecurityIdentifier, Symbol, SymbolCache
from engine.universe_selection import SecurityChanges

QCAlgorithmFramework = QCAlgorithm
QCAlgorithmFrameworkBridge = QCAlgorithm
