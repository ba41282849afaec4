"""Plans that wait and see, in gambles whose worth is known exactly: what can be seen may be used, what can't may not.

A gamble: in each block one goes left, goes right or looks. Who has gone stays gone. Coins fall by the chance of blocks.
"""

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from forethought.actor.cem import ICEM
from forethought.actor.check import check_planner
from forethought.actor.contingency_planner import ContingencyPlanner
from forethought.actor.contract import Branches, Forks, Plan, PlanningProblem
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.registry import make_planner
from forethought.actor.risk import Scenarios, latin_hypercube
from forethought.actor.scenario_clustering import cluster_scenarios, single_linkage_clusters
from forethought.errors import NonFiniteError
from forethought.settings import ActorSettings

LEFT, RIGHT, LOOK = range(3)
H, S, NUMBERS = 3, 8, 2
WRONG, LOOKING = 10.0, 1.0
SETTINGS = ActorSettings(
    planner="categorical", horizon=H, num_samples=200, num_iterations=2, num_elites=20, num_scenarios=S, branches=2
)


class Gamble:
    """Going the wrong way costs `WRONG`, each look `LOOKING`; what it has cost shows after the last block.

    Args:
        heads: chance of the coin, which falls in block `falls`. shows: what a look tells, 0 for nothing. decoy: another coin
        falls in block 0, shows itself unasked, and means nothing. prices: instead of `WRONG`, by [coin, way]. begins: blocks
        in which whatever is done does nothing.
    """

    def __init__(self, heads=0.5, falls=0, shows=1.0, decoy=0.0, prices=((0.0, WRONG), (WRONG, 0.0)), begins=0, visible=0.1):
        self.heads, self.falls, self.shows, self.decoy, self.visible = heads, falls, shows, decoy, visible
        self.begins = begins
        self.prices, self.spent = torch.tensor(prices), 0

    def rollout(self, actions: Tensor, chance: Tensor) -> Tensor:
        self.spent += actions.shape[1:4].numel()
        actions = actions * (torch.arange(H) >= self.begins)[:, None]
        coin = (chance[..., self.falls, 0] >= self.heads).long()
        went = actions[..., :2].cumsum(-2).sum(-1).clamp_max(1)
        looks = actions[..., LOOK] * (1 - went)
        known = (looks.cumsum(-1) > 0) * (torch.arange(H) >= self.falls)
        seen = self.shows * known * (2 * coin[..., None] - 1)
        noise = self.decoy * (2 * (chance[..., 0, 1] > 0.5).float() - 1)
        ways = actions[..., :2].argmax(-1)
        first = went.argmax(-1, keepdim=True)
        cost = self.prices[coin, ways.gather(-1, first)[..., 0]]
        total = torch.where(went[..., -1] > 0, cost, WRONG) + LOOKING * looks.sum(-1)
        paid = torch.zeros_like(seen)
        paid[..., -1] = total
        return torch.stack([seen, noise[..., None].expand_as(seen), paid], -1)

    def problem(self, seeds=(0,), risk="mean", cvar_level=0.5) -> PlanningProblem:
        streams = EpisodeGenerators(seeds)
        futures = Scenarios(latin_hypercube(streams, S, H, NUMBERS), risk, cvar_level)

        def energies(states: Tensor, actions: Tensor) -> Tensor:
            return states[..., -1, 2]

        def rollout(actions: Tensor) -> Tensor:
            alike = actions[:, :, None].expand(-1, -1, S, -1, -1)
            return self.rollout(alike, futures.chance[:, None].expand(-1, actions.shape[1], -1, -1, -1))

        def energy(states: Tensor, actions: Tensor) -> Tensor:
            return futures.weigh(energies(states, actions))

        forks = Forks(futures, self.rollout, energies, self.visible, None)
        low, high = torch.zeros(3), torch.ones(3)
        return PlanningProblem(len(seeds), rollout, energy, low, high, 3, 1, None, streams, forks)


def planned(gamble: Gamble, seeds=(0,), branches=2, **how) -> Plan:
    return make_planner(SETTINGS.model_copy(update={"branches": branches})).plan(gamble.problem(seeds, **how))


def every_sequence(gamble: Gamble, **how) -> Tensor:
    """The energy of whatever can be done without waiting to see."""
    problem = gamble.problem(**how)
    actions = torch.eye(3)[torch.tensor(list(itertools.product(range(3), repeat=H)))][None]
    return problem.energy(problem.rollout(actions), actions)


