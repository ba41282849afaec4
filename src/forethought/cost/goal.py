"""Task costs: latent distance to a goal given as an observation, and distance to a subgoal."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from forethought.config import CostConfig
from forethought.cost.contract import Cost, Imagined
from forethought.goals import EncodedGoal, state_of
from forethought.parts import register
from forethought.states import StateMetric
from forethought.whitening import Whitening

ERROR_BLOCKS, ERROR_WINDOWS = 2, 4096
"""Blocks ahead and windows of the errors that `GoalEnergy` is fitted to."""
SMOOTH = 1e-6
"""Under the root, so that its slope at the goal is finite."""


class GoalDistance(Cost):
    """Mean squared difference of each imagined state from the goal's state (DINO-WM 2411.04983, equation 5; PLDM).

    The mean over the D state dimensions keeps its size the same for small and large states: about 2 between unrelated
    states whose dimensions have unit variance, as VICReg makes them, and 0 at the goal. It ignores obstacles.
    """

    name = "goal_distance"

    def __init__(self, metric: StateMetric | None = None) -> None:
        """`metric`: distance between states; None for the mean squared difference of all their numbers."""
        super().__init__()
        self.metric = metric

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: [B, K, H], >= 0, smooth in the states."""
        target = state_of(goal)[:, None, None]
        if self.metric is not None:
            return self.metric.distance(imagined.states, target)
        return (imagined.states - target).square().mean(dim=-1)


@register("cost", "goal_energy")
class GoalEnergy(Cost):
    """How far each imagined state is from the goal's, in units of the error of its prediction: the root of the mean square of
    the difference, whitened with the covariance of the world model's errors (a Mahalanobis distance; up to a constant, the
    negative log-likelihood of the goal under a Gaussian of these errors, as an energy: the paper, p. 17).

    A state may hold much that cannot be predicted. In the plain distance these numbers count as much as those that a
    plan can bring to the goal.
    """

    name = "goal_energy"

    def __init__(self, state_dim: int, settings: CostConfig | None = None) -> None:
        """`state_dim`: D, also of each token of a state. `settings` are not used: costs by name are made with them."""
        super().__init__()
        self.scale = Whitening(state_dim)

    def fit(self, errors: Float[Tensor, "N D"]) -> None:
        """Fit the covariance to prediction errors of `ERROR_BLOCKS` open-loop blocks; before, it is the identity."""
        self.scale.fit(self._pooled(errors))

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: [B, K, H], >= 0 and 0 at the goal."""
        difference = self._pooled(imagined.states - state_of(goal)[:, None, None]) @ self.scale.matrix
        energy: Tensor = (difference.square().mean(-1) + SMOOTH).sqrt() - SMOOTH**0.5
        return energy

    def _pooled(self, states: Tensor) -> Tensor:
        """[..., D], the mean over tokens where states have several."""
        pooled: Tensor = states.unflatten(-1, (-1, len(self.scale.mean))).mean(-2)
        return pooled


class SubgoalDistance(Cost):
    """Distance from imagined states to a subgoal, the next state in the plan of the level above.

    The rollout of the lower level is encoded into the upper level and compared there; a subgoal is never decoded down
    (H-JEPA, 2610.06805, section 4).
    """

    def __init__(self, distance: Callable[[Tensor, Tensor], Tensor], name: str = "subgoal") -> None:
        """A cost with this distance, under the name of its weight.

        Args: distance: states [..., D] and subgoals [..., D of the level above] to blocks [...]. name: of the weight.
        """
        super().__init__()
        self.distance, self.name = distance, name

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`; `goal` is the subgoal, a state of the level above."""
        return self.distance(imagined.states, state_of(goal)[:, None, None])
