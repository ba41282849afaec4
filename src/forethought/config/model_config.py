"""Sizes and kinds of all trained networks: fixed with the weights, so a change needs a new training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forethought.config.base import Settings

STRIDES = 3
"""Length of an upper level's training windows, in its own steps."""


class EncoderConfig(Settings):
    """The encoder: `conv`, `spatial-softmax` or `vit` for images, an MLP for numbers; fused where there are several."""

    kind: str = Field("fused", description="Names the encoder: `fused`, or one of your own.")
    image: Literal["conv", "spatial-softmax", "vit"] = Field(
        "conv", description="Picks the image encoder: a stride-4 convolution, coordinates of points that it finds, or patches."
    )
    state_dim: int = Field(64, ge=2, description="Counts the numbers in a state of level 1.")
    tokens: int = Field(
        0, ge=0, description="Counts the tokens in a state of level 1, of `state_dim` numbers each; 0 is one vector."
    )
    width: int = Field(32, ge=4, description="Sets a convolution's channels and points, or a ViT token's width per head.")
    patch: int = Field(8, ge=2, description="Sets the side of a ViT's patches, in pixels.")
    depth: int = Field(4, ge=1, description="Counts the ViT's transformer blocks.")
    heads: int = Field(4, ge=1, description="Counts the attention heads of each ViT block.")
    hidden: int = Field(256, ge=8, description="Sets the features per stream before they are fused into a state.")


class PredictorConfig(Settings):
    """The network that predicts the next state."""

    kind: str = Field(
        "mlp",
        description="Names what predicts the next state: `mlp` (from one row), `window` or `transformer` (from the context), "
        "or your own.",
    )
    hidden: int = Field(256, ge=8, description="Sets the width of the predictor's hidden layers.")
    depth: int = Field(2, ge=1, description="Counts the predictor's hidden layers or transformer blocks.")
    heads: int = Field(4, ge=1, description="Counts the attention heads of a transformer predictor.")
    context: int = Field(
        1, ge=1, description="Counts the rows of the recent past that the predictor may see, the present included."
    )


class NoLatentConfig(Settings):
    """No latent variable: a deterministic model with one future per plan."""

    kind: Literal["none"] = Field("none", description="Is a deterministic model: one future of each plan.")


class CodesConfig(Settings):
    """A discrete latent variable: each code is a mode of the next state's distribution."""

    kind: Literal["codes"] = Field("codes", description="Is a discrete latent variable (codes).")
    num_codes: int = Field(4, ge=2, le=64, description="Counts the codes: the modes of a step's outcome.")
    kl_weight: float = Field(0.001, ge=0, description="Is the squared error that one nat of the latent must save.")


class ContinuousLatentConfig(Settings):
    """A continuous latent variable of low dimension, regularised by KL, sparsity or noise."""

    kind: Literal["gaussian", "sparse", "noisy"] = Field(
        description="Picks the regulariser of the latent: KL, sparsity or noise."
    )
    dim: int = Field(2, ge=1, description="Counts the latent dimensions.")
    kl_weight: float = Field(0.001, ge=0, description="Is the squared error that one nat of the latent must save.")


LatentConfig = Annotated[NoLatentConfig | CodesConfig | ContinuousLatentConfig, Field(discriminator="kind")]
"""The latent variable of every level, by its `kind`."""


class HierarchyConfig(Settings):
    """The levels above the first; learned levels have the same kind of latent variable as level 1."""

    levels: int = Field(1, ge=1, le=4, description="Counts the levels; 1 is flat.")
    kind: Literal["graph", "learned"] = Field(
        "graph", description="Picks a graph of remembered landmarks or learned JEPA levels."
    )
    landmarks: int = Field(400, ge=2, description="Counts the landmarks of a graph.")
    stride: int = Field(5, ge=2, description="Sets one step of level 2, in blocks.")
    upper_stride: int | None = Field(
        None, ge=2, description="Sets a step of level 3 and up, in steps of the level below; None is `stride`."
    )
    encoder: Literal["separate", "shared"] = Field(
        "separate", description="Gives each level its own encoder, or all levels one."
    )
    state_dim: int = Field(32, ge=2, description="Counts the numbers in a learned level's own state.")
    macro_dim: int = Field(8, ge=1, description="Counts the numbers in a macro-action.")
    hidden: int = Field(256, ge=8, description="Sets the width of the learned levels' hidden layers.")
    retrieval_size: int = Field(
        2048, ge=2, description="Counts the stored states with macro-actions for retrieval at a learned level."
    )
    retrieval_horizon: int = Field(4, ge=1, description="Counts the macro-actions in each stored sequence of a level.")

    def stride_of(self, number: int) -> int:
        """Steps of the level below in one of level `number`, 2 or more."""
        return self.stride if number == 2 or self.upper_stride is None else self.upper_stride

    def span_of(self, number: int) -> int:
        """Blocks in one step of level `number`, 2 or more."""
        return int(self.stride * self.stride_of(number) ** (number - 2))

    def room_of(self, number: int) -> int:
        """Length of level `number`'s training windows in blocks; `number` is 2 or more."""
        return STRIDES * self.span_of(number)


class RewardConfig(Settings):
    """The networks for a world's own reward: heads of the world model, the critic of future cost, and a policy for it."""

    critics: int = Field(0, ge=0, le=32, description="Counts the members of the critic of future cost; 0 learns no reward.")
    hidden: int = Field(256, ge=8, description="Sets the width of these networks' hidden layers.")
    bins: int = Field(65, ge=3, description="Counts the bins of a predicted reward.")
    scale: float = Field(100.0, gt=0, description="Is the size of discounted future costs, in the world's unit of reward.")


class ModelConfig(Settings):
    """All trained networks; a change here needs new weights."""

    kind: str = Field("jepa", description="Names the world model: `jepa`, or one of your own.")
    encoder: EncoderConfig = Field(EncoderConfig(), description="Shapes the encoder from observations to states.")
    predictor: PredictorConfig = Field(PredictorConfig(), description="Shapes level 1's predictor.")
    belief_dim: int = Field(
        0,
        ge=0,
        description="Counts the numbers that a belief carries from block to block; 0: the present observation is the state.",
    )
    latent: LatentConfig = Field(NoLatentConfig(), description="Picks the latent variable, which models aleatoric uncertainty.")
    hierarchy: HierarchyConfig = Field(HierarchyConfig(), description="Shapes the levels above the first.")
    reward: RewardConfig = Field(RewardConfig(), description="Shapes what learns the world's own reward.")
    critic_hidden: int = Field(256, ge=8, description="Sets the width of the critic's hidden layers.")
    discount: float = Field(0.98, gt=0, le=1, description="Is the critic's discount factor 0..1 per block.")
    latent_distance_radius: float = Field(
        2.0,
        ge=0,
        description="Is the radius around the goal, in blocks, in which latent distance replaces the critic; 0 never.",
    )
    policy_hidden: int = Field(256, ge=8, description="Sets the width of Mode-1's hidden layers.")
    retrieval_size: int = Field(
        4096, ge=0, description="Counts the stored action sequences of level 1 for retrieval; 0 stores none."
    )
    retrieval_horizon: int = Field(5, ge=1, description="Counts the blocks in each stored action sequence.")

    @property
    def stochastic(self) -> bool:
        """Whether there is a latent variable."""
        return not isinstance(self.latent, NoLatentConfig)

    @property
    def learns_reward(self) -> bool:
        """Whether there are networks for the world's own reward."""
        return self.reward.critics > 0
