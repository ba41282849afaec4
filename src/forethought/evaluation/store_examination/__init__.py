"""Examination of an episode store: what is in it, what training ignores, and what in it limits an agent; figures with advice.

`examine.examine_store` is the entry; each other file measures one subject and returns `StoreFinding`s.
"""

from forethought.evaluation.store_examination.examine import examine_store
from forethought.evaluation.store_examination.findings import StoreExamination, StoreFinding

__all__ = ["StoreExamination", "StoreFinding", "examine_store"]
