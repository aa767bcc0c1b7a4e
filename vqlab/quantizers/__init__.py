"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import basic as _lines  # noqa: F401  each module writes its lines into the table
from . import ibq as _ibq  # noqa: F401
from . import noise as _noise  # noqa: F401
from . import radius as _radius  # noqa: F401
from . import rotation as _rotation  # noqa: F401
from . import sampled as _sampled  # noqa: F401
from . import sq_vae as _sq_vae  # noqa: F401
from .ancestors import Competitive, FrequencySensitive, OnlineKMeans, Wins
from .assignments import Cosine, Nearest
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
from .revival import Revival
from .rotation import Rotation
from .sampled import GumbelChoice, UniformPrior
from .schedules import Constant, Exponential, Schedule, Step, Warmup
from .schedules import Cosine as CosineSchedule
from .soft_choice import Reconstruction, SoftmaxStraightThrough
from .splitting import lbg
from .sq_vae import GaussianPrior, MeanCode
from .topology import NeuralGas, SelfOrganizingMap
from .transforms import LowRankCodebook, MixingCodebook
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
    "DistanceLogits",
    "DotProduct",
    "DoubleQuantization",
    "EuclideanLogits",
    "Exponential",
    "FrequencySensitive",
    "GaussianPrior",
    "GeneralizedRadius",
    "GumbelChoice",
    "HyperbolicLogits",
    "HyperplaneCodebook",
    "IndexBackpropagation",
    "LogitEntropy",
    "LookAhead",
    "LowRankCodebook",
    "MeanCode",
    "Method",
    "MixingCodebook",
    "MovingAverage",
    "Nearest",
    "NeuralGas",
    "Noise",
    "NoiseSubstitution",
    "OnlineKMeans",
    "Parts",
    "Propagation",
    "Quantized",
    "Reconstruction",
    "Revival",
    "Rotation",
    "Schedule",
    "SelfOrganizingMap",
    "SoftmaxStraightThrough",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
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
