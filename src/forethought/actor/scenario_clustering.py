"""When the futures of a plan look different, and which of them look alike: all that a plan may hang on.

Axes: B episodes, K candidates, S futures, H blocks, D numbers in a state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHARE = 0.2
"""Of all futures, how large a share must look alike to be planned for by themselves; what is rarer goes on as planned."""


@dataclass(frozen=True)
class ScenarioSplit:
    """When and into which groups the futures of candidates part.

    Fields:
        after: int64 [B, K], blocks after which a plan may go on in different ways; H where it may not.
        group: int64 [B, K, S], the group of each future, the largest 0; `groups` for those that belong to none.
        groups: how many there are at most.
    """

    after: Tensor
    group: Tensor
    groups: int


def cluster_scenarios(states: Tensor, visible: float, groups: int) -> ScenarioSplit:
    """Where at least two groups of futures, of a fair share each, have come to look different, for the first time.

    Args:
        states: [B, K, S, H, D]. visible: states further apart (mean squared difference) can be told apart.
        groups: keep no more than these, the largest.
    """
    count, horizon = states.shape[2:4]
    leader, size = single_linkage_clusters(states.transpose(2, 3), visible)
    size = size * (leader == torch.arange(count, device=states.device))
    large = size >= SHARE * count
    parts = large.sum(-1) > 1
    # After the last block nothing is left to be decided.
    parts[..., -1] = False
    apart = parts.any(-1)
    first = parts.to(torch.uint8).argmax(-1)

    def then(values: Tensor) -> Tensor:
        return torch.take_along_dim(values, first[..., None, None], 2).squeeze(2)

    size, leader = then(size), then(leader)
    kept, whose = size.sort(stable=True, dim=-1, descending=True)
    known = (kept >= SHARE * count) & apart[..., None]
    member = (leader[..., None] == whose[..., None, :groups]) & known[..., None, :groups]
    group = torch.where(member.any(-1), member.to(torch.uint8).argmax(-1), groups)
    return ScenarioSplit(torch.where(apart, first + 1, horizon), group, groups)


def single_linkage_clusters(states: Tensor, visible: float) -> tuple[Tensor, Tensor]:
    """States [..., S, D] that can't be told apart, nor told apart from what can't be told apart from them, and so on.

    Two states on both sides of a border would be told apart by a clustering with leaders, be they ever so close. In these
    groups (components of the graph of lookalikes) no two that look alike are ever in different ones.

    Returns:
        Of each, int64 [..., S]: which is the first of its group, and how many there are in it.
    """
    apart = torch.cdist(states, states, compute_mode="donot_use_mm_for_euclid_dist").square() / states.shape[-1]
    alike = (apart <= visible).to(states.dtype)
    for _ in range((states.shape[-2] - 1).bit_length()):
        alike = (alike @ alike).clamp_max(1)
    return alike.argmax(-1), alike.sum(-1).long()
