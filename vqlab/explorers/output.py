"""A figure that is the output of a cell: a stored notebook shows it without a kernel."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

INVITATION = "Run this cell to get the controls of the figure below."


def bundle(figure: go.Figure) -> dict[str, Any]:
    """The figure as the chosen renderers store it, by MIME type."""
    made = pio.renderers._build_mime_bundle(figure.to_dict())
    return made or pio.renderers["plotly_mimetype"].to_mimebundle(figure.to_dict())


class Output:
    """Controls, and under them a figure that can be replaced.

    For explorers whose figure shows pictures (budget, restoration) or holds all its frames: the
    canvas of `stage` draws neither, and theirs need no worker.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._height = 0.0

    def show(self, figure: go.Figure, controls: Any = None) -> None:
        """Displays ``controls``, a widget or None, and the figure."""
        from IPython.display import display

        if controls is not None:
            # Without a kernel a notebook falls back on the text, which says what to do.
            display({**controls._repr_mimebundle_(), "text/plain": INVITATION}, raw=True)
        self._height = figure.layout.height or 450
        self._handle = display(bundle(figure), raw=True, display_id=True)

    def wait(self) -> None:
        """Holds the figure's place while another is made; the page does not jump."""
        text = f'<div style="height:{self._height}px;padding:16px">running …</div>'
        self._update({"text/html": text})

    def replace(self, figure: go.Figure) -> None:
        """Puts another figure in its place.

        JupyterLab's plotly renderer ignores a new figure where one is; another kind of content in
        between makes it begin anew.
        """
        self.wait()
        self._height = figure.layout.height or 450
        self._update(bundle(figure))

    def _update(self, content: dict[str, Any]) -> None:
        if self._handle is not None:
            self._handle.update(content, raw=True)
