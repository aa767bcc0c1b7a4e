"""Callbacks that look: drift and churn of a step, distortion against k-means."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..measure.distortion import kmeans_optimum
from .data import as_floats
from .extra import LIGHTNING
from .recording import Recorder

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error


def probe(trainer: Any, pictures: int) -> Tensor:
    """The first validation pictures, float32 in [0, 1], on the CPU.

    Raises:
        ValueError: a trainer without :class:`vqlab.vision.data.Pictures`.
    """
    data = getattr(trainer, "datamodule", None)
    if data is None or not hasattr(data, "parts"):
        raise ValueError("the probe is taken from the data module: give the trainer Pictures")
    count = min(pictures, len(data.parts.val))
    taken = torch.as_tensor(np.asarray(data.parts.val[np.arange(count)]))
    return as_floats(taken, data.size)


class Drift(L.Callback):
    r"""Logs how far one training step moves the latents of a probe, and how many change code.

    .. math:: \text{drift} = \sqrt{\tfrac1N \sum_n \|z_n(t+1) - z_n(t)\|^2}, \qquad
        \text{churn} = \tfrac1N\, |\{n : k_n(t+1) \ne k_n(t)\}|

    Args:
        every: steps between two looks; each costs two passes over the probe.
        pictures: of the validation part, in the probe.
    """

    def __init__(self, every: int = 100, pictures: int = 64) -> None:
        if every < 1 or pictures < 1:
            raise ValueError(f"every and pictures must be >= 1, got {every} and {pictures}")
        self.every, self.pictures = every, pictures
        self._probe: Tensor | None = None
        self._recorder: Recorder | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks before the step."""
        if trainer.global_step % self.every or not trainer.is_global_zero:
            return
        if self._probe is None:
            self._probe = probe(trainer, self.pictures).to(pl_module.device)
        self._recorder = Recorder(pl_module.model, self._probe)
        self._recorder.look(trainer.global_step)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *args: Any) -> None:
        """Looks after it, and logs."""
        if self._recorder is not None:
            drift, churn = self._recorder.moved(trainer.global_step)
            values = {"train/drift": drift}
            if churn is not None:
                values["train/churn"] = churn
            pl_module.log_dict(values, rank_zero_only=True)
            self._recorder = None


class AgainstKMeans(L.Callback):
    """Logs the distortion of validation latents, and over that of k-means with as many codes.

    Args:
        samples: latents looked at, drawn at random from the validation set, always the same
            pictures' ones. At least K, better several times as many: k-means fits what it sees.
        every: validations between two looks, the last one always seen; k-means takes its time
            (K = 1,024 and 8,192 latents of 64 dimensions: a second on a CPU; it grows with K times
            the samples).

    Raises:
        ValueError: fewer samples than codes, once training begins.
    """

    def __init__(self, samples: int = 8192, every: int = 1) -> None:
        if samples < 1 or every < 1:
            raise ValueError(f"samples and every must be >= 1, got {samples} and {every}")
        self.samples, self.every = samples, every
        self.seen: list[Tensor] = []
        self.codes: list[Tensor] = []
        self._count = 0

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Asks for enough samples."""
        if self.samples < pl_module.codebook_size:
            raise ValueError(
                f"k-means of {pl_module.codebook_size} codes needs as many samples, "
                f"got {self.samples}"
            )

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Takes an even share of each batch's latents."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        if self._count % self.every and not _last(trainer):
            return
        z = outputs["latents"].detach().movedim(1, -1).flatten(0, -2).float().cpu()
        batches = trainer.num_val_batches
        share = -(-self.samples // int(sum(batches) if isinstance(batches, list) else batches))
        rows = np.random.default_rng(batch_idx).permutation(len(z))[:share]
        self.seen.append(z[rows])
        self.codes.append(pl_module.model.quantizer.decode(outputs["indices"]).detach()
                          .movedim(1, -1).flatten(0, -2).float().cpu()[rows])  # fmt: skip

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Logs both numbers."""
        if trainer.sanity_checking:
            return
        self._count += 1
        size = pl_module.codebook_size
        z, codes = (torch.cat(x)[: self.samples] if x else None for x in (self.seen, self.codes))
        self.seen, self.codes = [], []
        if z is None or codes is None or len(z) < size:
            return
        distortion = float((z - codes).double().square().sum(1).mean())
        values = {"val/distortion": distortion}
        best = kmeans_optimum(z, size, n_init=1)[0]
        if best > 0:
            values["val/excess-distortion"] = distortion / best
        pl_module.log_dict(values, rank_zero_only=True)


def _last(trainer: L.Trainer) -> bool:
    """Whether no validation comes after this one, by epochs or by steps."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    done = epochs not in (None, -1) and trainer.current_epoch + 1 >= epochs
    return trainer.should_stop or done or 0 <= steps <= trainer.global_step
