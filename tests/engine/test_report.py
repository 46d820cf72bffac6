"""The page: complete, self-contained, honest about what is missing, safe with hostile text."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

from engine.report import build_report, joint_figures, market_figures, model_figures, rivals
from engine.report.builder import _facts_table, _simulation, _training
from engine.report.diagnostics import load_diagnostics
from engine.report.metrics import metrics_table, paired_t
from engine.report.results import load_backtest
from engine.report.verdict import caveats, sentence
from tests.engine.report_sample import write_backtest

HELD_OUT = "held-out reward, ± standard error"
SECTIONS = [
    "performance",
    "rivals",
    "metrics",
    "trades",
    "exposure",
    "forecasts",
    "calibration",
    "simulation",
    "together",
    "training",
    "actions",
    "time",
]


class Page(HTMLParser):
    """Collects sections, their text, pictures, and whatever a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.plots, self.fetched, self.tags = {}, 0, [], []
        self.section, self.skip = None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag == "section":
            self.section = attributes["id"]
            self.sections[self.section] = ""
        if "plotly-graph-div" in (attributes.get("class") or ""):
            self.plots += 1
        if tag in ("script", "style"):
            self.skip = tag
        for name in ("src", "href"):
            value = attributes.get(name)
            if value and not value.startswith("#"):
                self.fetched.append(value)

    def handle_endtag(self, tag):
        if tag == self.skip:
            self.skip = None

    def handle_data(self, data):
        if self.section and not self.skip:
            self.sections[self.section] += data


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = write_backtest(tmp_path_factory.mktemp("backtest"))
    return Page(build_report(folder, data_folder=folder).read_text())


def without_plotly(text):
    """The page less plotly's library, which is several megabytes."""
    start = text.index("<script>")
    return text[:start] + text[text.index("</script>", start) :]


def test_page_is_complete_and_loads_nothing(full):
    assert list(full.sections) == SECTIONS
    assert full.plots == 13  # the tables of figures have none, imagined markets have several
    assert full.fetched == []


def test_every_figure_has_both_sides_and_a_definition(full):
    text = full.sections["metrics"]
    for name in (
        "Cumulative return", "Annualised return", "Best day", "Worst day", "Variance (annual)",
        "Deviation (annual)", "Maximum drawdown", "Drawdown, peak to trough", "Sharpe ratio",
        "Sortino ratio", "Skewness", "Excess kurtosis", "Beta", "Information ratio", "Trades",
        "Trades per session", "Churn (turnover a year)", "Profitability", "OrderListHash",
    ):  # fmt: skip
        assert name in text
    assert "Sample variance of daily returns" in text


def test_result_of_lean_alone_makes_a_page_that_says_what_it_lacks(tmp_path):
    folder = write_backtest(tmp_path, parts=())
    (folder / "timing.json").unlink(missing_ok=True)
    page = Page(build_report(folder, data_folder=folder).read_text())
    assert list(page.sections) == SECTIONS
    for name in ("rivals", "calibration", "simulation", "together", "training", "time"):
        assert "No data" in page.sections[name], name
    # LEAN's charts suffice for the rest.
    assert page.plots == 5
    for name in ("performance", "trades", "exposure", "forecasts", "actions"):
        assert "No data" not in page.sections[name], name


def test_result_without_the_algorithms_charts_still_makes_a_page(tmp_path):
    folder = write_backtest(tmp_path, parts=())
    path = folder / "123.json"
    result = json.loads(path.read_text())
    result["charts"] = {"Strategy Equity": result["charts"]["Strategy Equity"]}
    path.write_text(json.dumps(result))
    text = build_report(folder, tmp_path / "out.html").read_text()
    page = Page(text)
    assert page.plots == 1
    # Most agents have no action values: that says nothing is amiss.
    assert list(page.sections) == [name for name in SECTIONS if name != "actions"]
    assert "#exposure" in without_plotly(text)
    assert "#actions" not in without_plotly(text)
    assert "No data" in page.sections["exposure"]
    assert "No prices" in page.sections["trades"]


