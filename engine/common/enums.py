# ruff: noqa: D101  (a list of names says what it is)
"""LEAN's enumerations, with LEAN's numbers.

Members are UPPER_SNAKE as in LEAN's Python API, and so is what `str()` gives; LEAN's older
PascalCase names (`Resolution.Daily`) work too. What LEAN itself writes has the latter: `net_name`.
"""

from enum import EnumMeta, IntEnum
from typing import Any

from engine.common.hints import similar_members
from engine.common.lean_names import is_lean_member, refusal
from engine.common.naming import snake_case
from engine.common.net_type import NetType, full_name


class _LeanEnumMeta(EnumMeta):
    """Adds the PascalCase spelling of every member; LEAN's members that are missing are refused."""

    def __getattr__(cls, name: str) -> Any:
        if not name.startswith("_"):
            snake = snake_case(name).upper() if not name.isupper() else name
            member = cls._member_map_.get(snake)
            if member is not None:
                return member
            if is_lean_member(cls.__name__, snake):
                raise NotImplementedError(refusal(cls.__name__, snake))
        near = "" if name.startswith("__") else similar_members(cls.__name__, name)
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}{near}")

    def __repr__(cls) -> str:
        known = full_name(cls.__name__)
        return super().__repr__() if known is None else f"<class '{known}'>"

    def __iter__(cls) -> Any:
        # .NET lists numbers without their signs: Flat, Up, Down.
        return iter(sorted(super().__iter__(), key=lambda member: int(member) & 0xFFFFFFFF))

    def __contains__(cls, value: object) -> bool:
        if isinstance(value, str):
            return any(value == member.net_name for member in cls)
        return isinstance(value, int) and any(int(value) == int(member) for member in cls)


class LeanEnum(IntEnum, metaclass=_LeanEnumMeta):
    """Base of the enumerations below."""

    @property
    def net_name(self) -> str:
        """The name in what LEAN writes: MarketOnOpen."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if isinstance(value, str):
            raise ValueError(f"invalid literal for int() with base 10: {value!r}")
        raise ValueError(
            "Invalid enumeration value. Pass True as the second argument if unchecked conversion "
            "is desired"
        )

    def get_type(self) -> NetType:
        """.NET's type of the member."""
        return NetType(type(self).__name__)

    def __str__(self) -> str:
        return self.name

    def __format__(self, format_spec: str) -> str:
        # As of any .NET object, a width is refused.
        return object.__format__(self, format_spec)

    def __eq__(self, other: object) -> bool:
        """As numbers, and as text: a member equals either of its names."""
        if self is other:
            return True
        if type(other) is type(self):
            return False
        if isinstance(other, str):
            return other in (self._name_, self.net_name)
        # To .NET a truth value is no number.
        return isinstance(other, int | float) and type(other) is not bool and int(self) == other

    def __ne__(self, other: object) -> bool:
        return self is not other and not self == other

    __hash__ = IntEnum.__hash__

    def __bool__(self) -> bool:
        # A .NET object is true, whatever its number.
        return True

    def to_string(self) -> str:
        """.NET's text of the member."""
        return self.net_name

    ToString = to_string

    # Arithmetic with a number gives a double, as pythonnet has it.
    def __add__(self, other: Any) -> Any:
        return float(self) + other if isinstance(other, int | float) else NotImplemented

    def __sub__(self, other: Any) -> Any:
        return float(self) - other if isinstance(other, int | float) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return other - float(self) if isinstance(other, int | float) else NotImplemented

    def __mul__(self, other: Any) -> Any:
        return float(self) * other if isinstance(other, int | float) else NotImplemented

    __radd__, __rmul__ = __add__, __mul__


def net_text(value: Any) -> str:
    """A value as LEAN writes it."""
    return value.net_name if isinstance(value, LeanEnum) else str(value)


class Resolution(LeanEnum):
    TICK = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAILY = 4


