"""Parts of the user's own: registered by name, or passed to the agent as objects (docs/your-own-parts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from agent_fixtures import B, acted, changed, see
from forethought import parts
from forethought.actor.contract import Plan, Planner, PlanningProblem
from forethought.actor.sampling_search import Incumbent
from forethought.agent import Agent
from forethought.config import (
    CostConfig,
    DataSpec,
    EncoderConfig,
    LossConfig,
    ModelConfig,
    PredictorConfig,
    SearchConfig,
    StreamSettings,
)
from forethought.cost import Cost, Imagined
from forethought.errors import ConformanceError, ForethoughtError
from forethought.goals import EncodedGoal
from forethought.perception import Encoder, check_perception
from forethought.training.agent_files import load
from forethought.training.checkpoint import load_checkpoint, read_tensors
from forethought.training.phases import Phase
from forethought.training.train import train
from forethought.training.world_model_phase import WorldModelPhase
from forethought.world_model import Context, FirstLevel, LossInputs, Predictor


class Standstill(Planner):
    """Never moves, whatever it costs."""

    def __init__(self, settings: SearchConfig | None, horizon: int) -> None:
        self.horizon = horizon

    def plan(self, problem: PlanningProblem) -> Plan:
        incumbent = Incumbent(problem)
        incumbent.evaluate(torch.zeros(problem.batch, 1, self.horizon, problem.low.numel()))
        return incumbent.plan()


class Restless(Cost):
    """Costs most where nothing is done."""

    name = "restless"

    def __init__(self, state_dim: int = 0, settings: CostConfig | None = None) -> None:
        super().__init__()

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
        return -imagined.actions.square().mean(-1)


class Plain(Encoder):
    """One frozen linear map of the first stream."""

    def __init__(self, streams: tuple[StreamSettings, ...], settings: EncoderConfig) -> None:
        super().__init__()
        self.streams, self.state_dim = streams, settings.state_dim
        self.only = nn.Linear(streams[0].shape[0], settings.state_dim).requires_grad_(False)

    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        name = self.streams[0].name
        mask = 1.0 if visible is None else visible[name].float()
        states: Tensor = self.only(observation[name] * mask)
        return states


class Bilinear(Predictor):
    """Reads products of state and action."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        super().__init__()
        self.change = nn.Bilinear(state_dim, action_dim, state_dim)

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        following: Tensor = states + self.change(states.contiguous(), actions.contiguous())
        return following


class Linear(FirstLevel):
    """A linear world model with a rollout of its own."""

    def __init__(self, data: DataSpec, model: ModelConfig) -> None:
        super().__init__(data, model)
        self.push = nn.Linear(self.action_dim, self.state_dim)

    def predict(self, states: Tensor, actions: Tensor) -> Tensor:
        following: Tensor = states + self.push(actions)
        return following

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        rolled: Tensor = context.states[:, None, -1:] + self.push(actions).cumsum(2)
        return rolled

    def dynamics(self) -> list[nn.Module]:
        return [self.push]


def spread(states: Tensor) -> Tensor:
    """A regulariser: each clip's mean square."""
    return states.square().mean()


class Match(nn.Module):
    """A loss term with a head of its own that learns."""

    def __init__(self, state_dim: int, action_dim: int, settings: LossConfig) -> None:
        super().__init__()
        self.head = nn.Linear(state_dim, 3)

    def forward(self, inputs: LossInputs) -> Tensor:
        return (self.head(inputs.predictions) - self.head(inputs.targets)).square().mean()


OWN: dict[str, Any] = {
    "model.encoder.kind": "plain", "model.predictor.kind": "bilinear", "planner.search.kind": "standstill",
    "planner.cost.extra": {"restless": 0.5}, "training.loss.extra": {"spread": 0.1, "match": 0.2},
}  # fmt: skip


def register_all() -> None:
    parts.register("planner", "standstill")(Standstill)
    parts.register("cost", "restless")(Restless)
    parts.register("encoder", "plain")(Plain)
    parts.register("predictor", "bilinear")(Bilinear)
    parts.register("world_model", "linear")(Linear)
    parts.register("regulariser", "spread")(spread)
    parts.register("loss", "match")(Match)


def test_a_planner_of_ones_own_searches() -> None:
    agent = tiny.point_agent(False)
    mine = Agent(agent.configuration, agent.modules, planner=Standstill(None, agent.configuration.planner.horizon))
    assert acted(agent).plan.actions.any()
    assert not acted(mine).plan.actions.any()
    several = changed(tiny.uncertain_agent(), planner={"risk": {"measure": "cvar"}})
    careful = Agent(several.configuration, several.modules, planner=Standstill(None, several.configuration.planner.horizon))
    found = acted(careful).plan
    assert found.states.ndim == found.actions.ndim, "the most likely future alone is on record"
    with pytest.raises(ForethoughtError, match="looks 99 blocks ahead"):
        Agent(agent.configuration, agent.modules, planner=Standstill(None, 99))


