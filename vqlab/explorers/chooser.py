"""One line to all explorers: ``vqlab.explore()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vqlab.drift.run import Run
from vqlab.explorers.collapse import collapse_explorer
from vqlab.explorers.duel import duel_explorer
from vqlab.explorers.gradients import gradient_explorer
from vqlab.explorers.neighbourhood import kernel_explorer
from vqlab.explorers.phases import phase_explorer
from vqlab.explorers.recording import RunExplorer
from vqlab.explorers.stage import Explorer
from vqlab.explorers.widgets import free, ipywidgets

EXPLORERS: dict[str, Callable[..., Explorer]] = {
    "collapse": collapse_explorer,
    "duel": duel_explorer,
    "phase": phase_explorer,
    "gradients": gradient_explorer,
    "kernel": kernel_explorer,
}
QUESTIONS = {
    "collapse": "Which codes die? One method under a drift that you choose.",
    "duel": "Who keeps more codes? Up to three methods under the same drift.",
    "phase": "How fast is too fast? A map of runs with the derived border.",
    "gradients": "What comes back through a hard choice? Arrows of each estimator.",
    "kernel": "How far does a neighbourhood reach? NS-VQ's bandwidth and strength.",
}


class Chooser:
    """A row of buttons and the explorer that was chosen; the one before is closed.

    Attributes:
        explorer: the one that is shown.
    """

    def __init__(self, name: str = "collapse") -> None:
        self.explorer: Explorer = EXPLORERS[name]()
        self.buttons: Any = None
        self._made: list[Any] = []
        if ipywidgets is None:
            return
        self.buttons = ipywidgets.ToggleButtons(
            options=tuple(EXPLORERS), value=name, tooltips=tuple(QUESTIONS.values()),
            style={"button_width": "auto"},
        )  # fmt: skip
        self._said = ipywidgets.HTML()
        self._place = ipywidgets.VBox([self.explorer.widget()], layout={"overflow": "visible"})
        self._whole = ipywidgets.VBox(
            [self.buttons, self._said, self._place], layout={"overflow": "visible"}
        )
        self._made = [self._whole, self._place, self._said, self.buttons]
        self._said.value = QUESTIONS[name]
        self.buttons.observe(self._chosen, names="value")

    def _chosen(self, change: dict[str, Any]) -> None:
        name, before = change["new"], self.explorer
        self._said.value = QUESTIONS[name]
        self._place.children = ()
        before.close()
        self.explorer = EXPLORERS[name]()
        self._place.children = (self.explorer.widget(),)

    def close(self) -> None:
        """Frees every widget."""
        self.explorer.close()
        free(self._made)
        self._made.clear()
        self.buttons = None

    def _ipython_display_(self) -> None:
        self.explorer.show(self._whole if self._made else None)


def explore(what: Any = None, /, **settings: Any) -> Any:
    """Opens an explorer in a notebook.

    Args:
        what: None, a chooser of all; ``collapse``, ``duel``, ``phase``, ``gradients``, ``kernel``,
            that one; a shared line (``vqlab …``), the microscope as it was; a :class:`Run` or the
            path of a saved one, its film; a ``CodebookMonitor``, its live view.
        **settings: of the explorer that is named.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: an unknown name, with the choices.
    """
    if what is None:
        return Chooser(**settings)
    if isinstance(what, Run):
        return RunExplorer(what)
    if hasattr(what, "diagnose"):
        return what.show(**settings)
    text = str(what)
    if text in EXPLORERS:
        return EXPLORERS[text](**settings)
    if text.startswith("vqlab"):
        return collapse_explorer(text)
    if text.endswith(".npz"):
        return RunExplorer(Run.load(text))
    raise ValueError(f"unknown explorer {text!r}: expected one of {', '.join(EXPLORERS)}, a shared "
                     "line, a Run or its file, or a CodebookMonitor")  # fmt: skip

