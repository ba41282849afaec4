"""Perception: raw input (pixels, proprioception, several streams) to one state embedding (the paper, section 3, fig. 2)."""

from forethought.perception.check import check_perception
from forethought.perception.perception import Perception, require_finite, to_tensors

__all__ = ["Perception", "check_perception", "require_finite", "to_tensors"]
