"""Perception as a whole: the same state whoever else is in the batch, scales in the checkpoint, hidden parts hidden."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from forethought.config import EncoderConfig, StreamSettings
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.perception import Perception, to_tensors

PIXELS = StreamSettings(name="pixels", shape=(32, 32, 3), mean=(100.0, 50.0, 20.0), std=(60.0, 30.0, 10.0))
NUMBERS = StreamSettings(name="proprioception", shape=(4,), mean=(1.0, -2.0, 0.0, 30.0), std=(0.5, 2.0, 1.0, 10.0))
KINDS = {
    "conv": ((PIXELS,), "conv"),
    "spatial softmax": ((PIXELS,), "spatial-softmax"),
    "vit": ((PIXELS,), "vit"),
    "numbers": ((NUMBERS,), "conv"),
    "conv and numbers": ((PIXELS, NUMBERS), "conv"),
    "numbers and vit": ((NUMBERS, PIXELS), "vit"),
}


def make(kind: str) -> Perception:
    streams, image = KINDS[kind]
    settings = EncoderConfig.model_validate({"image": image, "state_dim": 6, "width": 4, "hidden": 16, "depth": 1, "heads": 2})
    torch.manual_seed(0)
    return Perception(streams, settings)


def see(lead: tuple[int, ...], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "pixels": torch.randint(0, 256, (*lead, 32, 32, 3), generator=generator, dtype=torch.uint8),
        "proprioception": torch.randn(*lead, 4, generator=generator) * 3,
    }


def some_hidden(lead: tuple[int, ...]) -> dict[str, Tensor]:
    visible = {"pixels": torch.ones(*lead, 32, 32, dtype=torch.bool), "proprioception": torch.ones(*lead, 4, dtype=torch.bool)}
    visible["pixels"][..., 8:20, 4:30] = False
    visible["proprioception"][..., 1:3] = False
    return visible


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_does_not_depend_on_who_else_is_in_the_batch(kind: str) -> None:
    perception, observation = make(kind), see((5,))
    together = perception(observation)
    for row in range(5):
        alone = perception({name: values[row : row + 1] for name, values in observation.items()})
        assert torch.allclose(alone[0], together[row], atol=1e-5)
    assert together.std(0).min() > 1e-3, "and different observations give different states"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [(), (1,), (3,), (2, 3), (2, 1, 3)])
def test_any_leading_axes(kind: str, lead: tuple[int, ...]) -> None:
    perception, observation = make(kind), see(lead)
    states = perception(observation)
    assert states.shape == (*lead, 6)
    flat = {name: values.flatten(0, len(lead) - 1) if lead else values[None] for name, values in observation.items()}
    assert torch.allclose(states.reshape(-1, 6), perception(flat), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_normalisers_travel_with_the_weights(kind: str) -> None:
    perception = make(kind)
    saved = perception.state_dict()
    for stream in perception.streams:
        assert saved[f"normalise.{stream.name}.mean"].tolist() == list(stream.mean)
        assert saved[f"normalise.{stream.name}.std"].tolist() == list(stream.std)
    assert not any("normalise" in name for name, _ in perception.named_parameters()), "they are not trained"


def test_values_at_the_mean_are_zero_and_one_std_is_one() -> None:
    perception = make("conv and numbers")
    mean = torch.tensor(NUMBERS.mean)
    assert torch.allclose(perception.normalise["proprioception"](mean[None]), torch.zeros(1, 4), atol=1e-5)
    assert torch.allclose(perception.normalise["proprioception"](mean[None] + torch.tensor(NUMBERS.std)), torch.ones(1, 4))
    picture = torch.tensor(PIXELS.mean).to(torch.uint8).expand(1, 32, 32, 3)
    assert torch.allclose(perception.normalise["pixels"](picture), torch.zeros(1, 3, 32, 32), atol=1e-5)
    assert torch.allclose(perception.normalise["pixels"](picture + 30)[0, :, 0, 0], torch.tensor([0.5, 1.0, 3.0]), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_what_is_hidden_has_no_effect_and_what_is_visible_has(kind: str, lead: tuple[int, ...]) -> None:
    perception, observation, visible = make(kind), see(lead), some_hidden(lead)
    other = see(lead, seed=1)
    behind, before = dict(observation), dict(observation)
    for name in observation:
        mask = visible[name][..., None] if name == "pixels" else visible[name]
        behind[name] = torch.where(mask, observation[name], other[name])
        before[name] = torch.where(mask, other[name], observation[name])
    state = perception(observation, visible)
    assert state.shape == (*lead, 6)
    assert torch.equal(perception(behind, visible), state)
    assert not torch.allclose(perception(before, visible), state, atol=1e-3)
    assert not torch.allclose(perception(observation), state, atol=1e-3), "hiding changes something"


def test_masks_of_one_stream_leave_the_other_alone() -> None:
    perception, observation, visible = make("conv and numbers"), see((2,)), some_hidden((2,))
    only_pixels = perception(observation, {"pixels": visible["pixels"]})
    nothing = {"pixels": torch.ones(2, 32, 32, dtype=torch.bool)}
    assert torch.equal(perception(observation, nothing), perception(observation))
    assert not torch.allclose(only_pixels, perception(observation, visible), atol=1e-3)


# --- the door: to_tensors ------------------------------------------------------------------------------------------


def arrays(lead: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    return {name: values.numpy() for name, values in see(lead).items()}


def test_pixels_stay_uint8_and_numbers_become_float32() -> None:
    observation = arrays((2,)) | {"unknown": np.zeros(3)}
    observation["proprioception"] = observation["proprioception"].astype(np.float64)
    tensors = to_tensors(observation, (PIXELS, NUMBERS))
    assert list(tensors) == ["pixels", "proprioception"], "streams that the agent does not know are left alone"
    assert tensors["pixels"].dtype == torch.uint8
    assert tensors["proprioception"].dtype == torch.float32
    np.testing.assert_array_equal(tensors["pixels"].numpy(), observation["pixels"])


@pytest.mark.filterwarnings("error")
def test_arrays_that_are_read_only_or_run_backwards_are_read() -> None:
    observation = arrays((2,))
    frozen = {name: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape) for name, values in observation.items()}
    turned = {name: values[::-1] for name, values in observation.items()}
    for given in (frozen, turned):
        for name, values in to_tensors(given, (PIXELS, NUMBERS)).items():
            np.testing.assert_array_equal(values.numpy(), given[name])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pixels": None}, r"no 'pixels' stream \(it has: proprioception\).*give \[32, 32, 3\]"),
        ({"pixels": np.zeros((64, 64, 3), np.uint8)}, r"'pixels' stream has shape \[64, 64, 3\].*trained on \[32, 32, 3\]"),
        ({"pixels": np.zeros((32, 32), np.uint8)}, r"has shape \[32, 32\]"),
        ({"pixels": np.zeros((3, 32, 32), np.uint8)}, r"has shape \[3, 32, 32\]"),
        ({"pixels": np.zeros((32, 32, 3), np.float32)}, r"must be uint8 in 0\.\.255, not float32"),
        ({"proprioception": np.zeros(5)}, r"'proprioception' stream has shape \[5\]"),
        ({"proprioception": np.float32(0)}, r"'proprioception' stream has shape \[\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change: dict[str, np.ndarray | None], sentence: str) -> None:
    observation = {name: values for name, values in (arrays() | change).items() if values is not None}
    with pytest.raises(ForethoughtError, match=sentence) as raised:
        to_tensors(observation, (PIXELS, NUMBERS))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(bad: float) -> None:
    observation = arrays((2, 3))
    observation["proprioception"][1, 2, 3] = bad
    with pytest.raises(NonFiniteError, match=r"'proprioception' stream.*index \[1, 2, 3\]"):
        to_tensors(observation, (PIXELS, NUMBERS))


def test_streams_of_different_batches_are_refused() -> None:
    observation = arrays((2,)) | {"proprioception": np.zeros((3, 4), np.float32)}
    with pytest.raises(ForethoughtError, match="leading axes"):
        to_tensors(observation, (PIXELS, NUMBERS))
