"""vqlab: see codebook collapse, test it, break it, teach it."""

from typing import Any

from .drift import Run, simulate, sweep
from .measure.monitor import CodebookMonitor
from .quantizers import Quantized, VectorQuantizer, make, methods


def explore(what: Any = None, /, **settings: Any) -> Any:
    """Opens an explorer in a notebook; see :func:`vqlab.explorers.explore`."""
    from .explorers import explore as opened  # widgets and plotly are loaded by those who look

    return opened(what, **settings)


__version__ = "0.1.0"
__all__ = [
    "CodebookMonitor",
    "Quantized",
    "Run",
    "VectorQuantizer",
    "explore",
    "make",
    "methods",
    "simulate",
    "sweep",
]
