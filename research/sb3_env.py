"""The project's vector environment as Stable-Baselines3 takes it.

Stable-Baselines3 has a vector interface of its own, older than Gymnasium's: four values a step, a
list of dictionaries for infos, an episode's last observation in the info of the step that ends it.
Nothing else is changed, so what its agents train on is what the project's agent trains on.

    pip install -r requirements/agents.txt
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from sim.market_env import MarketVectorEnv


class StableBaselinesEnv(VecEnv):
    """Wraps a `MarketVectorEnv`; see the module's description.

    The environments are one object and share one generator: the first of the seeds that
    Stable-Baselines3 hands out seeds all of them at the next reset.

    Args:
        envs: the environments.
    """

    def __init__(self, envs: MarketVectorEnv) -> None:
        self.envs = envs
        self._actions: NDArray | None = None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> NDArray[np.float32]:
        """Start all episodes; observations of shape (E, D + K)."""
        observations, _ = self.envs.reset(seed=self._seeds[0])
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray) -> None:
        """Note the actions of the next step, shape (E,) or (E, 1)."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray, NDArray, NDArray, list[dict[str, Any]]]:
        """Trade once: observations, rewards (float32), whether episodes ended, infos.

        Where an episode ended, the observation is the next one's first, and the info holds the
        last one (``terminal_observation``), whether it was cut short (``TimeLimit.truncated``) and
        the ``equity`` it ended with.
        """
        seen, rewards, terminated, truncated, info = self.envs.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        done = terminated | truncated
        for i in np.flatnonzero(done):
            infos[i] = {
                "terminal_observation": info["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i]),
                "equity": float(info["final_info"]["equity"][i]),
            }
        return seen, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environments."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, once for each chosen environment: it is the same for all."""
        return [getattr(self.envs, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all environments; there are none of single ones.

        Raises:
            ValueError: for fewer than all.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"indices must name all {self.num_envs} environments; got {indices}")
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """There are no environments whose methods could be called one by one.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"the environments are one object; call {method_name} on `envs`")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No environment is wrapped."""
        return [False for _ in self._get_indices(indices)]
