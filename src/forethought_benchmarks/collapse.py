"""`collapse`: a small world model with each regulariser and with none; statistics of its states, probes and alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import read_json, write_json
from forethought.config import Configuration
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.probes import encoded_truth, probe_r2
from forethought.evaluation.result_rows import day_of, row, write_results
from forethought.training.critic_phase import EncodeOnce
from forethought.training.phases import Phase
from forethought.training.train import after_perception
from forethought.training.world_model_phase import WorldModelPhase
from forethought.world_model.monitors import KINDS
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows, trained
from forethought_benchmarks.rooms_random_doors import OPTIONS, SHORT, WORLD

NAME, LOOK = "collapse", "look.json"
EPISODES, TASKS, SEEDS = 1000, 50, (0, 1, 2)
FITTED, SHOWN = 60, 8
"""Number of held-out episodes for the principal components, and for the charts of the page."""
PLAN = Variant("mode-2")
LEARNING: Mapping[str, Any] = {
    **SHORT,
    "model.encoder.width": 16,
    "training.batch": 64,
    "training.world_model_steps": 400,
    "training.predictor_steps": 800,
    "training.rollout_steps": 200,
    "training.critic_steps": 800,
}
# LSUV: each variant starts at unit variance, so that a collapse is a result of the training, not of the initialisation.
BARE: Mapping[str, Any] = {
    "training.loss.lsuv_init": True,
    "training.loss.expander": 0,
    **{
        f"training.loss.{name}": 0.0
        for name in (
            *("variance", "covariance", "within_episode_variance", "sigreg", "inverse_dynamics", "multi_step_inverse"),
            *("infonce_prediction", "episode_infonce", "temporal_similarity", "masked_prediction", "ema"),
        )
    },
}


@dataclass(frozen=True)
class CollapseVariant:
    """A regulariser or a combination of regularisers.

    Fields:
        name: name in the rows. about: one sentence for the page.
        weights: loss weights (names in `training.loss`) in addition to the prediction loss.
        recipe: whether the weights change the configurator's choice instead.
    """

    name: str
    about: str
    weights: Mapping[str, float]
    recipe: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """Overrides of the configurator's choice."""
        changes = {f"training.loss.{name}": value for name, value in self.weights.items()}
        return changes if self.recipe else {**BARE, **changes}


