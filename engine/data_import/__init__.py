"""Market data from elsewhere, written into a folder that LEAN (and the local engine) can read.

A `Source` yields plain series (`series.py`); everything after it is shared: `validation` counts and
repairs odd rows, `corporate_actions` turns the adjusted close into splits and dividends,
`lean_format` renders LEAN's files, `reference` renders the exchange's calendar and symbol
properties, `folder` writes atomically and only what changed. `importer` is the one entry point.
"""

from engine.data_import.importer import ImportReport, import_data
from engine.data_import.packaged import PackagedSource

__all__ = ["ImportReport", "PackagedSource", "import_data"]
