"""The tokenizer: pictures in words and back, codes that are found where they matter, states that are codes."""

from __future__ import annotations

import pytest
import torch

import tiny
from forethought.config import DataSpec, StreamSettings
from forethought.errors import ForethoughtError
from forethought_benchmarks.reconstruction_baselines.tokenizer import CODES, PATCH, Tokenizer, k_means, nearest


def body(size: int = 16, name: str = "pixels") -> DataSpec:
    shape = (size, size, 3) if name == "pixels" else (4,)
    scale = {"mean": (0.0,) * shape[-1], "std": (1.0,) * shape[-1]}
    stream = StreamSettings.model_validate({"name": name, "shape": shape, **scale})
    return DataSpec(world="toy", streams=(stream,), action_kind="continuous", action_size=2, low=(-1, -1), high=(1, 1), block=1)


def pictures(count: int, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def fitted(size: int = 16) -> Tokenizer:
    tokenizer = Tokenizer(body(size).streams, 4 * (size // PATCH) ** 2)
    tokenizer.fit(tokenizer.patches(pictures(100, size)).flatten(0, 1), torch.Generator().manual_seed(1))
    return tokenizer


def test_patches_are_cut_row_by_row() -> None:
    picture = pictures(1)[0]
    patches = Tokenizer(body().streams, 16).patches(picture)
    assert patches.shape == (4, PATCH * PATCH * 3)
    assert torch.equal(patches[1], picture[:PATCH, PATCH:].flatten() / 255)
    assert torch.equal(patches[2], picture[PATCH:, :PATCH].flatten() / 255)


def test_a_state_tells_its_codes_exactly() -> None:
    tokenizer = fitted()
    tokens = torch.randint(0, CODES, (5, 3, 4), generator=torch.Generator().manual_seed(2))
    states = tokenizer.write(tokens)
    assert states.shape == (5, 3, 16)
    assert torch.equal(tokenizer.read(states), tokens)


def test_pictures_of_no_more_patches_than_codes_come_back_as_they_were() -> None:
    """Every patch is a code of its own then, so what is put in words is drawn again to the last pixel."""
    tokenizer, seen = Tokenizer(body().streams, 16), pictures(CODES // 4)
    tokenizer.fit(tokenizer.patches(seen).flatten(0, 1), torch.Generator().manual_seed(1))
    torch.testing.assert_close(tokenizer.draw(tokenizer.tokens(seen)), tokenizer.patches(seen))
    torch.testing.assert_close(tokenizer({"pixels": seen}), tokenizer.write(tokenizer.tokens(seen)))


def test_rare_patches_get_codes_too() -> None:
    """A room is bare floor but for a few patches: codes drawn by plain chance would all be floor."""
    floor, rare = torch.zeros(2000, 12), torch.eye(12)
    centres = k_means(torch.cat([floor, rare]), 13, torch.Generator().manual_seed(0))
    assert torch.cdist(rare, centres).amin(1).max() < 1e-5


def test_lloyds_rounds_bring_centres_to_the_means_of_what_is_theirs() -> None:
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(3))
    centres = k_means(points, 6, torch.Generator().manual_seed(0))
    seeds = points[torch.randperm(500, generator=torch.Generator().manual_seed(0))[:6]]
    assert torch.cdist(points, centres).amin(1).square().mean() < torch.cdist(points, seeds).amin(1).square().mean()
    assert torch.equal(nearest(points, centres), torch.cdist(points, centres).argmin(1))


def test_same_seed_same_codes() -> None:
    assert torch.equal(fitted().codebook, fitted().codebook)


def test_what_cannot_be_put_in_words_is_refused() -> None:
    with pytest.raises(ForethoughtError, match="made of pixels alone"):
        Tokenizer(body(name="proprioception").streams, 16)
    with pytest.raises(ForethoughtError, match="multiple of 4"):
        Tokenizer(body().streams, 18)


def test_real_rooms_in_words_show_the_agent() -> None:
    """With all rooms' patches to learn from, what the words leave out is little: less than the average picture does."""
    store = tiny.rooms_store()
    pixels = torch.from_numpy(store.rows("pixels", store.rows_of(store.train[:40])))
    body_of_rooms = body(64)
    tokenizer = Tokenizer(body_of_rooms.streams, 256)
    patches = tokenizer.patches(pixels)
    tokenizer.fit(patches.flatten(0, 1), torch.Generator().manual_seed(0))
    error = (tokenizer.draw(tokenizer.tokens(pixels)) - patches).square().mean()
    assert error < 0.2 * (patches - patches.mean(0)).square().mean()
