"""Training beside live trading: it holds nothing up, and what fails costs only itself."""

import threading
from datetime import date

import pytest

from tests.integration.live import MAIN, LiveScript, Market, summed

START, END = (2010, 3, 1, 8, 30), (2010, 4, 15, 20)

BEGUN, RELEASED = threading.Event(), threading.Event()


class SlowScript(LiveScript):
    """A learner whose second training lasts until it is released, and gives another script."""

    def decider(self, histories, rules, now):
        if self._told is None:
            return super().decider(histories, rules, now)
        BEGUN.set()
        assert RELEASED.wait(30)
        self._seed += 1
        return self.again(histories, rules)


class SlowStart(LiveScript):
    """A learner whose first training lasts until it is released."""

    def decider(self, histories, rules, now):
        BEGUN.set()
        assert RELEASED.wait(30)
        return super().decider(histories, rules, now)


class IllScript(LiveScript):
    """A learner that fails on some days, first and last included."""

    days: tuple[date, ...] = ()

    def decider(self, histories, rules, now):
        if any(first <= now.date() <= last for first, last in self.days):
            raise RuntimeError("out of memory")
        self._told = True
        return self.again(histories, rules)


SLOW = MAIN.replace(
    "import LiveScript",
    "import LiveScript\n"
    "from tests.integration.test_live_training import BEGUN, RELEASED, SlowScript",
).replace(
    "self.learner = LiveScript",
    "self.learner = SlowScript",
).replace(
    "        super().initialize()",
    '''        super().initialize()
        when = self.date_rules.on(2010, 4, 6)
        self.schedule.on(when, self.time_rules.at(12, 0), self.release)

    def release(self):
        assert BEGUN.is_set() and self._training.running
        RELEASED.set()
        assert self._training.wait(30)

    def _keeps_real_time(self):
        return True''',
)  # fmt: skip

SLOW_START = SLOW.replace("SlowScript", "SlowStart").replace("2010, 4, 6", "2010, 3, 3").replace(
    "self.schedule.on(when",
    """for hour in (9, 17):
            at = self.time_rules.at(hour, 0)
            self.schedule.on(self.date_rules.every_day(), at, self.look)
        self.shown = []
        self.schedule.on(when""",
).replace(
    "    def release(self):",
    """    def look(self):
        self.shown.append(self.runtime_statistics.get("Models trained"))

    def release(self):""",
)  # fmt: skip

ILL = MAIN.replace(
    "import LiveScript",
    "import LiveScript\nfrom tests.integration.test_live_training import IllScript",
).replace("self.learner = LiveScript", "self.learner = IllScript")


def made(folder, main):
    folder.mkdir()
    return Market(folder, main=main).write()


def test_a_training_holds_up_no_sending_and_no_decision(tmp_path):
    """From 1 April at 8:00 to 6 April at noon the script of before trades on."""
    BEGUN.clear()
    RELEASED.clear()
    slow, never = made(tmp_path / "slow", SLOW), made(tmp_path / "never", MAIN)
    found = summed(slow.live(START, END).algorithm.fills)
    wanted = summed(never.live(START, END, retrain="never").algorithm.fills)
    until = date(2010, 4, 7)
    before = [fill for fill in wanted if fill[0] < until]
    assert [fill for fill in found if fill[0] < until] == before
    assert any(fill[0] == date(2010, 4, 1) for fill in before)
    assert any(date(2010, 4, 1) < fill[0] for fill in before)
    assert [fill for fill in found if fill[0] >= until] != [f for f in wanted if f[0] >= until]
    said = [line for line in slow.log if "is decided with the models of before" in line]
    assert [line[:10] for line in said] == ["2010-04-01", "2010-04-02", "2010-04-05"]


def test_a_first_training_holds_up_nothing_and_nothing_is_traded_before_it_is_done(tmp_path):
    """From 1 March at 8:30 to 3 March at noon; the close of that day is the first decided on."""
    BEGUN.clear()
    RELEASED.clear()
    slow = made(tmp_path / "slow", SLOW_START)
    found = slow.live(START, (2010, 3, 8, 12))
    begun = [line for line in slow.log if "there are no models yet: they are trained now" in line]
    assert [line[:16] for line in begun] == ["2010-03-01 08:30"]
    said = [line for line in slow.log if "the first training is not done yet" in line]
    assert [line[:16] for line in said] == ["2010-03-01 16:05", "2010-03-02 16:05"]
    assert found.algorithm.shown[:4] == ["not yet; in training since 2010-03-01 08:30:00"] * 4
    assert found.algorithm.shown[-1] == "2010-03-01T08:30:00"
    assert min(day for day, *_ in summed(found.algorithm.fills)) == date(2010, 3, 4)
    # The closes without models were spoken of when they came.
    assert not any("passed without a decision" in line for line in slow.log)


