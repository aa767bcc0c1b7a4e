"""The disc: rim, geodesics and cells stand where hyperbolic geometry says."""

import numpy as np
import pytest
import torch

from vqlab.plots import disc
from vqlab.plots.disc import TINTS, cells_of, geodesic, painted, pixels, to_disc
from vqlab.plots.theme import DEAD, METHOD_COLORS
from vqlab.quantizers.poincare import distance

RNG = np.random.default_rng(0)
PLACES = RNG.normal(size=(12, 2))


def nearest(codes):
    return lambda z: ((z[:, None] - codes) ** 2).sum(-1).argmin(1)


def test_places_keep_their_direction_and_half_their_hyperbolic_distance():
    drawn = to_disc(PLACES, 2.5)
    assert (np.linalg.norm(drawn, axis=1) < 1).all()
    away = distance(torch.zeros(12, 2, dtype=torch.float64), torch.from_numpy(drawn)).numpy()
    assert away == pytest.approx(2 * 2.5**0.5 * np.linalg.norm(PLACES, axis=1))
    np.testing.assert_allclose(np.arctan2(*drawn.T), np.arctan2(*PLACES.T))


def test_geodesics_are_evenly_walked_arcs_that_meet_the_rim_at_right_angles():
    start, end = to_disc(PLACES[:6]), to_disc(PLACES[6:])
    ways = geodesic(start, end, 9)
    np.testing.assert_allclose(ways[:, 0], start, atol=1e-12)
    np.testing.assert_allclose(ways[:, -1], end, atol=1e-12)
    t = torch.from_numpy(ways)
    pieces = distance(t[:, :-1], t[:, 1:]).numpy()
    np.testing.assert_allclose(pieces, pieces[:, :1].repeat(8, 1), rtol=1e-9)
    whole = distance(t[:, 0], t[:, -1]).numpy()
    np.testing.assert_allclose(pieces.sum(1), whole, rtol=1e-9)
    for way in ways:  # x^2 + y^2 - 2 a x - 2 b y + 1 = 0: a circle orthogonal to the rim
        left, right = 2 * way, (way**2).sum(1) + 1
        centre = np.linalg.lstsq(left, right, rcond=None)[0]
        np.testing.assert_allclose(left @ centre, right, atol=1e-9)


def test_each_pixel_shows_what_the_rule_says_of_its_place():
    c, size = 1.7, 40
    owners = cells_of(nearest(PLACES), c, size)
    along = pixels(size)
    for row, column in RNG.integers(0, size, (60, 2)):
        at = np.array([along[column], along[row]])
        r = np.linalg.norm(at)
        if r >= 1:
            assert owners[row, column] == -1
        else:
            place = np.arctanh(r) * at / r / c**0.5
            assert owners[row, column] == ((PLACES - place) ** 2).sum(1).argmin()


def test_neighbours_have_different_tints_and_a_border_between_them():
    owners = cells_of(nearest(PLACES), 1.0, 120)
    tints = painted(owners)
    assert (tints[owners < 0] == 0).all() and (tints[owners >= 0] > 0).all()
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = (owners[here] != owners[there]) & (owners[here] >= 0) & (owners[there] >= 0)
        assert meet.any() and (tints[here][meet] == len(TINTS)).all()
    tint = {}
    for cell in np.unique(owners[owners >= 0]):
        inner = set(tints[(owners == cell) & (tints < len(TINTS))])
        assert len(inner) == 1
        tint[cell] = inner.pop()
    pairs = np.stack([owners[:, :-1].ravel(), owners[:, 1:].ravel()], 1)
    pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs >= 0).all(1)]
    assert all(tint[a] != tint[b] for a, b in pairs)


def test_what_is_given_is_what_is_drawn(browser):
    codes = np.vstack([PLACES, [[0.0, 9.0]]])
    figure = browser(disc(
        {"vq": nearest(codes), "data": None}, codes={"vq": codes},
        counts={"vq": [3] * 12 + [0]}, points=PLACES, edges=PLACES.reshape(6, 2, 2), curvature=0.5,
        resolution=90,
    ))  # fmt: skip
    kinds = [(t["type"], t.get("mode")) for t in figure["data"]]
    line, mark = ("scatter", "lines"), ("scatter", "markers")
    assert kinds == [("heatmap", None), line, line, mark, mark, mark, line, line, mark]
    dead, live = figure["data"][4], figure["data"][5]
    assert dead["marker"]["symbol"] == DEAD["symbol"]
    assert live["marker"]["color"] == METHOD_COLORS["vq"]
    drawn = to_disc(codes, 0.5)
    np.testing.assert_allclose(dead["x"], drawn[12:, 0], atol=1e-6)
    np.testing.assert_allclose(live["y"], drawn[:12, 1], atol=1e-6)
    np.testing.assert_allclose(figure["data"][3]["x"], to_disc(PLACES, 0.5)[:, 0], atol=1e-6)
    assert np.isnan(figure["data"][2]["x"]).sum() == 6


def test_a_moved_panel_shows_the_same_distances_from_another_place():
    center = PLACES[3]
    here, there = to_disc(PLACES, 1.7), to_disc(PLACES, 1.7, center)
    assert there[3] == pytest.approx([0, 0], abs=1e-12)
    one, two = torch.from_numpy(here), torch.from_numpy(there)
    before, after = distance(one[:, None], one[None]), distance(two[:, None], two[None])
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-6)
    asked = []
    cells_of(lambda z: asked.append(z) or np.zeros(len(z)), 1.7, 30, center)
    along = pixels(30)
    grid = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    drawn = grid[(grid**2).sum(1) < 1]
    np.testing.assert_allclose(to_disc(asked[0], 1.7, center), drawn, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: disc({}), "at least one panel"),
        (lambda: disc({"vq": None}, curvature=0), "curvature"),
        (lambda: disc({"vq": None}, codes={"ema": PLACES}), "codes of ema"),
        (lambda: disc({"vq": None}, centers={"ema": [0, 0]}), "centers of ema"),
        (lambda: disc({"vq": None}, centers={"vq": [0, 0, 0]}), "center: expected"),
        (lambda: disc({"vq": None}, codes={"vq": PLACES}, counts={"vq": [1]}), r"\(1,\)"),
        (lambda: disc({"vq": None}, counts={"vq": [1]}), r"\(1,\)"),
        (lambda: disc({"vq": None}, points=np.zeros((3, 3))), r"\(N, 2\)"),
        (lambda: disc({"vq": None}, edges=PLACES), r"\(E, 2, 2\)"),
        (lambda: disc({"vq": lambda z: z[:, 0].argmin()}), "an index for each"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
