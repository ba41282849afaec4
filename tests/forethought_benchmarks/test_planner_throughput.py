"""The throughput bench makes the calls that it says, and its rows are the rows of a result file."""

import pytest
import torch

from forethought.actor import PLANNERS
from forethought.config import ICEMConfig, PlannerConfig, PredictorConfig
from forethought.evaluation.result_rows import FIELDS
from forethought.world_model.predictors import ResidualMLP
from forethought_benchmarks.planner_throughput import Spent, bare_calls, median_interval, planner_throughput


def test_every_planner_has_a_ratio_and_two_rates():
    tiny = PlannerConfig(horizon=2, search=ICEMConfig(num_samples=8, num_iterations=2, num_elites=2))
    rows = planner_throughput(batches=(2,), repeats=2, settings=tiny)
    ratios = {row["agent"]: row for row in rows if row["metric"] == "throughput_ratio"}
    assert set(ratios) == set(PLANNERS)
    for row in rows:
        assert set(row) <= set(FIELDS)
        assert 0 < row["low"] <= row["value"] <= row["high"]
    assert ratios["cem"]["model_calls"] == (8 * 2 + 1) * 2
    assert ratios["gradient"]["model_calls"] == 8 * 2 * 3


def test_the_bare_loop_makes_exactly_the_planners_calls():
    predictor = ResidualMLP(4, 2, PredictorConfig(hidden=8, depth=1))
    seen = []
    predictor.register_forward_hook(lambda module, given, made: seen.append((tuple(made.shape), made.requires_grad)))
    bare_calls(predictor, torch.randn(3, 4), [Spent(5, 2, True), Spent(1, 1, False)], torch.rand(3, 5, 2, 2))
    assert seen == [((3, 5, 1, 4), True), ((3, 5, 1, 4), True), ((3, 1, 1, 4), False)]


@pytest.mark.parametrize(("count", "rank"), [(3, 1), (6, 1), (9, 2), (15, 4), (25, 8)])
def test_interval_of_the_median_by_the_tables(count, rank):
    values = [float(i) for i in range(1, count + 1)]
    assert median_interval(values) == (rank, count + 1 - rank)
