"""A decider that follows a script drawn from a seed: trades a lot, learns nothing."""

import zlib

import numpy as np

from algorithm.decision import Decision


class ScriptedDecider:
    """Holds each drawn action for some days; now and then it has no fresh target."""

    def __init__(self, caps, options) -> None:
        self._caps = dict(zip(options.symbols, caps.for_symbols(options.symbols), strict=True))
        self._seed = options.seed

    def catch_up(self, bars) -> None:
        pass

    def decide(self, time, fresh, held) -> Decision:
        weights = {name: self._action(name, time) * self._caps[name] for name in fresh}
        return Decision(time, weights, {}, {}, {}, {}, {})

    def _action(self, name, time) -> float:
        day = time.toordinal()
        rng = np.random.default_rng([self._seed, zlib.crc32(name.encode()), day // 6])
        action = rng.choice([-1.0, 0.0, 1.0])
        return float("nan") if day % 17 == 0 else float(action)
