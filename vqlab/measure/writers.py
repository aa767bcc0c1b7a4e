"""What a monitor says to others: TensorBoard while it trains, Lightning at its hooks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .evidence import window_of
from .usage import ceiling

if TYPE_CHECKING:
    from ..drift.run import Run
    from .monitor import CodebookMonitor


def scalars(run: Run) -> dict[str, float]:
    """The present of a run in numbers, by name; NaN where one is not known."""
    size = run.codebook_size
    window, per_step = window_of(run)
    alive = run.last_hit[-1] >= run.steps[-1] - window
    lag = run.lag[-1][np.isfinite(run.lag[-1])]
    out = {
        "utilization": float(alive.mean()),
        "ceiling": ceiling(size, int(per_step * window)),
        "dead codes": float((~alive).sum()),
        "perplexity": float(run.perplexity[-1]),
        "lag": float(np.median(lag)) if len(lag) else float("nan"),
        "drift": float(run.drift[-2]) if len(run.drift) > 1 else float("nan"),
        "distortion": float(run.distortion[-1]),
    }
    return out | {name: float(values[-1]) for name, values in run.terms.items()}


def log_to(monitor: CodebookMonitor, writer: Any, prefix: str) -> None:
    """Every finite scalar of every codebook, by ``writer.add_scalar(name, value, step)``."""
    for name in monitor.names:
        run = monitor.run(name)
        where = prefix if len(monitor.names) == 1 else f"{prefix}/{name}"
        for what, value in scalars(run).items():
            if np.isfinite(value):
                writer.add_scalar(f"{where}/{what}", value, int(run.steps[-1]))


def callback(monitor: CodebookMonitor, writer: Any, every: int) -> Any:
    """The Lightning callback; see :meth:`CodebookMonitor.callback`."""
    try:
        base: Any = import_module("lightning.pytorch").Callback
    except ImportError:
        try:
            base = import_module("pytorch_lightning").Callback
        except ImportError:
            raise ImportError(
                "a callback needs Lightning, which is not installed (pip install lightning); in a "
                "plain loop call monitor.log(writer) and monitor.diagnose()"
            ) from None

    class Watching(base):
        """Logs the codebooks of a model, and ends with a diagnosis."""

        def on_train_batch_end(self, trainer: Any, *rest: Any, **named: Any) -> None:
            logger = getattr(trainer, "logger", None)
            target = writer or getattr(logger, "experiment", None)
            if trainer.global_step % every == 0 and hasattr(target, "add_scalar"):
                monitor.log(target)

        def on_train_end(self, trainer: Any, *rest: Any) -> None:
            if getattr(trainer, "is_global_zero", True):
                print(monitor.diagnose())

    return Watching()
