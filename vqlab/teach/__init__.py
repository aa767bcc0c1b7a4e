"""For lessons: ask before you show, and check what a reader wrote."""

from vqlab.teach.bits import check_bits
from vqlab.teach.checks import (
    check_centroids,
    check_critical_speed,
    check_nearest,
    check_perplexity,
    compare,
)
from vqlab.teach.geometry import check_cosine_choice, check_hyperbolic_distance
from vqlab.teach.guess import guess

__all__ = [
    "check_bits",
    "check_centroids",
    "check_cosine_choice",
    "check_critical_speed",
    "check_hyperbolic_distance",
    "check_nearest",
    "check_perplexity",
    "compare",
    "guess",
]
