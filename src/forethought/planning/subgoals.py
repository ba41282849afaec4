"""Sources of subgoals for level 1: learned levels, a landmark graph, fixed subgoals, or none.

Each source is a `SubgoalSource`. Retrieval of logged segments could be another one: its subgoal is the last state of the best
segment. Like a landmark it is a state of level 1, so its `task` is None.

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
    """The output of a subgoal source for one decision.

    Fields:
        subgoal: to be reached within one step of the level that set it, a state of that level. The rollout of level 1 is
            encoded into that level and compared there.
        guided: bool [B]; where False, level 1 plans towards the task's goal.
        target: the target of Mode-1 as states of level 1: the subgoal where guided, else the goal.
        task: weights v of level 1's costs for a subgoal; None if it is a state of level 1, with the costs of a goal.
        plans: the plans of record by level, from level 2 up. calls: int64 [B, L - 1], predictor calls of each.
        route: the path over landmarks; None without a graph.
    """

    subgoal: EncodedGoal
    guided: Tensor
    target: EncodedGoal
    task: Mapping[str, float] | None
    plans: tuple[LevelPlan, ...]
    calls: Tensor
    route: LandmarkRoute | None = None


class SubgoalSource(abc.ABC):
    """Sets the goal of level 1 for each decision.

    Attributes: accepts: the kinds of goals to which it can plan a path.
    """

    accepts: tuple[type[Goal], ...] = (Goal,)

    @abc.abstractmethod
    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """Begin B episodes with these goals, in states of level 1."""

    @abc.abstractmethod
    def command(self, state: Tensor) -> SubgoalCommand:
        """The subgoals for a decision of level 1 in states [B, D of level 1]."""

    def require_way_to(self, goal: Goal) -> None:
        """Check that this source supports goals of this kind.

        Raises:
            ForethoughtError: it does not.
        """
        if not isinstance(goal, self.accepts):
            raise ForethoughtError(
                f"{type(self).__name__} plans paths to {' and '.join(kind.__name__ for kind in self.accepts)} only, not to "
                f"{type(goal).__name__}: set model.hierarchy.levels = 1, or give one goal."
            )

    def level_planners(self) -> Sequence[LevelPlanner]:
        """The planners of the levels above the first, level 2 first; none if subgoals are not planned."""
        return ()

    def waypoints(self) -> tuple[Tensor, ...]:
        """Waypoints of each level above after the last command, level 2 first: states of level 1, [B, P, D]."""
        return ()


class NoSubgoals(SubgoalSource):
    """A flat agent: level 1 plans towards the goal."""

    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.goal = goal

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`."""
        return no_command(self.goal)


