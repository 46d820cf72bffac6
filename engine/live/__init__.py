"""Live paper trading: an algorithm on a clock, as LEAN's `live-paper` environment runs it.

- `clock`: when something is looked at: real time, accelerated time, event time, given windows.
- `ticks`: trades as they would come from a market; the replay of daily bars.
- `feed`: bars out of ticks, corporate events at eight, the slices of both.
- `brokerage`: the account behind the algorithm: LEAN's paper brokerage, which forgets.
- `loop`: the backtest's time step on a clock's beats, scheduled events beside it.
- `host`: start, run and end of a live algorithm.
"""
