"""A decider that follows a script drawn from a seed: trades a lot, learns nothing."""

import zlib

import numpy as np

from algorithm.decision import Decision


class ScriptedDecider:
    """Holds each drawn action for some days; now and then it has no fresh target."""

    def __init__(self, symbols, caps, seed) -> None:
        self._caps = dict(zip(symbols, caps, strict=True))
        self._seed = seed

    def catch_up(self, bars) -> None:
        pass

    def decide(self, time, fresh, held) -> Decision:
        return Decision(time, {name: self._action(name, time) * self._caps[name] for name in fresh})

    def _action(self, name, time) -> float:
        day = time.toordinal()
        rng = np.random.default_rng([self._seed, zlib.crc32(name.encode()), day // 6])
        action = rng.choice([-1.0, 0.0, 1.0])
        return float("nan") if day % 17 == 0 else float(action)


class ScriptedLearner:
    """Gives a scripted decider after warm-up; there is nothing to learn again."""

    def __init__(self, seed) -> None:
        self._seed = seed
        self.asked: list[tuple] = []

    def decider(self, histories, rules, now):
        self.asked.append((histories, rules, now))
        if len(self.asked) > 1:
            return None
        return ScriptedDecider([history.symbol for history in histories], rules.caps, self._seed)
