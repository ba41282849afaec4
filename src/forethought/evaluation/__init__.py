"""Evaluation of an agent: held-out tasks, success rates with intervals, linear probes, open-loop error, cost maps."""
