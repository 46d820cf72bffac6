"""LEAN's entry: the one algorithm class of this project."""

from algorithm.strategy import MirageStrategy


class Mirage(MirageStrategy):
    """Learns to trade on imagined markets; see `algorithm/strategy.py`."""
