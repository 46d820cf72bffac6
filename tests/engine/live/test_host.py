"""What a live run does, on a small folder and in event time; LEAN's facts, one by one."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engine.account.margin_call import DefaultMarginCallModel
from engine.brokerage.brokerage_models import AlpacaBrokerageModel
from engine.common.enums import AlgorithmStatus, BrokerageName, Resolution, SecurityType
from engine.feed.period_consolidators import Calendar
from engine.framework.universe import ScheduledUniverseSelectionModel
from engine.live.brokerage import LeanPaperBrokerage, Position
from engine.live.clock import EventClock
from engine.market.symbols import Market, Symbol
from tests.engine.folder import flat
from tests.engine.live.conftest import ROWS, Base, local, new_york

MONDAY_8 = (2010, 1, 11, 8)
WEDNESDAY_NIGHT = (2010, 1, 13, 23)


def test_bars_come_once_a_close_and_are_the_days(live):
    class Watching(Base):
        def on_data(self, data):
            bar = data.bars[self.symbol]
            self.seen.append(
                (
                    self.time,
                    self.is_warming_up,
                    bar.time,
                    bar.end_time,
                    (bar.open, bar.high, bar.low, bar.close, bar.volume),
                )
            )

    seen = live.run(Watching, MONDAY_8, WEDNESDAY_NIGHT).algorithm.seen
    closes = [datetime(2010, 1, day, 16) for day in (7, 8, 11, 12, 13)]
    assert [row[0] for row in seen] == [row[3] for row in seen] == closes
    assert [row[1] for row in seen] == [True, True, False, False, False]
    assert [row[4] for row in seen] == ROWS[3:8]


def test_initialize_sees_now_and_the_start_date_is_today(live):
    class Asking(Base):
        def initialize(self):
            super().initialize()
            self.seen.append((self.time, self.start_date, self.live_mode, self.is_warming_up))

    seen = live.run(Asking, MONDAY_8, WEDNESDAY_NIGHT).algorithm.seen
    assert seen == [(datetime(2010, 1, 11, 8), datetime(2010, 1, 11), True, True)]


def test_started_in_the_session_the_first_bar_is_what_is_left_of_it(live):
    class Watching(Base):
        def on_data(self, data):
            if not self.is_warming_up:
                self.seen.append(data.bars[self.symbol])

    first, second = live.run(Watching, (2010, 1, 11, 10), (2010, 1, 12, 17)).algorithm.seen
    _, high, low, close, volume = ROWS[5]
    assert (first.open, first.close) == ((high + low) / 2, close)
    assert first.volume < volume
    assert second.open == ROWS[6][0]


def test_a_close_without_trades_repeats_the_bar_ten_minutes_later(live):
    live.bars = {"ABC": ROWS, "XYZ": ROWS[:6]}

    class Watching(Base):
        def initialize(self):
            super().initialize()
            self.other = self.add_equity("XYZ", Resolution.DAILY).symbol

        def on_data(self, data):
            bar = data.bars.get(self.other)
            if bar is not None:
                self.seen.append((self.time, bar.is_fill_forward, bar.close, bar.end_time))

    seen = live.run(Watching, MONDAY_8, WEDNESDAY_NIGHT).algorithm.seen
    close = [datetime(2010, 1, day, 16) for day in (11, 12, 13)]
    wait = timedelta(minutes=10)
    assert seen[-3:] == [
        (close[0], False, 106, close[0]),
        (close[1] + wait, True, 106, close[1]),
        (close[2] + wait, True, 106, close[2]),
    ]


def test_half_days_close_at_one(live):
    class Watching(Base):
        def on_data(self, data):
            self.seen.append(self.time)

    seen = live.run(Watching, (2010, 1, 29, 8), (2010, 1, 30, 12)).algorithm.seen
    assert seen[-1] == datetime(2010, 1, 29, 13)


def test_an_order_at_the_close_fills_at_0931_at_the_open(live):
    class Buying(Base):
        def on_data(self, data):
            if not self.is_warming_up and not self.events:
                self.market_order(self.symbol, 10)

        def on_order_event(self, event):
            super().on_order_event(event)
            self.seen.append(self.statistics.summary.get("Total Orders"))

    algorithm = live.run(Buying, MONDAY_8, WEDNESDAY_NIGHT).algorithm
    assert algorithm.seen == [None, "1"]
    assert [event[:4] for event in algorithm.events] == [
        (datetime(2010, 1, 11, 16), "SUBMITTED", 0, 0),
        (datetime(2010, 1, 12, 9, 31), "FILLED", 10, ROWS[6][0]),
    ]


def test_an_order_in_the_session_fills_at_once_on_the_last_minute(live):
    class Noon(Base):
        def initialize(self):
            super().initialize()
            self.schedule.on(
                self.date_rules.every_day(self.symbol), self.time_rules.noon, self.buy_one
            )

        def buy_one(self):
            if not self.is_warming_up and not self.events:
                self.seen.append(str(self.market_order(self.symbol, 1).status))

    algorithm = live.run(Noon, MONDAY_8, WEDNESDAY_NIGHT).algorithm
    middle = (ROWS[5][1] + ROWS[5][2]) / 2
    assert algorithm.seen == ["FILLED"]
    (time, _, _, price, message) = algorithm.events[1]
    assert (time, price) == (datetime(2010, 1, 11, 12), middle)
    assert message == (
        "Warning: No quote information available at 01/11/2010 12:00:00 America/New_York, "
        "order filled using TradeBar data"
    )


def test_scheduled_events_run_in_warm_up_and_on_live(live):
    class Morning(Base):
        def initialize(self):
            super().initialize()
            self.schedule.on(self.date_rules.every_day(), self.time_rules.at(9, 20), self.note)
            self.train(self.note)

        def note(self):
            self.seen.append((self.time, self.is_warming_up))

    seen = live.run(Morning, (2010, 1, 11, 10), (2010, 1, 12, 23)).algorithm.seen
    at_920 = [(datetime(2010, 1, day, 9, 20), day < 12) for day in (7, 8, 9, 10, 11, 12)]
    assert seen == [(datetime(2010, 1, 7), True), *at_920]


def test_a_raising_scheduled_event_is_run_again_and_its_order_given_twice(live):
    class Broken(Base):
        def initialize(self):
            super().initialize()
            self.schedule.on(self.date_rules.every_day(), self.time_rules.noon, self.fail)

        def fail(self):
            if not self.is_warming_up:
                self.seen.append(self.time)
                self.limit_order(self.symbol, 1, 50)
                raise ValueError("broken on purpose")

        def on_end_of_algorithm(self):
            self.seen.append("told of the end")

    result = live.run(Broken, MONDAY_8, WEDNESDAY_NIGHT)
    algorithm = result.algorithm
    noon = datetime(2010, 1, 11, 12)
    assert algorithm.seen == [noon + timedelta(seconds=i) for i in range(3)]
    assert [event[:2] for event in algorithm.events] == [
        (noon, "SUBMITTED"),
        (noon + timedelta(seconds=1), "SUBMITTED"),
    ]
    assert result.status == AlgorithmStatus.RUNTIME_ERROR
    told = [line for line in algorithm.qc_log_lines if "Runtime Error" in line]
    assert len(told) == 2
    assert "broken on purpose\n  at fail\n    raise ValueError" in told[0]


@pytest.mark.parametrize("interrupted", [True, False])
def test_an_interrupted_run_is_told_of_the_end_a_killed_one_not(live, interrupted):
    class Ending(Base):
        def on_end_of_algorithm(self):
            self.seen.append(self.time)

    clock = EventClock(local(*MONDAY_8), local(*WEDNESDAY_NIGHT))
    clock.interrupted = interrupted
    seen = live.run(Ending, MONDAY_8, clock=clock).algorithm.seen
    assert seen == ([datetime(*WEDNESDAY_NIGHT)] if interrupted else [])


def test_the_account_is_there_from_the_first_moment_of_warm_up(live):
    class Held(Base):
        def initialize(self):
            super().initialize()
            self.note()

        def on_data(self, data):
            self.note()

        def note(self):
            self.seen.append((self.portfolio.cash, self.portfolio[self.symbol].quantity))

    brokerage = LeanPaperBrokerage(Decimal(5000), {"ABC": Position(Decimal(7), Decimal(90))})
    algorithm = live.run(Held, MONDAY_8, WEDNESDAY_NIGHT, brokerage=brokerage).algorithm
    assert algorithm.seen[:2] == [(100_000, 0), (5000, 7)]
    assert algorithm.portfolio[algorithm.symbol].average_price == 90


def test_a_dividend_is_cash_at_eight_whatever_the_mode(live):
    live.factors = {"ABC": "20100104,1,1,1\n20100111,0.99,1,100\n20501231,1,1,0\n"}
    live.bars = {"ABC": flat(100, 25)}

    class Paid(Base):
        def on_dividends(self, dividends):
            if not self.is_warming_up:
                self.seen.append((self.time, self.portfolio.cash, len(dividends)))

        def on_data(self, data):
            self.seen.append((self.time, self.portfolio.cash, len(data.bars)))

    brokerage = LeanPaperBrokerage(Decimal(5000), {"ABC": Position(Decimal(7), Decimal(90))})
    seen = live.run(Paid, MONDAY_8, (2010, 1, 12, 10), brokerage=brokerage).algorithm.seen
    eight = datetime(2010, 1, 12, 8)
    assert seen[-3:] == [
        (datetime(2010, 1, 11, 16), 5000, 1),
        (eight, 5007, 1),
        (eight, 5007, 0),
    ]


def test_a_split_changes_holdings_orders_and_prices_at_eight(live):
    live.factors = {"ABC": "20100104,1,0.5,1\n20100111,1,0.5,100\n20501231,1,1,0\n"}
    live.bars = {"ABC": [*flat(100, 6), *flat(50, 19)]}

    class Halved(Base):
        def on_data(self, data):
            if data.bars and not self.is_warming_up and not self.events:
                self.limit_order(self.symbol, 3, 80.0)

        def on_splits(self, splits):
            for split in splits.values():
                holding = self.portfolio[self.symbol]
                self.seen.append((self.time, str(split.type), holding.quantity, holding.price))

    brokerage = LeanPaperBrokerage(Decimal(0), {"ABC": Position(Decimal(7), Decimal(90))})
    algorithm = live.run(Halved, MONDAY_8, (2010, 1, 12, 9), brokerage=brokerage).algorithm
    # The row is Monday's: the warning at eight of Monday is the start's own moment.
    assert algorithm.seen[-1] == (datetime(2010, 1, 12, 8), "SPLIT_OCCURRED", 14, 50)
    (order,) = algorithm.transactions.get_open_orders()
    assert (order.quantity, order.limit_price) == (6, 40)
    assert algorithm.portfolio[algorithm.symbol].average_price == 45


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        (BrokerageName.DEFAULT, (True, True, True, True)),
        (BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, (True, True, True, False)),
        (BrokerageName.ALPACA, (False, True, True, False)),
        (BrokerageName.TRADE_STATION, (False, False, True, True)),
    ],
)
def test_brokers_take_market_on_open_orders_in_their_hours(live, name, taken):
    class Hours(Base):
        def initialize(self):
            super().initialize()
            self.set_brokerage_model(name)
            for hour, minute in ((16, 1), (19, 0), (9, 20), (9, 28)):
                rule = self.time_rules.at(hour, minute)
                self.schedule.on(self.date_rules.every_day(), rule, self.give)

        def give(self):
            if not self.is_warming_up:
                self.seen.append(str(self.market_order(self.symbol, 1).status))

    seen = live.run(Hours, (2010, 1, 11, 10), (2010, 1, 12, 9, 29)).algorithm.seen
    assert seen == ["SUBMITTED" if ok else "INVALID" for ok in taken]


def test_alpaca_takes_no_order_at_the_open_that_turns_a_position_round(live):
    class Turning(Base):
        def initialize(self):
            super().initialize()
            self.set_brokerage_model(AlpacaBrokerageModel())
            self.schedule.on(self.date_rules.every_day(), self.time_rules.at(20, 0), self.turn)

        def turn(self):
            if not self.is_warming_up:
                self.seen += [str(self.market_order(self.symbol, q).status) for q in (-7, -8)]

    brokerage = LeanPaperBrokerage(Decimal(5000), {"ABC": Position(Decimal(7), Decimal(90))})
    seen = live.run(Turning, MONDAY_8, (2010, 1, 11, 23), brokerage=brokerage).algorithm.seen
    assert seen == ["SUBMITTED", "INVALID"]


def test_what_the_host_lacks_is_refused_by_name(live):
    class Minutes(Base):
        def initialize(self):
            super().initialize()
            self.add_equity("ABC", Resolution.MINUTE)

    with pytest.raises(NotImplementedError, match="Minute: only Daily"):
        live.run(Minutes, MONDAY_8, WEDNESDAY_NIGHT)


def test_securities_come_and_go_while_it_runs(live):
    """Added and removed by hand at noon; picked by a universe in the morning, held at a start."""
    live.bars = {"ABC": ROWS, "XYZ": ROWS, "UVW": ROWS, "OLD": ROWS}

    class Changing(Base):
        def initialize(self):
            super().initialize()
            self.universe_settings.resolution = Resolution.DAILY
            every_day, times = self.date_rules.every_day(), self.time_rules
            self.schedule.on(every_day, times.noon, self.change)
            picking = ScheduledUniverseSelectionModel(every_day, times.at(9, 0), self.pick)
            self.add_universe_selection(picking)

        def pick(self, time):
            return [self.symbol_of("UVW")] if self.time.day == 12 else []

        def symbol_of(self, name):
            return Symbol.create(name, SecurityType.EQUITY, Market.USA)

        def change(self):
            if self.is_warming_up:
                return
            if self.time.day == 11:
                self.add_equity("XYZ", Resolution.DAILY)
            elif self.time.day == 13:
                self.remove_security(self.symbol_of("XYZ"))

        def on_securities_changed(self, changes):
            if not self.is_warming_up:
                names = [[s.symbol.value for s in each] for each in (
                    changes.added_securities, changes.removed_securities)]  # fmt: skip
                self.seen.append((self.time, *names))

        def on_data(self, data):
            if not self.is_warming_up:
                self.seen.append((self.time.day, sorted(each.key.value for each in data.bars)))

    held = LeanPaperBrokerage(None, {"OLD": Position(Decimal(1), Decimal(90))})
    algorithm = live.run(Changing, MONDAY_8, WEDNESDAY_NIGHT, brokerage=held).algorithm
    assert algorithm.seen == [
        (datetime(2010, 1, 11, 12), ["XYZ"], []),
        (11, ["ABC", "OLD", "XYZ"]),
        (datetime(2010, 1, 12, 9), ["UVW"], []),
        (12, ["ABC", "OLD", "UVW", "XYZ"]),
        (datetime(2010, 1, 13, 9), [], ["UVW"]),
        (datetime(2010, 1, 13, 12), [], ["XYZ"]),
        (13, ["ABC", "OLD"]),
    ]
    (old,) = [one for one in algorithm.portfolio.values() if one.invested]
    assert (old.symbol.value, old.quantity) == ("OLD", 1)


def test_a_better_open_is_told_in_leans_words(live):
    class Limited(Base):
        def on_data(self, data):
            if not self.is_warming_up and not self.events:
                self.limit_order(self.symbol, 1, 150)

    events = live.run(Limited, MONDAY_8, WEDNESDAY_NIGHT).algorithm.events
    assert events[-1][3:] == (
        106,
        "Due to a favorable gap at 01/12/2010 09:31:00 America/New_York, order filled using the "
        "open price (106)",
    )


def test_the_margin_is_looked_at_at_every_step(live):
    """With a model of the algorithm's own; within minutes of each other, unlike in a backtest."""
    live.bars = {"ABC": [*ROWS[:7], *flat(72, 10)]}

    class Borrowing(Base):
        def initialize(self):
            super().initialize()
            minutes = self.time_rules.every(timedelta(minutes=1))
            self.schedule.on(self.date_rules.every_day(), minutes, lambda: None)
            self.portfolio.margin_call_model = DefaultMarginCallModel(self.portfolio, None)

        def on_data(self, data):
            if not self.is_warming_up and not self.events:
                self.market_order(self.symbol, 1400)

        def on_margin_call_warning(self):
            self.seen.append(self.time)

    algorithm = live.run(Borrowing, MONDAY_8, (2010, 1, 13, 9, 34)).algorithm
    opened = datetime(2010, 1, 13, 9, 31)
    assert algorithm.seen == [opened + timedelta(minutes=i) for i in range(4)]


def test_a_week_ends_in_its_second_though_nothing_trades(live):
    """LEAN looks once a second; the handler sees the end of the week, a second before."""
    clock = EventClock(local(*MONDAY_8), local(2010, 1, 19, 8))

    class Weekly(Base):
        def initialize(self):
            super().initialize()
            self.consolidate(self.symbol, Calendar.WEEKLY, self.note)

        def note(self, bar):
            if not self.is_warming_up:
                self.seen.append((self.time, new_york(clock.now), bar.close))

    (seen,) = live.run(Weekly, MONDAY_8, clock=clock).algorithm.seen
    monday = datetime(2010, 1, 18)
    assert seen == (monday, monday + timedelta(seconds=1), ROWS[9][3])
