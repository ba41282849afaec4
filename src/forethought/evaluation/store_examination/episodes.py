"""Findings about episodes: lengths, ends, rewards, drives, seeds, copies, failures, policy, and what training ignores."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, counted, named, share

MANY_FAILED = 0.1
COMPARED = 2000
"""Episodes that are compared with one another at most."""


def episode_findings(store: EpisodeStore) -> Iterator[StoreFinding]:
    """All findings about episodes."""
    yield _episodes(store)
    yield _whole_blocks(store)
    yield _ends(store)
    yield _rewards(store)
    yield from _drives(store)
    yield _seeds(store)
    yield _copies(store)
    yield _recording(store)


def _episodes(store: EpisodeStore) -> StoreFinding:
    lengths, train, heldout = store.lengths_with_partial, len(store.train), len(store.heldout)
    missing = "held out" if not heldout else "left to train on" if not train else ""
    values = {
        "episodes": store.num_episodes, "rows": store.num_rows, "train": train, "heldout": heldout, "block": store.block,
        "length_min": int(lengths.min()), "length_median": float(np.median(lengths)), "length_max": int(lengths.max()),
    }  # fmt: skip
    return StoreFinding(
        "episodes",
        "alarm" if missing else "ok",
        f"{store.num_episodes:,} of {lengths.min()} to {lengths.max()} blocks (median {np.median(lengths):.0f})",
        f"No episode is {missing}." if missing else f"{train:,} to train on, {heldout:,} held out; {store.num_rows:,} rows.",
        "Record more episodes, or change the share `held_out`." if missing else "",
        values,
    )


def _whole_blocks(store: EpisodeStore) -> StoreFinding:
    short = int((store.lengths == 0).sum())
    partial = int((store.lengths_with_partial > store.lengths).sum())
    lost = partial / store.num_rows
    level: Level = "alarm" if short > MANY_FAILED * store.num_episodes else "note" if short or partial else "ok"
    sentence = f"Training ignores {counted(short, 'episode')} without a whole block, and {counted(partial, 'partial block')}."
    if level == "ok":
        sentence = "Training uses every row."
    advice = "Use a smaller block, so that the ends of episodes count." if short or lost > 0.01 else ""
    values = {"episodes_without_whole_block": short, "partial_blocks": partial, "rows_ignored": lost}
    return StoreFinding("ignored rows", level, f"{share(lost)} of the rows", sentence, advice, values)


def _ends(store: EpisodeStore) -> StoreFinding:
    last = store.starts + store.lengths_with_partial
    terminated, truncated = (store.rows(name, last) for name in ("terminated", "truncated"))
    neither = float((~terminated & ~truncated).mean())
    stopped = float(terminated.mean())
    sentence = "An end tells the world apart from the limit of the recording; training does not read ends."
    if stopped == 0:
        sentence = "No episode ended by itself: a limit or the end of the recording cut each one."
    figure = f"{share(stopped)} terminated, {share(float(truncated.mean()))} truncated, {share(neither)} neither"
    values = {"terminated": stopped, "truncated": float(truncated.mean()), "neither": neither}
    return StoreFinding("ends", "note" if neither else "ok", figure, sentence, "", values)


def _rewards(store: EpisodeStore) -> StoreFinding:
    rewards = store.rows("rewards", np.arange(store.num_rows)).astype(np.float64)
    returns = np.add.reduceat(rewards, store.starts)
    if not rewards.any():
        return StoreFinding("rewards", "ok", "none", "All rewards are 0.", values={"any": False})
    low, middle, high = np.quantile(returns, (0.1, 0.5, 0.9))
    values = {
        "any": True, "low": float(rewards.min()), "high": float(rewards.max()), "return_p10": float(low),
        "return_median": float(middle), "return_p90": float(high), "nonzero_rows": float((rewards != 0).mean()),
    }  # fmt: skip
    return StoreFinding(
        "rewards",
        "note",
        f"{rewards.min():.4g} to {rewards.max():.4g} a block; return {low:.4g} to {high:.4g}, median {middle:.4g}",
        "Nothing learns from rewards: the agent's task is a goal observation, and its score beside it shows the return.",
        "Give the good state as a goal, or record the cost as a drive.",
        values,
    )


def _drives(store: EpisodeStore) -> Iterator[StoreFinding]:
    if not store.spec.drives:
        return
    drives = store.rows("drives", np.arange(store.num_rows)).astype(np.float64)
    for column, name in enumerate(store.spec.drives):
        felt = float((drives[:, column] != 0).mean())
        never = felt == 0
        yield StoreFinding(
            f"drive {name}",
            "note" if never else "ok",
            f"{share(felt)} of the rows, up to {drives[:, column].max():.4g}",
            "The drive never occurs, so the agent cannot learn to avoid it." if never else "The agent learns to predict it.",
            "Record episodes in which it occurs." if never else "",
            {"nonzero_rows": felt, "high": float(drives[:, column].max())},
        )


def _seeds(store: EpisodeStore) -> StoreFinding:
    repeated = sorted(seed for seed, count in Counter(store.seeds.tolist()).items() if count > 1)
    return StoreFinding(
        "seeds",
        "note" if repeated else "ok",
        f"{len(np.unique(store.seeds)):,} different of {store.num_episodes:,}",
        f"Seeds that occur more than once: {named(repeated)}." if repeated else "Each episode has its own seed.",
        "Give each episode its own seed: the split into training and held-out episodes follows from it." if repeated else "",
        {"different": len(np.unique(store.seeds)), "repeated": len(repeated)},
    )


def _copies(store: EpisodeStore) -> StoreFinding:
    """Episodes that hold the same bytes as another one, and held-out ones among them that equal a training episode."""
    compared = np.unique(np.linspace(0, store.num_episodes - 1, COMPARED).astype(np.int64))
    hashes = [_digest(store, int(episode)) for episode in compared]
    copies = len(hashes) - len(set(hashes))
    first = len({_digest(store, int(episode), first_row=True) for episode in compared})
    heldout = np.isin(compared, store.heldout)
    trained = {digest for digest, out in zip(hashes, heldout, strict=True) if not out}
    leaked = sum(digest in trained for digest, out in zip(hashes, heldout, strict=True) if out)
    level: Level = "alarm" if leaked or copies > MANY_FAILED * len(hashes) else "note" if copies or first == 1 else "ok"
    sentence = f"{counted(copies, 'episode')} of {len(hashes):,} equal another one, {leaked} held-out ones a training episode."
    if not copies:
        sentence = f"No episode equals another one; they start from {counted(first, 'different observation')}."
    advice = "Check that the world uses its seed at reset; record each episode once." if level != "ok" else ""
    values = {"compared": len(hashes), "copies": copies, "heldout_copies": leaked, "different_starts": first}
    return StoreFinding("copies", level, f"{copies} copies, {first:,} different starts", sentence, advice, values)


def _digest(store: EpisodeStore, episode: int, first_row: bool = False) -> bytes:
    """Digest of the actions and the first and last observation of an episode, or of its first observation alone."""
    start, length = int(store.starts[episode]), int(store.lengths_with_partial[episode])
    rows = np.array([start] if first_row else [start, start + length])
    digest = hashlib.blake2b(digest_size=16)
    for stream in store.spec.streams:
        digest.update(store.rows(stream.name, rows).tobytes())
    if not first_row:
        digest.update(store.rows("actions", np.arange(start, start + length)).tobytes())
    return digest.digest()


def _recording(store: EpisodeStore) -> StoreFinding:
    policy, failed = store.recipe.get("policy"), len(store.failures)
    tried = failed + store.num_episodes
    reasons = Counter(" ".join(failure.reason.split()) for failure in store.failures).most_common(3)
    who = "The recording policy is not named" if policy is None else f"Recorded by the policy {policy}"
    told = f"; {counted(failed, 'episode')} failed: " + "; ".join(f"{n} x {reason}" for reason, n in reasons) if failed else ""
    return StoreFinding(
        "recording",
        "alarm" if failed > MANY_FAILED * tried else "note" if failed else "ok",
        f"policy {policy or 'unknown'}, {failed} of {tried:,} failed",
        f"{who}{told}.",
        "Remove the causes of the failures, then record again." if failed else "",
        {"policy": policy, "failures": failed, "reasons": dict(reasons)},
    )
