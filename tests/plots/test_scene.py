"""The film of arrays: what the canvas gets and what a page keeps are the run's own numbers."""

import numpy as np
import pytest

from vqlab import simulate
from vqlab.plots.microscope import microscope
from vqlab.plots.publish import stored_bytes
from vqlab.plots.scene import Scene


@pytest.fixture(scope="module")
def run():
    return simulate("ema", motion="translate", codebook_size=64, points=800, steps=120,
                    record=61, seed=2, progress=False)  # fmt: skip


def test_the_film_holds_codes_latents_and_counts_of_every_frame(run):
    scene = microscope(run)
    marks = [t for t in scene.data if t.get("mode") == "markers" and np.ndim(t["x"]) == 2]
    latents, dead, live = marks[:3]
    np.testing.assert_array_equal(latents["x"], run.latents[:, :500, 0])
    whole = np.where(np.isfinite(live["y"]), live["y"], dead["y"])
    np.testing.assert_array_equal(whole, run.codes[..., 1])
    np.testing.assert_array_equal(np.isfinite(live["x"]), run.counts > 0)
    bars = next(t for t in scene.data if t["type"] == "bar")
    np.testing.assert_allclose(bars["y"], run.counts / 800)
    assert scene.frames == [str(step) for step in run.steps]


def test_a_lens_travels_with_the_cloud(run):
    scene = microscope(run, view="lens")
    x = next(t["x"] for t in scene.data if t.get("meta", {}).get("many"))
    assert np.abs(x.mean(1)).max() < 0.1 and np.abs(run.latents[-1, :, 0].mean()) > 2


def test_a_page_stays_small_and_holds_the_first_and_the_last_frame(run):
    page = microscope(run, title="t").page()
    assert {page.frames[0].name, page.frames[-1].name} == {"0", "120"}
    assert stored_bytes(page) < 400_000
    assert all(len(f.data) == len(f.traces) for f in page.frames)


def test_a_still_figure_crosses_unharmed(run):
    from vqlab.plots import phase_diagram

    value = np.array([[0.5, np.nan], [0.25, 1.0]])
    figure = phase_diagram([1, 2], [3, 4], value, title="t")
    packed = Scene.of(figure).packed()
    z = packed["data"][0]["z"]
    got = np.frombuffer(z["data"], np.float32).reshape(z["shape"])
    np.testing.assert_array_equal(got, value)
    assert packed["frames"] == [] and packed["layout"]["width"] == 760


@pytest.mark.parametrize("width", [300, 480, 719, 720, 1600])
def test_panels_of_every_width_lie_within_and_apart(run, width):
    for runs in (run, {"a": run, "b": run}, {"a": run, "b": run, "c": run}):
        layout = microscope(runs, width=width, title="t").layout
        assert layout["width"] <= max(width, 300)
        boxes = [(*layout[f"xaxis{n}"]["domain"], *layout[f"yaxis{n}"]["domain"])
                 for n in ["", *range(2, 9)] if f"xaxis{n}" in layout]  # fmt: skip
        for i, (a, b, c, d) in enumerate(boxes):
            assert -1e-9 <= a < b <= 1 + 1e-9 and -1e-9 <= c < d <= 1 + 1e-9
            for e, f, g, h in boxes[:i]:
                assert b <= e or f <= a or d <= g or h <= c


def test_what_cannot_be_drawn_is_named(run):
    with pytest.raises(ValueError, match="at most three"):
        microscope({str(i): run for i in range(4)})
    with pytest.raises(ValueError, match="world or lens"):
        microscope(run, view="moon")
