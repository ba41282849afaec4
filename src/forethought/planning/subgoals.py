"""Where the goal of level 1 comes from: learned levels above it, a graph of landmarks, subgoals that are given, or nowhere.

Each of these is a `SubgoalSource`. Segments of lived episodes that are retrieved from memory fit in as one more: its subgoal is
the state at the end of the segment that leads on best. Like a landmark it is a state of level 1, so its `task` is None.

Axes: B episodes, R of them that are planned for, P waypoints, H steps of a level, D numbers in its state, L levels.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Plan
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.landmark_graph import LandmarkGraph, LandmarkRoute
from forethought.actor.registry import make_planner
from forethought.agent_networks import AgentNetworks, Stage, encode_levels
from forethought.config import Configuration, UpperPlannerConfig
from forethought.cost.composition import Weights
from forethought.cost.contract import Cost
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal, StateGoal, state_of
from forethought.memory import FailedPlanMemory, NearestNeighborActions, StalledWaypoints
from forethought.planning.level_planner import LevelPlan, LevelPlanner, Retrieval
from forethought.planning.levels import TO_GOAL, TO_SUBGOAL, upper_level
from forethought.types import Goal, ObservationGoal
from forethought.world_model.level import Context


@dataclass(frozen=True)
class SubgoalCommand:
    """What a source of subgoals wants of level 1.

    Fields:
        subgoal: where to be within a step of the level that set it, in that level's states. The rollout of level 1 is encoded
            up and compared there.
        guided: bool [B]; where False, level 1 heads for the goal.
        target: that same moment as level 1 saw it, or the goal: what Mode-1 heads for.
        task: weights v by which level 1 judges a subgoal; None where it is a state of level 1 itself, judged as a goal is.
        plans: the plans of record by level, from level 2 up. calls: int64 [B, L - 1], predictor calls spent at each.
        route: the way over landmarks; None without a graph.
    """

    subgoal: EncodedGoal
    guided: Tensor
    target: EncodedGoal
    task: Mapping[str, float] | None
    plans: tuple[LevelPlan, ...]
    calls: Tensor
    route: LandmarkRoute | None = None


class SubgoalSource(abc.ABC):
    """Gives level 1 its goal at each of its decisions.

    Attributes: accepts: the kinds of goals that it finds ways to.
    """

    accepts: tuple[type[Goal], ...] = (Goal,)

    @abc.abstractmethod
    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """Begin B episodes with these goals, as level 1 sees them."""

    @abc.abstractmethod
    def command(self, state: Tensor) -> SubgoalCommand:
        """A decision of level 1 is due in states [B, D of level 1]: where it is to go now."""

    def require_way_to(self, goal: Goal) -> None:
        """Whether it finds ways to goals of this kind.

        Raises:
            ForethoughtError: it does not.
        """
        if not isinstance(goal, self.accepts):
            raise ForethoughtError(
                f"{type(self).__name__} finds ways to {' and '.join(kind.__name__ for kind in self.accepts)} alone, not to "
                f"{type(goal).__name__}: set model.hierarchy.levels = 1, or give one goal."
            )

    def waypoints(self) -> tuple[Tensor, ...]:
        """The way that each level above has in mind since the last command, level 2 first: states of level 1, [B, P, D]."""
        return ()


class NoSubgoals(SubgoalSource):
    """A flat agent: level 1 heads for the goal."""

    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.goal = goal

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`."""
        guided = torch.zeros(len(state), dtype=torch.bool, device=state.device)
        return SubgoalCommand(self.goal, guided, self.goal, None, (), _no_calls(state, 0))