class SecurityType(LeanEnum):
    BASE = 0
    EQUITY = 1
    OPTION = 2
    COMMODITY = 3
    FOREX = 4
    FUTURE = 5
    CFD = 6
    CRYPTO = 7
    FUTURE_OPTION = 8
    INDEX = 9
    INDEX_OPTION = 10
    CRYPTO_FUTURE = 11


class DataNormalizationMode(LeanEnum):
    RAW = 0
    ADJUSTED = 1
    SPLIT_ADJUSTED = 2
    TOTAL_RETURN = 3
    FORWARD_PANAMA_CANAL = 4
    BACKWARDS_PANAMA_CANAL = 5
    BACKWARDS_RATIO = 6
    SCALED_RAW = 7


class TickType(LeanEnum):
    TRADE = 0
    QUOTE = 1
    OPEN_INTEREST = 2


class SubscriptionTransportMedium(LeanEnum):
    LOCAL_FILE = 0
    REMOTE_FILE = 1
    REST = 2
    STREAMING = 3
    OBJECT_STORE = 4


class FileFormat(LeanEnum):
    CSV = 0
    BINARY = 1
    ZIP_ENTRY_NAME = 2
    UNFOLDING_COLLECTION = 3
    INDEX = 4
    FOLDING_COLLECTION = 5


class MarketDataType(LeanEnum):
    BASE = 0
    TRADE_BAR = 1
    TICK = 2
    AUXILIARY = 3
    QUOTE_BAR = 4
    OPTION_CHAIN = 5
    FUTURES_CHAIN = 6


class AccountType(LeanEnum):
    MARGIN = 0
    CASH = 1


class SplitType(LeanEnum):
    WARNING = 0
    SPLIT_OCCURRED = 1


class DelistingType(LeanEnum):
    WARNING = 0
    DELISTED = 1


class OrderType(LeanEnum):
    MARKET = 0
    LIMIT = 1
    STOP_MARKET = 2
    STOP_LIMIT = 3
    MARKET_ON_OPEN = 4
    MARKET_ON_CLOSE = 5
    OPTION_EXERCISE = 6
    LIMIT_IF_TOUCHED = 7
    COMBO_MARKET = 8
    COMBO_LIMIT = 9
    COMBO_LEG_LIMIT = 10
    TRAILING_STOP = 11


class OrderDirection(LeanEnum):
    BUY = 0
    SELL = 1
    HOLD = 2


class OrderStatus(LeanEnum):
    NEW = 0
    SUBMITTED = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 5
    NONE = 6
    INVALID = 7
    CANCEL_PENDING = 8
    UPDATE_SUBMITTED = 9

    @property
    def is_closed(self) -> bool:
        """True where no further event can follow."""
        return self in _CLOSED

    @property
    def is_open(self) -> bool:
        """True where the order may still fill."""
        return not self.is_closed

    @property
    def is_fill(self) -> bool:
        """True for a full or a partial fill."""
        return self in _FILLS


# Sets, which ask for a hash rather than for one equality after another.
_CLOSED = frozenset((OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID))
_FILLS = frozenset((OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED))


class OrderField(LeanEnum):
    LIMIT_PRICE = 0
    STOP_PRICE = 1
    TRIGGER_PRICE = 2
    TRAILING_AMOUNT = 3
    TRAILING_AS_PERCENTAGE = 4


class OrderRequestStatus(LeanEnum):
    UNPROCESSED = 0
    PROCESSING = 1
    PROCESSED = 2
    ERROR = 3


class OrderRequestType(LeanEnum):
    SUBMIT = 0
    UPDATE = 1
    CANCEL = 2


