"""Perception: encoders from observations (pixels, vectors, several streams) to one state (the paper, section 3, fig. 2)."""

from forethought.perception.check import check_perception
from forethought.perception.contract import Encoder
from forethought.perception.perception import Perception, array_of, require_finite, to_tensors
from forethought.perception.registry import make_encoder

__all__ = ["Encoder", "Perception", "array_of", "check_perception", "make_encoder", "require_finite", "to_tensors"]
