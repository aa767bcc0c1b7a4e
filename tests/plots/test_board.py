"""Many rows: what is drawn against what was given, and names that do not cover each other."""

import numpy as np
import pandas as pd
import pytest

from vqlab.measure import ranks
from vqlab.plots import board_plot, rank_plot, score_map, tradeoff
from vqlab.plots.board import GAP, faces
from vqlab.plots.theme import METHOD_COLORS, SMALL
from vqlab.plots.tradeoff import front, names

METHODS = ["vq", "ema", "nsvq, wide"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [{"method": m, "motion": t, "seed": s, "excess": 1 + 30 * rng.random(),
          "utilization": rng.random()} for m in METHODS for t in ("a", "b") for s in range(4)]
    )  # fmt: skip


def test_marks_are_geometric_means_in_the_column_of_their_task(table):
    figure = board_plot(table, order=["ema", "vq"], ends=(1, 100))
    marks = {t.name: t for t in figure.data if t.mode == "markers"}
    assert list(marks) == ["ema", "vq"] and marks["ema"].y[0] == 0
    means = np.log10(table[table.method == "vq"].set_index("motion").excess)
    means = means.groupby("motion").mean()
    expected = np.arange(2) + (1 - GAP) * means.to_numpy() / 2
    np.testing.assert_allclose(marks["vq"].x, expected, rtol=1e-6)
    assert marks["vq"].marker.line.color == METHOD_COLORS["vq"]


def test_what_lies_beyond_the_scale_is_hollow_and_stays_in_its_column(table):
    figure = board_plot(table.assign(excess=[500.0] * 4 + [2.0] * 20), ends=(1, 100))
    mark = next(t for t in figure.data if t.name == "vq")
    assert list(mark.marker.color) == ["white", METHOD_COLORS["vq"]]
    assert mark.x[0] == pytest.approx(1 - GAP)


def test_a_method_of_which_one_run_failed_stands_at_the_edge(table):
    table.loc[(table.method == "vq") & (table.motion == "b") & (table.seed == 2), "excess"] = np.nan
    mark = next(t for t in board_plot(table).data if t.name == "vq")
    assert mark.x[1] == pytest.approx(2 - GAP) and mark.marker.color[1] == "white"
    assert mark.marker.color[0] != "white"


def test_the_map_has_means_in_the_order_asked_for(table):
    figure = score_map(table, order=METHODS[::-1])
    grid = table.pivot_table("utilization", "method", "motion").loc[METHODS[::-1]]
    np.testing.assert_allclose(figure.data[0].z, grid, rtol=1e-6)
    assert figure.data[0].text[0][0] == f"{grid.iloc[0, 0]:.0%}".rstrip("%")
    assert "nsvq, wide" in figure.layout.yaxis.ticktext[0]


def test_places_and_the_band_of_chance():
    found = ranks(np.random.default_rng(0).random((40, 3)))
    order = np.argsort(found.mean)
    labels = [METHODS[i] for i in order]
    figure = rank_plot(labels, found.take(order))
    large = [t for t in figure.data if t.marker.size == 12]
    np.testing.assert_allclose([t.x[0] for t in large], np.sort(found.mean), rtol=1e-6)
    band = figure.layout.shapes[0]
    assert band.x1 - band.x0 == pytest.approx(found.critical)
    assert not rank_plot(labels, ranks([[1.0, 2.0, 3.0]])).layout.shapes  # one task: no band


def test_a_method_looks_alike_in_every_order():
    one, other = faces(METHODS), faces(METHODS[::-1] + ["nsvq"])
    assert one["vq"] == other["vq"] and other["nsvq"] != other["nsvq, wide"]
    assert faces(["nsvq, wide", "nsvq"])["nsvq"] == other["nsvq"]


def test_points_stand_where_they_belong_and_the_best_are_joined():
    x = {"vq": 1.0, "ema": 2.0, "nsvq": 4.0, "simvq": 3.0, "gone": 1.0}
    y = {"vq": 9.0, "ema": 3.0, "nsvq": 1.0, "simvq": 5.0}
    figure = tradeoff(x, y, x_title="cost", y_title="excess")
    marks = {t.name: (t.x[0], t.y[0]) for t in figure.data if t.mode == "markers"}
    assert marks == {name: (x[name], y[name]) for name in y}
    assert figure.data[0].x.tolist() == [1, 2, 4]  # simvq is beaten by ema in both
    assert {a.text for a in figure.layout.annotations} == set(y)


def test_the_front():
    points = np.array([[2.0, 2], [1, 3], [3, 1], [3, 3], [1, 4], [2, 2]])
    assert [points[i].tolist() for i in front(points)] == [[1, 3], [2, 2], [3, 1]]


def test_names_cover_neither_each_other_nor_points():
    rng = np.random.default_rng(1)
    points, size = rng.uniform(60, 500, (26, 2)), np.array([700.0, 560.0])
    widths = rng.uniform(20, 110, 26)
    centres = points + np.array(names(points, widths, size))
    half = np.stack([widths / 2, np.full(26, (SMALL + 3) / 2)], 1)
    boxes = np.concatenate([centres - half, centres + half], 1)
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            wide = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
            assert (wide <= 1e-9).any()
        inside = (points > box[:2]) & (points < box[2:])
        assert not inside.all(1).any()
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= size).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: board_plot(t, "nothing"), "no column nothing"),
        (lambda t: board_plot(t, order=["nobody"]), "no runs of nobody"),
        (lambda t: board_plot(t.assign(excess=0.0)), "logarithmic"),
        (lambda t: score_map(t, "excess"), "0 to 1"),
        (lambda t: rank_plot(["vq"], ranks([[1.0, 2.0]])), "1 labels for 2"),
        (lambda t: tradeoff({"vq": 1.0}, {}, x_title="", y_title=""), "two numbers"),
    ],
)
def test_bad_input_is_named(table, call, words):
    with pytest.raises(ValueError, match=words):
        call(table)