class OrderResponseErrorCode(LeanEnum):
    NONE = 0
    PROCESSING_ERROR = -1
    ORDER_ALREADY_EXISTS = -2
    INSUFFICIENT_BUYING_POWER = -3
    BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER = -4
    BROKERAGE_FAILED_TO_SUBMIT_ORDER = -5
    BROKERAGE_FAILED_TO_UPDATE_ORDER = -6
    BROKERAGE_HANDLER_REFUSED_TO_UPDATE_ORDER = -7
    BROKERAGE_FAILED_TO_CANCEL_ORDER = -8
    INVALID_ORDER_STATUS = -9
    UNABLE_TO_FIND_ORDER = -10
    ORDER_QUANTITY_ZERO = -11
    UNSUPPORTED_REQUEST_TYPE = -12
    PRE_ORDER_CHECKS_ERROR = -13
    MISSING_SECURITY = -14
    EXCHANGE_NOT_OPEN = -15
    SECURITY_PRICE_ZERO = -16
    FOREX_BASE_AND_QUOTE_CURRENCIES_REQUIRED = -17
    FOREX_CONVERSION_RATE_ZERO = -18
    SECURITY_HAS_NO_DATA = -19
    EXCEEDED_MAXIMUM_ORDERS = -20
    MARKET_ON_CLOSE_ORDER_TOO_LATE = -21
    INVALID_REQUEST = -22
    REQUEST_CANCELED = -23
    ALGORITHM_WARMING_UP = -24
    BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER = -25
    QUOTE_CURRENCY_REQUIRED = -26
    CONVERSION_RATE_ZERO = -27
    NON_TRADABLE_SECURITY = -28
    NON_EXERCISABLE_SECURITY = -29
    ORDER_QUANTITY_LESS_THAN_LOT_SIZE = -30
    EXCEEDS_SHORTABLE_QUANTITY = -31
    INVALID_NEW_ORDER_STATUS = -32
    EUROPEAN_OPTION_NOT_EXPIRED_ON_EXERCISE = -33
    OPTION_ORDER_ON_STOCK_SPLIT = -34
    MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS = -35


class SeriesType(LeanEnum):
    LINE = 0
    SCATTER = 1
    CANDLE = 2
    BAR = 3
    FLAG = 4
    STACKED_AREA = 5
    PIE = 6
    TREEMAP = 7
    HEATMAP = 9
    SCATTER_3D = 10


class ScatterMarkerSymbol(LeanEnum):
    NONE = 0
    CIRCLE = 1
    SQUARE = 2
    DIAMOND = 3
    TRIANGLE = 4
    TRIANGLE_DOWN = 5


class ChartType(LeanEnum):
    OVERLAY = 0
    STACKED = 1


class BrokerageName(LeanEnum):
    DEFAULT = 0
    QUANT_CONNECT_BROKERAGE = 0
    INTERACTIVE_BROKERS_BROKERAGE = 1
    TRADIER_BROKERAGE = 2
    OANDA_BROKERAGE = 3
    FXCM_BROKERAGE = 4
    BITFINEX = 5
    BINANCE = 6
    GDAX = 12
    ALPACA = 13
    ALPHA_STREAMS = 14
    ZERODHA = 15
    SAMCO = 16
    ATREYU = 17
    TRADING_TECHNOLOGIES = 18
    KRAKEN = 19
    FTX = 20
    FTXUS = 21
    EXANTE = 22
    BINANCE_US = 23
    WOLVERINE = 24
    TD_AMERITRADE = 25
    BINANCE_FUTURES = 26
    BINANCE_COIN_FUTURES = 27
    RBI = 28
    BYBIT = 29
    EZE = 30
    AXOS = 31
    COINBASE = 32
    TRADE_STATION = 33
    TERMINAL_LINK = 34
    CHARLES_SCHWAB = 35
    TASTYTRADE = 36
    INTERACTIVE_BROKERS_FIX = 37
    DYDX = 38
    WEBULL = 39
    PUBLIC = 40
    BLOOMBERG_FIX = 41


class BrokerageMessageType(LeanEnum):
    INFORMATION = 0
    WARNING = 1
    ERROR = 2
    RECONNECT = 3
    DISCONNECT = 4
    ACTION_REQUIRED = 5