@pytest.mark.parametrize(("risk", "least"), [("mean", 5.0), ("cvar", 10.0), ("worst", 10.0)])
def test_looking_before_going_is_found_and_is_worth_what_it_costs(risk, least):
    gamble = Gamble()
    assert every_sequence(gamble, risk=risk).min().item() == least
    assert planned(gamble, branches=1, risk=risk).energy.item() == least
    plan = planned(gamble, risk=risk)
    assert plan.energy.item() == LOOKING
    assert plan.branches.after.item() == 1
    assert plan.branches.odds.tolist() == [[0.5, 0.5, 0.0]]
    assert (plan.branches.actions[0, :2, 0].argmax(-1) == LOOK).all()
    seen, ways = plan.branches.states[0, :2, 0, 0].tolist(), plan.branches.actions[0, :2, 1].argmax(-1).tolist()
    assert sorted(zip(seen, ways, strict=True)) == [(-1.0, LEFT), (1.0, RIGHT)]
    assert torch.equal(plan.actions, plan.branches.actions[:, 0])
    assert plan.states.shape == (1, S, H, 3)


BLIND = {
    "a look tells nothing": Gamble(shows=0.0),
    "a look tells too little to be made out": Gamble(shows=0.1),
    "the coin falls when all is decided": Gamble(falls=2),
    "another coin shows itself": Gamble(falls=2, decoy=1.0),
    "another coin shows itself, and then one goes": Gamble(falls=2, decoy=1.0, begins=1),
    "another coin shows itself, and the looks tell nothing": Gamble(falls=1, shows=0.0, decoy=1.0, begins=1),
}


@pytest.mark.parametrize("why", BLIND)
@pytest.mark.parametrize("risk", ["mean", "mean_std", "cvar", "worst"])
def test_what_is_not_seen_is_not_known(why, risk):
    """Where nothing that matters shows before it hurts, the tree is worth as much as a sequence, for all draws of chance."""
    for seed in range(8):
        plan = planned(BLIND[why], (seed,), risk=risk)
        assert plan.energy.item() == planned(BLIND[why], (seed,), branches=1, risk=risk).energy.item(), seed
        assert plan.energy.item() == every_sequence(BLIND[why], seeds=(seed,), risk=risk).min().item()


def test_branches_are_worth_their_odds():
    """The coin is heads three times in four: 2 and then 1 for looking if so, 4 and 1 if not."""
    gamble = Gamble(heads=0.75, prices=((2.0, 10.0), (10.0, 4.0)))
    plan = planned(gamble)
    assert plan.energy.item() == pytest.approx(0.75 * 3 + 0.25 * 5)
    assert every_sequence(gamble).min().item() == pytest.approx(0.75 * 2 + 0.25 * 10)
    assert plan.branches.after.item() == 1
    assert plan.branches.odds.tolist() == [[0.75, 0.25, 0.0]]
    assert planned(gamble, risk="cvar", cvar_level=0.5).energy.item() == pytest.approx(4.0)
    assert planned(gamble, risk="worst").energy.item() == 5.0


def test_what_is_rare_is_not_planned_for_by_itself():
    """One future in eight looks different: its branch is pruned, and it goes on as planned."""
    gamble = Gamble(heads=0.875)
    assert planned(gamble).energy.item() == planned(gamble, branches=1).energy.item() == every_sequence(gamble).min().item()
    assert planned(gamble).branches.after.item() == H


def test_it_costs_what_it_says():
    for gamble in (Gamble(), Gamble(shows=0.0)):
        for seeds in ((0,), (0, 1, 2)):
            gamble.spent = 0
            assert planned(gamble, seeds).calls == gamble.spent


def test_an_episode_does_not_feel_its_neighbours():
    """Nor whether the futures of its neighbours part, which takes more draws."""
    for gamble in (Gamble(), Gamble(heads=0.75), Gamble(falls=1, decoy=1.0)):
        together = planned(gamble, (3, 5, 8))
        for row, seed in enumerate((3, 5, 8)):
            assert_same(planned(gamble, (seed,)), together, row)
    mixed = Mixed()
    problem, alone = mixed.problem((3, 5)), mixed.problem((5,))
    planner = make_planner(SETTINGS)
    planner.plan(problem)
    mixed.blind = 1
    planner.plan(alone)
    assert torch.equal(problem.streams.normal(3)[1], alone.streams.normal(3)[0])


