"""Settings of training: losses, steps, batches and learning rates. No effect on a trained agent."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from forethought.config.base import Settings, Weights


class LossConfig(Settings):
    """Weights of the world model's loss terms; 0 leaves a term out. Papers and equations: `world_model.regularisers`."""

    one_step: float = Field(1.0, ge=0, description="Weighs the squared error of predicting one block ahead.")
    multi_step: float = Field(1.0, ge=0, description="Weighs the squared error of a rollout over a clip.")
    variance: float = Field(1.0, ge=0, description="Weighs VICReg's variance hinge over the batch.")
    covariance: float = Field(0.04, ge=0, description="Weighs VICReg's covariance penalty.")
    within_episode_variance: float = Field(
        0.0, ge=0, description="Weighs VICReg's variance hinge on differences within an episode."
    )
    sigreg: float = Field(0.0, ge=0, description="Weighs SIGReg, the normality test on random projections.")
    infonce_prediction: float = Field(0.0, ge=0, description="Weighs InfoNCE between predictions and the rows that follow.")
    inverse_dynamics: float = Field(10.0, ge=0, description="Weighs the squared error of predicting an action from two rows.")
    multi_step_inverse: float = Field(
        0.0,
        ge=0,
        description="Weighs the error of predicting the first block's action from two rows several blocks apart.",
    )
    episode_infonce: float = Field(
        0.1,
        ge=0,
        description="Weighs InfoNCE between distant rows of one episode, with the other episodes of the batch as negatives.",
    )
    episode_infonce_start: float = Field(
        0.0, ge=0, le=1, description="Starts episode InfoNCE after this share 0..1 of the steps."
    )
    episode_infonce_ramp: float = Field(
        0.0, ge=0, le=1, description="Ramps episode InfoNCE up to its weight over this share 0..1 of the steps."
    )
    expander: int = Field(0, ge=0, description="Counts the features of VICReg's expander; 0 uses the state itself.")
    lsuv_init: bool = Field(True, description="Scales the untrained states to unit variance first (LSUV).")
    temporal_similarity: float = Field(0.0, ge=0, description="Weighs the mean squared change of states from row to row.")
    masked_prediction: float = Field(
        0.0, ge=0, description="Weighs the squared error of estimating a row's whole state from a masked view of it."
    )
    extra: Weights = Field(default_factory=dict, description="Weighs your own regularisers and loss terms by name.")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Is the decay 0..1 per step of an EMA target encoder; 0: the encoder gives its own targets.",
    )


