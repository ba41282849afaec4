from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.readout.probes import fit_linear_probe


def data(seed: int, count: int = 200, dim: int = 6, values: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(count, dim))
    return states, states @ rng.normal(size=(dim, values)) + rng.normal(size=values)


def test_a_linear_truth_is_found_exactly() -> None:
    states, truth = data(0)
    probe = fit_linear_probe(states[:100], truth[:100], ridge=0.0)
    np.testing.assert_allclose(probe.predict(states[100:]), truth[100:], atol=1e-9)
    np.testing.assert_allclose(probe.r2(states[100:], truth[100:]), 1.0, atol=1e-12)


def test_it_agrees_with_ridge_regression_written_out() -> None:
    states, truth = data(1)
    truth = truth + np.random.default_rng(5).normal(size=truth.shape)
    z = (states - states.mean(0)) / states.std(0)
    ridge = 0.3
    weight = np.linalg.solve(z.T @ z + ridge * len(z) * np.eye(6), z.T @ (truth - truth.mean(0)))
    probe = fit_linear_probe(states, truth, ridge)
    np.testing.assert_allclose(probe.predict(states), z @ weight + truth.mean(0), atol=1e-10)


def test_r2_is_scikit_learns_definition_per_value() -> None:
    states, truth = data(2)
    probe = fit_linear_probe(states, truth)
    shifted = truth + np.array([0.0, 3.0])
    expected = 1 - ((shifted - probe.predict(states)) ** 2).sum(0) / ((shifted - shifted.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(probe.r2(states, shifted), expected)
    assert probe.r2(states, shifted)[1] < probe.r2(states, shifted)[0]


def test_noise_tells_nothing_on_held_out_data() -> None:
    rng = np.random.default_rng(3)
    probe = fit_linear_probe(rng.normal(size=(2000, 20)), rng.normal(size=(2000, 1)))
    assert abs(probe.r2(rng.normal(size=(2000, 20)), rng.normal(size=(2000, 1)))[0]) < 0.05


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3), ridge=st.sampled_from([0.0, 1e-4, 0.1]))
def test_the_fit_does_not_depend_on_the_states_scale_or_origin(scale: float, shift: float, ridge: float) -> None:
    states, truth = data(4)
    truth = np.sin(truth)
    plain = fit_linear_probe(states, truth, ridge).predict(states)
    moved = (states + shift) * scale
    np.testing.assert_allclose(fit_linear_probe(moved, truth, ridge).predict(moved), plain, atol=1e-5)


def test_dead_and_doubled_dimensions_do_no_harm() -> None:
    states, truth = data(5)
    padded = np.concatenate([states, states, np.full((len(states), 3), 7.0)], 1)
    for ridge in (0.0, 1e-4):
        probe = fit_linear_probe(padded, truth, ridge)
        assert np.abs(probe.weight).max() < 1e3
        assert np.all(probe.weight[-3:] == 0)
        assert probe.r2(padded, truth).min() > 0.999


def test_collapsed_states_predict_the_mean() -> None:
    _, truth = data(6)
    probe = fit_linear_probe(np.ones((len(truth), 4), np.float32), truth)
    np.testing.assert_allclose(probe.predict(np.ones((1, 4)))[0], truth.mean(0))


def test_a_constant_truth_has_no_r2() -> None:
    states, truth = data(7)
    truth[:, 1] = 0.1
    r2 = fit_linear_probe(states, truth).r2(states, truth)
    assert r2[0] > 0.99
    assert np.isnan(r2[1])


def test_bad_input_is_told_in_a_sentence() -> None:
    states, truth = data(8)
    with pytest.raises(ForethoughtError, match="same M"):
        fit_linear_probe(states, truth[:-1])
    with pytest.raises(ForethoughtError, match="ridge"):
        fit_linear_probe(states, truth, -1.0)
    with pytest.raises(ForethoughtError, match="6 dimensions was given 5"):
        fit_linear_probe(states, truth).predict(states[:, :5])
    states[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="states hold NaN or infinity, first in row 3"):
        fit_linear_probe(states, truth)