class Mixed(Gamble):
    """A gamble in which nothing shows in the last `blind` episode."""

    blind = 1

    def rollout(self, actions: Tensor, chance: Tensor) -> Tensor:
        states = super().rollout(actions, chance)
        states[-self.blind :, ..., 0] = 0
        return states


def assert_same(alone: Plan, together: Plan, row: int) -> None:
    assert torch.equal(alone.actions[0], together.actions[row])
    assert torch.allclose(alone.energy[0], together.energy[row])
    for name in ("after", "odds", "actions"):
        assert torch.equal(getattr(alone.branches, name)[0], getattr(together.branches, name)[row]), name


def test_without_branches_it_is_the_planner_itself():
    planner = make_planner(SETTINGS.model_copy(update={"branches": 1}))
    assert not isinstance(planner, ContingencyPlanner)
    blind, plain = planned(Gamble(visible=1e9), (1, 2)), planner.plan(Gamble().problem((1, 2)))
    for name in ("actions", "states", "energy"):
        assert torch.equal(getattr(blind, name), getattr(plain, name)), name
    assert blind.branches.odds.tolist() == [[1.0, 0.0, 0.0]] * 2
    assert plain.branches is None
    assert torch.equal(plain.ways(), plain.actions[:, None])


@pytest.mark.parametrize("name", ["icem", "gradient"])
def test_it_keeps_the_promises_of_planners(name):
    check_planner(
        make_planner(ActorSettings(planner=name, horizon=3, num_samples=40, num_elites=6, num_iterations=3, branches=2))
    )


def test_one_future_never_parts():
    problem = dataclasses.replace(Gamble().problem((4,)), forks=None)
    plan = make_planner(SETTINGS).plan(dataclasses.replace(problem, rollout=lambda actions: actions * 1.0, energy=first_number))
    assert plan.branches.after.tolist() == [H]
    assert plan.branches.actions.shape == (1, 3, H, 3)
    assert torch.equal(plan.ways()[:, 0], plan.actions)


def first_number(states: Tensor, actions: Tensor) -> Tensor:
    return states[..., 0].sum(-1)


@pytest.mark.parametrize("planner", ["icem", "cem", "mppi", "gradient"])
def test_numbers_are_planned_with_branches_too(planner):
    """A point on a line that the wind blows to one side or the other in block 0, to be back at 0: no sequence undoes both."""
    settings = ActorSettings(
        planner=planner, horizon=H, num_samples=64, num_iterations=4, num_elites=8, num_scenarios=S, branches=2
    )

    def rollout(actions: Tensor, chance: Tensor) -> Tensor:
        wind = torch.where(chance[..., :1, 0] < 0.5, -0.8, 0.8)
        return wind[..., None] + actions.cumsum(-2)

    problem = line(rollout, visible=0.1)
    plain = make_planner(settings.model_copy(update={"branches": 1})).plan(problem)
    assert plain.energy.item() >= 0.64 * 3 - 1e-4
    found = make_planner(settings).plan(line(rollout, visible=0.1))
    assert found.branches.after.item() == 1
    assert found.energy.item() < 1.0
    assert ((found.ways() >= -1) & (found.ways() <= 1)).all()
    ends = found.branches.states[0, :2, -1, 0]
    assert (ends.abs() < 0.4).all()


def line(rollout, visible: float) -> PlanningProblem:
    streams = EpisodeGenerators((0,))
    futures = Scenarios(latin_hypercube(streams, S, H, 1), "mean", 0.5)

    def energies(states: Tensor, actions: Tensor) -> Tensor:
        return states[..., 0].square().sum(-1)

    def together(actions: Tensor) -> Tensor:
        alike = actions[:, :, None].expand(-1, -1, S, -1, -1)
        return rollout(alike, futures.chance[:, None].expand(-1, actions.shape[1], -1, -1, -1))

    forks = Forks(futures, rollout, energies, visible, None)
    return PlanningProblem(
        1, together, lambda states, actions: futures.weigh(energies(states, actions)), -torch.ones(1), torch.ones(1), None, 1,
        None, streams, forks,
    )  # fmt: skip


