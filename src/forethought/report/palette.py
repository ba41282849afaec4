"""Palette of the page, the charts, the videos and the README figure. Mid tones, legible on white and on near-black."""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

SEEN = "#3b7dd8"
"""Recorded data: true paths, true frames, the agent's success."""
IMAGINED = "#ee7b30"
"""Predictions: plans, decoded futures, the model's error."""
GOAL = "#1f9d6b"
"""Goals and experts."""
ABOVE = "#9a63c9"
"""Plan of level 2."""
LEVELS = (ABOVE, "#2aa7b8", "#c0a020")
"""Plans of levels 2, 3 and 4."""
QUIET = "#8a94a6"
"""Floors, baselines, rejected candidates."""
BAD = "#d64550"
"""Failures and alarms."""

SERIES = (SEEN, IMAGINED, GOAL, ABOVE, "#c0a020", "#2aa7b8", BAD, QUIET)
"""Colours of the curves of one chart, in this order."""

# Low energy is light and warm, high energy is deep blue; lightness falls monotonically.
ENERGY = LinearSegmentedColormap.from_list("energy", ["#fff3c4", "#fbc26a", "#ee7b30", "#b5446e", "#5b3a8c", "#1d2453"])

# Position of the agent, left to right.
PLACE = LinearSegmentedColormap.from_list("place", [SEEN, GOAL, "#c0a020", IMAGINED])


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as (red, green, blue), each in [0, 255]."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
