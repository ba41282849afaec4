"""A planner of one's own: a hill climber, checked by the kit and then given to an agent.

A planner sees a start, a way to roll actions out, a cost and bounds; never pixels or worlds. This one keeps the cheapest plan
it knows and tries changes to it that grow smaller. Expect the kit to pass it without a word (a planner that breaks a promise
gets a sentence on what is wrong), and then, for one decision, its energy beside that of the agent's own planner. The training
is far too short to teach anything, and the collapse monitor may say so.
"""

import forethought as ft
from forethought.actor import Plan, Planner, PlanningProblem, check_planner
from forethought.actor.sampling_search import Incumbent
from forethought.worlds import make_tasks


class HillClimber(Planner):
    """Changes the best plan so far, ever less, and keeps what is cheaper."""

    def __init__(self, horizon: int, candidates: int = 64, rounds: int = 6) -> None:
        """Blocks ahead, changes tried in each round, rounds."""
        self.horizon, self.candidates, self.rounds = horizon, candidates, rounds

    def plan(self, problem: PlanningProblem) -> Plan:
        """What was suggested, uniform draws, then the neighbourhood of the best."""
        best, reach = Incumbent(problem), problem.high - problem.low
        if problem.candidates is not None:
            best.evaluate(problem.candidates)
        for number in range(self.rounds):
            drawn = problem.streams.uniform(self.candidates, self.horizon, problem.low.numel())
            if number == 0:
                best.evaluate(problem.low + drawn * reach)
            else:
                change = (drawn - 0.5) * reach / number
                near = best.plan().actions[:, None] + change
                best.evaluate(near.clamp(problem.low, problem.high))
        return best.plan()


check_planner(HillClimber(horizon=3))
print("The kit has nothing to say against it.")

ROOMS, OPTIONS = "forethought/Rooms-v0", {"doors": "fixed", "max_steps": 40}
phases = ("world_model", "predictor", "rollout", "critic", "policy")
tiny = {f"training.{phase}_steps": 20 for phase in phases} | {"training.distillation_plans": 4, "model.encoder.width": 8}
store = ft.collect(ROOMS, out="data/rooms", episodes=60, options=OPTIONS, seed=0, workers=0)
agent = ft.train(store, out="runs/rooms", seed=0, config=tiny)
mine = ft.Agent(agent.configuration, agent.modules, planner=HillClimber(agent.configuration.planner.horizon))

world = ft.make_world(ROOMS, num=1, **OPTIONS)
seen = world.begin(make_tasks(ROOMS, OPTIONS, number=1, seed=1).tasks).observation
for name, who in (("its own planner", agent), ("the hill climber", mine)):
    who.reset(ft.Task.reach(world.goal_observation()), seed=0)
    plan = who.decide(seen, mode="plan").plan
    print(f"{name:>16}: energy {plan.energy.item():.3f} after {plan.calls} predictor calls")
