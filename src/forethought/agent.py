"""The perception-action cycle: perceive, remember, configure, plan or react, act (the paper, section 3)."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Planner
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.registry import planner_of
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator.mode_selector import Mode, ModeChooser, ModeSelector
from forethought.configurator.risk import with_cvar
from forethought.cost.composition import Weights
from forethought.cost.contract import Cost
from forethought.decision import Decision
from forethought.device import default_device
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal
from forethought.inspection import ModelQueries
from forethought.memory import BeliefState, Memory, memory_of
from forethought.planning.controls import Controls
from forethought.planning.decision_timer import DecisionTimer
from forethought.planning.subgoals import no_command
from forethought.sensing import Senses
from forethought.types import Observation, Task
from forethought.world_model.level import Context, FirstLevel

MODES = ("react", "plan", "auto")


class Agent(ModelQueries):
    """The paper's six modules in a closed loop, for one episode or B parallel ones.

    `imagine`, `energy` and `explain` ask its world model: see `inspection.ModelQueries`.

    Attributes:
        configuration: every setting, with its reason.
        modules: the trained weights.
        memory, belief: short-term memory of the episodes in progress, and what it tells beyond the present observation.
        subgoals: source of level 1's goal. mpc: Mode-1 or Mode-2 at level 1.
        senses: encodes observations and goals.
        timer: the time of its decisions.
        plan_of_record: the last decision; None before the first.
    """

    def __init__(
        self,
        configuration: Configuration,
        modules: AgentNetworks | None = None,
        device: torch.device | None = None,
        planner: Planner | None = None,
        *,
        costs: Sequence[Cost] = (),
        model: FirstLevel | None = None,
        memory: Memory | None = None,
        executive: ModeChooser | None = None,
    ) -> None:
        """Build an agent from settings and weights; `forethought.load` reads both from a run. Each part is replaceable.

        Args:
            configuration, modules: its settings and weights; None for untrained ones.
            device: of the weights; None for `default_device`.
            planner: search at level 1; None for the one of the settings.
            costs: additional costs; `planner.cost.extra` has the weight of each by its name.
            model: level 1 of the world model; None for that of `modules`. The other weights are shared.
            memory: short-term memory, which is cleared. executive: chooses the mode and the cost weights of each decision.

        Raises:
            ForethoughtError: a part does not match the settings (horizon, sizes, context), a cost lacks a weight, a weight
                lacks a cost, or there are weights for fewer levels than configured.
        """
        planner = planner_of(configuration.planner, planner)
        self.device = device or default_device()
        self.configuration = configuration
        networks = (modules or AgentNetworks(configuration)).replaced(configuration, model, costs)
        networks.energy.check(Weights.of(configuration.planner.cost))
        self.modules = networks.to(self.device).eval().requires_grad_(False)
        self.body = ActionCodec(configuration.data, self.device)
        self.executive: ModeChooser = ModeSelector(configuration) if executive is None else executive
        self._controls = Controls(configuration, self.modules, self.body, self.executive, planner)
        self.subgoals, self.mpc = self._control = self._controls.goals
        sizes = self.modules.world_model.state_dim, configuration.data.block_size, 1 + len(configuration.data.drives)
        context = configuration.model.predictor.context
        self.memory = memory_of(memory, configuration.planner.history, context, *sizes, self.device)
        self._custom_parts = memory, executive
        self.senses, self.belief = Senses(self.modules, configuration.data, self.device), BeliefState(self.modules.belief)
        self._time_by(DecisionTimer(self._controls.levels))
        self.plan_of_record: Decision | None = None
        self._goal: EncodedGoal | None = None
        self._queue: deque[NDArray[np.float32]] = deque()

    def _time_by(self, timer: DecisionTimer) -> None:
        self.timer = timer
        self._controls.time_by(timer)

    def reset(self, task: Task, *, seed: int | None = None, seeds: Sequence[int] | None = None) -> None:
        """Begin episodes with a task, and seed the planner's random generators.

        Args:
            task: a goal of a kind that the agent's costs accept, one item or [B, ...].
            seed: of a single episode, or of the first of B (then seed + 1, ...). seeds: one for each of B.

        Raises:
            ForethoughtError: no cost accepts the goal, the subgoal source does not support it, its shape is not that of the
                agent's observations, or the number of seeds is not B. Episodes in progress then continue.
        """
        if not isinstance(task, Task):
            raise ForethoughtError(f"A task can't be a {type(task).__name__}: give Task.reach(goal).")
        control = self._controls.of(task.goal)
        encoded = self.senses.goal(task.goal)
        batch = len(encoded)
        streams = EpisodeGenerators.of(seed, seeds, batch, self.device)
        # All checks are done; only now the state of the episodes in progress changes.
        self._single = self.senses.is_single(task.goal)
        self._goal = encoded
        if control is not self._control:
            self._control, (self.subgoals, self.mpc) = control, control
        self.subgoals.reset(encoded, streams)
        self.memory.reset(batch)
        self.belief.reset(batch)
        self.mpc.reset(batch, streams)
        self._last_action = torch.zeros(batch, self.configuration.data.block_size, device=self.device)
        self._queue.clear()
        self.plan_of_record = None

    def act(
        self,
        observation: Observation,
        mode: Mode = "auto",
        drives: NDArray[np.float32] | None = None,
        deadline_ms: float | None = None,
    ) -> NDArray[np.float32]:
        """The action of one environment step. The agent decides at the start of each block, then returns its steps in turn.

        Args:
            observation: streams, one item or [B, ...]; read at block starts only.
            mode: `plan` (Mode-2), `react` (Mode-1) or `auto`.
            drives: [drives] or [B, drives], drive signals since the last decision; None for zeros.
            deadline_ms: milliseconds of the decision at the 95th percentile; None for `planner.ms_per_decision`. Searches stop
                in time; where not one iteration fits, Mode-1 acts. `plan_of_record.timing` says what became of it.

        Returns:
            float32 [size] (or [B, size]), environment units.
        """
        if not self._queue:
            decision = self.decide(observation, mode, drives, deadline_ms)
            self._queue.extend(decision.actions.transpose(1, 0, 2))
        action = self._queue.popleft()
        return action[0] if self._single else action

    @torch.no_grad()
    def decide(
        self,
        observation: Observation,
        mode: Mode = "auto",
        drives: NDArray[np.float32] | None = None,
        deadline_ms: float | None = None,
    ) -> Decision:
        """One decision: perceive, remember, configure, plan or react; arguments as those of `act`."""
        if self._goal is None:
            raise ForethoughtError("The agent has no task yet: call agent.reset(task=Task.reach(goal)) first.")
        if mode not in MODES:
            raise ForethoughtError(f"mode can't be '{mode}': use one of {', '.join(MODES)}.")
        with self.timer.decision(self.configuration.planner.ms_per_decision if deadline_ms is None else deadline_ms):
            self.plan_of_record = self._decide(observation, mode, drives)
        return self.plan_of_record

    def _decide(self, observation: Observation, mode: Mode, drives: NDArray[np.float32] | None) -> Decision:
        assert self._goal is not None
        state = self._perceive(observation, drives)
        in_time = mode == "react" or self.timer.command()
        command = self.subgoals.command(state) if in_time else no_command(self._goal)
        fell_back = mode != "react" and not (in_time and self.timer.control(len(state)))
        if mode == "react" or fell_back:
            plan, planned, distance, calls = self.mpc.react(state, command.target)
        else:
            recent = self.memory.context(min(self.configuration.model.predictor.context, self.memory.filled))
            context = Context(recent.states, recent.actions)
            plan, planned, distance, calls = self.mpc.decide(mode, context, self._goal, command)
        self._last_action = plan.actions[:, 0]
        actions = np.asarray(self.body.to_world(self._last_action).cpu().numpy(), np.float32)
        above, timing = command if command.plans else None, self.timer.end(fell_back)
        return Decision(actions, plan, planned, distance, calls, command.target.leading, command.route, above, timing)

    def _perceive(self, observation: Observation, drives: NDArray[np.float32] | None) -> Tensor:
        """The state [B, D] of an observation, which the memory stores with the last action and the felt drives."""
        assert self._goal is not None
        percept = self.senses.state(observation)
        if len(percept) != len(self._goal):
            raise ForethoughtError(
                f"{len(self._goal)} episodes are in progress, but {len(percept)} observations came: give one for each episode."
            )
        state = self.belief.update(percept, self._last_action)
        intrinsic = self.modules.energy.felt(self.senses.drives(drives, len(state)), self._last_action)
        self.memory.write(state, self._last_action, intrinsic)
        return state

    def copied(self) -> Agent:
        """An agent with the same parts and its own episodes; both learn together how long a decision takes."""
        other = self._with(self.configuration)
        other._time_by(self.timer)
        return other

    def with_cvar(self, cvar_level: float) -> Agent:
        """The same agent with CVaR as its risk measure; see `configurator.risk`."""
        return self._with(with_cvar(self.configuration, cvar_level))

    def _with(self, configuration: Configuration) -> Agent:
        (memory, executive), planner = self._custom_parts, self._controls.planner
        return Agent(configuration, self.modules, self.device, planner, memory=copy.deepcopy(memory), executive=executive)
