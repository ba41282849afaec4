"""Visualizations of an agent for the report: predicted paths, decoded futures, cost maps, error by horizon."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.cost.contract import Imagined
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena
from forethought.evaluation.cost_map import energy_map
from forethought.evaluation.energy_landscape import landscape
from forethought.evaluation.episodes import Recording
from forethought.evaluation.open_loop import open_loop_error
from forethought.evaluation.probes import fit_probe
from forethought.evaluation.score import Score
from forethought.evaluation.states import sample_states
from forethought.goals import StateGoal
from forethought.perception import to_tensors
from forethought.readout.decoder import PixelDecoder, decode, train_decoder
from forethought.report import report_data as page
from forethought.types import PIXELS, Observation, Task, WorldTask
from forethought.world_model.latent import Codes
from forethought.world_model.level import Context
from forethought.worlds import registry
from forethought.worlds.rooms import NAME as ROOMS
from forethought.worlds.rooms.world import RoomsWorld

DECODER_ROWS, DECODER_STEPS, FEWEST_STEPS = 20_000, 1000, 200
FUTURES, CANDIDATES = 3, 40
FANS, LINES, FAN_BLOCKS, MOMENTS, DRAWS = 2, 4, 6, 256, 16
"""Sampled futures: moments shown, futures per moment, blocks ahead, candidate moments, samples per candidate moment."""


class CloseLook:
    """Visualizations of one agent on its data and its held-out tasks.

    A linear probe reads positions from states. Paths are drawn only in environments whose true position is in picture
    coordinates (`position_in_pixels`).
    """

    def __init__(self, agent: Agent, store: EpisodeStore, arena: Arena | None) -> None:
        """Fits the probe; the decoder is trained at its first use. `arena`: None without a world to act in."""
        self.agent, self.store, self.arena = agent, store, arena
        self.has_pixels = PIXELS in {stream.name for stream in store.spec.streams}
        has_positions = (
            arena is not None and "position" in store.spec.truth and registry.family_of(store.spec.name).position_in_pixels
        )
        self.probe = fit_probe(agent, store, "position") if has_positions else None
        self.decoder: PixelDecoder | None = None

    def _points(self, states: Tensor) -> NDArray[np.float64]:
        """Predicted states [..., D] as points [..., 2] in picture coordinates, by the probe."""
        assert self.probe is not None
        pooled = self.agent.modules.world_model.metric.pool(states)
        flat = self.probe.predict(pooled.reshape(-1, pooled.shape[-1]).cpu().numpy())
        return np.asarray(flat, np.float64).reshape(*states.shape[:-1], 2)

    def episodes(self, recording: Recording, score: Score, mode: str, good: int, bad: int) -> tuple[page.RecordedEpisode, ...]:
        """The first `good` successes and the first `bad` failures among the recorded tasks."""
        if not recording.frames:
            return ()
        outcomes = list(enumerate(score.touched[: recording.count]))
        chosen = [i for i, touched in outcomes if touched][:good] + [i for i, touched in outcomes if not touched][:bad]
        return tuple(self._episode(recording, index, score, mode) for index in chosen)

    def _episode(self, recording: Recording, index: int, score: Score, mode: str) -> page.RecordedEpisode:
        assert self.arena is not None
        task = self.arena.tasks.tasks[index]
        length = min(len(recording.frames), task.budget + 1)
        decisions = [step for step in recording.decisions if step < length]
        distance = np.full(length, np.nan)
        for number, step in enumerate(decisions):
            distance[step] = float(recording.distances[number][index])
        imagined = tuple(self._points(recording.imagined[n][index]) for n in range(len(decisions))) if self.probe else ()
        waypoints = recording.ways[: len(decisions)] if self.probe else []
        has_path = bool(recording.positions) and self.probe is not None
        return page.RecordedEpisode(
            frames=np.stack([frame[index] for frame in recording.frames[:length]]),
            goal=recording.goals[index] if recording.goals is not None else None,
            path=np.stack([position[index] for position in recording.positions[:length]]) if has_path else None,
            imagined=imagined,
            decision_steps=tuple(decisions) if imagined else (),
            succeeded=score.touched[index],
            mode=mode,
            energies={"critic": distance} if decisions else {},
            goal_xy=(task.goal[0], task.goal[1]) if self.probe is not None else None,
            note=f"task {index}",
            ways=tuple(tuple(self._points(states[index]) for states in levels) for levels in waypoints),
            walls=self._walls(task),
        )

    def _walls(self, task: WorldTask) -> tuple[tuple[int, float], ...]:
        """(axis, position) of the walls of a task; empty for an environment other than Rooms."""
        if self.arena is None or self.arena.world != ROOMS:
            return ()
        world = registry.make(self.arena.world, 1, **self.arena.options)
        assert isinstance(world, RoomsWorld)
        try:
            world.begin([task])
            return tuple(zip(world.plan.wall_axis.tolist(), world.layout.offsets[0].tolist(), strict=True))
        finally:
            world.close()

    @torch.no_grad()
    def imagining(self) -> page.Imagining | None:
        """The first decision of the task with the longest optimal path: the chosen plan (index 0) and other candidates."""
        if not self.has_pixels or self.arena is None:
            return None
        tasks = self.arena.tasks.tasks
        number = max(range(len(tasks)), key=lambda index: tasks[index].optimal_steps or 0.0)
        world = registry.make(self.arena.world, 1, **self.arena.options)
        try:
            frame = world.begin([tasks[number]])
            goal, index = (self.arena.goals, number) if self.arena.goals else (world.goal_observation(), 0)
            picture = frame.observation[PIXELS][0]
            goal_picture = goal[PIXELS][index] if PIXELS in goal else None
            goal_item = {name: goal[name][index : index + 1] for name in goal}
            self.agent.reset(Task.reach(goal_item), seed=0)
            decision = self.agent.decide({name: frame.observation[name] for name in frame.observation}, "plan")
            plan = decision.plan
        finally:
            world.close()
        bank = self.agent.mpc.retrieval
        if self.probe is None or bank is None:
            return page.Imagining(picture, goal_picture, None, None, 0)
        state = self.agent.memory.context(1).states
        noise = EpisodeGenerators([0], self.agent.device).uniform(CANDIDATES, 1, plan.actions.shape[-1])
        constant = (2 * noise - 1).expand(-1, -1, plan.actions.shape[1], -1)
        retrieved = bank.nearest(state[:, -1], min(CANDIDATES // 2, len(bank)))
        candidates = torch.cat([plan.actions[:, None], retrieved, constant], 1)
        candidates = candidates.clamp(self.agent.body.low, self.agent.body.high)
        states = self.agent.modules.world_model.rollout(Context(state, candidates[:, 0, :0]), candidates)
        # The target of the decision: the goal, or the subgoal of level 2.
        energies = self.agent.modules.critic(Imagined(states, candidates), StateGoal(decision.target))[0].mean(-1)
        task = tasks[number]
        start = task.start or tuple(frame.truth["position"][0].tolist())
        paths = tuple(self._points(path[0]) for path in self.agent.subgoals.waypoints())
        return page.Imagining(
            picture, goal_picture, self._points(states[0]), energies.cpu().numpy(), 0,
            (start[0], start[1]), (task.goal[0], task.goal[1]), paths,
        )  # fmt: skip

    @torch.no_grad()
    def futures(self) -> tuple[page.FuturePictures, ...]:
        """Held-out clips and the decoded open-loop predictions from their first frame, or from the first ones of a context."""
        if not self.has_pixels:
            return ()
        decoder = self._decoder()
        past = self.agent.configuration.model.predictor.context - 1
        length = int(min(8 + past, self.store.lengths[self.store.heldout].max()))
        if length <= past:
            return ()
        episodes = self._held_out(length)[:FUTURES]
        clips = self.store.clips(episodes, np.zeros(len(episodes), np.int64), length)
        streams = self.agent.configuration.data.streams
        states = self.agent.modules.world_model.encode(to_tensors(clips.observation, streams, self.agent.device))
        actions = self.agent.body.to_model(torch.from_numpy(clips.actions).to(self.agent.device))
        imagined = self.agent.modules.world_model.open_loop(states, actions, past + 1)
        decoded = decode(decoder, torch.cat([states[:, past : past + 1], imagined], 1))
        told = f"; the model has seen {past} earlier frame{'s' if past > 1 else ''}, too" if past else ""
        return tuple(
            page.FuturePictures(real, picture, note=f"held-out episode {episode}{told}")
            for real, picture, episode in zip(clips.observation[PIXELS][:, past:], decoded, episodes.tolist(), strict=True)
        )

    @torch.no_grad()
    def fans(self) -> tuple[page.Fan, ...]:
        """The held-out moments whose sampled futures have the largest variance under the recorded actions."""
        level, episodes = self.agent.modules.world_model, self._held_out(FAN_BLOCKS)
        if level.latent is None or not self.has_pixels or len(episodes) == 0:
            return ()
        generator = np.random.default_rng(0)
        chosen = generator.choice(episodes, MOMENTS)
        clips = self.store.clips(chosen, generator.integers(0, self.store.lengths[chosen] - FAN_BLOCKS + 1), FAN_BLOCKS)
        now = {name: values[:, 0] for name, values in clips.observation.items()}
        states = level.encode(to_tensors(now, self.agent.configuration.data.streams, self.agent.device))
        actions = self.agent.body.to_model(torch.from_numpy(clips.actions).to(self.agent.device))
        variance = sample_states(level, states, actions, DRAWS)[:, :, -1].var(1).mean(-1)
        moment_of: dict[int, int] = {}  # one moment per episode, the one of the largest variance
        for moment in variance.argsort(descending=True).tolist():
            moment_of.setdefault(int(chosen[moment]), moment)
        return tuple(
            self._fan({name: values[moment] for name, values in now.items()}, clips.actions[moment], episode)
            for episode, moment in list(moment_of.items())[:FANS]
        )

    def _fan(self, now: Observation, taken: NDArray[np.float32], episode: int) -> page.Fan:
        """Sampled futures of one moment, from `Agent.imagine`."""
        body = self.agent.configuration.data
        futures = self.agent.imagine(now, taken.reshape(len(taken), body.block, body.action_size), samples=LINES)
        decoded = decode(self._decoder(), futures.states)
        return page.Fan(now[PIXELS], decoded, futures.odds.cpu().numpy(), f"held-out episode {episode}")

    def _held_out(self, blocks: int) -> NDArray[np.int64]:
        """Held-out episodes of at least `blocks` blocks."""
        return self.store.heldout[self.store.lengths[self.store.heldout] >= blocks]

    def _decoder(self) -> PixelDecoder:
        """The image decoder, trained on detached states of training rows: its gradients do not reach the model."""
        if self.decoder is None:
            rows = np.sort(np.random.default_rng(0).permutation(self.store.rows_of(self.store.train))[:DECODER_ROWS])
            frames = self.store.rows(PIXELS, rows)
            streams = self.agent.configuration.data.streams
            observation = {stream.name: self.store.rows(stream.name, rows) for stream in streams}
            tensors = to_tensors(observation, streams, self.agent.device)
            parts = [
                self.agent.modules.world_model.encode({name: values[i : i + 512] for name, values in tensors.items()})
                for i in range(0, len(rows), 512)
            ]
            steps = max(FEWEST_STEPS, min(DECODER_STEPS, len(rows) // 8))
            with torch.enable_grad():
                self.decoder = train_decoder(torch.cat(parts).detach(), frames, steps)
        return self.decoder

    def heat_maps(self) -> tuple[page.HeatMap, ...]:
        """Cost of each position for the goal of the first task; Rooms only, where the agent can be put at any position."""
        if self.probe is None or self.arena is None or self.arena.world != ROOMS:
            return ()
        costs = energy_map(self.agent, self.arena, 0)
        return tuple(
            page.HeatMap(name, grid, costs.background, costs.goal, costs.extent, costs.guidance[name])
            for name, grid in costs.grids.items()
        )

    def landscapes(self) -> tuple[page.LandscapePicture, ...]:
        """The energy landscape of one transition of the first task; Rooms only."""
        if not self.has_pixels or self.arena is None or self.arena.world != ROOMS:
            return ()
        land, latent = landscape(self.agent, self.arena, 0), self.agent.modules.world_model.latent
        codes = 1 if latent is None else latent.size if isinstance(latent, Codes) else None
        return (page.LandscapePicture(land.grid, land.seen, land.extent, land.start, land.outcome, codes, "task 0"),)

    def error_by_horizon(self) -> tuple[page.HorizonError, ...]:
        """Open-loop error of states, and of positions if the data have them."""
        error = open_loop_error(self.agent, self.store, self.probe)
        horizon = error.horizon.astype(float)
        errors = [page.HorizonError(horizon, error.state_error, error.copy_error, "share of the states' variance")]
        if error.position_error is not None and error.copy_position_error is not None:
            errors.insert(0, page.HorizonError(horizon, error.position_error, error.copy_position_error, "pixels"))
        return tuple(errors)
