"""Callbacks that look: drift and churn, distortion against k-means, a recording for the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..drift.run import Run
from ..measure.distortion import kmeans_optimum
from .data import as_floats
from .extra import LIGHTNING
from .recording import Recorder
from .training import Spacing, frame_steps

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
        every: validations between two looks; k-means takes its time (K = 1,024 and 8,192 latents of
            64 dimensions: some ten seconds on a CPU).

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
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Takes an even share of each batch's latents."""
        if trainer.sanity_checking or self._count % self.every or not trainer.is_global_zero:
            return
        z = outputs.latents.detach().movedim(1, -1).flatten(0, -2).float().cpu()
        batches = trainer.num_val_batches
        share = -(-self.samples // int(sum(batches) if isinstance(batches, list) else batches))
        rows = np.random.default_rng(batch_idx).permutation(len(z))[:share]
        self.seen.append(z[rows])
        self.codes.append(pl_module.model.quantizer.decode(outputs.indices).detach()
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


class Record(L.Callback):
    """Saves latents, codes and assignments of a probe while the model trains, as a :class:`Run`.

    ``Run.load`` reads the file, ``replay`` plays its latents to any quantizer. It is written with
    every checkpoint and at the end, complete or not at all; a resumed run continues it.

    Args:
        path: of the ``.npz``; None is ``recording.npz`` in the trainer's ``default_root_dir``.
        frames: how many, first and last step included. spacing: "geometric" or "regular".
        steps: until which step; None is the trainer's own limit.
        pictures: of the validation part, in the probe. latents: of theirs, kept; None = all.
    """

    _step = 0

    def __init__(
        self,
        path: str | None = None,
        frames: int = 40,
        spacing: Spacing = "geometric",
        steps: int | None = None,
        pictures: int = 64,
        latents: int | None = 1024,
    ) -> None:
        self.path, self.frames, self.spacing = path, frames, spacing
        self.steps, self.pictures, self.latents = steps, pictures, latents
        self._recorder: Recorder | None = None
        self._due: set[int] = set()
        self._hits = np.zeros(0, np.int64)
        self._last_hit = np.zeros(0, np.int64)
        self._before: Run | None = None

    def file(self, trainer: L.Trainer) -> Path:
        """Where the run is saved."""
        return Path(self.path or Path(trainer.default_root_dir) / "recording.npz")

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Chooses the steps and the probe, and finds what an earlier run left."""
        if not trainer.is_global_zero:
            return
        limit = self.steps or int(trainer.estimated_stepping_batches)
        self._due = set(frame_steps(limit, self.frames, self.spacing).tolist())
        images = probe(trainer, self.pictures).to(pl_module.device)
        count = len(images) * pl_module.model.encode(images[:1])[0, 0].numel()
        keep = None if self.latents is None else min(self.latents, count)
        self._recorder = Recorder(pl_module.model, images, keep)
        size = pl_module.codebook_size
        if len(self._hits) != size:  # else a checkpoint brought them
            self._hits, self._last_hit = np.zeros(size, np.int64), np.full(size, -1, np.int64)
        self._before = None
        if trainer.global_step and self.file(trainer).exists():
            self._before = Run.load(self.file(trainer))
        self._counting = pl_module.model.quantizer.register_forward_hook(self._count)

    def _count(self, quantizer: Any, inputs: Any, out: Any) -> None:
        if quantizer.training:
            indices = out.indices.detach().reshape(-1).cpu().numpy()
            self._hits += np.bincount(indices, minlength=len(self._hits))
            self._last_hit[indices] = self._step

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """A frame before the step, where one is due."""
        self._step = trainer.global_step
        if self._recorder is not None and self._step in self._due:
            self._recorder.frame(self._step, self._hits, self._last_hit, {})
            self._hits[:] = 0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *args: Any) -> None:
        """Completes it with what the step did, and saves."""
        if self._recorder is None:
            return
        if self._step in self._due:
            self._recorder.after(trainer.global_step)
        if trainer.global_step in self._due and trainer.global_step == max(self._due):
            self._recorder.frame(trainer.global_step, self._hits, self._last_hit, {})
            self._recorder.frames[-1]["drift"] = np.nan  # no step comes after the last

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Saves what the checkpoint's future will not see again."""
        self._write(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Saves the rest."""
        self._write(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """What was counted since the last frame."""
        return {"hits": torch.from_numpy(self._hits), "last_hit": torch.from_numpy(self._last_hit)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What was counted since the last frame."""
        self._hits = state_dict["hits"].numpy().copy()
        self._last_hit = state_dict["last_hit"].numpy().copy()

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Counts no longer."""
        if self._recorder is not None:
            self._counting.remove()
            self._recorder, self._hits = None, np.zeros(0, np.int64)

    def _write(self, trainer: L.Trainer, pl_module: Any) -> None:
        if self._recorder is None or not self._recorder.frames:
            return
        hyper = pl_module.hparams
        settings = {k: hyper[k] for k in ("method", "codebook_size", "dim", "seed") if k in hyper}
        run = self._recorder.run({**settings, "steps": max(self._due)})
        if self._before is not None:
            run = _joined(self._before, run)
        run.save(self.file(trainer))


def _joined(first: Run, then: Run) -> Run:
    """Frames of the first that are earlier than the second's, and the second's."""
    early = first.steps < then.steps[0]
    names = ("steps", "latents", "codes", "hits", "last_hit", "counts", "distortion", "optimum",
             "drift", "lag")  # fmt: skip
    both = {n: np.concatenate([getattr(first, n)[early], getattr(then, n)]) for n in names}
    nothing = np.full(len(then.steps), np.nan)
    terms = {
        name: np.concatenate([
            first.terms.get(name, np.full(len(first.steps), np.nan))[early],
            then.terms.get(name, nothing),
        ])
        for name in {*first.terms, *then.terms}
    }  # fmt: skip
    return Run(settings=then.settings, terms=terms, **both)
