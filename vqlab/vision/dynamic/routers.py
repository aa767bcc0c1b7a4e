"""The routers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .routing import Fixed, Learned, Random, Router
from .thresholds import Entropy

Kind = Literal["learned", "entropy", "random", "fixed"]


def make_router(
    kind: Kind, shares: Sequence[float], dim: int, side: int, seed: int, **options: object
) -> Router:
    """A router by name.

    Args:
        kind: "learned", "entropy", "random" or "fixed". shares: of the finer grains.
        dim: D. side: of a region in pixels. seed: of what is drawn. options: the router's own.
    Raises:
        ValueError: an unknown name, with the choices; options out of range.
        TypeError: an option that the router does not have.
    """
    if kind == "learned":
        return Learned(shares, dim, seed=seed, **options)  # type: ignore[arg-type]
    if kind == "entropy":
        return Entropy(shares, side, **options)  # type: ignore[arg-type]
    if kind == "random":
        return Random(shares, seed, **options)
    if kind == "fixed":
        return Fixed(shares, **options)
    raise ValueError(f"unknown router {kind!r}; choose learned, entropy, random or fixed")
