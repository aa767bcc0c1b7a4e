"""The live dashboard without a browser: a widget in a notebook's place, a figure elsewhere."""

import sys
import types

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

import vqlab
from vqlab import CodebookMonitor
from vqlab.explorers import Live, live


@pytest.fixture
def watched():
    quantizer = vqlab.make("ema", dim=3, codebook_size=8, init="first-batch", seed=0)
    return quantizer.train(), CodebookMonitor(quantizer)


@pytest.fixture
def clock(monkeypatch):
    now = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("vqlab.explorers.watching.time.monotonic", lambda: now.seconds)
    return now


def test_it_follows_the_training_once_a_second(watched, clock):
    quantizer, monitor = watched
    view = Live(monitor, monitor.names[0], 1.0)
    empty = view.widget.layout
    assert [len(line.x) for line in view.widget.data] == [0] * 12
    seen = []
    for step in range(30):
        clock.seconds = 0.1 * step
        quantizer(torch.randn(64, 3))
        seen.append(view.widget.data[1].x[-1])
    # Drawn at the first step, then after each second, and never a second trace for a line.
    assert sorted(set(seen)) == [1, 11, 21]
    assert len(view.widget.data) == 12
    assert (view.widget.layout.width, view.widget.layout.height) == (empty.width, empty.height)
    x = torch.rand(4, 1, 8, 8)
    monitor.picture(x, 1 - x)
    clock.seconds = 4.0
    quantizer(torch.randn(64, 3))
    assert view.widget.data[-1].type == "image" and len(view.widget.data) == 13
    first = view.widget.data[-1].source
    monitor.picture(x, x)
    clock.seconds = 6.0
    quantizer(torch.randn(64, 3))
    assert view.widget.data[-1].source != first
    run = monitor.run()
    np.testing.assert_allclose(view.widget.data[3].y, run.perplexity, rtol=1e-6)


def test_pictures_come_after_their_axes(watched, clock, monkeypatch):
    """plotly.js keeps the place that an axis had when a picture came onto it."""
    quantizer, monitor = watched
    view, sent = Live(monitor, monitor.names[0], 1.0), []
    for name in ("_send_relayout_msg", "_send_addTraces_msg", "_send_update_msg"):
        monkeypatch.setattr(
            view.widget, name, lambda *some, name=name, **more: sent.append((name, some)))
    quantizer(torch.randn(64, 3))
    sent.clear()
    monitor.picture(x := torch.rand(4, 1, 8, 8), x)
    clock.seconds = 40.0
    quantizer(torch.randn(64, 3))
    order = [name for name, _ in sent]
    assert order == ["_send_relayout_msg", "_send_update_msg", "_send_addTraces_msg"]
    assert "xaxis7" in sent[0][1][0] and sent[2][1][0][0]["type"] == "image"


def test_the_end_of_a_training_is_drawn(watched, clock, monkeypatch):
    quantizer, monitor = watched
    view, later = Live(monitor, monitor.names[0], 1.0), []
    loop = types.SimpleNamespace(call_later=lambda *what: later.append(what))
    monkeypatch.setattr("vqlab.explorers.watching.asyncio.get_running_loop", lambda: loop)
    for step in range(5):  # within a second: all but the first go undrawn
        clock.seconds = 0.1 * step
        quantizer(torch.randn(64, 3))
    assert view.widget.data[1].x[-1] == 1
    ((wait, draw),) = later
    assert 0.8 < wait < 1
    clock.seconds = 2.0
    draw()  # the loop's turn comes when the cell has ended
    assert view.widget.data[1].x[-1] == 5
    before = view._next
    view._afterwards()  # nothing came since
    assert view._next == before


def test_a_slow_drawing_makes_itself_rare(watched, clock, monkeypatch):
    quantizer, monitor = watched
    view = Live(monitor, monitor.names[0], 1.0)
    drawn = []

    def slow(name):
        clock.seconds += 0.5
        drawn.append(clock.seconds)
        return go.Figure()

    monkeypatch.setattr(monitor, "figure", slow)
    for _ in range(300):
        clock.seconds += 0.1
        quantizer(torch.randn(64, 3))
    assert (np.diff(drawn) >= 10).all() and len(drawn) >= 3
    assert view.widget is not None


def test_elsewhere_it_is_a_figure_of_now(watched):
    quantizer, monitor = watched
    with pytest.raises(ValueError, match=r"this is no notebook.*call it after the first steps"):
        monitor.show()
    for _ in range(5):
        quantizer(torch.randn(64, 3))
    assert type(monitor.show()) is go.Figure and not monitor.listeners


def test_in_a_notebook_it_is_a_widget(watched, monkeypatch):
    quantizer, monitor = watched
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    first = monitor.show()
    assert isinstance(first, go.FigureWidget)
    assert monitor.show(seconds=3) is first and len(monitor.listeners) == 1  # the cell runs again
    assert monitor.listeners[0].seconds == 3
    first.close()
    assert monitor.show() is not first and len(monitor.listeners) == 1
    quantizer(torch.randn(64, 3))
    with pytest.raises(ValueError, match="at least 1"):
        live(monitor, monitor.names[0], 0.1)
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert type(monitor.show()) is go.Figure
