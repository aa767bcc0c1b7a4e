"""vqlab: see codebook collapse, test it, break it, teach it."""

from .drift import Run, simulate, sweep
from .quantizers import Quantized, VectorQuantizer, make, methods

__version__ = "0.1.0"
__all__ = ["Quantized", "Run", "VectorQuantizer", "make", "methods", "simulate", "sweep"]
