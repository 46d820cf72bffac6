"""Stands in for LEAN's AlgorithmImports: `from AlgorithmImports import *`.

Only the engine's runner puts this folder on the path; inside LEAN its own file is found.
"""

import json
import math
from datetime import date, datetime, time, timedelta
from typing import *

import numpy as np
import pandas as pd

from engine.account.margin_call import DefaultMarginCallModel, MarginCallModel
from engine.account.portfolio import SecurityPortfolioManager
from engine.account.securities import Equity, Security, SecurityExchange, SecurityHolding
from engine.api.algorithm import QCAlgorithm
from engine.api.algorithm_data import SubscriptionManager
from engine.api.net_types import CircularQueue, Random, TimeSpan
from engine.api.object_store import ObjectStore
from engine.api.scheduling import DateRules, ScheduledEvent, TimeRules
from engine.brokerage.brokerage_models import (
    AlpacaBrokerageModel,
    BrokerageMessageEvent,
    BrokerageMessageType,
    BrokerageModel,
    DefaultBrokerageModel,
    FuncBenchmark,
    InteractiveBrokersBrokerageModel,
    SecurityBenchmark,
    TradeStationBrokerageModel,
)
from engine.brokerage.buying_power import (
    BuyingPowerModel,
    BuyingPowerParameters,
    GetMaximumOrderQuantityForTargetBuyingPowerParameters,
    GetMaximumOrderQuantityResult,
    HasSufficientBuyingPowerForOrderParameters,
    HasSufficientBuyingPowerForOrderResult,
    ReservedBuyingPowerForPositionParameters,
    SecurityMarginModel,
)
from engine.brokerage.fees import (
    AlpacaFeeModel,
    ConstantFeeModel,
    ConstantSlippageModel,
    FeeModel,
    InteractiveBrokersFeeModel,
    NullSlippageModel,
    OrderFeeParameters,
    TradeStationFeeModel,
    VolumeShareSlippageModel,
)
from engine.brokerage.fill_model import (
    EquityFillModel,
    Fill,
    FillModel,
    FillModelParameters,
    ImmediateFillModel,
)
from engine.brokerage.settlement import DelayedSettlementModel, ImmediateSettlementModel
from engine.common.charting import *
from engine.common.charting import CandlestickSeries, Chart, Color, Series
from engine.common.clock import TimeZones
from engine.common.enums import *
from engine.common.settings import AlgorithmSettings, UniverseSettings
from engine.feed.auxiliary_files import SymbolProperties
from engine.feed.consolidators import *
from engine.feed.fred import Fred
from engine.feed.universe_selection import SecurityChanges
from engine.framework import *
from engine.indicators import *
from engine.market.data import (
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
from engine.market.market_hours import ExchangeHours
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache
from engine.orders.order_properties import (
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    InteractiveBrokersOrderProperties,
    OrderProperties,
    TimeInForce,
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

QCAlgorithmFramework = QCAlgorithm
QCAlgorithmFrameworkBridge = QCAlgorithm
