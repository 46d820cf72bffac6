"""One HTML file: text, tables and pictures, nothing loaded from elsewhere."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from engine.report import style
from engine.report.libraries import get_plotlyjs
from engine.report.style import signed

CONFIG = {"displayModeBar": False, "responsive": True}
DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: for links within the page.
        title: heading, plain text.
        body: HTML; empty says that there are no data.
        lead: HTML, a sentence or two on how to read it.
        missing: plain text, said when the body is empty.
    """

    anchor: str
    title: str
    body: str
    lead: str = ""
    missing: str = ""


def text(value: object) -> str:
    """Any value as safe HTML text."""
    return html.escape(str(value))


def swatch(color: str, word: str) -> str:
    """A word with its colour: the legend inside a sentence."""
    return f'<span class="swatch"><i style="background:{color}"></i>{text(word)}</span>'


def plot(figure: go.Figure | None) -> str:
    """A picture as HTML; empty without one."""
    if figure is None:
        return ""
    return (
        '<div class="plot">'
        + figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG)
        + "</div>"
    )


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    tips: Sequence[str] = (),
    kind: str = "",
) -> str:
    """A table of HTML cells; the first column is text, the others numbers.

    Args:
        header: plain text.
        rows: cells as HTML, already escaped.
        tips: one explanation per row, shown when its name is pointed at.
        kind: further CSS class.
    """
    head = "".join(f"<th>{text(cell)}</th>" for cell in header)
    lines = []
    for i, (name, *cells) in enumerate(rows):
        if tips and tips[i]:
            name = f'<span class="tip" tabindex="0" data-tip="{text(tips[i])}">{name}</span>'
        if len(cells) > 1 and len(cells[0]) > 20 and not any(cells[1:]):  # a hash, an identifier
            written = f'<td colspan="{len(cells)}" class="long">{cells[0]}</td>'
        else:
            written = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr><th>{name}</th>{written}</tr>")
    return (
        f'<table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def number(value: float, kind: str) -> str:
    """A figure as text: fixed decimals, a dash where it is not defined."""
    if value is None or not math.isfinite(value):
        return DASH
    if kind == "percent":
        return signed(f"{value:,.2%}")
    if kind in ("count", "sessions"):
        return f"{value:,.0f}"
    if kind == "times":
        return f"{value:,.2f}{TIMES}"
    digits = 4 if kind == "ratio" and 0 < abs(value) < 0.1 else 3
    return signed(f"{value:,.{digits}f}")


def columns(*parts: str) -> str:
    """Parts side by side."""
    return '<div class="columns">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>"


def render(
    title: str,
    verdict: str,
    tone: str,
    facts: Sequence[str],
    tiles: Sequence[tuple[str, str, str]],
    sections: Sequence[Section],
    footer: str,
) -> str:
    """The whole page.

    Args:
        title: plain text.
        verdict: plain text, the result in a sentence.
        tone: "ahead", "behind" or "even"; colours the verdict's edge.
        facts: HTML sentences below the verdict.
        tiles: name, strategy's figure and benchmark's figure, plain text.
        sections: in order.
        footer: HTML.
    """
    links = "".join(f'<a href="#{s.anchor}">{text(s.title)}</a>' for s in sections)
    cards = "".join(
        f'<div class="tile"><span>{text(name)}</span><b>{text(ours)}</b>'
        f"<em>{text(theirs)}</em></div>"
        for name, ours, theirs in tiles
    )
    said = "".join(f"<p>{fact}</p>" for fact in facts)
    parts = "".join(_section(section) for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data: blob:">
<title>{text(title)}</title>
<style>{CSS}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<header><div class="wrap">
<h1>{text(title)}</h1>
<p class="verdict {tone}">{text(verdict)}</p>
{said}
<div class="tiles">{cards}</div>
</div></header>
<nav><div class="wrap">{links}</div></nav>
<main class="wrap">{parts}</main>
<footer class="wrap">{footer}</footer>
</body>
</html>
"""


def _section(section: Section) -> str:
    lead = f'<p class="lead">{section.lead}</p>' if section.lead and section.body else ""
    body = section.body or f'<p class="missing">{text(section.missing)}</p>'
    return f'<section id="{section.anchor}"><h2>{text(section.title)}</h2>{lead}{body}</section>'


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they mean, folded away."""
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(meaning)}</dd>" for name, meaning in pairs)
    return f"<details><summary>How each figure is defined</summary><dl>{rows}</dl></details>"


def parameters(mapping: Mapping[str, Any]) -> str:
    """Settings, folded away."""
    if not mapping:
        return ""
    rows = [[text(name), text(value)] for name, value in sorted(mapping.items())]
    grid = table(("Parameter", "Value"), rows, kind="plain")
    return f"<details><summary>The run's {len(rows)} parameters</summary>{grid}</details>"


CSS = f"""
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
html {{ scroll-behavior: smooth; scroll-padding-top: 56px; }}
body {{ margin: 0; background: #f4f6f9; color: {style.INK};
  font: 15px/1.5 {style.FONT}; font-variant-numeric: tabular-nums; }}
.wrap {{ max-width: 1200px; margin: 0 auto; padding: 0 24px; }}
header {{ background: #fff; border-bottom: 1px solid {style.GRID}; padding: 26px 0 22px; }}
h1 {{ font-size: 20px; margin: 0 0 10px; font-weight: 650; }}
h2 {{ font-size: 17px; margin: 0 0 4px; font-weight: 650; }}
.verdict {{ font-size: 18px; line-height: 1.4; margin: 0 0 8px; padding: 10px 14px;
  border-left: 4px solid {style.MUTED}; background: #f7f8fa; border-radius: 0 6px 6px 0; }}
.verdict.ahead {{ border-color: {style.UP}; }} .verdict.behind {{ border-color: {style.DOWN}; }}
header p {{ margin: 2px 0; color: {style.MUTED}; }} header p.verdict {{ color: {style.INK}; }}
.tiles {{ display: grid; grid-template-columns: repeat(6, 1fr); gap: 12px; margin-top: 16px; }}
.tile {{ border: 1px solid {style.GRID}; border-radius: 8px; padding: 10px 12px; }}
.tile span {{ display: block; color: {style.MUTED}; font-size: 12.5px; }}
.tile b {{ font-size: 21px; font-weight: 650; color: {style.STRATEGY}; }}
.tile em {{ display: block; font-style: normal; font-size: 12.5px; color: {style.MUTED}; }}
nav {{ position: sticky; top: 0; z-index: 5; background: rgba(255,255,255,.96);
  border-bottom: 1px solid {style.GRID}; }}
nav .wrap {{ display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 9px 24px; }}
nav a {{ color: {style.MUTED}; text-decoration: none; font-size: 13.5px; white-space: nowrap; }}
nav a:hover {{ color: {style.STRATEGY}; }}
section {{ background: #fff; border: 1px solid {style.GRID}; border-radius: 10px;
  padding: 18px 22px 14px; margin: 18px 0; }}
.lead {{ color: {style.MUTED}; margin: 0 0 8px; max-width: 980px; }}
.missing {{ color: {style.MUTED}; margin: 6px 0; padding: 12px 14px; background: #f7f8fa;
  border-radius: 6px; }}
.plot {{ width: 100%; }}
.columns {{ display: grid; grid-template-columns: 1fr 1fr; gap: 28px;
  align-items: start; }}
.columns > div {{ min-width: 0; }}
table {{ border-collapse: collapse; width: 100%; font-size: 14px; margin: 6px 0 10px; }}
thead th {{ text-align: right; font-weight: 600; font-size: 12.5px; color: {style.MUTED};
  border-bottom: 1px solid #cfd4dd; padding: 5px 8px; }}
thead th:first-child {{ text-align: left; }}
tbody th {{ text-align: left; font-weight: 400; padding: 4px 8px; white-space: nowrap; }}
tbody td {{ text-align: right; padding: 4px 8px; white-space: nowrap; }}
tbody tr {{ border-bottom: 1px solid #f0f2f5; }}
tbody tr:hover {{ background: #f8fafd; }}
table.pair td:nth-child(2) {{ color: {style.STRATEGY}; font-weight: 600; }}
table.pair td:nth-child(3) {{ color: {style.MUTED}; }}
td.long {{ font-size: 12.5px; }}
table.plain td {{ text-align: left; white-space: normal; }}
table.plain thead th {{ text-align: left; }}
td .best {{ background: {style.tint(style.UP, 0.14)}; border-radius: 4px; padding: 1px 5px;
  margin-right: -5px; }}
.swatch {{ white-space: nowrap; color: {style.INK}; }}
.swatch i {{ display: inline-block; width: 11px; height: 11px; border-radius: 2px;
  margin: 0 5px 0 1px; }}
.tip {{ border-bottom: 1px dotted #a6adba; cursor: help; position: relative; }}
.tip:hover::after, .tip:focus::after {{ content: attr(data-tip); position: absolute; left: 0;
  top: 1.7em; z-index: 9; width: max-content; max-width: 330px; background: {style.INK};
  color: #fff; font-size: 12.5px; line-height: 1.4; padding: 7px 10px; border-radius: 6px; }}
details {{ margin: 4px 0 8px; color: {style.MUTED}; font-size: 14px; }}
summary {{ cursor: pointer; }}
dl {{ display: grid; grid-template-columns: 230px 1fr; gap: 3px 16px; margin: 10px 0 0; }}
dt {{ color: {style.INK}; }} dd {{ margin: 0; }}
footer {{ color: {style.MUTED}; font-size: 13px; padding-bottom: 36px; }}
@media (max-width: 900px) {{ .tiles {{ grid-template-columns: repeat(3, 1fr); }}
  .columns {{ grid-template-columns: 1fr; }} dl {{ grid-template-columns: 1fr; }} }}
@media print {{ nav {{ display: none; }} section {{ break-inside: avoid; }} }}
"""
