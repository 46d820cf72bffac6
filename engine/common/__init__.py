"""What every other room stands on: numbers, names, time zones, settings, charts.

`decimals` is .NET's System.Decimal and how one becomes a double; `enums` LEAN's enumerations;
`clock` time zones; `naming` PascalCase to snake_case; `settings` what an algorithm may set;
`charting` charts, series and points; `net_exceptions` and `pairs` what .NET raises and what its
dictionaries yield; `text_files` reading CSV files so that a damaged one is named.
"""