def test_a_replay_waits_for_its_training(tmp_path):
    """So that it gives the same on any machine: the training is released from outside."""
    BEGUN.clear()
    RELEASED.clear()
    slow = made(tmp_path / "slow", SLOW.replace("return True", "return False"))
    slow.rewrite("assert BEGUN.is_set() and self._training.running", "return")

    def release():
        assert BEGUN.wait(60)
        RELEASED.set()

    releasing = threading.Thread(target=release)
    releasing.start()
    found = summed(slow.live(START, END).algorithm.fills)
    releasing.join()
    never = made(tmp_path / "never", MAIN)
    wanted = summed(never.live(START, END, retrain="never").algorithm.fills)
    assert not any("decided with the models of before" in line for line in slow.log)
    # The close of 1 April is decided with the new script.
    assert [f for f in found if f[0] <= date(2010, 4, 1)] == [
        f for f in wanted if f[0] <= date(2010, 4, 1)
    ]
    assert found != wanted


@pytest.fixture
def ill(tmp_path):
    yield made(tmp_path / "ill", ILL)
    IllScript.days = ()


def test_a_first_training_that_fails_trades_nothing_and_comes_again_at_the_next_close(ill):
    IllScript.days = ((date(2010, 3, 1), date(2010, 3, 1)),)
    found = ill.live(START, (2010, 3, 12, 12))
    failed = [line for line in ill.log if "training failed (" in line]
    assert [line[:16] for line in failed] == ["2010-03-01 08:30", "2010-03-01 16:00"]
    assert all("nothing is traded, what is held is kept" in line for line in failed)
    # The close of 2 March is the first with a decision.
    first = min(day for day, *_ in summed(found.algorithm.fills))
    assert first >= date(2010, 3, 3)


def test_first_trainings_that_fail_three_times_sell_everything(ill):
    """Positions of a run before, whose models are gone."""
    ill.live(START, (2010, 3, 10, 12))
    assert ill.holdings
    for path in (ill.root / "store" / "mirage-live").glob("default-*.json"):
        path.unlink()
    IllScript.days = ((date(2010, 3, 10), date(2010, 3, 12)),)
    kept = dict(ill.holdings)
    ill.log.clear()
    ill.live((2010, 3, 10, 12, 1), (2010, 3, 11, 12))
    assert ill.holdings == kept
    ill.live((2010, 3, 11, 12, 1), (2010, 3, 12, 12))
    assert not ill.holdings
    sold = [line for line in ill.log if "everything is sold, and nothing is traded" in line]
    assert [line[:16] for line in sold] == ["2010-03-11 12:01", "2010-03-11 16:00"]
    assert ill.live((2010, 3, 12, 12, 1), (2010, 3, 25, 12)).algorithm.fills


def test_later_trainings_that_fail_leave_the_models_trading(ill):
    """Tried at the time of training and at the two closes after it, then given up for a month."""
    IllScript.days = ((date(2010, 4, 1), date(2010, 4, 30)),)
    found = ill.live(START, END)
    said = [line for line in ill.log if "training failed (" in line]
    assert [line[:16] for line in said] == [
        "2010-04-01 08:00", "2010-04-01 16:00", "2010-04-02 16:00",
    ]  # fmt: skip
    assert "trade on; it is tried again at the next close" in said[0]
    assert "the models of 2010-03-01 08:30:00 trade on until" in said[2]
    assert any(fill[0] > date(2010, 4, 5) for fill in summed(found.algorithm.fills))


def test_a_training_that_failed_comes_again_at_a_start(ill):
    IllScript.days = ((date(2010, 4, 1), date(2010, 4, 1)),)
    ill.live(START, (2010, 4, 1, 12))
    ill.live((2010, 4, 2, 8, 30), (2010, 4, 5, 12))
    assert any("the training of 2010-04-01 08:00:00 was missed" in line for line in ill.log)
    failed = [line for line in ill.log if "training failed (" in line]
    assert [line[:10] for line in failed] == ["2010-04-01"]
