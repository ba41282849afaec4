"""OGBench's PointMaze (Park et al. 2024, arXiv:2410.20092): goal-conditioned navigation of a point in a maze, seen from above.

Names: `pointmaze-medium-v0`, `-large-`, `-giant-`, `-teleport-`, also written `ogbench/pointmaze-medium-v0`. Observations are
pixels by default (OGBench registers no PointMaze with pixels: this is its maze with `ob_type='pixels'`, the floor coloured by
position, under its top-down camera), or x, y with streams = ["proprioception"]. In the teleport maze, two teleports move the
point to one of three exits at random; one exit is a cell without a way out. The scripted expert avoids the teleports.

Pixels are rendered at reduced quality (no shadows, no reflections, no multisampling, at twice the size and then averaged).
This is about ten times faster than MuJoCo's default, and its images differ. An action of 1 moves the point by 0.2; a cell is
4 wide.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, ActionSpace, TaskSet, WorldSpec, WorldTask
from forethought.worlds.any_gymnasium.making import NEEDS_EXTRA, make_environment
from forethought.worlds.env_adapter import AdapterOptions, EnvAdapter, EnvFactory, Sight, StepResult
from forethought.worlds.frames import resized
from forethought.worlds.maze_paths import TOLERANCE, MazeGrid
from forethought.worlds.parsing import parsed
from forethought.worlds.random_streams import task_seed

SUCCESS = "the point within 1.0 of the goal's x, y (OGBench's own tolerance; a cell of the maze is 4.0 wide)"
MAX_STEPS = 400
SPREAD = 1.0
"""Maximum distance of starts and goals from a cell's centre, per axis: OGBench's own noise."""
LONGEST_WALK = 130
"""Maximum length of a gamble's safe path in steps: 26 blocks of 5, a distance at which the critic is accurate."""
_NAME = re.compile(r"(ogbench/|ogbench:)?pointmaze-(medium|large|giant|teleport)(-v0)?")


class PointMazeOptions(AdapterOptions):
    """Options of PointMaze, in addition to those of every adapted environment.

    exit: exit of the teleports in the teleport maze: None for a random exit, 0, 1 or 2 for a fixed one (0 is the cell without
        a way out). The other mazes do not accept it.
    """

    exit: Literal[0, 1, 2] | None = None

    @property
    def recorded(self) -> dict[str, Any]:
        """Options as stores and manifests record them; `exit` is omitted if None, as in files older than this option."""
        return self.model_dump(mode="json", exclude={"exit"} if self.exit is None else None)


def is_name(name: str) -> bool:
    """Whether `name` is the name of a point maze."""
    return _NAME.fullmatch(name) is not None


