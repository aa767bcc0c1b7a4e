"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import table as _table  # noqa: F401
from .adaptive import DriftAdaptive
from .affine import MatchedCodebook, RunningStatistics
from .ancestors import Competitive, OnlineKMeans
from .anchors import Anchors
from .assignments import Cosine, Nearest, Rounding
from .bridge import BridgeCodebook
from .code_entropy import CodeEntropy
from .codebooks import AffineCodebook, Codebook, Table
from .costs import Cost
from .draws import Noise
from .entropy import Entropy, LogitEntropy
from .estimators import LookAhead, StraightThrough
from .frame import Quantized, Quantizer
from .frequency import FrequencySensitive, Wins
from .hyperbolic import EuclideanLogits, HyperbolicLogits, HyperplaneCodebook
from .ibq import DoubleQuantization
from .joint import Joint
from .lattices import BinaryCube, FiniteScalars, Lattice
from .logits import DistanceLogits, DotProduct, IndexBackpropagation
from .moving_average import MovingAverage
from .neighbours import Attraction, Propagation
from .noise import NoiseSubstitution
from .projected import Projected, SphereTable
from .quantizer import VectorQuantizer
from .radius import GeneralizedRadius
from .reconstruction import Reconstruction
from .registry import Method, Parts, make, method, methods, published
from .regularisers import Contrast, Orthogonality
from .reservoir import Reestimation
from .revival import Revival
from .rotation import Rotation
from .sampled import GumbelChoice, UniformPrior
from .schedules import Constant, Exponential, LearningAnnealing, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .splitting import lbg
from .sq_vae import GaussianPrior, MeanCode
from .stacked import Grouped, Residual
from .topology import NeuralGas, SelfOrganizingMap
from .transformer import TransformerCodebook
from .transforms import LowRankCodebook, MixingCodebook
from .transport import Transport
from .updates import CodebookLoss, Update
from .vocabulary import WordTable
from .word_codebook import WordCodebook, WordDropout, WordShare
from .words import NearestPair

__all__ = [
    "AffineCodebook",
    "Anchors",
    "Attraction",
    "BinaryCube",
    "BridgeCodebook",
    "CodeEntropy",
    "Codebook",
    "CodebookLoss",
    "Competitive",
    "Constant",
    "Contrast",
    "Cosine",
    "CosineSchedule",
    "Cost",
    "DistanceLogits",
    "DotProduct",
    "DoubleQuantization",
    "DriftAdaptive",
    "Entropy",
    "EuclideanLogits",
    "Exponential",
    "FiniteScalars",
    "FrequencySensitive",
    "GaussianPrior",
    "GeneralizedRadius",
    "Grouped",
    "GumbelChoice",
    "HyperbolicLogits",
    "HyperplaneCodebook",
    "IndexBackpropagation",
    "Joint",
    "Lattice",
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
    "NearestPair",
    "NeuralGas",
    "Noise",
    "NoiseSubstitution",
    "OnlineKMeans",
    "Orthogonality",
    "Parts",
    "Projected",
    "Propagation",
    "Quantized",
    "Quantizer",
    "Reconstruction",
    "Reestimation",
    "Residual",
    "Revival",
    "Rotation",
    "Rounding",
    "RunningStatistics",
    "Schedule",
    "SelfOrganizingMap",
    "SphereTable",
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
    "WordCodebook",
    "WordDropout",
    "WordShare",
    "WordTable",
    "lbg",
    "make",
    "method",
    "methods",
    "published",
]
