"""The tree: all nodes alike, edges of one length, and a curvature that belongs to the unit size."""

import numpy as np
import pytest
import torch

from vqlab.drift import Tree
from vqlab.quantizers.poincare import add, distance, exp0, log0

KINDS = [
    {}, {"children": 3, "levels": 3, "edge": 2.0}, {"children": 1, "levels": 5}, {"levels": 1},
    {"edge": 3.0, "levels": 6},
]  # fmt: skip


def steps_of(tree):
    """Edges between all pairs of nodes, by Floyd and Warshall."""
    count = len(tree.parents)
    out = np.where(np.eye(count, dtype=bool), 0.0, np.inf)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            out[node, parent] = out[parent, node] = 1
    for middle in range(count):
        out = np.minimum(out, out[:, [middle]] + out[[middle]])
    return out


def lengths_of(tree):
    """Distances between all pairs of nodes in the disc of the tree's own curvature, in edges."""
    c = tree.curvature
    disc = exp0(torch.from_numpy(tree.nodes), c)
    return distance(disc[:, None], disc[None], c).numpy() / (tree.edge / c**0.5)


@pytest.mark.parametrize("options", KINDS)
def test_every_edge_has_the_stated_length_and_every_way_has_all_its_edges(options):
    tree = Tree(**options)
    steps, lengths = steps_of(tree), lengths_of(tree)
    assert lengths[steps == 1] == pytest.approx(1, abs=1e-6)
    assert (lengths <= steps + 1e-4).all()
    np.testing.assert_array_equal(tree.depths, steps[0])
    degree = (steps == 1).sum(1)
    leaf = tree.depths == tree.levels
    assert (degree[leaf] == 1).all() and (degree[~leaf] == tree.children + 1).all()


def test_all_inner_nodes_look_alike():
    tree = Tree(children=2, levels=3, edge=1.5)
    steps, lengths = steps_of(tree), lengths_of(tree)
    # two edges in one go: an even star has cosh d = cosh^2 - sinh^2 cos(120 degrees)
    star = np.arccosh(np.cosh(1.5) ** 2 + 0.5 * np.sinh(1.5) ** 2) / 1.5
    assert lengths[steps == 2] == pytest.approx(star)


def test_long_edges_leave_the_branches_apart_and_the_plane_does_not():
    near, far = (lengths_of(t) / np.maximum(steps_of(t), 1) for t in (Tree(), Tree(edge=5.0)))
    apart = ~np.eye(46, dtype=bool)
    assert near[apart].min() < 0.8 and far[apart].min() > 0.85
    tree = Tree(edge=5.0)
    flat = np.linalg.norm(tree.nodes[:, None] - tree.nodes, axis=-1) / np.maximum(steps_of(tree), 1)
    assert flat[apart].min() < 0.02 * flat[apart].max()


@pytest.mark.parametrize("options", [*KINDS, {"noise": 0.0}, {"levels": 1, "noise": 2.0}])
def test_cloud_is_centred_and_of_unit_size(options):
    points = Tree(**options).sample(100_000, np.random.default_rng(0))
    assert np.abs(points.mean(0)).max() < 5 / np.sqrt(100_000)
    assert (points**2).mean() == pytest.approx(1, abs=0.01)


def test_noise_is_a_gaussian_step_from_the_node():
    tree = Tree(edge=2.0, noise=0.4)
    c = tree.curvature
    points = exp0(torch.from_numpy(tree.sample(46_000, np.random.default_rng(0))), c) * c**0.5
    nodes = exp0(torch.from_numpy(tree.nodes), c) * c**0.5
    step = 2 * log0(add(-nodes[:, None], points[None]))  # (46, N, 2)
    nearest = step.norm(dim=-1).argmin(0)
    own = step[nearest, torch.arange(len(points))].numpy()
    # edges of 2 are 5 sigma: a step that leads nearer to another node is rare
    assert own.std(0) == pytest.approx(0.4, rel=0.02)
    assert np.abs(np.bincount(nearest) - 1000).max() < 60


def test_without_noise_each_node_is_drawn_equally_often():
    tree = Tree(noise=0.0)
    points = tree.sample(100, np.random.default_rng(0))
    gap = np.linalg.norm(points[:, None] - tree.nodes, axis=-1)
    assert gap.min(1).max() < 1e-9
    assert set(np.bincount(gap.argmin(1))) == {2, 3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dim": 3}, "dim must be 2, got 3"),
        ({"children": 0}, "children must be an integer >= 1, got 0"),
        ({"levels": 0}, "levels must be an integer >= 1, got 0"),
        ({"edge": 0.0}, "edge must be > 0"),
        ({"edge": 10.0}, "at most 24"),
        ({"noise": -1.0}, "noise must be a finite number >= 0"),
    ],
)
def test_bad_settings_are_refused_and_explained(options, said):
    with pytest.raises(ValueError, match=said):
        Tree(**options)
