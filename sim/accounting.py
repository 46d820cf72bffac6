"""The one accounting kernel: B accounts × N symbols, next-open fills, fees, caps.

Time. A decision after the close of bar t is sized at the closes of t (`models.limits`), fills at
the opens of t+1, and is valued at the closes of t+1. So an account earns the overnight gap on its
old position and the open-to-close move on the new one, less costs, as in LEAN, where a market
order on a closed market becomes a MarketOnOpen order.

Money is as in LEAN's margin account: a sale adds its value to cash at once, a short position is a
negative number of shares, fees come out of cash, and neither cash nor borrowed shares bear
interest. Prices are adjusted, so splits and dividends need no booking. Everything is float64 and
elementwise over accounts: one account gives the same bits alone as in a batch.

Words. *Holdings* are numbers of shares of stock. A *weight* is the value of a holding over equity,
and an *exposure* the weight over the cap of its symbol, in [-1, 1] where the cap is kept. Agents
and environments speak of exposures, this module takes weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.arrays import read_only
from models.limits import Caps, size_orders, uniform_lot
from models.market.history import CLOSE, OPEN, VOLUME
from sim.costs import CostModel, InteractiveBrokersCost

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """What binds an account: its size, caps, lots, costs and the point of ruin.

    Attributes:
        caps: cap of each symbol, shape (S,), each in (0, gross].
        equity: size of the account at its start in $, finite, > 0. Fees and whole shares make a
            small account trade at other costs than a large one.
        gross: bound on the sum of absolute weights, in (0, 1].
        buffer: orders are sized at (1 - buffer) of the cap, in [0, 1).
        band: no rebalancing inside band·cap, in [0, 1].
        lot_size: 0 for fractional shares, else a whole number of shares.
        costs: fill prices and fees.
        ruin: an account is ruined at or below this share of `equity`, in [0, 1). By default a
            tenth: a tenfold gain would have to follow, which no episode of some months brings.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    caps: Floats
    equity: float
    gross: float = Caps.gross
    buffer: float = Caps.buffer
    band: float = Caps.band
    lot_size: float = 1
    costs: CostModel = field(default_factory=InteractiveBrokersCost)
    ruin: float = 0.1

    def __post_init__(self) -> None:
        Caps(default=self.gross, gross=self.gross, buffer=self.buffer, band=self.band)
        caps = np.atleast_1d(read_only(self.caps, float))
        if caps.ndim != 1 or not caps.size or not np.all((caps > 0) & (caps <= self.gross)):
            raise ValueError(
                f"caps must be a vector of values in (0, {self.gross}], at most the gross cap; "
                f"received {self.caps!r}"
            )
        object.__setattr__(self, "caps", caps)
        if not (np.isfinite(self.equity) and self.equity > 0):
            raise ValueError(f"equity must be finite and > 0; received {self.equity!r}")
        uniform_lot(self.lot_size)
        if not 0 <= self.ruin < 1:
            raise ValueError(f"ruin must lie in [0, 1); received {self.ruin!r}")

    @classmethod
    def of(
        cls,
        caps: Caps,
        symbols: Sequence[str],
        *,
        equity: float,
        lot_size: float = lot_size,
        costs: CostModel | None = None,
        ruin: float = ruin,
    ) -> Rules:
        """The rules that an account with these caps trades under; one cap per symbol."""
        return cls(
            caps=caps.for_symbols(symbols),
            equity=equity,
            gross=caps.gross,
            buffer=caps.buffer,
            band=caps.band,
            lot_size=lot_size,
            costs=InteractiveBrokersCost() if costs is None else costs,
            ruin=ruin,
        )

    def caps_of(self, series: NDArray[np.int64]) -> Floats:
        """Caps of the symbols that accounts trade, to be passed to the kernel.

        Args:
            series: index of the symbol of accounts of one, shape (B,), or of several, (B, S).

        Returns:
            Shape (B, 1) or (B, S); (1, 1) or (1, S) where all accounts have the same caps.

        Raises:
            ValueError: for a series that has no cap.
        """
        index = series if series.ndim == 2 else series[:, None]
        if self.caps.size == 1:
            return np.broadcast_to(self.caps, (1, index.shape[1]))
        if index.min() < 0 or index.max() >= self.caps.size:
            raise ValueError(
                f"series must have a cap each, 0..{self.caps.size - 1}; received "
                f"{index.min()}..{index.max()}"
            )
        return self.caps[index[:1] if (index == index[0]).all() else index]


