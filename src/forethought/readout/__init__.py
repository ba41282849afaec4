"""Readout: linear probes and pixel decoders that make states interpretable.

They are not part of the agent (the paper, section 4.1: a JEPA predicts no pixels). They are fitted on detached states, so no
gradient reaches the model.
"""

from forethought.readout.decoder import PixelDecoder, decode, train_decoder
from forethought.readout.probes import LinearProbe, fit_linear_probe

__all__ = ["LinearProbe", "PixelDecoder", "decode", "fit_linear_probe", "train_decoder"]
