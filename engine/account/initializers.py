"""What a security is given when it is added: models, a first price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from engine.common.naming import LeanObject, either_spelling
from engine.market.data import BaseData


class FuncSecuritySeeder(LeanObject):
    """Gives a security the points that a function of it returns.

    Args:
        seed_function: of the security; a point, several or None.
    """

    def __init__(self, seed_function: Callable[[Any], Any]) -> None:
        self._function = seed_function

    def seed_security(self, security: Any) -> bool:
        """Set the prices; False if there were none. As in LEAN a function that fails gives none."""
        try:
            found = self._function(security)
            points: Iterable[Any] = [found] if isinstance(found, BaseData) else found or ()
            seeded = False
            for point in points:
                security.set_market_price(point)
                seeded = True
        except NotImplementedError:
            raise
        except Exception:  # the user's function failed; LEAN goes on
            return False
        return seeded


class SecuritySeeder(LeanObject):
    """Named seeders."""

    class Null(LeanObject):
        """Gives nothing."""

        def seed_security(self, security: Any) -> bool:
            """Always True."""
            return True

    NULL: ClassVar[Null]


SecuritySeeder.NULL = SecuritySeeder.Null()


class BrokerageModelSecurityInitializer(LeanObject):
    """Gives a security the models of a broker, then a first price.

    Args:
        brokerage_model: the broker's.
        security_seeder: gives the price.
    """

    def __init__(self, brokerage_model: Any = None, security_seeder: Any = None) -> None:
        self._brokerage_model = brokerage_model
        self._seeder = security_seeder

    def initialize(self, security: Any) -> None:
        """Set models, leverage and price."""
        security.initialize(self._brokerage_model)
        security.set_leverage(self._brokerage_model.get_leverage(security))
        seed = either_spelling(self._seeder, "seed_security")
        if seed is not None:
            seed(security)


class FuncSecurityInitializer(LeanObject):
    """Calls a function of the security."""

    def __init__(self, initializer: Callable[[Any], Any]) -> None:
        self._function = initializer

    def initialize(self, security: Any) -> None:
        """Call it."""
        self._function(security)


class CompositeSecurityInitializer(LeanObject):
    """Several initializers, one after the other."""

    def __init__(self, *initializers: Any) -> None:
        self._initializers = list(initializers)

    def initialize(self, security: Any) -> None:
        """Call them all."""
        for initializer in self._initializers:
            call = either_spelling(initializer, "initialize")
            (initializer if call is None else call)(security)

    def add_security_initializer(self, initializer: Any) -> None:
        """One more."""
        self._initializers.append(initializer)
