"""Indicators of trends and cycles."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, from_float, to_decimal, to_double
from engine.common.enums import LeanEnum, MovingAverageType
from engine.indicators.base import (
    BarIndicator,
    Indicator,
    TradeBarIndicator,
    default_name,
    ready_with,
)
from engine.indicators.composite import FunctionalIndicator, IndicatorExtensions
from engine.indicators.oscillators import AverageDirectionalIndex
from engine.indicators.ranges import AverageTrueRange
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Delay, Identity, Sum


class Vortex(BarIndicator):
    """Upward and downward movement over true range; the value is the mean of both."""

    @default_name("VTX({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        extensions = IndicatorExtensions
        self.warm_up_period = period
        self._range = self._own(AverageTrueRange(name + "_ATR", 1, MovingAverageType.SIMPLE))
        self._ranges = self._own(extensions.of(Sum("ATR_Sum", period), self._range))
        self._rises = self._own(Sum("PlusVM_Sum", period))
        self._falls = self._own(Sum("MinusVM_Sum", period))
        self.plus_vortex = self._own(extensions.over(self._rises, self._ranges))
        self.minus_vortex = self._own(extensions.over(self._falls, self._ranges))
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after ``period`` bars."""
        return self.samples >= self.warm_up_period

    def _restart(self) -> None:
        self._bar: Any = None

    def _compute(self, point: Any) -> Decimal:
        self._range.update(point)
        before, self._bar = self._bar, point
        if before is not None:
            self._rises.update(point.end_time, abs(point.high_exact - before.low_exact))
            self._falls.update(point.end_time, abs(point.low_exact - before.high_exact))
        if not self.is_ready:
            return ZERO
        return (self.plus_vortex.current.value_exact + self.minus_vortex.current.value_exact) / 2


class AverageDirectionalMovementIndexRating(BarIndicator):
    """Mean of the average directional index now and a period ago; 50 until it is ready."""

    is_ready = ready_with("_history")

    @default_name("ADXR({period})")
    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        self.adx = self._own(AverageDirectionalIndex(name + "_ADX", period))
        self._history: RollingWindow[Decimal] = self._own(RollingWindow(period))
        self.warm_up_period = 3 * period - 1

    def _compute(self, point: Any) -> Decimal:
        self.adx.update(point)
        if self.adx.is_ready:
            self._history.add(self.adx.current.value_exact)
        if not self.is_ready:
            return Decimal(50)
        return (self.adx.current.value_exact + self._history[self._history.size - 1]) / 2


class HeikinAshi(BarIndicator):
    """Bars whose opens and closes are means: ``open``, ``high``, ``low``, ``close``, ``volume``."""

    warm_up_period = 2

    def __init__(self, name: str = "HA") -> None:
        super().__init__(name)
        self.open = self._own(Identity(name + "_Open"))
        self.high = self._own(Identity(name + "_High"))
        self.low = self._own(Identity(name + "_Low"))
        self.close = self._own(Identity(name + "_Close"))
        self.volume = self._own(Identity(name + "_Volume"))

    @property
    def is_ready(self) -> bool:
        """True from the second bar on."""
        return self.samples > 1

    def _compute(self, point: Any) -> Decimal:
        time = point.end_time
        first, last = point.open_exact, point.close_exact
        high, low = point.high_exact, point.low_exact
        close = (first + high + low + last) / 4
        opening = (first + last) / 2
        if self.is_ready:
            opening = (self.open.current.value_exact + self.close.current.value_exact) / 2
            high, low = max(high, opening, close), min(low, opening, close)
        self.open.update(time, opening)
        self.close.update(time, close)
        self.high.update(time, high)
        self.low.update(time, low)
        self.volume.update(time, getattr(point, "volume_exact", ZERO))
        return close