@pytest.mark.parametrize(
    "part",
    [
        "forecasts", "calibration", "facts", "paths", "trainings", "dependence", "crisis",
        "two_sample", "rivals", "span",
    ],
)  # fmt: skip
def test_any_part_of_the_diagnostics_may_stand_alone(tmp_path, part):
    folder = write_backtest(tmp_path, symbols=("AAPL", "IBM"), count=40, parts=(part,))
    build_report(folder, data_folder=folder)


def test_empty_parts_are_as_good_as_none(tmp_path):
    folder = write_backtest(tmp_path, symbols=("IBM",), count=40)
    document = {
        "version": 1, "timings": {}, "trainings": [], "forecasts": {}, "paths": {}, "prices": {},
        "calibration": {"pit_counts": [0] * 20, "coverage": []},
        "facts": {"columns": ["real"], "rows": []},
    }  # fmt: skip
    (folder / "diagnostics.json").write_text(json.dumps(document))
    (folder / "timing.json").unlink()
    page = Page(build_report(folder, data_folder=folder).read_text())
    for name in ("calibration", "simulation", "training", "time"):
        assert "No data" in page.sections[name], name


def test_trainings_without_curves_are_counted(tmp_path):
    folder = write_backtest(tmp_path, symbols=("IBM",), count=40)
    records = [{"time": "2009-01-02", "reused": True, "artifact": "a"}] * 3
    (folder / "diagnostics.json").write_text(json.dumps({"version": 1, "trainings": records}))
    page = Page(build_report(folder, data_folder=folder).read_text())
    assert "3 trainings, 3 taken from the object store" in page.sections["training"]


def agent_of(document):
    return document["trainings"][0]["agent"]


def drawn(figure, row):
    """What is drawn in a row of three panels, by name."""
    panels = {("x", "x2", "x3")[i] if row == 1 else f"x{i + 4}" for i in range(3)}
    return {trace.name: trace for trace in figure.data if (trace.xaxis or "x") in panels}


def test_the_held_out_reward_stands_beside_the_value_the_agent_claims():
    records = [
        {
            "time": f"2010-01-0{day}",
            "forecaster": {"epoch": [1], "loss": [2.0], "validation_loss": [2.5]},
            "agent": {
                "update": [0, 100],
                "loss": [3e-5, 1e-5],
                "claimed_value": [0.001 * day, 0.002 * day],
                "held_out_update": [50, 100],
                "held_out_reward": [1e-5 * day, 2e-5 * day],
                "held_out_error": [1e-6, 2e-6],
            },
        }
        for day in (1, 2, 3)
    ]
    figure = model_figures.trainings(records)
    titles = [note.text for note in figure.layout.annotations]
    for word in ("Claimed value", "held-out reward"):
        assert sum(word in title for title in titles) == 2, word
    assert not any("Agent reward" in title for title in titles)

    claimed, judged = (drawn(figure, 1)[name] for name in ("claimed value", HELD_OUT))
    assert (list(claimed.x), list(claimed.y)) == ([0, 100], [10.0, 20.0])
    assert list(judged.x) == [50, 100]
    assert list(judged.y) == pytest.approx([0.1, 0.2])
    assert list(judged.error_y.array) == pytest.approx([0.01, 0.02])
    axis = figure.layout["yaxis" + judged.yaxis.removeprefix("y")]
    assert (axis.overlaying, axis.side) == (claimed.yaxis, "right")

    claimed, judged = (drawn(figure, 2)[name] for name in ("claimed value", HELD_OUT))
    assert list(judged.x) == list(claimed.x) == ["2010-01-01", "2010-01-02", "2010-01-03"]
    assert list(claimed.y) == pytest.approx([20.0, 40.0, 60.0])
    assert list(judged.y) == pytest.approx([0.2, 0.4, 0.6])
    assert list(judged.error_y.array) == pytest.approx([0.02] * 3)


