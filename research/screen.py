"""A walk as text: what a terminal shows of it, in at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd

from algorithm.decision import FAN
from research.figures import drawdown, sharpe
from research.reasons import KEEP
from research.stepping import ACCOUNTS, AGENTS, YOURS, Close, Stepped, Walk

TOLD = 20
"""Bars of a longer stretch are told of only where something was traded."""

HELP = """\
Enter            take the agent's proposal and go one bar on
AAPL 0.2 IBM 0   take these weights for a bar (of the portfolio, also 20%), the rest as proposed
AAPL keep        leave the position as it is; keep alone: leave all
5, or go 5       take the proposal for 5 bars
obs [AAPL ...]   all that the agent sees of a symbol, by name
values           what the agent bases its proposal on: action values, or its steps
fan              quantiles of the next close
record [20]      the last bars: proposed, chosen, what came of it
quit             leave with a summary (also at the end of input)"""

_WIDTH = 100
_INDENT = " " * 12
_FAN_WIDTH = 31
_BAR_WIDTH = 21
_ENOUGH = 20  # bars that a Sharpe ratio is worth showing of
_OBSERVED = 5.0  # as far as observations go


def opening(walk: Walk) -> str:
    """What is walked through, and under which rules."""
    rules = walk.rules
    caps = ", ".join(f"{name} {cap:g}" for name, cap in walk.caps.items())
    shown = " · ".join(["Enter: as proposed", f"{walk.symbols[0]} 0.2: a weight", "5: five bars"])
    return (
        f"{walk.bars} bars, {_day(walk.times[0])} to {_day(walk.times[-1])}; {rules.equity:,.0f} $ "
        f"in cash\ncaps: {caps}, together {rules.gross:g}; sized at {1 - rules.buffer:g} of it; no "
        f"order within {rules.band:g} of a cap\n{shown} · obs · values · fan · help · quit"
    )


def close(walk: Walk) -> str:
    """What is known at the present close, and where the accounts stand."""
    now = walk.look()
    reach = _reach(now)
    scale = f"next close, {-reach:+.1%} to {reach:+.1%}"
    landed = _landed(walk)
    lines = [
        ("", "close", "move", *(["in its fan"] if landed else []), scale, "rise", "held", "agent")
    ]
    for name in walk.symbols:
        bar, wanted = now.bars.loc[name], now.proposal[name]
        lines.append(
            (
                name,
                f"{bar['close']:,.2f}",
                f"{bar['move']:+.2%}",
                *([landed[name]] if landed else []),
                _fan_bar(now.fan.loc[name].to_numpy() / bar["close"] - 1.0, reach),
                f"{now.rise[name]:.0%}",
                f"{now.held[name]:+.3f}",
                _weight(wanted),
            )
        )
    head = f"{now.time:%a %Y-%m-%d} · bar {walk.row} of {walk.bars} · {walk.kind}"
    return "\n".join([_rule(head), *_aligned(lines), "", _accounts(now)])


def fan(now: Close) -> str:
    """Quantiles of the next close, what it is expected to move, and how symbols move together."""
    reach = _reach(now)
    lines = [("", "close", *(f"{level:.0%}" for level in FAN), "mean, bp", "deviation", "")]
    for name in now.fan.index:
        last, quantiles = now.bars.loc[name, "close"], now.fan.loc[name]
        lines.append(
            (
                name,
                f"{last:,.2f}",
                *(f"{value:,.2f}" for value in quantiles),
                f"{1e4 * now.outlook.loc[name, 'mean']:+.1f}",
                f"{now.outlook.loc[name, 'deviation']:.2%}",
                _fan_bar(quantiles.to_numpy() / last - 1.0, reach),
            )
        )
    told = _aligned(lines)
    if len(now.fan) > 1:
        told += ["", "correlation", *_framed(now.correlation)]
    return "\n".join(told)


def values(walk: Walk) -> str:
    """What the agent bases its proposal on."""
    now = walk.look()
    why = now.reasons
    told = textwrap.wrap(f"{walk.kind}: {why.says}", _WIDTH)
    told += ["", *_framed(why.table.assign(proposal=now.proposal).T)]
    if why.values is not None:
        told += ["", "value of each action, bp of reward, discounted; * the highest"]
        best = why.values.to_numpy().argmax(axis=1)
        shown = (1e4 * why.values).map("{:.1f}".format)
        for row, column in enumerate(best):
            shown.iloc[row, column] = "*" + shown.iloc[row, column]
        told += _framed(shown.T)
    return "\n".join(told)


def observation(now: Close, name: str) -> str:
    """All that an agent sees of a symbol, in two columns: name, value, where it lies in -5 to 5."""
    seen = now.observation.loc[name]
    entries = [f"{key:<20}{value:>+7.2f} {_level(value)}" for key, value in seen.items()]
    half = -(-len(entries) // 2)
    right = [*entries[half:], ""]
    told = [f"{a}  {b}".rstrip() for a, b in zip(entries[:half], right[:half], strict=True)]
    return "\n".join(
        [f"{name}: scaled features and the forecast in short, {_day(now.time)}", *told]
    )


def stepped(walk: Walk, before: Close, done: Stepped) -> str:
    """What a decision led to."""
    trades = [
        f"{count:+,g} {name} at {done.opens[name]:,.2f}"
        for name, count in done.orders.items()
        if count
    ]
    mine, theirs = np.expm1(done.growth[YOURS]), np.expm1(done.growth[AGENTS])
    paid = f", costs {done.costs:,.2f} $" if done.costs else ""
    told = f"{_day(done.time)}  you {mine:+.2%}, the agent {theirs:+.2%}{paid}"
    told += f": {', '.join(trades)}" if trades else ", nothing traded"
    lines = textwrap.wrap(told, _WIDTH, subsequent_indent=_INDENT)
    for name in walk.symbols:
        chosen, held = done.chosen[name], before.held[name]
        asked = done.overridden[name] and not np.isnan(chosen)
        if asked and not done.orders[name] and abs(chosen - held) > 1e-3:
            lines.append(
                f"{_INDENT}no order in {name}: {chosen:g} is too near to the {held:.3f} held"
            )
    if done.ruined:
        lines.append(f"{_INDENT}your account is ruined")
    return "\n".join(lines)


def record(walk: Walk, count: int) -> str:
    """The last bars: chosen weights (* where overridden) and what came of them."""
    kept = walk.record.tail(count)
    if kept.empty:
        return "no bar has been walked yet"
    lines = [("", *walk.symbols, "reward, bp", "yours, $", "the agent's, $")]
    for when, row in kept.iterrows():
        chosen = [
            _weight(row["chosen", name])
            + ("*" if row["overridden", name] else "")
            + (f" ({_weight(row['proposed', name])})" if row["overridden", name] else "")
            for name in walk.symbols
        ]
        lines.append(
            (
                _day(pd.Timestamp(str(when))),
                *chosen,
                f"{1e4 * row['reward', YOURS]:+.1f}",
                f"{row['equity', YOURS]:,.0f}",
                f"{row['equity', AGENTS]:,.0f}",
            )
        )
    return "\n".join([*_aligned(lines), "* yours, in place of what is in brackets"])


def summary(walk: Walk) -> str:
    """What came of a walk, and of overruling the agent."""
    if not walk.row:
        return "No bar was walked."
    kept, equity = walk.record, walk.equity
    overruled = int(kept["overridden"].any(axis=1).sum())
    lines = [("", "equity, $", "gain", "costs, $", "reward, bp", "drawdown", "Sharpe ratio")]
    for name in ACCOUNTS:
        growth = np.diff(np.log(equity[name]))
        lines.append(
            (
                name,
                f"{equity[name].iloc[-1]:,.2f}",
                f"{equity[name].iloc[-1] / equity[name].iloc[0] - 1:+.2%}",
                f"{kept['costs', name].sum():,.2f}",
                f"{1e4 * kept['reward', name].sum():+.1f}",
                f"{drawdown(growth):.1%}",
                f"{sharpe(growth):.2f}" if len(growth) >= _ENOUGH and np.ptp(growth) > 0 else "",
            )
        )
    ahead = equity[YOURS].iloc[-1] - equity[AGENTS].iloc[-1]
    verdict = (
        f"You overruled the agent on {overruled} of {walk.row} bars, which "
        + (f"earned you {ahead:,.2f} $." if ahead >= 0 else f"cost you {-ahead:,.2f} $.")
        if overruled
        else f"You took the agent's proposal on all {walk.row} bars."
    )
    span = f"{_day(walk.times[0])} to {_day(walk.times[walk.row])}"
    return "\n".join([_rule(f"{span} · {walk.row} bars"), *_aligned(lines), "", verdict])


def _accounts(now: Close) -> str:
    theirs = now.accounts.loc[AGENTS, "equity"]
    lines = [("", "equity, $", "cash", "gain", "costs, $", "to the agent's, $")]
    for name, one in now.accounts.iterrows():
        lines.append(
            (
                str(name),
                f"{one['equity']:,.2f}",
                f"{one['cash'] / one['equity']:.0%}",
                f"{one['gain']:+.2%}",
                f"{one['costs']:,.2f}",
                "" if name == AGENTS else f"{one['equity'] - theirs:+,.2f}",
            )
        )
    return "\n".join(_aligned(lines))


def _landed(walk: Walk) -> dict[str, str]:
    """Between which levels of the fan of the close before each close came; none if not looked."""
    now = walk.look()
    last = [one for one in walk.looked if one.row == now.row - 1]
    if not last:
        return {}
    edges = ["0", *(f"{100 * level:g}" for level in FAN), "100"]
    found = {}
    for name, quantiles in last[0].fan.iterrows():
        at = int(np.searchsorted(quantiles.to_numpy(), now.bars.loc[str(name), "close"]))
        found[str(name)] = f"{edges[at]}-{edges[at + 1]} %"
    return found


def _reach(now: Close) -> float:
    """How far the fans go from the present closes, as a fraction."""
    moves = now.fan.div(now.bars["close"], axis=0) - 1.0
    return float(np.abs(moves.to_numpy()).max())


def _fan_bar(moves: np.ndarray, reach: float) -> str:
    """Five quantiles on a line from -reach to reach: --[==|==]--, with : at no move."""
    half = _FAN_WIDTH // 2
    low, left, middle, right, high = np.rint(half + moves / reach * half).astype(int)
    line = [" "] * _FAN_WIDTH
    line[low : high + 1] = "-" * (high + 1 - low)
    line[left : right + 1] = "=" * (right + 1 - left)
    line[half] = ":"
    line[left], line[right], line[middle] = "[", "]", "|"
    return "".join(line)


def _level(value: float) -> str:
    """A value on a line from -5 to 5, drawn from zero."""
    half = _BAR_WIDTH // 2
    at = int(np.clip(np.rint(half + value / _OBSERVED * half), 0, _BAR_WIDTH - 1))
    line = [" "] * _BAR_WIDTH
    low, high = min(at, half), max(at, half)
    line[low : high + 1] = "#" * (high + 1 - low)
    line[half] = "|"
    return "".join(line)


def _weight(value: float) -> str:
    return KEEP if np.isnan(value) else f"{value:+.3f}"


def _day(when: pd.Timestamp) -> str:
    return f"{when:%Y-%m-%d}"


def _rule(head: str) -> str:
    return f"-- {head} ".ljust(_WIDTH, "-")


def _framed(frame: pd.DataFrame) -> list[str]:
    """A frame as aligned lines; numbers to three decimals, NaN as what an agent keeps."""
    lines = [("", *map(str, frame.columns))]
    for name, row in frame.iterrows():
        lines.append((str(name), *(one if isinstance(one, str) else _number(one) for one in row)))
    return _aligned(lines)


def _number(value: float) -> str:
    return KEEP if np.isnan(value) else f"{value:.3f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Rows of words in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            word.ljust(width) if column == 0 else word.rjust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