def test_memory_tells_how_to_go_on():
    """A tail that no search finds: exact numbers, known to memory alone, which is asked at the places of the parting."""
    asked = []

    def rollout(actions: Tensor, chance: Tensor) -> Tensor:
        side = torch.where(chance[..., :1, 0] < 0.5, -1.0, 1.0).expand(actions.shape[:-1])
        off = (actions[..., 0] - side * torch.tensor([0.0, 0.123, 0.456])).abs()
        off[..., 0] = 0
        return torch.stack([side, off], -1)

    def energies(states: Tensor, actions: Tensor) -> Tensor:
        return (states[..., 1] > 1e-6).float().sum(-1)

    def recall(places: Tensor) -> Tensor:
        asked.append(places)
        return (places[:, :1] * torch.tensor([0.123, 0.456, 0.789]))[:, None, :, None].expand(-1, 2, -1, -1)

    problem = line(rollout, visible=0.1)
    forks = dataclasses.replace(problem.forks, energies=energies, recall=recall)
    weigh = forks.futures.weigh
    problem = dataclasses.replace(problem, forks=forks, energy=lambda states, actions: weigh(energies(states, actions)))
    plan = make_planner(SETTINGS.model_copy(update={"planner": "icem"})).plan(problem)
    assert plan.energy.item() == 0
    assert set(asked[0][:, 0].tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("calls", [4, 5])
def test_nan_in_a_branch_is_told(calls):
    """After the search and the look at the trunks: in the rehearsals, and in what prices the branches."""

    class Broken(Gamble):
        met = 0

        def rollout(self, actions: Tensor, chance: Tensor) -> Tensor:
            self.met += 1
            states = super().rollout(actions, chance)
            return states if self.met <= calls else states * torch.nan

    with pytest.raises(NonFiniteError, match="the energy of episode 0, candidate 0 is nan"):
        planned(Broken())


# --- the parting -----------------------------------------------------------------------------------------------------------


def test_futures_part_where_two_fair_groups_look_different():
    at = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 0, 5, 5, 9], [0, 0, 0, 5, 5, 7, 7, 9], [0, 1, 2, 3, 4, 5, 6, 7]])
    states = at.T.float()[None, None, :, :, None]
    found = cluster_scenarios(states, visible=0.5, groups=2)
    assert found.after.tolist() == [[2]]
    assert found.group.tolist() == [[[0, 0, 0, 0, 0, 1, 1, 2]]]
    later = cluster_scenarios(states[:, :, :, 2:], visible=0.5, groups=2)
    assert later.after.tolist() == [[1]]
    assert later.group.tolist() == [[[0, 0, 0, 1, 1, 2, 2, 2]]]
    assert cluster_scenarios(states[:, :, :, 2:], visible=0.5, groups=3).group.tolist() == [[[0, 0, 0, 1, 1, 2, 2, 3]]]
    never = cluster_scenarios(states[:, :, :, :2], visible=0.5, groups=2)
    assert never.after.tolist() == [[2]], "after the last block nothing is left to be decided"
    assert never.group.tolist() == [[[2] * 8]]
    assert cluster_scenarios(states[:, :, :, 3:].repeat(1, 1, 1, 2, 1), visible=1.0, groups=2).after.tolist() == [[2]]


def test_who_looks_like_a_lookalike_is_one():
    """In a row of states each of which can't be told from the next, no border can be seen."""
    row = torch.arange(8.0)[torch.randperm(8, generator=torch.Generator().manual_seed(0))]
    leader, size = single_linkage_clusters(row[:, None], visible=1.0)
    assert leader.unique().tolist() == [0]
    assert size.tolist() == [8] * 8
    leader, size = single_linkage_clusters(torch.tensor([[0.0], [3.0], [1.0], [4.0], [9.0]]), visible=1.0)
    assert leader.tolist() == [0, 1, 0, 1, 4]
    assert size.tolist() == [2, 2, 2, 2, 1]


def test_a_plan_of_some_episodes_is_put_among_all():
    actions, states = torch.zeros(3, H, 2), torch.zeros(3, H, 4)
    plan = Plan(actions.clone(), states.clone(), torch.zeros(3), 0, Branches.one(actions, states, 2))
    odds = torch.tensor([[0.75, 0.25]])
    ways = Branches(torch.tensor([1]), odds, torch.ones(1, 2, H, 2), torch.ones(1, 2, H, 4))
    plan.put(torch.tensor([1]), Plan(torch.ones(1, H, 2), torch.ones(1, H, 4), torch.ones(1), 7, ways))
    assert plan.energy.tolist() == [0, 1, 0]
    assert plan.branches.after.tolist() == [H, 1, H]
    assert plan.branches.odds.tolist() == [[1, 0], [0.75, 0.25], [1, 0]]
    assert plan.ways().sum((1, 2, 3)).tolist() == [0, 2 * H * 2, 0]
    assert isinstance(make_planner(SETTINGS.model_copy(update={"planner": "icem", "branches": 1})), ICEM)