def test_an_agent_that_was_never_judged_has_its_claimed_value_alone():
    record = {"time": "2010-01-01", "agent": {"update": [0], "loss": [1.0], "claimed_value": [0.1]}}
    figure = model_figures.trainings([record])
    assert [trace.name for trace in figure.data] == ["loss", "claimed value"]
    assert not any("held-out" in note.text for note in figure.layout.annotations)


def test_only_curves_that_are_drawn_are_explained(full, tmp_path):
    folder, document = sample(tmp_path)

    def training():
        (folder / "diagnostics.json").write_text(json.dumps(document))
        return _training(load_diagnostics(folder)).lead

    sentences = {
        "forecaster": "The forecaster's loss is",
        "loss": "The agent's loss is",
        "claimed_value": "The claimed value is",
        "held_out_reward": "The held-out reward is",
    }
    assert all(words in training() for words in sentences.values())
    assert all(words in full.sections["training"] for words in sentences.values())
    for record in document["trainings"]:
        record["agent"].update(held_out_update=[], held_out_reward=[], held_out_error=[])
    assert sentences["held_out_reward"] not in training()
    assert sentences["claimed_value"] in training()
    for record in document["trainings"]:  # as an agent that learns nothing leaves it
        record["agent"] = {name: [] for name in record["agent"]}
    assert [name for name, words in sentences.items() if words in training()] == ["forecaster"]


def pictures(folder):
    backtest, diagnostics = load_backtest(folder), load_diagnostics(folder)
    symbols = ["AAPL", "GOOG", "IBM"]
    prices = {s: market_figures.prices_of(backtest, diagnostics, s) for s in symbols}
    return {
        "equity": market_figures.equity(backtest),
        "rivals": rivals.picture(backtest, rivals.rivals_of(diagnostics)),
        "trades": market_figures.trades(backtest, prices, symbols),
        "exposure": market_figures.exposure(backtest),
        "actions": market_figures.action_values(backtest),
        "forecasts": model_figures.forecasts(model_figures.forecast_tables(backtest, diagnostics)),
        "paths": model_figures.paths(diagnostics),
        "trainings": model_figures.trainings(diagnostics["trainings"]),
        "crisis": joint_figures.crisis(diagnostics["crisis"]),
        "told apart": joint_figures.told_apart(diagnostics["two_sample"]),
    }


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return pictures(write_backtest(tmp_path_factory.mktemp("short"), count=12))


def test_a_short_run_has_no_dots_that_are_not_meant(short):
    """Plotly marks the points of lines of fewer than twenty, unless the mode is given."""
    for name, figure in short.items():
        scatters = [trace for trace in figure.data if trace.type == "scatter"]
        assert scatters, name
        assert all(trace.mode for trace in scatters), name


def written(step, stops):
    """The format that plotly takes for ticks so far apart."""
    for stop in stops:
        low, high = stop.dtickrange
        if (low is None or low <= step) and (high is None or step <= high):
            return stop.value
    raise AssertionError(step)


def test_ticks_are_told_apart_however_near_they_are(short):
    stops = short["trades"].layout.yaxis.tickformatstops
    wanted = {100: "$,.0f", 1: "$,.0f", 0.5: "$,.2f", 0.02: "$,.2f", 0.01: "$,.2f", 5e-3: "$,~f"}
    assert {step: written(step, stops) for step in wanted} == wanted
    shares = {
        "equity": "yaxis2", "exposure": "yaxis", "forecasts": "yaxis", "crisis": "yaxis3",
    }  # fmt: skip
    for name, axis in shares.items():
        assert short[name].layout[axis].tickformat == "~%", name


