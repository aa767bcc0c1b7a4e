"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import basic as _lines  # noqa: F401  each module writes its lines into the table
from .affine import MatchedCodebook, RunningStatistics
from .anchors import Anchors
from .assignments import Cosine, Nearest
from .bridge import BridgeCodebook
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .estimators import LookAhead, StraightThrough
from .neighbours import Attraction, Propagation
from .quantizer import Quantized, VectorQuantizer
from .registry import Method, Parts, make, method, methods, published
from .regularisers import Contrast, Entropy, Orthogonality
from .revival import Revival
from .schedules import Constant, Exponential, LearningAnnealing, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .transport import Transport
from .updates import CodebookLoss, MovingAverage, Update

__all__ = [
    "AffineCodebook",
    "Anchors",
    "Attraction",
    "BridgeCodebook",
    "Codebook",
    "CodebookLoss",
    "Constant",
    "Contrast",
    "Cosine",
    "CosineSchedule",
    "Entropy",
    "Exponential",
    "LearningAnnealing",
    "LookAhead",
    "MatchedCodebook",
    "Method",
    "MovingAverage",
    "Nearest",
    "Orthogonality",
    "Parts",
    "Propagation",
    "Quantized",
    "Revival",
    "RunningStatistics",
    "Schedule",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
    "Transport",
    "Update",
    "VectorQuantizer",
    "Warmup",
    "make",
    "method",
    "methods",
    "published",
]
