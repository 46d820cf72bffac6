"""What a user reads has the type that LEAN's Python bridge gives it: a float for a decimal."""

import ast
import enum
from datetime import datetime, timedelta
from functools import cache

from engine.api.algorithm import QCAlgorithm
from engine.common.clock import ShownTime
from engine.common.enums import Resolution
from engine.common.lean_names import lean_classes
from engine.run.runner import run_algorithm
from tests.contracts.test_stubs import sources
from tests.engine.folder import flat, write_folder

TYPES = {
    "float": float,
    "int": int,
    "bool": bool,
    "str": str,
    "datetime.datetime": datetime,
    "datetime.timedelta": timedelta,
}


@cache
def properties(name: str) -> dict[str, str]:
    """Properties of a class of LEAN's, with those it inherits, and the types that stubs give."""
    entry = lean_classes().get(name)
    if entry is None:
        return {}
    found: dict[str, str] = {}
    for base in entry.bases:
        found |= properties(base)
    for block in ast.parse(sources(entry.namespace).get(name, "")).body:
        for item in block.body if isinstance(block, ast.ClassDef) else ():
            if not isinstance(item, ast.FunctionDef) or item.returns is None:
                continue
            if "property" in {ast.unparse(each) for each in item.decorator_list}:
                found[item.name] = ast.unparse(item.returns)
    return found


def mistaken(thing: object, annotation: str) -> bool:
    """Whether a value is of another type than the stubs say."""
    if annotation.startswith("typing.Optional["):
        return thing is not None and mistaken(thing, annotation[16:-1])
    if isinstance(thing, enum.Enum):
        return type(thing).__name__ != annotation.rsplit(".", 1)[-1]
    if isinstance(thing, ShownTime):  # pythonnet's own datetime
        return annotation != "datetime.datetime"
    wanted = TYPES.get(annotation)
    return wanted is not None and thing is not None and type(thing) is not wanted


class Walker:
    """Reads every property of an object and of what these lead to."""

    def __init__(self) -> None:
        self.seen: dict[int, object] = {}
        self.classes: set[str] = set()
        self.wrong: dict[str, str] = {}

    def walk(self, thing: object, depth: int = 0) -> None:
        names = [base.__dict__.get("lean_name", base.__name__) for base in type(thing).__mro__]
        name = next((one for one in names if one in lean_classes()), None)
        if name is None or id(thing) in self.seen or depth > 3 or isinstance(thing, enum.Enum):
            return
        self.seen[id(thing)] = thing
        self.classes.add(name)
        for key, annotation in properties(name).items():
            try:
                value = getattr(thing, key)
            except Exception:  # refused, or not there yet: no value of a wrong type
                continue
            if mistaken(value, annotation):
                self.wrong[f"{name}.{key}"] = f"{annotation}, not {type(value).__name__}"
            for item in value[:2] if isinstance(value, list) else [value]:
                self.walk(item, depth + 1)


def test_values_have_the_types_of_the_stubs(tmp_path):
    walker = Walker()

    class Walked(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 8)
            self.set_end_date(2010, 1, 15)
            self.stock = self.add_equity("ABC", Resolution.DAILY)
            self.average = self.sma("ABC", 2)

        def on_data(self, data):
            if not self.portfolio.invested:
                self.market_order("ABC", 10)
                self.limit_order("ABC", 5, 90.5).update_limit_price(91)
            elif self.time.day == 14:
                self.liquidate()
            for thing in (data, *data.bars.values(), self.stock, self.stock.cache, self.portfolio):
                walker.walk(thing)

        def on_order_event(self, order_event):
            walker.walk(order_event)

        def on_end_of_algorithm(self):
            transactions = self.transactions
            walker.walk(self.average)
            walker.walk(self.portfolio.cash_book["USD"])
            for things in (transactions.get_orders(), transactions.get_order_tickets()):
                for thing in (*things, *self.trade_builder.closed_trades):
                    walker.walk(thing)

    write_folder(tmp_path / "data", {"ABC": flat(100, 20)})
    run_algorithm(Walked, data_folder=tmp_path / "data", store=tmp_path / "store")
    expected = {"Equity", "SecurityCache", "SecurityHolding", "LimitOrder", "OrderTicket"}
    assert walker.classes >= expected | {"OrderEvent", "TradeBar", "SimpleMovingAverage", "Cash"}
    assert walker.wrong == {}