def test_hostile_text_stays_text(tmp_path):
    evil = "</script><img src=x onerror=alert(1)>"
    folder = write_backtest(tmp_path, symbols=(evil, "IBM"), count=40)
    document = json.loads((folder / "diagnostics.json").read_text())
    document["facts"]["rows"][0]["name"] = evil
    document["dependence"]["rows"][0]["name"] = evil
    document["dependence"]["maps"][0]["name"] = evil
    document["two_sample"]["used"][0] |= {"name": evil, "family": evil}
    document["two_sample"]["columns"][1] = evil
    document["algorithm"]["trade_mode"] = evil
    document["algorithm"]["parameters"][evil] = evil
    document["timings"][evil] = 1.0
    (folder / "diagnostics.json").write_text(json.dumps(document))
    text = build_report(folder, data_folder=folder).read_text()
    page = Page(text)
    assert "img" not in page.tags
    assert page.fetched == []
    assert evil not in without_plotly(text)


def test_simulator_closest_to_the_real_market_is_marked():
    facts = {
        "columns": ["real", "simulated", "block bootstrap"],
        "rows": [
            {"name": "kurtosis", "values": [6.0, 5.0, 6.5]},
            {"name": "distance", "values": [None, 0.2, 0.3]},  # already a distance
            {"name": "alone", "values": [1.0, None, 2.0]},  # nothing to choose from
        ],
    }
    marked = re.findall(r'class="best">([^<]*)<', _facts_table(facts, "Fact"))
    assert marked == ["6.500", "0.200"]


def sample(tmp_path, **options):
    folder = write_backtest(tmp_path, count=40, **options)
    return folder, json.loads((folder / "diagnostics.json").read_text())


def test_correlations_are_drawn_real_above_imagined(tmp_path):
    _, document = sample(tmp_path)
    figure = joint_figures.correlations(document["dependence"])
    drawn = {(trace.name, trace.xaxis): np.array(trace.z, dtype=float) for trace in figure.data}
    assert len(drawn) == 4
    for (name, axis), level in zip(
        [("real", "x"), ("imagined", "x3"), ("real", "x2"), ("imagined", "x4")],
        [0.46, 0.39, 0.41, -0.05],
        strict=True,
    ):
        matrix = drawn[name, axis]
        assert np.isnan(np.diag(matrix)).all()
        np.testing.assert_array_equal(matrix[~np.eye(3, dtype=bool)], level)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [
        "<b>daily returns</b>: real, mean 0.46",
        "<b>volume</b>: real, mean 0.41",
        "imagined, mean 0.39, pairs off by 0.07",
        "imagined, mean \N{MINUS SIGN}0.05, pairs off by 0.46",
    ]
    assert list(figure.data[0].x) == ["AAPL", "GOOG", "IBM"]


def test_many_symbols_are_put_in_order_and_their_names_left_out():
    rng = np.random.default_rng(0)
    load = rng.permutation(np.linspace(0.1, 0.9, 30))
    matrix = np.outer(load, load)
    np.fill_diagonal(matrix, 1.0)
    names = [f"S{value:.2f}" for value in load]
    markets = {"real": matrix.tolist(), "simulated": matrix.tolist()}
    section = {"symbols": names, "maps": [{"name": "daily returns", "correlations": markets}]}
    figure = joint_figures.correlations(section)
    assert list(figure.data[0].x) == sorted(names, reverse=True)
    assert not figure.layout.xaxis.showticklabels
    assert figure.data[0].texttemplate is None


def test_a_crisis_is_drawn_and_counted(tmp_path):
    _, document = sample(tmp_path)
    section = document["crisis"]
    figure = joint_figures.crisis(section)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [list(trace.y) for trace in bars] == [
        section["real"]["returns"],
        section["simulated"]["returns"],
    ]
    lines = [trace for trace in figure.data if trace.type == "scatter"]
    assert [list(trace.y) for trace in lines[:3]] == section["real"]["closes"]
    assert lines[0].x[section["real"]["day"]] == 0
    titles = " ".join(note.text for note in figure.layout.annotations)
    assert "2008-09-29" in titles
    assert "market 5" in titles
    said = joint_figures.crisis_words(section)
    assert "2008-09-29, 3 of 3 symbols fell, 3 of them by more than two" in said
    assert "imagined days shown above 2 of 3 symbols fell, 2 of them" in said
    assert "the mean was \N{MINUS SIGN}7.0%, or \N{MINUS SIGN}3.5 deviations" in said


