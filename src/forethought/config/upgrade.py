"""Converts configurations of earlier versions, with a table from former to present names."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forethought.config.base import Settings
from forethought.config.model_config import CodesConfig, ContinuousLatentConfig, NoLatentConfig
from forethought.config.planner_config import CategoricalConfig, CEMConfig, GradientConfig, ICEMConfig, MPPIConfig
from forethought.errors import CorruptFileError

log = logging.getLogger(__name__)
VERSION = 2
"""Schema version of the present names in `forethought.config`."""

_SEARCH = {
    "candidates": "num_samples",
    "elites": "num_elites",
    "iterations": "num_iterations",
    "polish": "gradient_steps",
    "temperature": "temperature",
    "learning_rate": "learning_rate",
    "noise": "init_std",
    "correlation": "noise_autocorrelation",
    "planner": "kind",
}
_LOSS = {
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
_BY_SECTION: Mapping[str, Mapping[str, str]] = {
    "perception": {
        "pixels": "model.encoder.image",
        **{name: f"model.encoder.{name}" for name in ("state_dim", "width", "patch", "depth", "heads", "hidden")},
    },
    "world_model": {
        "predictor": "model.predictor.kind",
        **{name: f"model.predictor.{name}" for name in ("hidden", "depth", "heads", "context")},
        "latent": "model.latent.kind",
        "codes": "model.latent.num_codes",
        "latent_dim": "model.latent.dim",
        "latent_price": "model.latent.kl_weight",
        **{former: f"training.loss.{name}" for former, name in _LOSS.items()},
    },
    "cost": {
        "intrinsic": "planner.cost.drive_weights",
        "goal_distance": "planner.cost.goal_distance",
        "critic": "planner.cost.critic",
        "own": "planner.cost.extra",
        "near": "model.latent_distance_radius",
        "hidden": "model.critic_hidden",
        "discount": "model.discount",
        "expectile": "training.expectile",
    },
    "actor": {
        **{former: f"planner.search.{name}" for former, name in _SEARCH.items()},
        "horizon": "planner.horizon",
        "memory_seeds": "planner.retrieved_candidates",
        "policy_seed": "planner.policy_candidate",
        "react_margin": "planner.mode1_accept_gain",
        "bank_size": "model.retrieval_size",
        "policy_hidden": "model.policy_hidden",
        "samples": "planner.risk.num_scenarios",
        "risk": "planner.risk.measure",
        "caution": "planner.risk.cvar_level",
        "trust": "planner.risk.prior_exponent",
    },
    "hierarchy": {
        **{former: f"planner.upper.search.{name}" for former, name in _SEARCH.items()},
        "horizon": "planner.upper.horizon",
        "reach": "planner.upper.critic_radius",
        "off_manifold": "planner.upper.ood_cost",
        "levels": "model.hierarchy.levels",
        "top": "model.hierarchy.kind",
        "landmarks": "model.hierarchy.landmarks",
        "stride": "model.hierarchy.stride",
        "stride_above": "model.hierarchy.upper_stride",
        "states": "model.hierarchy.encoder",
        "state_dim": "model.hierarchy.state_dim",
        "macro_dim": "model.hierarchy.macro_dim",
        "hidden": "model.hierarchy.hidden",
        "bank_size": "model.hierarchy.retrieval_size",
    },
    "memory": {"rows": "planner.history", "refusals": "planner.cost.failed_plan"},
    "learning": {
        "clip": "training.sequence_length",
        "rollout": "training.rollout_horizon",
        "planned_pairs": "training.distillation_plans",
    },
}
FORMER: Mapping[str, str] = MappingProxyType(
    {f"{section}.{former}": now for section, names in _BY_SECTION.items() for former, now in names.items()}
)
"""Dotted names of schema 1 to present names; settings of `learning` that are not listed kept their key."""
REMOVED: Mapping[str, tuple[Any, str]] = MappingProxyType(
    {
        "actor.branches": (1, "contingency plans gained nothing where they were measured"),
        "hierarchy.refine": (0, "joint refinement of the levels' plans never improved a result"),
    }
)
"""Removed settings of schema 1: the value without effect, and the reason of the removal."""
_SEARCHES: Mapping[str, type[Settings]] = {
    "cem": CEMConfig,
    "icem": ICEMConfig,
    "mppi": MPPIConfig,
    "gradient": GradientConfig,
    "categorical": CategoricalConfig,
}
_FIRST_UPPER_SEARCH = {"init_std": 0.5, "noise_autocorrelation": 0.0}
"""Settings of the upper searches that were constants in schema 1."""


def present_name(former: str) -> str | None:
    """The name of a setting that was called `former`; None if there is none."""
    if former in FORMER:
        return FORMER[former]
    section, _, key = former.partition(".")
    if section == "body":
        return "data"
    if section == "learning" and key:
        return f"training.{key}"
    return None


def present_settings(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A user's setting, or group of settings, under its present name; a name of schema 1 is converted with a warning."""
    section, _, key = name.partition(".")
    if section not in _BY_SECTION:
        yield name, value
    elif not key:
        for inner, each in value.items() if isinstance(value, Mapping) else ():
            yield from present_settings(f"{section}.{inner}", each)
        if not isinstance(value, Mapping):
            yield name, value
    elif (now := present_name(name)) is None:
        yield name, value
    else:
        log.warning("The setting %s is called %s now.", name, now)
        if name == "world_model.codes" and value == 1:
            yield "model.latent.kind", "none"
        else:
            yield now, "separate" if (name, value) == ("hierarchy.states", "own") else value


