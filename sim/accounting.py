"""The one accounting kernel: B accounts × N symbols, next-open fills, fees, caps.

Time. A decision after the close of bar t is sized at the closes of t (`models.limits`), fills at
the opens of t+1, and is valued at the closes of t+1. So an account earns the overnight gap on its
old position and the open-to-close move on the new one, less costs, as in LEAN, where a market
order on a closed market becomes a MarketOnOpen order.

Money is as in LEAN's margin account: a sale adds its value to cash at once, a short position is a
negative number of shares, fees come out of cash, and neither cash nor borrowed shares bear
interest. Prices are adjusted, so splits and dividends need no booking. Everything is float64 and
elementwise over accounts: one account gives the same bits alone as in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.limits import Caps, size_orders, uniform_lot
from models.market.history import CLOSE, OPEN, VOLUME
from sim.costs import CostModel, InteractiveBrokersCost

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """What binds an account: caps, lots, costs and the point of ruin.

    Attributes:
        caps: cap of each symbol, shape (N,), each in (0, 1].
        gross: bound on the sum of absolute weights, in (0, 1].
        buffer: orders are sized at (1 - buffer) of the cap, in [0, 1).
        band: no rebalancing inside band·cap, in [0, 1].
        lot_size: 0 for fractional shares, else a whole number of shares.
        costs: fill prices and fees.
        ruin: an account is ruined at or below this share of its initial equity, in [0, 1).
    """

    caps: Floats
    gross: float = 1.0
    buffer: float = 0.03
    band: float = 0.10
    lot_size: float = 1
    costs: CostModel = field(default_factory=InteractiveBrokersCost)
    ruin: float = 0.1

    def __post_init__(self) -> None:
        caps = np.atleast_1d(np.asarray(self.caps, dtype=float))
        if caps.ndim != 1 or not np.all((caps > 0) & (caps <= 1)):
            raise ValueError(f"caps must be a vector of values in (0, 1]; received {self.caps!r}")
        object.__setattr__(self, "caps", caps)
        Caps(default=self.gross, gross=self.gross, buffer=self.buffer, band=self.band)
        uniform_lot(self.lot_size)
        if not 0 <= self.ruin < 1:
            raise ValueError(f"ruin must lie in [0, 1); received {self.ruin!r}")

    @classmethod
    def of(cls, caps: Caps, symbols: list[str] | tuple[str, ...], **options) -> Rules:
        """The rules that an algorithm with these caps trades under."""
        return cls(
            caps=caps.for_symbols(symbols),
            gross=caps.gross,
            buffer=caps.buffer,
            band=caps.band,
            **options,
        )


@dataclass(frozen=True)
class Account:
    """State of B accounts: cash (B,) in $, signed shares (B, N), equity (B,) in $.

    Equity is that at the latest close: cash + shares · closes.
    """

    cash: Floats
    shares: Floats
    equity: Floats

    @classmethod
    def opened(cls, cash: ArrayLike, n_symbols: int = 1) -> Account:
        """Accounts that hold nothing but cash, shape (B,) or one number."""
        money = np.atleast_1d(np.array(cash, dtype=float))
        return cls(money, np.zeros((len(money), n_symbols)), money.copy())

    @classmethod
    def holding(cls, weights: ArrayLike, closes: Floats, equity: ArrayLike) -> Account:
        """Accounts that hold the given weights (B, N) at closes (B, N), in fractional shares."""
        wealth = np.broadcast_to(np.asarray(equity, dtype=float), closes.shape[:-1]).copy()
        shares = np.asarray(weights, dtype=float) * wealth[..., None] / closes
        return cls(wealth - np.sum(shares * closes, axis=-1), shares, wealth)


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


def plan(account: Account, targets: Floats, closes: Floats, rules: Rules) -> Floats:
    """Orders of shape (B, N) for target weights (B, N), NaN for none, at the present closes.

    Every equity must be > 0: a ruined account is not traded any more.
    """
    return size_orders(
        targets,
        account.shares,
        closes,
        account.equity,
        rules.caps,
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
    shares = account.shares + orders
    cash = account.cash - _total(paid)
    equity = cash + _total(shares * closes)
    solvent = equity > 0.0
    ratio = np.where(solvent, equity, 1.0) / account.equity
    growth = np.where(solvent, np.log(ratio), -np.inf)
    return Settled(Account(cash, shares, equity), orders, fills, fees, growth)


def luck(
    account: Account, done: Settled, closes: Floats, opens: Floats, surprises: Floats
) -> Floats:
    """The part of a step's log growth that nobody could have known, to first order.

    The old position is worth its weight times the surprise in the gap, the new one its weight at
    the open times the surprise in the intraday return; both have mean zero given what was known
    at the decision. Growth less luck has therefore the same mean as growth, with a fraction of
    its noise (a control variate; Glasserman 2003, section 4.1).

    Args:
        account: before the step, one symbol, shares (..., 1).
        done: what the step did.
        closes: before the step, shape (..., 1).
        opens: at which it filled, shape (..., 1).
        surprises: log returns less their conditional means, gap and intraday, shape (..., 2).
    """
    old = account.shares[..., 0] * closes[..., 0] / account.equity
    at_open = account.cash + account.shares[..., 0] * opens[..., 0]
    new = done.account.shares[..., 0] * opens[..., 0] / np.where(at_open > 0, at_open, 1.0)
    return np.where(at_open > 0, old * surprises[..., 0] + new * surprises[..., 1], 0.0)


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
) -> Settled:
    """Decide at the closes of t, fill at the opens of t+1, value at the closes of t+1.

    Args:
        account: B accounts at the close of t, equity > 0.
        targets: target weights (action × cap), shape (B, N); NaN keeps a position.
        closes: closes of t, shape (B, N).
        next_opens: opens of t+1, shape (B, N).
        next_closes: closes of t+1, shape (B, N).
        rules: caps, costs and lots.
    """
    return settle(account, plan(account, targets, closes, rules), next_opens, next_closes, rules)


@dataclass(frozen=True)
class Outcomes:
    """What each of A actions would do to each of B accounts with one symbol.

    Attributes:
        reward: log growth of equity, finite (see `finite_growth`), less luck if asked for,
            shape (B, A).
        weight: weight of the symbol after the bar, shape (B, A); 0 for the ruined.
        ruined: whether equity is at or below ruin, shape (B, A).
    """

    reward: Floats
    weight: Floats
    ruined: Bools


def all_action_outcomes(
    account: Account,
    actions: ArrayLike,
    closes: Floats,
    next_opens: Floats,
    next_closes: Floats,
    rules: Rules,
    initial_equity: ArrayLike,
    surprises: Floats | None = None,
) -> Outcomes:
    """Exact outcome of every discrete action; the market does not react to a small trader.

    Args:
        account: B accounts with one symbol, equity > 0.
        actions: target weights as a share of the cap, shape (A,), each in [-1, 1].
        closes: closes of t, shape (B,).
        next_opens: opens of t+1, shape (B,).
        next_closes: closes of t+1, shape (B,).
        rules: with one cap.
        initial_equity: what ruin is measured against, shape (B,) or one number.
        surprises: shape (B, 2); if given, rewards come without `luck`.

    Raises:
        ValueError: if the accounts or the rules are not for one symbol.
    """
    if rules.caps.size != 1 or account.shares.shape[-1] != 1:
        raise ValueError(
            f"accounts and rules must have one symbol; received {account.shares.shape[-1]} and "
            f"{rules.caps.size}"
        )
    targets = (np.asarray(actions, dtype=float) * rules.caps)[None, :, None]
    wide = Account(account.cash[:, None], account.shares[:, None, :], account.equity[:, None])
    done = step(
        wide,
        targets,
        closes[:, None, None],
        next_opens[:, None, None],
        next_closes[:, None, None],
        rules,
    )
    ruined = is_ruined(done.account.equity, np.asarray(initial_equity)[..., None], rules)
    reward = finite_growth(
        done.growth, account.equity[:, None], np.asarray(initial_equity)[..., None], rules
    )
    if surprises is not None:
        lucky = luck(
            wide, done, closes[:, None, None], next_opens[:, None, None], surprises[:, None, :]
        )
        reward = np.where(ruined, reward, reward - lucky)
    solvent = np.where(ruined, 1.0, done.account.equity)
    weight = done.account.shares[..., 0] * next_closes[:, None] / solvent
    return Outcomes(reward, np.where(ruined, 0.0, weight), ruined)


def is_ruined(equity: Floats, initial_equity: ArrayLike, rules: Rules) -> Bools:
    """Whether equity lies at or below the ruin share of the initial equity (or below zero)."""
    return equity <= np.asarray(initial_equity, dtype=float) * rules.ruin


def finite_growth(
    growth: Floats, before: Floats, initial_equity: ArrayLike, rules: Rules
) -> Floats:
    """Log growth with a floor: no account loses more than down to half its point of ruin.

    Below that the logarithm runs to minus infinity, which no value function can learn; the floor
    keeps a ruinous step the worst there is.
    """
    floor = np.asarray(initial_equity, dtype=float) * max(rules.ruin, 1e-3) * 0.5
    return np.maximum(growth, np.log(np.minimum(floor / before, 1.0)))


def replay(decisions: ArrayLike, bars: ArrayLike, cash: float, rules: Rules) -> Floats:
    """Equity after each bar when the given decisions are traded on the given bars.

    Args:
        decisions: target weights after the close of each bar, shape (T, N); NaN keeps a position;
            the last row finds no bar to fill on.
        bars: O, H, L, C, V of each bar and symbol, shape (T, N, 5).
        cash: money at the start.
        rules: with N caps.

    Returns:
        Shape (T,): equity at each close; row 0 is `cash`.

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
    account = Account.opened(cash, targets.shape[1])
    curve = np.empty(len(targets))
    curve[0] = cash
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
