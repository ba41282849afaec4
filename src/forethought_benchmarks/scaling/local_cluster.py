"""A Ray cluster of several nodes on one machine, for the benchmark, the tests and the documents."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forethought.extras import require_extra

OBJECT_STORE = 80 * 2**20
"""Bytes of a node's object store: about the least that Ray takes."""


def add_node(cluster: Any, cpus: int = 2) -> Any:
    """One more node; `cpus` is what it says of itself."""
    return cluster.add_node(num_cpus=cpus, object_store_memory=OBJECT_STORE)


def raylet_of(node: Any) -> int:
    """The process that a node's workers are started by."""
    return int(node.all_processes["raylet"][0].process.pid)


@contextmanager
def local_cluster(cpus: int = 2) -> Iterator[Any]:
    """Two nodes (`ray.cluster_utils.Cluster`) with `cpus` each. RAY_ADDRESS leads to them, so `--cluster auto` does, too.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    require_extra("cluster")
    before = dict(os.environ)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  as fast as other processes of this machine
    ray, utils = importlib.import_module("ray"), importlib.import_module("ray.cluster_utils")
    head = {"num_cpus": cpus, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    add_node(cluster, cpus)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield cluster
    finally:
        os.environ.clear()
        os.environ.update(before)
        ray.shutdown()
        cluster.shutdown()
