"""Running a backtest.

`runner` loads the algorithm and gathers what came out, `loop` moves through time, `result_files`
writes LEAN's files; `shim_modules` lets an algorithm import LEAN's framework modules by name.
"""
