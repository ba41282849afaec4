"""Our world-model step, as the configurator sets it for pixels, next to eb_jepa's step of its two rooms: frames a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.device import tune_glibc_malloc
from forethought.training.loop import make_optimizer, take_step
from forethought.training.shared_step import loss_alone
from forethought.training.world_model_phase import WorldModelPhase
from forethought_benchmarks.side_by_side.adapters import settings_in
from forethought_benchmarks.side_by_side.pairs import Work, paired, threads
from forethought_benchmarks.side_by_side.peers import EB_JEPA, Peers

TRAIN, DATA = "examples/ac_video_jepa/cfgs/train.yaml", "eb_jepa/datasets/two_rooms/data_config.yaml"
# Enough rows for the configurator's usual batch.
WORLD, EPISODES = "forethought/Rooms-v0", 60


@dataclass(frozen=True)
class StepProtocol:
    """What is measured.

    Fields: threads: of PyTorch. repeats: paired timings. precisions: of our step (`training.precision`) and of eb_jepa's,
        whose own setting is bfloat16. lengths: blocks of a clip; None: the configurator's. overrides: of our other settings.
        Both sides have the batch and the clip that come of them.
    """

    threads: Sequence[int] = (1, 2)
    repeats: int = 7
    precisions: Sequence[tuple[str, str]] = (("float32", "bfloat16"), ("float32", "float32"), ("bfloat16", "bfloat16"))
    lengths: Sequence[int | None] = (None, 16)
    overrides: Mapping[str, Any] = field(default_factory=dict)


def step_rows(folder: Path, peers: Peers, protocol: StepProtocol) -> Iterator[dict[str, Any]]:
    """A row of each length of clips, number of threads and precision: our frames a second over theirs.

    Both steps are forward pass, backward pass, clipped gradients and AdamW. Ours reads its frames from a store in `folder`
    too, which is collected if it is not there; theirs has random frames in memory, and trains no probe.

    Raises:
        PeerMissingError: the checkout, or a package that it needs, is not there.
    """
    tune_glibc_malloc()  # as our training does; it serves both
    store = collect(WORLD, out=folder / "store", episodes=EPISODES, workers=0, progress=False, resume=True)
    for length in protocol.lengths:
        chosen = {} if length is None else {"training.sequence_length": length}
        for count, (precision, theirs) in product(protocol.threads, protocol.precisions):
            ours, clips, rows = our_step(store, {**protocol.overrides, **chosen, "training.precision": precision})
            with threads(count):
                pairs = paired(ours, their_step(peers, clips, rows, theirs == "bfloat16"), protocol.repeats)
            agent = f"world-model step in {precision} against eb_jepa's in {theirs}"
            world = f"{clips} clips of {rows} frames, {count} threads"
            line = pairs.ratio_row(world, agent, "step_speed_ratio", device="cpu")
            rates = [clips * rows / median(seconds) for seconds in (pairs.ours, pairs.theirs)]
            yield line | {"frames_per_second": rates[0], "peer_frames_per_second": rates[1]}


def our_step(store: EpisodeStore, overrides: Mapping[str, Any] | None = None) -> tuple[Work, int, int]:
    """One step of training, its number of clips, and the frames of each."""
    configuration = configure(store.spec, store.block, store.statistics(), overrides=overrides)
    networks = AgentNetworks(configuration)
    phase = WorldModelPhase(networks, store, configuration, ActionCodec(configuration.data, torch.device("cpu")))
    phase.start()
    groups = [group for group in phase.groups() if group.parameters]
    optimizer, rates = make_optimizer(phase, groups), [group.rate for group in groups]
    loss_of = loss_alone(phase, configuration.training.seed)

    def step() -> None:
        take_step(phase, optimizer, rates, 0, loss_of)

    return step, configuration.training.batch, configuration.training.sequence_length + 1


def their_step(peers: Peers, clips: int, frames: int, mixed: bool) -> Work:
    """One step of eb_jepa's training with the networks, losses and settings of its two rooms."""
    settings = settings_in(peers, EB_JEPA, TRAIN)
    side = settings_in(peers, EB_JEPA, DATA)["img_size"]
    model, optim = settings["model"], settings["optim"]
    jepa = their_networks(peers, model, side)
    optimizer = torch.optim.AdamW(jepa.parameters(), lr=optim["lr"], weight_decay=float(optim["weight_decay"]))
    seen, actions = torch.randn(clips, model["dobs"], frames, side, side), torch.randn(clips, 2, frames)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            _, (loss, *_) = jepa.unroll(
                seen,
                actions,
                nsteps=min(model["nsteps"], frames - 1),
                unroll_mode="autoregressive",
                ctxt_window_time=1,
                compute_loss=True,
            )
        loss.backward()
        nn.utils.clip_grad_norm_(jepa.encoder.parameters(), optim["grad_clip_enc"])
        nn.utils.clip_grad_norm_(jepa.predictor.parameters(), optim["grad_clip_pred"])
        optimizer.step()

    return step


def their_networks(peers: Peers, model: Mapping[str, Any], side: int) -> Any:
    """eb_jepa's encoder, recurrent predictor and regulariser of its two rooms, for frames of `side` pixels."""
    part, shape = peers.part, (model["dobs"], side, side)
    encoder = part(EB_JEPA, "architectures", "ImpalaEncoder")(
        stack_sizes=(16, model["henc"], model["dstc"]), input_channels=model["dobs"], input_shape=shape
    )
    with torch.no_grad():
        _, width, _, high, wide = encoder(torch.rand(1, model["dobs"], 1, side, side)).shape
    predictor = part(EB_JEPA, "architectures", "RNNPredictor")(hidden_size=width, final_ln=encoder.final_ln)
    inverse = part(EB_JEPA, "architectures", "InverseDynamicsModel")(width * high * wide, 256, 2)
    chosen = {name: value for name, value in model["regularizer"].items() if name != "use_proj"}
    regulariser = part(EB_JEPA, "losses", "VC_IDM_Sim_Regularizer")(idm=inverse, **chosen)
    losses = part(EB_JEPA, "losses", "SquareLossSeq")()
    return part(EB_JEPA, "jepa", "JEPA")(encoder, nn.Identity(), predictor, regulariser, losses)
