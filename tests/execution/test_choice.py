from __future__ import annotations

import subprocess
import sys

import pytest

from forethought import extras
from forethought.errors import ForethoughtError
from forethought.execution import InProcess, Processes, make_executor
from forethought.extras import MissingExtraError


def test_the_number_of_workers_chooses_the_executor() -> None:
    assert isinstance(make_executor(), InProcess)
    assert isinstance(make_executor(0), InProcess)
    assert isinstance(make_executor(3), Processes)
    assert make_executor(3).workers == 3


def test_a_wrong_number_is_one_sentence() -> None:
    with pytest.raises(ForethoughtError, match="The number of workers"):
        make_executor(-1)


def test_a_cluster_has_workers() -> None:
    with pytest.raises(ForethoughtError, match="leave out --workers 0, or --cluster"):
        make_executor(0, "auto")


def test_who_lacks_ray_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as refused:
        make_executor(2, "auto")
    assert str(refused.value) == (
        'Workers on a cluster need packages that are not installed (ray): pip install "forethought[cluster]".'
    )


def test_only_who_asks_for_a_cluster_imports_ray() -> None:
    script = (
        "import sys, forethought.execution as execution; execution.make_executor(2); "
        "assert not {'ray', 'torch', 'gymnasium'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
