"""openai/gym#1826, galilai-group/stable-worldmodel#224: the world has goals of its own (desired_goal, info['is_success'])."""
import logging

import numpy as np
from _case import SCRATCH, SENSES, SHORT, Box, Walk, ft, names, register, told, verdict
from gymnasium.spaces import Dict

READ = []


class Goal(Walk):
    observation_space = Dict({key: Box(-2, 2, (2,), np.float32) for key in ("observation", "achieved_goal", "desired_goal")})

    def reset(self, *, seed=None, options=None):
        self.wanted = np.random.default_rng(seed).uniform(-2, 2, 2).astype(np.float32)
        return super().reset(seed=seed)

    def see(self):
        at = self.at.astype(np.float32)
        return {"observation": at, "achieved_goal": at, "desired_goal": self.wanted}


said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)


def whole():
    from forethought.evaluation.task_choice import choose_tasks

    store = ft.collect(register(Goal), out=SCRATCH / "s", episodes=40, workers=0, options=SENSES, progress=False)
    task = choose_tasks(store.spec.name, store.spec.options, 1, store).tasks[0]
    return task.goal, tuple(np.random.default_rng(task.seed).uniform(-2, 2, 2).round(3).tolist())


kind, what = told(whole)
good = kind == "value" and np.allclose(*what, atol=1e-2)
verdict(good or names(said, "goal"), f"docs/your-own-parts.md: where a world gives no goals they come from held-out episodes; this one gives {what[1]}, and the task asks for {what[0]}; said: {said or 'nothing'}")
