"""Ask the agent what would come of actions that nobody takes.

A held-out episode is opened at its start. For four plans, the one that was really taken and three made up, the agent imagines
the states that follow; the critic says how many blocks each is from where the plan taken should lead. Then the energy: how
badly each plan goes with what was really seen. Expect distances that end lowest for the plan taken, and four energies that
hardly differ: a model trained for seconds can't tell yet which plan it was, and its collapse monitor may say so.
"""

import numpy as np
import torch

import forethought as ft

AHEAD = 4
TINY = {
    "model.encoder.width": 8,
    "training.batch": 16,
    "training.world_model_steps": 100,
    "training.predictor_steps": 100,
    "training.rollout_steps": 20,
    "training.critic_steps": 250,
    "training.policy_steps": 4,
    "training.distillation_plans": 4,
}

options = {"doors": "fixed", "max_steps": 40}
store = ft.collect("forethought/Rooms-v0", out="data/rooms", episodes=100, options=options, seed=0, workers=0)
agent = ft.train(store, out="runs/rooms", seed=0, config=TINY)

# A held-out episode: what was seen, and what was done, as [blocks, steps in a block, numbers in an action].
rows = store.rows_of(store.heldout[:1])[: AHEAD + 1]
pixels = store.rows("pixels", rows)
done = store.rows("actions", rows[:AHEAD]).reshape(AHEAD, store.block, -1)
still, right = np.zeros_like(done), np.zeros_like(done)
right[..., 0] = 1.0
plans = {"as it was": done, "the opposite": -done, "stand still": still, "to the right": right}

# Imagine all four from the first picture: states [1 future, 4 plans, 4 blocks, D].
actions = np.stack(list(plans.values()))
imagined = agent.imagine({"pixels": pixels[0]}, actions).states[0]
goal = agent.imagine({"pixels": pixels[0]}, done).states[0, -1]
with torch.no_grad():
    away = agent.modules.critic.distance(imagined, goal.expand_as(imagined))

# Energy: of each plan, with the pictures that really followed.
count = len(plans)
seen, followed = ({"pixels": np.stack([part] * count)} for part in (pixels[0], pixels[1:]))
energy = agent.energy(seen, actions, followed)
for name, distances, misfit in zip(plans, away.tolist(), energy.tolist(), strict=True):
    blocks = " ".join(f"{distance:5.1f}" for distance in distances)
    print(f"{name:>12}: blocks to where the plan taken should lead {blocks}   energy {misfit:.3f}")
