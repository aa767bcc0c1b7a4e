"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import table as _table  # noqa: F401
from .affine import MatchedCodebook, RunningStatistics
from .ancestors import Competitive, FrequencySensitive, OnlineKMeans, Wins
from .anchors import Anchors
from .assignments import Cosine, Nearest
from .bridge import BridgeCodebook
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .estimators import LookAhead, StraightThrough
from .hyperbolic import EuclideanLogits, HyperbolicLogits, HyperplaneCodebook
from .ibq import DoubleQuantization, LogitEntropy
from .logits import DistanceLogits, DotProduct, IndexBackpropagation
from .neighbours import Attraction, Propagation
from .noise import Noise, NoiseSubstitution
from .quantizer import Quantized, VectorQuantizer
from .radius import GeneralizedRadius
from .registry import Method, Parts, make, method, methods, published
from .regularisers import Contrast, Entropy, Orthogonality
from .revival import Revival
from .rotation import Rotation
from .sampled import GumbelChoice, UniformPrior
from .schedules import Constant, Exponential, LearningAnnealing, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .soft_choice import Reconstruction, SoftmaxStraightThrough
from .splitting import lbg
from .sq_vae import GaussianPrior, MeanCode
from .topology import NeuralGas, SelfOrganizingMap
from .transforms import LowRankCodebook, MixingCodebook
from .transport import Transport
from .updates import CodebookLoss, MovingAverage, Update

__all__ = [
    "AffineCodebook",
    "Anchors",
    "Attraction",
    "BridgeCodebook",
    "Codebook",
    "CodebookLoss",
    "Competitive",
    "Constant",
    "Contrast",
    "Cosine",
    "CosineSchedule",
    "DistanceLogits",
    "DotProduct",
    "DoubleQuantization",
    "Entropy",
    "EuclideanLogits",
    "Exponential",
    "FrequencySensitive",
    "GaussianPrior",
    "GeneralizedRadius",
    "GumbelChoice",
    "HyperbolicLogits",
    "HyperplaneCodebook",
    "IndexBackpropagation",
    "LearningAnnealing",
    "LogitEntropy",
    "LookAhead",
    "LowRankCodebook",
    "MatchedCodebook",
    "MeanCode",
    "Method",
    "MixingCodebook",
    "MovingAverage",
    "Nearest",
    "NeuralGas",
    "Noise",
    "NoiseSubstitution",
    "OnlineKMeans",
    "Orthogonality",
    "Parts",
    "Propagation",
    "Quantized",
    "Reconstruction",
    "Revival",
    "Rotation",
    "RunningStatistics",
    "Schedule",
    "SelfOrganizingMap",
    "SoftmaxStraightThrough",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
    "Transport",
    "UniformPrior",
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
