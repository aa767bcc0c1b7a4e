"""Routing maps: squares where the fine codes are, pale where they are not."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from vqlab.plots import routing_map
from vqlab.plots.routing import FADE, LINE, ZOOM, _marked


def test_every_finer_code_has_its_square_and_coarse_regions_are_pale():
    pictures = np.full((1, 16, 16, 3), 0.5)
    marked = _marked(pictures, np.array([[[0, 1], [2, 0]]]), ZOOM)[0]
    lines = (marked == LINE).all(-1)
    half, side = 8 * ZOOM, 8 * ZOOM
    assert not lines[:half, :half].any() and not lines[half:, half:].any()
    assert (marked[:half, :half] == round(128 + FADE * 127)).all()
    for region, cut in ((lines[:half, half:], 2), (lines[half:, :half], 4)):
        step = side // cut  # a square of step pixels has 4 (step - 1) on its border
        assert region.sum() == cut**2 * 4 * (step - 1)


def test_the_figure_has_a_row_for_each_and_says_what_does_not_fit():
    pictures, grains = np.random.default_rng(0).random((2, 16, 16)), np.zeros((2, 2, 2), int)
    for rows, drawn in ((2, None), (3, pictures)):
        figure = routing_map(pictures, grains, drawn, note="54 bits")
        source = base64.b64decode(figure.data[0].source.split(",")[1])
        assert Image.open(io.BytesIO(source)).height == rows * (16 * ZOOM + 4) - 4
        assert len(figure.layout.annotations) == rows
        assert "54 bits" in figure.layout.annotations[-1].text
    with pytest.raises(ValueError, match=r"\(1, 2, 2\) do not fit"):
        routing_map(pictures, grains[:1])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        routing_map(pictures, grains + 2)
