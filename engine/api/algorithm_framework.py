"""The framework part of QCAlgorithm: models, insights, universes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.account.securities import SecurityManager
from engine.common.assigned import check_assigned
from engine.common.enums import Resolution, SecurityType, TickType
from engine.common.naming import LeanObject, RefusedProperty, both_spellings
from engine.common.net_exceptions import KeyNotFoundException
from engine.common.pairs import ExtendedDictionary, KeyValuePair, pair_class
from engine.common.settings import UniverseSettings
from engine.feed.custom_data import PythonData
from engine.feed.fundamental_files import (
    COARSE_FOLDER,
    FUNDS_FOLDER,
    ConstituentFiles,
    FundamentalFiles,
)
from engine.feed.universe_selection import UserDefinedUniverse
from engine.framework.fundamental_universes import (
    ETFConstituentsUniverseFactory,
    FundamentalUniverse,
    FundamentalUniverseFactory,
    UniverseDefinitions,
)
from engine.framework.insight import Insight
from engine.framework.pipeline import FrameworkPipeline
from engine.framework.universe import DataUniverse, FunctionUniverse, Universe
from engine.market.data import RESOLUTION_SPAN, SubscriptionDataConfig
from engine.market.fundamentals import CoarseFundamental
from engine.market.market_hours import always_open
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache


def _check_model(name: str, kind: str, model: Any) -> None:
    check_assigned(f"self.{name}", f"QuantConnect.Algorithm.Framework.{kind}", model)


def _instance(model: Any) -> Any:
    return both_spellings(model() if isinstance(model, type) else model)


def _of_function(name: str, resolution: Any, selector: Any, settings: Any) -> FunctionUniverse:
    key = str(SymbolCache.resolve(name.replace(" ", "_"), Market.USA))
    return FunctionUniverse(
        key,
        settings,
        selector=selector,
        interval=RESOLUTION_SPAN[resolution],
        resolution=Resolution(resolution),
    )


class UniverseManager(ExtendedDictionary, LeanObject):
    """LEAN's `self.universe_manager`: universes by the symbols that stand for them."""

    collection_changed: Any = RefusedProperty()

    def __init__(self) -> None:
        self._universes: dict[str, Universe] = {}

    def add(self, key: Any = None, value: Any = None) -> None:
        """Add a universe; its symbol need not be given."""
        added = key if value is None else value
        self._universes[added.key] = added

    def remove(self, key: Any) -> bool:
        """Take a universe out; its members go at the next time step. False if there is none."""
        found = self._find(key)
        if found is None:
            return False
        found.dispose()
        del self._universes[found.key]
        return True

    def pop(self, key: Any, default_value: Any = None) -> Universe | None:
        """Take a universe out and give it; the default without it."""
        found = self._find(key)
        self.remove(key)
        return default_value if found is None else found

    def _find(self, key: Any) -> Universe | None:
        return self._universes.get(str(getattr(key, "id", key)))

    def __getitem__(self, key: Any) -> Universe:
        found = self._find(key)
        if found is None:
            raise KeyNotFoundException(
                f"This universe symbol ({key}) was not found in your universe list. Please add "
                "this security or check it exists before using it with 'Universes.ContainsKey(\""
                f"{getattr(key, 'value', key)}\")'"
            )
        return found

    def __contains__(self, key: object) -> bool:
        return self._find(key) is not None

    def contains_key(self, key: Any) -> bool:
        """True if a symbol stands for a universe."""
        return key in self

    def get(self, key: Any, default: Any = None) -> Any:
        """The universe of a symbol, or the default."""
        return self._find(key) or default

    def try_get_value(self, key: Any, value: Any = None) -> tuple[bool, Universe | None]:
        """Whether a symbol stands for a universe, and the universe."""
        return key in self, self._find(key)

    def keys(self) -> list[Symbol]:
        """Symbols that stand for the universes."""
        return [universe.symbol for universe in self.values()]

    def values(self) -> list[Universe]:
        """Universes."""
        return list(self._universes.values())

    def items(self) -> list[tuple[Symbol, Universe]]:
        """Pairs of symbol and universe."""
        return [(universe.symbol, universe) for universe in self.values()]

    def __iter__(self) -> Iterator[KeyValuePair]:
        pair = pair_class("Symbol", "Universe")
        return iter([pair(*item) for item in self.items()])

    def __len__(self) -> int:
        return len(self._universes)

    @property
    def count(self) -> int:
        """Number of universes."""
        return len(self._universes)

    @property
    def active_securities(self) -> SecurityManager:
        """Members of all universes, by symbol."""
        found = SecurityManager()
        for universe in self.values():
            for security in universe.members.values():
                found.add(security)
        return found


