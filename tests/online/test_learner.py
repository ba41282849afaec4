"""One update: targets by hand, terms that fall, and weights that survive a NaN."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from online_fixtures import networks_of, settings

from forethought.errors import NonFiniteError
from forethought.online.learner import Learner
from forethought.online.replay import Windows

B, T = 32, 3


def windows(kind: str = "continuous", size: int = 1, block: int = 1, drives: int = 0) -> Windows:
    """A world in which the action is added to the first number, and the reward is its negated distance to 0.

    Each drive is the distance of a number from 0.
    """
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(B, 2, generator=generator)]
    if kind == "continuous":
        actions = torch.rand(B, T, block * size, generator=generator) * 2 - 1
    else:
        actions = torch.eye(size)[torch.randint(size, (B, T, block), generator=generator)].flatten(-2)
    for t in range(T):
        rows.append(rows[-1] + torch.cat([actions[:, t, :1], torch.zeros(B, 1)], -1))
    observation = torch.stack(rows, 1)
    return Windows(
        {"proprioception": observation},
        actions,
        -observation[:, 1:, 0].abs(),
        observation[:, 1:, :drives].abs(),
        torch.zeros(B, T),
        torch.ones(B, T),
        torch.ones(B, T + 1),
        torch.zeros(B),
    )


def learner_of(kind: str = "continuous", size: int = 1, block: int = 1, **online: float) -> Learner:
    configuration = settings(kind, size, block, **online)
    return Learner(*[networks_of(configuration)[0], configuration, networks_of(configuration)[1]])


@pytest.mark.parametrize(
    ("kind", "size", "block"), [("continuous", 1, 1), ("discrete", 3, 1), ("discrete", 2, 2), ("continuous", 2, 2)]
)
def test_every_loss_term_falls(kind: str, size: int, block: int) -> None:
    """Trained on the same windows, the model explains them: states, rewards and endings."""
    learner, given = learner_of(kind, size, block, learning_rate=3e-3), windows(kind, size, block)
    first = learner.update(given, torch.Generator().manual_seed(0))
    for step in range(150):
        last = learner.update(given, torch.Generator().manual_seed(step))
    assert last["reward"] < 0.5 * first["reward"]
    assert last["ending"] < 0.2 * first["ending"]
    assert last["variance"] < 0.85 * first["variance"], "VICReg keeps the states apart"
    assert last["consistency"] < 0.1 * first["consistency"]


def test_an_ended_block_has_no_future() -> None:
    """The target of a terminated block is its cost alone."""
    learner, given = learner_of(imagined_steps=2), windows()
    torch.nn.init.constant_(learner.slow.last.bias, 5.0)
    ended = replace(given, terminated=torch.ones(B, T))
    encoded = learner._parts[0].encode(given.observation).detach()[:, 1:]
    assert torch.equal(learner._targets(ended, encoded, given.actions, torch.Generator().manual_seed(0)), -given.rewards)


def test_without_imagination_the_target_is_the_slow_critics() -> None:
    """Cost of the block and the discounted slow read: 0.9 * 5 * 10."""
    learner, given = learner_of(imagined_steps=0), windows()
    torch.nn.init.constant_(learner.slow.last.bias, 5.0)
    encoded = learner._parts[0].encode(given.observation).detach()[:, 1:]
    target = learner._targets(given, encoded, given.actions, torch.Generator().manual_seed(0))
    assert torch.allclose(target, -given.rewards + 0.9 * 50)


def test_the_target_counts_what_drives_cost() -> None:
    """Pain twice (its weight is 2) and hunger squared twice, beside the negated reward."""
    configuration = settings(drives=("pain", "hunger"), imagined_steps=0)
    networks, codec = networks_of(configuration)
    learner, given = Learner(networks, configuration, codec), windows(drives=2)
    encoded = learner._parts[0].encode(given.observation).detach()[:, 1:]
    target = learner._targets(given, encoded, given.actions, torch.Generator().manual_seed(0))
    felt = 2 * given.drives[..., 0] + 2 * given.drives[..., 1].square()
    assert torch.allclose(target, -given.rewards + felt, atol=1e-5)


def test_predicted_drives_come_near_what_was_felt() -> None:
    """Their loss falls, and the imagined cost of a block is near the felt one."""
    configuration = settings(drives=("pain",), learning_rate=3e-3)
    networks, codec = networks_of(configuration)
    learner, given = Learner(networks, configuration, codec), windows(drives=1)
    first = learner.update(given, torch.Generator().manual_seed(0))["drives"]
    for step in range(300):
        last = learner.update(given, torch.Generator().manual_seed(step))["drives"]
    assert last < 0.6 * first
    assert networks.outcomes is not None
    states = networks.world_model.encode(given.observation)[:, :-1]
    read, truth = networks.outcomes.drives(states, given.actions)[..., 0], given.drives[..., 0]
    assert torch.corrcoef(torch.stack([read.flatten(), truth.flatten()]))[0, 1] > 0.9


def test_imagined_blocks_come_before_the_slow_critic() -> None:
    """With heads that predict no reward and even odds of an ending: 0.9 * (0.9 * 0.5) ** 2 * 50."""
    learner, given = learner_of(imagined_steps=2), windows()
    torch.nn.init.constant_(learner.slow.last.bias, 5.0)
    encoded = learner._parts[0].encode(given.observation).detach()[:, 1:]
    target = learner._targets(given, encoded, given.actions, torch.Generator().manual_seed(0))
    assert torch.allclose(target, -given.rewards + 0.9 * 0.45**2 * 50, atol=1e-2)


def test_rows_after_an_end_teach_nothing() -> None:
    """Blocks that do not count may hold anything."""
    given = windows()
    counts = torch.ones(B, T)
    counts[:, 2] = 0
    spoiled = given.rewards.clone()
    spoiled[:, 2] = 1000.0
    a, b = learner_of(variance=0.0), learner_of(variance=0.0)
    b.load_state_dict(a.state_dict())
    for own, other in zip(a._parts, b._parts, strict=True):
        other.load_state_dict(own.state_dict())
    terms_a = a.update(replace(given, counts=counts), torch.Generator().manual_seed(0))
    terms_b = b.update(replace(given, counts=counts, rewards=spoiled), torch.Generator().manual_seed(0))
    assert all(torch.equal(terms_a[name], terms_b[name]) for name in ("reward", "value", "consistency", "ending"))


def test_a_nan_is_refused_and_changes_no_weight() -> None:
    """One sentence names the term; the weights are those from before."""
    learner, given = learner_of(), windows()
    before = {name: value.clone() for name, value in learner._parts[0].state_dict().items()}
    spoiled = replace(given, rewards=torch.full((B, T), torch.nan))
    with pytest.raises(NonFiniteError, match=r"reward.*learning_rate"):
        learner.update(spoiled, torch.Generator().manual_seed(0))
    assert all(torch.equal(value, before[name]) for name, value in learner._parts[0].state_dict().items())


def test_the_slow_critic_follows() -> None:
    """By its rate, an update."""
    learner, given = learner_of(target_rate=0.5), windows()
    slow = [parameter.clone() for parameter in learner.slow.parameters()]
    learner.update(given, torch.Generator().manual_seed(0))
    for before, now, fast in zip(slow, learner.slow.parameters(), learner._parts[2].parameters(), strict=True):
        assert torch.allclose(now, (before + fast) / 2, atol=1e-6)


def test_the_average_is_of_all_weights_at_first_and_of_the_last_ones_later() -> None:
    """Three updates with equal weight; then by its rate."""
    learner, given = learner_of(average_rate=0.25), windows()
    weight, lived = learner._parts[3].head[0].weight, []
    for step in range(5):
        learner.update(given, torch.Generator().manual_seed(step))
        lived.append(weight.detach().clone())
        if step == 2:
            expected = torch.stack(lived).mean(0)
    for each in lived[3:]:
        expected = 0.75 * expected + 0.25 * each
    assert learner.averaged.cost_policy is not None
    assert torch.allclose(learner.averaged.cost_policy.head[0].weight, expected, atol=1e-6)
    assert not torch.allclose(expected, weight, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "log_std", "lived", "falls"), [(1, -0.5, 1.0, True), (2, -0.5, 1.0, True), (1, -1.5, 1.0, True),
    (1, -1.5, 0.0, False), (2, -1.5, 0.0, False), (1, -2.9, 1.0, False)],
)  # fmt: skip
def test_the_temperature_falls_while_there_is_entropy_to_spare(size: int, log_std: float, lived: float, falls: bool) -> None:
    """A wide policy loses its bonus, a narrow one has it back, never more than was asked for; wide is less late in a life."""
    learner, given = learner_of(size=size, learning_rate=1e-6), windows(size=size)
    layer = [module for module in learner._parts[3].modules() if isinstance(module, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(layer.bias[size:], math.atanh((log_std + 3.0) / 2.5 - 1))
    learner.temperature.fill_(0.005)
    for step in range(20):
        learner.update(given, torch.Generator().manual_seed(step), lived=lived)
    assert (learner.temperature < 0.005) == falls
    learner.temperature.fill_(0.01)
    learner.update(given, torch.Generator().manual_seed(0), lived=lived)
    assert learner.temperature <= 0.01


def test_choices_keep_the_whole_temperature() -> None:
    """There is no target for them."""
    learner = learner_of("discrete", 3)
    learner.update(windows("discrete", 3), torch.Generator().manual_seed(0))
    assert float(learner.temperature) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_belief_learns_with_the_rest(kind: str) -> None:
    """Its weights change, and what precedes an episode changes nothing."""
    configuration = settings(kind, belief=6)
    networks, codec = networks_of(configuration)
    learner, given = Learner(networks, configuration, codec), windows(kind)
    assert networks.belief is not None
    before = networks.belief.cell.weight_hh.detach().clone()
    past, known = 2, torch.cat([torch.zeros(B, 2), torch.ones(B, T + 1)], 1)
    longer = replace(
        given,
        observation={name: torch.cat([values[:, :past], values], 1) for name, values in given.observation.items()},
        actions=torch.cat([given.actions[:, :past], given.actions], 1),
        known=known,
    )
    torch.testing.assert_close(learner.encoded(longer)[0], learner.encoded(given)[0])
    learner.update(longer, torch.Generator().manual_seed(0))
    assert not torch.equal(networks.belief.cell.weight_hh, before)


@pytest.mark.parametrize("belief", [0, 8])
def test_pictures_are_encoded_as_ever_but_only_the_present_row_learns(belief: int) -> None:
    """The states are those of one call; a loss on any other row moves no weight of the encoder."""
    configuration = settings(pixels=True, belief=belief)
    networks, codec = networks_of(configuration)
    learner, past = Learner(networks, configuration, codec), 2 if belief else 0
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (4, past + T + 1, 32, 32, 3), generator=generator, dtype=torch.uint8)
    given = Windows(
        {"pixels": pictures}, torch.zeros(4, past + T, 1), torch.zeros(4, T), torch.zeros(4, T, 0), torch.zeros(4, T),
        torch.ones(4, T), torch.ones(4, past + T + 1), torch.zeros(4),
    )  # fmt: skip
    states, _ = learner.encoded(given)
    whole = networks.world_model.encode(given.observation)
    if networks.belief is not None:
        whole = networks.belief.along(whole, given.actions, given.known)
    assert torch.allclose(states, whole[:, past:], atol=1e-5)
    encoder = [weights for weights in networks.world_model.perception.parameters() if weights.requires_grad]
    percept = states[..., : networks.world_model.perception.state_dim] if not belief else states
    later = torch.autograd.grad(percept[:, -1].sum(), encoder, allow_unused=True, retain_graph=True)
    now = torch.autograd.grad(percept[:, 0].sum(), encoder, allow_unused=True)
    assert any(gradient is not None and bool(gradient.any()) for gradient in now)
    if not belief:
        assert all(gradient is None or not bool(gradient.any()) for gradient in later)


def test_curiosity_is_weighed_in_units_of_the_rewards() -> None:
    """The scale of future costs times one less the discount is a usual reward."""
    configuration = settings(curiosity=3.0)
    reward = configuration.model.reward.scale * (1 - configuration.model.discount)
    networks, codec = networks_of(configuration)
    assert Learner(networks, configuration, codec).curiosity == pytest.approx(3.0 * reward)
    assert reward == pytest.approx(1.0)


def test_a_learner_is_a_function_of_its_seed() -> None:
    """Whatever was drawn from the global generator before it: its own parts are initialised from the seed of training."""
    torch.manual_seed(1)
    first = learner_of(curiosity=1.0).state_dict()
    torch.manual_seed(2)
    second = learner_of(curiosity=1.0).state_dict()
    assert all(torch.equal(values, second[name]) for name, values in first.items())
