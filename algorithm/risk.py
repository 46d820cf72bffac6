"""What stops and caps demand, whatever was asked for: LEAN's risk stage, and its counterpart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from AlgorithmImports import *

from algorithm.portfolio import expected_quantities, plan_from
from algorithm.stages import Failed, contained
from algorithm.stops import Stops
from sim.accounting import Rules


def demanded_quantities(
    algorithm: QCAlgorithm,
    symbols: Sequence[Symbol],
    targets: Mapping[Symbol, float],
    rules: Rules,
    stops: Stops,
    fresh: Collection[str],
    share: float = 1.0,
) -> dict[Symbol, float]:
    """Quantities that a stop or a cap demands in place of what is targeted or held.

    Targets from `algorithm.portfolio.target_quantities` pass unchanged, since decisions come after
    the stops and are sized under the caps. What is trimmed here are holdings without a target,
    and targets that come from elsewhere.

    Args:
        algorithm: whose portfolio, prices and open orders count.
        symbols: all traded symbols, in the order of `rules.caps`.
        targets: target quantities in shares, signed; symbols may lack.
        rules: caps and lots.
        stops: what must be flat.
        fresh: tickers that have a bar at this close. A holding without one waits for its own: its
            price is old, and its bar may come in another slice of the same close.
        share: of the account's value that is ours (`algorithm.portfolio.equity_of`).

    Returns:
        The quantities that differ from what is targeted, or else held and on order.
    """
    wanted = expected_quantities(algorithm, symbols)
    wanted |= {symbol: quantity for symbol, quantity in targets.items() if symbol in wanted}
    flat = {symbol for symbol in symbols if stops.must_be_flat(symbol.value)}
    allowed = {symbol: 0.0 if symbol in flat else q for symbol, q in wanted.items()}
    allowed = plan_from(algorithm, allowed, {}, rules, share)
    return {
        symbol: quantity
        for symbol, quantity in allowed.items()
        if quantity != wanted[symbol]
        and (symbol in flat or symbol in targets or symbol.value in fresh)
    }


class StopsAndCapsRiskModel(RiskManagementModel):
    """Overrides targets and holdings that a stop or a cap forbids; no other."""

    def __init__(
        self,
        symbols: Sequence[Symbol],
        rules: Rules,
        stops: Stops,
        fresh: Callable[[], Collection[str]],
        share: float = 1.0,
        failed: Failed | None = None,
    ) -> None:
        """Build the model.

        Args:
            symbols: what is traded, in the order of `rules.caps`.
            rules: caps and lots.
            stops: what must be flat.
            fresh: tickers that were decided on at this time step; between decisions none, and
                nothing is traded then.
            share: of the account's value that is ours.
            failed: hears of an exception, which then demands nothing; None lets it pass.
        """
        super().__init__()
        self._symbols = list(symbols)
        self._rules = rules
        self._stops = stops
        self._fresh = fresh
        self._share = share
        self._failed = failed

    def manage_risk(
        self, algorithm: QCAlgorithm, targets: List[IPortfolioTarget]
    ) -> List[PortfolioTarget]:
        """Targets that replace, or come beside, those of portfolio construction."""
        fresh = self._fresh()
        if not fresh:
            return []
        asked = {target.symbol: float(target.quantity) for target in targets}
        nothing: dict[Symbol, float] = {}
        found = contained(
            lambda: demanded_quantities(
                algorithm, self._symbols, asked, self._rules, self._stops, fresh, self._share
            ),
            nothing,
            self._failed,
        )
        return [PortfolioTarget(symbol, quantity) for symbol, quantity in found.items()]
