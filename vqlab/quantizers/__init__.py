"""Vector quantizers: one forward pass, four decisions, a table of published methods."""

from . import basic as _lines  # noqa: F401  each module writes its lines into the table
from . import ibq as _ibq  # noqa: F401
from . import noise as _noise  # noqa: F401
from . import radius as _radius  # noqa: F401
from . import rotation as _rotation  # noqa: F401
from . import sampled as _sampled  # noqa: F401
from . import sq_vae as _sq_vae  # noqa: F401
from .assignments import Cosine, Nearest
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .estimators import LookAhead, StraightThrough
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
from .sq_vae import GaussianPrior, MeanCode
from .transforms import LowRankCodebook, MixingCodebook
from .updates import CodebookLoss, MovingAverage, Update

__all__ = [
    "AffineCodebook",
    "Attraction",
    "Codebook",
    "CodebookLoss",
    "Constant",
    "Cosine",
    "CosineSchedule",
    "DistanceLogits",
    "DotProduct",
    "DoubleQuantization",
    "Exponential",
    "GaussianPrior",
    "GeneralizedRadius",
    "GumbelChoice",
    "IndexBackpropagation",
    "LogitEntropy",
    "LookAhead",
    "LowRankCodebook",
    "MeanCode",
    "Method",
    "MixingCodebook",
    "MovingAverage",
    "Nearest",
    "Noise",
    "NoiseSubstitution",
    "Parts",
    "Propagation",
    "Quantized",
    "Revival",
    "Rotation",
    "Schedule",
    "Step",
    "StraightThrough",
    "Table",
    "TransformerCodebook",
    "UniformPrior",
    "Update",
    "VectorQuantizer",
    "Warmup",
    "make",
    "method",
    "methods",
    "published",
]
