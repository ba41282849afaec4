"""The perception-action cycle: perceive, remember, configure, plan or react, act (the paper, section 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Plan, Planner
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.landmark_graph import LandmarkRoute
from forethought.actor.registry import make_planner
from forethought.agent_networks import AgentNetworks
from forethought.configurator.mode_selector import Mode, ModeSelector
from forethought.configurator.risk import with_cvar
from forethought.device import default_device
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.hierarchical_planner import HierarchicalPlanner, SubgoalCommand
from forethought.memory import ShortTermMemory, StalledWaypoints
from forethought.mpc import MPCController
from forethought.perception import require_finite, to_tensors
from forethought.planning_problem import FutureSet, sample_rollouts, select_diverse_futures
from forethought.settings import Configuration, StreamSettings
from forethought.types import Observation, Task
from forethought.world_model.energy import energy, explanation, free_energy
from forethought.world_model.level import Context

MODES = ("react", "plan", "auto")
DRAWN = 16
"""Futures that are drawn for each one that is shown."""


@dataclass(frozen=True)
class Decision:
    """One decision of B episodes.

    Fields:
        actions: float32 [B, block, size], environment units, to be taken one step after the other.
        plan: what was imagined: actions [B, H, A], states [B, H, D], energy [B]; `calls` is per planned episode. In mode
            `react` nothing is imagined: one block of actions, no states.
        planned: bool [B], Mode-2 (True) or Mode-1.
        distance: [B], the critic's blocks to the goal; None in mode `react`, which doesn't ask.
        calls: [B], predictor calls spent.
        route: the level above as a graph: the way over landmarks and the subgoal; None without one.
        above: the learned levels above: their plans and the subgoal; None without any.
    """

    actions: NDArray[np.float32]
    plan: Plan
    planned: Tensor
    distance: Tensor | None
    calls: Tensor
    route: LandmarkRoute | None = None
    above: SubgoalCommand | None = None


def current_target(goal: Tensor, route: LandmarkRoute | None, above: SubgoalCommand | None) -> Tensor:
    """Where level 1 heads, [B, D]: what is wanted of it from above, or the goal [B, D]."""
    if route is not None:
        return route.subgoal
    return goal if above is None else above.target


class Agent:
    """Six modules in one closed loop, over one episode or B side by side.

    Attributes:
        configuration: every setting, with its reason.
        modules: the trained weights.
        memory: short-term memory of the episodes in progress. deliberation: what weighs plans in them (Mode-2).
        plan_of_record: the last decision; None before the first.
    """

    def __init__(
        self,
        configuration: Configuration,
        modules: AgentNetworks,
        device: torch.device | None = None,
        planner: Planner | None = None,
    ) -> None:
        """An agent from its settings and weights; `forethought.load` reads both from a run.

        Args:
            configuration, modules: its settings and weights.
            device: where to put it; None for the machine's best.
            planner: what searches at level 1, in place of the one that the settings name.

        Raises:
            ForethoughtError: the settings ask for more levels than there are weights for, or for plans of another length than
                the planner's.
        """
        planner = planner or make_planner(configuration.actor)
        if planner.horizon != (horizon := configuration.actor.horizon):
            raise ForethoughtError(
                f"The planner looks {planner.horizon} blocks ahead, and actor.horizon is {horizon}: make them one."
            )
        self.device = device or default_device()
        self.configuration = configuration
        self.modules = modules.to(self.device).eval().requires_grad_(False)
        self.body = ActionCodec(configuration.space, self.device)
        self.executive = ModeSelector(configuration)
        self.deliberation = MPCController(configuration, self.modules, self.body, self.executive, planner)
        self.memory = ShortTermMemory(
            configuration.memory.history, configuration.perception.state_dim, configuration.space.block_size,
            1 + len(configuration.space.drives), self.device,
        )  # fmt: skip
        # A goal that shows a part cannot be compared above: such levels (see `training.retrain`) imagine, and do not plan.
        above = 0 if configuration.space.goals else configuration.hierarchy.levels - 1
        self.graph = modules.graph if above else None
        learned = modules.above[:above]
        if self.graph is None and len(learned) < above:
            raise ForethoughtError(
                f"hierarchy.levels = {above + 1}, and these weights have {1 + len(learned)}: ask for as many at most, or grow "
                "more above the same level 1 (`forethought.training.retrain`)."
            )
        self.hierarchy = HierarchicalPlanner(learned, configuration) if learned else None
        self.stalled_waypoints = StalledWaypoints(configuration.hierarchy.landmarks + 1, self.device)
        self.plan_of_record: Decision | None = None
        self._goal: Tensor | None = None

    # --- the cycle -------------------------------------------------------------------------------------------------

    def reset(self, task: Task, *, seed: int | None = None, seeds: Sequence[int] | None = None) -> None:
        """Begin: what is to be reached, and the seed of the planner's chance.

        Args:
            task: a goal observation, one item or [B, ...].
            seed: of a single episode, or of the first of B. seeds: one for each of B.

        Raises:
            ForethoughtError: the goal has another shape than the agent's observations, or there are too few or too many seeds;
                episodes in progress then go on.
        """
        shown = self.configuration.space.goal_streams
        goal, first = to_tensors(task.goal, shown, self.device), shown[0]
        encoded = self._encode(task.goal, "goal", shown)
        batch = len(encoded)
        seeds = range(seed or 0, (seed or 0) + batch) if seeds is None else seeds
        if len(seeds) != batch:
            raise ForethoughtError(f"{batch} goals need {batch} seeds, not {len(seeds)}.")
        streams = EpisodeGenerators(seeds, self.device)
        with torch.no_grad():
            aim = self.graph.aim(encoded) if self.graph else None
        # Nothing is refused from here on: until now the running episodes were left as they are.
        self._single = goal[first.name].ndim == len(first.shape)
        self._goal, self._aim, self._streams = encoded, aim, streams
        if self.hierarchy is not None:
            self.hierarchy.reset(encoded, self._streams)
        self.memory.reset(batch)
        self.deliberation.reset(batch, self._streams)
        self.stalled_waypoints.reset(batch)
        self._last_action = torch.zeros(batch, self.configuration.space.block_size, device=self.device)
        self._queue: deque[NDArray[np.float32]] = deque()
        self.plan_of_record = None

    def act(
        self, observation: Observation, mode: Mode = "auto", drives: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """One environment step's action. A decision is made at the start of each block; between, its steps are played.

        Args:
            observation: streams, one item or [B, ...]; read at block starts only.
            mode: `plan` (Mode-2), `react` (Mode-1) or `auto`.
            drives: [drives] or [B, drives], what the body felt since the last decision; None for nothing.

        Returns:
            float32 [size] (or [B, size]), environment units.
        """
        if not self._queue_ready():
            decision = self.decide(observation, mode, drives)
            self._queue.extend(decision.actions.transpose(1, 0, 2))
        action = self._queue.popleft()
        return action[0] if self._single else action

    @torch.no_grad()
    def decide(self, observation: Observation, mode: Mode = "auto", drives: NDArray[np.float32] | None = None) -> Decision:
        """One decision: perceive, remember, configure, plan or react.

        Args: as `act`.
        """
        if self._goal is None:
            raise ForethoughtError("The agent has no task yet: call agent.reset(task=Task.reach(goal)) first.")
        if mode not in MODES:
            raise ForethoughtError(f"mode can't be '{mode}': use one of {', '.join(MODES)}.")
        state = self._encode(observation, "observation", self.configuration.space.streams)
        if len(state) != len(self._goal):
            raise ForethoughtError(f"{len(self._goal)} episodes are in progress, but {len(state)} observations came.")
        self._remember(state, drives)
        route = self._shortest_path(state)
        above = self.hierarchy.direct(state) if self.hierarchy else None
        target = current_target(self._goal, route, above)
        decision = self._reflex(state, target) if mode == "react" else self._deliberate(state, target, mode, above)
        self.plan_of_record = replace(decision, route=route, above=above)
        return self.plan_of_record

    def _shortest_path(self, state: Tensor) -> LandmarkRoute | None:
        """What the level above decides: the way over landmarks, and where on it to go now."""
        if self.graph is None or self._aim is None:
            return None
        route = self.graph.route(state, self._aim, self.stalled_waypoints.blame)
        self.stalled_waypoints.write(route.stop, route.energy)
        return route

    def _reflex(self, state: Tensor, goal: Tensor) -> Decision:
        """Mode-1 alone: the policy's answer, nothing imagined (the paper, section 3.1.1)."""
        action = self.modules.policy(state, goal)[:, None]
        batch = len(state)
        plan = Plan(action, state.new_zeros(batch, 0, state.shape[-1]), state.new_zeros(batch), 0)
        self.deliberation.forget()
        idle = torch.zeros(batch, dtype=torch.long)
        return Decision(self._commit(action), plan, idle.bool(), None, idle)

    def _deliberate(self, state: Tensor, target: Tensor, mode: Mode, above: SubgoalCommand | None) -> Decision:
        """Mode-2, or in `auto` Mode-1 where its own imagined future is good enough (the paper, section 3.1.2).

        `target`: [B, D], what to head for now: the goal, or the subgoal of a level above.
        """
        assert self._goal is not None
        plan, planned, left, calls = self.deliberation.decide(mode, self._context(), target, self._goal, above)
        return Decision(self._commit(plan.actions), plan, planned, left, calls)

    def _commit(self, actions: Tensor) -> NDArray[np.float32]:
        """The first block of [B, H, A], remembered as taken, in environment units."""
        self._last_action = actions[:, 0]
        return np.asarray(self.body.to_world(actions[:, 0]).cpu().numpy(), np.float32)

    # --- imagination -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def imagine(self, observation: Observation, actions: NDArray[np.float32], samples: int = 1, seed: int = 0) -> FutureSet:
        """What would come of given actions.

        Args:
            observation: streams, one item.
            actions: [H, block, size] or [K, H, block, size], environment units.
            samples: how many different futures, where the world model has a latent variable; 1: the likeliest alone.
            seed: of the draws that they are chosen from.

        Returns:
            Imagined states [S, H, D] or [S, K, H, D], the likeliest first, with their odds; `forethought.readout` makes
            pictures of them. S is 1 for an agent that foresees one future of each plan.

        Raises:
            ForethoughtError: no future is asked for, several observations came, or the actions are no blocks of this body's.
            NonFiniteError: an action is NaN or infinite.
        """
        body = self.configuration.space
        state = self._encode(observation, "observation", body.streams)
        if samples < 1:
            raise ForethoughtError(f"samples = {samples}: ask for at least one future.")
        if len(state) != 1:
            raise ForethoughtError(f"{len(state)} observations came: imagine from one at a time.")
        fits = actions.ndim in (3, 4) and actions.shape[-2:] == (body.block, body.action_size)
        if not fits or 0 in actions.shape:
            raise ForethoughtError(
                f"Actions {list(actions.shape)} are no plan of this body's: give [H, {body.block}, {body.action_size}], or "
                f"[K, H, {body.block}, {body.action_size}] for K plans."
            )
        require_finite(actions, "The actions hold")
        single, level = actions.ndim == 3, self.modules.world_model
        blocks = torch.as_tensor(actions, device=self.device).float().reshape(1, -1, *actions.shape[-3:]).flatten(-2)
        context, plans = Context(state[:, None], blocks[:, 0, :0]), self.body.to_model(blocks)
        if samples == 1 or level.latent is None:
            found = select_diverse_futures(level.rollout(context, plans), 1)
        else:
            # The same seed for each plan: they are compared in the same futures.
            count, streams = plans.shape[1], EpisodeGenerators([seed] * plans.shape[1], self.device)
            apart = Context(state.expand(count, -1)[:, None], blocks[0, :, :0])
            found = select_diverse_futures(
                sample_rollouts(level, apart, plans[0], samples * DRAWN, streams).transpose(0, 1), samples
            )
        return FutureSet(found.states[:, 0], found.odds[:, 0]) if single else found

    def with_cvar(self, cvar_level: float) -> Agent:
        """The same agent, which weighs its plans by their worst futures; see `configurator.risk`."""
        return Agent(with_cvar(self.configuration, cvar_level), self.modules, self.device, self.deliberation.planner)

    @torch.no_grad()
    def energy(
        self,
        observation: Observation,
        actions: NDArray[np.float32],
        following: Observation,
        temperature: float = 0.0,
        z: Tensor | None = None,
    ) -> Tensor:
        """How badly a future goes with what is seen and done: low where it may well happen (the paper, section 4.3).

        Args:
            observation: streams [B, ...], the present.
            actions: [B, H, block, size], environment units.
            following: streams [B, H, ...], what is seen after each block.
            temperature: 0 for the latent variable at its best; above, the free energy, a soft minimum over it.
            z: [B, H, Z], the way that each block is to have gone, E(x, y, z): a code as one 1 among zeros, or numbers; None to
                leave it open, F(x, y).

        Returns:
            [B], squared error per state dimension; see `world_model.energy`.

        Raises:
            ForethoughtError: a stream is not as the agent was trained on, or the three don't fit one another; or there is a z
                that the model's latent variable can't say, or a temperature as well.
        """
        future = self._future(observation, actions, following)
        if temperature and z is not None:
            raise ForethoughtError(f"A temperature ({temperature:g}) weighs every z, and one is given: leave out either.")
        if temperature:
            return free_energy(self.modules.world_model, *future, temperature)
        return energy(self.modules.world_model, *future, None if z is None else z.to(self.device))

    @torch.no_grad()
    def explain(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation, amortised: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Which way a future went, in the words of the latent variable: the z that explains it best.

        Args:
            observation, actions, following: as `energy`.
            amortised: where z is numbers, take those that the encoder tells at first sight, without a search.

        Returns:
            z [B, H, Z] of each block, as `energy` takes it, and E(x, y, z) [B, H].

        Raises:
            ForethoughtError: as `energy`; or the model has no latent variable.
        """
        return explanation(self.modules.world_model, *self._future(observation, actions, following), amortised)

    def _future(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation
    ) -> tuple[Context, Tensor, Tensor]:
        """The present, the blocks [B, H, A] taken from there in model units, and the states that followed, [B, H, D]."""
        body = self.configuration.space
        present = self._encode(observation, "observation", body.streams)
        leads = {name: values.shape[:2] for name, values in following.items()}
        expected = (len(present), actions.shape[1], body.block, body.action_size) if actions.ndim == 4 else None
        if actions.shape != expected or 0 in expected or any(lead != expected[:2] for lead in leads.values()):
            raise ForethoughtError(
                f"Actions {list(actions.shape)} and what follows {leads} don't fit {len(present)} observations: give actions "
                f"[B, H, {body.block}, {body.action_size}] and streams [B, H, ...] with the same B and H."
            )
        require_finite(actions, "The actions hold")
        later = {name: values.reshape(-1, *values.shape[2:]) for name, values in following.items()}
        states = self._encode(later, "following observation", body.streams).unflatten(0, expected[:2])
        blocks = self.body.to_model(torch.as_tensor(actions, device=self.device).float().flatten(-2))
        return Context(present[:, None], blocks[:, :0]), blocks, states

    @torch.no_grad()
    def ways(self) -> tuple[Tensor, ...]:
        """The way that each level above has in mind since the last decision, level 2 first: states of level 1, [B, P, D] each.

        What a level foresees is shown by the remembered states most like it; empty for a flat agent.
        """
        if self.plan_of_record is None:
            return ()
        if self.plan_of_record.route is not None:
            return (self.plan_of_record.route.stops,)
        return self.hierarchy.ways() if self.hierarchy is not None else ()

    # --- its parts -------------------------------------------------------------------------------------------------

    def _queue_ready(self) -> bool:
        if self._goal is None:
            raise ForethoughtError("The agent has no task yet: call agent.reset(task=Task.reach(goal)) first.")
        return bool(self._queue)

    @torch.no_grad()
    def _encode(self, observation: Observation, what: str, shown: tuple[StreamSettings, ...]) -> Tensor:
        tensors = to_tensors(observation, shown, self.device)
        state = self.modules.world_model.encode(tensors)
        if state.ndim > 2:
            raise ForethoughtError(f"The {what} has {state.ndim - 1} leading axes: give one item or [B, ...].")
        state = state if state.ndim == 2 else state[None]
        if not torch.isfinite(state).all():
            raise NonFiniteError(f"The state of the {what} is NaN or infinite; the weights may be damaged.")
        return state

    def _remember(self, state: Tensor, drives: NDArray[np.float32] | None) -> None:
        names = self.configuration.space.drives
        felt = torch.zeros(len(state), len(names), device=self.device)
        if drives is not None:
            given = torch.as_tensor(drives, device=self.device).float()
            if given.numel() != felt.numel() or not torch.isfinite(given).all():
                raise ForethoughtError(
                    f"drives of shape {tuple(given.shape)} don't fit: give {len(names)} finite numbers "
                    f"({', '.join(names) or 'this body feels nothing'}) for each of {len(state)} episodes."
                )
            felt = given.reshape(felt.shape)
        self.memory.write(state, self._last_action, self.modules.energy.felt(felt, self._last_action))

    def _context(self) -> Context:
        rows = min(self.configuration.world_model.context, self.memory.filled)
        recent = self.memory.context(rows)
        return Context(recent.states, recent.actions)
