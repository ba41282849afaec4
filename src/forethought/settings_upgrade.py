"""Reads configurations that earlier versions wrote: sections and settings had other names then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forethought.errors import CorruptFileError

VERSION = 2
"""Of the names that `settings.py` has now."""

_SEARCH = {"candidates": "num_samples", "elites": "num_elites", "iterations": "num_iterations", "polish": "gradient_steps"}
SECTIONS: Mapping[str, str] = MappingProxyType({"body": "space", "learning": "training"})
"""Sections that schema 1 called otherwise."""
SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "actor": {
            **_SEARCH,
            "noise": "init_std",
            "correlation": "noise_autocorrelation",
            "memory_seeds": "retrieved_candidates",
            "policy_seed": "policy_candidate",
            "bank_size": "retrieval_size",
            "samples": "num_scenarios",
            "caution": "cvar_level",
            "trust": "prior_exponent",
            "react_margin": "mode1_accept_gain",
        },
        "hierarchy": {
            **_SEARCH,
            "top": "kind",
            "reach": "critic_radius",
            "off_manifold": "ood_cost",
            "stride_above": "upper_stride",
            "states": "encoder",
            "bank_size": "retrieval_size",
        },
        "cost": {"near": "latent_distance_radius", "own": "extra", "intrinsic": "drive_weights"},
        "memory": {"rows": "history", "refusals": "failed_plan_cost"},
        "learning": {"clip": "sequence_length", "rollout": "rollout_horizon", "planned_pairs": "distillation_plans"},
        "world_model": {
            "codes": "num_codes",
            "latent_price": "kl_weight",
        },
    }
)
"""Settings that schema 1 called otherwise, by its sections."""
LOSS: Mapping[str, str] = MappingProxyType(
    {
        "unit_start": "lsuv_init",
        "smoothness": "temporal_similarity",
        "contrastive": "infonce_prediction",
        "episode_contrast": "episode_infonce",
        "contrast_start": "episode_infonce_start",
        "contrast_ramp": "episode_infonce_ramp",
        "filling_in": "masked_prediction",
        **{
            name: name
            for name in (
                *("one_step", "multi_step", "variance", "covariance", "within_episode_variance", "sigreg", "expander", "ema"),
                *("inverse_dynamics", "multi_step_inverse"),
            )
        },
    }
)
"""Settings of `world_model` that are in the section `loss` now."""


REMOVED: Mapping[str, tuple[Any, str]] = MappingProxyType(
    {
        "actor.branches": (1, "contingency plans gained nothing where they were measured"),
        "hierarchy.refine": (0, "no result ever spoke for joint refinement of the levels' plans"),
    }
)
"""Settings of schema 1 that are gone: the value that asked for nothing, and why there is no other now."""


def upgraded(content: Any, path: Path) -> Any:
    """A configuration file's content under the names of this version; what is no object is left to the validation.

    Raises:
        CorruptFileError: it was written by a later version, or a setting that is gone would change what the agent does.
    """
    if not isinstance(content, dict):
        return content
    version = content.get("schema_version", 1)
    if version == VERSION:
        return content
    if version != 1:
        raise CorruptFileError(
            f"{path} has schema {version!r}, and this version reads 1 to {VERSION}: open it with the version that wrote it."
        )
    content = _without_removed(content, path)
    renamed = {SECTIONS.get(section, section): _section(section, values) for section, values in content.items()}
    if isinstance(mixed := renamed.get("world_model"), dict):
        renamed["loss"] = {LOSS[name]: value for name, value in mixed.items() if name in LOSS}
        renamed["world_model"] = {name: value for name, value in mixed.items() if name not in LOSS}
    renamed["reasons"] = [_reason(reason) for reason in content.get("reasons", [])]
    return renamed | {"schema_version": VERSION}


def _without_removed(content: dict[str, Any], path: Path) -> dict[str, Any]:
    kept = {name: dict(value) if isinstance(value, dict) else value for name, value in content.items()}
    for setting, (default, why) in REMOVED.items():
        section, key = setting.split(".")
        values = kept.get(section)
        if isinstance(values, dict) and key in values and (value := values.pop(key)) != default:
            raise CorruptFileError(f"{path}: {setting} = {value!r} is gone ({why}): set it to {default} in the file.")
    return kept


def _section(section: str, values: Any) -> Any:
    """One section's settings under their present names; a value that was renamed, too."""
    if not isinstance(values, dict):
        return values
    names = SETTINGS.get(section, {})
    renamed = {names.get(name, name): value for name, value in values.items()}
    if section == "hierarchy" and renamed.get("encoder") == "own":
        renamed["encoder"] = "separate"
    return renamed


def _reason(reason: Any) -> Any:
    """Why a setting has its value, under the setting's present name."""
    if not isinstance(reason, dict) or "." not in str(reason.get("setting")):
        return reason
    section, name = str(reason["setting"]).split(".", 1)
    if section == "world_model" and name in LOSS:
        return reason | {"setting": f"loss.{LOSS[name]}"}
    return reason | {"setting": f"{SECTIONS.get(section, section)}.{SETTINGS.get(section, {}).get(name, name)}"}
