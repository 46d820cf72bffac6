"""The picture book of a backtest: one self-contained `report.html`, and the console's summary.

`results` reads LEAN's result files, `diagnostics` what the algorithm tells about itself; `metrics`,
`summary` and `verdict` compute and word; `market_figures` and `model_figures` draw; `page` and
`builder` put it together.
"""

from engine.report.builder import build_report

__all__ = ["build_report"]
