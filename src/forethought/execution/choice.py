"""The executor that `--workers` and `--cluster` ask for."""

from __future__ import annotations

from typing import SupportsIndex

from forethought.errors import ForethoughtError, require_whole
from forethought.execution.contract import Executor
from forethought.execution.in_process import InProcess
from forethought.execution.ray_cluster import RayCluster
from forethought.execution.worker_process import Processes


def make_executor(workers: SupportsIndex | None = None, cluster: str | None = None) -> Executor:
    """The executor.

    Args:
        workers: units that are done at once; 0: in this process. None: 0, or all CPUs of the cluster.
        cluster: None: no cluster. `auto` or HOST:PORT: see `RayCluster`.

    Raises:
        ForethoughtError: a negative number, or no such cluster.

    >>> make_executor(2).workers
    2
    """
    number = None if workers is None else require_whole(workers, "The number of workers", 0)
    if cluster is not None:
        if number == 0:
            raise ForethoughtError("a cluster has 1 or more workers: leave out --workers 0, or --cluster.")
        return RayCluster(cluster, number)
    return Processes(number) if number else InProcess()
