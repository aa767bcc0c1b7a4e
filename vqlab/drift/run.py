"""A run: everything that was seen while a codebook chased its latents, as arrays over time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TERM = "term:"


@dataclass(frozen=True, repr=False)
class Run:
    """Frames of one simulation or recording; T frames, M probe latents, K codes, dimension D.

    Frame 0 is before the first training step; lengths are in units of the latents.

    Attributes:
        settings: keyword arguments of :func:`simulate` that give this run again (JSON-able).
        steps: (T,) training steps done.
        latents: (T, M, D) the probe: the same points through time.
        codes: (T, K, D).
        hits: (T, K) training assignments of each code since the frame before.
        last_hit: (T, K) last training step that chose the code, -1 for never.
        counts: (T, K) points whose nearest code it is, over all points at that time.
        distortion: (T,) mean squared distance of all points to their nearest code, summed over D.
        optimum: (T,) what KMeans reaches on the same points; NaN where not computed.
        drift: (T,) root mean square displacement of the points in the coming step.
        lag: (T, K) distance of each code to the mean of its cell; NaN without points.
        terms: further scalars by name, each (T,): losses of the step before, bandwidth.
    """

    settings: dict[str, Any]
    steps: NDArray[np.int64]
    latents: NDArray[np.float32]
    codes: NDArray[np.float32]
    hits: NDArray[np.int64]
    last_hit: NDArray[np.int64]
    counts: NDArray[np.int64]
    distortion: NDArray[np.float64]
    optimum: NDArray[np.float64]
    drift: NDArray[np.float64]
    lag: NDArray[np.float64]
    terms: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames = len(self.steps)
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray) and len(value) != frames:
                raise ValueError(f"{item.name} has {len(value)} frames; steps has {frames}")

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.settings.get("method", "unknown"))

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.settings.get("seed", 0))

    @property
    def codebook_size(self) -> int:
        """K."""
        return self.codes.shape[1]

    @property
    def dim(self) -> int:
        """D."""
        return self.codes.shape[2]

    @property
    def utilization(self) -> NDArray[np.float64]:
        """(T,) share of the codes that are some point's nearest, over all points of the frame."""
        return (self.counts > 0).mean(1)

    @property
    def perplexity(self) -> NDArray[np.float64]:
        """(T,) exp of the entropy of ``counts``: as many codes, used evenly, would say as much."""
        share = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)
        terms = share * np.log(share, where=share > 0, out=np.zeros_like(share))
        return np.exp(-terms.sum(1))

    @property
    def excess(self) -> NDArray[np.float64]:
        """(T,) distortion over the k-means optimum; NaN where that was not computed."""
        return self.distortion / self.optimum

    def __repr__(self) -> str:
        where = {k: self.settings.get(k) for k in ("method", "seed") if k in self.settings}
        words = ", ".join(f"{name}={value!r}" for name, value in where.items())
        return (
            f"Run({words}{', ' if words else ''}"
            f"codebook_size={self.codebook_size}, dim={self.dim}, "
            f"frames={len(self.steps)}, steps={self.steps[-1]}, "
            f"utilization={self.utilization[-1]:.0%})"
        )

    def save(self, path: str | Path) -> None:
        """Writes one compressed ``.npz``, complete or not at all; makes its folder if missing."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        arrays = {i.name: getattr(self, i.name) for i in fields(self)}
        terms = {_TERM + name: values for name, values in arrays.pop("terms").items()}
        settings = json.dumps(arrays.pop("settings"))
        partial = target.with_name(target.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, settings=np.array(settings), **arrays, **terms)
        partial.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Reads what :meth:`save` wrote.

        Raises:
            ValueError: a file that holds no run.
        """
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in file.files}
        missing = [i.name for i in fields(cls) if i.name != "terms" and i.name not in data]
        if missing:
            raise ValueError(f"{path} is no saved run: {', '.join(missing)} missing")
        terms = {n.removeprefix(_TERM): data.pop(n) for n in list(data) if n.startswith(_TERM)}
        return cls(settings=json.loads(str(data.pop("settings"))), terms=terms, **data)
