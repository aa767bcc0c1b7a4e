"""Words in the plane: where they stand, and that their names can be read."""

import numpy as np
import pytest

from vqlab.plots import word_map
from vqlab.plots.words import LETTER, _beside, _overlap

NAMES = ["small", "large", "circle", "ground", "yellow", "diamond"]
KINDS = ["adjective", "adjective", "noun", "noun", "adjective", "noun"]


def points(count=6, dim=2, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dim))


def test_each_word_stands_at_its_place_and_bears_its_name():
    at = points()
    figure = word_map({"before": at, "after": 2 * at}, NAMES, groups=KINDS)
    markers = [t for t in figure.data if t.mode == "markers"]
    assert [t.name for t in markers] == ["adjective", "noun"] * 2
    np.testing.assert_allclose(markers[0].x, at[[0, 1, 4], 0], rtol=1e-6)
    np.testing.assert_allclose(markers[3].y, 2 * at[[2, 3, 5], 1], rtol=1e-6)
    assert list(markers[1].hovertext) == ["circle", "ground", "diamond"]
    named = {a.text: (a.x, a.y) for a in figure.layout.annotations if a.xref == "x"}
    assert named == {word: tuple(place) for word, place in zip(NAMES, at, strict=True)}


def test_more_dimensions_are_shown_on_their_principal_plane():
    at = np.column_stack([5 * points(6), 0.001 * points(6, seed=1)]) @ np.linalg.qr(
        points(4, 4, seed=2)
    )[0]
    figure = word_map({"codes": at}, NAMES)
    shown = np.column_stack([figure.data[0].x, figure.data[0].y])
    apart = np.linalg.norm(shown[:, None] - shown, axis=-1)
    np.testing.assert_allclose(apart, np.linalg.norm(at[:, None] - at, axis=-1), rtol=1e-3)
    assert any("100% of the variance" in a.text for a in figure.layout.annotations)


def test_edges_are_drawn_once_each():
    edges = np.zeros((6, 6))
    edges[0, 2] = edges[2, 0] = 1.0
    edges[1, 3] = edges[3, 1] = 0.5
    lines = [t for t in word_map({"a": points()}, NAMES, edges=edges).data if t.mode == "lines"]
    assert sorted(t.line.width for t in lines) == [2, 4]


def test_names_of_neighbours_do_not_cover_each_other():
    pixels = np.array([[0.0, 0.0], [4.0, 3.0], [-5.0, 2.0], [90.0, 0.0]])
    names = ["light", "dark", "ground", "frame"]
    shifts = np.array(_beside(pixels, names, 380))
    boxes = [
        (x - LETTER * len(w) / 2, x + LETTER * len(w) / 2, y - 7, y + 7)
        for w, (x, y) in zip(names, pixels + shifts, strict=True)
    ]
    assert all(_overlap(a, b) == 0 for i, a in enumerate(boxes) for b in boxes[:i])


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        word_map({}, NAMES)
    with pytest.raises(ValueError, match=r"a: expected \(6, D >= 2\), got \(5, 2\)"):
        word_map({"a": points(5)}, NAMES)
    with pytest.raises(ValueError, match="at most 2 groups"):
        word_map({"a": points()}, NAMES, groups=["x"])
