"""A Ray cluster of two nodes on this machine, for tests and documents."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from forethought.execution.ray_cluster import Carrier

OBJECT_STORE = 80 * 2**20
"""Bytes of a node's object store: about the least that Ray takes."""


def add_node(cluster: Any, cpus: int = 2) -> Any:
    """One more node."""
    return cluster.add_node(num_cpus=cpus, object_store_memory=OBJECT_STORE)


@contextmanager
def two_nodes() -> Iterator[Any]:
    """The cluster (`ray.cluster_utils.Cluster`); RAY_ADDRESS leads to it, so `--cluster auto` does, too."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if "__sizeof__" in vars(Carrier):  # beartype's own, which Ray cannot trace
        del Carrier.__sizeof__
    ray, utils = importlib.import_module("ray"), importlib.import_module("ray.cluster_utils")
    head = {"num_cpus": 2, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = utils.Cluster(initialize_head=True, head_node_args=head)
    add_node(cluster)
    os.environ["RAY_ADDRESS"] = cluster.address
    try:
        yield cluster
    finally:
        del os.environ["RAY_ADDRESS"]
        ray.shutdown()
        cluster.shutdown()