class PortfolioBias(LeanEnum):
    SHORT = -1
    LONG_SHORT = 0
    LONG = 1


class InsightDirection(LeanEnum):
    DOWN = -1
    FLAT = 0
    UP = 1


class InsightScoreType(LeanEnum):
    DIRECTION = 0
    MAGNITUDE = 1


class InsightType(LeanEnum):
    PRICE = 0
    VOLATILITY = 1


class CandleSettingType(LeanEnum):
    BODY_LONG = 0
    BODY_VERY_LONG = 1
    BODY_SHORT = 2
    BODY_DOJI = 3
    SHADOW_LONG = 4
    SHADOW_VERY_LONG = 5
    SHADOW_SHORT = 6
    SHADOW_VERY_SHORT = 7
    NEAR = 8
    FAR = 9
    EQUAL = 10


class CandleRangeType(LeanEnum):
    REAL_BODY = 0
    HIGH_LOW = 1
    SHADOWS = 2


class CandleColor(LeanEnum):
    BLACK = -1
    WHITE = 1


class TradingDayType(LeanEnum):
    BUSINESS_DAY = 0
    PUBLIC_HOLIDAY = 1
    WEEKEND = 2
    OPTION_EXPIRATION = 3
    FUTURE_EXPIRATION = 4
    FUTURE_ROLL = 5
    SYMBOL_DELISTING = 6
    EQUITY_DIVIDENDS = 7
    ECONOMIC_EVENT = 8


class MovingAverageType(LeanEnum):
    SIMPLE = 0
    EXPONENTIAL = 1
    WILDERS = 2
    LINEAR_WEIGHTED_MOVING_AVERAGE = 3
    DOUBLE_EXPONENTIAL = 4
    TRIPLE_EXPONENTIAL = 5
    TRIANGULAR = 6
    T_3 = 7
    KAMA = 8
    HULL = 9
    ALMA = 10
    ZLEMA = 11
    MGD = 12


class AlgorithmStatus(LeanEnum):
    DEPLOY_ERROR = 0
    IN_QUEUE = 1
    RUNNING = 2
    STOPPED = 3
    LIQUIDATED = 4
    DELETED = 5
    COMPLETED = 6
    RUNTIME_ERROR = 7
    INVALID = 8
    LOGGING_IN = 9
    INITIALIZING = 10
    HISTORY = 11


class AlgorithmMode(LeanEnum):
    LIVE = 0
    OPTIMIZATION = 1
    BACKTESTING = 2
    RESEARCH = 3


class DeploymentTarget(LeanEnum):
    CLOUD_PLATFORM = 0
    LOCAL_PLATFORM = 1
    PRIVATE_CLOUD_PLATFORM = 2


class DataMappingMode(LeanEnum):
    """How contracts of futures follow each other; it means nothing for equities."""

    LAST_TRADING_DAY = 0
    FIRST_DAY_MONTH = 1
    OPEN_INTEREST = 2
    OPEN_INTEREST_ANNUAL = 3


class MarketHoursState(LeanEnum):
    CLOSED = 0
    PRE_MARKET = 1
    MARKET = 2
    POST_MARKET = 3


class DayOfWeek(LeanEnum):
    """Days as .NET numbers them: Sunday is 0."""

    SUNDAY = 0
    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6


class PositionSide(LeanEnum):
    SHORT = -1
    NONE = 0
    LONG = 1


class OptionRight(LeanEnum):
    CALL = 0
    PUT = 1


class OptionStyle(LeanEnum):
    AMERICAN = 0
    EUROPEAN = 1


class TradeDirection(LeanEnum):
    LONG = 0
    SHORT = 1


class FillGroupingMethod(LeanEnum):
    FILL_TO_FILL = 0
    FLAT_TO_FLAT = 1
    FLAT_TO_REDUCED = 2


class FillMatchingMethod(LeanEnum):
    FIFO = 0
    LIFO = 1
