"""Fields of arrows: what is drawn is what was given, on one scale."""

import numpy as np
import pytest

from vqlab.plots import arrow_fields

POINTS = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])


def shafts(trace):
    x, y = (np.asarray(getattr(trace, axis), float).reshape(-1, 6) for axis in "xy")
    return np.stack([x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]], axis=1)


def test_arrows_are_drawn_to_one_scale():
    one, two = np.full((4, 2), 0.5), np.array([[1.0, 0], [0, 2], [0, 0], [-1, 0]])
    figure = arrow_fields(POINTS, {"one": one, "two": two}, scale=0.5)
    lines = [t for t in figure.data if t.mode == "lines"]
    np.testing.assert_allclose(shafts(lines[0]), 0.5 * one)
    np.testing.assert_allclose(shafts(lines[1]), 0.5 * two[[0, 1, 3]])  # none where it is zero
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range


def test_codes_cells_and_target_are_shown():
    figure = arrow_fields(POINTS, {"one": POINTS}, codes=[[0.2, 0.5], [0.8, 0.5]], target=(0, 0))
    assert [t.mode for t in figure.data] == ["lines", "markers", "lines", "markers", "markers"]
    border = np.asarray(figure.data[0].x, float)
    np.testing.assert_allclose(border[np.isfinite(border)], 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "words"), [({}, "at least one field"), ({"one": POINTS[:3]}, "3 arrows for 4")]
)
def test_what_does_not_fit_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        arrow_fields(POINTS, fields)
