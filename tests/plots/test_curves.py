"""Curves, survival and lifelines: the numbers drawn are the numbers given."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vqlab.measure.survival import kaplan_meier
from vqlab.plots import curves, lifelines, run_curves, survival_curves, usage_curves
from vqlab.plots.axes import apart, is_geometric
from vqlab.plots.curves import band
from vqlab.plots.theme import METHOD_COLORS


def test_the_band_is_what_its_name_says():
    values = np.random.default_rng(0).normal(size=(7, 5))
    for spread, low, high in (
        ("range", values.min(0), values.max(0)),
        ("quartiles", np.percentile(values, 25, axis=0), np.percentile(values, 75, axis=0)),
        ("std", values.mean(0) - values.std(0), values.mean(0) + values.std(0)),
    ):
        got = band(values, spread)
        np.testing.assert_allclose(got, [values.mean(0), low, high])


def test_a_missing_seed_is_left_out_and_an_empty_place_stays_empty():
    values = np.array([[1.0, np.nan, 3], [2, np.nan, np.nan]])
    mean, low, high = band(values)
    np.testing.assert_array_equal(mean, [1.5, np.nan, 3])
    np.testing.assert_array_equal(low, [1, np.nan, 3])
    np.testing.assert_array_equal(high, [2, np.nan, 3])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@example([0.0] * 7 + [0.625])  # seven names at one place need the room of the eighth
@example([0.0, 0.0, 0.5])
def test_names_stand_apart_and_inside(places):
    gap = 0.1
    out = apart(sorted(places), gap)
    assert all(b - a >= gap - 1e-9 for a, b in zip(out, out[1:], strict=False))
    assert out[0] >= -1e-9 and out[-1] <= 1 + 1e-9
    wanted = sorted(places)
    # All the others, pushed apart from wherever they are, do not come near these.
    reach = len(places) * gap
    alone = [p for i, p in enumerate(wanted)
             if all(abs(p - q) > reach for j, q in enumerate(wanted) if j != i)]  # fmt: skip
    assert all(any(abs(p - o) < 1e-9 for o in out) for p in alone)


def test_usage_curves_draw_the_mean_of_the_seeds(make_run):
    runs = [make_run(m, seed) for m in ("ema", "nsvq") for seed in range(3)]
    figure = usage_curves(runs)
    lines = {t.name: t for t in figure.data if t.mode == "lines" and t.line.width == 3}
    assert set(lines) == {"ema", "nsvq"}
    expected = np.mean([r.utilization for r in runs[:3]], axis=0)
    np.testing.assert_allclose(lines["ema"].y, expected, rtol=1e-6)
    assert lines["ema"].line.color == METHOD_COLORS["ema"]
    assert tuple(figure.layout.yaxis.range) == (-0.02, 1.04)
    said = [a.text for a in figure.layout.annotations]
    assert any("lowest to highest" in text and "mean of 3" in text for text in said)
    assert not figure.layout.showlegend  # the names stand at the ends of the lines
    assert sum("ema" in text for text in said) == 1


@pytest.mark.parametrize("y", ["perplexity", "distortion", "drift", "bandwidth", "excess", "lag"])
def test_any_quantity_of_a_run_can_be_drawn(make_run, y):
    run = make_run()
    lag = np.array([np.nanmedian(row) for row in run.lag])
    truth = {"lag": lag, "excess": run.distortion / 0.5, "bandwidth": run.terms["bandwidth"]}
    line = next(t for t in run_curves(run, y).data if t.mode == "lines")
    expected = truth[y] if y in truth else getattr(run, y)
    np.testing.assert_allclose(line.y, expected, rtol=1e-6)


def test_a_function_of_a_run_can_be_drawn(make_run):
    figure = run_curves(make_run(), lambda run: run.steps * 2.0, y_title="twice")
    np.testing.assert_array_equal(figure.data[0].y, np.arange(21) * 20)
    assert figure.layout.yaxis.title.text == "twice"


def test_geometric_steps_get_a_logarithmic_axis_that_shows_step_nought():
    x = np.concatenate([[0], np.unique(np.geomspace(1, 10_000, 40).astype(int))])
    assert is_geometric(x) and not is_geometric(np.arange(0, 400, 10))
    figure = curves({"ema": x}, {"ema": x * 1.0})
    axis = figure.layout.xaxis
    assert axis.type == "log" and axis.ticktext[0] == "0" and axis.tickvals[0] == 0.5
    assert figure.data[0].x[0] == 0.5
    assert "1 000" in axis.ticktext
    assert curves({"ema": x}, {"ema": x * 1.0}, log_x=False).layout.xaxis.type is None


def test_an_optimum_is_a_black_dashed_line_with_its_name():
    figure = curves({"a": np.arange(5)}, {"a": np.arange(5.0)}, reference=("k-means", 2.5))
    (line,) = figure.layout.shapes
    assert line.y0 == 2.5 and line.line.color == "#000000" and line.line.dash == "dash"
    assert any("k-means" in a.text for a in figure.layout.annotations)


def test_survival_steps_fall_where_codes_died():
    curve = kaplan_meier([2, 4, 4, 9, 10], [True, True, False, True, False])
    figure = survival_curves({"ema": curve}, until=12)
    line = next(t for t in figure.data if t.line.width == 3)
    assert line.line.shape == "hv"
    np.testing.assert_allclose(line.y[0], 1)
    assert line.x[-1] == 12
    for time, share in ((0, 1), (2, 0.8), (4, 0.6), (9, 0.3), (11, 0.3)):
        at = np.flatnonzero(np.asarray(line.x) <= time)[-1]
        assert line.y[at] == pytest.approx(share)
    area = next(t for t in figure.data if t.fill == "toself")
    assert np.isfinite(area.y).all()  # the undefined part of the band is not drawn


def test_a_lifeline_ends_where_the_cell_empties(make_run):
    run = make_run(T=21, dead=3)
    figure = lifelines(run)
    ends = next(t for t in figure.data if t.mode == "markers")
    assert list(ends.x) == [100, 100, 100]
    assert figure.layout.title.text == "ema: 3 of 8 codes die"
    assert ends.marker.symbol == "circle-open"
    alive = next(t for t in figure.data if t.line.color == METHOD_COLORS["ema"])
    x = np.asarray(alive.x).reshape(-1, 3)
    assert sorted(x[:, 1]) == [100] * 3 + [200] * 5


def test_a_code_that_comes_back_has_two_lives(make_run):
    run = make_run(T=21, dead=1)
    run.counts[15:, 7] = 1
    figure = lifelines(run)
    assert figure.layout.title.text == "ema: 0 of 8 codes die"
    alive = next(t for t in figure.data if t.line.color == METHOD_COLORS["ema"])
    row = np.asarray(alive.x).reshape(-1, 3)
    assert [list(r[:2]) for r in row if r[0] or r[1] < 200] == [[0, 100], [150, 200]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r: run_curves(r(), "usage"), "utilization, perplexity"),
        (lambda r: run_curves(r(), lambda run: np.zeros(3)), r"\(21,\)"),
        (lambda r: usage_curves([r(), r(T=11, seed=1)]), "different steps"),
        (lambda r: usage_curves({}), "got none"),
        (lambda r: curves({"a": np.arange(3)}, {"b": np.arange(3)}), "same labels"),
        (lambda r: curves({"a": np.arange(3)}, {"a": np.arange(4)}), "shape"),
        (lambda r: curves({"a": np.arange(3)}, {"a": np.arange(3)}, log_y=True), "logarithmic"),
        (lambda r: curves({"a": np.arange(3)}, {"a": np.full(3, np.nan)}), "NaN"),
        (lambda r: band(np.zeros((2, 3)), "all"), "range, quartiles, std"),
        (lambda r: band(np.zeros(3)), r"\(3,\)"),
        (lambda r: survival_curves({}), "got none"),
    ],
)
def test_bad_input_is_named(make_run, call, words):
    with pytest.raises(ValueError, match=words):
        call(make_run)
    with pytest.raises(TypeError, match="int without"):
        lifelines(3)


def test_forms_of_one_method_are_marked_along_the_way(make_run):
    figure = usage_curves({"nsvq, figure": make_run(), "nsvq, released": make_run()})
    marks = {t.name: t for t in figure.data if t.mode == "markers"}
    assert len(marks["nsvq, figure"].x) == 1 and len(marks["nsvq, released"].x) > 4
    assert marks["nsvq, released"].marker.symbol == "square"
    assert marks["nsvq, released"].x[-1] == 200
