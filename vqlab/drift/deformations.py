"""Motions that change the cloud's shape: to a smaller or larger image, turned, sheared, split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .shifts import Directed
from .trajectory import Array, Motion

Vector = float | tuple[float, ...]


def _vector(motion: Motion, field: str, dim: int) -> Array:
    """A setting as (D,) numbers; one number holds for every coordinate."""
    value = np.asarray(getattr(motion, field), dtype=np.float64)
    if value.shape not in ((), (dim,)):
        raise ValueError(
            f"{motion.name}: {field} must be one number or {dim} (one per coordinate), "
            f"got {value.size}"
        )
    return np.broadcast_to(value, (dim,))


def _store_vector(motion: Motion, field: str, at_least: float = -math.inf) -> None:
    value = getattr(motion, field)
    array = np.asarray(value, dtype=np.float64)
    if (
        array.ndim > 1
        or array.size == 0
        or not np.isfinite(array).all()
        or (array < at_least).any()
    ):
        bound = "" if at_least == -math.inf else f" >= {at_least:g}"
        raise ValueError(
            f"{motion.name}: {field} must be a finite number{bound} or one per coordinate, "
            f"got {value!r}"
        )
    object.__setattr__(motion, field, tuple(array.tolist()) if array.ndim else float(array))


@dataclass(frozen=True)
class SplitMerge(Directed):
    """Two halves move apart, come back, and again: x(s) = x + side(x) h(s) u.

    side(x) = +1 where x . u >= center . u and -1 elsewhere; h is a triangle wave from 0 to
    `distance`. One split and merge takes 2 distance / speed steps (`cycle`); with that duration it
    ends after the first. The drift is the speed, except in a step in which the halves turn.

    Args:
        speed: length per step of each half, >= 0.
        distance: how far each half goes, > 0.
        center: where the cloud is cut, a number or D numbers.
    """

    name: ClassVar[str] = "split-merge"
    distance: float = 3.0
    center: Vector = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("distance", "length", above=0)
        _store_vector(self, "center")

    @property
    def cycle(self) -> float:
        """Steps from together to together."""
        return 2 * self.distance / self.speed if self.speed else math.inf

    def _shift(self, s: Array, dim: int) -> Array:
        return np.zeros((*s.shape, dim))

    def _weights(self, s: Array) -> Sequence[Array]:
        return (self.distance * (1 - np.abs(1 - np.mod(self.speed * s / self.distance, 2.0))),)

    def _fields(self, points: Array) -> Sequence[Array]:
        dim = points.shape[-1]
        unit = self._unit(dim)
        side = np.where((points - _vector(self, "center", dim)) @ unit >= 0, 1.0, -1.0)
        return (side[..., None] * unit,)


@dataclass(frozen=True)
class Approach(Motion):
    """Every point covers a share of the way to its target at each step.

    x_{t+1} = y + (1 - speed) (x_t - y), so x(s) = y + (1 - speed)^s (x - y), with the target
    y = center + scale x: the cloud's own image, resized and moved.

    Args:
        speed: share of the remaining way per step, 0 to 1.
        scale: the target's size as a share of the cloud's, >= 0, a number or D numbers.
        center: where the target lies, a number or D numbers.
    """

    name: ClassVar[str] = "approach"
    speed_unit: ClassVar[str] = "share of the remaining way per step"
    speed: float = 0.2
    scale: Vector = 1.0
    center: Vector = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.speed > 1:
            raise ValueError(
                f"{self.name}: speed must be <= 1 ({self.speed_unit}), got {self.speed!r}"
            )
        _store_vector(self, "scale", at_least=0)
        _store_vector(self, "center")

    def _weights(self, s: Array) -> Sequence[Array]:
        return (1 - (1 - self.speed) ** s,)

    def _change(self, before: Array, after: Array) -> Sequence[Array]:
        left = (
            1 - self.speed
        )  # near the target both weights are 1 to the last digit, their difference is not 0
        return (left**before - left**after,)

    def _fields(self, points: Array) -> Sequence[Array]:
        dim = points.shape[-1]
        return (_vector(self, "center", dim) + (_vector(self, "scale", dim) - 1) * points,)


@dataclass(frozen=True)
class Shrink(Approach):
    """The cloud contracts onto a blob: `Approach` to a smaller image, by default 0.05 of the size.

    The paper's toy is speed 0.2, scale (0.05, 0.1): from a cloud of unit size, these are the blob's
    standard deviations.
    """

    name: ClassVar[str] = "shrink"
    scale: Vector = 0.05


@dataclass(frozen=True)
class Expand(Approach):
    """The cloud grows: `Approach` to a larger image, by default six times the size."""

    name: ClassVar[str] = "expand"
    scale: Vector = 6.0


@dataclass(frozen=True)
class Rotate(Motion):
    """The cloud turns in the plane of its first two coordinates, by the angle speed s.

    A point at distance r from the axis moves 2 r sin(speed / 2) per step.

    Args:
        speed: radians per step, >= 0.
        center: the axis, a number or D numbers (those past the second do not matter).
        clockwise: the sense of turning.
    """

    name: ClassVar[str] = "rotate"
    speed_unit: ClassVar[str] = "radians per step; for the other sense clockwise=True"
    speed: float = 0.02
    center: Vector = 0.0
    clockwise: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _store_vector(self, "center")

    @property
    def smallest_dim(self) -> int:
        """A plane."""
        return 2

    def _weights(self, s: Array) -> Sequence[Array]:
        angle = (-self.speed if self.clockwise else self.speed) * s
        return np.cos(angle) - 1, np.sin(angle)

    def _fields(self, points: Array) -> Sequence[Array]:
        arm = points - _vector(self, "center", points.shape[-1])
        arm[..., 2:] = 0
        turned = np.zeros_like(arm)
        turned[..., 0], turned[..., 1] = -arm[..., 1], arm[..., 0]
        return arm, turned


@dataclass(frozen=True)
class Shear(Motion):
    """Layers slide over each other: the first coordinate gains speed s (x_2 - center_2), for ever.

    Args:
        speed: length per step for each unit of the second coordinate, >= 0.
        center: the layer that rests, a number or D numbers (only the second matters).
    """

    name: ClassVar[str] = "shear"
    speed_unit: ClassVar[str] = "length per step and unit of the second coordinate"
    speed: float = 0.05
    center: Vector = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _store_vector(self, "center")

    @property
    def smallest_dim(self) -> int:
        """A plane."""
        return 2

    def _weights(self, s: Array) -> Sequence[Array]:
        return (self.speed * s,)

    def _fields(self, points: Array) -> Sequence[Array]:
        slide = np.zeros_like(points)
        slide[..., 0] = points[..., 1] - _vector(self, "center", points.shape[-1])[1]
        return (slide,)
