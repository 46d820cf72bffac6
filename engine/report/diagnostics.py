"""What the algorithm tells about itself (`diagnostics.json`), checked before anything is drawn.

Of an agent's training it tells, by update: the loss, and the value that the agent claims (mean over
a batch of the highest action value, a discounted sum of rewards); and, as often as the agent was
judged: the mean log growth per bar on imagined paths kept from training, with its standard error.

Of simple rules it tells what each earned in a shadow account under the same caps and costs
(``rivals``): equity at every close, and traded value over equity, summed. Where several candidates
were trained, which of them traded after each training, and why (``promotions``).

Of imagined markets it tells, beside stylised facts and some paths: which real bars they are
compared with (``span``: first and last date, fewest and most bars of a symbol, and the bars of the
pieces that stylised facts are of), how symbols depend on each other
(``dependence``: means over pairs by market, the real one first, and correlation matrices), the
worst day of the real market and of the imagined ones that are shown (``crisis``), and how well a
classifier tells imagined windows from real ones (``two_sample``). All may be missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "diagnostics.json"

_NUMBER = {"type": "number"}
_NUMBERS = {"type": "array", "items": _NUMBER}
_TEXT = {"type": "string"}
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
_TIMES = {"type": "array", "items": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d"}}


def _record(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _map(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}


def _belong(*columns: str) -> dict[str, list[str]]:
    """None of these columns without the others."""
    return {name: [other for other in columns if other != name] for name in columns}


_OPEN_NUMBER = {"type": ["number", "null"]}
_SYMBOLS = {"type": "array", "items": _TEXT, "minItems": 1}
_ROWS = {
    "type": "array",
    "items": _record(
        ("name", "values"), name=_TEXT, values={"type": "array", "items": _OPEN_NUMBER}
    ),
}
_MATRIX = {"type": "array", "items": {"type": "array", "items": _OPEN_NUMBER}}
REAL, SIMULATED = "real", "simulated"
_DAY = _record(
    ("returns", "deviations", "closes", "day", "searched"),
    date=_DATE | {"type": ["string", "null"]},
    market={"type": ["integer", "null"], "minimum": 0},
    searched={"type": "integer", "minimum": 1},
    returns=_NUMBERS,
    deviations=_NUMBERS,
    closes={"type": "array", "items": {**_NUMBERS, "minItems": 2}},
    day={"type": "integer", "minimum": 1},
)
_LEARNED = ("update", "loss", "claimed_value")
_JUDGED = ("held_out_update", "held_out_reward", "held_out_error")
_AGENT = {**_map(_NUMBERS), "dependentRequired": _belong(*_JUDGED)}
_QUANTILES = ("q05", "q25", "q50", "q75", "q95")
_FORECAST = ("previous_close", "mean", *_QUANTILES, "close")

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Mirage diagnostics, version 1",
    **_record(
        ("version",),
        version={"const": 1},
        algorithm=_record(
            start=_TEXT,
            end=_TEXT,
            symbols={"type": "array", "items": _TEXT},
            seed={"type": "integer"},
            trade_mode=_TEXT,
            parameters=_map({}),
        ),
        timings=_map({"type": "number", "minimum": 0}),
        trainings={
            "type": "array",
            "items": _record(
                ("time",),
                time=_TEXT,
                reused={"type": "boolean"},
                forecaster_reused={"type": "boolean"},
                artifact=_TEXT,
                forecaster=_map(_NUMBERS),
                agent=_AGENT,
            ),
        },
        forecasts=_map(
            _record(("time", *_FORECAST), time=_TIMES, **dict.fromkeys(_FORECAST, _NUMBERS))
        ),
        calibration=_record(
            ("pit_counts", "coverage"),
            pit_counts={"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            coverage={
                "type": "array",
                "items": _record(
                    ("nominal", "empirical", "n"), nominal=_NUMBER, empirical=_NUMBER, n=_NUMBER
                ),
            },
            crps=_NUMBER,
            log_score=_NUMBER,
            n={"type": "integer"},
        ),
        span=_record(
            ("begin", "end", "bars", "piece"),
            begin=_DATE,
            end=_DATE,
            bars={
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 2,
                "maxItems": 2,
            },
            piece={"type": "integer", "minimum": 1},
        ),
        facts=_record(("columns", "rows"), columns={"type": "array", "items": _TEXT}, rows=_ROWS),
        dependence=_record(
            ("symbols", "columns", "rows", "maps"),
            symbols=_SYMBOLS | {"minItems": 2},
            columns={"type": "array", "items": _TEXT},
            rows=_ROWS,
            maps={
                "type": "array",
                "items": _record(
                    ("name", "correlations"),
                    name=_TEXT,
                    correlations=_map(_MATRIX) | {"required": [REAL, SIMULATED]},
                ),
            },
        ),
        crisis=_record(
            ("symbols", REAL, SIMULATED),
            symbols=_SYMBOLS,
            **{REAL: _DAY, SIMULATED: _DAY},
        ),
        two_sample=_record(
            ("bars", "windows", "disjoint", "chance", "columns", "auc", "used"),
            bars={"type": "integer", "minimum": 1},
            windows={"type": "integer", "minimum": 1},
            disjoint={"type": "integer", "minimum": 1},
            chance={"type": "number", "minimum": 0},
            columns={"type": "array", "items": _TEXT, "minItems": 2},
            auc={
                "type": "array",
                "items": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            },
            used={
                "type": "array",
                "items": _record(
                    ("name", "fall", "alone", "means"),
                    name=_TEXT,
                    family=_TEXT,
                    fall=_NUMBER,
                    alone=_NUMBER,
                    means=_NUMBERS,
                ),
            },
        ),
        promotions={
            "type": "array",
            "items": _record(
                ("time", "trading", "before", "says"),
                time=_TEXT,
                trading=_TEXT,
                before=_TEXT,
                says=_TEXT,
            ),
        },
        rivals=_record(
            ("time", "rows"),
            time=_TIMES,
            rows={
                "type": "array",
                "items": _record(
                    ("name", "says", "equity", "turnover"),
                    name=_TEXT,
                    says=_TEXT,
                    equity={**_NUMBERS, "minItems": 1},
                    turnover={"type": "number", "minimum": 0},
                ),
                "minItems": 1,
            },
        ),
        paths=_map(
            _record(("simulated",), real=_NUMBERS, simulated={"type": "array", "items": _NUMBERS})
        ),
        prices=_map(_record(("time", "close"), time=_TIMES, close=_NUMBERS)),
    ),
}


def load_diagnostics(folder: Path) -> dict[str, Any]:
    """Read and check `diagnostics.json`; an empty dictionary if there is none.

    Raises:
        ValueError: naming the file, the place in it and the rule.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    import jsonschema  # slow to import, and not every run leaves such a file

    validator = jsonschema.Draft202012Validator(SCHEMA)
    worst = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if worst is not None:
        place = "/".join(map(str, worst.absolute_path)) or "the document"
        message = worst.message if len(worst.message) < 160 else worst.message[:157] + "..."
        raise ValueError(f"{path}: at {place}: {message}")
    _check_lengths(path, document)
    return document


