"""Readout: what the internal state looks like to people. Not a box in the paper's figure, and on purpose outside it: probes and
decoders are fitted on states that are already made (the paper, section 4.1: a JEPA predicts no pixels), so nothing here can
train, and no gradient from here can reach, the model.
"""

from forethought.readout.decoder import PixelDecoder, decode, train_decoder
from forethought.readout.probes import LinearProbe, fit_linear_probe

__all__ = ["LinearProbe", "PixelDecoder", "decode", "fit_linear_probe", "train_decoder"]
