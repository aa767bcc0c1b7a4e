"""The explorer of lesson 31 without a browser: each network's figure, read back."""

import numpy as np
import pandas as pd
import pytest

from vqlab.explorers import restoration, restoration_explorer

NETWORKS, DAMAGES = ("codes", "collapsed"), ("mild", "heavy")


@pytest.fixture
def given():
    rows = [{"seed": s, "damage": d, "network": n, "w": w, "psnr": 20 + i + w + s - 5 * j,
             "frechet": 100 - 9 * w}
            for s in (0, 1) for j, d in enumerate(DAMAGES) for i, n in enumerate(NETWORKS)
            for w in (0.0, 0.5, 1.0)]  # fmt: skip
    rows += [{"seed": s, "damage": d, "network": "input", "w": np.nan, "psnr": 19, "frechet": 300}
             for s in (0, 1) for d in DAMAGES]  # fmt: skip
    faces = np.zeros((2, 4, 4, 3), np.uint8)
    names = [f"{n}, {w:g}" for n in NETWORKS for w in (0.0, 0.5, 1.0)] + ["input", "truth"]
    pictures = {f"{d}: {n}": faces + i for d in DAMAGES for i, n in enumerate(names)}
    return pd.DataFrame(rows), pictures


class Handle:
    def __init__(self):
        self.shown = []

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


def line(explorer):
    return next(t for t in explorer.figure.data if t.type == "scatter" and "line" in t.mode)


def test_a_choice_redraws_with_the_means_of_the_seeds(given):
    explorer = restoration_explorer(*given)
    assert explorer.networks == list(NETWORKS) and explorer.network == "codes"
    assert list(line(explorer).x) == [20.5, 21.0, 21.5]
    explorer._output._handle = Handle()
    explorer.controls["network"].value = "collapsed"
    assert list(line(explorer).x) == [21.5, 22.0, 22.5]
    assert list(line(explorer).y) == [100, 95.5, 91]
    explorer.controls["damage"].value = "heavy"
    assert list(line(explorer).x) == [16.5, 17.0, 17.5]
    assert "heavy damage, collapsed" in explorer.figure.layout.title.text
    assert [set(b) for b in explorer._output._handle.shown] == [
        {"text/html"}, {"application/vnd.plotly.v1+json"}] * 2  # fmt: skip


def test_without_ipywidgets_the_figure_stands_alone(given, monkeypatch):
    monkeypatch.setattr(restoration, "ipywidgets", None)
    explorer = restoration_explorer(*given, network="collapsed")
    assert explorer.controls == {} and len(explorer.figure.frames) == 3


def test_what_it_shows_in_a_notebook(given, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append(a[0]))
    np.savez(tmp_path / "pictures.npz", **given[1])
    restoration_explorer(given[0], str(tmp_path / "pictures.npz"))._ipython_display_()
    assert "Run this cell" in shown[0]["text/plain"]
    assert "application/vnd.plotly.v1+json" in shown[1]


def test_unknown_networks_are_named(given):
    with pytest.raises(ValueError, match="codes, collapsed"):
        restoration_explorer(*given, network="other")
    with pytest.raises(ValueError, match="damage: expected one of mild, heavy"):
        restoration_explorer(*given, damage="other")
    with pytest.raises(ValueError, match="no network"):
        restoration_explorer(given[0], {})
