"""Converts names of stored weights of earlier versions, with a table from former to present names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

FORMER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "apart": "nn_distance_p95",
        "filler": "masked_predictor",
        "near": "radius",
        "place": "position",
        "price": "lagrange_multiplier",
        "reach": "reachability",
        "stride": "typical_step_sq_distance",
        "sureness": "inverse_temperature",
        "typical": "scale",
        "wary": "worst_case_head",
    }
)
"""Attributes in the dotted name of a weight: former to present."""


def with_present_names(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors `found` in a file, under the names of the module's tensors `expected`.

    A name is converted only if the module lacks it and has the converted one, so weights of custom parts keep their names.
    """
    return {_present_name(name, expected): tensor for name, tensor in found.items()}


def _present_name(name: str, expected: Mapping[str, Tensor]) -> str:
    converted = ".".join(FORMER_NAMES.get(attribute, attribute) for attribute in name.split("."))
    return converted if name not in expected and converted in expected else name
