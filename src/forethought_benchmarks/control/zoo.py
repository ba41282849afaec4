"""Hyper-parameters of the baselines: those of RL Baselines3 Zoo (github.com/DLR-RM/rl-baselines3-zoo, `hyperparams/*.yml`).

They are read from `sac.yml` at c94924e, `ppo.yml` at 208b6fd and `dqn.yml` at ce95481. A world of a newer version has those of
the version in the zoo (LunarLander-v2, Hopper-v4). The zoo has none for dm_control: PPO has those of its MuJoCo default, SAC
those of Stable-Baselines3 itself, which begins to learn earlier than the zoo's MuJoCo default.

The words are the zoo's: `steps` is `n_timesteps`, `lin_X` falls from X to 0 with the training, `normalize` is `VecNormalize`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Hyperparameters = Mapping[str, Any]
SUITE = "dm_control/"
ALGORITHMS = ("sac", "ppo", "dqn")

_SHARED_DQN: Hyperparameters = {
    "steps": 100_000, "learning_rate": 6.3e-4, "batch_size": 128, "buffer_size": 50_000, "learning_starts": 0, "gamma": 0.99,
    "target_update_interval": 250, "train_freq": 4, "gradient_steps": -1, "exploration_fraction": 0.12,
    "exploration_final_eps": 0.1, "policy_kwargs": {"net_arch": [256, 256]},
}  # fmt: skip
_LANDER_PPO: Hyperparameters = {
    "steps": 1_000_000, "n_envs": 16, "n_steps": 1024, "batch_size": 64, "gae_lambda": 0.98, "gamma": 0.999, "n_epochs": 4,
    "ent_coef": 0.01,
}  # fmt: skip

SAC: Mapping[str, Hyperparameters] = MappingProxyType({
    "MountainCarContinuous-v0": {
        "steps": 50_000, "learning_rate": 3e-4, "buffer_size": 50_000, "batch_size": 512, "ent_coef": 0.1, "train_freq": 32,
        "gradient_steps": 32, "gamma": 0.9999, "tau": 0.01, "learning_starts": 0, "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.67, "net_arch": [64, 64]},
    },
    "Pendulum-v1": {"steps": 20_000, "learning_rate": 1e-3},
    "LunarLanderContinuous-v3": {
        "steps": 500_000, "batch_size": 256, "learning_rate": "lin_7.3e-4", "buffer_size": 1_000_000, "ent_coef": "auto",
        "gamma": 0.99, "tau": 0.01, "train_freq": 1, "gradient_steps": 1, "learning_starts": 10_000,
        "policy_kwargs": {"net_arch": [400, 300]},
    },
    "Hopper-v5": {"steps": 1_000_000, "learning_starts": 10_000},
    SUITE: {"steps": 250_000},
})  # fmt: skip

PPO: Mapping[str, Hyperparameters] = MappingProxyType({
    "CartPole-v1": {
        "steps": 100_000, "n_envs": 8, "n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20,
        "ent_coef": 0.0, "learning_rate": "lin_0.001", "clip_range": "lin_0.2",
    },
    "Acrobot-v1": {
        "steps": 1_000_000, "normalize": True, "n_envs": 16, "n_steps": 256, "gae_lambda": 0.94, "gamma": 0.99, "n_epochs": 4,
        "ent_coef": 0.0,
    },
    "Pendulum-v1": {
        "steps": 100_000, "n_envs": 4, "n_steps": 1024, "gae_lambda": 0.95, "gamma": 0.9, "n_epochs": 10, "ent_coef": 0.0,
        "learning_rate": 1e-3, "clip_range": 0.2, "use_sde": True, "sde_sample_freq": 4,
    },
    "MountainCarContinuous-v0": {
        "steps": 20_000, "normalize": True, "n_envs": 1, "batch_size": 256, "n_steps": 8, "gamma": 0.9999,
        "learning_rate": 7.77e-5, "ent_coef": 0.00429, "clip_range": 0.1, "n_epochs": 10, "gae_lambda": 0.9,
        "max_grad_norm": 5, "vf_coef": 0.19, "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.29, "ortho_init": False},
    },
    "LunarLander-v3": _LANDER_PPO,
    "LunarLanderContinuous-v3": _LANDER_PPO,
    "Hopper-v5": {
        "steps": 1_000_000, "normalize": True, "n_envs": 1, "batch_size": 32, "n_steps": 512, "gamma": 0.999,
        "learning_rate": 9.80828e-5, "ent_coef": 0.00229519, "clip_range": 0.2, "n_epochs": 5, "gae_lambda": 0.99,
        "max_grad_norm": 0.7, "vf_coef": 0.835671,
        "policy_kwargs": {
            "log_std_init": -2, "ortho_init": False, "activation": "relu", "net_arch": {"pi": [256, 256], "vf": [256, 256]},
        },
    },
    SUITE: {"steps": 1_000_000, "normalize": True},
})  # fmt: skip

DQN: Mapping[str, Hyperparameters] = MappingProxyType({
    "CartPole-v1": {
        "steps": 50_000, "learning_rate": 2.3e-3, "batch_size": 64, "buffer_size": 100_000, "learning_starts": 1000,
        "gamma": 0.99, "target_update_interval": 10, "train_freq": 256, "gradient_steps": 128, "exploration_fraction": 0.16,
        "exploration_final_eps": 0.04, "policy_kwargs": {"net_arch": [256, 256]},
    },
    "Acrobot-v1": _SHARED_DQN,
    "LunarLander-v3": _SHARED_DQN,
})  # fmt: skip

_TABLES: Mapping[str, Mapping[str, Hyperparameters]] = {"sac": SAC, "ppo": PPO, "dqn": DQN}


def hyperparameters(algorithm: str, world: str) -> Hyperparameters | None:
    """Those of an algorithm for a world; None where it does not apply (SAC to discrete actions, DQN to continuous ones).

    >>> hyperparameters("sac", "Pendulum-v1")["steps"], hyperparameters("dqn", "Pendulum-v1")
    (20000, None)
    """
    return _TABLES[algorithm].get(SUITE if world.startswith(SUITE) else world)
