"""A callback that shows the codebook of the training under way, live in a notebook."""

from __future__ import annotations

from typing import Any

from ..measure.monitor import CodebookMonitor
from .extra import LIGHTNING

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error


class LiveMonitor(L.Callback):
    """A :class:`vqlab.CodebookMonitor` for every training in turn, and one place to see it.

    ``show()`` in a cell of its own, or before the training in the same one, gives the place: the
    curves of the training under way appear there, redrawn at most once a second and for at most 5 %
    of the time. Where there is no notebook nothing is drawn, and ``monitor`` can still be asked.
    The monitor changes nothing: weights with it and without are equal bit for bit.

    Args:
        seconds: least time between two drawings, 1 or more.

    Attributes:
        monitor: of the last training; None before the first.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.monitor: CodebookMonitor | None = None
        self._box: Any = None

    def show(self) -> Any:
        """The place, a widget (VBox)."""
        import ipywidgets  # only notebooks have widgets

        if self._box is None:
            self._box = ipywidgets.VBox([ipywidgets.Label("No training is under way yet.")])
        return self._box

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Begins to watch."""
        if not trainer.is_global_zero:
            return
        self.monitor = CodebookMonitor(pl_module.model)
        if self._box is not None:
            from ipywidgets import DOMWidget, Label

            from ..explorers.watching import in_notebook

            figure = self.monitor.show(seconds=self.seconds) if in_notebook() else None
            title = Label(f"{pl_module.hparams['method']}, seed {pl_module.hparams['seed']}")
            self._box.children = [title, *([figure] if isinstance(figure, DOMWidget) else [])]

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """What was seen stays; the model is let go."""
        if self.monitor is not None:
            self.monitor.close()

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        """As at the end: Lightning tears nothing down after an error."""
        self.teardown(trainer, pl_module, "fit")
