"""Chance of a step: a function of seed, phase and step, and of each of them."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from forethought.training.phases import parameters_of, step_generator


def draw(seed: int, phase: str, step: int) -> tuple[float, ...]:
    return tuple(torch.rand(4, generator=step_generator(seed, phase, step)).tolist())


def test_the_same_step_draws_the_same_numbers() -> None:
    assert draw(3, "critic", 7) == draw(3, "critic", 7)


def test_seed_phase_and_step_all_count() -> None:
    phases = ("world model", "predictor", "critic", "policy")
    drawn = {draw(*each) for each in itertools.product(range(20), phases, range(20))}
    assert len(drawn) == 20 * 4 * 20


@pytest.mark.parametrize("seed", [2**21, 2**31 - 1, 123_456_789_012])
def test_large_seeds_are_seeds_too(seed: int) -> None:
    assert draw(seed, "critic", 0) != draw(seed + 1, "critic", 0) != draw(seed % 2**20, "critic", 0)


def test_frozen_parameters_are_not_trained() -> None:
    frozen = nn.Linear(2, 2).requires_grad_(False)
    assert len(parameters_of(nn.Linear(2, 2), frozen, nn.Linear(2, 2, bias=False))) == 3