class PointMazeMaker(EnvFactory):
    """Makes copies of a maze that share one renderer.

    Attributes:
        maze: walls and shortest paths. cells: cells of starts and goals, (row, column).
        standard: OGBench's five standard tasks, (start cell, goal cell), cells as (row, column).
    """

    success = SUCCESS
    parts = MappingProxyType({"position": slice(0, 2)})

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Raises ForethoughtError if the package is missing or an option does not fit."""
        match = _NAME.fullmatch(name)
        assert match is not None
        self._id = f"pointmaze-{match[2]}-v0"
        self.options = parsed(PointMazeOptions, options, self._id)
        if self.options.exit is not None and match[2] != "teleport":
            raise ForethoughtError(
                f"World {self._id!r} has no teleports and no option 'exit': remove the option, or use pointmaze-teleport-v0."
            )
        self.check_frames = self.options.check_frames
        if sys.platform == "linux":
            # MuJoCo reads this once, at import; its default needs a display.
            os.environ.setdefault("MUJOCO_GL", "egl")
        try:
            import mujoco
            import ogbench.locomaze
        except ImportError as error:
            raise ForethoughtError(NEEDS_EXTRA.format(name=name)) from error
        assert ogbench.locomaze.__name__ == "ogbench.locomaze"
        self._mujoco = mujoco
        environment = self.environment()
        teleports, exits = (
            np.reshape(np.array((environment._teleport_info or {}).get(name, []), float), (-1, 2))
            for name in ("teleport_in_xys", "teleport_out_xys")
        )
        self.maze = MazeGrid(environment.maze_map, environment._maze_unit, teleports, exits)
        self.cells = self.maze.cells()
        self.standard = [(info["init_ij"], info["goal_ij"]) for info in environment.task_infos]
        environment.close()
        self._renderer: Renderer | None = None
        self._closed = False
        self.spec = WorldSpec(
            name=self._id,
            options=self.options.recorded,
            streams=self.options.stream_specs(2),
            action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
            max_steps=self.options.max_steps or MAX_STEPS,
            block=self.options.block,
            truth={"state": 2, "position": 2},
        )

    def environment(self, **arguments: Any) -> Any:
        """OGBench's environment without wrappers; an episode does not end at OGBench's own goal."""
        return make_environment(self._id, terminate_at_goal=False, **arguments).unwrapped

    def make(self) -> EnvAdapter:
        """A new copy; it steps but never renders."""
        return PointMazeCopy(self)

    def draw(self, xy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Render the maze with the point at x, y, [size, size, 3]."""
        if self._closed:
            raise ForethoughtError(f"World {self.spec.name!r} is closed: read its pixels before close().")
        if self._renderer is None:
            self._renderer = Renderer(self._mujoco, self.environment(ob_type="pixels", width=64, height=64), self.options.size)
        return self._renderer.draw(xy)

    def sight(self, xy: NDArray[np.float32]) -> Sight:
        """Observation of a position; pixels are rendered when they are read."""
        return Sight(xy, lambda name: self.draw(xy) if name == PIXELS else xy)

    def close(self) -> None:
        """Closes the renderer; an open renderer makes the next environment's frames black."""
        self._closed = True
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class Renderer:
    """Renders positions in one maze. It is the only owner of a graphics context in this module."""

    def __init__(self, mujoco: Any, environment: Any, size: int) -> None:
        """Owns an environment of `ob_type='pixels'`, and replaces its slow renderer."""
        self._mujoco, self._environment, self._size = mujoco, environment, size
        # OGBench's close() does not close this renderer.
        environment.custom_renderer.close()
        quality = environment.model.vis.quality
        quality.shadowsize = quality.offsamples = 0
        self._data = mujoco.MjData(environment.model)
        self._renderer = mujoco.Renderer(environment.model, 2 * size, 2 * size)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[flag] = 0

    def draw(self, xy: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Picture [size, size, 3], rendered at twice the size and averaged: motions below one pixel stay visible."""
        self._data.qpos[:] = xy
        self._mujoco.mj_forward(self._environment.model, self._data)
        self._renderer.update_scene(self._data, camera=self._environment.custom_camera)
        return resized(self._renderer.render(), self._size)

    def close(self) -> None:
        """Closes renderer and environment."""
        self._renderer.close()
        self._environment.custom_renderer = None
        self._environment.close()


class PointMazeCopy(EnvAdapter):
    """One maze with one point; its state is x, y."""

    def __init__(self, maker: PointMazeMaker) -> None:
        """Makes OGBench's environment with state observations, without a renderer."""
        self.maker = maker
        self._environment = maker.environment()

    def reset(self, seed: int) -> None:
        """Puts the point near the centre of a random cell."""
        # OGBench samples one of five start cells from the global generator; a dataset needs starts in the whole maze.
        self._environment.action_space.seed(seed)
        self._environment.reset(seed=seed, options={"task_id": 1})
        generator = np.random.default_rng((seed, 0x3A2E))
        self.place(_near_cell(self.maker.maze, generator.choice(self.maker.cells), generator))
        self._exit_generator = np.random.default_rng((seed, 0x7E1E))

    def step(self, action: NDArray[np.float32]) -> StepResult:
        """One step, without termination and without reward: OGBench's goal is not the task's goal."""
        exits, forced = self.maker.maze.exits, self.maker.options.exit
        if len(exits):
            # OGBench samples the exit from the global generator: offer it one exit, sampled from this copy's generator.
            sample = self._exit_generator.integers(len(exits))
            self._environment._teleport_info["teleport_out_xys"] = [tuple(exits[sample if forced is None else forced])]
        self._environment.step(action.astype(np.float64))
        return StepResult()

    def sight(self) -> Sight:
        """Observation of the current position."""
        return self.maker.sight(self._environment.get_xy().astype(np.float32))

    def place(self, state: NDArray[np.floating]) -> None:
        """Puts the point at x, y."""
        self._environment.set_xy(np.asarray(state, np.float64))

    def sight_of(self, state: NDArray[np.float32]) -> Sight:
        """Observation of a position; the point does not move."""
        return self.maker.sight(state)

    def near(self, now: Sight, goal: Sight) -> bool:
        """See `SUCCESS`."""
        return bool(np.linalg.norm(now.state - goal.state) <= TOLERANCE)

    def close(self) -> None:
        """Closes OGBench's environment."""
        self._environment.close()


def _near_cell(maze: MazeGrid, cell: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float64]:
    return maze.centre(cell) + generator.uniform(-SPREAD, SPREAD, 2)


def far_tasks(name: str, options: Mapping[str, Any], number: int, seed: int) -> TaskSet:
    """Tasks between random positions in distant cells: at least the median distance over all pairs of cells.

    `optimal_steps` is the minimum number of steps until the goal counts as reached (see `MazeGrid.steps_to`). The budget is
    three times that number, and at least 50. Task i is a function of (seed, i); its seed is disjoint from collection seeds.
    """
    maker = PointMazeMaker(name, options)
    maze = maker.maze
    cells = maker.cells
    fields = [maze.steps_to(maze.centre(goal)) for goal in cells]
    between = np.array([[steps[maze.point(maze.centre(start))] for start in cells] for steps in fields])
    far = np.argwhere(between >= np.median(between[between > 0]))
    tasks = []
    for index in range(number):
        generator = np.random.default_rng((seed, index, 0x7A5C))
        goal_cell, start_cell = far[generator.integers(len(far))]
        tasks.append(_task(maze, cells[start_cell], cells[goal_cell], generator, task_seed(seed, index), None))
    return TaskSet(maker.spec.name, maker.spec.options, SUCCESS, tuple(tasks))


def standard_tasks(name: str, options: Mapping[str, Any], number: int, seed: int) -> TaskSet:
    """OGBench's five standard tasks in turn, with its noise on start and goal and its budget of 1000 steps."""
    maker = PointMazeMaker(name, options)
    tasks = []
    for index in range(number):
        start_cell, goal_cell = (np.array(cell) for cell in maker.standard[index % len(maker.standard)])
        generator = np.random.default_rng((seed, index, 0x7A5D))
        tasks.append(_task(maker.maze, start_cell, goal_cell, generator, task_seed(seed, index), 1000))
    return TaskSet(maker.spec.name, maker.spec.options, SUCCESS, tuple(tasks))


def gambles(name: str, options: Mapping[str, Any], number: int, seed: int) -> TaskSet:
    """Tasks of the teleport maze with a safe path and a risky shortcut through a teleport.

    For each task a pair of cells is sampled. The safe path around all teleports has at most `LONGEST_WALK` steps. The path
    through a teleport has at most half as many steps if the teleport leads to its best exit. The budget is twice the safe
    path: it suffices for the safe path, and no budget suffices in the cell without a way out. The shortcut is worse in
    expectation, even if failure costs only 50 blocks. In most of OGBench's five standard tasks, whose safe paths have 44 to 80
    blocks, the shortcut is better. `optimal_steps` is the length of the safe path. Task i is a function of (seed, i); its seed
    is disjoint from collection seeds.

    Raises:
        ForethoughtError: the maze has no teleports.
    """
    maker = PointMazeMaker(name, options)
    maze, cells = maker.maze, maker.cells
    if not len(maze.exits):
        raise ForethoughtError(f"World {maker.spec.name!r} has no teleports for gamble tasks: use pointmaze-teleport-v0.")
    points = tuple(np.array([maze.point(maze.centre(cell)) for cell in cells]).T)
    safe, shortcut = (
        np.stack([steps(maze.centre(goal))[points] for goal in cells], 1) for steps in (maze.steps_to, maze.optimistic_steps_to)
    )
    pairs = np.argwhere((safe > 0) & (safe <= LONGEST_WALK) & (2 * shortcut <= safe))
    tasks = []
    for index in range(number):
        generator = np.random.default_rng((seed, index, 0x7A5E))
        start, goal = pairs[generator.integers(len(pairs))]
        tasks.append(_task(maze, cells[start], cells[goal], generator, task_seed(seed, index), None, times=2))
    return TaskSet(maker.spec.name, maker.spec.options, SUCCESS, tuple(tasks))


def _task(
    maze: MazeGrid,
    start_cell: NDArray[np.int64],
    goal_cell: NDArray[np.int64],
    generator: np.random.Generator,
    seed: int,
    budget: int | None,
    times: int = 3,
) -> WorldTask:
    """A task between random positions in two cells; `budget` None: `times` the optimal steps, and at least 50."""
    start, goal = _near_cell(maze, start_cell, generator), _near_cell(maze, goal_cell, generator)
    optimal = float(maze.steps_to(goal)[maze.point(start)])
    return WorldTask(
        seed=seed,
        start=tuple(start.tolist()),
        goal=tuple(goal.tolist()),
        optimal_steps=optimal,
        budget=budget or max(50, int(times * optimal)),
    )
