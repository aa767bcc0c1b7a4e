"""What every source of latents is: something to draw from, to store and to rebuild."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def checksum(array: NDArray[Any]) -> str:
    """SHA-256 of an array's shape, type and bytes: the name a recording is remembered by."""
    digest = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """A cloud of latents to draw from, `source.sample(n, rng)` -> (n, D) float64."""

    name: ClassVar[str] = ""
    kinds: ClassVar[dict[str, type[Source]]] = {}
    smallest_dim: ClassVar[int] = 1

    dim: int = 2

    def __init_subclass__(cls) -> None:
        Source.kinds[cls.name] = cls

    def __post_init__(self) -> None:
        self._at_least("dim", self.smallest_dim)
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Real) and not (math.isfinite(value) and float(value) >= 0):
                raise ValueError(
                    f"{self.name}: {one.name} must be a finite number >= 0, got {value!r}"
                )

    def _at_least(self, field: str, smallest: int) -> None:
        value = getattr(self, field)
        if not isinstance(value, Integral) or value < smallest:
            raise ValueError(
                f"{self.name}: {field} must be an integer >= {smallest}, got {value!r}"
            )

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw n points.

        Args:
            n: how many, >= 1.
            rng: numpy Generator; the same state gives the same points.
        Returns:
            (n, D) float64.
        Raises:
            ValueError: n below 1.
        """
        if n < 1:
            raise ValueError(f"{self.name}: the number of points must be >= 1, got {n!r}")
        return self._sample(int(n), rng)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, with the kind under "source"."""
        return {"source": self.name, **{one.name: getattr(self, one.name) for one in fields(self)}}

    @staticmethod
    def from_dict(settings: dict[str, Any], latents: ArrayLike | None = None) -> Source:
        """Rebuild a source from `to_dict()`.

        A recording also needs its `latents`, which are checked against the checksum.
        """
        options = dict(settings)
        name = options.pop("source", None)
        if name not in Source.kinds:
            raise ValueError(f"unknown source {name!r}; choose from {', '.join(Source.kinds)}")
        return Source.kinds[name]._rebuild(options, latents)

    @classmethod
    def _rebuild(cls, options: dict[str, Any], latents: ArrayLike | None) -> Source:
        return cls(**options)
