"""Data of a user's own class, out of the object store and local files."""

from datetime import datetime, timedelta
from typing import ClassVar

import pytest

from engine.account.exchanges import EquityExchange
from engine.api.algorithm import QCAlgorithm
from engine.common.enums import FileFormat, Resolution, SubscriptionTransportMedium
from engine.common.net_exceptions import KeyNotFoundException
from engine.feed.custom_data import PythonData
from engine.feed.period_consolidators import BaseDataConsolidator
from engine.indicators import Field, SimpleMovingAverage
from engine.market.data_sources import SubscriptionDataSource
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", {"ABC": flat(100, 20)})
    return tmp_path


class Weather(PythonData):
    """Rows of time,temperature,wind."""

    medium = SubscriptionTransportMedium.OBJECT_STORE
    place = "weather"

    def get_source(self, config, date, is_live):
        return SubscriptionDataSource(self.place, self.medium, FileFormat.CSV)

    def reader(self, config, line, date, is_live):
        if not line[0].isdigit():
            return None
        cells = line.split(",")
        point = Weather()
        point.symbol = config.symbol
        point.time = datetime.strptime(cells[0], "%Y-%m-%d %H:%M")
        point.value = float(cells[1])
        point["Wind"] = float(cells[2])
        return point


class Base(QCAlgorithm):
    """Reads the weather of a few days."""

    kind = Weather
    text = "time,temperature,wind\n" + "".join(
        f"2010-01-{day:02d} {hour:02d}:00,{day}.5,{hour}\n"
        for day in (3, 9, 11, 12)
        for hour in (0, 18)
    )

    def initialize(self):
        self.set_start_date(2010, 1, 8)
        self.set_end_date(2010, 1, 12)
        self.object_store.save("weather", self.text)
        self.add_equity("ABC", Resolution.DAILY)
        self.weather = self.add_data(self.kind, "Paris", Resolution.HOUR).symbol
        self.seen = []
        self.shown = str(self.weather)
        self.start()

    def start(self):
        pass

    def on_data(self, data):
        if data.contains_key(self.weather):
            point = data[self.weather]
            price = self.securities[self.weather].price
            self.seen.append((self.time, point.value, point.wind, price))

    def on_securities_changed(self, changes):
        self.changed = [security.symbol.value for security in changes.added_securities]


def run(folder, kind):
    return run_algorithm(kind, data_folder=folder / "data", store=folder / "store", parameters={})


def test_points_come_at_their_time_on_closed_days_too(folder):
    algorithm = run(folder, Base).algorithm
    assert algorithm.seen == [
        (datetime(2010, 1, day, hour), day + 0.5, hour, day + 0.5)
        for day in (9, 11, 12)
        for hour in (0, 18)
    ]
    assert algorithm.changed == ["ABC"]  # LEAN does not tell of custom data
    assert algorithm.shown == "PARIS.Weather"
    security = algorithm.securities[algorithm.weather]
    assert security.leverage == 1  # add_data's own default, after the initializer's
    (config,) = security.subscriptions
    assert (config.data_time_zone, config.exchange_time_zone) == ("America/New_York",) * 2


def test_data_of_a_security_and_bars_of_their_fields(folder):
    class Priced(Weather):
        def reader(self, config, line, date, is_live):
            point = super().reader(config, line, date, is_live)
            if point is not None:
                # A text is a time where Python meets .NET.
                point.time = str(point.time)
                point["Close"] = point["Wind"] + 0.25
                point["Volume"] = 2.5
                self.of.add(config.symbol.underlying.value)
            return point

        of: ClassVar = set()

    class Linked(Base):
        kind = Priced

        def initialize(self):
            super().initialize()
            abc = self.symbol("ABC")
            self.linked = self.add_data(Priced, abc, Resolution.HOUR).symbol
            self.names = str(self.linked), self.linked.value, str(self.linked.underlying)
            self.bars = []
            self.consolidate(self.linked, timedelta(days=1), self.bars.append)
            self.last = self.identity(self.linked)
            self.mean = SimpleMovingAverage(1)
            self.warm_up_indicator(self.linked, self.mean, Resolution.HOUR)
            self.found = self.indicator_history(self.mean, self.linked, timedelta(days=8))
            # No values asked for: LEAN's history is long enough for the first.
            self.first = self.indicator_history(SimpleMovingAverage(3), abc, 0)
            self.kept = []

        def on_data(self, data):
            self.kept.append(data)

        def on_end_of_algorithm(self):
            mean = SimpleMovingAverage(1)
            own = [data for data in self.kept if data.contains_key(self.linked)]
            self.of_slices = self.indicator_history(mean, own)
            self.of_trades = self.indicator_history(mean, self.kept, Field.VOLUME)

    Priced.of.clear()
    algorithm = run(folder, Linked).algorithm
    linked = algorithm.linked
    assert algorithm.names == ("ABC.Priced", "ABC", "ABC")
    assert (str(linked.id), linked.id.date) == (
        "ABC.Priced UJ0T0SKEFN1G",
        linked.underlying.id.date,
    )
    assert Priced.of == {"ABC"}
    # The value where a point has no such field; volumes are whole, halves to even.
    shown = [(bar.time.day, bar.open, bar.close, bar.volume) for bar in algorithm.bars]
    assert shown == [(9, 9.5, 18.25, 4), (11, 11.5, 18.25, 4)]
    assert algorithm.last.current.value == 18.25
    assert [point.value for point in algorithm.found] == [3.5, 3.5]
    assert [point.value for point in algorithm.first] == [100]
    # Slices give what they hold, custom points too; volumes are those of trades alone.
    assert [point.value for point in algorithm.of_slices] == [9.5, 9.5, 11.5, 11.5, 12.5, 12.5]
    assert {point.value for point in algorithm.of_trades} == {1_000_000}


