"""Faces drawn by a formula: an endless set of portraits with attributes and captions, all ours."""

from .attributes import LEVELS, attributes
from .captions import ADJECTIVES, NOUNS, captions
from .drawing import synthetic_faces

__all__ = ["ADJECTIVES", "LEVELS", "NOUNS", "attributes", "captions", "synthetic_faces"]
