"""What the page shows of an agent's inside: imagined paths, decoded futures, energies over the room, error by horizon."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.cost.contract import Imagined
from forethought.data.store import EpisodeStore
from forethought.evaluation.cost_map import energy_map
from forethought.evaluation.energy_landscape import landscape
from forethought.evaluation.episodes import Recording
from forethought.evaluation.evaluate import Arena, Score
from forethought.evaluation.open_loop import open_loop_error
from forethought.evaluation.probes import fit_probe
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
"""Moments that are shown with the ways they may go, ways, blocks ahead, moments that are tried, and draws of each."""


class CloseLook:
    """One agent, its data and its tasks.

    Positions are read from states by a linear probe, where the truth is known; they are drawn where they are the picture's own,
    in worlds that say so.
    """

    def __init__(self, agent: Agent, store: EpisodeStore, arena: Arena) -> None:
        """Fits the probe; the decoder is trained when it is first asked for."""
        self.agent, self.store, self.arena = agent, store, arena
        self.has_pixels = PIXELS in {stream.name for stream in store.spec.streams}
        known = "position" in store.spec.truth and registry.family_of(store.spec.name).position_in_pixels
        self.probe = fit_probe(agent, store, "position") if known else None
        self.decoder: PixelDecoder | None = None

    def _points(self, states: Tensor) -> NDArray[np.float64]:
        """Imagined states [..., D] to points [..., 2]."""
        assert self.probe is not None
        pooled = self.agent.modules.world_model.metric.pool(states)
        flat = self.probe.predict(pooled.reshape(-1, pooled.shape[-1]).cpu().numpy())
        return np.asarray(flat, np.float64).reshape(*states.shape[:-1], 2)

    def episodes(self, recording: Recording, score: Score, mode: str, good: int, bad: int) -> tuple[page.RecordedEpisode, ...]:
        """Some recorded tasks that went well and some that did not."""
        if not recording.frames:
            return ()
        outcomes = list(enumerate(score.touched[: recording.count]))
        chosen = [i for i, touched in outcomes if touched][:good] + [i for i, touched in outcomes if not touched][:bad]
        return tuple(self._episode(recording, index, score, mode) for index in chosen)

    def _episode(self, recording: Recording, index: int, score: Score, mode: str) -> page.RecordedEpisode:
        task = self.arena.tasks.tasks[index]
        length = min(len(recording.frames), task.budget + 1)
        decisions = [step for step in recording.decisions if step < length]
        distance = np.full(length, np.nan)
        for number, step in enumerate(decisions):
            distance[step] = float(recording.distances[number][index])
        imagined = tuple(self._points(recording.imagined[n][index]) for n in range(len(decisions))) if self.probe else ()
        found = recording.ways[: len(decisions)] if self.probe else []
        has_path = bool(recording.positions) and self.probe is not None
        return page.RecordedEpisode(
            frames=np.stack([frame[index] for frame in recording.frames[:length]]),
            goal=recording.goals[index] if recording.goals is not None else None,
            path=np.stack([place[index] for place in recording.positions[:length]]) if has_path else None,
            imagined=imagined,
            decision_steps=tuple(decisions) if imagined else (),
            succeeded=score.touched[index],
            mode=mode,
            energies={"critic": distance} if decisions else {},
            goal_xy=(task.goal[0], task.goal[1]) if self.probe is not None else None,
            note=f"task {index}",
            ways=tuple(tuple(self._points(way[index]) for way in ways) for ways in found),
            walls=self._walls(task),
        )

    def _walls(self, task: WorldTask) -> tuple[tuple[int, float], ...]:
        """Where the walls of a task stand, in a world that has rooms."""
        if self.arena.world != ROOMS:
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
        """The first decision of the farthest task: what the planner took, among others that it might have taken."""
        if not self.has_pixels:
            return None
        tasks = self.arena.tasks.tasks
        number = max(range(len(tasks)), key=lambda index: tasks[index].optimal_steps or 0.0)
        world = registry.make(self.arena.world, 1, **self.arena.options)
        try:
            frame = world.begin([tasks[number]])
            goal, place = (self.arena.goals, number) if self.arena.goals else (world.goal_observation(), 0)
            picture = frame.observation[PIXELS][0]
            goal_picture = goal[PIXELS][place] if PIXELS in goal else None
            goal_item = {name: goal[name][place : place + 1] for name in goal}
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
        steady = (2 * noise - 1).expand(-1, -1, plan.actions.shape[1], -1)
        remembered = bank.nearest(state[:, -1], min(CANDIDATES // 2, len(bank)))
        candidates = torch.cat([plan.actions[:, None], remembered, steady], 1)
        candidates = candidates.clamp(self.agent.body.low, self.agent.body.high)
        states = self.agent.modules.world_model.rollout(Context(state, candidates[:, 0, :0]), candidates)
        # Where it was headed at that moment: for the goal, or for what the level above wants.
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
        """Held-out clips beside what was imagined from their first frame, decoded."""
        if not self.has_pixels:
            return ()
        decoder = self._decoder()
        length = int(min(8, self.store.whole_lengths[self.store.heldout].max()))
        fits = self._held_out(length)[:FUTURES]
        clips = self.store.clips(fits, np.zeros(len(fits), np.int64), length)
        streams = self.agent.configuration.data.streams
        states = self.agent.modules.world_model.encode(to_tensors(clips.observation, streams, self.agent.device))
        actions = self.agent.body.to_model(torch.from_numpy(clips.actions).to(self.agent.device))
        start = Context(states[:, :1], actions[:, :0])
        imagined = self.agent.modules.world_model.rollout(start, actions[:, None])[:, 0]
        decoded = decode(decoder, torch.cat([states[:, :1], imagined], 1))
        return tuple(
            page.FuturePictures(real, picture, note=f"held-out episode {episode}")
            for real, picture, episode in zip(clips.observation[PIXELS], decoded, fits.tolist(), strict=True)
        )

    @torch.no_grad()
    def fans(self) -> tuple[page.Fan, ...]:
        """The held-out moments whose futures differ most, under the actions that were taken there."""
        level, episodes = self.agent.modules.world_model, self._held_out(FAN_BLOCKS)
        if level.latent is None or not self.has_pixels or len(episodes) == 0:
            return ()
        draws = np.random.default_rng(0)
        chosen = draws.choice(episodes, MOMENTS)
        clips = self.store.clips(chosen, draws.integers(0, self.store.whole_lengths[chosen] - FAN_BLOCKS + 1), FAN_BLOCKS)
        now = {name: values[:, 0] for name, values in clips.observation.items()}
        states = level.encode(to_tensors(now, self.agent.configuration.data.streams, self.agent.device))
        actions = self.agent.body.to_model(torch.from_numpy(clips.actions).to(self.agent.device))
        spread = sample_states(level, states, actions, DRAWS)[:, :, -1].var(1).mean(-1)
        shown: dict[int, int] = {}
        for moment in spread.argsort(descending=True).tolist():
            shown.setdefault(int(chosen[moment]), moment)
        return tuple(
            self._fan({name: values[moment] for name, values in now.items()}, clips.actions[moment], episode)
            for episode, moment in list(shown.items())[:FANS]
        )

    def _fan(self, now: Observation, taken: NDArray[np.float32], episode: int) -> page.Fan:
        """One moment, by what `Agent.imagine` says of it."""
        body = self.agent.configuration.data
        found = self.agent.imagine(now, taken.reshape(len(taken), body.block, body.action_size), samples=LINES)
        decoded = decode(self._decoder(), found.states)
        return page.Fan(now[PIXELS], decoded, found.odds.cpu().numpy(), f"held-out episode {episode}")

    def _held_out(self, blocks: int) -> NDArray[np.int64]:
        """Held-out episodes of at least so many blocks."""
        return self.store.heldout[self.store.whole_lengths[self.store.heldout] >= blocks]

    def _decoder(self) -> PixelDecoder:
        """Trained on training rows' states, which are detached: people see more, the model learns nothing."""
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
        """The energy over the room as seen from the first task's goal; Rooms only, where any place can be tried."""
        if self.probe is None or self.arena.world != ROOMS:
            return ()
        found = energy_map(self.agent, self.arena, 0)
        return tuple(
            page.HeatMap(name, grid, found.background, found.goal, found.extent, found.guidance[name])
            for name, grid in found.grids.items()
        )

    def landscapes(self) -> tuple[page.LandscapePicture, ...]:
        """The energy of all outcomes of one block of the first task; Rooms only."""
        if not self.has_pixels or self.arena.world != ROOMS:
            return ()
        found, latent = landscape(self.agent, self.arena, 0), self.agent.modules.world_model.latent
        ways = 1 if latent is None else latent.size if isinstance(latent, Codes) else None
        return (page.LandscapePicture(found.grid, found.seen, found.extent, found.start, found.outcome, ways, "task 0"),)

    def error_by_horizon(self) -> tuple[page.HorizonError, ...]:
        """Open-loop error of states, and of positions where they are known."""
        error = open_loop_error(self.agent, self.store, self.probe)
        horizon = error.horizon.astype(float)
        told = [page.HorizonError(horizon, error.state_error, error.copy_error, "share of the states' variance")]
        if error.position_error is not None and error.copy_position_error is not None:
            told.insert(0, page.HorizonError(horizon, error.position_error, error.copy_position_error, "pixels"))
        return tuple(told)
