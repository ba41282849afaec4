"""One executor interface: independent units of work in this process, in processes of this machine, or on a Ray cluster.

The driver reads like a loop, whatever the executor is:

    with executor.open(hear, patience) as crew:
        for unit in units:
            crew.add(unit)
        for outcome in crew:
            ...

`run_units` is that loop for units that are simply done again when their worker was lost.
"""

from forethought.execution.choice import make_executor
from forethought.execution.contract import Crew, Emit, Executor, Unit, UnitOutcome
from forethought.execution.in_process import InProcess
from forethought.execution.ray_cluster import RayCluster
from forethought.execution.repeats import Attempts, run_units
from forethought.execution.worker_process import Processes

__all__ = [
    "Attempts",
    "Crew",
    "Emit",
    "Executor",
    "InProcess",
    "Processes",
    "RayCluster",
    "Unit",
    "UnitOutcome",
    "make_executor",
    "run_units",
]
