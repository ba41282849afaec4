"""The controls of an agent by kind of task: towards goals, or for the world's own reward."""

from __future__ import annotations

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Planner
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator.mode_selector import ModeChooser
from forethought.cost.composition import Weights
from forethought.planning.decision_timer import DecisionTimer
from forethought.planning.mpc import MPCController
from forethought.planning.reward_control import RewardControl
from forethought.planning.subgoals import NoSubgoals, SubgoalSource, make_subgoals
from forethought.types import Goal, RewardGoal

Control = tuple[SubgoalSource, MPCController | RewardControl]


class Controls:
    """Both controls of one agent, with one search.

    Attributes: goals: source of subgoals and controller of tasks with goals. reward: the same for the world's own task.
    """

    def __init__(
        self,
        configuration: Configuration,
        networks: AgentNetworks,
        codec: ActionCodec,
        executive: ModeChooser,
        planner: Planner,
    ) -> None:
        """`executive`: chooses the mode of tasks with goals. `planner`: the search at level 1."""
        self.planner, self._networks, self._settings = planner, networks, configuration.planner
        self._mpc = MPCController(configuration, networks, codec, executive, planner)
        self._reward = RewardControl(configuration, networks, codec, planner)
        self.goals: Control = make_subgoals(networks, configuration), self._mpc
        self.reward: Control = NoSubgoals(), self._reward

    @property
    def levels(self) -> int:
        """L: levels that plan."""
        return 1 + len(self.goals[0].level_planners())

    def time_by(self, timer: DecisionTimer) -> None:
        """Time the searches of all levels."""
        timer.attach([self._mpc.planner, *self.goals[0].level_planners()])
        timer.attach([self._reward])

    def of(self, goal: Goal) -> Control:
        """The control for a goal.

        Raises:
            ForethoughtError: no cost accepts it, or no path to it can be planned.
        """
        if isinstance(goal, RewardGoal):
            return self.reward
        self._networks.energy.require_judges(goal, Weights.of(self._settings.cost))
        self.goals[0].require_way_to(goal)
        return self.goals
