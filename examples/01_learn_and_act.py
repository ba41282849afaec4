"""Watch, learn, act: the whole loop in one page.

The agent watches episodes of the built-in world of two rooms, learns a world model from them, and then acts: it looks,
imagines, takes the cheapest plan's first block, and looks again. Expect a line of what it foresaw for each decision. With so
few episodes and steps it seldom arrives: 8000 episodes and no `config` make an agent that does (about 40 core-minutes).
"""

import forethought as ft
from forethought.worlds import make_tasks

ROOMS, OPTIONS = "forethought/Rooms-v0", {"doors": "fixed", "max_steps": 40}
TINY = {
    "model.encoder.width": 8,
    "planner.search.num_samples": 32,
    "planner.search.num_iterations": 2,
    "planner.search.num_elites": 4,
    "training.batch": 16,
    "training.world_model_steps": 30,
    "training.predictor_steps": 60,
    "training.rollout_steps": 20,
    "training.critic_steps": 100,
    "training.policy_steps": 40,
    "training.distillation_plans": 32,
}

# Watch, and learn.
store = ft.collect(ROOMS, out="data/rooms", episodes=80, options=OPTIONS, seed=0, workers=0)
agent = ft.train(store, out="runs/rooms", seed=0, config=TINY)

# Act. A task is an observation of the goal; the world is asked for one step at a time.
world = ft.make_world(ROOMS, num=1, **OPTIONS)
frame = world.begin(make_tasks(ROOMS, OPTIONS, number=1, seed=1).tasks)
agent.reset(task=ft.Task.reach(world.goal_observation()), seed=0)
steps = 0
while not (frame.ended | world.reached()).all():
    action = agent.act(frame.observation)
    if steps % store.block == 0:
        record = agent.plan_of_record
        how = "planned" if record.planned.all() else "reacted"
        print(f"step {steps:3}: {how}, the goal seems {record.distance.item():4.1f} blocks away")
    frame = world.step(action)
    steps += 1
print("There." if world.reached().all() else "Not this time.", f"{steps} steps.")
