"""The canvas as a widget, where widgets are installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vqlab.plots.scene import script

try:
    import anywidget
    import ipywidgets
    import traitlets
except ImportError:  # an explorer is then its figure alone
    anywidget = ipywidgets = None  # type: ignore[assignment]

if anywidget is not None:

    class Stage(anywidget.AnyWidget):
        """A scene in the browser; play, scrub and drag there, without the kernel."""

        _esm = script()
        scene = traitlets.Dict().tag(sync=True)
        words = traitlets.Unicode("").tag(sync=True)
        code = traitlets.Unicode("").tag(sync=True)
        text = traitlets.Unicode("").tag(sync=True)


def canvas(words: str) -> Any:
    """A new stage, or None where no widgets are installed; a screen reader says ``words``."""
    return None if anywidget is None else Stage(words=words)


def free(widgets: Iterable[Any]) -> None:
    """Closes widgets, and their styles and layouts, which stay otherwise."""
    for widget in widgets:
        widget.unobserve_all()
        for part in ("style", "layout"):
            if getattr(widget, part, None) is not None:
                getattr(widget, part).close()
        widget.close()
