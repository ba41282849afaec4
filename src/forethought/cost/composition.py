"""The agent's energy: C(s) = sum u_i IC_i(s) + sum v_j TC_j(s) (the paper, pp. 13-14), as a running and a terminal cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from forethought.config import CostConfig
from forethought.cost.contract import Cost, Imagined, IntrinsicCost, Term
from forethought.cost.intrinsic import DrivePredictor, Effort
from forethought.errors import ForethoughtError, did_you_mean
from forethought.goals import EncodedGoal, StateGoal
from forethought.types import Goal
from forethought.whitening import robust_median


@dataclass(frozen=True)
class Weights:
    """Weights of the cost terms, set by the configurator (the paper, p. 14: "the weights u and v are set by the configurator").

    Fields:
        intrinsic: u, by name; missing names have weight 0.
        task: v, by name, of costs that measure the distance to the goal or to a subgoal; missing names have weight 0.
        extra: v, by name, of user-defined costs: they use the task's goal, also while the agent follows a subgoal.
        path: weight of the running cost, the mean over the imagined path.
        final: weight of the terminal cost, the last step.
        nearest: weight of the step of least cost.

    A candidate's energy is path * mean over steps + final * last step + nearest * least step. The default uses the first
    two: the running cost rewards early progress (in two rooms a running cost reached 97 %, a terminal cost 89 %), the
    terminal cost keeps the agent at the goal. The least step counts where a plan that reaches the goal early must not pay
    for the errors of the model after it.
    """

    intrinsic: Mapping[str, float] = field(default_factory=dict)
    task: Mapping[str, float] = field(default_factory=dict)
    path: float = 1.0
    final: float = 1.0
    extra: Mapping[str, float] = field(default_factory=dict)
    nearest: float = 0.0

    @staticmethod
    def of(settings: CostConfig) -> Weights:
        """The weights in an agent's settings, for planning towards the task's goal."""
        return Weights(settings.drive_weights, settings.task, settings.path, settings.final, settings.extra, settings.nearest)


@dataclass(frozen=True)
class Energies:
    """Costs of candidates, with their breakdown.

    Fields:
        total: [B, K], the sum of all terms.
        terms: name -> [B, K], weighted; only terms whose weight is not 0. `future_drives`: the drives after the last step.
        steps: [B, K, H], the weighted sum of all costs at each step.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    steps: Tensor