VICREG = {"variance": 1.0, "covariance": 0.04}
ARMS = (
    CollapseVariant("none", "Prediction alone: nothing forbids the constant.", {}),
    CollapseVariant("ema-teacher", "The target is a slowly moving copy of the encoder, as in BYOL and I-JEPA.", {"ema": 0.99}),
    CollapseVariant("smoothness", "Two states in a row must lie near one another.", {"temporal_similarity": 1.0}),
    CollapseVariant("covariance", "Dimensions must not repeat one another.", {"covariance": 0.04}),
    CollapseVariant("variance", "Every dimension must vary over the batch.", {"variance": 1.0}),
    CollapseVariant("vicreg", "Variance and covariance together (VICReg).", VICREG),
    CollapseVariant("sigreg", "Random projections of the states must look Gaussian (LeJEPA).", {"sigreg": 0.1}),
    CollapseVariant(
        "contrastive",
        "A prediction must be nearer to what came than to what came elsewhere (InfoNCE).",
        {"infonce_prediction": 1.0},
    ),
    CollapseVariant(
        "episode-contrast", "Two states of an episode must be told from those of others.", {"episode_infonce": 1.0}
    ),
    CollapseVariant(
        "within-episode-variance", "VICReg, and variance within the episode too.", {**VICREG, "within_episode_variance": 1.0}
    ),
    CollapseVariant("inverse-dynamics", "Two states in a row must tell the action between them.", {"inverse_dynamics": 10.0}),
    CollapseVariant("multi-step-inverse", "Two states some way apart must tell the first action.", {"multi_step_inverse": 3.0}),
    CollapseVariant("vicreg+inverse-dynamics", "VICReg and inverse dynamics.", {**VICREG, "inverse_dynamics": 10.0}),
    CollapseVariant("sigreg+inverse-dynamics", "SIGReg and inverse dynamics.", {"sigreg": 0.1, "inverse_dynamics": 10.0}),
    CollapseVariant(
        "full-without-episode-contrast",
        "What the configurator chooses, less episode contrast.",
        {"episode_infonce": 0.0},
        True,
    ),
    CollapseVariant("full", "What the configurator chooses for these episodes.", {}, True),
)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Train and score each variant on the same episodes, and write the rows; finished units on disk are not run again."""
    store = collect(WORLD, out=out / NAME / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    return compare(store, make_arena(WORLD, OPTIONS, TASKS), out, ARMS, tuple(seeds or SEEDS), LEARNING)


def compare(
    store: EpisodeStore,
    arena: Arena,
    out: Path,
    arms: Sequence[CollapseVariant],
    seeds: Sequence[int],
    training: Mapping[str, Any],
) -> Path:
    """Train and score the variants on one store: `OUT/collapse.json`, and `OUT/collapse/ARM-SEED/look.json` for the page."""
    lines = []
    for arm in arms:
        folders = [out / NAME / f"{arm.name}-{seed}" for seed in seeds]
        for seed, folder in zip(seeds, folders, strict=True):
            agent = trained(store, folder, seed, {**training, **arm.config}, phases=unwatched_phases)
            if not (folder / LOOK).exists():
                write_json(folder / LOOK, {"about": arm.about, **look(agent, store)})
            scores_of(agent, folder, arena, [PLAN])
        success = success_rows(NAME, [PLAN.name], folders, seeds)
        lines += [{**line, "agent": arm.name} for line in success]
        for seed, folder in zip(seeds, folders, strict=True):
            figures = read_json(folder / LOOK, "look")["figures"]
            made = {"seeds": [seed], "date": day_of(folder / LOOK)}
            lines += [row(NAME, arm.name, name, value, **made) for name, value in figures.items()]
    return write_results(out, NAME, lines)


def unwatched_phases(
    modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """All phases; the world model trains to its end though it collapses, for that is what is compared."""
    world_model = WorldModelPhase(modules, store, configuration, body, watched=False)
    return [world_model, *after_perception(modules, configuration, body, encode)]


def look(agent: Agent, store: EpisodeStore) -> dict[str, Any]:
    """Statistics of an agent's states on held-out episodes.

    Returns:
        `figures`: metric -> value. `alarms`: sentences. `singular_values`: [D], largest 1 (all 0 where states are constant).
        `shares`: of the variance, in the first two principal components. `points`, `positions`, `episodes`: rows of
        `SHOWN` episodes: [rows, 2] in those components, [rows, 2] in the world, [rows].
    """
    monitors = WorldModelPhase(agent.modules, store, agent.configuration, agent.body).monitor()
    alarms = monitors["alarms"]
    assert isinstance(alarms, list)
    figures = {name: monitors[name] for name in ("batch_std", "within_episode_std")} | {"rank_me": monitors["rankme"]}
    figures["inverse_dynamics_r2"] = monitors["inverse_dynamics_r2"]
    figures |= {f"probe_{name}_r2": value for name, value in probe_r2(agent, store).items()}
    figures |= {kind: float(any(alarm.startswith(name) for alarm in alarms)) for kind, name in KINDS.items()}
    return {"figures": figures, "alarms": alarms, **_shape(agent, store)}


def _shape(agent: Agent, store: EpisodeStore) -> dict[str, Any]:
    """Principal components of held-out states, and the projections of a few episodes."""
    episodes = store.heldout[:FITTED]
    states, truth = encoded_truth(agent, store, episodes)
    centred = states.astype(np.float64) - states.mean(0, dtype=np.float64)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    owner = np.repeat(np.arange(len(episodes)), store.lengths[episodes] + 1)
    shown = owner < SHOWN
    energy = np.square(values)
    return {
        "singular_values": _listed(values / max(values[0], 1e-12)),
        "shares": _listed(energy[:2] / max(energy.sum(), 1e-24)),
        "points": _listed(centred[shown] @ axes[:2].T),
        "positions": _listed(truth["position"][shown]),
        "episodes": owner[shown].tolist(),
    }


def _listed(values: NDArray[Any]) -> list[Any]:
    return [float(f"{value:.5g}") for value in values] if values.ndim == 1 else [_listed(line) for line in values]