def test_a_source_of_each_day_and_a_local_file(folder):
    for day in (9, 11):
        rows = [f"2010-01-{d:02d} 12:00,{day},0" for d in (day, day + 1)]
        (folder / f"{day}.csv").write_text("\n".join(rows))

    class Daily(Weather):
        def get_source(self, config, date, is_live):
            return SubscriptionDataSource(str(folder / f"{date.day}.csv"))

    class Reading(Base):
        kind = Daily

    seen = [(time.day, value) for time, value, *_ in run(folder, Reading).algorithm.seen]
    # A row that belongs to the next day's file is left out.
    assert seen == [(9, 9), (11, 11)]


def test_a_days_source_that_ends_with_its_midnight_does_not_hide_the_next_days(folder):
    class Daily(Weather):
        def get_source(self, config, date, is_live):
            return SubscriptionDataSource(str(folder / f"{date.day}.csv"))

        def reader(self, config, line, date, is_live):
            point = super().reader(config, line, date, is_live)
            point.end_time = point.time + timedelta(hours=1)
            return point

    class Reading(Base):
        kind = Daily

    for day in range(7, 13):
        rows = [f"2010-01-{day:02d} {hour}:00,{day},{hour}" for hour in (12, 23)]
        (folder / f"{day}.csv").write_text("\n".join(rows))
    seen = [(time.day, time.hour, value) for time, value, *_ in run(folder, Reading).algorithm.seen]
    assert seen == [
        moment for day in range(8, 13) for moment in ((day, 13, day), (day + 1, 0, day))
    ]


def test_a_day_without_a_source_does_not_end_the_one_that_is_read(folder):
    class Weekdays(Weather):
        def get_source(self, config, date, is_live):
            name = "" if date.weekday() >= 5 else self.place
            return SubscriptionDataSource(name, self.medium)

    class Reading(Base):
        kind = Weekdays

    assert run(folder, Reading).algorithm.seen == run(folder, Base).algorithm.seen


def test_points_can_be_consolidated(folder):
    class Consolidating(Base):
        def start(self):
            self.bars = []
            consolidator = BaseDataConsolidator(timedelta(days=1))
            consolidator.data_consolidated += lambda _, bar: self.bars.append(bar)
            self.subscription_manager.add_consolidator(self.weather, consolidator)

    bars = run(folder, Consolidating).algorithm.bars
    assert [(bar.time.day, bar.open) for bar in bars][:2] == [(9, 9.5), (11, 11.5)]


def test_a_line_that_the_reader_cannot_read_is_left_out_and_told(folder):
    class Broken(Base):
        text = "2010-01-09 00:00,1,2\n2010-01-09 01:00,warm,2\n2010-01-09 02:00,3,4\n"

    algorithm = run(folder, Broken).algorithm
    assert [value for _, value, *_ in algorithm.seen] == [1, 3]
    assert any("Line: 2010-01-09 01:00,warm,2" in line for line in algorithm.qc_log_lines)


def test_what_is_not_read_is_refused_by_name(folder):
    class Remote(Weather):
        medium = None
        place = "https://example.com/weather.csv"

    class Reading(Base):
        kind = Remote

    with pytest.raises(NotImplementedError, match=r"REMOTE_FILE .*local file or the object store"):
        raise run(folder, Reading).algorithm.run_time_error

    class Trading(Base):
        def on_data(self, data):
            self.market_order(self.weather, 1)

    with pytest.raises(NotImplementedError, match=r"orders for custom data \(PARIS\)"):
        raise run(folder, Trading).algorithm.run_time_error


