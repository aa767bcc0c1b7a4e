"""Clouds as columns along their wind, for the theory of how many codes a moving cloud can carry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import gamma, gammaln

Array = NDArray[np.float64]

_CELLS = 1200  # of a column's grid
_NEIGHBOURS = 12  # for the density of a cloud given by points


@dataclass(frozen=True)
class Column:
    """A cloud as a column along its wind, x rising from the trailing edge to the leading one.

    Attributes:
        dim: D.
        x: (n,) positions.
        density: (n,) share of the points per length; it integrates to 1.
        section: (n,) width of the column (a (D-1)-volume) that, evenly filled, holds as many codes
            as the real cross-section does.
        wind: (n,) the cloud's speed there, per unit of the motion's speed.
        points: what a code lives on is at least one of so many: N, or, for a moving average that
            forgets sooner, the batch over 1 - gamma.
    """

    dim: int
    x: Array
    density: Array
    section: Array
    wind: Array
    points: int = 1500


def gaussian(
    dim: int = 2,
    std: float = 1.0,
    motion: Literal["translate", "contract"] = "translate",
    points: int = 1500,
) -> Column:
    """The column of a Gaussian cloud N(0, std^2 I).

    Args:
        dim: D. std: width. motion: one wind for all, or a contraction towards the centre.
        points: N, the number of points the cloud consists of.
    """
    power = dim / (dim + 2)
    if motion == "translate":
        x = np.linspace(-6 * std, 6 * std, _CELLS)
        density = np.exp(-((x / std) ** 2) / 2) / (math.sqrt(2 * math.pi) * std)
        across = math.sqrt(2 * math.pi / power) * (2 * math.pi) ** (-power / 2)  # int rho^power dy
        width = std * across ** (1 / (1 - power))
        section, wind = np.full_like(x, width ** (dim - 1)), np.ones_like(x)
    else:
        x = np.linspace(-(math.sqrt(dim) + 5) * std, -1e-3 * std, _CELLS)
        radius = -x
        section = 2 * math.pi ** (dim / 2) / gamma(dim / 2) * radius ** (dim - 1)
        peak = (math.sqrt(2 * math.pi) * std) ** -dim
        density, wind = section * peak * np.exp(-((radius / std) ** 2) / 2), radius
    return Column(dim, x, density, section, wind, points)


def uniform(dim: int = 2, side: float = 1.0, points: int = 1500) -> Column:
    """The column of a cube filled evenly, moving along one of its edges.

    Args:
        dim: D. side: length of its edges. points: N.
    """
    x = side * np.linspace(0, 1, _CELLS) ** 2  # finest where the last row stands
    return Column(
        dim,
        x,
        np.full_like(x, 1 / side),
        np.full_like(x, side ** (dim - 1)),
        np.ones_like(x),
        points,
    )


def of_points(
    cloud: ArrayLike,
    motion: Literal["translate", "contract"] = "translate",
    direction: ArrayLike | None = None,
) -> Column:
    """The column of any cloud, from its points; the density is that of the nearest neighbours.

    Args:
        cloud: (N, D), N >= 200; a few thousand make it smooth.
        motion: one wind for all, or a contraction towards the mean.
        direction: (D,) in which the cloud translates; default the first axis.
    Raises:
        ValueError: not (N, D) with enough distinct points, NaN or Inf, a direction not (D,).
    """
    z = np.asarray(cloud, np.float64)
    if z.ndim != 2 or len(z) < 200 or not np.isfinite(z).all():
        raise ValueError(f"expected at least 200 finite points (N, D), got shape {z.shape}")
    count, dim = z.shape
    if motion == "contract":
        x = -np.linalg.norm(z - z.mean(0), axis=1)
    else:
        u = np.eye(dim)[0] if direction is None else np.asarray(direction, np.float64)
        if u.shape != (dim,) or not np.linalg.norm(u) > 0:
            raise ValueError(f"direction must be ({dim},) and not zero, got {direction!r}")
        x = z @ u / np.linalg.norm(u)
    reach = cKDTree(z).query(z, _NEIGHBOURS + 1)[0][:, -1]
    if (reach == 0).any():
        raise ValueError(f"more than {_NEIGHBOURS} points coincide; the cloud has no density there")
    ball = math.pi ** (dim / 2) / gamma(dim / 2 + 1) * reach**dim
    power = dim / (dim + 2)
    # N times the ball's volume is Gamma(k)/rho: this makes the mean of its power right.
    unbiased = math.exp(gammaln(_NEIGHBOURS) - gammaln(_NEIGHBOURS + 1 - power))
    weight = unbiased * (count * ball) ** (1 - power)  # rho^(power - 1) at each point
    edges = _edges(np.sort(x), bins=max(30, min(200, count // 40)))
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    density = np.histogram(x, edges)[0] / (count * width)
    evenly = np.histogram(x, edges, weights=weight)[0] / (count * width)  # int rho^power across
    section = (evenly / density**power) ** (1 / (1 - power))
    fine = np.linspace(edges[0], edges[-1], _CELLS)
    return Column(
        dim,
        fine,
        np.interp(fine, middle, density),
        np.interp(fine, middle, section),
        -fine if motion == "contract" else np.ones_like(fine),
        count,
    )


def _edges(x: Array, bins: int, least: int = 8) -> Array:
    """Edges of bins of equal width, joined until each holds `least` of the sorted values."""
    even = np.linspace(x[0], x[-1], bins + 1)
    kept = [float(even[0])]
    done = 0
    for edge, upto in zip(even[1:], np.searchsorted(x, even[1:], side="right"), strict=True):
        if upto - done >= least:
            kept.append(float(edge))
            done = int(upto)
    kept[-1] = float(even[-1])
    return np.array(kept)
