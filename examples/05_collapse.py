"""Take away what keeps a JEPA from collapsing, and see the alarm.

A model that predicts embeddings is content if every picture has the same one: prediction is then perfect, and worthless. Two
short trainings on the same episodes: one with the terms that forbid it, as the configurator chooses them, and one with
prediction alone. Expect the first to keep its states apart, and the second to shrink them until the monitor calls it a total
collapse. The first may be warned too, of another thing: after so few steps its states differ, but say little of the agent.
The alarms stand in the run's log.jsonl, and are warned of while it trains. From 100 steps on a training whose state is dead
begins anew with another objective, or stops where you set the weights yourself: these two are too short for that.
"""

import json
from pathlib import Path

import forethought as ft

TINY = {
    "model.encoder.width": 8,
    "training.batch": 16,
    "training.world_model_steps": 90,
    "training.learning_rate": 0.003,
    "training.predictor_steps": 4,
    "training.rollout_steps": 4,
    "training.critic_steps": 4,
    "training.policy_steps": 4,
    "training.distillation_plans": 4,
}
TERMS = (
    *("variance", "covariance", "within_episode_variance", "sigreg", "inverse_dynamics", "multi_step_inverse"),
    *("infonce_prediction", "episode_infonce", "temporal_similarity", "masked_prediction", "ema"),
)
BARE = {f"training.loss.{term}": 0.0 for term in TERMS} | {"training.loss.expander": 0}

options = {"doors": "fixed", "max_steps": 40}
store = ft.collect("forethought/Rooms-v0", out="data/rooms", episodes=100, options=options, seed=0, workers=0)
for name, config in (("default", TINY), ("bare", TINY | BARE)):
    ft.train(store, out=f"runs/{name}", seed=0, config=config)
    lines = [json.loads(line) for line in Path(f"runs/{name}/log.jsonl").read_text().splitlines()]
    last = [line for line in lines if "alarms" in line][-1]
    print(f"{name}: spread of the states {last['batch_std']:.3f}, effective dimensions {last['rankme']:.1f}")
    for alarm in last["alarms"] or ["no alarm"]:
        print(f"    {alarm}")
