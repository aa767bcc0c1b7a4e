"""Motions that move all points alike: along a line, to and fro, at random, at once."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from .trajectory import Array, Motion


@dataclass(frozen=True)
class Directed(Motion):
    """What motions along one line share: x(s) = x + length(s) u.

    Args:
        speed: length per step, >= 0.
        direction: D numbers, not all zero, of any length; None = along the first coordinate.
    """

    speed: float = 0.05
    direction: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.direction is not None:
            array = np.atleast_1d(np.asarray(self.direction, dtype=np.float64))
            if array.ndim != 1 or not np.isfinite(array).all() or not array.any():
                raise ValueError(
                    f"{self.name}: direction must be D finite numbers, not all zero, "
                    f"got {self.direction!r}"
                )
            object.__setattr__(self, "direction", tuple(array.tolist()))

    def _unit(self, dim: int) -> Array:
        direction = np.eye(dim)[0] if self.direction is None else np.array(self.direction)
        if len(direction) != dim:
            raise ValueError(
                f"{self.name}: direction must have {dim} numbers (one per coordinate), "
                f"got {len(direction)}"
            )
        return direction / np.linalg.norm(direction)

    def _length(self, s: Array) -> Array:
        raise NotImplementedError

    def _shift(self, s: Array, dim: int) -> Array:
        return self._length(s)[..., None] * self._unit(dim)


@dataclass(frozen=True)
class Translate(Directed):
    """All points move at one velocity: x(s) = x + speed s u."""

    name: ClassVar[str] = "translate"

    def _length(self, s: Array) -> Array:
        return self.speed * s


@dataclass(frozen=True)
class Jump(Directed):
    """All points jump by `speed`, the length of that one step, right after step `start`."""

    name: ClassVar[str] = "jump"
    speed: float = 3.0

    def _length(self, s: Array) -> Array:
        return self.speed * np.minimum(s, 1.0)


@dataclass(frozen=True)
class Oscillate(Directed):
    """All points swing to and fro: x(s) = x + amplitude sin(2 pi s / period) u.

    Give the period or the speed at the centre, 2 pi amplitude / period; the default is speed 0.05.

    Args:
        speed: length per step at the centre, >= 0, the largest there is.
        amplitude: largest distance from the start, > 0.
        period: steps per swing, > 0.
    """

    name: ClassVar[str] = "oscillate"
    speed: float | None = None  # type: ignore[assignment]
    amplitude: float = 1.0
    period: float | None = None

    def __post_init__(self) -> None:
        self._check("amplitude", "length", above=0)
        whole = 2 * math.pi * self.amplitude
        if self.period is not None:
            self._check("period", "steps", above=0)
            if self.speed is None:
                object.__setattr__(self, "speed", whole / self.period)
        elif self.speed is None:
            object.__setattr__(self, "speed", 0.05)
        super().__post_init__()
        assert self.speed is not None
        if self.period is None:
            object.__setattr__(self, "period", whole / self.speed if self.speed else None)
        elif not math.isclose(self.speed * self.period, whole, rel_tol=1e-9):  # beyond rounding
            raise ValueError(
                "oscillate: give speed or period, not both: "
                f"with amplitude={self.amplitude:g}, speed={self.speed:g} means "
                f"period={whole / self.speed if self.speed else math.inf:g}, got {self.period:g}"
            )

    def with_speed(self, speed: float) -> Oscillate:
        """The same amplitude at another speed."""
        return dataclasses.replace(self, speed=speed, period=None)

    def _length(self, s: Array) -> Array:
        assert self.speed is not None
        return self.amplitude * np.sin(self.speed / self.amplitude * s)


@dataclass(frozen=True)
class RandomWalk(Motion):
    """All points take the same step, `speed` long, in a new random direction each time.

    The drift is exactly the speed. The path belongs to the motion, not to the run: every method and
    every seed of a run meets the same one.

    Args:
        speed: length per step, >= 0.
        seed: of the path.
    """

    name: ClassVar[str] = "random-walk"
    speed: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.seed, (int, np.integer)) or self.seed < 0:
            raise ValueError(f"random-walk: seed must be an integer >= 0, got {self.seed!r}")

    def _shift(self, s: Array, dim: int) -> Array:
        whole = np.floor(s).astype(np.int64)
        path = _walk(self.seed, dim, int(whole.max(initial=0) + 1).bit_length())
        part = (s - whole)[..., None]
        return self.speed * ((1 - part) * path[whole] + part * path[whole + 1])


@lru_cache(maxsize=32)
def _walk(seed: int, dim: int, bits: int) -> Array:
    """At least 2^bits + 1 positions in steps of length 1; a longer path begins with the shorter."""
    # each block has its own generator, so none depends on how many are asked for
    generators = [np.random.default_rng([seed, block]) for block in range(max(1, 2**bits // 1024))]
    step = np.concatenate([generator.standard_normal((1024, dim)) for generator in generators])
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    return np.concatenate([np.zeros((1, dim)), step.cumsum(axis=0)])
