"""Benchmarks of Forethought: protocols, baselines, cached experiments, tables of results. `forethought` never imports this.

The command `forethought bench` is this package's entry point (`command.py`).
"""
