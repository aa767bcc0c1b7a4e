"""Where the reader stands: a plane for latents of any dimension, and frames that do not jump.

Two views of one moving cloud. The *world* is seen from a fixed place with fixed axes, so that
motion is motion. When the cloud travels far or shrinks to a point, nothing can be seen of it there
in the end; the *lens* travels with the cloud and measures in units of its spread,

    u = (z - m(t)) / s(t),   m = mean of the latents,   s = root mean square of (z - m) per
    coordinate,

on axes that are fixed as well. How much the lens magnifies is written beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vqlab.plots.inputs import Array
from vqlab.plots.voronoi import Box

if TYPE_CHECKING:
    from vqlab.drift.run import Run

LENS = 3.2  # half the lens' side, in units of the cloud's spread: 99.7 % of a Gaussian is inside


@dataclass(frozen=True)
class Camera:
    """A fixed plane and the frames of its two views.

    Attributes:
        origin: (D,) point that is projected to (0, 0).
        plane: (D, 2) orthonormal columns.
        axes: titles of the two axes of the world.
        world: left, right, bottom, top of the world; a square.
        magnification: the largest that the lens reaches in any frame of any run.
    """

    origin: Array
    plane: Array
    axes: tuple[str, str]
    world: Box
    magnification: float

    def project(self, points: Array) -> Array:
        """Points (..., D) in the plane, (..., 2), float64."""
        return (np.asarray(points, dtype=float) - self.origin) @ self.plane

    def lens(self, latents: Array) -> tuple[Array, float]:
        """Centre (2,) and spread of the projected latents (N, 2) of one frame."""
        centre = latents.mean(axis=0)
        return centre, float(np.sqrt(((latents - centre) ** 2).mean())) or 1.0

    def zoom(self, spread: float) -> float:
        """How many times larger the lens shows things than the world does."""
        return (self.world[1] - self.world[0]) / (2 * LENS * spread)


def camera(runs: Sequence[Run], points: Array | None = None) -> Camera:
    """A camera that sees all latents and codes of some runs, at every frame, without moving.

    In two dimensions the plane is the space itself. In more it is spanned by the two principal axes
    of the latents of all frames; the axis titles state what share of their variance each one shows.

    Args:
        runs: runs of one dimension D >= 2.
        points: (P, D) further points that must be in view.

    Returns:
        The camera.

    Raises:
        ValueError: D < 2, or runs of different dimension.
    """
    dims = {int(run.codes.shape[-1]) for run in runs}
    if len(dims) != 1:
        raise ValueError(f"runs side by side need one dimension, got D = {sorted(dims)}")
    dim = dims.pop()
    if dim < 2:
        raise ValueError(f"a cloud is drawn in a plane: expected D >= 2, got D = {dim}")
    if dim == 2:
        origin, plane, axes = np.zeros(2), np.eye(2), ("z<sub>1</sub>", "z<sub>2</sub>")
    else:
        pool = np.vstack([np.asarray(run.latents, dtype=float).reshape(-1, dim) for run in runs])
        origin = pool.mean(axis=0)
        value, vector = np.linalg.eigh(np.cov((pool - origin).T))
        plane, share = vector[:, [-1, -2]], value[[-1, -2]] / max(float(value.sum()), 1e-300)
        # The sign of a principal axis is arbitrary: the largest entry is made positive.
        plane = plane * np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
        axes = (f"PC 1 ({share[0]:.0%})", f"PC 2 ({share[1]:.0%})")
    flat = [
        ((np.asarray(a, dtype=float) - origin) @ plane).reshape(-1, 2)
        for run in runs
        for a in (run.latents, run.codes)
    ]
    if points is not None:
        flat.append((points - origin) @ plane)
    world = _square(flat)
    spreads = [
        float(np.sqrt(((f - f.mean(axis=0)) ** 2).mean()))
        for run in runs
        for f in (np.asarray(run.latents, dtype=float) - origin) @ plane
    ]
    thin = max(min(spreads), 1e-12)
    return Camera(origin, plane, axes, world, (world[1] - world[0]) / (2 * LENS * thin))


def _square(clouds: Sequence[Array]) -> Box:
    """The smallest square around all points with a margin; a stray code cannot blow it up."""
    low, high = _ends(clouds[::2])
    middle, half = (high + low) / 2, float((high - low).max()) / 2 or 1.0
    # Codes that diverge would turn the data into a dot: at most twice their side is shown.
    low, high = _ends(clouds)
    low, high = np.maximum(low, middle - 2 * half), np.minimum(high, middle + 2 * half)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.04
    return (middle[0] - half, middle[0] + half, middle[1] - half, middle[1] + half)


def _ends(clouds: Sequence[Array]) -> tuple[Array, Array]:
    """Least and largest coordinates; of columns, which numpy does ten times as fast as of rows."""
    columns = [np.ascontiguousarray(cloud.T) for cloud in clouds]
    low, high = [c.min(1) for c in columns], [c.max(1) for c in columns]
    return np.min(low, axis=0), np.max(high, axis=0)