class LandmarkSubgoals(SubgoalSource):
    """Waypoints on the shortest path over a landmark graph, as states of level 1; it supports a single goal.

    Attributes: graph: the landmarks. stalled: penalties of waypoints without progress.
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
        route = self.graph.route(state, self.aim, self.stalled.penalty)
        self.stalled.write(route.stop, route.energy)
        self.route, guided = route, torch.ones(len(state), dtype=torch.bool, device=state.device)
        subgoal = StateGoal(route.subgoal)
        return SubgoalCommand(subgoal, guided, subgoal, None, (), _no_calls(state, 0), route)

    def waypoints(self) -> tuple[Tensor, ...]:
        """See `SubgoalSource.waypoints`."""
        return () if self.route is None else (self.route.stops,)


class LearnedLevels(SubgoalSource):
    """Learned levels, planned from the top down at different rates: each level's next state is the subgoal of the level below.

    H-JEPA (2610.06805, section 4), with two corrections of its naive form (2607.12547): a search starts from macro-actions of
    similar training states, and out-of-distribution states get a penalty.

    Attributes: stages: from level 2 up. planners: one for each.
    """

    def __init__(self, stages: Sequence[Stage], configuration: Configuration, own: Sequence[Cost] = ()) -> None:
        """`configuration`: search of the upper levels, risk and cost weights. `own`: user-defined costs with `every_level`."""
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
        """See `SubgoalSource.command`.

        A level replans where its plan is over, where the level above replanned, or where another level has become the top.
        """
        states = encode_levels(self.stages, state)[1:]
        levels_states_goals = zip(self.stages, states, self.goals, strict=True)
        goal_distances = [
            goal.distance(stage.reachability.distance, own_state) for stage, own_state, goal in levels_states_goals
        ]
        leading, levels = self._top_level(goal_distances), range(len(self.stages))
        # Progress is measured towards the subgoal for which the plan was made, before the level above sets another one.
        over = [self.planners[n].assess(states[n], self._remaining(n, states, goal_distances, self._leading)) for n in levels]
        calls = _no_calls(state, len(self.stages))
        changed = replanned = leading != self._leading
        for number in reversed(levels):
            planner, active, leads = self.planners[number], leading > number, leading == number + 1
            due = active & (replanned | over[number] | ~planner.plan.active)
            if not planner.may_replan(int(due.sum())):
                due = due & ~planner.plan.active
            planner.remaining = torch.where(due, self._remaining(number, states, goal_distances, leading), planner.remaining)
            for rows, goal, task in self._goals_of(number, due, leads):
                weights = Weights(task=task, extra=self.extra)
                calls[rows.cpu(), number] += self._plan(number, rows, states[number][rows], goal, weights)
            planner.record = replace(planner.plan, active=active)
            replanned = changed | due
        self._leading, self._commanded = leading, True
        guided, plans = leading > 0, tuple(planner.plan for planner in self.planners)
        target = self.goal.replaced(guided, self._target)
        return SubgoalCommand(StateGoal(plans[0].states[:, 0]), guided, target, TO_SUBGOAL, plans, calls)

    def level_planners(self) -> Sequence[LevelPlanner]:
        """See `SubgoalSource.level_planners`."""
        return self.planners

    def waypoints(self) -> tuple[Tensor, ...]:
        """See `SubgoalSource.waypoints`: the training states nearest to the predicted states of each level."""
        if not self._commanded:
            return ()
        waypoints = []
        for stage, planner, ends in zip(self.stages, self.planners, self.ends, strict=True):
            states = planner.plan.states
            nearest = stage.bank_below[ends.nearest_moments(states.flatten(0, 1), 1)].view(*states.shape[:2], -1)
            waypoints.append(torch.where(planner.plan.active[:, None, None], nearest, self.goal.leading[:, None]))
        return tuple(waypoints)

    def _top_level(self, goal_distances: list[Tensor]) -> Tensor:
        """The highest active level of each episode, from 1 (level 2); 0 if none is active; int64 [B]."""
        leading = torch.zeros_like(self._leading)
        for number, (stage, blocks) in enumerate(zip(self.stages, goal_distances, strict=True)):
            leading = torch.where(blocks > min_goal_distance(stage, self.settings), number + 1, leading)
        return leading

    def _remaining(self, number: int, states: list[Tensor], goal_distances: list[Tensor], leading: Tensor) -> Tensor:
        """Blocks [B] to the target of a level: the goal where it is the top level, else the subgoal of the level above."""
        if number + 1 == len(self.stages):
            return goal_distances[number]
        above = self.stages[number + 1].reachability.distance(states[number + 1], self.planners[number + 1].plan.states[:, 0])
        return torch.where(leading == number + 1, goal_distances[number], above)

    def _goals_of(self, number: int, due: Tensor, leads: Tensor) -> list[tuple[Tensor, EncodedGoal, dict[str, float]]]:
        """Episodes by their kind of target: rows int64 [R], their goals or subgoals, the terms' weights."""
        rows = torch.nonzero(due & leads).squeeze(1)
        groups: list[tuple[Tensor, EncodedGoal, dict[str, float]]] = [(rows, self.goals[number].subset(rows), TO_GOAL)]
        if number + 1 < len(self.stages):
            rows = torch.nonzero(due & ~leads).squeeze(1)
            groups.append((rows, StateGoal(self.planners[number + 1].plan.states[rows, 0]), TO_SUBGOAL))
        return [group for group in groups if len(group[0])]

    def _plan(self, number: int, rows: Tensor, state: Tensor, goal: EncodedGoal, weights: Weights) -> int:
        """Make new plans of record of episodes `rows` at one level, in states [R, D]; returns the predictor calls of each."""
        planner, stage = self.planners[number], self.stages[number]
        scenarios = planner.scenarios(rows)
        context = Context(state[:, None], state.new_zeros(len(state), 0, stage.level.macro_dim))
        cost = planner.cost(rows, state, goal, weights, scenarios, task_goal=self.goals[number].subset(rows))
        plan = planner.search(rows, context, cost, scenarios)
        step = self.nearest_reachable(number, state, plan.states[:, :1])[:, 0]
        planner.commit(rows, state, _with_first_state(plan, stage.bank_later[step]))
        if number == 0:
            self._target[rows] = stage.bank_below[step]
        return plan.calls

    def nearest_reachable(self, number: int, state: Tensor, states: Tensor) -> Tensor:
        """The logged steps whose end states are nearest to the predicted states [R, K, D]; indices [R, K].

        Only steps from states similar to `state` [R, D] are considered, since their end states are reachable from there. A
        predicted state itself may be unreachable, such as inside a wall or behind a locked door.
        """
        retrieval = self.planners[number].retrieval
        assert retrieval is not None
        similar = retrieval.bank.nearest_moments(state, retrieval.count)
        return similar.gather(1, torch.cdist(states, self.stages[number].bank_later[similar]).argmin(-1))