def _check_lengths(path: Path, document: dict[str, Any]) -> None:
    """Columns that belong together must be equally long, which a schema cannot say."""
    tables = [
        (f"{section}/{symbol}", {k: v for k, v in table.items() if isinstance(v, list)})
        for section in ("forecasts", "prices")
        for symbol, table in document.get(section, {}).items()
    ]
    rivals = document.get("rivals", {"time": [], "rows": []})
    tables += [
        (f"rivals/{row['name']}", {"time": rivals["time"], "equity": row["equity"]})
        for row in rivals["rows"]
    ]
    for number, training in enumerate(document.get("trainings", [])):
        agent = training.get("agent", {})
        for columns in (_LEARNED, _JUDGED):
            table = {name: agent[name] for name in columns if name in agent}
            tables.append((f"trainings/{number}/agent", table))
    for place, table in tables:
        lengths = {name: len(column) for name, column in table.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"{path}: at {place}: columns must be equally long; received {lengths}"
            )
    for section in ("facts", "dependence"):
        table = document.get(section, {"columns": [], "rows": []})
        for row in table["rows"]:
            _need(path, f"{section}/{row['name']}", "one per column", row["values"], table)
    told = document.get("two_sample", {"columns": [], "auc": [], "used": []})
    _need(path, "two_sample/auc", "one per column", told["auc"], told)
    for each in told["used"]:
        place = f"two_sample/used/{each['name']}"
        _need(path, place, "one per column", each["means"], told)
    _check_symbols(path, document)


def _check_symbols(path: Path, document: dict[str, Any]) -> None:
    """What is told of every symbol, or every pair, must be told of all."""
    dependence = document.get("dependence", {"symbols": [], "maps": []})
    names = {"columns": dependence["symbols"]}
    for each in dependence["maps"]:
        for market, matrix in each["correlations"].items():
            place = f"dependence/{each['name']}/{market}"
            for row in [matrix, *matrix]:
                _need(path, place, "one per symbol", row, names)
    crisis = document.get("crisis")
    if crisis is None:
        return
    names = {"columns": crisis["symbols"]}
    for market in (REAL, SIMULATED):
        day = crisis[market]
        for part in ("returns", "deviations", "closes"):
            _need(path, f"crisis/{market}/{part}", "one per symbol", day[part], names)
        lengths = sorted({len(closes) for closes in day["closes"]})
        if len(lengths) != 1 or not day["day"] < lengths[0]:
            raise ValueError(
                f"{path}: at crisis/{market}: closes must be equally long and hold the day, number "
                f"{day['day']}; received {lengths}"
            )


def _need(path: Path, place: str, rule: str, values: list[Any], table: dict[str, Any]) -> None:
    """As many values as the table has columns."""
    needed = len(table["columns"])
    if len(values) != needed:
        raise ValueError(
            f"{path}: at {place}: {needed} values are needed, {rule}; received {len(values)}"
        )