class WilderSwingIndex(TradeBarIndicator):
    """How far a bar swung from the one before, as a part of the largest move allowed."""

    warm_up_period = 2

    @default_name("SI")
    def __init__(self, name: str, limit_move: Any) -> None:
        super().__init__(name)
        self._limit = abs(to_decimal(limit_move))
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True from the second bar on."""
        return self.samples > 1

    def _restart(self) -> None:
        self._bar: Any = None

    def _compute(self, point: Any) -> Decimal:
        before, self._bar = self._bar, point
        if before is None:
            return ZERO
        half, quarter = Decimal("0.5"), Decimal("0.25")
        close, body = before.close_exact, before.close_exact - before.open_exact
        up, down = point.high_exact - close, point.low_exact - close
        moves = [abs(up), abs(down), abs(point.high_exact - point.low_exact)]
        largest = moves.index(max(moves))
        span = moves[largest] + abs(quarter * body)
        if largest < 2:
            span -= abs(half * (down if largest == 0 else up))
        if not span or not self._limit:
            return ZERO
        swing = point.close_exact - close + half * (point.close_exact - point.open_exact)
        swing += quarter * body
        return 50 * (swing / span) * (max(abs(up), abs(down)) / self._limit)


class WilderAccumulativeSwingIndex(TradeBarIndicator):
    """The sum of swing indices."""

    warm_up_period = 2

    @default_name("ASI")
    def __init__(self, name: str, limit_move: Any) -> None:
        super().__init__(name)
        self._swing = self._own(WilderSwingIndex(limit_move))

    @property
    def is_ready(self) -> bool:
        """True from the second bar on."""
        return self.samples > 1

    def _compute(self, point: Any) -> Decimal:
        if not self._swing.update(point):
            return ZERO
        return self._current.value_exact + self._swing.current.value_exact


class HilbertTransform(Indicator):
    """The value's cycle: ``in_phase`` and ``quadrature``; the value itself passes through."""

    @default_name("Hilbert({length}, {in_phase_multiplication_factor}, "
                  "{quadrature_multiplication_factor})")  # fmt: skip
    def __init__(
        self,
        name: str,
        length: int = 7,
        in_phase_multiplication_factor: Any = Decimal("0.635"),
        quadrature_multiplication_factor: Any = Decimal("0.338"),
    ) -> None:
        super().__init__(name)
        phase = to_decimal(in_phase_multiplication_factor)
        turn = to_decimal(quadrature_multiplication_factor)
        self.warm_up_period = length + 2
        self._input = self._own(Identity(name + "_input"))
        self._before = self._own(Delay(name + "_prev", length))
        trend = self._trend = self._own(IndicatorExtensions.minus(self._input, self._before))
        two = self._two = self._own(Delay(name + "_detrendPriceDelay2", 1))
        four = self._four = self._own(Delay(name + "_detrendPriceDelay4", 3))
        phases = self._phases = self._own(Delay(name + "_inPhaseDelay3", 2))
        turns = self._turns = self._own(Delay(name + "_quadratureDelay2", 1))

        def ready(part: Any) -> Decimal:
            value: Decimal = part.current.value_exact
            return value if part.is_ready else ZERO

        def in_phase(_: Any) -> Decimal:
            if self.samples <= length + 2:
                return ZERO
            return Decimal("1.25") * (ready(four) - ready(two) * phase) + ready(phases) * phase

        def quadrature(_: Any) -> Decimal:
            if self.samples <= length:
                return ZERO
            return ready(two) - ready(trend) * turn + ready(turns) * turn

        self.in_phase = self._own(
            FunctionalIndicator(name + "_inPhase", in_phase, lambda _: self.samples > length + 2)
        )
        self.quadrature = self._own(
            FunctionalIndicator(name + "_quad", quadrature, lambda _: self.samples > length)
        )

    @property
    def is_ready(self) -> bool:
        """True after the length and two values."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._input.update(point)
        self._before.update(point)
        if self._before.is_ready:
            self._trend.update(point)
        if self._trend.is_ready:
            self._two.update(self._trend.current)
            self._four.update(self._trend.current)
        for line, past in ((self.in_phase, self._phases), (self.quadrature, self._turns)):
            line.update(point)
            if line.is_ready:
                past.update(line.current)
        return point.value_exact


class SwissArmyKnifeTool(LeanEnum):
    """Filters of the Swiss army knife."""

    GAUSS = 0
    BUTTER = 1
    HIGH_PASS = 2
    TWO_POLE_HIGH_PASS = 3
    BAND_PASS = 4


class _Filter(Indicator):
    """One of Ehlers' digital filters of two poles."""

    def __init__(self, name: str, period: int, delta: float, tool: SwissArmyKnifeTool) -> None:
        super().__init__(name)
        self._period = period
        beta = 2.415 * (1 - math.cos(2 * math.pi / period))
        alpha = -beta + math.sqrt(beta**2 + 2.0 * beta)
        self._inputs = (1.0, 0.0, 0.0)
        if tool == SwissArmyKnifeTool.HIGH_PASS:
            cosine, sine = math.cos(2 * math.pi / period), math.sin(2 * math.pi / period)
            alpha = (cosine + sine - 1) / cosine
            self._gain, self._inputs = (1 + alpha) / 2, (1.0, -1.0, 0.0)
            self._outputs = (1 - alpha, 0.0)
        elif tool == SwissArmyKnifeTool.BAND_PASS:
            beta = math.cos(2 * math.pi / period)
            gamma = 1 / math.cos(4 * math.pi * delta / period)
            alpha = gamma - math.sqrt(gamma**2 - 1)
            self._gain, self._inputs = (1 - alpha) / 2.0, (1.0, 0.0, -1.0)
            self._outputs = (-beta * (1 - alpha), alpha)
        else:
            self._gain = alpha * alpha
            if tool == SwissArmyKnifeTool.BUTTER:
                self._gain, self._inputs = alpha * alpha / 4.0, (1.0, 2.0, 1.0)
            elif tool == SwissArmyKnifeTool.TWO_POLE_HIGH_PASS:
                self._gain, self._inputs = (1 + alpha) * (1 + alpha) / 4, (1.0, -2.0, 1.0)
            self._outputs = (2.0 * (1 - alpha), -(1 - alpha) * (1 - alpha))
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True after ``period`` values."""
        return self.samples >= self._period

    def _restart(self) -> None:
        self._prices: list[float] = []
        self._filtered = [0.0, 0.0]

    def _compute(self, point: Any) -> Decimal:
        price = to_double(point.value_exact)
        self._prices = [price, *self._prices][:3] if self._prices else [price] * 3
        new, old, older = self._prices
        b0, b1, b2 = self._inputs
        a1, a2 = self._outputs
        last, before = self._filtered
        signal = self._gain * (b0 * new + b1 * old + b2 * older) + (a1 * last + a2 * before)
        self._filtered = [signal, last]
        return from_float(signal)


class SwissArmyKnife(Indicator):
    """Ehlers' five filters; the value is that of one of them."""

    @default_name("Swiss({period},{delta},{tool})")
    def __init__(self, name: str, period: int, delta: float, tool: SwissArmyKnifeTool) -> None:
        super().__init__(name)
        tools = SwissArmyKnifeTool
        self.warm_up_period = period
        self._tool = tools(tool)

        def made(label: str, kind: SwissArmyKnifeTool) -> Any:
            return self._own(_Filter(f"{name}_{label}", period, float(delta), kind))

        self.gauss = made("Gauss", tools.GAUSS)
        self.butter = made("Butter", tools.BUTTER)
        self.high_pass = made("HP", tools.HIGH_PASS)
        self.two_pole_high_pass = made("2PHP", tools.TWO_POLE_HIGH_PASS)
        self.band_pass = made("BP", tools.BAND_PASS)

    @property
    def is_ready(self) -> bool:
        """True after ``period`` values."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        filters = (
            self.gauss, self.butter, self.high_pass, self.two_pole_high_pass, self.band_pass,
        )  # fmt: skip
        for item in filters:
            item.update(point)
        return filters[self._tool].current.value_exact


class TomDemarkSequentialPhase(LeanEnum):
    """Phases of DeMark's count."""

    NONE = 0
    BUY_SETUP = 1
    SELL_SETUP = 2
    BUY_COUNTDOWN = 3
    SELL_COUNTDOWN = 4
    BUY_SETUP_PERFECT = 5
    SELL_SETUP_PERFECT = 6


