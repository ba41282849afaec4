"""The agent's energy: C(s) = sum u_i IC_i(s) + sum v_j TC_j(s) (the paper, pp. 13-14), summed up over a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from forethought.config import CostConfig
from forethought.cost.contract import Cost, Imagined, IntrinsicCost, Term
from forethought.cost.intrinsic import DRIVES, DrivePredictor
from forethought.errors import ForethoughtError, did_you_mean
from forethought.goals import EncodedGoal, StateGoal
from forethought.types import Goal
from forethought.whitening import robust_median


@dataclass(frozen=True)
class Weights:
    """What the configurator sets (the paper, p. 14: "the weights u and v are set by the configurator").

    Fields:
        intrinsic: u, by name; a name that is left out weighs 0.
        task: v, by name, of what leads to the goal, or to a subgoal on the way; a name that is left out weighs 0.
        extra: v, by name, of costs of one's own: they judge by the task's goal, also where a subgoal leads.
        path: weight of the mean over the imagined path.
        final: weight of the path's last step.

    A candidate's energy is path * mean over steps + final * last step. The default counts both: the path pulls the plan
    together early (in two rooms a path cost reached 97 %, a last-state cost 89 %), the end keeps it at the goal.
    """

    intrinsic: Mapping[str, float] = field(default_factory=dict)
    task: Mapping[str, float] = field(default_factory=dict)
    path: float = 1.0
    final: float = 1.0
    extra: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def of(settings: CostConfig) -> Weights:
        """What an agent's settings say where it heads for its goal."""
        return Weights(settings.drive_weights, settings.task, extra=settings.extra)


@dataclass(frozen=True)
class Energies:
    """What candidates cost, and why.

    Fields:
        total: [B, K], the sum of all terms.
        terms: name -> [B, K], weighted; only terms whose weight is not 0. `foreseen`: the drives after the end.
        steps: [B, K, H], the weighted sum of the costs in each step, before the path is summed up.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    steps: Tensor


class Composition(nn.Module):
    """All costs of one agent. The intrinsic ones are immutable and no part of what is trained, saved or moved."""

    def __init__(
        self,
        intrinsic: Sequence[IntrinsicCost],
        task: Sequence[Cost],
        readout: DrivePredictor | None = None,
        foresee: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """A body without drives needs neither `readout` nor `foresee`.

        Args:
            intrinsic, task: the costs.
            readout: estimates the drives of imagined states.
            foresee: states [..., D] to what each drive will cost a block from there on, [..., drives]; the critic's.

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
        self.foresee = foresee

    def forward(
        self, imagined: Imagined, goal: EncodedGoal, weights: Weights, task_goal: EncodedGoal | None = None
    ) -> Energies:
        """Energy of each candidate, with its breakdown. Terms of weight 0 are not computed.

        Of several goals a cost judges those that it accepts, each by its share of the whole.

        Args:
            imagined: states, actions, and drives if already known (else the readout estimates them, once).
            goal: of B episodes: the task's, or a subgoal on the way to it.
            weights: u, v, and those of path and end.
            task_goal: what `weights.extra` judges by; None for `goal`.

        Raises:
            ForethoughtError: a weight for a cost that does not exist, or no weight at all; or no cost accepts the goal.
        """
        active = self._active(weights)
        if imagined.drives is None and self.readout is not None and any(weights.intrinsic.values()):
            imagined = replace(imagined, drives=self.readout(imagined.states))
        steps: Tensor | None = None
        terms: dict[str, Tensor] = {}
        for term, weight in active:
            wanted = task_goal if task_goal is not None and term.name in weights.extra else goal
            judged = _judged(term, imagined, wanted)
            if judged is None:
                continue
            each = weight * judged
            terms[term.name] = path_cost(each, weights)
            steps = each if steps is None else steps + each
        if steps is None:
            raise ForethoughtError(f"No cost of a weight accepts the goal {goal}: see `Composition.require_judges`.")
        total = path_cost(steps, weights)
        failure_weight = [weights.intrinsic.get(cost.name, 0.0) for cost in self.intrinsic if cost.name in DRIVES]
        if self.foresee is not None and any(failure_weight):
            # A plan that ends beside what hurts is a bad plan, though nothing has hurt yet.
            ahead = self.foresee(imagined.states[..., -1, :])
            terms["foreseen"] = weights.final * (ahead @ ahead.new_tensor(failure_weight))
            total = total + terms["foreseen"]
        return Energies(total=total, terms=terms, steps=steps)

    def check(self, weights: Weights) -> None:
        """Whether these weights name costs that are here, and at least one of them counts.

        Raises:
            ForethoughtError: they don't.
        """
        self._active(weights)

    def felt(self, drives: Tensor, actions: Tensor) -> Tensor:
        """Intrinsic energies of what has really been sensed, one column per intrinsic cost, unweighted.

        Args:
            drives: [B, drives], sensed in the block. actions: [B, A], the block.

        Returns:
            [B, number of intrinsic costs], in the order of `self.intrinsic`; short-term memory keeps them.
        """
        lived = Imagined(states=drives[:, None, None, :0], actions=actions[:, None, None], drives=drives[:, None, None])
        nowhere = StateGoal(drives[:, :0])
        return torch.stack([term(lived, nowhere)[:, 0, 0] for term in self.intrinsic], dim=-1)

    def own(self, extra: Mapping[str, float]) -> list[Cost]:
        """The task costs that have a weight in `extra`."""
        return [term for term in self.task if isinstance(term, Cost) and extra.get(term.name)]

    def require_judges(self, goal: Goal, weights: Weights) -> None:
        """Whether for each part of a goal there is a weighted task cost that understands it.

        Raises:
            ForethoughtError: there is none; says which costs there are, and what they understand.
        """
        judges = [term for term, _ in self._active(weights) if isinstance(term, Cost)]
        for part in goal.parts if judges else ():
            if not any(isinstance(part, term.accepts) for term in judges):
                known = "; ".join(f"'{term.name}' {' and '.join(kind.__name__ for kind in term.accepts)}" for term in judges)
                raise ForethoughtError(
                    f"No cost of this agent understands a {type(part).__name__}. Its costs understand: {known}. Give a cost "
                    "that accepts it a weight (planner.cost.extra)."
                )

    def _active(self, weights: Weights) -> list[tuple[Term, float]]:
        task: list[Cost] = [term for term in self.task if isinstance(term, Cost)]
        pairs = (
            ("intrinsic", weights.intrinsic, self.intrinsic), ("task", weights.extra, task), ("task", weights.task, task),
        )  # fmt: skip
        active: list[tuple[Term, float]] = []
        for kind, given, costs in pairs:
            known = {term.name: term for term in costs}
            for name, weight in given.items():
                if name not in known:
                    raise ForethoughtError(f"cost weights: no {kind} cost '{name}'; {did_you_mean(name, known)}")
                if weight != 0:
                    active.append((known[name], weight))
        if not active:
            raise ForethoughtError("cost weights: all are 0, so every plan would be as good; give one cost a weight.")
        return active


