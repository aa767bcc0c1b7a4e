"""Codes of variable length (DQ-VAE): a router, a budget, the order of the codes, their bits.

``python -m vqlab.vision.dynamic`` runs the comparison with fixed grids again.
"""

from .grains import bits_of, codes_of, copied, owners, spread
from .model import DynamicAutoencoder, DynamicReconstruction
from .order import Row, pack, unpack
from .routing import Fixed, Learned, Random, budget_loss
from .thresholds import Entropy

__all__ = [
    "DynamicAutoencoder",
    "DynamicReconstruction",
    "Entropy",
    "Fixed",
    "Learned",
    "Random",
    "Row",
    "bits_of",
    "budget_loss",
    "codes_of",
    "copied",
    "owners",
    "pack",
    "spread",
    "unpack",
]
