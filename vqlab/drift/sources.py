"""The kinds of cloud latents come from, in any dimension, before anything moves.

Every cloud is centred at the origin and has, by default, a root mean square size of 1 per
coordinate, so that a speed or a rate found on one means the same on another. Points come in random
order: any prefix is a fair sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from .origin import Array, Source
from .recording import Recorded
from .tree import Tree

__all__ = [
    "Gaussian", "Grid", "HeavyTailed", "Mixture", "Recorded", "Ring", "Source", "Tree", "TwoMoons",
    "make_source",
]  # fmt: skip


@dataclass(frozen=True)
class Gaussian(Source):
    """One isotropic Gaussian: x ~ N(0, std^2 I)."""

    name: ClassVar[str] = "gaussian"
    std: float = 1.0

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        return self.std * rng.standard_normal((n, self.dim))


@dataclass(frozen=True)
class Mixture(Source):
    """Isotropic Gaussians of equal weight and width, a stated distance apart.

    Centres lie on a line (D = 1), on a circle (D = 2) or in random directions drawn once from
    `layout` (D > 2).

    Args:
        dim: D.
        components: number of Gaussians, >= 1.
        separation: smallest distance between two centres, in units of `std`.
        std: standard deviation of each component; None = the one for which the whole has RMS size
            1 per coordinate.
        layout: seed of the centres in D > 2 (a property of the source, not of a run).
    """

    name: ClassVar[str] = "mixture"
    components: int = 6
    separation: float = 6.0
    std: float | None = None
    layout: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("components", 1)

    @property
    def centers(self) -> Array:
        """The components' centres, (components, D)."""
        return self._placed[0]

    @cached_property
    def _placed(self) -> tuple[Array, float]:
        count = self.components
        if self.dim == 1:
            layout = np.arange(count, dtype=float)[:, None]
        elif self.dim == 2:
            angle = 2 * np.pi * np.arange(count) / count
            layout = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        else:
            layout = np.random.default_rng(self.layout).standard_normal((count, self.dim))
        layout = layout - layout.mean(axis=0)
        if count > 1:
            gaps = np.linalg.norm(layout[:, None] - layout[None], axis=-1)
            layout = layout * self.separation / gaps[~np.eye(count, dtype=bool)].min()
        spread = float((layout**2).mean())  # per coordinate, in units of the components' variance
        std = 1 / math.sqrt(1 + spread) if self.std is None else self.std
        return std * layout, std

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        centers, std = self._placed
        member = rng.permutation(np.arange(n) % self.components)
        return centers[member] + std * rng.standard_normal((n, self.dim))


@dataclass(frozen=True)
class Ring(Source):
    """A hollow cloud: a sphere (two points if D = 1, a circle if D = 2), or a circle in any D.

    Args:
        dim: D.
        shape: "sphere" (radius sqrt(D (1 - noise^2)), so the RMS size is 1 in every coordinate) or
            "circle" (radius sqrt(2 (1 - noise^2)) in the first two coordinates; the others hold
            noise only).
        noise: standard deviation of the Gaussian noise in every coordinate, below 1.
    """

    name: ClassVar[str] = "ring"
    shape: Literal["sphere", "circle"] = "sphere"
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape not in ("sphere", "circle"):
            raise ValueError(f"ring: shape must be 'sphere' or 'circle', got {self.shape!r}")
        if self.shape == "circle" and self.dim < 2:
            raise ValueError(
                f"ring: a circle needs dim >= 2, got {self.dim}; shape='sphere' takes any dim"
            )
        _below_one(self.name, self.noise)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        span = self.dim if self.shape == "sphere" else 2
        direction = rng.standard_normal((n, span))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        points = self.noise * rng.standard_normal((n, self.dim))
        points[:, :span] += math.sqrt(span * (1 - self.noise**2)) * direction
        return points