def _judged(term: Term, imagined: Imagined, goal: EncodedGoal) -> Tensor | None:
    """Energy of each imagined step, [B, K, H]: a task cost's by those goals that it accepts, None where it accepts none."""
    if not isinstance(term, Cost):
        return term(imagined, goal)
    found = [share * term(imagined, part) for part, share in goal.parts if issubclass(part.kind, term.accepts)]
    if not found:
        return None
    return found[0] if len(found) == 1 else torch.stack(found).sum(0)


def path_cost(steps: Tensor, weights: Weights) -> Tensor:
    """Energy of a path from its steps, [B, K, H] -> [B, K]: path * mean + final * last."""
    return weights.path * steps.mean(dim=-1) + weights.final * steps[..., -1]


class RadiusSwitchedCost(Cost):
    """A far-sighted cost, replaced near the goal by a sharp one, step by step.

    A critic that counts blocks to the goal knows the way round walls, but cannot tell half a block from none, and
    overshoots. Where `far` < `near`, the energy is near * d / (d + typical), with d the `close` cost: 0 at the goal,
    below `near` always, so that it never rises on the way in.
    """

    near: Tensor
    typical: Tensor

    def __init__(self, far: Cost, close: Cost, near: float, typical: float) -> None:
        """Blend two costs under the name of the first.

        Args:
            far: the critic. close: the latent distance.
            near: where to switch, in the unit of `far` (blocks); 0 never switches.
            typical: `close` between states that are `near` apart, as measured on data (`fit`).
        """
        super().__init__()
        _require_positive(typical)
        self.name = far.name
        self.accepts = tuple(kind for kind in far.accepts if kind in close.accepts)
        self.far, self.close = far, close
        self.register_buffer("near", torch.tensor(near))
        self.register_buffer("typical", torch.tensor(typical))

    def fit(self, imagined: Imagined, goal: EncodedGoal) -> None:
        """Measure `typical`: what `close` usually is over states [B, K, H, D] about `near` blocks before the goals.

        Raises:
            ForethoughtError: it is not a positive number.
        """
        with torch.no_grad():
            typical = robust_median(self.close(imagined, goal).flatten())
        _require_positive(typical)
        self.typical.fill_(typical)

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`."""
        far: Tensor = self.far(imagined, goal)
        close: Tensor = self.close(imagined, goal)
        return torch.where(far < self.near, self.near * close / (close + self.typical), far)


def _require_positive(typical: float) -> None:
    if not typical > 0:
        raise ForethoughtError(
            f"near blend: the typical distance near the goal is {typical}, but must be > 0; have the states collapsed?"
        )