class LandmarkSubgoals(SubgoalSource):
    """Stops on the shortest way over a graph of landmarks, which are states of level 1. A shortest way leads to one goal.

    Attributes: graph: the landmarks. stalled: those that were headed for in vain.
    """

    accepts = (ObservationGoal,)

    def __init__(self, graph: LandmarkGraph) -> None:
        """`graph`: fitted."""
        self.graph = graph
        self.stalled = StalledWaypoints(len(graph.landmarks) + 1, graph.landmarks.device)
        self.route: LandmarkRoute | None = None

    @torch.no_grad()
    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.aim, self.route = self.graph.aim(state_of(goal)), None
        self.stalled.reset(len(goal))

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`."""
        route = self.graph.route(state, self.aim, self.stalled.blame)
        self.stalled.write(route.stop, route.energy)
        self.route, guided = route, torch.ones(len(state), dtype=torch.bool, device=state.device)
        subgoal = StateGoal(route.subgoal)
        return SubgoalCommand(subgoal, guided, subgoal, None, (), _no_calls(state, 0), route)

    def waypoints(self) -> tuple[Tensor, ...]:
        """See `SubgoalSource.waypoints`."""
        return () if self.route is None else (self.route.stops,)


class LearnedLevels(SubgoalSource):
    """Learned levels plan from the top down, each at its own rate: each level's next state is the subgoal of the one below.

    H-JEPA (2610.06805, section 4), with what fixes its naive form (2607.12547): a search begins with macro-actions that were
    once taken from such a state, and states far from all memory cost.

    Attributes: stages: from level 2 up. planners: one for each.
    """

    def __init__(self, stages: Sequence[Stage], configuration: Configuration, own: Sequence[Cost] = ()) -> None:
        """`configuration`: the hierarchy's search, the planner's risk, weights. `own`: costs that judge every level."""
        self.stages, self.settings = list(stages), configuration.planner.upper
        self.extra = {cost.name: configuration.planner.cost.extra[cost.name] for cost in own}
        self.ends = [NearestNeighborActions(stage.bank_later, stage.bank_macros) for stage in self.stages]
        self.planners = [_planner_above(self.stages, number, configuration, own) for number in range(len(self.stages))]

    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.goal, self.goals = goal, encoded_up(self.stages, goal)
        for planner in self.planners:
            planner.reset(len(goal), streams)
        self._target, self._commanded = goal.leading.clone(), False
        self._leading = torch.zeros(len(goal), dtype=torch.int64, device=goal.leading.device)

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`; a level plans again where its plan is over, another leads, or the one above did so."""
        states = encode_levels(self.stages, state)[1:]
        every = zip(self.stages, states, self.goals, strict=True)
        away = [goal.distance(stage.reach.distance, here) for stage, here, goal in every]
        leading, levels = self._leader(away), range(len(self.stages))
        # What a plan has achieved is measured by the subgoal that it was made for, before there is another.
        over = [self.planners[n].assess(states[n], self._remaining(n, states, away, self._leading)) for n in levels]
        calls = _no_calls(state, len(self.stages))
        changed = renewed = leading != self._leading
        for number in reversed(levels):
            planner, active, leads = self.planners[number], leading > number, leading == number + 1
            due = active & (renewed | over[number] | ~planner.plan.active)
            planner.remaining = torch.where(due, self._remaining(number, states, away, leading), planner.remaining)
            for rows, goal, task in self._goals_of(number, due, leads):
                weights = Weights(task=task, extra=self.extra)
                calls[rows.cpu(), number] += self._plan(number, rows, states[number][rows], goal, weights)
            planner.record = replace(planner.plan, active=active)
            renewed = changed | due
        self._leading, self._commanded = leading, True
        guided, plans = leading > 0, tuple(planner.plan for planner in self.planners)
        target = self.goal.replaced(guided, self._target)
        return SubgoalCommand(StateGoal(plans[0].states[:, 0]), guided, target, TO_SUBGOAL, plans, calls)

    def waypoints(self) -> tuple[Tensor, ...]:
        """See `SubgoalSource.waypoints`: the remembered states most like those that a level foresees."""
        if not self._commanded:
            return ()
        found = []
        for stage, planner, ends in zip(self.stages, self.planners, self.ends, strict=True):
            states = planner.plan.states
            alike = stage.bank_below[ends.nearest_moments(states.flatten(0, 1), 1)].view(*states.shape[:2], -1)
            found.append(torch.where(planner.plan.active[:, None, None], alike, self.goal.leading[:, None]))
        return tuple(found)

    def _leader(self, away: list[Tensor]) -> Tensor:
        """Of each episode the highest level, from 1 (level 2), that has something to do; 0 where none has, int64 [B]."""
        leading = torch.zeros_like(self._leading)
        for number, (stage, blocks) in enumerate(zip(self.stages, away, strict=True)):
            leading = torch.where(blocks > least_distance(stage, self.settings), number + 1, leading)
        return leading

    def _remaining(self, number: int, states: list[Tensor], away: list[Tensor], leading: Tensor) -> Tensor:
        """Blocks [B] to where a level is headed: the goal where it leads, else the subgoal of the level above."""
        if number + 1 == len(self.stages):
            return away[number]
        above = self.stages[number + 1].reach.distance(states[number + 1], self.planners[number + 1].plan.states[:, 0])
        return torch.where(leading == number + 1, away[number], above)

    def _goals_of(self, number: int, due: Tensor, leads: Tensor) -> list[tuple[Tensor, EncodedGoal, dict[str, float]]]:
        """Which episodes plan for what: rows int64 [R], their goals or subgoals, the terms' weights."""
        rows = torch.nonzero(due & leads).squeeze(1)
        found: list[tuple[Tensor, EncodedGoal, dict[str, float]]] = [(rows, self.goals[number].subset(rows), TO_GOAL)]
        if number + 1 < len(self.stages):
            rows = torch.nonzero(due & ~leads).squeeze(1)
            found.append((rows, StateGoal(self.planners[number + 1].plan.states[rows, 0]), TO_SUBGOAL))
        return [each for each in found if len(each[0])]

    def _plan(self, number: int, rows: Tensor, state: Tensor, goal: EncodedGoal, weights: Weights) -> int:
        """A new plan of record of some episodes at one level, in states [R, D]; predictor calls spent on each."""
        planner, stage = self.planners[number], self.stages[number]
        scenarios = planner.scenarios(rows)
        context = Context(state[:, None], state.new_zeros(len(state), 0, stage.level.macro_dim))
        cost = planner.cost(rows, state, goal, weights, scenarios, task_goal=self.goals[number].subset(rows))
        found = planner.search(rows, context, cost, scenarios)
        step = self.nearest_reachable(number, state, found.states[:, :1])[:, 0]
        planner.commit(rows, state, _through(found, stage.bank_later[step]))
        if number == 0:
            self._target[rows] = stage.bank_below[step]
        return found.calls

    def nearest_reachable(self, number: int, state: Tensor, states: Tensor) -> Tensor:
        """Which remembered step led to where it is most like each of the foreseen states [R, K, D]; indices [R, K].

        Of the steps that began in states most like `state` [R, D]: what is foreseen may lie in a wall, or behind a door
        whose key is out of reach, and is never there then; where somebody went from here can be reached from here.
        """
        retrieval = self.planners[number].retrieval
        assert retrieval is not None
        alike = retrieval.bank.nearest_moments(state, retrieval.count)
        return alike.gather(1, torch.cdist(states, self.stages[number].bank_later[alike]).argmin(-1))


