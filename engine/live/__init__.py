"""Live paper trading: an algorithm on a clock, as LEAN's `live-paper` environment runs it.

- `clock`: when something is looked at: real time, accelerated time, event time, given windows.
- `ticks`: trades as they would come from a market; the replay of daily bars.
- `served`: a security whose bars are served; `tick_bars`: bars out of trades; `arrivals`: bars that
  come from outside as time passes; `corporate`: splits and dividends, when they come;
  `day_events`: which of them it is.
- `folder`, `alpaca`: where they come from: files that anybody appends to (`growing_files`), a
  vendor.
- `feed`: bars, corporate events at eight and universes as slices; `feeds`: those that a user can
  choose.
- `state`, `orders`: the account on disk; orders as JSON. `account_file`: what it was worth over all
  its runs, for the report.
- `brokerage`: the account behind the algorithm: one that is durable, and LEAN's, which forgets.
- `loop`: the backtest's time step on a clock's beats, scheduled events beside it.
- `host`: start, run and end of a live algorithm.
- `journal`: its log, and a line of JSON for every event; `day_notes`: what is special about a day.
- `session`: what `engine live` does with a project; `status`: what `engine status` tells.
"""