@dataclass(frozen=True)
class TwoMoons(Source):
    """Two interleaved half circles in the first two coordinates, noise alone in the others.

    The first two coordinates together have RMS size 1 each.

    Args:
        dim: D >= 2.
        noise: standard deviation of the Gaussian noise in every coordinate, below 1.
    """

    name: ClassVar[str] = "two-moons"
    smallest_dim: ClassVar[int] = 2
    noise: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _below_one(self.name, self.noise)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        angle = np.pi * rng.random(n)
        lower = rng.permutation(np.arange(n) % 2)
        moons = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        moons = np.where(lower[:, None] == 1, np.array([1.0, 0.5]) - moons, moons)
        moons -= np.array([0.5, 0.25])
        # variance of the two arcs: 1/2 + 1/4 along x; 1/2 - (2/pi)^2 + (2/pi - 1/4)^2 along y
        variance = (0.75 + 0.5 - (2 / np.pi) ** 2 + (2 / np.pi - 0.25) ** 2) / 2
        points = self.noise * rng.standard_normal((n, self.dim))
        points[:, :2] += math.sqrt((1 - self.noise**2) / variance) * moons
        return points


@dataclass(frozen=True)
class Grid(Source):
    """A square lattice, each node visited equally often as far as the number of points allows.

    With K = side^D codes the best possible distortion is known: the noise's, D noise^2.

    Args:
        dim: D.
        side: nodes per coordinate, >= 2; the spacing is sqrt(12 (1 - noise^2) / (side^2 - 1)).
        noise: standard deviation of the Gaussian noise around each node, below 1.
    """

    name: ClassVar[str] = "grid"
    side: int = 8
    noise: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("side", 2)
        _below_one(self.name, self.noise)

    @property
    def spacing(self) -> float:
        """Distance between neighbouring nodes."""
        return math.sqrt(12 * (1 - self.noise**2) / (self.side**2 - 1))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        nodes = self.side**self.dim
        if nodes <= 2**20:
            rest = rng.choice(nodes, n % nodes, replace=False)
            node = rng.permutation(np.concatenate([np.repeat(np.arange(nodes), n // nodes), rest]))
            level = np.stack(np.unravel_index(node, (self.side,) * self.dim), axis=1)
        else:  # too many nodes to list, and too many for two points to share one by accident
            level = rng.integers(self.side, size=(n, self.dim))
        lattice = self.spacing * (level - (self.side - 1) / 2)
        return lattice + self.noise * rng.standard_normal((n, self.dim))


@dataclass(frozen=True)
class HeavyTailed(Source):
    """Multivariate Student t: a Gaussian point divided by a random length of its own.

    x = sqrt((df - 2)/df) z / sqrt(g/df), z ~ N(0, I), g ~ chi^2(df): variance 1 per coordinate,
    outliers in all at once. The degrees of freedom must exceed 2: below, the variance, and with it
    distortion and drift, is infinite.
    """

    name: ClassVar[str] = "heavy-tailed"
    df: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.df > 2:
            raise ValueError(
                f"heavy-tailed: df must be > 2 (the variance is infinite below), got {self.df!r}"
            )

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        points = rng.standard_normal((n, self.dim))
        return points * np.sqrt((self.df - 2) / rng.chisquare(self.df, size=(n, 1)))


def _below_one(name: str, noise: float) -> None:
    if noise >= 1:
        raise ValueError(
            f"{name}: noise must be below 1, the size of the whole cloud, got {noise!r}"
        )


def make_source(
    source: str | Source | dict[str, Any], dim: int | None = None, **options: Any
) -> Source:
    """A source by name: `make_source("ring", dim=3, noise=0.1)`.

    Args:
        source: gaussian, mixture, ring, two-moons, grid, heavy-tailed, tree; or a Source or its
            `to_dict()`, which pass through.
        dim: D; default 2. With a Source it must agree with the source's own.
        options: the settings of that source.
    Raises:
        ValueError: unknown name, setting or value, naming the choices.
    """
    if isinstance(source, dict):
        source = Source.from_dict({**source, **options})
    elif not isinstance(source, Source):
        named = sorted(set(Source.kinds) - {"recorded"})
        if source not in named:
            hint = "; a recording is a source itself: Recorded(latents)" * (source == "recorded")
            raise ValueError(f"unknown source {source!r}; choose from {', '.join(named)}{hint}")
        kind = Source.kinds[source]
        known = {one.name for one in fields(kind)}
        if unknown := set(options) - known:
            raise ValueError(
                f"{source}: unknown setting {sorted(unknown)}; choose from {sorted(known)}"
            )
        return kind(dim=2 if dim is None else dim, **options)
    elif options:
        raise ValueError(
            f"settings {sorted(options)} go with a source's name, "
            f"got a {type(source).__name__} already made"
        )
    if dim is not None and dim != source.dim:
        raise ValueError(f"dim={dim}, but the source {source.name} has dim={source.dim}")
    return source
