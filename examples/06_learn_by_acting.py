"""An agent learns a world's own task by acting in it, from nothing. 200 steps teach little; 3000 balance the pole."""

import forethought as ft

agent = ft.live("CartPole-v1", out="runs/cartpole", steps=200, seed=0)
print(ft.evaluate_return(agent, episodes=5).sentence)
print("planning:", agent.configuration.because("planner.reward_mode"))

# What it lived through is a store like any other.
store = ft.EpisodeStore.open("runs/cartpole/dataset")
print(store.num_episodes, "episodes,", store.num_rows, "rows")

# A finished life goes on with more steps.
agent = ft.live("CartPole-v1", out="runs/cartpole", steps=250, seed=0, resume=True)

# One episode with the agent, reacting; mode="plan" searches from the policy's plans.
world = ft.make_world("CartPole-v1", num=1, streams=["proprioception"])
frame, total = world.reset([7]), 0.0
agent.reset(task=ft.Task.world(episodes=1), seed=0)
while not frame.ended.all():
    frame = world.step(agent.act(frame.observation, mode="react"))
    total += float(frame.rewards[0])
print("return", total)
