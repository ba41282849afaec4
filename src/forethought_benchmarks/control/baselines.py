"""SAC, PPO and DQN of Stable-Baselines3 with the zoo's hyper-parameters, stopped at the first evaluation that is solved."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.evaluation.returns import FIRST_SEED as FINAL_SEED
from forethought.online.practice import FIRST_SEED as EVALUATION_SEED
from forethought_benchmarks.control.control_worlds import ControlWorld
from forethought_benchmarks.control.measured import (
    EVALUATION_EPISODES,
    EVALUATIONS,
    FINAL_EPISODES,
    Stopwatch,
    measured,
)
from forethought_benchmarks.control.native_env import episode_returns, make_env

PACKAGE = "stable_baselines3"
ACTIVATIONS = {"relu": torch.nn.ReLU}


def require_baselines() -> Any:
    """Stable-Baselines3, imported here only.

    Raises:
        ForethoughtError: it is not installed.
    """
    try:
        return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise ForethoughtError(
            f"The agents sac, ppo and dqn need Stable-Baselines3, which can't be imported ({error}): pip install "
            "'forethought[baselines]', or choose --agents forethought."
        ) from error


def train_baseline(algorithm: str, world: ControlWorld, parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Train one baseline and measure it (`measured`).

    Args:
        algorithm: `sac`, `ppo` or `dqn`. world: where. parameters: as in `zoo`. seed: of everything that is random.
    """
    library = require_baselines()
    watch = Stopwatch()
    model, total = _model(library, algorithm, world, dict(parameters), seed)
    evaluation = _BaselineEvaluation(model, world, total, watch)
    # Stable-Baselines3 would continue a generator of evaluation episodes; these have fixed seeds and environments of their own.
    model.learn(total, callback=evaluation)
    steps, seconds = int(model.num_timesteps), watch.read()
    evaluation.restore_best()
    final = evaluation.returns(FINAL_EPISODES, FINAL_SEED)
    model.get_env().close()
    return measured(float(final.mean()), evaluation.found, evaluation.times, world.threshold, seconds, steps)


def _model(library: Any, algorithm: str, world: ControlWorld, parameters: dict[str, Any], seed: int) -> tuple[Any, int]:
    """The untrained model, and its number of steps."""
    env_util, vec_env = (importlib.import_module(f"{PACKAGE}.common.{name}") for name in ("env_util", "vec_env"))
    total, normalize = int(parameters.pop("steps")), parameters.pop("normalize", False)
    envs = env_util.make_vec_env(partial(make_env, world), n_envs=parameters.pop("n_envs", 1), seed=seed)
    if normalize:
        envs = vec_env.VecNormalize(envs, gamma=parameters.get("gamma", 0.99))
    for name in ("learning_rate", "clip_range"):
        if isinstance(value := parameters.get(name), str):
            parameters[name] = partial(_falling, float(value.removeprefix("lin_")))
    policy = dict(parameters.pop("policy_kwargs", {}))
    if activation := policy.pop("activation", None):
        policy["activation_fn"] = ACTIVATIONS[activation]
    make: Callable[..., Any] = getattr(library, algorithm.upper())
    return make("MlpPolicy", envs, seed=seed, device="cpu", policy_kwargs=policy, **parameters), total


def _falling(start: float, remaining: float) -> float:
    """A rate that falls in a line to 0 with the share of the training that remains."""
    return start * remaining


class _BaselineEvaluation:
    """Callback of Stable-Baselines3: evaluates every total / `EVALUATIONS` steps, keeps the best policy, stops when solved.

    Attributes: found: steps and mean return. times: wall and CPU seconds then.
    """

    def __init__(self, model: Any, world: ControlWorld, total: int, watch: Stopwatch) -> None:
        self._model, self._world, self._watch = model, world, watch
        self._every = max(1, total // EVALUATIONS)
        self._envs = [make_env(world) for _ in range(max(FINAL_EPISODES, EVALUATION_EPISODES))]
        self.found = list[tuple[int, float]]()
        self.times = list[tuple[float, float]]()
        self._best: tuple[float, Any, Any] | None = None

    def __call__(self, local: Mapping[str, Any], everything: Mapping[str, Any]) -> bool:
        """Whether the training goes on."""
        steps = int(self._model.num_timesteps)
        if steps < self._every * (len(self.found) + 1):
            return True
        mean = float(self.returns(EVALUATION_EPISODES, EVALUATION_SEED).mean())
        self.found.append((steps, mean))
        self.times.append(self._watch.read())
        if self._best is None or mean >= self._best[0]:
            normalizer = self._model.get_vec_normalize_env()
            statistics = copy.deepcopy(normalizer.obs_rms) if normalizer is not None else None
            self._best = mean, copy.deepcopy(self._model.policy.state_dict()), statistics
        return mean < self._world.threshold

    def restore_best(self) -> None:
        """Give the model the policy of its best evaluation, as Forethought's life keeps its best agent."""
        if self._best is None:
            return
        _, weights, statistics = self._best
        self._model.policy.load_state_dict(weights)
        if statistics is not None:
            self._model.get_vec_normalize_env().obs_rms = statistics

    def returns(self, episodes: int, first_seed: int) -> NDArray[np.float64]:
        """Returns of episodes with deterministic actions."""
        normalizer = self._model.get_vec_normalize_env()

        def act(observations: NDArray[Any]) -> NDArray[Any]:
            seen = observations if normalizer is None else normalizer.normalize_obs(observations)
            return np.asarray(self._model.predict(seen, deterministic=True)[0])

        return episode_returns(self._envs[:episodes], act, first_seed)
