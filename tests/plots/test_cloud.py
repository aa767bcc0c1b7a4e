"""Clouds: cells that are true, cameras that stand still, films that fit into a notebook."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vqlab.plots import animate_cloud, animate_duel, cloud
from vqlab.plots.animate import paced
from vqlab.plots.camera import LENS, camera
from vqlab.plots.publish import stored_bytes
from vqlab.plots.theme import DEAD, LATENTS, METHOD_COLORS
from vqlab.plots.voronoi import as_paths, cell_edges, clip

BOX = (-2.0, 2.0, -2.0, 2.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from([1e-3, 1.0, 30.0]))
def test_a_border_lies_between_its_two_nearest_codes(seed, count, scale):
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(count, 2)) * scale
    box = tuple(scale * b for b in BOX)
    edges = cell_edges(codes, box)
    assert (np.abs(edges) <= 2 * scale * (1 + 1e-9)).all()
    for share in (0.1, 0.5, 0.9):
        place = (1 - share) * edges[:, 0] + share * edges[:, 1]
        near = np.sort(((place[:, None] - codes) ** 2).sum(-1), axis=1)[:, :2]
        # qhull's corners are good to about 1e-9 of the far sites, 50 frames away.
        np.testing.assert_allclose(np.sqrt(near[:, 0]), np.sqrt(near[:, 1]), atol=1e-5 * scale)


def test_every_change_of_the_nearest_code_crosses_a_border():
    codes = np.random.default_rng(1).normal(size=(12, 2))
    edges = cell_edges(codes, BOX)
    line = np.column_stack([np.linspace(-2, 2, 4001), np.full(4001, 0.3)])
    nearest = ((line[:, None] - codes) ** 2).sum(-1).argmin(1)
    changes = line[:-1][np.diff(nearest) != 0, 0]
    one, two = edges[:, 0], edges[:, 1]
    across = (one[:, 1] - 0.3) * (two[:, 1] - 0.3) < 0
    share = (0.3 - one[across, 1]) / (two[across, 1] - one[across, 1])
    crossings = np.sort(one[across, 0] + share * (two[across, 0] - one[across, 0]))
    np.testing.assert_allclose(crossings, changes, atol=1e-3)  # the grid's step


def test_codes_at_one_place_and_single_codes_have_no_borders():
    assert cell_edges(np.zeros((5, 2)), BOX).shape == (0, 2, 2)
    assert cell_edges(np.ones((1, 2)), BOX).shape == (0, 2, 2)
    assert len(cell_edges(np.array([[-1.0, 0], [1, 0], [1, 0]]), BOX)) == 1


def test_clipping_keeps_what_is_inside():
    pieces = np.array([[[-5.0, 0], [5, 0]], [[3, 3], [4, 4]], [[0, 1], [0, 9]], [[1, 5], [2, 5]]])
    np.testing.assert_allclose(clip(pieces, BOX), [[[-2, 0], [2, 0]], [[0, 1], [0, 2]]])


def test_paths_draw_each_border_once():
    edges = cell_edges(np.random.default_rng(0).normal(size=(30, 2)), BOX)
    x, y = as_paths(edges)
    assert len(x) < 3 * len(edges)
    drawn = {frozenset(((a, b), (c, d))) for a, b, c, d in
             zip(x[:-1].round(7), y[:-1].round(7), x[1:].round(7), y[1:].round(7), strict=True)
             if np.isfinite([a, b, c, d]).all()}  # fmt: skip
    flat = edges.round(7)
    assert drawn == {frozenset((tuple(one), tuple(two))) for one, two in flat}


def test_the_world_holds_everything_and_the_lens_has_unit_spread(make_run):
    run = make_run(shrink=0.05, walk=4)
    cam = camera([run])
    left, right, bottom, top = cam.world
    for points in (run.latents, run.codes):
        assert (points[..., 0] >= left).all() and (points[..., 0] <= right).all()
        assert (points[..., 1] >= bottom).all() and (points[..., 1] <= top).all()
    assert right - left == pytest.approx(top - bottom)
    centre, spread = cam.lens(cam.project(run.latents[-1]))
    assert np.sqrt((((run.latents[-1] - centre) / spread) ** 2).mean()) == pytest.approx(1)
    assert cam.magnification == pytest.approx(cam.zoom(spread), rel=1e-6)


def test_a_code_that_diverges_does_not_shrink_the_data(make_run):
    run = make_run()
    run.codes[-1, 0] = 1e6
    left, right, *_ = camera([run]).world
    assert right - left < 3 * np.ptp(run.latents.reshape(-1, 2), axis=0).max()


def test_in_higher_dimension_the_plane_is_the_principal_one(make_run):
    run = make_run(dim=5)
    run.latents[..., 3] *= 9
    run.latents[..., 1] *= 4
    cam = camera([run])
    np.testing.assert_allclose(cam.plane.T @ cam.plane, np.eye(2), atol=1e-12)
    assert np.abs(cam.plane[3, 0]) > 0.99 and np.abs(cam.plane[1, 1]) > 0.99
    pool = run.latents.reshape(-1, 5)
    share = pool[:, 3].var() / pool.var(axis=0).sum()
    assert int(cam.axes[0].split("(")[1].rstrip("%)")) == pytest.approx(100 * share, abs=2)
    drawn = cloud(run)
    assert not any(t.line.color == "#CBD2D9" and len(t.x) for t in drawn.data)  # no false cells


def test_live_and_dead_codes_are_drawn_apart(make_run, browser):
    run = make_run("ema", dead=3)
    figure = browser(cloud(run, view="world"))
    points = {(t["marker"]["symbol"] if "symbol" in t["marker"] else t["marker"]["color"]): t
              for t in figure["data"] if t["mode"] == "markers"}  # fmt: skip
    dead, live = points[DEAD["symbol"]], points[METHOD_COLORS["ema"]]
    np.testing.assert_allclose(live["x"][:5], run.codes[-1, :5, 0])
    assert np.isnan(live["x"][5:]).all() and np.isnan(dead["x"][:5]).all()
    np.testing.assert_allclose(dead["y"][5:], run.codes[-1, 5:, 1])
    np.testing.assert_allclose(points[LATENTS]["x"], run.latents[-1, :, 0])
    heading = next(t["text"][0] for t in figure["data"] if "text" in t)
    assert "5 of 8 codes in use" in heading and METHOD_COLORS["ema"] in heading


def test_the_step_asked_for_is_the_step_drawn(make_run):
    run = make_run()
    figure = cloud(run, 52, view="world", title="Half way")
    assert figure.layout.title.text == "Half way, step 50"
    np.testing.assert_allclose(figure.data[0].x, run.latents[5, :, 0])


def test_centroids_are_black_crosses(make_run):
    figure = cloud([make_run(), make_run("vq")], centroids=np.zeros((3, 2)), view="world")
    marks = [t for t in figure.data if t.marker.symbol == "x-thin"]
    assert len(marks) == 2 and marks[0].marker.line.color == "#000000" and len(marks[0].x) == 3


def test_a_film_starts_on_its_last_frame_and_its_axes_never_move(make_run, browser):
    figure = animate_duel([make_run("ema"), make_run("nsvq")], view="world")
    film = browser(figure)
    names = [f["name"] for f in film["frames"]]
    assert names[0] == "0" and names[-1] == "200"
    assert [s["label"] for s in film["layout"]["sliders"][0]["steps"]] == names
    assert film["layout"]["sliders"][0]["active"] == len(names) - 1
    assert all("layout" not in frame for frame in film["frames"])
    for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert len(film["layout"][axis]["range"]) == 2
    assert film["layout"]["xaxis"]["range"] == film["layout"]["xaxis2"]["range"]
    for frame in film["frames"]:
        for trace, data in zip(frame["traces"], frame["data"], strict=True):
            assert film["data"][trace]["type"] == data["type"]
            if frame["name"] == names[-1] and "x" in data:
                np.testing.assert_array_equal(film["data"][trace]["x"], data["x"])


def test_show_chooses_the_frame_of_the_picture(make_run):
    run = make_run()
    figure = animate_cloud(run, show=70, view="world")
    slider = figure.layout.sliders[0]
    assert slider.steps[slider.active].label == "70"
    np.testing.assert_allclose(figure.data[0].x, run.latents[7, :, 0])


def test_the_lens_joins_when_the_cloud_becomes_too_small(make_run):
    assert len(animate_cloud(make_run()).layout.to_plotly_json()["xaxis"]["range"]) == 2
    assert "xaxis2" not in animate_cloud(make_run(shrink=0.9)).layout
    figure = animate_cloud(make_run(shrink=0.03))
    assert list(figure.layout.xaxis2.range) == [-LENS, LENS]
    said = [t.text[0] for t in figure.data if t.text is not None]
    assert any("lens ×" in text and "outside" in text for text in said)


def test_latents_that_stand_still_are_stored_once(make_run):
    still, moving = animate_cloud(make_run()), animate_cloud(make_run(walk=3))
    assert 0 not in still.frames[0].traces and 0 in moving.frames[0].traces


@pytest.mark.parametrize(
    ("count", "settings_"),
    [
        (1, {"K": 64, "M": 512, "T": 121}),
        (2, {"K": 16, "M": 512, "T": 121, "shrink": 0.05}),
        (3, {"K": 64, "M": 512, "T": 121, "walk": 5}),
        (1, {"K": 256, "M": 512, "T": 121, "walk": 5}),
        (6, {"K": 16, "M": 512, "T": 121, "walk": 5}),
    ],
)
def test_a_film_stays_below_the_bytes_that_were_promised(make_run, count, settings_):
    names = ["vq", "ema", "ema-revival", "simvq", "nsvq", "transvq"][:count]
    figure = animate_duel([make_run(name, **settings_) for name in names])
    assert stored_bytes(figure) < 330_000  # the estimate is good to a tenth
    assert len(figure.frames) >= 15


def test_frames_are_kept_where_something_happens():
    progress = np.concatenate([np.linspace(0, 0.8, 11), np.linspace(0.8, 1, 91)[1:]])
    kept = paced(progress, 21)
    assert kept[0] == 0 and kept[-1] == 100
    assert sum(k <= 10 for k in kept) >= 10


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda r: cloud(r(), 999), ValueError, "0 to 200"),
        (lambda r: cloud(r(dim=1)), ValueError, "D = 1"),
        (lambda r: cloud([r(), r("vq", dim=3)]), ValueError, r"\[2, 3\]"),
        (lambda r: cloud(r(), view="top"), ValueError, "auto, world, lens, both"),
        (lambda r: cloud(3.0), TypeError, "float without steps"),
        (lambda r: cloud([]), ValueError, "got none"),
        (lambda r: cloud(r(), centroids=np.zeros((3, 4))), ValueError, r"\(N, 2\)"),
        (lambda r: animate_duel([r(), r("vq", T=11)]), ValueError, "same recorded steps"),
        (lambda r: animate_cloud(r(T=1)), ValueError, "2 frames"),
        (lambda r: animate_cloud(r(), frames=1), ValueError, "2 frames"),
        (
            lambda r: animate_duel({str(i): r() for i in range(5)}, view="both"),
            ValueError,
            "5 runs",
        ),
    ],
)
def test_bad_input_is_named(make_run, call, error, words):
    with pytest.raises(error, match=words):
        call(make_run)