class FixedSubgoals(SubgoalSource):
    """Subgoals that are `given`, states of level 1 [B, D], an oracle's or any. Level 2 encodes them, and plans nothing."""

    given: Tensor

    def __init__(self, stage: Stage, settings: UpperPlannerConfig) -> None:
        """`stage`: level 2, which encodes what is given."""
        self.stage, self.settings = stage, settings

    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.goal = goal

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`."""
        encode, batch = self.stage.level.encode, len(state)
        away = self.goal.map(encode).distance(self.stage.reach.distance, encode(state))
        guided, subgoal = away > least_distance(self.stage, self.settings), encode(self.given)
        nothing = state.new_zeros(batch, self.settings.horizon, self.stage.level.macro_dim)
        plan = LevelPlan(nothing, subgoal[:, None], away, guided)
        target = self.goal.replaced(guided, self.given)
        return SubgoalCommand(StateGoal(subgoal), guided, target, TO_SUBGOAL, (plan,), _no_calls(state, 1))


def make_subgoals(networks: AgentNetworks, configuration: Configuration) -> SubgoalSource:
    """The source that a configuration asks for.

    Raises:
        ForethoughtError: it asks for more levels than there are weights for.
    """
    # A goal that shows a part cannot be compared above: such levels (see `training.retrain`) imagine, and do not plan.
    hierarchy, upper = configuration.model.hierarchy, configuration.planner.upper
    above = 0 if configuration.data.goals else min(hierarchy.levels, upper.max_levels) - 1
    if above and networks.graph is not None:
        return LandmarkSubgoals(networks.graph)
    learned = networks.above[:above]
    if len(learned) < above:
        raise ForethoughtError(
            f"model.hierarchy.levels = {above + 1}, and these weights have {1 + len(learned)}: ask for as many at most, or "
            "grow more above the same level 1 (`forethought.training.retrain`)."
        )
    own = [cost for cost in networks.energy.own(configuration.planner.cost.extra) if cost.every_level]
    return LearnedLevels(learned, configuration, own) if learned else NoSubgoals()


def encoded_up(stages: Sequence[Stage], goal: EncodedGoal) -> list[EncodedGoal]:
    """A goal of level 1 as each level above sees it, level 2 first."""
    seen = [goal]
    for stage in stages:
        seen.append(seen[-1].map(stage.level.encode))
    return seen[1:]


def least_distance(stage: Stage, settings: UpperPlannerConfig) -> float:
    """Blocks to the goal from which on a level has something to do.

    A level whose way is shorter than its own step is skipped (H-JEPA, section 4), and where the critic of level 1 is
    trusted, its own cost takes over: seen from above, the places around the goal look alike.
    """
    return max(stage.span, settings.critic_radius)


def _planner_above(stages: Sequence[Stage], number: int, configuration: Configuration, own: Sequence[Cost]) -> LevelPlanner:
    stage, settings = stages[number], configuration.planner.upper
    bank = NearestNeighborActions(stage.bank_states, stage.bank_macros)
    return LevelPlanner(
        upper_level(stages, number, settings.ood_cost, own),
        make_planner(settings.search, settings.horizon),
        configuration.planner,
        FailedPlanMemory(stage.level.state_dim, float(stage.stride), stage.stride.device, tolerance=0.0),
        configuration.planner.cost.failed_plan,
        Retrieval(bank, settings.retrieved_candidates, settings.search.num_samples // 2, settings.perturbation),
        measure_progress=True,
    )


def _through(found: Plan, first: Tensor) -> Plan:
    """The plan with another first state [R, D]: one that somebody reached."""
    return replace(found, states=torch.cat([first[:, None], found.states[:, 1:]], 1))


def _no_calls(state: Tensor, levels: int) -> Tensor:
    return torch.zeros(len(state), levels, dtype=torch.int64)