@dataclass(frozen=True)
class Account:
    """State of B accounts.

    Attributes:
        cash: in $, shape (B,).
        holdings: signed numbers of shares, shape (B, N).
        equity: in $ at the latest closes, cash + holdings · closes, shape (B,).
    """

    cash: Floats
    holdings: Floats
    equity: Floats

    @classmethod
    def opened(cls, cash: ArrayLike, n_symbols: int = 1) -> Account:
        """Accounts that hold nothing but cash, shape (B,) or one number."""
        money = np.atleast_1d(np.array(cash, dtype=float))
        return cls(money, np.zeros((len(money), n_symbols)), money.copy())

    @classmethod
    def at_weights(cls, weights: ArrayLike, closes: Floats, equity: ArrayLike) -> Account:
        """Accounts that hold the given weights (B, N) at closes (B, N), in fractional shares."""
        wealth = np.broadcast_to(np.asarray(equity, dtype=float), closes.shape[:-1]).copy()
        holdings = np.asarray(weights, dtype=float) * wealth[..., None] / closes
        return cls(wealth - np.sum(holdings * closes, axis=-1), holdings, wealth)


@dataclass(frozen=True)
class Settled:
    """What one bar did to B accounts.

    Attributes:
        account: the accounts at the close of the bar.
        orders: signed shares ordered (and filled), shape (B, N).
        fills: price per share, shape (B, N); meaningful where an order is not zero.
        fees: in $, shape (B, N).
        growth: log of equity now over equity at the last close, shape (B,); -inf where equity
            fell to zero or below.
    """

    account: Account
    orders: Floats
    fills: Floats
    fees: Floats
    growth: Floats


def plan(
    account: Account, targets: Floats, closes: Floats, rules: Rules, caps: Floats | None = None
) -> Floats:
    """Orders of shape (B, N) for target weights (B, N), NaN for none, at the present closes.

    Every equity must be > 0: a ruined account is not traded any more.

    Args:
        account: B accounts with N symbols.
        targets: target weights (exposure × cap).
        closes: present prices, shape (B, N).
        rules: what binds the accounts.
        caps: of each account's symbols, broadcast to (B, N), where accounts differ
            (`Rules.caps_of`); those of the rules by default.

    Raises:
        ValueError: unless there is one cap for each of the N symbols.
    """
    limits = rules.caps if caps is None else caps
    if limits.shape[-1] != account.holdings.shape[-1]:
        raise ValueError(
            f"caps must be one for each of {account.holdings.shape[-1]} symbols; received "
            f"{limits.shape[-1]}"
        )
    return size_orders(
        targets,
        account.holdings,
        closes,
        account.equity,
        limits,
        gross=rules.gross,
        buffer=rules.buffer,
        band=rules.band,
        lot_size=rules.lot_size,
    )


def settle(
    account: Account, orders: Floats, opens: Floats, closes: Floats, rules: Rules
) -> Settled:
    """Fill orders at the opens of a bar and value the accounts at its closes; all (B, N)."""
    fills = rules.costs.fill_prices(orders, opens, closes)
    fees = rules.costs.fees(orders, fills, closes)
    paid = orders * fills + fees
    holdings = account.holdings + orders
    cash = account.cash - _total(paid)
    equity = cash + _total(holdings * closes)
    solvent = equity > 0.0
    if solvent.all():
        growth = np.log(equity / account.equity)
    else:
        ratio = np.where(solvent, equity, 1.0) / account.equity
        growth = np.where(solvent, np.log(ratio), -np.inf)
    return Settled(Account(cash, holdings, equity), orders, fills, fees, growth)


