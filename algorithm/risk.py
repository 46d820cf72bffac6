"""LEAN's risk stage: what stops and caps demand, whatever portfolio construction asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from AlgorithmImports import *

from algorithm.portfolio import plan_quantities, quantity_held_or_on_order
from algorithm.stops import Stops
from sim.accounting import Rules


class StopsAndCapsRiskModel(RiskManagementModel):
    """Overrides a target, or a holding without one, that a stop or a cap forbids; no other.

    The targets of `CappedPortfolioConstructionModel` pass unchanged, since decisions come after
    stops and are sized under caps. Holdings that get no target at a close are trimmed here, and
    so are the targets of any other portfolio construction that is put in its place.
    """

    def __init__(
        self, symbols: Sequence[Symbol], rules: Rules, stops: Stops, due: Callable[[], bool]
    ) -> None:
        """Build the model.

        Args:
            symbols: what is traded, in the order of `rules.caps`.
            rules: caps and lots.
            stops: what must be flat.
            due: whether a decision was taken at this time step; between decisions nothing is
                traded.
        """
        super().__init__()
        self._symbols = list(symbols)
        self._rules = rules
        self._stops = stops
        self._due = due

    def manage_risk(
        self, algorithm: QCAlgorithm, targets: List[IPortfolioTarget]
    ) -> List[PortfolioTarget]:
        """Targets that replace, or come beside, those of portfolio construction."""
        if not self._due():
            return []
        wanted = {symbol: quantity_held_or_on_order(algorithm, symbol) for symbol in self._symbols}
        wanted |= {
            target.symbol: float(target.quantity) for target in targets if target.symbol in wanted
        }
        allowed = {
            symbol: 0.0 if self._stops.must_be_flat(symbol.value) else quantity
            for symbol, quantity in wanted.items()
        }
        allowed = plan_quantities(algorithm, self._symbols, {}, self._rules, expected=allowed)
        return [
            PortfolioTarget(symbol, quantity)
            for symbol, quantity in allowed.items()
            if quantity != wanted[symbol]
        ]