class TomDemarkSequential(BarIndicator):
    """DeMark's count of closes beyond those of four bars ago, and then of two; value: the phase."""

    warm_up_period = 6
    _SETUP, _COUNTDOWN, _BARS = 9, 13, 10

    def __init__(self, name: str = "TomDemarkSequential") -> None:
        super().__init__(name)
        self._bars: RollingWindow[Any] = self._own(RollingWindow(self._BARS))
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True from the sixth bar on."""
        return self.samples >= self.warm_up_period

    def _restart(self) -> None:
        self._phase = TomDemarkSequentialPhase.NONE
        self.setup_phase_step_count = self.countdown_phase_step_count = 0
        self._resistance = self._support = ZERO

    @property
    def resistance_price(self) -> float:
        """Price above which a countdown to buy ends."""
        return to_double(self._resistance)

    @property
    def support_price(self) -> float:
        """Price below which a countdown to sell ends."""
        return to_double(self._support)

    def _compute(self, point: Any) -> Decimal:
        self._bars.add(point)
        if not self.is_ready:
            return ZERO
        phases = TomDemarkSequentialPhase
        if self._phase == phases.NONE:
            return Decimal(self._begin())
        if self._phase in (phases.BUY_SETUP, phases.SELL_SETUP):
            return Decimal(self._set_up(self._phase == phases.BUY_SETUP))
        return Decimal(self._count_down(self._phase == phases.BUY_COUNTDOWN))

    def _begin(self) -> int:
        bars, phases = self._bars, TomDemarkSequentialPhase
        earlier = bars[1].close_exact - bars[5].close_exact
        now = bars[0].close_exact - bars[4].close_exact
        if earlier * now >= 0:
            return 0
        self._phase = phases.BUY_SETUP if now < 0 else phases.SELL_SETUP
        self.setup_phase_step_count = 1
        return self._phase

    def _set_up(self, buying: bool) -> int:
        bars, phases = list(self._bars), TomDemarkSequentialPhase
        point, change = bars[0], bars[0].close_exact - bars[4].close_exact
        if not (change < 0 if buying else change > 0):
            self._phase = phases.NONE
            return 0
        self.setup_phase_step_count += 1
        if self.setup_phase_step_count != self._SETUP:
            return phases.BUY_SETUP if buying else phases.SELL_SETUP
        last = bars[len(bars) - self._SETUP :]
        if buying:
            self._phase = phases.BUY_COUNTDOWN
            self._resistance = max(bar.high_exact for bar in last)
            beyond = point.close_exact < bars[2].low_exact
            sixth, seventh, eighth, ninth = (bars[i].low_exact for i in (3, 2, 1, 0))
            perfect = min(eighth, ninth) < min(sixth, seventh)
        else:
            self._phase = phases.SELL_COUNTDOWN
            self._support = min(bar.low_exact for bar in last)
            beyond = point.close_exact > bars[2].high_exact
            sixth, seventh, eighth, ninth = (bars[i].high_exact for i in (3, 2, 1, 0))
            perfect = max(eighth, ninth) > max(sixth, seventh)
        if beyond:
            self.countdown_phase_step_count = 1
        if buying:
            return phases.BUY_SETUP_PERFECT if perfect else phases.BUY_SETUP
        return phases.SELL_SETUP_PERFECT if perfect else phases.SELL_SETUP

    def _count_down(self, buying: bool) -> int:
        phases, close, before = (
            TomDemarkSequentialPhase, self._bars[0].close_exact, self._bars[2],
        )  # fmt: skip
        if close <= before.low_exact if buying else close >= before.high_exact:
            self.countdown_phase_step_count += 1
            if self.countdown_phase_step_count == self._COUNTDOWN:
                self._phase = phases.NONE
            return phases.BUY_COUNTDOWN if buying else phases.SELL_COUNTDOWN
        if close > self._resistance if buying else close < self._support:
            self._phase = phases.NONE
        return 0