def test_a_cost_of_ones_own_counts_as_it_is_weighed() -> None:
    agent, taken = tiny.point_agent(False), []
    for weight in (0.0, 100.0):
        weighed = agent.configuration.changed({"planner": {"cost": {"extra": {"restless": weight}}}}, "to see")
        taken.append(acted(Agent(weighed, agent.modules, costs=[Restless()])).plan.actions.square().mean())
    assert taken[1] > 1.2 * taken[0]
    assert len(agent.modules.energy.task) == 3, "the weights that were given are as they were"
    with pytest.raises(ForethoughtError, match="'restless' has no weight in planner.cost.extra"):
        Agent(agent.configuration, agent.modules, costs=[Restless()])
    with pytest.raises(ForethoughtError, match="no task cost 'restless'"):
        Agent(agent.configuration.changed({"planner": {"cost": {"extra": {"restless": 1.0}}}}, "to see"), agent.modules)


def test_a_model_of_ones_own_imagines() -> None:
    agent = tiny.point_agent(False)
    configuration = agent.configuration
    other = Linear(configuration.data, configuration.model)
    mine = Agent(configuration, agent.modules, model=other)
    assert mine.modules.world_model is other
    assert agent.modules.world_model is not other
    plan = acted(mine).plan
    context = Context(mine.senses.state(see(mine, B, 2))[:, None], plan.actions[:, :0])
    assert torch.allclose(other.rollout(context, plan.actions[:, None])[:, 0], plan.states, atol=1e-5)
    small = configuration.changed({"model.encoder.state_dim": 5}, "to see").model
    with pytest.raises(ForethoughtError, match="states of 5 numbers"):
        Agent(configuration, agent.modules, model=Linear(configuration.data, small))


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which every part but the world model is the user's."""
    before = dict(parts._registered)
    register_all()
    run = tmp_path_factory.mktemp("own") / "run"
    train(tiny.point_store(False), out=run, config=tiny.SMALL | OWN)
    parts._registered.clear()
    parts._registered.update(before)
    return run


def test_what_a_run_names_is_what_is_loaded(own_run: Path) -> None:
    register_all()
    agent = load(own_run, "cpu")
    assert isinstance(agent.modules.world_model.perception, Plain)
    assert isinstance(agent.modules.world_model.predictor, Bilinear)
    assert isinstance(agent.mpc.planner.planner, Standstill)
    assert isinstance(agent.modules.energy.task[3], Restless)
    assert not acted(agent).plan.actions.any()


def test_own_terms_are_in_the_log_by_their_names(own_run: Path) -> None:
    text = (own_run / "log.jsonl").read_text()
    for name in ("spread", "match", "heldout_spread", "heldout_match"):
        assert f'"{name}": ' in text


def test_a_run_whose_part_is_not_registered_says_how_to(own_run: Path) -> None:
    with pytest.raises(ForethoughtError, match=r"planner.cost.extra|encoder 'plain'.*--use MODULE.*'forethought.encoders'"):
        load(own_run, "cpu")


def test_a_world_model_of_ones_own_is_trained_and_acts(tmp_path: Path) -> None:
    register_all()
    agent = train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | {"model.kind": "linear"})
    assert isinstance(agent.modules.world_model, Linear)
    assert torch.equal(acted(agent).plan.actions, acted(load(tmp_path / "run", "cpu")).plan.actions)


def stop_at(monkeypatch: pytest.MonkeyPatch, kind: type[Phase], at: int) -> None:
    plain = kind.step

    def step(self: Phase, number: int, generator: torch.Generator) -> Any:
        if number == at:
            raise KeyboardInterrupt
        return plain(self, number, generator)

    monkeypatch.setattr(kind, "step", step)


