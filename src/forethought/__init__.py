"""Forethought: an agent that learns a model of its world, imagines what its actions lead to, and takes the cheapest."""

__version__ = "0.1.0"
