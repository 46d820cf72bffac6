"""One account traded the slow way: exact decimals, one symbol and one order at a time.

Written from the rules as `models.limits.plan_orders` and `sim.costs` document them, with none of
their code, for accounts whose caps leave the gross cap out of it.
"""

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

SHORT_LIMIT = 1 / Decimal("1.02")  # prices double, buying back costs 1 %


@dataclass(frozen=True)
class HonestRules:
    cap: Decimal
    buffer: Decimal = Decimal("0.03")
    band: Decimal = Decimal("0.10")
    lot: int = 1
    slippage: Decimal = Decimal(0)


@dataclass
class HonestAccount:
    cash: Decimal
    holdings: dict[str, Decimal] = field(default_factory=dict)

    def equity(self, prices):
        return self.cash + sum(n * prices[name] for name, n in self.holdings.items())

    def order(self, name, target, prices, rules):
        """Signed shares for one symbol; a target of None keeps the position."""
        held, price, equity = (
            self.holdings.get(name, Decimal(0)),
            prices[name],
            self.equity(prices),
        )
        weight = held * price / equity
        highest, lowest = rules.cap, -min(rules.cap, SHORT_LIMIT)
        wanted = min(max(weight if target is None else target, lowest), highest)
        wanted *= 1 - rules.buffer
        allowed = lowest <= weight <= highest
        same_side = (weight > 0) == (wanted > 0) and (weight < 0) == (wanted < 0)
        near = same_side and abs(wanted - weight) <= rules.band * rules.cap
        if allowed and (target is None or near):
            return Decimal(0)
        goal = wanted * equity / price
        if rules.lot:
            goal = (goal / rules.lot).to_integral_value(ROUND_DOWN) * rules.lot
        return goal - held

    def fill(self, name, shares, opened, closed, rules):
        """Interactive Brokers' fee; LEAN takes slippage and the fee's ceiling from the close."""
        if not shares:
            return Decimal(0)
        paid = opened + rules.slippage * closed * (1 if shares > 0 else -1)
        fee = abs(shares) * Decimal("0.005")
        fee = Decimal(1) if fee < 1 else min(fee, abs(shares) * closed * Decimal("0.005"))
        self.cash -= shares * paid + fee
        self.holdings[name] = self.holdings.get(name, Decimal(0)) + shares
        return fee

    def bar(self, targets, closes, opens, next_closes, rules):
        """Decide on all symbols at the closes, then fill each at the next open."""
        orders = {name: self.order(name, t, closes, rules) for name, t in targets.items()}
        for name, shares in orders.items():
            self.fill(name, shares, opens[name], next_closes[name], rules)
        return orders


def exact(value) -> Decimal:
    """The number that a float is."""
    return Decimal(float(value))
