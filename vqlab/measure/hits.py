"""How often training chose each code, counted where the indices are."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Hits:
    """Choices of each code since the last :meth:`clear`, and the step of its last one.

    A step costs two small operations on the indices' device, and nothing is waited for.

    Args:
        codebook_size: K.
    """

    def __init__(self, codebook_size: int) -> None:
        # One place more, for padding.
        self._counts = torch.zeros(codebook_size + 1, dtype=torch.int64)
        self._last = torch.full((codebook_size + 1,), -1)

    def add(self, indices: Tensor, step: int) -> None:
        """The choices of a training step: integers of any shape, -1 for none."""
        k = indices.detach().reshape(-1).long()
        self._counts, self._last = self._counts.to(k.device), self._last.to(k.device)
        slot = torch.where(k < 0, len(self._counts) - 1, k)
        self._counts.scatter_add_(0, slot, torch.ones_like(slot))
        self._last.index_fill_(0, slot, step)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(K,), a copy."""
        out: NDArray[np.int64] = self._counts[:-1].cpu().numpy().copy()
        return out

    @property
    def last(self) -> NDArray[np.int64]:
        """(K,), -1 for a code that was never chosen; a copy."""
        out: NDArray[np.int64] = self._last[:-1].cpu().numpy().copy()
        return out

    def plus(self, counts: NDArray[np.int64], last: NDArray[np.int64] | None = None) -> None:
        """Takes in what was counted before: counts (K,), and the last steps (K,)."""
        self._counts[:-1] += torch.from_numpy(counts).to(self._counts.device)
        if last is not None:
            self._last[:-1] = torch.from_numpy(last).to(self._last.device)

    def clear(self) -> None:
        """Counts from zero on; the last steps stay."""
        self._counts.zero_()
