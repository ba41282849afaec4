"""dm_control's Reacher (Tassa et al. 2018, arXiv:1801.00690) with goals from recordings: a planar arm.

The world is the suite's model, stepped by MuJoCo itself: no target is drawn, an episode does not end and has no reward. As with
stable-worldmodel a step of ours is two of the suite's (0.04 s), and an episode has 200. Pixels are rendered at reduced quality
(no shadows, no reflections, no multisampling, at twice the size and then averaged), as in PointMaze.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, ActionSpace, WorldSpec
from forethought.worlds.any_gymnasium.making import NEEDS_EXTRA
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.parsing import parsed

NAME = "dm_control/Reacher-v0"
STATE = 4
"""Angles of shoulder and wrist (radians), their velocities (radians a second)."""
SUBSTEPS, MAX_STEPS = 2, 200
UPPER, LOWER = 0.12, 0.12
"""Lengths of the two links up to the fingertip's centre, in metres."""
NEAR_ANGLE, NEAR_TIP = 0.05, 0.01
"""Radians; metres."""
Success = Literal["joints", "fingertip"]
SUCCESS: Mapping[Success, str] = MappingProxyType(
    {
        "joints": "both joints within 0.05 rad of the goal's, the shoulder by the shorter way round (stable-worldmodel's test)",
        "fingertip": "the fingertip within 0.01 m of the goal's (CLEAR-LeWM's strict test, which wants two steps there)",
    }
)


class ReacherOptions(AdapterOptions):
    """Options of Reacher, in addition to those of every adapted environment.

    success: the test: `joints`, the configuration as peers test it, or `fingertip`, the place of the fingertip alone.
    """

    success: Success = "joints"


def fingertip(state: NDArray[np.floating]) -> NDArray[np.floating]:
    """Place x, y of the fingertip in metres, of states [..., 2 or more] that begin with the joint angles."""
    shoulder, both = state[..., 0], state[..., 0] + state[..., 1]
    return np.stack([UPPER * np.cos(shoulder) + LOWER * np.cos(both), UPPER * np.sin(shoulder) + LOWER * np.sin(both)], -1)


class ReacherMaker(EnvFactory):
    """Makes copies of Reacher that share one model and one renderer."""

    parts = MappingProxyType({"position": slice(0, 2)})

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Raises ForethoughtError if the package is missing or an option does not fit."""
        self.options = parsed(ReacherOptions, options, NAME)
        self.check_frames = self.options.check_frames
        self.success = SUCCESS[self.options.success]
        if sys.platform == "linux":
            # MuJoCo reads this once, at import; its default needs a display.
            os.environ.setdefault("MUJOCO_GL", "egl")
        try:
            import mujoco
            from dm_control.suite import reacher
        except ImportError as error:
            raise ForethoughtError(NEEDS_EXTRA.format(name=NAME)) from error
        self.mujoco = mujoco
        xml, assets = reacher.get_model_and_assets()
        self.model = mujoco.MjModel.from_xml_string(xml.decode() if isinstance(xml, bytes) else xml, assets)
        self.model.geom("target").rgba[3] = 0.0
        self.wrist = self.model.joint("wrist").range
        self._renderer: ReacherRenderer | None = None
        self._closed = False
        self.spec = WorldSpec(
            name=NAME,
            options=self.options.model_dump(mode="json"),
            streams=self.options.stream_specs(6),
            action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
            max_steps=self.options.max_steps or MAX_STEPS,
            block=self.options.block,
            truth={"state": STATE, "position": 2},
        )

    def make(self) -> EnvAdapter:
        """A new copy; it steps but never renders."""
        return ReacherCopy(self)

    def sight(self, state: NDArray[np.floating]) -> Sight:
        """Observation of a state [4]; pixels are rendered when they are read."""
        exact = np.asarray(state, np.float32)
        return Sight(exact, lambda name: self._draw(exact) if name == PIXELS else self._sense(exact))

    def _sense(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines and sines of the two angles, and the two velocities, [6]."""
        return np.concatenate([np.cos(state[:2]), np.sin(state[:2]), state[2:]]).astype(np.float32)

    def _draw(self, state: NDArray[np.float32]) -> NDArray[np.uint8]:
        if self._closed:
            raise ForethoughtError(f"World {NAME!r} is closed: read its pixels before close().")
        if self._renderer is None:
            self._renderer = ReacherRenderer(self.mujoco, self.model, self.options.size)
        return self._renderer.draw(state)

    def close(self) -> None:
        """Closes the renderer; an open renderer makes the next environment's frames black."""
        self._closed = True
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class ReacherRenderer:
    """Renders configurations. It is the only owner of a graphics context in this module."""

    def __init__(self, mujoco: Any, model: Any, size: int) -> None:
        """Args: mujoco: the module. size: of the picture."""
        self._mujoco, self._model, self._size = mujoco, model, size
        model.vis.quality.shadowsize = model.vis.quality.offsamples = 0
        self._data = mujoco.MjData(model)
        self._renderer = mujoco.Renderer(model, 2 * size, 2 * size)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0

    def draw(self, state: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Picture [size, size, 3], rendered at twice the size and averaged: motions below one pixel stay visible."""
        self._data.qpos[:] = state[:2]
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        self._renderer.update_scene(self._data, camera="fixed")
        return resized(self._renderer.render(), self._size)

    def close(self) -> None:
        """Closes the renderer."""
        self._renderer.close()


class ReacherCopy(EnvAdapter):
    """One arm."""

    def __init__(self, maker: ReacherMaker) -> None:
        """Makes the arm's own simulation state."""
        self.maker = maker
        self._data = maker.mujoco.MjData(maker.model)

    def reset(self, seed: int) -> None:
        """Put the arm, at rest, into a random configuration, as the suite does."""
        generator = np.random.default_rng((seed, 0x2EAC))
        angles = generator.uniform(-math.pi, math.pi), generator.uniform(*self.maker.wrist)
        self.place(np.array([*angles, 0.0, 0.0], np.float32))

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """Two steps of the suite, without reward and without an end."""
        self._data.ctrl[:] = action
        self.maker.mujoco.mj_step(self.maker.model, self._data, nstep=SUBSTEPS)
        return StepResult()

    def sight(self) -> Sight:
        """Observation of the present state."""
        return self.maker.sight(np.concatenate([self._data.qpos, self._data.qvel]))

    def place(self, state: NDArray[np.float32]) -> None:
        """Put the arm into a configuration with its velocities."""
        self.maker.mujoco.mj_resetData(self.maker.model, self._data)
        self._data.qpos[:], self._data.qvel[:] = state[:2], state[2:]

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """Observation of a state; the arm does not move."""
        return self.maker.sight(state)

    def near(self, now: Sight, goal: Sight) -> bool:
        """See `SUCCESS`."""
        if self.maker.options.success == "fingertip":
            return bool(np.linalg.norm(fingertip(now.state) - fingertip(goal.state)) <= NEAR_TIP)
        apart = (now.state - goal.state)[:2].astype(float)
        apart[0] = (apart[0] + math.pi) % (2 * math.pi) - math.pi
        return bool(np.abs(apart).max() < NEAR_ANGLE)

    def close(self) -> None:
        """Nothing to release: the renderer is the maker's."""
