"""One palette for page, charts, videos and the picture in the README. Mid tones, legible on white and on near-black."""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

SEEN = "#3b7dd8"
"""What is real: true paths, true frames, the agent's success."""
IMAGINED = "#ee7b30"
"""What is imagined: plans, decoded futures, the model's error."""
GOAL = "#1f9d6b"
"""Goals and experts."""
ABOVE = "#9a63c9"
"""What level 2 has in mind."""
LEVELS = (ABOVE, "#2aa7b8", "#c0a020")
"""What levels 2, 3 and 4 have in mind."""
QUIET = "#8a94a6"
"""Floors, baselines, candidates that were not taken."""
BAD = "#d64550"
"""Failures and alarms."""

SERIES = (SEEN, IMAGINED, GOAL, ABOVE, "#c0a020", "#2aa7b8", BAD, QUIET)
"""Curves of one chart, in this order."""

# Low energy (where the agent wants to be) is light and warm, high energy is deep blue: lightness falls all the way.
ENERGY = LinearSegmentedColormap.from_list("energy", ["#fff3c4", "#fbc26a", "#ee7b30", "#b5446e", "#5b3a8c", "#1d2453"])

# Where the agent stands, left to right.
PLACE = LinearSegmentedColormap.from_list("place", [SEEN, GOAL, "#c0a020", IMAGINED])


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
