"""Sources: sizes, shapes, seeds, and settings that are refused."""

import json

import numpy as np
import pytest

from vqlab.drift.sources import (
    Gaussian,
    Grid,
    HeavyTailed,
    Mixture,
    Recorded,
    Ring,
    Source,
    TwoMoons,
    make_source,
)

NAMES = ["gaussian", "mixture", "ring", "two-moons", "grid", "heavy-tailed", "tree"]
DIMS = {"two-moons": (2, 5), "tree": (2,)}
KINDS = [(name, dim) for name in NAMES for dim in DIMS.get(name, (1, 2, 5))]


@pytest.mark.parametrize(("name", "dim"), KINDS)
def test_cloud_is_centred_and_of_unit_size(name, dim):
    # df=10: the sample variance of the default df=3 has no variance of its own to judge it by
    options = {"df": 10.0} if name == "heavy-tailed" else {}
    points = make_source(name, dim=dim, **options).sample(40_000, np.random.default_rng(0))
    assert points.shape == (40_000, dim) and points.dtype == np.float64
    structured = points[:, :2] if name == "two-moons" else points
    # 5 standard errors: of the mean 1/sqrt(N), of the mean square at most sqrt(2.7/N) (kurtosis 4)
    assert np.abs(points.mean(axis=0)).max() < 5 / 200
    assert abs(np.mean(structured**2) - 1) < 5 * 1.7 / 200


@pytest.mark.parametrize(("name", "dim"), KINDS)
def test_one_state_of_the_generator_gives_one_cloud(name, dim):
    source = make_source(name, dim=dim)
    first, again, other = (source.sample(100, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(("name", "dim"), KINDS)
def test_round_trip_through_json(name, dim):
    source = make_source(name, dim=dim)
    settings = json.loads(json.dumps(source.to_dict()))
    assert Source.from_dict(settings) == source == make_source(settings)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_mixture_centres_are_as_far_apart_as_stated(dim):
    source = Mixture(dim, components=5, separation=8.0, std=0.5)
    centers = source.centers
    gaps = np.linalg.norm(centers[:, None] - centers[None], axis=-1)[~np.eye(5, dtype=bool)]
    assert gaps.min() == pytest.approx(8.0 * 0.5)
    points = source.sample(50_000, np.random.default_rng(0))
    near = np.linalg.norm(points[:, None] - centers[None], axis=-1).min(axis=1)
    assert np.mean(near**2) == pytest.approx(
        dim * 0.25, rel=0.03
    )  # 8 sigma apart: cells do not mix
    nearest = np.linalg.norm(points[:, None] - centers[None], axis=-1).argmin(axis=1)
    assert np.abs(np.bincount(nearest) - 10_000).max() < 50


@pytest.mark.parametrize(("shape", "dim", "radius"), [("sphere", 5, 5**0.5), ("circle", 5, 2**0.5)])
def test_ring_is_hollow(shape, dim, radius):
    points = Ring(dim, shape=shape, noise=0.0).sample(500, np.random.default_rng(0))
    assert np.linalg.norm(points, axis=1) == pytest.approx(radius)
    assert np.any(points[:, 2:] != 0) == (shape == "sphere")


def test_moons_do_not_touch():
    points = TwoMoons(2, noise=0.0).sample(4000, np.random.default_rng(0))
    # along each arc neighbours are close: single linkage at 0.1 leaves exactly two groups
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).sparse_distance_matrix(cKDTree(points), 0.1)
    count, member = connected_components(pairs)
    assert count == 2 and np.bincount(member).tolist() == [2000, 2000]


def test_grid_visits_its_nodes_equally_often():
    grid = Grid(2, side=4, noise=0.0)
    points = grid.sample(40, np.random.default_rng(0))
    nodes, visits = np.unique(points.round(9), axis=0, return_counts=True)
    assert len(nodes) == 16 and set(visits) == {2, 3}
    assert np.diff(np.unique(points[:, 0].round(9))) == pytest.approx(grid.spacing)
    assert Grid(64).sample(10, np.random.default_rng(0)).shape == (10, 64)  # 8^64 nodes


def test_heavy_tails_are_heavier_than_gaussian_ones():
    rng = np.random.default_rng(0)
    far = [np.mean(np.abs(s.sample(50_000, rng)) > 4) for s in (HeavyTailed(2), Gaussian(2))]
    assert far[0] > 20 * max(far[1], 6.3e-5)  # 6.3e-5: a Gaussian beyond 4 sigma


def test_recording_keeps_order_and_identity():
    frames = np.random.default_rng(0).standard_normal((3, 20, 4))
    source = Recorded(frames)
    assert source.dim == 4
    assert np.array_equal(source.sample(15, np.random.default_rng(5)), frames[0, :15])
    settings = json.loads(json.dumps(source.to_dict()))
    assert np.array_equal(Source.from_dict(settings, frames).sample(20, None), frames[0])
    with pytest.raises(ValueError, match="shape .20, 4. and checksum only; pass the recording"):
        Source.from_dict(settings)
    with pytest.raises(ValueError, match="are not the recorded ones"):
        Source.from_dict(settings, frames + 1)
    with pytest.raises(ValueError, match="21 points asked for, the recording holds 20"):
        source.sample(21, np.random.default_rng(0))
    assert make_source(source) is source


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: make_source("donut"), "unknown source 'donut'; choose from gaussian, grid"),
        (lambda: make_source("recorded"), r"Recorded\(latents\)"),
        (lambda: make_source("ring", radius=2), r"unknown setting \['radius'\]; choose from"),
        (lambda: make_source(Gaussian(3), dim=2), "dim=2, but the source gaussian has dim=3"),
        (lambda: make_source(Gaussian(2), std=2), "go with a source's name"),
        (lambda: Source.from_dict({"source": "donut"}), "unknown source 'donut'; choose from"),
        (lambda: Gaussian(0), "dim must be an integer >= 1, got 0"),
        (lambda: Gaussian(2.5), "dim must be an integer >= 1, got 2.5"),
        (lambda: TwoMoons(1), "dim must be an integer >= 2, got 1"),
        (lambda: Gaussian(std=-1), "std must be a finite number >= 0, got -1"),
        (lambda: Gaussian(std=float("nan")), "std must be a finite number >= 0, got nan"),
        (lambda: Mixture(components=0), "components must be an integer >= 1, got 0"),
        (lambda: Ring(shape="torus"), "shape must be 'sphere' or 'circle', got 'torus'"),
        (lambda: Ring(1, shape="circle"), "a circle needs dim >= 2, got 1"),
        (lambda: Ring(noise=1.0), "noise must be below 1"),
        (lambda: Grid(side=1), "side must be an integer >= 2, got 1"),
        (lambda: HeavyTailed(df=2.0), "df must be > 2 .* got 2.0"),
        (lambda: Gaussian().sample(0, np.random.default_rng(0)), "must be >= 1, got 0"),
        (lambda: Recorded(np.zeros(3)), r"must be \(N, D\) or \(T, N, D\) .* got shape \(3,\)"),
        (lambda: Recorded([[0.0, np.inf]]), r"1 numbers are NaN or infinite, the first at \[0, 1"),
    ],
)
def test_bad_settings_are_refused_and_explained(make, said):
    with pytest.raises(ValueError, match=said):
        make()
