from __future__ import annotations

import torch

from forethought.execution.wire import pack, unpack


def test_tensors_travel_by_value() -> None:
    """They are part of the bytes: no memory is shared with the process that packed them."""
    weights = torch.arange(50_000, dtype=torch.float32)
    packed = pack({"weights": weights})
    assert len(packed) > weights.numel() * weights.element_size()
    weights += 1
    torch.testing.assert_close(unpack(packed)["weights"], torch.arange(50_000, dtype=torch.float32))
