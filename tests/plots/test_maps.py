"""Bars, maps, kernels and pictures: what is drawn against what was given."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from vqlab.plots import (
    coupling_maps,
    dot_plot,
    image_grid,
    kernel_field,
    phase_diagram,
    phase_table,
    scatter_methods,
    usage_bars,
)
from vqlab.plots.theme import DEAD, METHOD_COLORS


def test_bars_are_sorted_shares_and_the_dead_stand_behind():
    figure = usage_bars({"ema": [0, 6, 1, 0, 3], "vq": np.array([2, 2, 2, 2, 2])})
    bars = [t for t in figure.data if t.type == "bar"]
    np.testing.assert_allclose(bars[0].y, [0.6, 0.3, 0.1], rtol=1e-6)
    np.testing.assert_allclose(bars[1].y, [0.2] * 5, rtol=1e-6)
    dead = [t for t in figure.data if t.type == "scatter"]
    assert list(dead[0].x) == [4, 5] and len(dead[1].x) == 0
    assert dead[0].marker.symbol == DEAD["symbol"]
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range
    assert {s.y0 for s in figure.layout.shapes} == {0.2}
    assert any("3 of 5 in use" in a.text for a in figure.layout.annotations)


def test_bars_take_runs(make_run):
    run = make_run()
    bar = usage_bars(run, 50).data[0]
    assert np.sum(bar.y) == pytest.approx(1) and len(bar.y) == 8


def test_cells_of_the_phase_diagram_meet_half_way_on_the_axis():
    value = np.arange(6.0).reshape(2, 3) / 5
    figure = phase_diagram([1, 10, 100], [4, 16], value)
    assert figure.layout.yaxis.tickvals == (4, 16)  # few values: each is named
    heat = figure.data[0]
    np.testing.assert_allclose(np.log10(heat.x), [-0.5, 0.5, 1.5, 2.5])
    np.testing.assert_allclose(np.log2(heat.y), [1, 3, 5])
    np.testing.assert_allclose(heat.z, value, rtol=1e-6)
    flat = phase_diagram([1, 2, 4], [4, 16], value, log_x=False, log_y=False).data[0]
    np.testing.assert_allclose(flat.x, [0.5, 1.5, 3, 5])


def test_the_measured_border_is_where_the_value_crosses():
    x, y = np.geomspace(1e-3, 1, 13), np.array([4.0, 16, 64])
    border = 0.5 / np.sqrt(y)
    value = 0.5 - np.log(x[None] / border[:, None]) / 10  # linear on the axis' scale
    figure = phase_diagram(x, y, value, boundary=0.5, curve=(border, y), curve_name="theory")
    lines = {t.name: t for t in figure.data if t.name}
    np.testing.assert_allclose(lines["measured"].x, border, rtol=1e-5)
    np.testing.assert_allclose(lines["measured"].y, y)
    assert lines["theory"].line.dash == "dash" and lines["theory"].line.color == "black"


def test_a_cell_at_the_level_lies_on_the_border_and_an_empty_one_does_not():
    value = np.array([[1, 0.5, 0.2], [np.nan, 0.9, 0.1], [0.9, np.nan, 0.1]])
    figure = phase_diagram([1, 2, 3], [1, 2, 3], value, boundary=0.5, log_x=False, log_y=False)
    line = {trace.name: trace for trace in figure.data}["measured"]
    np.testing.assert_allclose(line.x, [2, 2.5])
    np.testing.assert_allclose(line.y, [1, 2])


def test_seeds_are_averaged_and_a_table_becomes_a_grid():
    value = np.random.default_rng(0).random((4, 2, 3))
    heat = phase_diagram([1, 2, 3], [1, 2], value).data[0]
    np.testing.assert_allclose(heat.z, value.mean(0), rtol=1e-6)
    rows = [
        {"speed": speed, "K": size, "seed": seed, "utilization": value[seed, j, i]}
        for seed in range(4)
        for j, size in enumerate([8, 16])
        for i, speed in enumerate([0.1, 0.2, 0.4])
    ]
    x, y, z = phase_table(pd.DataFrame(rows), "speed", "K", "utilization")
    np.testing.assert_array_equal(x, [0.1, 0.2, 0.4])
    np.testing.assert_array_equal(y, [8, 16])
    np.testing.assert_allclose(z, value.mean(0))


def test_couplings_share_one_scale_and_one_order():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(6, 2)) * [5, 1]
    kernel = np.eye(6) * 4 + 0.2 * rng.random((6, 6))
    figure = coupling_maps({"vq": np.eye(6), "transvq": kernel}, codes=codes)
    assert [t.coloraxis for t in figure.data] == ["coloraxis"] * 2
    relative = kernel / np.diag(kernel).mean()
    main = np.linalg.svd(codes - codes.mean(0))[2][0]
    order = np.argsort(codes @ main)
    expected = np.log10(np.maximum(relative[np.ix_(order, order)], 1e-3))
    np.testing.assert_allclose(figure.data[1].z, expected, atol=1e-6)
    assert figure.data[0].z.min() == pytest.approx(-3) == figure.layout.coloraxis.cmin
    assert any("others move 0×" in a.text for a in figure.layout.annotations)
    raw = coupling_maps({"vq": kernel}, relative=False, log=False)
    np.testing.assert_allclose(raw.data[0].z, kernel, rtol=1e-6)


def test_signed_couplings_keep_their_signs_and_white_is_nothing():
    kernel = np.eye(4) * 2 - np.eye(4, k=1)
    figure = coupling_maps({"vq": np.eye(4), "simvq": kernel}, signed=True, columns=1)
    np.testing.assert_allclose(figure.data[1].z, kernel / 2)
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-1, 1)
    assert figure.layout.yaxis2.domain[1] < figure.layout.yaxis.domain[0]  # one below the other
    assert any("others move 0.12×" in a.text for a in figure.layout.annotations)
    with pytest.raises(ValueError, match="columns must be >= 1, got 0"):
        coupling_maps({"vq": np.eye(4)}, columns=0)


def weights(squared, tau):
    p = np.exp(-squared / tau)
    return p / p.sum()


def test_the_kernel_draws_the_weights_of_the_codes():
    codes = np.random.default_rng(0).normal(size=(9, 2))
    figure = kernel_field(codes, [0.2, 0.1], [0.1, 1.0, 10.0], weights, show=1)
    squared = ((codes - [0.2, 0.1]) ** 2).sum(1)
    order = np.argsort(squared)
    dots = figure.data[2]
    np.testing.assert_allclose(dots.x, np.sqrt(squared[order]), rtol=1e-6)
    expected = np.maximum(weights(squared, 1.0)[order], 1e-4)
    np.testing.assert_allclose(dots.y, expected, rtol=1e-6)
    share = 1 - weights(squared, 1.0)[order[0]]
    assert f"{share:.0%} of the pull" in figure.data[3].text[0]
    assert [f.name for f in figure.frames] == ["0.1", "1", "10"]
    assert figure.layout.sliders[0].active == 1
    assert all(f.layout.to_plotly_json() == {} for f in figure.frames)
    middle = figure.data[0].z.shape[0] // 2
    assert figure.data[0].z.max() == figure.data[0].z[middle, middle] == 255


def test_a_single_bandwidth_needs_no_slider():
    figure = kernel_field(np.eye(2), [0, 0], 1.0, weights)
    assert not figure.frames and not figure.layout.sliders


def test_dots_are_seeds_and_marks_are_means():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [{"motion": m, "method": k, "seed": s, "utilization": rng.random()}
         for m in ("shrink", "expand") for k in ("vq", "nsvq") for s in range(4)]
    )  # fmt: skip
    figure = dot_plot(table)
    marks = {t.name: t for t in figure.data if t.name}
    for method in ("vq", "nsvq"):
        part = table[table.method == method].groupby("motion", sort=False).utilization.mean()
        np.testing.assert_allclose(marks[method].x, part, rtol=1e-6)
        assert marks[method].marker.color == METHOD_COLORS[method]
    assert list(figure.layout.yaxis.ticktext) == ["shrink", "expand"]
    assert sum(len(t.x) for t in figure.data if t.marker.size == 6) == 16
    assert figure.layout.xaxis.tickformat == ".0%"
    rows = np.round(np.concatenate([marks[m].y for m in marks]))
    assert set(rows) == {0, 1}


def test_a_row_for_each_method_is_one_line_in_its_colour():
    table = pd.DataFrame({"method": ["vq", "vq", "simvq"], "excess": [0.9, 1.1, 2.0]})
    figure = dot_plot(table, "excess", rows="method", by="method")
    marks = {t.name: t for t in figure.data if t.name}
    assert {name: (t.x.tolist(), t.y.tolist()) for name, t in marks.items()} == {
        "vq": ([1.0], [0.0]), "simvq": ([2.0], [1.0])}  # fmt: skip
    assert marks["simvq"].marker.color == METHOD_COLORS["simvq"]
    assert not figure.layout.showlegend


def test_dots_of_no_method_take_the_colours_given():
    table = pd.DataFrame({"motion": ["a", "b"], "method": ["vq", "vq"], "utilization": [0.2, 0.4]})
    figure = dot_plot(table, rows="method", by="motion", colors={"a": "#123456"})
    marks = {t.name: t.marker.color for t in figure.data if t.name}
    assert marks["a"] == "#123456" != marks["b"]


def decode(figure):
    data = base64.b64decode(figure.data[0].source.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_pictures_keep_their_pixels():
    images = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 4)
    figure = image_grid({"input": images, "vq": images[:1] + 1}, value_range=(0, 23), side=3, gap=2)
    sheet = decode(figure)
    assert sheet.shape == (3 * 2 + 2, 4 * 2 + 2, 3)
    np.testing.assert_array_equal(sheet[:3, 6:, 0], np.round(images[1] * 255 / 23))
    np.testing.assert_array_equal(sheet[5:, :4, 1], np.round((images[0] + 1) * 255 / 23))
    assert (sheet[5:, 6:] == 255).all()  # a shorter row ends in white
    assert (figure.layout.width - figure.layout.margin.l - figure.layout.margin.r) == 10


def test_pictures_are_enlarged_by_whole_pixels_and_take_colour():
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    sheet = decode(image_grid(image, side=40))
    np.testing.assert_array_equal(sheet, image[0].repeat(5, 0).repeat(5, 1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: usage_bars({"ema": [0, 0]}), "ema"),
        (lambda: usage_bars({"ema": [-1, 2]}), "counts >= 0"),
        (lambda: phase_diagram([1, 2], [1, 2], np.zeros((3, 2))), r"\(2, 2\)"),
        (lambda: phase_diagram([2, 1], [1, 2], np.zeros((2, 2))), "rising"),
        (lambda: phase_diagram([0, 1], [1, 2], np.zeros((2, 2))), "logarithmic"),
        (lambda: phase_diagram([1, 2], [1, 2], np.zeros((2, 2)), curve=([1], [1, 2])), "curve"),
        (lambda: phase_table(pd.DataFrame({"a": [1]}), "a", "b", "c"), "no column b, c"),
        (lambda: coupling_maps({}), "got none"),
        (lambda: coupling_maps({"vq": np.zeros((2, 3))}), r"\(2, 3\)"),
        (lambda: coupling_maps({"vq": np.zeros((2, 2))}), "diagonal"),
        (lambda: coupling_maps({"vq": np.full((2, 2), np.nan)}), "4 entries"),
        (lambda: coupling_maps({"vq": np.eye(2)}, codes=np.zeros((3, 2))), "3 codes"),
        (lambda: kernel_field(np.zeros((3, 3)), [0, 0], 1), r"\(N, 2\)"),
        (lambda: kernel_field(np.eye(2), [0, 0], -1), "positive"),
        (lambda: kernel_field(np.eye(2), [0, 0], 1, lambda d, t: d[:1]), "finite"),
        (lambda: kernel_field(np.eye(2), [0, 0], 1, show=1), "index"),
        (lambda: dot_plot(pd.DataFrame({"method": ["vq"]})), "utilization, motion"),
        (lambda: image_grid({}), "got none"),
        (lambda: image_grid(np.zeros((2, 2))), r"\(N, H, W\)"),
        (lambda: image_grid(np.full((1, 2, 2), np.nan)), "4 values"),
        (lambda: image_grid({"a": np.ones((1, 2, 2)), "b": np.ones((1, 3, 3))}), "b: expected"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_bars_of_runs_may_be_labelled(make_run):
    figure = usage_bars({"start": make_run(), "seeds": [make_run(), make_run(seed=1)]}, 0)
    said = " ".join(a.text for a in figure.layout.annotations)
    assert all(label in said for label in ("start", "seeds, seed 0", "seeds, seed 1"))


def test_methods_are_scattered_by_their_means_with_their_ranges():
    rows = [
        {"method": m, "motion": c, "a": a + s, "b": 0.1 * a}
        for m, a in (("vq", 0.0), ("som", 3.0))
        for c in ("shrink", "translate")
        for s in (0.0, 1.0, 5.0)
    ]
    figure = scatter_methods(pd.DataFrame(rows), "a", "b", panels="motion")
    assert [t.name for t in figure.data] == ["vq", "som"] * 2
    som = figure.data[1]
    assert som.x[0] == pytest.approx(5) and som.y[0] == pytest.approx(0.3)
    assert som.error_x.array[0] == pytest.approx(3)
    assert som.error_x.arrayminus[0] == pytest.approx(2)
    assert som.marker.color == METHOD_COLORS["som"] != figure.data[0].marker.color
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert [t.showlegend for t in figure.data] == [True, True, False, False]
    with pytest.raises(ValueError, match="no column c"):
        scatter_methods(pd.DataFrame(rows), "a", "c")
    with pytest.raises(ValueError, match="no rows"):
        scatter_methods(pd.DataFrame(rows)[:0], "a", "b")
