"""What every motion is: fields on the cloud times schedules in time.

    x(t) = x + b(s) + sum_m a_m(s) F_m(x),    s = clip(t - start, 0, duration)

The shift b moves all points alike; the field F_m depends on the point alone, the weight a_m on time
alone. So positions need no state, and the drift, the root mean square over points of
|x(t+1) - x(t)|, needs only the fields' moments:

    drift(t)^2 = |db|^2 + 2 sum_m da_m <F_m> . db + sum_ml da_m da_l <F_m . F_l>

with d the change from t to t+1 and <.> the mean over points. Sums add shifts and fields, stops clip
the time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
# changes of the shift (T, D) and of the weights (m, T), fields (m, N, D)
Modes = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Motion:
    """A path for every point of a cloud, stateless and in closed form; `a + b` adds displacements.

    Args:
        start: the step at which the motion begins, >= 0.
        duration: how many steps it lasts, > 0; None = for ever. Afterwards points rest where they
            are.
    """

    name: ClassVar[str] = ""
    kinds: ClassVar[dict[str, type[Motion]]] = {}
    speed_unit: ClassVar[str] = "length per step"

    start: float = dataclasses.field(default=0.0, kw_only=True)
    duration: float | None = dataclasses.field(default=None, kw_only=True)

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            Motion.kinds[cls.name] = cls

    def __post_init__(self) -> None:
        self._check("start", "the step at which it begins")
        if self.duration is not None:
            self._check("duration", "steps", above=0)
        if hasattr(self, "speed"):
            self._check("speed", self.speed_unit)

    @property
    def smallest_dim(self) -> int:
        """The fewest dimensions the motion needs."""
        return 1

    @property
    def separable(self) -> bool:
        """Whether its fields are fixed in time (a recording's are not)."""
        return True

    def _check(
        self, field: str, unit: str, at_least: float = 0.0, above: float | None = None
    ) -> None:
        """Refuse a setting that is not a finite number in its range."""
        value = getattr(self, field)
        number = float(value) if isinstance(value, Real) and value is not True else math.nan
        if math.isfinite(number) and (number >= at_least if above is None else number > above):
            object.__setattr__(self, field, number)
            return
        bound = f">= {at_least:g}" if above is None else f"> {above:g}"
        directed = field == "speed" and hasattr(self, "direction")
        hint = "; the way it goes is set by direction=" if directed else ""
        raise ValueError(
            f"{self.name}: {field} must be a number {bound} ({unit}), got {value!r}{hint}"
        )

    def move(self, points: ArrayLike, t: ArrayLike, index: ArrayLike | None = None) -> Array:
        """Positions at time t of points that start at `points`.

        Args:
            points: (..., D) positions before any motion.
            t: time in training steps, broadcastable against points[..., 0]: a number, or (T, 1)
                for (N, D) points.
            index: identity of each point, broadcastable alike; only recordings read it, None = 0
                ... N-1.
        Returns:
            (..., D) float64, broadcast over t.
        Raises:
            ValueError: too few dimensions, or a setting whose length is not D.
        """
        base, time = self._points(points), np.asarray(t, dtype=np.float64)
        return base + self._displacement(base, time, index)

    @overload
    def drift(self, points: ArrayLike, t: float, index: ArrayLike | None = None) -> float: ...
    @overload
    def drift(
        self, points: ArrayLike, t: Sequence[float] | NDArray[Any], index: ArrayLike | None = None
    ) -> Array: ...
    def drift(
        self, points: ArrayLike, t: ArrayLike, index: ArrayLike | None = None
    ) -> float | Array:
        """Root mean square over points of |x(t+1) - x(t)|, from the moments of the cloud.

        The formula is at the head of this file.

        Args:
            points: (..., D) positions before any motion.
            t: one time, or (T,) times.
            index: identity of each point; only recordings read it, None = 0 ... N-1.
        Returns:
            length per step: a float, or (T,) float64.
        """
        base, time = self._points(points), np.asarray(t, dtype=np.float64)
        if time.ndim and not self.separable:
            return np.array([self.drift(base, float(one), index) for one in time.ravel()]).reshape(
                time.shape
            )
        before = time.reshape(-1)
        shift, change, fields = self._modes(
            base.reshape(-1, base.shape[-1]), before, before + 1, index
        )
        square = (shift**2).sum(axis=1)
        if len(change):
            gram = np.einsum("mnd,lnd->ml", fields, fields) / fields.shape[1]
            square += 2 * np.einsum("mt,td,md->t", change, shift, fields.mean(axis=1))
            square += np.einsum("mt,lt,ml->t", change, change, gram)
        drift = np.sqrt(np.maximum(square, 0.0))  # rounding can leave a zero slightly negative
        return drift.reshape(time.shape) if time.ndim else float(drift[0])

    def _points(self, points: ArrayLike) -> Array:
        array = np.asarray(points, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] < self.smallest_dim:
            raise ValueError(
                f"{self.name}: points must be (..., D) with D >= {self.smallest_dim}, "
                f"got shape {array.shape}"
            )
        return array

    def _clock(self, t: Array) -> Array:
        return np.clip(t - self.start, 0.0, math.inf if self.duration is None else self.duration)

    # What a kind of motion defines, at the time s since its start.

    def _shift(self, s: Array, dim: int) -> Array:
        """b(s), (..., D)."""
        return np.zeros((*s.shape, dim))

    def _weights(self, s: Array) -> Sequence[Array]:
        """a_m(s), each shaped like s."""
        return ()

    def _fields(self, points: Array) -> Sequence[Array]:
        """F_m(x), each shaped like points."""
        return ()

    def _change(self, before: Array, after: Array) -> Sequence[Array]:
        """a_m(after) - a_m(before); overridden where subtracting loses digits."""
        return [
            late - early
            for early, late in zip(self._weights(before), self._weights(after), strict=True)
        ]

    def _displacement(self, points: Array, t: Array, index: ArrayLike | None) -> Array:
        s = self._clock(t)
        total = self._shift(s, points.shape[-1])
        for weight, field in zip(self._weights(s), self._fields(points), strict=True):
            total = total + weight[..., None] * field
        return total

    def _modes(self, points: Array, before: Array, after: Array, index: ArrayLike | None) -> Modes:
        early, late = self._clock(before), self._clock(after)
        dim = points.shape[-1]
        shift = self._shift(late, dim) - self._shift(early, dim)
        change, fields = self._change(early, late), self._fields(points)
        return (
            shift,
            np.reshape(change, (len(change), len(before))),
            np.reshape(fields, (len(fields), *points.shape)),
        )

    # Combining and storing.

    def __add__(self, other: Motion) -> Motion:
        if not isinstance(other, Motion):
            return NotImplemented
        from .sums import Sum  # a sum is itself a motion

        return Sum.of(self, other)

    def __radd__(self, other: object) -> Motion:  # lets sum([a, b, c]) start from 0
        return self if other == 0 else NotImplemented

    def with_speed(self, speed: float) -> Self:
        """The same motion at another speed."""
        if not hasattr(self, "speed"):
            raise ValueError(
                f"{self.name} has no single speed to set, got speed={speed!r}; "
                "set the speeds of its parts"
            )
        return dataclasses.replace(self, **{"speed": speed})

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, with the kind under "motion"."""
        return {
            "motion": self.name,
            **{one.name: _plain(getattr(self, one.name)) for one in dataclasses.fields(self)},
        }

    @staticmethod
    def from_dict(settings: dict[str, Any], frames: ArrayLike | None = None) -> Motion:
        """Rebuild a motion from `to_dict()`.

        A replay also needs its `frames`, which are checked against the checksum.
        """
        options = dict(settings)
        name = options.pop("motion", None)
        if name not in Motion.kinds:
            raise ValueError(
                f"unknown motion {name!r}; choose from {', '.join(sorted(Motion.kinds))}"
            )
        return Motion.kinds[name]._rebuild(options, frames)

    @classmethod
    def _rebuild(cls, options: dict[str, Any], frames: ArrayLike | None) -> Motion:
        return cls(**options)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
