"""A callback that can say whether two trainings were fed the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .extra import LIGHTNING

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error

FACTOR = 1_000_003  # odd, so that a step's sum is never lost in the next ones


class Seen(L.Callback):
    r"""Counts the pictures that were trained on, and sums their bits up in order.

    .. math:: c \leftarrow 1000003\, c + \sum_i b_i \pmod{2^{64}}

    with b_i the bits of a batch's numbers after augmentation, read as integers. Whole numbers have
    no rounding, so equal sums are equal batches in equal order (but for a chance of about
    2^-64); the sum stays on the device and waits for nothing. A resumed run goes on with it. Of
    several processes the first counts its own share.

    Attributes:
        count: pictures so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum: Tensor | None = None

    @property
    def checksum(self) -> str:
        """Of all batches so far: 16 hexadecimal digits."""
        value = 0 if self._sum is None else int(self._sum)
        return f"{value % 2**64:016x}"

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: Any, batch: Tensor, batch_idx: int
    ) -> None:
        """Takes a batch into account."""
        bits = batch.detach().float().contiguous().view(torch.int32).sum(dtype=torch.int64)
        before = torch.zeros_like(bits) if self._sum is None else self._sum.to(bits.device)
        self._sum = before * FACTOR + bits
        self.count += len(batch)

    def state_dict(self) -> dict[str, Any]:
        """Count and sum."""
        return {"count": self.count, "sum": 0 if self._sum is None else int(self._sum)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count and sum."""
        self.count = state_dict["count"]
        self._sum = torch.tensor(state_dict["sum"], dtype=torch.int64)