def control_variate(
    account: Account, done: Settled, closes: Floats, opens: Floats, innovations: Floats
) -> Floats:
    """What of a step's log growth nobody could have known, to first order.

    An old position contributes its weight times the innovation of the gap, a new one its weight
    at the open times the innovation of the intraday return. Both have mean zero given what was
    known at the decision, so growth less this control variate has the mean of growth and a
    fraction of its noise (Glasserman 2003, section 4.1, with coefficient 1).

    Args:
        account: before the step, holdings (..., N).
        done: what the step did.
        closes: before the step, shape (..., N).
        opens: at which it filled, shape (..., N).
        innovations: log returns less their conditional means, gap and intraday, shape (..., N, 2).

    Returns:
        Shape (...), in log growth; 0 where the gap alone took all equity.

    Raises:
        ValueError: unless the innovations are those of each symbol.
    """
    if innovations.ndim != closes.ndim + 1 or innovations.shape[-2] != closes.shape[-1]:
        raise ValueError(
            f"innovations must be two for each of {closes.shape[-1]} symbols; received shape "
            f"{innovations.shape}"
        )
    old = account.holdings * closes / account.equity[..., None]
    at_open = account.cash + _total(account.holdings * opens)
    solvent = at_open > 0
    new = done.account.holdings * opens / np.where(solvent, at_open, 1.0)[..., None]
    known = _total(old * innovations[..., 0] + new * innovations[..., 1])
    return np.where(solvent, known, 0.0)


def _total(values: Floats) -> Floats:
    """Sum over symbols; a plain view for the usual single symbol."""
    return values[..., 0] if values.shape[-1] == 1 else values.sum(axis=-1)


def step(
    account: Account,
    targets: Floats,
    closes: Floats,
    next_opens: Floats,
    next_closes: Floats,
    rules: Rules,
    caps: Floats | None = None,
) -> Settled:
    """Decide at the closes of t, fill at the opens of t+1, value at the closes of t+1.

    Args:
        account: B accounts at the close of t, equity > 0.
        targets: target weights (exposure × cap), shape (B, N); NaN keeps a position.
        closes: closes of t, shape (B, N).
        next_opens: opens of t+1, shape (B, N).
        next_closes: closes of t+1, shape (B, N).
        rules: caps, costs and lots.
        caps: as in `plan`.

    Raises:
        ValueError: as `plan`.
    """
    orders = plan(account, targets, closes, rules, caps)
    return settle(account, orders, next_opens, next_closes, rules)


@dataclass(frozen=True)
class Outcomes:
    """What each of A actions would do to each of B accounts with one symbol.

    Attributes:
        log_growth: of equity, finite (see `finite_growth`), shape (B, A).
        control_variate: see the function of this name, shape (B, A); 0 without innovations.
        weight: weight of the symbol after the bar, shape (B, A); 0 for the ruined.
        ruined: whether equity is at or below ruin, shape (B, A).
    """

    log_growth: Floats
    control_variate: Floats
    weight: Floats
    ruined: Bools


