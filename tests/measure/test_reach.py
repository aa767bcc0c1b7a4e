"""Margins and the approach to death against brute force and a run worked by hand."""

import numpy as np
import pytest

from vqlab.drift.run import Run
from vqlab.measure.reach import half_gap, lag_curves, margin, no_return


def test_margin_is_the_smallest_lead_of_any_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    z, c = rng.normal(size=(50, 2)), 3 * rng.normal(size=(8, 2))
    distance = np.sqrt(((z[:, None] - c[None]) ** 2).sum(-1))
    brute = [(distance[:, k] - np.delete(distance, k, 1).min(1)).min() for k in range(8)]
    np.testing.assert_allclose(margin(z, c), brute, atol=1e-12)
    wins = np.bincount(distance.argmin(1), minlength=8) > 0
    np.testing.assert_array_equal(margin(z, c) < 0, wins)
    assert 0 < wins.sum() < 8
    monkeypatch.setattr("vqlab.measure.reach._BYTES", 1)
    np.testing.assert_allclose(margin(z, c), brute, atol=1e-12)


def test_margin_by_hand() -> None:
    # Points at 0 and 1. The code at 3 comes closest at 1: two away, against 0.5 for its rival.
    np.testing.assert_allclose(margin([[0.0], [1.0]], [[0.5], [3.0]]), [-2.5, 1.5])
    # Moving it by that much towards the point makes it even with its rival.
    np.testing.assert_allclose(margin([[0.0], [1.0]], [[0.5], [1.5]])[1], 0, atol=1e-12)
    assert margin([[0.0]], [[1.0]])[0] == -np.inf


def test_half_gap_is_half_the_way_to_the_nearest_code() -> None:
    np.testing.assert_allclose(half_gap([[0.0, 0], [3, 4], [3, 5]]), [2.5, 0.5, 0.5])
    assert half_gap([[1.0, 2]])[0] == np.inf


def test_no_return_is_the_last_frame_with_points(run: Run) -> None:
    codes, steps = no_return(run)
    np.testing.assert_array_equal(codes, [2, 1])  # code 3 lost its points and has them back
    np.testing.assert_array_equal(steps, [-1, 30])


def test_lag_curves_look_back_from_each_death(run: Run) -> None:
    curves = lag_curves(run, window=20, before=10, every=5)
    np.testing.assert_array_equal(curves.codes, [2, 3, 1])
    np.testing.assert_array_equal(curves.steps, [0, 6, 14])
    np.testing.assert_array_equal(curves.before, [-10, -5, 0])
    # Code 1 dies at step 14: looked at in steps 4, 9 and 14, so in frames 0, 0 and 1.
    np.testing.assert_allclose(curves.lag[2], [0.1, 0.1, 1.1])
    np.testing.assert_allclose(curves.half_gap[2], [0.5, 0.5, 0.5])
    # Code 3 dies at 6: before the run, then frame 0 twice; its neighbour is 7 away.
    np.testing.assert_allclose(curves.lag[1], [np.nan, 0.3, 0.3])
    np.testing.assert_allclose(curves.half_gap[1], [np.nan, 3.5, 3.5])
    assert np.isnan(curves.lag[0]).all()  # code 2 never had a point
    none = lag_curves(run, window=50, before=5)
    assert none.lag.shape == (1, 6)


def test_bad_input_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="before and every must be >= 1"):
        lag_curves(run, 20, before=0)
    with pytest.raises(ValueError, match="window must be from 1"):
        lag_curves(run, 0, before=5)
    with pytest.raises(ValueError, match="latents have dimension 2, codes 1"):
        margin([[0.0, 0]], [[1.0]])
    with pytest.raises(ValueError, match="NaN or Inf"):
        half_gap([[np.nan]])


def test_the_gap_of_some_codes_is_that_of_all(monkeypatch):
    codes = np.random.default_rng(0).normal(size=(50, 3))
    distance = np.linalg.norm(codes[:, None] - codes, axis=-1) + np.diag(np.full(50, np.inf))
    np.testing.assert_allclose(half_gap(codes), distance.min(1) / 2)
    monkeypatch.setattr("vqlab.measure.reach._BYTES", 8 * 50 * 7)  # seven rows at once
    np.testing.assert_allclose(half_gap(codes), distance.min(1) / 2)
    some = np.array([40, 3, 3])
    np.testing.assert_allclose(half_gap(codes, some), distance.min(1)[some] / 2)