class FixedSubgoals(SubgoalSource):
    """Fixed subgoals, such as an oracle's: `given`, states of level 1 [B, D]. Level 2 only encodes them."""

    given: Tensor

    def __init__(self, stage: Stage, settings: UpperPlannerConfig) -> None:
        """`stage`: level 2, which encodes the subgoals."""
        self.stage, self.settings = stage, settings

    def reset(self, goal: EncodedGoal, streams: EpisodeGenerators) -> None:
        """See `SubgoalSource.reset`."""
        self.goal = goal

    def command(self, state: Tensor) -> SubgoalCommand:
        """See `SubgoalSource.command`."""
        encode, batch = self.stage.level.encode, len(state)
        goal_distance = self.goal.map(encode).distance(self.stage.reachability.distance, encode(state))
        guided, subgoal = goal_distance > min_goal_distance(self.stage, self.settings), encode(self.given)
        no_actions = state.new_zeros(batch, self.settings.horizon, self.stage.level.macro_dim)
        plan = LevelPlan(no_actions, subgoal[:, None], goal_distance, guided)
        target = self.goal.replaced(guided, self.given)
        return SubgoalCommand(StateGoal(subgoal), guided, target, TO_SUBGOAL, (plan,), _no_calls(state, 1))


def no_command(goal: EncodedGoal) -> SubgoalCommand:
    """Level 1 plans towards the goal in all B episodes."""
    state = goal.leading
    guided = torch.zeros(len(state), dtype=torch.bool, device=state.device)
    return SubgoalCommand(goal, guided, goal, None, (), _no_calls(state, 0))


def make_subgoals(networks: AgentNetworks, configuration: Configuration) -> SubgoalSource:
    """The subgoal source of a configuration.

    Raises:
        ForethoughtError: there are weights for fewer levels than configured.
    """
    # Upper levels cannot encode a partial observation as a goal: such levels (see `training.retrain`) predict, but do not plan.
    hierarchy, upper = configuration.model.hierarchy, configuration.planner.upper
    above = 0 if configuration.data.goals else min(hierarchy.levels, upper.max_levels) - 1
    if above and networks.graph is not None:
        return LandmarkSubgoals(networks.graph)
    learned = networks.above[:above]
    if len(learned) < above:
        raise ForethoughtError(
            f"model.hierarchy.levels = {above + 1}, but these weights have {1 + len(learned)}: lower it, or train more levels "
            "above the same level 1 (`forethought.training.retrain`)."
        )
    own = [cost for cost in networks.energy.own(configuration.planner.cost.extra) if cost.every_level]
    return LearnedLevels(learned, configuration, own) if learned else NoSubgoals()


def encoded_up(stages: Sequence[Stage], goal: EncodedGoal) -> list[EncodedGoal]:
    """A goal of level 1 encoded into each level above, level 2 first."""
    goals = [goal]
    for stage in stages:
        goals.append(goals[-1].map(stage.level.encode))
    return goals[1:]


def min_goal_distance(stage: Stage, settings: UpperPlannerConfig) -> float:
    """Distance to the goal, in blocks, above which a level is active.

    A level is skipped if the goal is nearer than one of its steps (H-JEPA, section 4), or within the radius in which level 1's
    critic is accurate: states near the goal are hardly distinguishable at an upper level.
    """
    return max(stage.span, settings.critic_radius)


def _planner_above(stages: Sequence[Stage], number: int, configuration: Configuration, own: Sequence[Cost]) -> LevelPlanner:
    stage, settings = stages[number], configuration.planner.upper
    bank = NearestNeighborActions(stage.bank_states, stage.bank_macros)
    return LevelPlanner(
        upper_level(stages, number, settings.ood_cost, own),
        make_planner(settings.search, settings.horizon),
        configuration.planner,
        FailedPlanMemory(
            stage.level.state_dim, float(stage.typical_step_sq_distance), stage.typical_step_sq_distance.device, tolerance=0.0
        ),
        configuration.planner.cost.failed_plan,
        Retrieval(bank, settings.retrieved_candidates, settings.search.num_samples // 2, settings.perturbation),
        measure_progress=True,
    )


def _with_first_state(plan: Plan, first: Tensor) -> Plan:
    """The plan with its first state replaced by a training state [R, D]."""
    return replace(plan, states=torch.cat([first[:, None], plan.states[:, 1:]], 1))


def _no_calls(state: Tensor, levels: int) -> Tensor:
    return torch.zeros(len(state), levels, dtype=torch.int64)
