"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import basic as _lines  # noqa: F401  each module writes its lines into the table
from . import lookup_free as _lattices  # noqa: F401
from . import projected as _projections  # noqa: F401
from .assignments import Cosine, Nearest, Rounding
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .entropy import CodeEntropy
from .estimators import LookAhead, StraightThrough
from .frame import Quantized, Quantizer
from .lattices import BinaryCube, FiniteScalars, Lattice
from .neighbours import Attraction, Propagation
from .projected import Projected, SphereTable
from .quantizer import VectorQuantizer
from .registry import Method, Parts, make, method, methods, published
from .revival import Revival
from .schedules import Constant, Exponential, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .stacked import Grouped, Residual
from .updates import CodebookLoss, MovingAverage, Update

__all__ = [
    "AffineCodebook",
    "Attraction",
    "BinaryCube",
    "CodeEntropy",
    "Codebook",
    "CodebookLoss",
    "Constant",
    "Cosine",
    "CosineSchedule",
    "Exponential",
    "FiniteScalars",
    "Grouped",
    "Lattice",
    "LookAhead",
    "Method",
    "MovingAverage",
    "Nearest",
    "Parts",
    "Projected",
    "Propagation",
    "Quantized",
    "Quantizer",
    "Residual",
    "Revival",
    "Rounding",
    "Schedule",
    "SphereTable",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
    "Update",
    "VectorQuantizer",
    "Warmup",
    "make",
    "method",
    "methods",
    "published",
]
