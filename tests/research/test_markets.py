"""Markets that scripts measure on: random walks, packaged stocks, those of the TDQN paper."""

import numpy as np
import pandas as pd
import pytest

from models.market.features import LOOKBACK, FeatureTable
from research.random_walks import random_bars, random_histories, random_paths
from research.stocks import FIRST_TRAINING, packaged_histories, parse, since, stock_parser
from research.tdqn_data import load, load_all, scale_ratio
from sim.paths import check_bars
from tests.models.synthetic import garch_history


class TestRandomWalks:
    def test_bars_are_valid_and_as_volatile_as_they_say(self):
        bars = random_bars((50, 2000), np.random.default_rng(0))
        check_bars(bars)
        opens, closes = bars[..., 0], bars[..., 3]
        steps = np.diff(np.log(closes), axis=-1)
        # Relative error of a deviation of n Gaussians: 1 / sqrt(2 n), four of them.
        assert steps.std() == pytest.approx(0.01, rel=4 / np.sqrt(2 * steps.size))
        gaps = np.log(opens[:, 1:] / closes[:, :-1])
        assert gaps.std() == pytest.approx(0.004, rel=4 / np.sqrt(2 * gaps.size))

    def test_seeds_fix_them(self):
        first, again, other = (random_paths(4, 30, 5, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.bars, again.bars)
        np.testing.assert_array_equal(first.observations, again.observations)
        assert (first.bars != other.bars).any()
        assert first.observations.shape == (4, 1, 31, 5)

    def test_histories_have_features(self):
        found = random_histories(("A", "B"), LOOKBACK + 50, seed=3)
        assert [history.symbol for history in found] == ["A", "B"]
        assert (found[0].bars != found[1].bars).any()
        for history in found:
            assert np.isfinite(FeatureTable.of(history).rows[LOOKBACK:]).all()


class TestStocks:
    def test_packaged_ones_are_on_the_adjusted_scale(self):
        from bokeh_sampledata import stocks

        found = {history.symbol: history for history in packaged_histories()}
        assert sorted(found) == ["AAPL", "GOOG", "IBM"]
        for symbol, history in found.items():
            raw = getattr(stocks, symbol)
            traded = np.array(raw["volume"]) > 0
            np.testing.assert_allclose(history.close, np.array(raw["adj_close"])[traded])
            np.testing.assert_allclose(
                history.bars[:, 0] / history.close,
                (np.array(raw["open"]) / np.array(raw["close"]))[traded],
            )

    def test_the_first_features_are_known_on_the_day(self):
        history = garch_history("A", LOOKBACK + 300)
        day = history.time[LOOKBACK + 100]
        cut = since(history, day)
        assert cut.time[LOOKBACK + 1] == day
        assert cut.time[-1] == history.time[-1]
        assert len(since(history, history.time[5])) == len(history)  # there is no more

    def test_the_default_span_begins_with_2005(self):
        spans = [since(history, FIRST_TRAINING) for history in packaged_histories()]
        known = {str(span.time[LOOKBACK + 1])[:10] for span in spans if span.symbol != "GOOG"}
        assert known == {"2005-01-03"}

    def test_some_stocks_must_be_chosen(self, capsys):
        with pytest.raises(SystemExit):
            parse(stock_parser("What?"), [])
        assert "give --tdqn FOLDER, --packaged, or both" in capsys.readouterr().err
        assert parse(stock_parser("What?"), ["--packaged"]).packaged


class TestTdqn:
    """Open, high and low are adjusted for splits only, closes for dividends too."""

    def prices(self, n=60, paid_before=30, dividend=0.02):
        rng = np.random.default_rng(0)
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
        opened = close * np.exp(rng.normal(0, 0.005, n))
        low, high = np.minimum(opened, close) * 0.999, np.maximum(opened, close) * 1.001
        ratio = np.where(np.arange(n) < paid_before, 1 - dividend, 1.0)
        return opened, low, high, close, ratio

    def test_the_ratio_of_the_scales_is_found_within_the_days_ranges(self):
        _, low, high, close, ratio = self.prices(dividend=0.1)
        found = scale_ratio(low, high, close * ratio)
        # It is constant between dividends, and never known better than the narrowest range.
        assert len(np.unique(found)) == 2
        assert (np.diff(found) != 0).nonzero()[0].tolist() == [29]
        for part in (slice(0, 30), slice(30, None)):
            assert (low[part] <= (close * ratio / found)[part] * (1 + 1e-12)).all()
            assert ((close * ratio / found)[part] <= high[part] * (1 + 1e-12)).all()
            narrowest = np.log(high[part] / low[part]).min()
            assert np.abs(np.log(found[part] / ratio[part])).max() <= narrowest

    def write(self, folder, name):
        opened, low, high, close, ratio = self.prices()
        days = pd.bdate_range("2015-01-01", periods=len(close), name="Timestamp")
        columns = {"Open": opened, "High": high, "Low": low, "Close": close * ratio}
        frame = pd.DataFrame(columns | {"Volume": 1e6}, index=days)
        frame.iloc[10] = np.nan
        frame.iloc[20, 4] = 0.0
        frame.to_csv(folder / f"{name}.csv")
        return frame

    def test_a_file_becomes_valid_bars_on_the_scale_of_its_closes(self, tmp_path):
        frame = self.write(tmp_path, "KO")
        history = load(tmp_path / "KO.csv")
        kept = [i for i in range(len(frame)) if i not in (10, 20)]
        assert history.symbol == "KO"
        check_bars(history.bars)
        np.testing.assert_allclose(history.close, frame["Close"].to_numpy()[kept])
        assert pd.DatetimeIndex(history.time).equals(pd.DatetimeIndex(frame.index[kept].values))

    def test_all_files_of_a_folder_by_name(self, tmp_path):
        with pytest.raises(ValueError, match="folder must hold the TDQN csv files"):
            load_all(tmp_path)
        for name in ("KO", "AAPL"):
            self.write(tmp_path, name)
        assert [history.symbol for history in load_all(tmp_path)] == ["AAPL", "KO"]
