"""FRED's series: LEAN's times, and nothing else of its custom data."""

from datetime import datetime, timedelta

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import Resolution
from engine.feed.fred import Fred, FredFiles
from engine.run.runner import run_algorithm
from tests.engine.folder import write_folder

ROWS = [(100 + i, 101 + i, 99 + i, 100.5 + i, 1_000_000) for i in range(20)]


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", {"ABC": ROWS})
    fred = tmp_path / "data" / "alternative" / "fred"
    fred.mkdir(parents=True)
    (fred / "vixcls.csv").write_text(
        "19971231,1\n20100107,18.13\n20100108,17.55\n20100111,17.63\n20100113,-2\n20100120,9\n"
    )
    return tmp_path


class Watching(QCAlgorithm):
    """A week of one stock and one series."""

    def initialize(self):
        self.set_start_date(2010, 1, 11)
        self.set_end_date(2010, 1, 15)
        self.add_equity("ABC", Resolution.DAILY)
        self.vix = self.add_data(Fred, "VIXCLS", Resolution.DAILY).symbol
        self.told, self.slices = [], []
        self.prepare()

    def prepare(self):
        pass

    def on_data(self, data):
        self.slices.append((self.time, len(data.bars)))
        if data.contains_key(self.vix):
            point = data[self.vix]
            self.told.append((self.time, point.time, point.end_time, point.value))
            assert data.get(Fred, self.vix) is point
            assert list(data.get(Fred).keys()) == [self.vix]


def run(folder, kind):
    return run_algorithm(
        kind, data_folder=folder / "data", store=folder / "store", parameters={}
    ).algorithm


def test_a_value_is_told_at_the_midnight_after_its_day(folder):
    found = run(folder, Watching)
    assert found.told == [
        (datetime(2010, 1, 12), datetime(2010, 1, 11), datetime(2010, 1, 12), 17.63),
        (datetime(2010, 1, 14), datetime(2010, 1, 13), datetime(2010, 1, 14), -2.0),
    ]
    # In slices of their own, between those of the closes.
    assert found.slices[:3] == [
        (datetime(2010, 1, 11, 16), 1),
        (datetime(2010, 1, 12), 0),
        (datetime(2010, 1, 12, 16), 1),
    ]


def test_warm_up_tells_the_values_before_weekends_too(folder):
    class Warming(Watching):
        def prepare(self):
            self.set_warm_up(timedelta(days=4), Resolution.DAILY)

    told = run(folder, Warming).told
    assert [time for time, *_ in told][:2] == [datetime(2010, 1, 8), datetime(2010, 1, 9)]


def test_orders_and_statistics_do_not_know_of_it(folder):
    class Buying(Watching):
        def on_data(self, data):
            if not self.portfolio.invested:
                self.set_holdings("ABC", 0.5)

    class Alone(Buying):
        def initialize(self):
            self.set_start_date(2010, 1, 11)
            self.set_end_date(2010, 1, 15)
            self.add_equity("ABC", Resolution.DAILY)

    with_series, alone = (
        run_algorithm(kind, data_folder=folder / "data", store=folder / "store", parameters={})
        for kind in (Buying, Alone)
    )
    assert with_series.statistics == alone.statistics
    assert list(with_series.algorithm.securities.keys()) == list(alone.algorithm.securities.keys())


def test_what_is_not_fed_says_so(folder):
    class Other(Watching):
        def prepare(self):
            with pytest.raises(NotImplementedError, match=r"add_data\(Custom\)"):
                self.add_data(type("Custom", (), {}), "X", Resolution.DAILY)
            with pytest.raises(NotImplementedError, match=r"add_data\(Fred, resolution="):
                self.add_data(Fred, "VIXCLS", Resolution.HOUR)
            with pytest.raises(ValueError, match="FRED series 'GDP' is unknown"):
                self.add_data(Fred, "gdp")
            with pytest.raises(NotImplementedError, match="price of FRED's series"):
                _ = self.add_data(Fred, "VIXCLS").price

    run(folder, Other)


def test_lean_asks_for_nothing_before_1998(folder):
    days = [day for day, _ in FredFiles(folder / "data").values("VIXCLS")]
    assert days[0] == datetime(2010, 1, 7)


def test_a_damaged_file_is_named(folder):
    path = folder / "data" / "alternative" / "fred" / "vixcls.csv"
    path.write_text("20100107,18.13\n2010-01-08,17\n")
    with pytest.raises(ValueError, match=r"vixcls.csv, line 2 must read yyyyMMdd,value"):
        list(FredFiles(folder / "data").values("VIXCLS"))


def test_the_risk_free_rate_is_that_of_the_data_folder(tmp_path):
    write_folder(tmp_path / "data", {"ABC": ROWS})
    rates = tmp_path / "data" / "alternative" / "interest-rate" / "usa"
    rates.mkdir(parents=True)
    (rates / "interest-rate.csv").write_text("DATE,RATE\n2009-12-01,0.5\n2010-01-13,0.75\n")

    class Asking(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 4)
            self.set_end_date(2010, 1, 5)
            self.add_equity("ABC", Resolution.DAILY)
            model = self.risk_free_interest_rate_model
            self.found = [model.get_interest_rate(datetime(2010, 1, day)) for day in (12, 13, 20)]

    assert run(tmp_path, Asking).found == [0.005, 0.0075, 0.0075]
