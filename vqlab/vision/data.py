"""Pictures for Lightning: three parts of a source, in batches of floats in [0, 1]."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .ahead import MAKERS
from .augment import Augment
from .batches import Batches, Source
from .datasets import CHOICES, Images, halves, images_of
from .extra import LIGHTNING
from .originals import FacesToDraw
from .prepared import Prepared, prepare
from .splits import SPLITS, Parts, Subset, set_aside

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error


FILES = ("folder", "parquet", "celeba-hq", "prepared")
NAMES = ("digits", "photos", "faces", *FILES)


class Pictures(L.LightningDataModule):
    """Pictures by name or given, in batches of floats in [0, 1], augmented on the device.

    Args:
        source: "digits", "photos", "faces" (see ``vqlab.vision.datasets.CHOICES``), "folder"
            (:func:`image_folder`), "parquet" (:class:`ParquetFiles`), "celeba-hq"
            (:func:`celeba_hq`), "prepared" (a folder of :func:`prepare`), :class:`Images` or
            :class:`Parts`. Faces and files become an array on disk when first used, see
            :func:`vqlab.vision.prepare`.
        options: of a source by name, such as ``{"size": 64}`` for photos, ``{"bad": "skip"}`` for
            files.
        batch: pictures in a training step, in all processes together.
        size: side in pixels to which pictures are scaled (antialiased); None leaves them. Faces and
            files are prepared at this size where the options name no ``resolution``.
        augment: changes of the training pictures; None leaves them.
        val_share: share of the training part that is set aside to choose by, where the source
            itself has no such part.
        seed: of that share, of the order and of the augmentation.
        workers: loading processes.
        path: of a folder, of CelebA-HQ or of what is prepared. split: which of its pictures are
            trained on, see :func:`vqlab.vision.splits.divided`. split_files: the lists it takes.

    Raises:
        ValueError: an unknown source, sizes that do not fit, a batch that the processes cannot
            share evenly, a path where none belongs or none where one does.
    """

    def __init__(
        self,
        source: str | Images | Parts = "digits",
        options: dict[str, Any] | None = None,
        batch: int = 64,
        size: int | None = None,
        augment: Augment | None = None,
        val_share: float = 0.1,
        seed: int = 0,
        workers: int = 0,
        path: str | None = None,
        split: str = "paper",
        split_files: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(source, str) and source not in NAMES:
            raise ValueError(f"unknown source {source!r}; choose one of {', '.join(NAMES)}")
        if isinstance(source, str) and (path is None) == (source in FILES):
            kind = "needs a path" if path is None else "takes no path"
            raise ValueError(f"the source {source!r} {kind} (--data.path)")
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
        for name, value in {"batch": batch, "size": 1 if size is None else size}.items():
            if int(value) != value or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        if not 0 < val_share < 1:
            raise ValueError(f"val_share must lie in (0, 1), got {val_share}")
        self.source, self.options, self.batch, self.size = source, options or {}, batch, size
        self.augment, self.val_share, self.seed, self.workers = augment, val_share, seed, workers
        self.path, self.split, self.split_files = path, split, split_files
        self._parts: Parts | None = None

    def prepare_data(self) -> None:
        """Makes the array, where one is needed and is not there."""
        self.parts  # noqa: B018  # of several processes one works, the others wait: by a lock

    @property
    def parts(self) -> Parts:
        """The three parts, read when first asked for."""
        if self._parts is None:
            given = self.source
            if isinstance(given, str):
                given = self._named(given)
            self._parts = self._three(given)
            if self.batch > len(self._parts.train):
                raise ValueError(
                    f"a batch of {self.batch} needs as many training pictures, "
                    f"got {len(self._parts.train)}"
                )
        return self._parts

    def _named(self, source: str) -> Any:
        if source == "prepared":
            return self._split(Prepared.open(str(self.path), **self.options))
        if source not in MAKERS:
            return CHOICES[source](**self.options)
        options = {"resolution": self.size or (32 if source == "faces" else 64), **self.options}
        if source != "faces":
            return self._split(prepare(MAKERS[source](self.path, **options)))
        held_out = {k: options.pop(k) for k in ("test_share", "seed") if k in options}
        faces = prepare(FacesToDraw(**options))
        return [Subset(faces, numbers) for numbers in halves(len(faces), **held_out)]

    def _split(self, kept: Prepared) -> Parts:
        return kept.split(self.split, self.split_files, self.val_share, self.seed)

    def _three(self, given: Any) -> Parts:
        if len(given) == 3:
            return Parts(*given)
        if isinstance(given[0], Tensor):
            given = images_of(Images(*given)) if given[0].is_floating_point() else given
        train, test = given
        return Parts(*set_aside(train, self.val_share, self.seed), test)

    @property
    def channels(self) -> int:
        """C of the pictures."""
        return int(self.parts.train[np.zeros(1, np.int64)].shape[1])

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return len(self.parts.train) // self.batch

    def _batches(self, source: Source, shuffle: bool) -> Batches:
        rank, world = 0, 1
        if self.trainer is not None:
            rank, world = self.trainer.global_rank, self.trainer.world_size
        if shuffle and self.batch % world:
            raise ValueError(f"{world} processes cannot share a batch of {self.batch} evenly")
        return Batches(source, self.batch, shuffle, rank, world, self.seed, self.workers)

    def train_dataloader(self) -> Batches:
        """Random order."""
        return self._batches(self.parts.train, shuffle=True)

    def val_dataloader(self) -> Batches:
        """In order, each picture on one process."""
        return self._batches(self.parts.val, shuffle=False)

    def test_dataloader(self) -> Batches:
        """In order, each picture on one process."""
        return self._batches(self.parts.test, shuffle=False)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Tensor:
        """Pictures (B, C, H, W), float32 in [0, 1]."""
        pictures, which, epoch = batch
        pictures = as_floats(pictures, self.size)
        if self.augment is not None and self.trainer is not None and self.trainer.training:
            pictures = self.augment(pictures, which, self.seed, epoch)
        return pictures


def as_floats(pictures: Tensor, size: int | None = None) -> Tensor:
    """Pictures as float32 in [0, 1]: eight bits are divided by 255; scaled to ``size`` if given.

    Args:
        pictures: (B, C, H, W) uint8, or floats in [0, 1]. size: side in pixels.
    Raises:
        TypeError: integers of another kind.
    """
    if pictures.dtype == torch.uint8:
        pictures = pictures.float() / 255
    elif not pictures.is_floating_point():
        raise TypeError(f"pictures must be uint8 or floats in [0, 1], got {pictures.dtype}")
    pictures = pictures.float()
    if size is not None and pictures.shape[-2:] != (size, size):
        scale = partial(interpolate, mode="bilinear", antialias=True, align_corners=False)
        pictures = scale(pictures, size=(size, size)).clamp(0, 1)
    return pictures
