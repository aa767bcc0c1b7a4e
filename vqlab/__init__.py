"""vqlab: see codebook collapse, test it, break it, teach it."""

from .drift import Run, simulate, sweep
from .measure.monitor import CodebookMonitor
from .quantizers import Quantized, VectorQuantizer, make, methods

__version__ = "0.1.0"
__all__ = [
    "CodebookMonitor",
    "Quantized",
    "Run",
    "VectorQuantizer",
    "make",
    "methods",
    "simulate",
    "sweep",
]
