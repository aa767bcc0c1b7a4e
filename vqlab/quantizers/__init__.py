"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import basic as _lines  # noqa: F401  each module writes its lines into the table
from .ancestors import Competitive, FrequencySensitive, OnlineKMeans, Wins
from .assignments import Cosine, Nearest
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .estimators import LookAhead, StraightThrough
from .hyperbolic import EuclideanLogits, HyperbolicLogits, HyperplaneCodebook
from .neighbours import Attraction, Propagation
from .quantizer import Quantized, VectorQuantizer
from .registry import Method, Parts, make, method, methods, published
from .revival import Revival
from .schedules import Constant, Exponential, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .soft_choice import Reconstruction, SoftmaxStraightThrough
from .splitting import lbg
from .topology import NeuralGas, SelfOrganizingMap
from .updates import CodebookLoss, MovingAverage, Update

__all__ = [
    "AffineCodebook",
    "Attraction",
    "Codebook",
    "CodebookLoss",
    "Competitive",
    "Constant",
    "Cosine",
    "CosineSchedule",
    "EuclideanLogits",
    "Exponential",
    "FrequencySensitive",
    "HyperbolicLogits",
    "HyperplaneCodebook",
    "LookAhead",
    "Method",
    "MovingAverage",
    "Nearest",
    "NeuralGas",
    "OnlineKMeans",
    "Parts",
    "Propagation",
    "Quantized",
    "Reconstruction",
    "Revival",
    "Schedule",
    "SelfOrganizingMap",
    "SoftmaxStraightThrough",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
    "Update",
    "VectorQuantizer",
    "Warmup",
    "Wins",
    "lbg",
    "make",
    "method",
    "methods",
    "published",
]
