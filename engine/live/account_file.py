"""What an account was worth and what it filled, over all its runs: a file beside a run's results.

LEAN's result files tell of one run, which begins with the process; an account outlives it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.common.durable import write_durably
from engine.live.state import AccountStore

ACCOUNT = "account.json"
VERSION = 1


def account_content(store: AccountStore) -> dict[str, Any]:
    """The file's content: `samples` by time, `fills` in their order; times are UTC, ISO.

    A sample is time, equity, benchmark and the run that started then, empty at a close; a fill is
    time, ticker, signed quantity, price and fee. Numbers are decimal text.
    """
    return {
        "version": VERSION,
        "samples": [
            (each.time.isoformat(), str(each.equity), str(each.benchmark), each.run)
            for each in store.samples()
        ],
        "fills": [
            (
                event["time"],
                event["ticker"],
                event["fill_quantity"],
                event["fill_price"],
                event["fee"],
            )
            for event in store.events()
            if float(event["fill_quantity"])
        ],
    }


def write_account(store: AccountStore, folder: Path) -> None:
    """Write the file into the folder of a run's results; what is there of it is replaced whole."""
    write_durably(folder / ACCOUNT, json.dumps(account_content(store)))