class Composition(nn.Module):
    """All costs of one agent. Intrinsic costs are immutable; they are not trained, saved or moved to a device."""

    def __init__(
        self,
        intrinsic: Sequence[IntrinsicCost],
        task: Sequence[Cost],
        readout: DrivePredictor | None = None,
        predict_drives: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Without drives, neither `readout` nor `predict_drives` is needed.

        Args:
            intrinsic, task: the costs.
            readout: estimates the drives of imagined states.
            predict_drives: states [..., D] to the future cost per block of each drive, [..., drives]; from the critic.

        Raises:
            ForethoughtError: two costs have the same name.
        """
        super().__init__()
        terms: list[Term] = [*intrinsic, *task]
        names = [term.name for term in terms]
        if len(set(names)) < len(names):
            raise ForethoughtError(f"composition: two costs have the same name in {names}; give each its own.")
        self.intrinsic = tuple(intrinsic)
        self.task = nn.ModuleList(task)
        self.readout = readout
        self.predict_drives = predict_drives

    def forward(
        self, imagined: Imagined, goal: EncodedGoal, weights: Weights, task_goal: EncodedGoal | None = None
    ) -> Energies:
        """Energy of each candidate, with its breakdown. Terms of weight 0 are not computed.

        Where there are several goals, each cost is evaluated for those that it accepts and weighted by their shares.

        Args:
            imagined: states, actions, and drives if available (else the readout estimates them once).
            goal: of B episodes: the task's goal or a subgoal.
            weights: u, v, and those of the running and the terminal cost.
            task_goal: the goal for costs in `weights.extra`; None for `goal`.

        Raises:
            ForethoughtError: a weight names an unknown cost, all weights are 0, or no cost accepts the goal.
        """
        active = self._active(weights)
        if imagined.drives is None and self.readout is not None and any(weights.intrinsic.values()):
            imagined = replace(imagined, drives=self.readout(imagined.states))
        steps: Tensor | None = None
        weighted: dict[str, Tensor] = {}
        for term, weight in active:
            term_goal = task_goal if task_goal is not None and term.name in weights.extra else goal
            energy = _term_energy(term, imagined, term_goal)
            if energy is None:
                continue
            weighted[term.name] = weight * energy
            steps = weighted[term.name] if steps is None else steps + weighted[term.name]
        if steps is None:
            raise ForethoughtError(f"No cost with a weight accepts the goal {goal}: see `Composition.require_judges`.")
        # Each term is counted at the step of the least sum, so that the terms sum to the total.
        least = steps.argmin(-1, keepdim=True) if weights.nearest else None
        total = path_cost(steps, weights, least)
        terms = {name: path_cost(energy, weights, least) for name, energy in weighted.items()}
        drive_weights = [weights.intrinsic.get(cost.name, 0.0) for cost in self.intrinsic if not isinstance(cost, Effort)]
        if self.predict_drives is not None and any(drive_weights):
            # A plan that ends near a source of pain is costly, although its own steps cause none.
            future_drives = self.predict_drives(imagined.states[..., -1, :])
            terms["future_drives"] = weights.final * (future_drives @ future_drives.new_tensor(drive_weights))
            total = total + terms["future_drives"]
        return Energies(total=total, terms=terms, steps=steps)

    def check(self, weights: Weights) -> None:
        """Check that all weights name existing costs and at least one is not 0.

        Raises:
            ForethoughtError: a weight names an unknown cost, or all weights are 0.
        """
        self._active(weights)

    def felt(self, drives: Tensor, actions: Tensor) -> Tensor:
        """Unweighted intrinsic energies of sensed drives, one column per intrinsic cost.

        Args:
            drives: [B, drives], sensed during the block. actions: [B, A], the block.

        Returns:
            [B, number of intrinsic costs], in the order of `self.intrinsic`; short-term memory stores them.
        """
        sensed = Imagined(states=drives[:, None, None, :0], actions=actions[:, None, None], drives=drives[:, None, None])
        no_goal = StateGoal(drives[:, :0])
        return torch.stack([term(sensed, no_goal)[:, 0, 0] for term in self.intrinsic], dim=-1)

    def own(self, extra: Mapping[str, float]) -> list[Cost]:
        """The task costs that have a weight in `extra`."""
        return [term for term in self.task if isinstance(term, Cost) and extra.get(term.name)]

    def require_judges(self, goal: Goal, weights: Weights) -> None:
        """Check that for each part of a goal there is a weighted task cost that accepts it.

        Raises:
            ForethoughtError: there is none; the message lists the costs and the kinds that they accept.
        """
        costs = [term for term, _ in self._active(weights) if isinstance(term, Cost)]
        for part in goal.parts if costs else ():
            if not any(isinstance(part, term.accepts) for term in costs):
                accepted = "; ".join(f"'{term.name}' {' and '.join(kind.__name__ for kind in term.accepts)}" for term in costs)
                raise ForethoughtError(
                    f"No cost of this agent accepts a {type(part).__name__} (accepted kinds by cost: {accepted}): give a cost "
                    "that accepts it a weight in planner.cost.extra."
                )

    def _active(self, weights: Weights) -> list[tuple[Term, float]]:
        task: list[Cost] = [term for term in self.task if isinstance(term, Cost)]
        pairs = (
            ("intrinsic", weights.intrinsic, self.intrinsic), ("task", weights.extra, task), ("task", weights.task, task),
        )  # fmt: skip
        active: list[tuple[Term, float]] = []
        for kind, given, costs in pairs:
            by_name = {term.name: term for term in costs}
            for name, weight in given.items():
                if name not in by_name:
                    raise ForethoughtError(f"cost weights: no {kind} cost '{name}'; {did_you_mean(name, by_name)}")
                if weight != 0:
                    active.append((by_name[name], weight))
        if not active:
            raise ForethoughtError("cost weights: all are 0, so all plans would have the same cost; give one cost a weight.")
        return active


def _term_energy(term: Term, imagined: Imagined, goal: EncodedGoal) -> Tensor | None:
    """Energy of each imagined step, [B, K, H]; for a task cost, of the goals that it accepts (None if there are none)."""
    if not isinstance(term, Cost):
        return term(imagined, goal)
    energies = [share * term(imagined, part) for part, share in goal.parts if issubclass(part.kind, term.accepts)]
    if not energies:
        return None
    return energies[0] if len(energies) == 1 else torch.stack(energies).sum(0)


def path_cost(steps: Tensor, weights: Weights, least: Tensor | None = None) -> Tensor:
    """Energy of a path from its steps, [B, K, H] -> [B, K]: path * mean + final * last + nearest * least.

    Args: least: int64 [B, K, 1], the step that counts as the least, for steps that are a part of a sum; None for their own.
    """
    energy = weights.path * steps.mean(dim=-1) + weights.final * steps[..., -1]
    if weights.nearest == 0:
        return energy
    least = steps.argmin(-1, keepdim=True) if least is None else least
    return energy + weights.nearest * steps.gather(-1, least).squeeze(-1)


class RadiusSwitchedCost(Cost):
    """A long-range cost that is replaced near the goal by a short-range one, separately at each step.

    A critic that counts blocks accounts for walls, but it does not resolve distances below a block, so the agent
    overshoots. Where `far` < `radius`, the energy is radius * d / (d + scale), with d the `close` cost. It is 0 at the goal
    and always below `radius`, so the switch never increases the energy.

    Attributes: radius: of the switch, in blocks. scale: of `close`. Both are scalar buffers.
    """

    radius: Tensor
    scale: Tensor

    def __init__(self, far: Cost, close: Cost, radius: float, scale: float) -> None:
        """Combine two costs under the name of the first.

        Args:
            far: the critic. close: the latent distance.
            radius: of the switch, in the unit of `far` (blocks); 0 never switches.
            scale: value of `close` between states that are `radius` blocks apart, measured on data (`fit`).
        """
        super().__init__()
        _require_positive(scale)
        self.name = far.name
        self.accepts = tuple(kind for kind in far.accepts if kind in close.accepts)
        self.far, self.close = far, close
        self.register_buffer("radius", torch.tensor(radius))
        self.register_buffer("scale", torch.tensor(scale))

    def fit(self, imagined: Imagined, goal: EncodedGoal) -> None:
        """Measure `scale`: the median of `close` over states [B, K, H, D] about `radius` blocks before the goals.

        Raises:
            ForethoughtError: the median is not positive.
        """
        with torch.no_grad():
            scale = robust_median(self.close(imagined, goal).flatten())
        _require_positive(scale)
        self.scale.fill_(scale)

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`."""
        far: Tensor = self.far(imagined, goal)
        close: Tensor = self.close(imagined, goal)
        return torch.where(far < self.radius, self.radius * close / (close + self.scale), far)


def _require_positive(scale: float) -> None:
    if not scale > 0:
        raise ForethoughtError(
            f"critic: the median latent distance within the radius of the goal is {scale}, but must be > 0; check "
            "whether the states have collapsed."
        )
