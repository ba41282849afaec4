"""Four processes that share a batch compute what one process computes: values, gradients, statistics, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from forethought.config import CodesConfig, ContinuousLatentConfig, LossConfig
from forethought.cost.reachability import Reachability, ReachabilityLoss
from forethought.data_parallel import ALONE, joined, launched_rank, local_rows, whole_batch, whole_count
from forethought.errors import ForethoughtError, MainProcessError
from forethought.training.reachability_phase import ReachabilityPairs, hard_negatives
from forethought.world_model.continuous import ContinuousLatent
from forethought.world_model.extra_terms import ExtraTerms, LossInputs
from forethought.world_model.latent import Codes
from forethought.world_model.losses import random_mask
from forethought.world_model.regularisers import (
    EpisodeContrast,
    Expander,
    InverseDynamics,
    covariance_penalty,
    info_nce,
    prediction_contrast,
    sigreg,
    variance_hinge,
)
from rank_processes import exit_codes, in_processes

B, T, D, A = 16, 3, 6, 2
PROCESSES = 4


def stream() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def built(part: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    torch.manual_seed(1)
    return part()


def expander(x: Tensor) -> Tensor:
    return covariance_penalty(built(lambda: Expander(D, 12))(x[:, 0]))


def inverse(x: Tensor) -> Tensor:
    head = built(lambda: InverseDynamics(D, A))
    loss = head(x[:, :-1], x[:, 1:]).square().mean()
    return loss + head.normalise.running_var.mean().detach()


def codes(x: Tensor) -> Tensor:
    latent = built(lambda: Codes(D, A, CodesConfig(num_codes=3), 8))
    posterior = latent.explain(lambda s, a, z: s + z @ torch.arange(18.0).view(3, D) / 9, x[:, 0], x[:, 1, :A], x[:, 1])
    return posterior.loss + posterior.following.square().mean() + (1000 * (latent.share[0] - 1 / 3)).square()


def continuous(x: Tensor) -> Tensor:
    latent = built(lambda: ContinuousLatent(D, A, ContinuousLatentConfig(kind="gaussian", dim=4), 8))
    posterior = latent.explain(lambda s, a, z: s + z @ torch.ones(4, D), x[:, 0], x[:, 1, :A], x[:, 1], 1.0, stream())
    return posterior.loss + posterior.following.square().mean()


def reachability(x: Tensor) -> Tensor:
    head, loss = built(lambda: Reachability(D, 8)), ReachabilityLoss()
    # Few rows break the constraint, all of them in the last quarter of the batch.
    gap = torch.where(x[:, 0].detach().norm(dim=-1) > 4.5, 0.1, 1e6)
    value = loss(head, x[:, 0], x[:, 1], gap, x[:, 2])
    return value + loss.lagrange_multiplier


def mined(x: Tensor) -> Tensor:
    rows = torch.arange(B)
    pairs = ReachabilityPairs(rows, rows, rows, rows, rows % 2 == 0, rows % 3 == 0)
    starts, _, bound, negatives = hard_negatives(pairs, x.transpose(0, 1), stream())
    return (starts * negatives).mean() + bound.clamp_max(20).mean()


def masked(x: Tensor) -> Tensor:
    pictures = x.new_zeros(len(x), 8, 8, 1)
    visible = random_mask("image", pictures, stream()).flatten(1).float() @ torch.arange(64).float()
    return (x[:, 0] * random_mask("vector", x[:, 0].detach(), stream())).mean() + (x[:, 0, 0] * visible).mean()


def own_term(x: Tensor) -> Tensor:
    terms = ExtraTerms(D, A, LossConfig())
    terms.terms, terms.kinds = {"spread": lambda states: torch.pdist(states[:, 0]).mean()}, {"spread": "regulariser"}
    return terms(LossInputs(x, x[:, 1:], x[:, 1:], x[:, :-1, :A]))["spread"]


TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "variance": lambda x: variance_hinge(x[:, 0] / 4),
    "covariance": lambda x: covariance_penalty(x[:, 0]),
    "sigreg": lambda x: sigreg(x[:, 0], stream()),
    "info_nce": lambda x: info_nce(x[:, 0], x[:, 1]),
    "episode_contrast": lambda x: built(lambda: EpisodeContrast(D))(x[:, 0], x[:, 1]),
    "prediction_contrast": lambda x: prediction_contrast(x[:, :-1] * 0.9, x),
    "expander": expander, "inverse": inverse, "codes": codes, "continuous": continuous, "reachability": reachability,
    "mined": mined, "masked": masked, "own_term": own_term,
}  # fmt: skip


def batch() -> Tensor:
    """Rows whose scale grows along the batch: no quarter of it is like the whole."""
    return torch.randn(B, T, D, generator=stream()) * torch.linspace(0.5, 2, B)[:, None, None]


def of_one_process(term: Callable[[Tensor], Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    rows = rows.clone().requires_grad_(True)
    value = term(rows)
    return value.detach(), torch.autograd.grad(value, rows)[0]


def compute(folder: Path) -> None:
    """Each term in this process: value and gradient of the mean over processes, with respect to the rows of this one."""
    found = {}
    with joined() as processes:
        for name, term in TERMS.items():
            with processes.sharing_rows():
                value, gradient = of_one_process(term, local_rows(batch()).contiguous())
            found |= {f"{name}.value": processes.mean(value), f"{name}.gradient": (gradient / processes.size).contiguous()}
        save_file(found, folder / f"{processes.rank}.safetensors")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("terms")
    in_processes(PROCESSES, compute, folder)
    return [load_file(folder / f"{rank}.safetensors") for rank in range(PROCESSES)]


@pytest.mark.parametrize("name", TERMS)
def test_a_term_of_four_processes_is_that_of_one(name: str, shared: list[dict[str, Tensor]]) -> None:
    value, gradient = of_one_process(TERMS[name], batch())
    assert gradient.abs().max() > 1e-4, "a term without a gradient would compare zeros"
    for one in shared:
        torch.testing.assert_close(one[f"{name}.value"], value, rtol=1e-5, atol=1e-6)
    together = torch.cat([one[f"{name}.gradient"] for one in shared])
    torch.testing.assert_close(together, gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TERMS)
def test_each_term_couples_rows_or_samples_noise(name: str) -> None:
    """Else the comparison above would hold without `whole_batch`."""
    if name in {"masked", "continuous", "mined"}:  # equal in law, and another sample for each part of the batch
        return
    value, _ = of_one_process(TERMS[name], batch())
    parts = torch.stack([of_one_process(TERMS[name], part)[0] for part in batch().chunk(PROCESSES)])
    assert abs(float(parts.mean() - value)) > 1e-4


def test_alone_nothing_is_shared() -> None:
    rows = torch.arange(4)
    assert local_rows(rows) is rows
    assert whole_batch(rows) is rows
    assert whole_count(4) == 4
    with joined() as processes:
        assert processes is ALONE
    assert ALONE.from_main(lambda: 3) == 3
    assert ALONE.any(True)
    assert not ALONE.any(False)
    assert ALONE.mean(rows) is rows


def test_chunks_alone_are_joined_in_order() -> None:
    found = ALONE.in_chunks(range(2, 9), 3, 1, torch.device("cpu"), lambda a, b: torch.arange(a, b).float()[:, None])
    assert found[:, 0].tolist() == [2, 3, 4, 5, 6, 7, 8]


def messages(folder: Path) -> None:
    """What the main process says, and what each does of a shared work; a difference ends the process with an exit code."""
    with joined() as processes:
        rank = processes.rank
        assert launched_rank() == rank
        assert processes.from_main(lambda: {"said by": rank}) == {"said by": 0}
        assert processes.any(rank == 1)
        assert not processes.any(False)
        assert processes.mean(torch.tensor(float(rank))).item() == 0.5
        assert processes.mean(torch.tensor(torch.nan if rank else 1.0)).isnan()
        calls: list[int] = []

        def work(first: int, last: int) -> Tensor:
            calls.append(first)
            return torch.arange(first, last).float()[:, None].expand(-1, 2)

        found = processes.in_chunks(range(1, 8), 3, 2, torch.device("cpu"), work)
        assert found[:, 1].tolist() == [1, 2, 3, 4, 5, 6, 7]
        assert calls == ([1, 7] if rank == 0 else [4])
        layer = torch.nn.BatchNorm1d(2)
        layer.running_mean.fill_(rank + 7)
        processes.broadcast_state(layer)
        assert layer.running_mean.tolist() == [7, 7]

        def refuse() -> None:
            raise ForethoughtError("The main process refuses.")

        try:
            processes.from_main(refuse)
        except ForethoughtError as error:
            assert str(error) == "The main process refuses."
            assert isinstance(error, MainProcessError) == (rank == 1)
            (folder / f"refused-{rank}").touch()


def test_the_main_process_speaks_for_all(tmp_path: Path) -> None:
    in_processes(2, messages, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"refused-0", "refused-1"}


def end_early(rank: int, folder: Path) -> None:
    """This rank ends while the others wait for it."""
    try:
        with joined() as processes:
            if processes.rank == rank:
                raise SystemExit(7)
            while True:
                processes.any(False)
    except ForethoughtError as error:
        (folder / "sentence").write_text(str(error))


@pytest.mark.parametrize("rank", [0, 1])
def test_the_end_of_a_process_is_one_sentence_for_the_others(rank: int, tmp_path: Path) -> None:
    assert exit_codes(2, end_early, rank, tmp_path) == [7 if rank == other else 0 for other in range(2)]
    assert f"Rank {1 - rank} of 2 lost another process" in (tmp_path / "sentence").read_text()


def own_mistake() -> None:
    with joined():
        raise RuntimeError("a mistake of one's own")


def test_other_errors_are_passed_on() -> None:
    assert exit_codes(2, own_mistake) == [1, 1]
    with pytest.raises(RuntimeError, match="of one's own"):
        own_mistake()
