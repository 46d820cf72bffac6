import dataclasses

import numpy as np
import pytest

from models.agent.observation import OBSERVATION_CLIP, SUMMARY, MarketView, Observer
from models.forecast.forecaster import CLIP, Forecaster, ForecasterConfig
from models.market.features import FEATURES, LOOKBACK, features
from tests.models.synthetic import garch_history

SMALL = ForecasterConfig(units=4, window=20, epochs=2, batch=16, stride=10)
HISTORIES = [garch_history(name, 640, seed) for seed, name in enumerate(("AAA", "BBB"))]


@pytest.fixture(scope="module")
def observer() -> Observer:
    return Observer(Forecaster.fit(HISTORIES, SMALL, seed=1))


def view(rows, history=HISTORIES[0]):
    return MarketView.at_rows(history, rows, window=SMALL.window)


def test_a_view_shows_the_rows_of_the_batch_features():
    found = features(HISTORIES[0].bars)
    seen = view([300, 400])
    np.testing.assert_allclose(seen.windows[1], found[381:401])
    np.testing.assert_allclose(seen.feature_rows, found[[300, 400]])
    assert np.array_equal(seen.last_close, HISTORIES[0].close[[300, 400]])
    means = [np.log(HISTORIES[0].volume[row - 19 : row + 1]).mean() for row in (300, 400)]
    np.testing.assert_allclose(seen.volume_mean, means)


def test_pushing_bars_gives_the_view_of_the_longer_history():
    seen = view([300, 400])
    for step in range(1, 31):
        rows = seen.push(HISTORIES[0].bars[[300 + step, 400 + step]])
    later = view([330, 430])
    np.testing.assert_allclose(seen.windows, later.windows, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(rows, later.feature_rows, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(seen.volatility, later.volatility)


def test_views_are_joined_copied_and_chosen():
    both = MarketView.at(HISTORIES, window=SMALL.window)
    assert len(both) == 2
    np.testing.assert_allclose(both.last_close, [h.close[-1] for h in HISTORIES])
    chosen = both.take([1, 1, 0])
    np.testing.assert_allclose(chosen.windows, both.windows[[1, 1, 0]])
    copy = both.copy()
    both.push(np.stack([h.bars[-1] for h in HISTORIES]))
    assert not np.allclose(copy.feature_rows, both.feature_rows)
    at_row = MarketView.at(HISTORIES, [300, 301], window=SMALL.window)
    np.testing.assert_allclose(at_row.windows[1], view([301], HISTORIES[1]).windows[0])


def test_an_observation_is_the_scaled_row_and_the_forecast(observer):
    seen = view([300, 400])
    found = observer.observe(seen)
    assert found.shape == (2, observer.size) == (2, len(FEATURES) + len(SUMMARY))
    assert len(observer.names) == observer.size == len(set(observer.names))
    scaled = observer.forecaster.scaled(seen.feature_rows)
    np.testing.assert_allclose(
        found[:, : len(FEATURES)], np.clip(scaled, -OBSERVATION_CLIP, OBSERVATION_CLIP), atol=1e-6
    )
    assert OBSERVATION_CLIP <= CLIP
    typical = observer.forecaster.parameters(observer.forecaster.start(seen, None)).typical_return()
    np.testing.assert_allclose(
        found[:, len(FEATURES)], 10 * typical.location / typical.scale, rtol=1e-4
    )


def test_an_observation_depends_on_the_past_alone_and_repeats_itself(observer):
    """The same bars, followed by different ones, are observed alike."""
    short = HISTORIES[0].until(HISTORIES[0].time[400])
    alone = observer.observe(MarketView.at([short], window=SMALL.window))
    np.testing.assert_array_equal(alone, observer.observe(view([400])))
    np.testing.assert_array_equal(alone, observer.observe(view([400])))


def test_a_wider_view_is_observed_through_the_forecasters_window(observer):
    wide = MarketView.at_rows(HISTORIES[0], [400], window=50)
    np.testing.assert_allclose(observer.observe(wide), observer.observe(view([400])), atol=1e-6)


def test_streamed_and_windowed_observations_stay_close(observer):
    """The stream never forgets its start as the window does; what is left of it is small."""
    rows = np.arange(300, 400)
    seen = view(rows)
    stream = observer.stream(seen)
    np.testing.assert_allclose(stream.current(), observer.observe(seen), atol=1e-6)
    for step in range(1, 61):
        streamed = stream.push(seen.push(HISTORIES[0].bars[rows + step]))
    windowed = observer.observe(seen)
    np.testing.assert_allclose(streamed[:, : len(FEATURES)], windowed[:, : len(FEATURES)])
    difference = np.abs(streamed - windowed)[:, len(FEATURES) :]
    assert difference.max() < 0.1
    assert difference.mean() < 0.01


def test_bad_rows_and_narrow_views_are_refused(observer):
    with pytest.raises(ValueError, match=r"AAA: rows must lie in 219..639; received 100..300"):
        view([100, 300])
    with pytest.raises(ValueError, match="history must have at least 220 bars; received 210"):
        view([205], HISTORIES[0].tail(LOOKBACK + 10))
    with pytest.raises(ValueError, match="rows must have one entry for each of the 2 histories"):
        MarketView.at(HISTORIES, [300])
    narrow = MarketView.at_rows(HISTORIES[0], [300], window=10)
    with pytest.raises(ValueError, match=r"at least 20 feature rows.*received 10"):
        observer.observe(narrow)


def test_the_observation_of_paths_is_that_of_a_portfolio(observer):
    """One row of a batch is the same series whether its neighbours are symbols or paths."""
    together = observer.observe(MarketView.concatenate([view([300]), view([350], HISTORIES[1])]))
    np.testing.assert_allclose(
        together[1], observer.observe(view([350], HISTORIES[1]))[0], atol=1e-5
    )


def test_the_window_is_a_setting_of_the_forecaster():
    assert dataclasses.replace(SMALL, window=30).burn_in == 10
