"""Distortion and k-means against brute force in float64 and cases worked by hand."""

import itertools

import numpy as np
import pytest
import sklearn.cluster
import torch

from vqlab.measure.distortion import (
    cells,
    centroid_residual,
    distortion,
    excess_distortion,
    kmeans_optimum,
    match_codes,
)

RNG = np.random.default_rng(0)


def _brute(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    return ((z[:, None] - c[None]) ** 2).sum(-1)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_distortion_is_the_mean_of_the_smallest_squared_distances(offset: float) -> None:
    z, c = RNG.normal(size=(300, 3)) + offset, RNG.normal(size=(17, 3)) + offset
    expected = _brute(z, c).min(1).mean()
    assert distortion(z, c) == pytest.approx(expected, rel=1e-12)
    assert distortion(torch.tensor(z).reshape(10, 30, 3), torch.tensor(c)) == distortion(z, c)


def test_cells_count_and_average_what_they_hold() -> None:
    z = np.array([[0.0, 0], [2, 0], [10, 0]])
    held = cells(z, [[0.5, 0], [9, 0], [100, 0]])
    np.testing.assert_array_equal(held.indices, [0, 0, 1])
    np.testing.assert_array_equal(held.counts, [2, 1, 0])
    np.testing.assert_allclose(held.means, [[1, 0], [10, 0], [np.nan, np.nan]])
    np.testing.assert_allclose(held.errors, [(0.25 + 2.25) / 2, 1, np.nan])
    residual = centroid_residual(z, [[0.5, 0], [9, 0], [100, 0]])
    np.testing.assert_allclose(residual, [0.5, 1, np.nan])
    # The parts make up the whole.
    share = held.counts / 3
    assert np.nansum(share * held.errors) == pytest.approx(distortion(z, [[0.5, 0], [9, 0]]))


def test_kmeans_finds_the_optimum_that_enumeration_finds() -> None:
    z = RNG.normal(size=(9, 2))
    best = np.inf
    for labels in itertools.product(range(3), repeat=8):
        k = np.array([0, *labels])
        if len(set(labels) | {0}) == 3:
            best = min(best, sum(((z[k == j] - z[k == j].mean(0)) ** 2).sum() for j in range(3)))
    value, centroids = kmeans_optimum(z, 3)
    assert value == pytest.approx(best / 9, rel=1e-12)
    assert distortion(z, centroids) == value
    # Lloyd's iterations ran to their end: every centroid is the mean of its cell.
    np.testing.assert_allclose(centroid_residual(z, centroids), 0, atol=1e-14)
    assert excess_distortion(z, centroids) == pytest.approx(1)
    assert excess_distortion(z, centroids + 0.3) > 1.01


def test_kmeans_is_remembered_and_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    z = RNG.normal(size=(3000, 2))
    first, centroids = kmeans_optimum(z, 40, n_init=3, seed=5)
    centroids += 1  # what was handed out belongs to the caller
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.cluster, "KMeans", None)  # cannot be computed again
        again, kept = kmeans_optimum(z.copy(), 40, n_init=3, seed=5)
        with pytest.raises(TypeError):
            kmeans_optimum(z, 40, n_init=3, seed=6)
    assert again == first and distortion(z, kept) == first
    assert kmeans_optimum(z, 40, n_init=3, seed=6)[0] != first
    # More starts can only find something better.
    assert kmeans_optimum(z, 40, n_init=6, seed=5)[0] <= first


def test_with_few_distinct_latents_the_optimum_is_zero() -> None:
    z = np.array([[0.0, 0], [1, 1], [0, 0], [1, 1]])
    value, centroids = kmeans_optimum(z, 3)
    assert value == 0 and centroids.shape == (3, 2)
    assert distortion(z, centroids) == 0
    assert excess_distortion(z, centroids) == 1
    assert excess_distortion(z, centroids + 1) == float("inf")


def test_codes_are_matched_at_least_cost() -> None:
    centroids = RNG.normal(size=(6, 2))
    shuffled = RNG.permutation(6)
    order, distance = match_codes(centroids[shuffled] + 1e-3, centroids)
    np.testing.assert_array_equal(order, shuffled)
    np.testing.assert_allclose(distance, 1e-3 * np.sqrt(2), rtol=1e-9)
    codes = RNG.normal(size=(6, 2))
    order, distance = match_codes(codes, centroids)
    cost = _brute(codes, centroids)
    best = min(cost[range(6), list(p)].sum() for p in itertools.permutations(range(6)))
    assert (distance**2).sum() == pytest.approx(best)


def test_bad_input_is_refused() -> None:
    z, c = np.zeros((4, 2)), np.zeros((2, 3))
    for measure in (distortion, excess_distortion, centroid_residual, cells):
        with pytest.raises(ValueError, match="latents have dimension 2, codes 3"):
            measure(z, c)
        with pytest.raises(ValueError, match="1 values of NaN or Inf"):
            measure([[np.nan, 0]], [[0.0, 0]])
        with pytest.raises(ValueError, match="at least one row"):
            measure(np.zeros((0, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="5 codes needs as many latents, got 4"):
        kmeans_optimum(z, 5)
    with pytest.raises(ValueError, match="codebook_size must be an integer >= 1"):
        kmeans_optimum(z, 0)
    with pytest.raises(ValueError, match="cannot pair 4 codes with 2"):
        match_codes(z, z[:2])
