"""Commands at the prompt, and the command itself from end to end."""

import pandas as pd
import pytest
from click.testing import CliRunner

from research import cli, workspace
from research.cli import by_hand, main
from research.stepping import YOURS
from tests.research.walks import HISTORIES, TINY, walk
from tests.sim.trials import no_trials  # noqa: F401


def commanded(*lines, bars=12, kind="mean_variance"):
    one = walk(kind, bars=bars)
    by_hand(one, iter(lines))
    return one


def test_enter_takes_the_proposal(capsys):
    one, other = commanded("", "", "  "), walk(bars=12)
    for _ in range(3):
        other.step()
    pd.testing.assert_frame_equal(one.record, other.record)
    assert "-- " in capsys.readouterr().out


def test_weights_override():
    one, other = commanded("aaa 0.2 BBB 10%", "BBB keep", "AAA -.1", "keep"), walk(bars=12)
    other.step({"AAA": 0.2, "BBB": 0.1})
    other.step({"BBB": float("nan")})
    other.step({"AAA": -0.1})
    other.step({"AAA": float("nan"), "BBB": float("nan")})
    pd.testing.assert_frame_equal(one.record, other.record)


@pytest.mark.parametrize("lines", [("5",), ("go 5",), ("GO 2", "3"), ("go 4", "")])
def test_several_bars(lines):
    assert commanded(*lines).row == 5


def test_it_stops_at_the_end_of_the_market(capsys):
    assert commanded("100", "quit").row == 12
    assert "12 bars" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["quit", "q", "exit"])
def test_quitting_leaves_with_a_summary(word, capsys):
    assert commanded("", word, "5").row == 1
    assert "You took the agent's proposal on all 1 bars." in capsys.readouterr().out


def test_so_does_the_end_of_input(capsys):
    commanded("")
    assert "You took the agent's proposal on all 1 bars." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("foo", "a command must be Enter, weights of AAA, BBB such as AAA 0.2, go,"),
        ("AAA", "weights must come in pairs such as AAPL 0.2 IBM 0; received 'AAA'"),
        ("AAA x", "AAA: weight must be a number such as 0.2 or 20%, or keep; received 'x'"),
        ("AAA nan", "AAA: weight must be a number"),
        ("AAA 0.51", "AAA: weight must lie in [-0.5, 0.5], its cap; received 0.51"),
        ("AAA .1 CCC .1", "an override must name one of AAA, BBB; received 'CCC'"),
        ("AAA .1 aaa .2", "AAA must be named once; received it again"),
        ("go", "a number of bars must be whole and at least 1; received ''"),
        ("go 1.5", "a number of bars must be whole and at least 1; received '1.5'"),
        ("0", "a number of bars must be whole and at least 1; received '0'"),
        ("-3", "a number of bars must be whole and at least 1; received '-3'"),
        ("obs CCC", "obs must name some of AAA, BBB; received ['CCC']"),
        ("fan 3", "a command must be Enter"),
    ],
)
def test_bad_input_says_what_is_wrong_and_nothing_is_lost(line, said, capsys):
    one = commanded("", line, "obs AAA", "obs", "values", "fan", "record", "help")
    assert one.row == 1
    shown = capsys.readouterr().out
    assert f"not done: {said}" in shown
    assert shown.count("not done") == 1


def test_help_lists_commands_and_scripts():
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for word in ("step", "agent_bench", "seeds", "Do agents beat the simple rules"):
        assert word in shown.output
    alone = CliRunner().invoke(main, [])
    assert "step" in alone.output


@pytest.fixture
def step(monkeypatch, tmp_path_factory):
    """The command on synthetic bars and small settings, with a store that all tests share."""
    store = tmp_path_factory.getbasetemp() / "step_store"
    monkeypatch.setattr(workspace, "load_histories", lambda settings, data_folder: HISTORIES)
    small = [word for pair in TINY.items() for word in ("--parameter", *pair)]

    def go(*words, **options):
        arguments = ["step", *small, "--store", str(store), *words]
        return CliRunner().invoke(main, arguments, **options)

    return go


def test_a_script_from_end_to_end(step, tmp_path):
    record = tmp_path / "walk.csv"
    done = step("--bars", "6", "--script", "2; AAA 0.2; quit", "--record", str(record))
    assert done.exit_code == 0, done.output
    assert "> AAA 0.2" in done.output
    assert "You overruled the agent on 1 of 3 bars" in done.output
    kept = pd.read_csv(record, header=[0, 1], index_col=0)
    assert len(kept) == 3
    assert kept["overridden", "AAA"].tolist() == [False, False, True]
    assert kept["equity", YOURS].iloc[-1] > 0


def test_commands_come_from_standard_input_too(step):
    done = step("--agent", "mean_variance", "--from", "2016-07-04", "--bars", "4", input="2\n\n")
    assert done.exit_code == 0, done.output
    assert "4 bars, 2016-07-04 to 2016-07-08" in done.output
    assert "You took the agent's proposal on all 3 bars." in done.output


def test_an_imagined_market_has_a_seed(step):
    shown = [
        step("--imagined", *seed, "--bars", "2", "--script", "2").output
        for seed in ([], ["--seed", "1"], ["--seed", "2"])
    ]
    assert shown[0] == shown[1] != shown[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seed", "1"], "error: --seed goes with --imagined"),
        (["--agent", "oracle"], "error: parameter agent must be one of best, mean_variance"),
        (["--from", "soon"], "error: parameter start_date must be a date such as 2009-01-02"),
        (["--symbols", ""], "error: parameter symbols must name at least one ticker"),
        (["--record", "/none/such/walk.csv"], "error: --record must lie in a folder that exists"),
    ],
)
def test_bad_options_say_what_is_wrong(step, words, said):
    done = step(*words, "--script", "quit")
    assert done.exit_code == 1
    assert said in done.output


def test_typed_lines_end_with_the_terminal(monkeypatch):
    typed = iter(["5", "obs"])

    def prompt(words):
        assert words == cli.PROMPT
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", prompt)
    assert list(cli._typed()) == ["5", "obs"]