class FrameworkMixin:
    """Framework of an algorithm."""

    @property
    def debug_mode(self: Any) -> bool:
        """Whether insights and targets are logged; they are not."""
        return False

    @debug_mode.setter
    def debug_mode(self: Any, is_on: bool) -> None:
        if is_on:
            raise NotImplementedError("debug_mode = True: log insights in insights_generated")

    def _qc_set_up_framework(self: Any) -> None:
        self._qc_pipeline = FrameworkPipeline(self)
        self.universe_manager = UniverseManager()
        self.qc_fundamentals = FundamentalFiles(self._qc_context.data_folder)
        self.qc_constituents = ConstituentFiles(self._qc_context.data_folder)
        vars(self)["universe"] = UniverseDefinitions(self)
        self._qc_pending_universes: list[Universe] = []
        self._qc_changed_universes: dict[str, tuple[Universe, bool]] = {}

    def _qc_start_framework(self: Any) -> None:
        model = self._qc_pipeline.portfolio_construction
        for name in ("security", "insight"):
            wanted = getattr(self.settings, f"rebalance_portfolio_on_{name}_changes")
            target = f"rebalance_on_{'security' if name == 'security' else 'insight'}_changes"
            if wanted is not None and hasattr(model, target):
                setattr(model, target, wanted)
        self._qc_pipeline.start()

    # Models ---------------------------------------------------------------------------------

    @property
    def alpha(self: Any) -> Any:
        """The alpha model."""
        return self._qc_pipeline.alpha

    @alpha.setter
    def alpha(self: Any, model: Any) -> None:
        _check_model("alpha", "Alphas.IAlphaModel", model)
        self.set_alpha(model)

    @property
    def execution(self: Any) -> Any:
        """The execution model."""
        return self._qc_pipeline.execution

    @execution.setter
    def execution(self: Any, model: Any) -> None:
        _check_model("execution", "Execution.IExecutionModel", model)
        self.set_execution(model)

    @property
    def portfolio_construction(self: Any) -> Any:
        """The portfolio construction model."""
        return self._qc_pipeline.portfolio_construction

    @portfolio_construction.setter
    def portfolio_construction(self: Any, model: Any) -> None:
        _check_model("portfolio_construction", "Portfolio.IPortfolioConstructionModel", model)
        self.set_portfolio_construction(model)

    @property
    def risk_management(self: Any) -> Any:
        """The risk model."""
        return self._qc_pipeline.risk_management

    @risk_management.setter
    def risk_management(self: Any, model: Any) -> None:
        _check_model("risk_management", "Risk.IRiskManagementModel", model)
        self.set_risk_management(model)

    @property
    def universe_selection(self: Any) -> Any:
        """The universe selection model."""
        return self._qc_pipeline.universe_selection

    @universe_selection.setter
    def universe_selection(self: Any, model: Any) -> None:
        _check_model("universe_selection", "Selection.IUniverseSelectionModel", model)
        self.set_universe_selection(model)

    @property
    def insights(self: Any) -> Any:
        """All insights."""
        return self._qc_pipeline.insights

    @property
    def insights_generated(self: Any) -> Any:
        """Event: handlers receive (algorithm, insights)."""
        return self._qc_pipeline.insights_generated

    @insights_generated.setter
    def insights_generated(self: Any, event: Any) -> None:
        self._qc_pipeline.insights_generated = event

    def set_alpha(self: Any, alpha: Any) -> None:
        """Replace the alpha model."""
        self._qc_pipeline.alpha = _instance(alpha)

    def add_alpha(self: Any, alpha: Any) -> None:
        """Add an alpha model."""
        self._qc_pipeline.add_alpha(_instance(alpha))

    def set_portfolio_construction(self: Any, portfolio_construction: Any) -> None:
        """Replace the portfolio construction model."""
        self._qc_pipeline.portfolio_construction = _instance(portfolio_construction)

    def set_execution(self: Any, execution: Any) -> None:
        """Replace the execution model."""
        self._qc_pipeline.execution = _instance(execution)

    def set_risk_management(self: Any, risk_management: Any) -> None:
        """Replace the risk model."""
        self._qc_pipeline.risk_management = _instance(risk_management)

    def add_risk_management(self: Any, risk_management: Any) -> None:
        """Add a risk model."""
        self._qc_pipeline.add_risk_management(_instance(risk_management))

    def set_universe_selection(self: Any, universe_selection: Any) -> None:
        """Replace the universe selection model."""
        self._qc_pipeline.universe_selection = _instance(universe_selection)

    def add_universe_selection(self: Any, universe_selection: Any) -> None:
        """Add a universe selection model."""
        self._qc_pipeline.add_universe_selection(_instance(universe_selection))

    def emit_insights(self: Any, *insights: Any, insight: Any = None) -> None:
        """Send insights through portfolio construction, risk and execution at once."""
        flat: list[Insight] = []
        for item in insights if insight is None else (*insights, insight):
            flat += list(item) if isinstance(item, Iterable) else [item]
        if not all(isinstance(item, Insight) for item in flat):
            raise TypeError(f"emit_insights takes insights; received {insights}")
        self._qc_pipeline.emit(flat)

    # Steps of the time loop -----------------------------------------------------------------

    def on_framework_data(self: Any, slice: Any) -> None:
        """Run the models on a slice."""
        self._qc_pipeline.on_data(slice)

    def on_framework_securities_changed(self: Any, changes: Any) -> None:
        """Tell the models."""
        self._qc_pipeline.on_securities_changed(changes)

    # Universes ------------------------------------------------------------------------------

    def add_universe(self: Any, universe: Any, *rest: Any) -> Universe:
        """Add a universe: of the framework, or (name[, resolution], function of the time).

        The function gives tickers, at the start and then once in a bar's length while the exchange
        is open. LEAN's longer call is (security type, name, resolution, market, settings,
        function). Others are of the files of all stocks, ([date rule,] function of the stocks), and
        of data of one's own, (class[, name][, resolution][, settings], function of its points).

        Raises:
            NotImplementedError: for universes of data that this engine lacks.
        """
        if universe == SecurityType.EQUITY and len(rest) == 5 and rest[2] == Market.USA:
            universe = _of_function(rest[0], rest[1], rest[4], rest[3])
        elif isinstance(universe, str) and rest and callable(rest[-1]) and len(rest) <= 2:
            resolution = rest[0] if len(rest) == 2 else Resolution.DAILY
            universe = _of_function(universe, resolution, rest[-1], None)
        else:
            universe = (
                self._qc_fundamental_universe(universe, rest)
                or self._qc_data_universe(universe, rest)
                or universe
            )
        if not isinstance(universe, Universe):
            raise NotImplementedError(
                "add_universe with a selection of data: the engine has no universe files; use "
                "add_universe(name, resolution, function of the time)"
            )
        if isinstance(universe, FundamentalUniverseFactory) and not self._qc_has_fundamentals:
            lacking = "none live" if self.live_mode else f"no files in {COARSE_FOLDER}"
            raise NotImplementedError(
                f"a universe of the data of all stocks: there are {lacking}; use "
                "add_universe(name, resolution, function of the time)"
            )
        if isinstance(universe, ETFConstituentsUniverseFactory):
            self._qc_check_fund(universe.fund)
        if universe.key not in self.universe_manager:
            if universe.settings is None and not isinstance(universe, UserDefinedUniverse):
                universe.settings = self.universe_settings
            self.universe_manager.add(universe)
            self._qc_pending_universes.append(universe)
        return universe

    def _qc_check_fund(self: Any, fund: Symbol) -> None:
        maps = self._qc_context.sources.auxiliary.map_files.of_security(fund.id)
        tickers = {ticker for _, ticker in maps.rows} | {fund.value}
        if self.live_mode or not self.qc_constituents.exist(tickers):
            lacking = "live" if self.live_mode else f"in {FUNDS_FOLDER}/{fund.value.lower()}"
            raise NotImplementedError(
                f"what {fund.value} holds: there are no files {lacking}; use "
                "add_universe(name, resolution, function of the time)"
            )

    @property
    def _qc_has_fundamentals(self: Any) -> bool:
        return not self.live_mode and self.qc_fundamentals.exist

    def _qc_fundamental_universe(self: Any, first: Any, rest: tuple[Any, ...]) -> Any:
        """A universe of the data folder's files of all stocks; None if others are meant.

        ``(function)``, ``(date rule, function)`` or ``(CoarseFundamental[, name][, resolution]
        [, settings][, function])``.
        """
        if isinstance(first, type):
            if not issubclass(first, CoarseFundamental | FundamentalUniverse):
                return None
            settings = next((one for one in rest if isinstance(one, UniverseSettings)), None)
            selector = rest[-1] if rest and callable(rest[-1]) else None
            return FundamentalUniverseFactory(Market.USA, settings, selector)
        if hasattr(first, "get_dates") and len(rest) == 1:
            settings = UniverseSettings(universe_settings=self.universe_settings)
            settings.schedule.on(first)
            return FundamentalUniverseFactory(Market.USA, settings, rest[0])
        if isinstance(first, Universe | str) or not callable(first):
            return None
        if rest:
            raise NotImplementedError(
                "add_universe(coarse, fine): there is no fundamental data; select once, by price "
                "and volume: add_universe(selector)"
            )
        return FundamentalUniverseFactory(Market.USA, None, first)

    def _qc_data_universe(self: Any, kind: Any, rest: tuple[Any, ...]) -> DataUniverse | None:
        """A universe of a user's class of data; None if others are meant.

        ``(class[, name][, resolution][, settings], function)``

        Raises:
            NotImplementedError: in live trading, of another market, and without a function.
        """
        if not isinstance(kind, type) or not issubclass(kind, PythonData):
            return None
        if self.live_mode or not rest or not callable(rest[-1]):
            raise NotImplementedError(
                f"add_universe({kind.__name__}, ...) {'live' if self.live_mode else 'of all of it'}"
                ": use add_universe(name, resolution, function of the time)"
            )
        *given, selector = rest
        texts = [one for one in given if isinstance(one, str)]
        if len(texts) > 1 and texts[-1] != Market.USA:
            raise NotImplementedError(f"add_universe of market {texts[-1]!r}")
        resolution = next((one for one in given if isinstance(one, Resolution)), Resolution.DAILY)
        settings = next((one for one in given if isinstance(one, UniverseSettings)), None)
        name = texts[0] if texts else f"{kind.__name__}-usa-{len(self.universe_manager):010d}"
        sid = SecurityIdentifier.generate_base(f"{name.upper()}.{kind.__name__}")
        config = SubscriptionDataConfig(
            Symbol(sid, name), resolution, TickType.TRADE, fill_forward=False,
            extended_hours=True, internal=True, kind=kind, time_zone=always_open().time_zone,
        )  # fmt: skip
        return DataUniverse(config, settings, selector)

    def _qc_note_universe(self: Any, universe: Universe, is_addition: bool) -> None:
        """A universe's wanted symbols changed: let it select at the end of the time step."""
        if universe.key not in self.universe_manager:
            self.add_universe(universe)
        elif not any(universe is pending for pending in self._qc_pending_universes):
            self._qc_changed_universes.setdefault(universe.key, (universe, is_addition))

    def take_pending_universes(self: Any) -> list[Universe]:
        """Universes added since the last call."""
        taken, self._qc_pending_universes = self._qc_pending_universes, []
        return taken

    def take_changed_universes(self: Any) -> list[tuple[Universe, bool]]:
        """Universes changed since the last call, and whether something was added to them first."""
        taken, self._qc_changed_universes = self._qc_changed_universes, {}
        return list(taken.values())
