"""A small LEAN-compatible local host: runs `main.py` where LEAN itself is not installed.

Imports no sibling package; the algorithm is loaded by path. The rooms, lowest first; a room imports
only rooms above it in this list:

- `common`: decimals, enumerations, time zones, settings, charts.
- `market`: symbols, market hours, market data.
- `indicators`: LEAN's technical indicators.
- `orders`: orders, requests about them, their events and tickets.
- `framework`: alphas, portfolio construction, risk, execution, universes.
- `feed`: data files, subscriptions, time slices, history, consolidators.
- `brokerage`: fills, fees, buying power, settlement, brokers' rules.
- `account`: securities, holdings, portfolio, margin calls.
- `statistics`: the figures of a backtest, as LEAN computes them.
- `api`: QCAlgorithm and its services, what an algorithm calls.
- `run`: loading, the time loop, result files.
- `data_import`: writes market data in LEAN's format.
- `live`: the same loop on a clock: feed, paper brokerages, state on disk, status.
- `report`: report.html of a backtest.
- `cli`: the command line, `python -m engine`.

`shim` is put on the path while an algorithm runs: it holds `AlgorithmImports`.
"""
