"""A bounded record of one codebook: use at every step, a frame now and then, fewer when it is full.

Frames stand a fifth of the steps done apart, at most ``every`` steps. When the record is full every
second frame goes and both spacings double, so that a run of any length fills between half and all
of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .distortion import cells, kmeans_optimum
from .hits import Hits
from .travel import travel

if TYPE_CHECKING:
    from ..drift.run import Run

EARLY = 0.2  # share of the steps done between two frames, to begin with
LEAST = 16  # frames, however large the codebook


class History:
    """What is kept of one codebook of K codes.

    Args:
        frames: the most that are kept. every: most steps between two, to begin with.
        sample: latents kept in a frame. budget: bytes; a large codebook gets fewer frames.
    """

    def __init__(self, frames: int, every: int, sample: int, budget: int) -> None:
        self.most, self.every, self.early = frames, every, EARLY
        self.sample, self.budget = sample, budget
        self.frames: list[dict[str, Any]] = []
        self.steps, self.next, self.broken = 0, 0, -1
        self.ways: dict[tuple[int, int], float] = {}
        self._hits: Hits | None = None

    def count(self, indices: Tensor, size: int) -> None:
        """A training step's choices (any shape, -1 for none), of K = ``size`` codes."""
        if self._hits is None:
            self._hits = Hits(size)
        self._hits.add(indices, self.steps)
        self.steps += 1

    @property
    def due(self) -> bool:
        """Whether a frame is to be kept at this step."""
        return self.steps >= self.next

    def add(self, latents: Tensor, codes: Tensor, indices: Tensor) -> None:
        """Keeps a frame: the codes, latents (N, D) and their own choices before this step."""
        self.next = self.steps + int(np.clip(self.early * self.steps, 1, self.every))
        frame = self.frame(latents, codes, indices)
        if frame is None:
            return
        self.frames.append(frame)
        if self._hits is not None:
            self._hits.clear()
        bytes_each = sum(v.nbytes for v in frame.values() if isinstance(v, np.ndarray))
        if len(self.frames) >= max(LEAST, min(self.most, self.budget // bytes_each)):
            self._thin()

    def frame(self, latents: Tensor, codes: Tensor, indices: Tensor) -> dict[str, Any] | None:
        """What a frame holds; None without latents, or with NaN or Inf among them."""
        k = indices.detach().reshape(-1)
        chosen = np.flatnonzero((k >= 0).cpu().numpy())
        if not len(chosen):
            return None
        most = len(self.frames[0]["latents"]) if self.frames else self.sample
        if len(chosen) > most:
            chosen = np.sort(np.random.default_rng(0).choice(chosen, most, replace=False))
        where = torch.from_numpy(chosen).to(k.device)
        z, own = latents.detach()[where].float().cpu().numpy(), k[where].long().cpu().numpy()
        table = codes.detach().float().cpu().numpy().copy()
        if not (np.isfinite(z).all() and np.isfinite(table).all()):
            self.broken = self.steps if self.broken < 0 else self.broken
            return None
        seen, size = cells(z, table, own), len(table)
        # A batch with fewer latents than the first is repeated: a run is one array over time.
        full = z if len(z) == most or not self.frames else z[np.arange(most) % len(z)]
        return {
            "steps": self.steps, "latents": full, "codes": table,
            "hits": np.zeros(size, np.int64) if self._hits is None else self._hits.counts,
            "last_hit": np.full(size, -1) if self._hits is None else self._hits.last,
            "counts": seen.counts, "lag": np.linalg.norm(table - seen.means, axis=1),
            "distortion": float(np.nansum(seen.errors * seen.counts) / len(z)),
        }  # fmt: skip

    def _thin(self) -> None:
        """Every second frame goes; its hits are the next one's, so that none is lost."""
        for gone, kept in zip(self.frames[1::2], self.frames[2::2], strict=False):
            kept["hits"] = kept["hits"] + gone["hits"]
        if len(self.frames) % 2 == 0 and self._hits is not None:  # the last one goes, too
            self._hits.plus(self.frames[-1]["hits"])
        self.frames = self.frames[::2]
        self.ways.clear()
        self.early, self.every = 2 * self.early, 2 * self.every


def as_run(
    frames: list[dict[str, Any]],
    settings: dict[str, Any],
    optimum: str,
    terms: dict[str, Any],
    ways: dict[tuple[int, int], float],
) -> Run:
    """Frames as a :class:`Run`; ``optimum`` as in :func:`vqlab.simulate`.

    The optimum is that of the latents kept in a frame, one start of k-means, and NaN where they are
    fewer than two for each code: so few are learned by heart. ``ways`` remembers what was computed
    from one step to another.
    """
    from ..drift.run import Run  # drift imports measures

    if optimum not in ("none", "final", "all"):
        raise ValueError(f"optimum must be 'none', 'final' or 'all', got {optimum!r}")
    data = {name: np.array([f[name] for f in frames]) for name in frames[0]}
    z, steps, total = data["latents"], data["steps"], len(frames)
    best = np.full(total, np.nan)
    wanted = {"none": [], "final": [total - 1], "all": list(range(total))}[optimum]
    for frame in wanted:
        if z.shape[1] >= 2 * data["codes"].shape[1]:
            best[frame] = kmeans_optimum(z[frame], data["codes"].shape[1], n_init=1)[0]
    paired = settings["paired"]
    pairs = list(zip(steps[:-1].tolist(), steps[1:].tolist(), strict=True))
    for frame, pair in enumerate(pairs):
        if pair not in ways:
            ways[pair] = travel(z[frame], z[frame + 1], paired).length
    drift = np.append(np.array([ways[pair] for pair in pairs]) / np.diff(steps), np.nan)
    spread = np.array([np.sqrt(frame.astype(np.float64).var(0).sum()) for frame in z])
    return Run(
        settings=settings, optimum=best, drift=drift, terms={"spread": spread, **terms}, **data
    )

