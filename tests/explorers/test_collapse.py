"""The microscope without a browser: every control at both ends, the scene read back."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from vqlab.explorers import (
    collapse,
    collapse_explorer,
    duel_explorer,
    gradient_explorer,
    kernel_explorer,
    phase_explorer,
    setting,
    stage,
    widgets,
)
from vqlab.explorers.worker import Stale
from vqlab.plots.theme import METHOD_COLORS

pytestmark = pytest.mark.usefixtures("small")


def drawn(explorer, color):
    """x (F, K) of the trace of markers in a colour, as the browser gets it."""
    for trace in explorer.stage.scene["data"]:
        marker = trace.get("marker", {})
        if trace.get("mode") == "markers" and marker.get("color") == color and "meta" in trace:
            packed = trace["x"]
            return np.frombuffer(packed["data"], np.float32).reshape(packed["shape"])
    raise AssertionError(color)


@pytest.mark.parametrize("name", [*setting.CHOICES, "view", "preset"])
def test_both_ends_of_every_control(name):
    explorer = collapse_explorer(method="nsvq")
    explorer.wait()
    control = explorer.controls[name]
    values = [o[1] if isinstance(o, tuple) else o for o in control.options]
    for value in (values[-1], values[1 if name == "preset" else 0]):
        before = explorer.version
        control.value = value
        explorer.wait()
        assert explorer.message == "", explorer.message
        if name in setting.CHOICES:
            assert explorer.settings[name] == value
        assert explorer.version > before or value == values[0]
        scene = explorer.stage.scene
        assert scene["version"] == explorer.version and not scene["partial"]
        assert scene["frames"][-1] == str(explorer.run.steps[-1])
        if explorer.view == "world":
            live = np.isfinite(drawn(explorer, METHOD_COLORS[explorer.run.method]))
            np.testing.assert_array_equal(live, explorer.run.counts > 0)
    assert explorer.run.settings["seed"] == explorer.settings["seed"]
    assert explorer.run.codebook_size == explorer.settings["codes"]


def test_a_quick_hand_gets_the_last_setting_and_ends_the_older_runs(monkeypatch):
    explorer = collapse_explorer()
    explorer.wait()
    ended, real = [], collapse.simulate

    def slow(*args, watch, **kwargs):
        def watched(so_far):
            time.sleep(0.02)
            try:
                watch(so_far)
            except Stale:
                ended.append(kwargs["seed"])
                raise

        return real(*args, watch=watched, **kwargs)

    monkeypatch.setattr(collapse, "simulate", slow)
    shown = []
    explorer.stage.observe(lambda change: shown.append(change["new"]["version"]), "scene")
    for seed in (1, 2, 3, 4):
        explorer.controls["seed"].value = seed
        time.sleep(0.03)
    explorer.wait()
    assert explorer.run.seed == 4 and len(ended) >= 1 and 4 not in ended
    assert shown == sorted(shown)  # nothing old after something new
    assert explorer.stage.scene["version"] == explorer.version


def test_a_slow_method_is_drawn_while_it_runs(monkeypatch):
    explorer = collapse_explorer()
    explorer.wait()
    monkeypatch.setattr(collapse, "AGAIN", 0.0)
    partial = []
    explorer.stage.observe(
        lambda c: partial.append((c["new"]["partial"], len(c["new"]["frames"]))), "scene"
    )
    begin = time.monotonic()
    explorer.controls["method"].value = "nsvq"
    while not partial and time.monotonic() < begin + 5:
        time.sleep(0.005)
    explorer.wait()
    assert partial[0] == (True, 1)  # the start is there before the first step was made
    assert partial[-1] == (False, len(explorer.run.steps))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": "nsvq", "motion": "paper-shrink", "rate": 2.0, "bandwidth": 100.0, "speed": 0.2},
        {"method": "fsq", "codes": 16, "motion": "stationary", "source": "two-moons"},
        {"method": "ema", "rate": 0.05, "start": "kmeans", "seed": 7, "source": "ring"},
        {"method": "vq", "source": "mixture", "moved": {3: (1.0, 2.5)},
         "clusters": {2: (0.5, -1.0)}},
        {"method": "vq", "clusters": {0: (4.0, 0.0)}},
    ],
)
def test_copied_code_and_shared_line_give_the_screen_again(settings):
    moved = settings.pop("moved", {})
    clusters = settings.pop("clusters", {})
    explorer = collapse_explorer(**settings)
    explorer.set(explorer.settings, moved, clusters)
    explorer.wait()
    assert explorer.message == ""
    assert explorer.stage.code == explorer.code and explorer.stage.text == explorer.text
    scope = {}
    exec(explorer.code, scope)
    again = collapse_explorer(explorer.text)
    for run in (scope["run"], again.run):
        for field in ("codes", "latents", "counts", "distortion", "lag"):
            np.testing.assert_array_equal(getattr(run, field), getattr(explorer.run, field))
    assert again.text == explorer.text and len(explorer.text) < 160
    if moved:
        np.testing.assert_allclose(explorer.run.codes[0, 3], (1.0, 2.5))
        assert not np.array_equal(explorer.run.codes[0], collapse_explorer(**settings).run.codes[0])


def test_what_is_dropped_starts_there():
    explorer = collapse_explorer(source="mixture")
    explorer.wait()
    before = explorer.run
    drag = {"kind": "drag", "name": "code", "point": 5, "x": -1.2345, "y": 2.0, "done": True}
    explorer._heard(explorer.stage, drag, [])
    explorer.wait()
    np.testing.assert_allclose(explorer.run.codes[0, 5], (-1.234, 2.0), atol=1e-3)
    others = np.arange(8) != 5
    np.testing.assert_array_equal(explorer.run.codes[0, others], before.codes[0, others])
    latents = explorer.run.latents[0]
    drag = {"kind": "drag", "name": "cluster", "group": 1, "by": [1.0, 0.5]}
    explorer._heard(explorer.stage, drag, [])
    explorer.wait()
    _, member = setting.first_latents(explorer.settings)
    far = explorer.run.latents[0] - latents
    assert np.abs(far[member == 1] - (1.0, 0.5)).max() < 1e-5
    assert (far[member != 1] == 0).all()
    explorer.controls["source"].value = "ring"
    explorer.controls["codes"].value = 4
    explorer.wait()
    assert explorer.clusters == {} and explorer.moved == {}  # there is no code 5 any more


def test_a_code_of_the_picture_before_is_not_moved_and_a_lattice_leaves_none_moved():
    explorer = collapse_explorer(codes=32)
    explorer.wait()
    drop = {"kind": "drag", "name": "code", "point": 20, "x": 1.0, "y": 2.0}
    explorer.settings = {**explorer.settings, "codes": 16}  # 32 are still on the screen
    explorer._heard(explorer.stage, drop, [])
    explorer.wait()
    assert explorer.message == "" and explorer.moved == {} and explorer.run.codebook_size == 16
    explorer._heard(explorer.stage, {**drop, "point": 3}, [])
    explorer.controls["method"].value = "fsq"
    explorer.wait()
    assert explorer.message == "" and explorer.run.method == "fsq" and explorer.moved == {}


def test_a_refused_setting_is_said_and_taken_back():
    explorer = collapse_explorer(method="ema")
    explorer.wait()
    before = explorer.run
    explorer.controls["rate"].value = 8.0
    explorer.wait()
    assert "below 1, got 8" in explorer.message and explorer.run is before
    assert explorer.settings["rate"] == "default" == explorer.controls["rate"].value
    assert "below 1" in explorer._status.value
    explorer.controls["share"].value = "vqlab codes=7"
    explorer.wait()
    assert "codes=7" in explorer.message and explorer.settings["codes"] == 8


def test_what_runs_away_is_refused(monkeypatch):
    explorer = collapse_explorer(method="vq")
    explorer.wait()
    before, real = explorer.run, collapse.simulate

    def runaway(*args, **kwargs):
        run = real(*args, **kwargs)
        run.codes[-1] = np.nan
        return run

    monkeypatch.setattr(collapse, "simulate", runaway)
    explorer.controls["seed"].value = 2
    explorer.wait()
    assert "ran away" in explorer.message and explorer.run is before


def test_the_optimum_is_added_beside_the_run():
    explorer = collapse_explorer(motion="stationary")
    explorer.wait()
    assert list(explorer._optimum) == [0, 18, 45, 73, 100]
    assert 0 < explorer._optimum[100] <= explorer.run.distortion[-1] * 1.0001


def test_narrow_and_wide_windows():
    explorer = collapse_explorer()
    sizes = {}
    for width in (1400, 600, 330):
        explorer._heard(explorer.stage, {"kind": "width", "width": width}, [])
        explorer.wait()
        layout = explorer.stage.scene["layout"]
        assert layout["width"] <= width
        sizes[width] = layout["height"]
    assert sizes[1400] < 620 < sizes[600] < sizes[330]


def test_the_page_keeps_a_film_without_widgets(monkeypatch):
    monkeypatch.setattr(widgets, "anywidget", None)
    monkeypatch.setattr(stage, "ipywidgets", None)
    monkeypatch.setattr(collapse, "ipywidgets", None)
    explorer = collapse_explorer()
    assert explorer.controls == {} and explorer.stage is None
    figure = explorer.figure
    assert len(figure.frames) == 12
    assert figure.layout.title.text == "translate at 0.02, K = 8, seed 0"
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append(a[0]))
    explorer._ipython_display_()
    assert [set(bundle) for bundle in shown] == [{"application/vnd.plotly.v1+json"}]


def test_what_it_shows_in_a_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append(a[0]))
    monkeypatch.setattr(stage, "warm_up", lambda: None)
    collapse_explorer()._ipython_display_()
    controls, figure = shown
    assert "Run this cell" in controls["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in controls
    assert "application/vnd.plotly.v1+json" in figure


def test_closing_frees_everything(alive, monkeypatch):
    monkeypatch.setattr(collapse, "LOOKS", 2)
    threads = threading.active_count()
    before = alive()
    made = [collapse_explorer(seed=seed) for seed in range(10)]
    for explorer in made:
        explorer.widget()
    assert alive() > before + 100
    for explorer in made:
        explorer.close()
        explorer.wait()
        explorer.close()  # twice is once
    gone = [weakref.ref(explorer) for explorer in made]
    assert alive() == before and threading.active_count() == threads
    made.clear()
    del explorer
    gc.collect()
    # The fixture of this folder still holds them, and nothing else does.
    assert all(len(gc.get_referrers(ref())) <= 2 for ref in gone)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: collapse_explorer(method="ema", rate=8.0), "below 1, got 8"),
        (lambda: collapse_explorer("vqlab codes=3"), "2, 4, 8"),
        (lambda: duel_explorer("vq"), "two or three"),
        (lambda: phase_explorer("som"), "vq and ema"),
        (lambda: gradient_explorer((1.0,)), "two finite numbers"),
        (lambda: kernel_explorer(bandwidth=-1.0), "bandwidth"),
    ],
)
def test_a_refused_explorer_leaves_no_widget(alive, make, words):
    before = alive()
    with pytest.raises(ValueError, match=words):
        make()
    assert alive() == before


def test_what_a_control_says_in_a_computation_stays():
    explorer = collapse_explorer(steps=100)
    explorer.ask()
    explorer.controls["share"].value = "no line"
    explorer.wait()
    assert "begins with vqlab" in explorer.message
    explorer.controls["codes"].value = 4
    explorer.wait()
    assert explorer.message == ""


@pytest.mark.parametrize(
    ("settings", "words"), [({"size": 3}, "method, source"), ({"codes": 3}, "2, 4, 8")]
)
def test_unknown_settings_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        collapse_explorer(**settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with vqlab"),
        ("vqlab codes=3", "2, 4, 8"),
        ("vqlab size=3", "method, source"),
        ("vqlab moved=1:2", "cannot read"),
        ("vqlab codes=2 moved=5:1,1", "no code 5"),
        ("vqlab clusters=1:1,1", "no cluster 1 of 1"),
        ("vqlab source=mixture clusters=99:1,1", "no cluster 99 of"),
    ],
)
def test_a_line_that_is_none_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        setting.from_text(text)


def test_every_preset_is_a_setting_and_the_first_collapses():
    for name, preset in setting.PRESETS.items():
        assert setting.checked(preset), name
    explorer = collapse_explorer(codes=64, steps=400, **setting.PRESETS["make it collapse: drift"])
    assert explorer.run.utilization[0] > 0.5 and explorer.run.utilization[-1] < 0.1
