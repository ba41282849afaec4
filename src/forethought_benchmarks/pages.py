"""Benchmarks that end with a page of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from forethought_benchmarks import collapse
from forethought_benchmarks.collapse_page import write_collapse_page

PAGES: Mapping[str, Callable[[Path], Path]] = MappingProxyType({collapse.NAME: write_collapse_page})
"""Benchmark -> what makes its page from its result file, beside it."""
