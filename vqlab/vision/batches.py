"""Batches of any source by index, in an order that a resumed run takes up again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class Source(Protocol):
    """Pictures by number: a tensor, an array, a memory map, or anything that behaves like these."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: Any) -> Any:
        """(B, C, H, W) of the numbers (B,): uint8, or floats in [0, 1]; tensor or array."""


class Batches:
    """The batches of one process, epoch by epoch; its state says where it stands.

    An epoch's order is drawn from (seed, epoch) alone. Every process draws the same batches and
    takes its own stretch of each: all stretches one after the other are the batch of one process.

    Args:
        source: of the pictures. batch: pictures in all processes together.
        shuffle: training: in random order, without what fills no whole batch. Else in order.
        rank, world: this process, of how many. seed: of the order.
        workers: loading processes.

    Raises:
        ValueError: fewer pictures than processes; those without would be waited for without end.
    """

    def __init__(
        self,
        source: Source,
        batch: int,
        shuffle: bool,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self.batch, self.shuffle, self.rank, self.world = batch, shuffle, rank, world
        self.seed, self.count = seed, len(source)
        if self.count < world:
            raise ValueError(f"{world} processes need as many pictures, got {self.count}")
        self.epoch, self.skip, self.given = -1, 0, 0
        self.loader = DataLoader(
            _Whole(source),
            sampler=_Order(self),
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,  # an epoch may be shorter than their start
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        return self.count // self.batch if self.shuffle else -(-self.count // self.batch)

    def order(self) -> Iterator[np.ndarray]:
        """The numbers of this process's pictures, batch by batch."""
        everyone = np.arange(self.count)
        if self.shuffle:
            everyone = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for at in range(self.skip, len(self)):
            whole = everyone[at * self.batch : (at + 1) * self.batch]
            yield np.array_split(whole, self.world)[self.rank]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        if not self.skip:
            self.epoch += 1
        self.given, epoch = self.skip, self.epoch
        for pictures, which in self.loader:
            self.given += 1
            self.skip = 0  # the next epoch begins at its beginning
            if len(which):
                yield pictures, which, epoch

    def state_dict(self) -> dict[str, int]:
        """Epoch, and batches of it that were given away."""
        return {"epoch": self.epoch, "given": self.given}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on after the batches that were given away."""
        self.epoch, self.given = state["epoch"], state["given"]
        self.skip = 0 if self.given >= len(self) else self.given


class _Order:
    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.batches.order()

    def __len__(self) -> int:
        return len(self.batches)


class _Whole(Dataset[tuple[Tensor, Tensor]]):
    """A batch for an array of numbers."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, which: Any) -> tuple[Tensor, Tensor]:
        taken = self.source[which]
        return torch.as_tensor(np.asarray(taken)), torch.from_numpy(np.asarray(which))