def all_action_outcomes(
    account: Account,
    exposures: ArrayLike,
    closes: Floats,
    next_opens: Floats,
    next_closes: Floats,
    rules: Rules,
    caps: Floats,
    innovations: Floats | None = None,
) -> Outcomes:
    """Exact outcome of every discrete action; the market does not react to a small trader.

    Args:
        account: B accounts with one symbol, equity > 0.
        exposures: target exposure of each action, shape (A,), each in [-1, 1].
        closes: closes of t, shape (B,).
        next_opens: opens of t+1, shape (B,).
        next_closes: closes of t+1, shape (B,).
        rules: what binds the accounts.
        caps: cap of each account's symbol, broadcast to (B, 1) (`Rules.caps_of`).
        innovations: of the bar, shape (B, 2), if known.

    Raises:
        ValueError: if the accounts or the caps are not for one symbol.
    """
    limits = caps[:, None, :]
    targets = np.asarray(exposures, dtype=float)[None, :, None] * limits
    wide = Account(account.cash[:, None], account.holdings[:, None, :], account.equity[:, None])
    now, opens, then = (x[:, None, None] for x in (closes, next_opens, next_closes))
    done = step(wide, targets, now, opens, then, rules, limits)
    ruined = is_ruined(done.account.equity, rules)
    solvent = np.where(ruined, 1.0, done.account.equity)
    weight = done.account.holdings[..., 0] * then[..., 0] / solvent
    known = np.zeros_like(done.growth)
    if innovations is not None:
        known = control_variate(wide, done, now, opens, innovations[:, None, None, :])
    return Outcomes(
        finite_growth(done.growth, wide.equity, rules),
        known,
        np.where(ruined, 0.0, weight),
        ruined,
    )


def traded(account: Account, done: Settled, closes: Floats) -> Floats:
    """Value that a step traded, at the closes of the decision, over the equity before, (...)."""
    return _total(np.abs(done.orders * closes)) / account.equity


def costs_paid(account: Account, done: Settled, opens: Floats) -> Floats:
    """Fees and slippage of a step over the equity before it, shape (...)."""
    paid = _total(done.fees)
    if done.fills is not opens:
        paid = paid + _total(done.orders * (done.fills - opens))
    return paid / account.equity


def is_ruined(equity: Floats, rules: Rules) -> Bools:
    """Whether equity lies at or below the point of ruin (or below zero)."""
    return equity <= rules.equity * rules.ruin


def finite_growth(growth: Floats, before: Floats, rules: Rules) -> Floats:
    """Log growth with a floor: no account loses more than down to half its point of ruin.

    Below that the logarithm runs to minus infinity, which no value function can learn; the floor
    keeps a ruinous step the worst there is. A point of ruin below a thousandth counts as that.

    Args:
        growth: log growth of a step, -inf allowed.
        before: equity before it.
        rules: account size and point of ruin.
    """
    floor = rules.equity * max(rules.ruin, 1e-3) * 0.5
    return np.maximum(growth, np.log(np.minimum(floor / before, 1.0)))


def replay(decisions: ArrayLike, bars: ArrayLike, rules: Rules) -> Floats:
    """Equity after each bar when the given decisions are traded on the given bars.

    Args:
        decisions: target weights after the close of each bar, shape (T, N); NaN keeps a position;
            the last row finds no bar to fill on.
        bars: O, H, L, C, V of each bar and symbol, shape (T, N, 5).
        rules: with N caps; the account starts with `rules.equity` in cash.

    Returns:
        Shape (T,): equity at each close; row 0 is `rules.equity`.

    Raises:
        ValueError: for shapes that disagree, prices that are not finite and > 0, or an account
            whose equity falls to zero.
    """
    targets = np.asarray(decisions, dtype=float)
    market = np.asarray(bars, dtype=float)
    if market.ndim != 3 or market.shape[:2] != targets.shape or market.shape[2] != 5:
        raise ValueError(
            f"bars must have shape (T, N, 5) for decisions (T, N); received {market.shape} and "
            f"{targets.shape}"
        )
    prices = market[..., :VOLUME]
    if not (np.isfinite(prices).all() and (prices > 0).all()):
        raise ValueError("bars must hold finite prices > 0; received others")
    account = Account.opened(rules.equity, targets.shape[1])
    curve = np.empty(len(targets))
    curve[0] = rules.equity
    for t in range(len(targets) - 1):
        done = step(
            account,
            targets[None, t],
            market[None, t, :, CLOSE],
            market[None, t + 1, :, OPEN],
            market[None, t + 1, :, CLOSE],
            rules,
        )
        account = done.account
        curve[t + 1] = account.equity[0]
        if not account.equity[0] > 0:
            raise ValueError(f"equity must stay > 0; received {account.equity[0]} at row {t + 1}")
    return curve
