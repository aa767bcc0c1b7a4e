"""The explorer without a browser: every control at both ends, the figure read back."""

import sys

import numpy as np
import pytest

from vqlab.explorers import collapse, collapse_explorer
from vqlab.plots.theme import METHOD_COLORS


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Runs of 12 steps: what is tested is the wiring."""
    monkeypatch.setattr(collapse, "STEPS", 12)


class Handle:
    """Stands for the place in a notebook that a display handle updates."""

    def __init__(self):
        self.shown = []

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


def live_codes(explorer):
    color = METHOD_COLORS[explorer.run.method]
    trace = next(t for t in explorer.figure.data if t.mode == "markers" and t.marker.color == color)
    return np.isfinite(np.asarray(trace.x, dtype=float))


@pytest.mark.parametrize("name", ["method", "motion", "seed", "speed", "codes"])
def test_both_ends_of_every_control(name):
    explorer = collapse_explorer(codes=8)
    explorer._handle = Handle()
    options = explorer.controls[name].options
    for value in (options[-1], options[0]):
        explorer.controls[name].value = value
        assert not explorer.message
        assert explorer.settings[name] == value
        np.testing.assert_array_equal(live_codes(explorer), explorer.run.counts[-1] > 0)
        assert len(explorer.figure.frames) > 1
        # A place that holds something else in between is drawn anew.
        assert [set(b) for b in explorer._handle.shown[-2:]] == [
            {"text/html"},
            {"application/vnd.plotly.v1+json"},
        ]
    assert explorer.run.settings["seed"] == explorer.settings["seed"]
    assert explorer.run.codebook_size == explorer.settings["codes"]


def test_it_starts_where_it_is_told_and_reproduces():
    one, two = collapse_explorer(method="nsvq", codes=8), collapse_explorer(method="nsvq", codes=8)
    np.testing.assert_array_equal(one.run.codes, two.run.codes)
    assert one.figure.layout.title.text == "translate at 0.02, K = 8, seed 0"


def test_a_refused_setting_is_said_and_taken_back(monkeypatch):
    explorer = collapse_explorer(codes=8)
    before = explorer.run

    def refuse(*args, **kwargs):
        raise ValueError("no <such> thing")

    monkeypatch.setattr(collapse, "simulate", refuse)
    explorer.controls["seed"].value = 3
    assert explorer.message == "no <such> thing" and explorer.run is before
    assert explorer.settings["seed"] == 0
    assert explorer._status.value == "no &lt;such&gt; thing"


def test_without_ipywidgets_the_figure_stands_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    explorer = collapse_explorer(codes=4)
    assert explorer.controls == {} and len(explorer.figure.frames) > 1


def test_what_it_shows_in_a_notebook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    collapse_explorer(codes=4)._ipython_display_()
    controls, figure = (args[0] for args, _ in shown)
    assert "Run this cell" in controls["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in controls
    assert "application/vnd.plotly.v1+json" in figure
    assert shown[1][1]["display_id"] is True


@pytest.mark.parametrize(
    ("settings", "words"), [({"size": 3}, "method, motion"), ({"codes": 3}, "2, 4, 8")]
)
def test_unknown_settings_are_named(settings, words):
    with pytest.raises(ValueError, match=words):
        collapse_explorer(**settings)