def upgraded(content: Any, path: Path) -> Any:
    """A configuration file's content with present names; values other than objects are returned for validation.

    Raises:
        CorruptFileError: the file is of a later version, or a removed setting has another value than its default.
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
    upgraded_content: dict[str, Any] = {"schema_version": VERSION, "data": content.get("body")}
    for section, values in content.items():
        if section in ("body", "reasons"):
            continue
        if not isinstance(values, dict):
            upgraded_content[section] = values
            continue
        for key, value in values.items():
            if (setting := f"{section}.{key}") in REMOVED:
                _require_default(setting, value, path)
            else:
                _put(upgraded_content, present_name(setting) or setting, value)
    _fill_in(upgraded_content)
    upgraded_content["reasons"] = [_reason(reason) for reason in content.get("reasons", [])]
    return upgraded_content


def _require_default(setting: str, value: Any, path: Path) -> None:
    default, why = REMOVED[setting]
    if value != default:
        raise CorruptFileError(f"{path}: {setting} = {value!r} is gone ({why}): set it to {default} in the file.")


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *groups, key = name.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[key] = value


def _fill_in(content: dict[str, Any]) -> None:
    """Convert what is not a renaming: the settings of each kind, and the lengths of retrieved sequences."""
    model, planner = content.setdefault("model", {}), content.setdefault("planner", {})
    hierarchy, upper = model.setdefault("hierarchy", {}), planner.setdefault("upper", {})
    if hierarchy.get("encoder") == "own":
        hierarchy["encoder"] = "separate"
    model["retrieval_horizon"] = planner.get("horizon", 5)
    hierarchy["retrieval_horizon"] = upper.get("horizon", 4)
    model["latent"] = _latent(model.get("latent", {}))
    if "search" in planner:
        planner["search"] = _of_kind(planner["search"])
    if "search" in upper:
        upper["search"] = _of_kind(_FIRST_UPPER_SEARCH | upper["search"])


def _latent(given: dict[str, Any]) -> dict[str, Any]:
    kind = given.get("kind", "codes")
    if kind == "codes" and given.get("num_codes", 1) == 1:
        return NoLatentConfig().model_dump()
    member: type[Settings] = CodesConfig if kind == "codes" else ContinuousLatentConfig
    return {name: value for name, value in given.items() if name in member.model_fields} | {"kind": kind}


def _of_kind(given: dict[str, Any]) -> dict[str, Any]:
    kind = given.get("kind", "icem")
    fields: Any = _SEARCHES[kind].model_fields if kind in _SEARCHES else given
    return {name: value for name, value in given.items() if name in fields} | {"kind": kind}


def _reason(reason: Any) -> Any:
    """A reason with the present name of its setting."""
    if not isinstance(reason, dict):
        return reason
    setting = str(reason.get("setting"))
    return reason | {"setting": present_name(setting) or setting}