def test_the_market_with_the_worst_day_is_marked_in_every_panel(tmp_path):
    _, document = sample(tmp_path)
    figure = model_figures.paths(document)
    marked = [trace for trace in figure.data if trace.name == "worst day's market"]
    assert [list(trace.y) for trace in marked] == [
        table["simulated"][4] for table in document["paths"].values()
    ]


def test_what_a_classifier_told_is_drawn_beside_chance(tmp_path):
    _, document = sample(tmp_path)
    figure = joint_figures.told_apart(document["two_sample"])
    (trace,) = figure.data
    assert (list(trace.x), list(trace.y)) == ([0.6123, 0.5678], ["simulated", "block bootstrap"])
    band = figure.layout.shapes[0]
    assert (band.x0, band.x1) == pytest.approx((0.5 - 0.1215, 0.5 + 0.1215))


def test_imagined_markets_are_explained_with_their_numbers(full):
    simulation, together = full.sections["simulation"], full.sections["together"]
    for words in (
        "Can they be told apart?", "60-bar windows", "90 real windows, of which only 30 do not",
        "± 0.12", "corr volume, range", "0.610", "0.563", "0.495",
    ):  # fmt: skip
        assert words in simulation, words
    for words in ("corr of daily returns", "0.456", "0.389", "One imagined crisis.", "Co-jump"):
        assert words in together, words


def test_the_real_bars_that_imagined_markets_are_compared_with_are_named(full, tmp_path):
    for words in (
        "Like with like.", "2006-01-12 to 2008-12-31, 748 a symbol", "pieces of 374 bars",
    ):  # fmt: skip
        assert words in full.sections["simulation"], words
    _, document = sample(tmp_path)
    for name in ("facts", "two_sample"):
        del document[name]
    assert "Like with like." not in _simulation(document).body


@pytest.mark.parametrize(("auc", "says"), [(0.62, True), (0.63, False), (None, False)])
def test_what_a_classifier_used_that_could_not_tell_says_little(tmp_path, auc, says):
    """Chance is 0.1215."""
    _, document = sample(tmp_path)
    document["two_sample"]["auc"][1] = auc
    assert ("could not tell, so what it used" in _simulation(document).body) == says


def test_one_symbol_has_no_dependence_to_show(tmp_path):
    folder, document = sample(tmp_path, symbols=("IBM",))
    assert {"dependence", "crisis"} & set(document) == set()
    page = Page(build_report(folder, data_folder=folder).read_text())
    assert "The run has one symbol" in page.sections["together"]
    assert "worst day" not in page.sections["simulation"]


def test_a_run_that_could_not_be_told_says_so(tmp_path):
    _, document = sample(tmp_path)
    del document["two_sample"]
    assert "was not tried" in _simulation(document).body


