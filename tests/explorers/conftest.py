"""Small runs: what is tested is the wiring."""

import gc

import ipywidgets
import pytest

from vqlab.explorers import setting
from vqlab.explorers.stage import Explorer


@pytest.fixture
def small(monkeypatch):
    """Few points and frames, and what is left open is closed."""
    monkeypatch.setattr(setting, "POINTS", 300)
    monkeypatch.setattr(setting, "FRAMES", 12)
    monkeypatch.setitem(setting.DEFAULT, "steps", 100)
    monkeypatch.setitem(setting.DEFAULT, "codes", 8)
    made = []
    first = Explorer.__init__

    def remember(self):
        made.append(self)
        first(self)

    monkeypatch.setattr(Explorer, "__init__", remember)
    yield
    for explorer in made:
        explorer.close()


@pytest.fixture
def alive():
    """Counts the widgets that are open."""

    def count():
        gc.collect()
        return len(ipywidgets.widgets.widget._instances)

    return count