def test_frozen_weights_are_stored_once_and_a_resumed_run_ends_as_an_unbroken_one(
    own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_all()
    run, store = tmp_path / "run", tiny.point_store(False)
    with monkeypatch.context() as patched:
        stop_at(patched, WorldModelPhase, 7)
        with pytest.raises(KeyboardInterrupt):
            train(store, out=run, config=tiny.SMALL | OWN)
    held = {"world_model.perception.only.weight", "world_model.perception.only.bias"}
    assert set(read_tensors(run / "checkpoints" / "frozen.safetensors")) == held
    kept = load_checkpoint(run).tensors
    assert not held & set(kept["agent"])
    # Another start of the frozen weights must not matter: they come from the run.
    plain = Plain.__init__

    def otherwise(self: Plain, *given: Any) -> None:
        plain(self, *given)
        self.only.weight.fill_(1.0)

    monkeypatch.setattr(Plain, "__init__", otherwise)
    resumed = train(store, out=run, resume=True).modules.state_dict()
    whole = read_tensors(own_run / "agent" / "weights.safetensors")
    assert all(torch.equal(resumed[name].cpu(), value) for name, value in whole.items())
    (run / "checkpoints" / "frozen.safetensors").unlink()
    with pytest.raises(ForethoughtError, match="frozen.safetensors is missing"):
        train(store, out=run, resume=True)


def test_the_encoder_may_learn_at_a_rate_of_its_own(tmp_path: Path) -> None:
    store = tiny.point_store(False)
    slow = train(
        store, out=tmp_path / "slow", config=tiny.SMALL | {"training.encoder_rate": 1e-6, "training.loss.lsuv_init": False}
    )
    fresh = Agent(slow.configuration).modules.world_model.perception.state_dict()
    for name, value in slow.modules.world_model.perception.state_dict().items():
        assert torch.allclose(value, fresh[name], atol=1e-6)
    assert not torch.allclose(
        slow.modules.critic.state_dict()["scale.mean"], Agent(slow.configuration).modules.critic.state_dict()["scale.mean"]
    )


class Fixed(Predictor):
    """Knows the physics already: nothing of it learns."""

    def __init__(self, state_dim: int, action_dim: int, settings: PredictorConfig) -> None:
        super().__init__()

    def forward(self, states: Tensor, actions: Tensor) -> Tensor:
        return states + 0.1 * actions.mean(-1, keepdim=True)


def test_a_phase_with_nothing_to_learn_is_skipped(tmp_path: Path) -> None:
    parts.register("predictor", "fixed")(Fixed)
    train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | {"model.predictor.kind": "fixed"})
    assert '"phase": "predictor"' not in (tmp_path / "run" / "log.jsonl").read_text()


class Forgetful(Plain):
    """Takes no `visible`."""

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(observation)


def test_the_kit_tells_what_training_will_miss() -> None:
    streams, settings = tiny.point_agent(False).configuration.data.streams, EncoderConfig(state_dim=8)
    check_perception(Plain(streams, settings), streams, 8)
    with pytest.raises(ConformanceError, match="`state_dim` that is 9"):
        check_perception(Plain(streams, settings), streams, 9)
    with pytest.raises(ConformanceError, match=r"\(observation, visible\)"):
        check_perception(Forgetful(streams, settings), streams, 8)


@pytest.mark.parametrize(
    ("kind", "setting", "sentence"),
    [
        ("encoder", {"model.encoder.kind": "wrong"}, "encoder 'wrong' is a Linear: derive it from Encoder"),
        ("predictor", {"model.predictor.kind": "wrong"}, "predictor 'wrong' is a Linear: derive it from Predictor"),
        ("world_model", {"model.kind": "wrong"}, "world model 'wrong' is a Linear: derive it from FirstLevel"),
        ("planner", {"planner.search.kind": "wrong"}, "planner 'wrong' is a Linear: derive it from Planner"),
        ("cost", {"planner.cost.extra": {"wrong": 1.0}}, "cost 'wrong' is a Linear: derive it from Cost"),
        ("regulariser", {"training.loss.extra": {"wrong": 1.0}}, "'wrong' returns Linear, not a scalar"),
    ],
)
def test_a_part_of_another_kind_is_refused(kind: Any, setting: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    def wrong(*given: Any) -> nn.Module:
        return nn.Linear(2, 2)

    parts.register(kind, "wrong")(wrong)
    with pytest.raises(ForethoughtError, match=sentence):
        train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | setting)


@pytest.mark.parametrize(
    "setting",
    [
        {"model.encoder.kind": "nobodys"},
        {"model.predictor.kind": "nobodys"},
        {"model.kind": "nobodys"},
        {"planner.search.kind": "nobodys"},
        {"planner.upper.search.kind": "nobodys"},
        {"planner.cost.extra": {"nobodys": 1.0}},
        {"training.loss.extra": {"nobodys": 1.0}},
    ],
)
def test_an_unknown_name_is_refused_before_the_run_exists(setting: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match=r"there is no .* 'nobodys'.*--use MODULE.*entry points 'forethought\."):
        train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | setting)
    assert not (tmp_path / "run").exists()


def test_terms_that_every_agent_has_keep_their_names(tmp_path: Path) -> None:
    for setting in ({"training.loss.extra": {"variance": 1.0}}, {"planner.cost.extra": {"critic": 1.0}}):
        with pytest.raises(ForethoughtError, match="give yours another"):
            train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | setting)
