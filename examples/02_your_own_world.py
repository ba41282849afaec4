"""Any Gymnasium environment is a world, by its id: here Pendulum-v1, seen as its three numbers instead of as pixels.

Collect, train and evaluate need no more than the id and a few options. Goals are states from held-out episodes: "be as you
were in that moment". Expect a success rate with its interval and what random actions reach; trained for seconds, the agent
may do no better than chance, which the two figures side by side show.
"""

import forethought as ft

OPTIONS = {
    "streams": ["proprioception"],  # cosine, sine, speed
    "max_steps": 60,
    "success_distance": 0.1,  # a goal is reached within this distance ...
    "state_scale": [1.0, 1.0, 8.0],  # ... each number divided by its scale
}
TINY = {
    "planner.search.num_samples": 16,
    "planner.search.num_iterations": 2,
    "planner.search.num_elites": 4,
    "training.world_model_steps": 60,
    "training.predictor_steps": 60,
    "training.rollout_steps": 30,
    "training.critic_steps": 60,
    "training.policy_steps": 40,
    "training.distillation_plans": 32,
}

store = ft.collect("Pendulum-v1", out="data/pendulum", episodes=80, options=OPTIONS, seed=0, workers=0)
ft.train(store, out="runs/pendulum", seed=0, config=TINY)
score = ft.evaluate("runs/pendulum", tasks=8, mode="plan")

low, high = score.success_low, score.success_high
print(f"reached {score.success_rate:.0%} of {score.tasks} goals (95 % interval {low:.0%} to {high:.0%})")
print(f"random actions: {score.random_floor:.0%}; a decision takes {score.ms_per_decision:.0f} ms")