class OnlineConfig(Settings):
    """Learning from the agent's own acting (`forethought live`): how much is acted, how much is learned from it."""

    random_steps: int = Field(300, ge=1, description="Counts the environment steps of random actions before learning.")
    updates_per_step: float = Field(1.0, gt=0, description="Counts the updates of all networks per action block.")
    batch: int = Field(128, ge=2, description="Counts the windows in a batch.")
    past: int = Field(4, ge=0, description="Counts the blocks before a window over which its belief is formed.")
    window: int = Field(3, ge=1, description="Sets the length of a window, in blocks; the model is rolled out over it.")
    decay: float = Field(1.0, gt=0, le=1, description="Weighs each block of a window by this factor less than the one before.")
    imagined_steps: int = Field(
        2, ge=0, description="Counts the blocks that the critic's target is imagined beyond a recorded one."
    )
    target_rate: float = Field(0.01, gt=0, le=1, description="Moves the critic's slow targets by this share an update.")
    average_rate: float = Field(
        0.003, gt=0, le=1, description="Moves the average of all weights, which is kept, by this share an update; 1: the last."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Is Adam's learning rate.")
    encoder_rate: float = Field(0.3, gt=0, description="Multiplies the encoder's learning rate.")
    consistency: float = Field(20.0, ge=0, description="Weighs the squared error of predicted states.")
    reward: float = Field(0.1, ge=0, description="Weighs the cross-entropy of predicted rewards and drives.")
    ending: float = Field(1.0, ge=0, description="Weighs the cross-entropy of predicted endings.")
    value: float = Field(10.0, ge=0, description="Weighs the Huber loss of the critic's future cost, in shares of its scale.")
    variance: float = Field(1.0, ge=0, description="Weighs VICReg's variance hinge and, by 0.04 of it, its covariance penalty.")
    entropy: float = Field(
        0.01,
        ge=0,
        description="Weighs the policy's entropy at most, in units of future cost's spread; it falls above a target.",
    )
    curiosity: float = Field(
        0.0, ge=0, description="Weighs novelty against a reward of usual size; it falls to 0 once something is found."
    )
    cloning: float = Field(
        0.0, ge=0, description="Weighs the cloning of recorded blocks; it falls to 0 in the first half of a life."
    )
    checkpoint_steps: int = Field(1000, ge=1, description="Counts the environment steps from one checkpoint to the next.")
    evaluation_steps: int = Field(1000, ge=1, description="Counts the environment steps from one evaluation to the next.")


class TrainingConfig(Settings):
    """Steps, batches and learning rates of the phases: world model, predictor, critic, upper levels, distances, Mode-1."""

    seed: int = Field(0, ge=0, lt=2**63, description="Seeds all random generators of training.")
    loss: LossConfig = Field(LossConfig(), description="Weighs the loss terms of the world model.")
    batch: int = Field(128, ge=2, description="Counts the clips in a batch of the world model.")
    sequence_length: int = Field(4, ge=1, description="Sets the length of a training clip, in blocks.")
    learning_rate: float = Field(1e-3, gt=0, description="Is AdamW's peak learning rate.")
    encoder_rate: float = Field(1.0, gt=0, description="Multiplies the encoder's learning rate: below 1 to fine-tune.")
    weight_decay: float = Field(1e-4, ge=0, description="Is AdamW's weight decay.")
    precision: Literal["float32", "bfloat16", "measured"] = Field(
        "float32",
        description="Picks the numbers in which the world model's networks compute in its phase (autocast); weights and losses "
        "stay float32. `measured` times both as a run begins and keeps the faster; it is the default on a GPU.",
    )
    compile: bool | Literal["measured"] = Field(
        False,
        description="Compiles the world model's networks in its phase (`torch.compile`). `measured` does so where that saves "
        "seconds; it is the default on a GPU.",
    )
    world_model_steps: int = Field(1000, ge=0, description="Counts the optimiser steps of the world model.")
    predictor_steps: int = Field(4000, ge=0, description="Counts the predictor's optimiser steps on one-step prediction.")
    predictor_loss: Literal["mse", "mahalanobis"] = Field(
        "mse",
        description="Picks the loss of the predictor's phase: the mean squared error, or the error in units of its covariance "
        "(Mahalanobis distance), for models without a latent variable.",
    )
    predictor_batch: int = Field(512, ge=2, description="Counts the rows in a batch of the predictor.")
    rollout_horizon: int = Field(5, ge=1, description="Sets the predictor's rollout horizon in training, in blocks.")
    rollout_steps: int = Field(2000, ge=0, description="Counts the predictor's optimiser steps on rollouts.")
    rollout_batch: int = Field(256, ge=2, description="Counts the rollouts in a batch of the predictor.")
    critic_steps: int = Field(4000, ge=0, description="Counts the optimiser steps of the critic.")
    critic_batch: int = Field(512, ge=2, description="Counts the pairs of state and goal in a critic's batch.")
    policy_steps: int = Field(1500, ge=0, description="Counts the optimiser steps of Mode-1.")
    policy_batch: int = Field(512, ge=2, description="Counts the pairs of state and goal in a Mode-1 batch.")
    distillation_plans: int = Field(2048, ge=1, description="Counts the Mode-2 plans that Mode-1 is distilled from.")
    levels_steps: int = Field(1500, ge=0, description="Counts the optimiser steps of the learned levels.")
    levels_batch: int = Field(256, ge=2, description="Counts the windows in a batch of the learned levels.")
    distances_steps: int = Field(3000, ge=0, description="Counts the steps of the learned levels' distances.")
    distances_batch: int = Field(1024, ge=2, description="Counts the pairs in a batch of distances.")
    checkpoint_every: int = Field(500, ge=1, description="Counts the optimiser steps from one checkpoint to the next.")
    online: OnlineConfig = Field(OnlineConfig(), description="Sets how an agent learns from its own acting.")
    expectile: float = Field(0.1, gt=0, lt=1, description="Is TD's expectile: below 0.5, shorter logged paths weigh more.")