def test_its_history_needs_no_class(folder):
    class Asking(Base):
        def on_data(self, data):
            if self.time == datetime(2010, 1, 9):
                self.frame = self.history(self.weather, timedelta(1), Resolution.HOUR)

    frame = run(folder, Asking).algorithm.frame
    assert list(frame.columns) == ["value"]  # no wind at midnight
    assert frame.value.tolist() == [9.5]


def test_fields_by_name():
    point = Weather()
    point["EndTime"] = datetime(2010, 1, 4)
    point["Open"] = 5.0
    assert (point.time, point.open, point["OPEN"]) == (datetime(2010, 1, 4), 5, 5)
    point["TopSpeed"] = 7.0
    assert (point.top_speed, point["topspeed"], point["top_speed"]) == (7, 7, 7)
    assert point.has_property("open")
    assert not point.has_property("time")
    assert [pair.key for pair in point.get_storage_dictionary()] == ["open", "topspeed"]
    with pytest.raises(KeyNotFoundException, match=r"'low' does not exist\. Properties: Time, Sym"):
        point["Low"]


def test_history_has_the_points_that_came(folder):
    class Asking(Base):
        def on_end_of_algorithm(self):
            self.frame = self.history(Weather, self.weather, self.start_date, self.end_date)
            self.points = self.history[Weather](self.weather, timedelta(days=1))

    found = run(folder, Asking).algorithm
    hours = [time for _, time in found.frame.index]
    assert hours == [time for time, *_ in found.seen]
    assert sorted(found.frame.columns) == ["value", "wind"]
    assert list(found.frame["value"]) == [value for _, value, *_ in found.seen]
    assert [point.value for point in found.points] == [12.5, 12.5]


def test_history_of_custom_data_takes_its_class(folder):
    class Asking(Base):
        def on_end_of_algorithm(self):
            with pytest.raises(NotImplementedError, match="asked for by its class"):
                self.history([self.weather, "ABC"], 3)

    run(folder, Asking)


def test_of_an_equity_the_class_is_read_in_the_exchanges_hours(folder):
    class Asking(Base):
        text = "".join(
            f"2010-01-{day:02d} {hour:02d}:00,{day}.5,{hour}\n"
            for day in (8, 9, 11, 12)
            for hour in (8, 10, 18)
        )

        def start(self):
            self.securities[self.weather].exchange = EquityExchange()

        def on_end_of_algorithm(self):
            given = timedelta(days=5), Resolution.HOUR
            self.points = list(self.history[Weather]("ABC", *given, fill_forward=False))

    found = run(folder, Asking).algorithm
    assert [point.time for point in found.points] == [
        datetime(2010, 1, day, 10) for day in (8, 11, 12)
    ]
    # A subscription of custom data has the extended hours, too.
    assert [(time.day, time.hour) for time, *_ in found.seen] == [
        (day, hour) for day in (8, 11, 12) for hour in (8, 10, 18)
    ]


def test_lines_are_sorted_if_the_source_says_so(folder):
    class Backwards(Weather):
        def get_source(self, config, date, is_live):
            source = super().get_source(config, date, is_live)
            source.sort = True
            return source

    class Reading(Base):
        kind = Backwards
        text = "\n".join(reversed(Base.text.splitlines()))

    assert run(folder, Reading).algorithm.seen == run(folder, Base).algorithm.seen


def test_a_time_is_one_as_soon_as_it_is_set_and_a_line_without_one_is_left_out(folder):
    class Written(Weather):
        def reader(self, config, line, date, is_live):
            point = Written()
            point.symbol = config.symbol
            point.Time, point.value, point["Wind"] = line.split(",")
            point.EndTime = point.Time + timedelta(hours=1)
            if point.value > 10:
                point["EndTime"] = "2010-01-12T01:00Z"
            return point

    class Reading(Base):
        kind = Written
        text = "2010-01-11 02:00,9,1\n,7,2\nnow,8,3\n2010-01-12,11,4\n"

    result = run(folder, Reading)
    assert [(time, value) for time, value, *_ in result.algorithm.seen] == [
        (datetime(2010, 1, 11, 3), 9),
        (datetime(2010, 1, 12, 1), 11),
    ]
    problems = [line for line in result.log if "cannot be converted to System.DateTime" in line]
    assert len(problems) == 2
