"""What a notebook stores: JSON that moves, and a small picture of the same size."""

import io
import shutil

import nbformat
import numpy as np
import plotly.io as pio
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from vqlab.plots import animate_cloud, image_grid, usage_curves
from vqlab.plots.publish import PICTURE_BYTES, PNG_BYTES, PlotlyAndPng, png, stored_bytes
from vqlab.plots.theme import METHOD_COLORS


def test_the_bytes_are_those_of_the_notebook_file(make_run):
    figure = animate_cloud(make_run(shrink=0.1))
    data = pio.renderers["plotly_mimetype"].to_mimebundle(figure.to_dict())
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("x", outputs=[output])
    with_figure = len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    cell.outputs = []
    without = len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    assert stored_bytes(figure) == pytest.approx(with_figure - without, rel=0.03)


def test_without_a_picture_only_the_json_is_stored(make_run):
    bundle = PlotlyAndPng(picture=False).to_mimebundle(usage_curves(make_run()).to_dict())
    assert set(bundle) == {"application/vnd.plotly.v1+json"}
    layout = bundle["application/vnd.plotly.v1+json"]["layout"]["template"]["layout"]
    assert "sendChartToCloud" in layout["modebar"]["remove"]  # test_film looks at the buttons
    assert "vqlab" in pio.renderers


chromium = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "google-chrome", "chrome", "chromium-browser"))),
    reason="no Chromium on this machine",
)


@chromium
def test_photographs_keep_their_colours():
    pytest.importorskip("kaleido")
    photos = {n: load_sample_image(f"{n}.jpg")[None, 100:292, 96:352] for n in ("china", "flower")}
    figure = image_grid(photos, side=512)
    whole = pio.to_image(figure, "png", scale=1)
    data = png(figure)
    assert len(data) <= PICTURE_BYTES
    true, seen = (
        np.asarray(Image.open(io.BytesIO(d)).convert("RGB"), dtype=float) for d in (whole, data)
    )
    assert np.quantile(abs(true - seen).max(-1), 0.99) < 21  # 60 kB: 24


@chromium
def test_the_picture_is_small_true_in_colour_and_as_large_as_the_figure(make_run):
    pytest.importorskip("kaleido")  # only authors have it
    figure = animate_cloud(make_run(shrink=0.1), title="A film")
    data = png(figure)
    assert len(data) <= PNG_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (figure.layout.width, figure.layout.height)
        seen = {color for _, color in image.convert("RGB").getcolors(maxcolors=1 << 20)}
        ground = np.asarray(image.convert("RGB"))[0, 0]
    wanted = METHOD_COLORS["ema"]
    assert tuple(int(wanted[i : i + 2], 16) for i in (1, 3, 5)) in seen
    assert tuple(ground) == (255, 255, 255)
    assert len(figure.frames) > 2  # the film itself is left as it was
