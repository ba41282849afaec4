"""Planner, training step and whole decision next to those of other libraries, in one run."""
