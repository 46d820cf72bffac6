"""What a close decided goes out as orders in the morning: what makes room first, the rest after it.

Orders that only make positions smaller go first. Whatever makes one larger, turns it round or opens
it goes out after them, one by one, each within what the gross cap leaves of what is held and on
order by then: where closing was refused, that position stays and takes its room.

A broker may refuse an order later than that, up to the open at 9:30; some take an order and tell of
the exchange's refusal minutes afterwards, at 9:28. Then what was sent to grow into the room is
*withdrawn*: its orders are cancelled, the largest first, until the gross cap holds. What fills all
the same (brokers take no cancellation minutes before the open, and a position that is turned round
is not left unturned) is traded back some minutes after the open, at the market's price.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from AlgorithmImports import *

from algorithm.execution import send_orders
from algorithm.live_trading.last_check import Cut, cut_to_caps, cut_to_gross, kept_part
from algorithm.live_trading.outbox import Outbox
from algorithm.live_trading.refusals import CLOSING, GROWING, Refusals
from algorithm.portfolio import expected_quantities
from models.limits import TOLERANCE
from sim.accounting import Rules

KILL_SWITCH = "mirage-live/kill-switch"
"""A key of the object store: while it holds anything but nothing or OFF, everything is sold and
nothing bought."""

OFF = "off"


class Ordering:
    """Sends orders, and meets what the broker refuses of them.

    Attributes:
        refusals: what was refused, and what is not asked for again yet.
    """

    def __init__(
        self,
        algorithm: QCAlgorithm,
        symbols: Sequence[Symbol],
        outbox: Outbox,
        rules: Rules,
        equity: Callable[[], float],
        guard: threading.RLock,
        save: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        """Build it.

        Args:
            algorithm: places the orders.
            symbols: what is traded, in the order of the caps.
            outbox: what is to be held.
            rules: caps and lots.
            equity: gives what may be traded with now, $.
            guard: held while the outbox or refusals change; never while an order is sent.
            save: puts them on disk.
            tell: takes one line of text.
        """
        self._algorithm = algorithm
        self._symbols = list(symbols)
        self._by_name = {symbol.value: symbol for symbol in self._symbols}
        self._outbox = outbox
        self._rules = rules
        self._equity = equity
        self._guard = guard
        self._save = save
        self._tell = tell
        self._refused: set[int] = set()
        self.refusals = Refusals()

    # Sending.

    def send(self, opens: datetime) -> dict[Symbol, float]:
        """Order what is due before an open. A second time it orders nothing.

        Args:
            opens: the first open after the close that was decided on.

        Returns:
            What is to be held of each symbol that was due, as far as caps and borrowing allow;
            empty if nothing was.
        """
        with self._guard:
            targets, why_not = self._outbox.take(self._algorithm.time, opens)
        if why_not:
            self._tell(why_not)
            self._save()
        due = self._checked(
            self._without_refused({self._by_name[name]: held for name, held in targets.items()})
        )
        if not due:
            return {}
        expected = expected_quantities(self._algorithm, self._symbols)
        smaller = {s: held for s, held in due.items() if _kind(expected[s], held) == CLOSING}
        send_orders(self._algorithm, smaller)
        larger = {s: held for s, held in due.items() if s not in smaller}
        # Turning round makes room, too, as far as it closes.
        for symbol in sorted(larger, key=lambda symbol: expected[symbol] * larger[symbol] >= 0.0):
            larger |= self._fitted(larger)
            due[symbol] = larger.pop(symbol)
            send_orders(self._algorithm, {symbol: due[symbol]})
        self._sent()
        return due

    def _sent(self) -> None:
        """Note that what was due has been ordered."""
        with self._guard:
            self._outbox.ordered = True
            self._save()

    def _without_refused(self, due: Mapping[Symbol, float]) -> dict[Symbol, float]:
        """What is due, less what the broker has refused too often to be asked for today."""
        close, expected = self._outbox.close, expected_quantities(self._algorithm, self._symbols)
        with self._guard:
            before = self.refusals.to_state()
            asked = {
                symbol: target
                for symbol, target in due.items()
                if close is None
                or not self.refusals.waits(symbol.value, _kind(expected[symbol], target), close)
            }
            if self.refusals.to_state() != before:
                self._save()
        return asked

    def _checked(self, due: Mapping[Symbol, float]) -> dict[Symbol, float]:
        """What is due, less what the caps do not allow any more and what cannot be borrowed.

        What is left out stays so until the next close decides.

        Args:
            due: quantity to hold by symbol.
        """
        expected = self._expected()
        targets = {symbol.value: quantity for symbol, quantity in due.items()}
        for symbol in due:
            name = symbol.value
            order, kept = targets[name] - expected[name], kept_part(expected[name], targets[name])
            if order >= 0.0 or kept == targets[name] or targets[name] >= 0.0:
                continue
            if not self._algorithm.shortable(symbol, order):
                self._tell(
                    f"{name}: the shares for {targets[name]:g} cannot be borrowed; {kept:g} are to "
                    "be held until the next close decides"
                )
                targets[name] = kept
        prices, rules = self._prices(), self._rules
        caps = dict(zip(prices, rules.caps.tolist(), strict=True))
        lot = float(rules.lot_size)
        targets |= self._cut(
            cut_to_caps(expected, targets, prices, self._equity(), caps, rules.gross, lot)
        )
        if any(targets[symbol.value] != quantity for symbol, quantity in due.items()):
            self._amend(targets)
        return {symbol: targets[symbol.value] for symbol in due}

    def _fitted(self, larger: Mapping[Symbol, float]) -> dict[Symbol, float]:
        """What is to be held instead where the gross cap leaves less room than was thought."""
        targets = {symbol.value: held for symbol, held in larger.items()}
        rules, lot = self._rules, float(self._rules.lot_size)
        allowed = self._cut(
            cut_to_gross(
                self._expected(), targets, self._prices(), self._equity(), rules.gross, lot
            )
        )
        if allowed:
            self._amend(allowed)
        return {self._by_name[name]: held for name, held in allowed.items()}

    def _cut(self, cuts: Sequence[Cut]) -> dict[str, float]:
        """Say what is cut; what is to be held instead, by ticker."""
        for cut in cuts:
            self._tell(str(cut))
        return {cut.name: cut.allowed for cut in cuts}

    def _amend(self, targets: Mapping[str, float]) -> None:
        with self._guard:
            for name, quantity in targets.items():
                self._outbox.amend(name, quantity)
            self._save()

    def _expected(self) -> dict[str, float]:
        """Signed shares held and on order, by ticker."""
        found = expected_quantities(self._algorithm, self._symbols)
        return {symbol.value: quantity for symbol, quantity in found.items()}

    def _prices(self) -> dict[str, float]:
        """Last prices by ticker, in the order of the caps."""
        return {s.value: float(self._algorithm.securities[s].price) for s in self._symbols}

    def _held(self, name: str) -> float:
        return float(self._algorithm.portfolio[self._by_name[name]].quantity)

    # What the broker refuses.

    def cancelled(self, event: OrderEvent) -> None:
        """Meet an order that the broker cancelled and not we: that is a refusal, too."""
        ticket = self._algorithm.transactions.get_order_ticket(event.order_id)
        if ticket is not None and ticket.cancel_request is None:
            self._meet(event, float(ticket.quantity) - float(ticket.quantity_filled))

    def refused(self, event: OrderEvent) -> None:
        """Say so; of an order that turns a position round, which some brokers refuse, close it."""
        self._meet(event, float(event.quantity))

    def _meet(self, event: OrderEvent, asked: float) -> None:
        """Meet a refusal of so many shares, signed."""
        if event.order_id in self._refused:
            return
        self._refused.add(event.order_id)
        symbol = event.symbol
        name, held = symbol.value, float(self._algorithm.portfolio[symbol].quantity)
        kind = _kind(held, held + asked)
        with self._guard:
            # Asked for once more, at another start before the open, it would be refused again.
            self._outbox.amend(name, kept_part(held, held + asked))
            turns = held * (held + asked) < 0.0
            if not turns:
                reason = str(event.message).strip() or "no reason given"
                self._note_refusal(name, kind, asked, held, reason)
            self._save()
        if turns:
            self._tell(
                f"{name}: the order of {asked:g} was refused; the position of {held:g} is closed, "
                "and the next close decides on the rest"
            )
            self._algorithm.market_order(symbol, -held)
        elif kind == CLOSING:
            self._make_room()

    def _note_refusal(self, name: str, kind: str, asked: float, held: float, reason: str) -> None:
        """Say a refusal, once with what can be done, and not again until it changes."""
        times, left = self.refusals.note(name, kind, reason, self._outbox.close)
        again = f"{name}: the order of {asked:g} was refused ({reason})"
        if times == 1:
            self._tell(f"{again}; the next close decides anew")
        elif times == 2:
            do, what = "", f"nothing more is bought or sold short of {name}"
            if kind == CLOSING:
                do = "close the position at the broker by hand, or "
                what = f"the position of {held:g} stays and counts against the caps, {what}"
            self._algorithm.error(
                f"live: {again}, as before: {do}see to what the broker names; until an order is "
                f"taken {what}. It is asked for again after {left} more closes, then less often, "
                f"at last once a week; {KILL_SWITCH} on and {OFF} again asks at once"
            )

    def _make_room(self) -> None:
        """Withdraw what is on order to grow, the largest first, until the gross cap holds."""
        expected, prices = self._expected(), self._prices()
        most = self._rules.gross * max(self._equity(), 0.0)
        excess = sum(abs(held) * prices[name] for name, held in expected.items()) - most
        growing = {}
        for name, quantity in expected.items():
            kept = kept_part(self._held(name), quantity)
            if kept != quantity:
                growing[name] = kept, abs(quantity - kept) * prices[name]
        for name, (kept, value) in sorted(growing.items(), key=lambda item: -item[1][1]):
            if excess <= TOLERANCE * most:
                return
            excess -= value
            with self._guard:
                self._outbox.withdraw(name, kept)
                self._save()
            self._tell(
                f"{name}: {kept:g} shares are to be held, not the {expected[name]:g} on order: "
                "what was to make room for them was refused"
            )
            if self._held(name) * expected[name] >= 0.0:
                self._cancel(name)

    def _cancel(self, name: str) -> None:
        for ticket in list(
            self._algorithm.transactions.get_open_order_tickets(self._by_name[name])
        ):
            ticket.cancel("what was to make room for it was refused")

    def settle(self) -> None:
        """After the open: trade back what was withdrawn and filled all the same."""
        for name in self._outbox.withdrawn:
            held, wanted = self._held(name), self._outbox.targets[name]
            if kept_part(held, wanted) != wanted or held == wanted:
                continue
            symbol = self._by_name[name]
            if self._algorithm.transactions.get_open_order_tickets(symbol):
                self._tell(
                    f"{name}: an order still waits, and {held:g} shares stay until it does not"
                )
                continue
            self._tell(
                f"{name}: {held:g} shares are held, since its order was filled before it could be "
                f"cancelled; {wanted:g} are to be held from now on"
            )
            self._algorithm.market_order(symbol, wanted - held)


def _kind(held: float, target: float) -> str:
    """What an order from one quantity to another does to a position."""
    return CLOSING if kept_part(held, target) == target else GROWING
