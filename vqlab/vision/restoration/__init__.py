"""Blind restoration of pictures with a dictionary of codes (VQFR), and its baselines."""

from .degradation import Degradation, gaussian_kernels, jpeg
from .levels import pyramid
from .measures import detail, gradient_distance, patch_frechet, style_distance
from .network import Restored, Restorer
from .shift import Learned, learn_shift
from .training import fit_restorer, restoration_loss, restore
from .warping import Warp, deformable
from .wiener import Wiener

__all__ = [
    "Degradation",
    "Learned",
    "Restored",
    "Restorer",
    "Warp",
    "Wiener",
    "deformable",
    "detail",
    "fit_restorer",
    "gaussian_kernels",
    "gradient_distance",
    "jpeg",
    "learn_shift",
    "patch_frechet",
    "pyramid",
    "restoration_loss",
    "restore",
    "style_distance",
]
