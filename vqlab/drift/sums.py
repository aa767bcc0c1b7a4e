"""Motions made of motions: several at once, and one that stops."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from .trajectory import Array, Modes, Motion


@dataclass(frozen=True)
class Sum(Motion):
    """Motions at once: their displacements, each computed from the points before any motion, add.

    Args:
        parts: the motions, each with its own start and duration.
    """

    name: ClassVar[str] = "sum"
    parts: tuple[Motion, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts or not all(isinstance(part, Motion) for part in self.parts):
            raise ValueError(f"sum: parts must be one or more motions, got {self.parts!r}")

    @classmethod
    def of(cls, *motions: Motion) -> Sum:
        """The sum, with sums among the motions taken apart."""
        parts: list[Motion] = []
        for one in motions:
            whole = isinstance(one, Sum) and one.start == 0 and one.duration is None
            parts += one.parts if isinstance(one, Sum) and whole else (one,)
        return cls(tuple(parts))

    @property
    def separable(self) -> bool:
        """Whether every part is."""
        return all(part.separable for part in self.parts)

    @property
    def smallest_dim(self) -> int:
        """The largest of the parts'."""
        return max(part.smallest_dim for part in self.parts)

    def _displacement(self, points: Array, t: Array, index: ArrayLike | None) -> Array:
        t = self._clock(t)
        return np.asarray(sum(part._displacement(points, t, index) for part in self.parts))

    def _modes(self, points: Array, before: Array, after: Array, index: ArrayLike | None) -> Modes:
        before, after = self._clock(before), self._clock(after)
        shifts, changes, fields = zip(
            *(part._modes(points, before, after, index) for part in self.parts), strict=True
        )
        return np.sum(shifts, axis=0), np.concatenate(changes), np.concatenate(fields)

    def to_dict(self) -> dict[str, Any]:
        """The parts' settings, in order."""
        return {**super().to_dict(), "parts": [part.to_dict() for part in self.parts]}

    @classmethod
    def _rebuild(cls, options: dict[str, Any], frames: ArrayLike | None) -> Motion:
        parts = tuple(Motion.from_dict(part, frames) for part in options.pop("parts"))
        return cls(parts, **options)


@dataclass(frozen=True)
class Stopped(Motion):
    """A motion frozen from one step on: x(min(t, step)).

    Args:
        of: the motion.
        step: the step from which nothing moves any more, >= 0.
    """

    name: ClassVar[str] = "stopped"
    of: Motion
    step: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("step", "the step from which nothing moves")

    @property
    def separable(self) -> bool:
        """As the stopped motion."""
        return self.of.separable

    @property
    def smallest_dim(self) -> int:
        """As the stopped motion."""
        return self.of.smallest_dim

    def with_speed(self, speed: float) -> Self:
        """The same stop of the faster or slower motion."""
        return dataclasses.replace(self, of=self.of.with_speed(speed))

    def _displacement(self, points: Array, t: Array, index: ArrayLike | None) -> Array:
        return self.of._displacement(points, np.minimum(self._clock(t), self.step), index)

    def _modes(self, points: Array, before: Array, after: Array, index: ArrayLike | None) -> Modes:
        early, late = (np.minimum(self._clock(time), self.step) for time in (before, after))
        return self.of._modes(points, early, late, index)

    def to_dict(self) -> dict[str, Any]:
        """The stop and the motion's own settings."""
        return {**super().to_dict(), "of": self.of.to_dict()}

    @classmethod
    def _rebuild(cls, options: dict[str, Any], frames: ArrayLike | None) -> Motion:
        return cls(Motion.from_dict(options.pop("of"), frames), **options)


def stop_at(motion: Motion, step: float) -> Stopped:
    """`motion` until `step`, then every point rests: the intervention "what if drift ended
    here?"."""
    return Stopped(motion, step)