def test_same_folder_gives_the_same_page(tmp_path):
    folder = write_backtest(tmp_path, symbols=("AAPL", "IBM"), count=40)

    def page(name):
        text = build_report(folder, tmp_path / name, data_folder=folder).read_text()
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "id", text)  # plotly's ids

    assert page("a.html") == page("b.html")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=2), "at version: 1 was expected"),
        (lambda d: d["timings"].update(agent=-1), "at timings/agent: -1 is less than"),
        (lambda d: d["forecasts"]["IBM"].pop("q05"), "at forecasts/IBM: 'q05' is a required"),
        (lambda d: d["forecasts"]["IBM"]["q05"].pop(), "columns must be equally long"),
        (lambda d: d["facts"]["rows"][1]["values"].pop(), "4 values are needed"),
        (
            lambda d: d["dependence"]["rows"][0]["values"].pop(),
            "dependence/corr of daily.*4 values",
        ),
        (
            lambda d: d["dependence"]["maps"][0]["correlations"]["real"].pop(),
            "at dependence/daily returns/real: 3 values are needed, one per symbol; received 2",
        ),
        (
            lambda d: d["dependence"]["maps"][1]["correlations"]["simulated"][2].pop(),
            "at dependence/volume/simulated: 3 values are needed",
        ),
        (
            lambda d: d["dependence"]["maps"][0]["correlations"].pop("simulated"),
            "at dependence/maps/0/correlations: 'simulated' is a required",
        ),
        (lambda d: d["crisis"].pop("real"), "at crisis: 'real' is a required"),
        (lambda d: d["crisis"]["real"]["returns"].pop(), "at crisis/real/returns: 3 values"),
        (lambda d: d["crisis"]["real"]["closes"][0].pop(), "closes must be equally long"),
        (lambda d: d["crisis"]["simulated"].update(day=42), "hold the day, number 42; received"),
        (lambda d: d["crisis"]["real"].update(date="soon"), "at crisis/real/date: 'soon' does not"),
        (lambda d: d["two_sample"]["auc"].append(0.5), "at two_sample/auc: 3 values are needed"),
        (lambda d: d["two_sample"].update(auc=[None, 2, 0.5]), "at two_sample/auc/1: 2 is greater"),
        (lambda d: d["two_sample"]["used"][1]["means"].pop(), "two_sample/used/mean lower wick: 3"),
        (lambda d: d["span"]["bars"].pop(), "at span/bars: "),
        (lambda d: d["span"].update(begin="long ago"), "at span/begin: 'long ago' does not"),
        (lambda d: d["two_sample"].pop("windows"), "at two_sample: 'windows' is a required"),
        (lambda d: d["calibration"].update(pit_counts=["x"]), "at calibration/pit_counts/0"),
        (lambda d: agent_of(d).pop("held_out_error"), "at trainings/0/agent: 'held_out_error' is"),
        (lambda d: agent_of(d)["held_out_error"].pop(), "at trainings/0/agent: columns must be"),
        (lambda d: agent_of(d)["claimed_value"].pop(), "at trainings/0/agent: columns must be"),
    ],
)
def test_malformed_diagnostics_are_refused_by_place_and_rule(tmp_path, change, message):
    folder = write_backtest(tmp_path, count=20)
    path = folder / "diagnostics.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rf"diagnostics\.json: .*{message}"):
        build_report(folder)


def test_diagnostics_that_are_not_json_are_named(tmp_path):
    (tmp_path / "diagnostics.json").write_text("{")
    with pytest.raises(ValueError, match=r"diagnostics\.json must be JSON"):
        load_diagnostics(tmp_path)


def test_run_that_failed_says_so(tmp_path):
    folder = write_backtest(tmp_path, symbols=("IBM",), count=20)
    path = folder / "123.json"
    result = json.loads(path.read_text()) | {"state": {"RuntimeError": "ZeroDivisionError: <x>"}}
    path.write_text(json.dumps(result))
    text = without_plotly(build_report(folder, data_folder=folder).read_text())
    assert "ended early, by an error: ZeroDivisionError: &lt;x&gt;" in text


def test_verdict_says_no_more_than_the_numbers(tmp_path):
    folder = write_backtest(tmp_path, count=120, seed=3)
    backtest = load_backtest(folder)
    rows = metrics_table(backtest)
    text, tone = sentence(backtest, rows)
    total = {row.name: row for row in rows}["Cumulative return"]
    ahead = total.strategy > total.benchmark
    assert text.startswith("Ahead of" if ahead else "Behind")
    assert "2009-01-02 to" in text
    said = caveats(backtest, {"algorithm": {"seed": 7, "symbols": ["AAPL"]}})
    t, days = paired_t(backtest)
    assert f"{2 * stats.t.sf(abs(t), days - 1):.1%} of cases" in said[0]
    assert "seed 7: one seed is one draw" in said[1]
    # Ahead by no more than chance is not coloured as a success.
    if ahead and abs(t) < 2:
        assert tone == "even"
