"""Evaluation of an agent: held-out tasks, episodes, scores with intervals, probes, open-loop error, maps of cost and energy."""
