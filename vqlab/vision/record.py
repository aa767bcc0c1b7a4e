"""A callback that records a probe's latents while a model trains, for the laboratory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..drift.run import Run
from ..measure.hits import Hits
from .extra import LIGHTNING
from .recording import Recorder
from .training import Spacing, frame_steps
from .watching import probe

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error


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
        self._hits: Hits | None = None
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
        if self._hits is None:  # else a checkpoint brought them
            self._hits = Hits(pl_module.codebook_size)
        self._before = None
        if trainer.global_step and self.file(trainer).exists():
            self._before = Run.load(self.file(trainer))
        self._counting = pl_module.model.quantizer.register_forward_hook(self._count)

    def _count(self, quantizer: Any, inputs: Any, out: Any) -> None:
        if quantizer.training and self._hits is not None:
            self._hits.add(out.indices, self._step)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """A frame before the step, where one is due."""
        self._step = trainer.global_step
        if self._recorder is not None and self._hits is not None and self._step in self._due:
            self._recorder.frame(self._step, self._hits, {})

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *args: Any) -> None:
        """Completes it with what the step did, and saves."""
        if self._recorder is None or self._hits is None:
            return
        if self._step in self._due:
            self._recorder.after(trainer.global_step)
        if trainer.global_step in self._due and trainer.global_step == max(self._due):
            self._recorder.frame(trainer.global_step, self._hits, {})
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
        if self._hits is None:
            return {}
        counted = {"hits": self._hits.counts, "last_hit": self._hits.last}
        return {name: torch.from_numpy(values) for name, values in counted.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What was counted since the last frame."""
        self._hits = Hits(len(state_dict["hits"]))
        self._hits.plus(state_dict["hits"].numpy(), state_dict["last_hit"].numpy())

    def teardown(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Counts no longer."""
        if self._recorder is not None:
            self._counting.remove()
            self._recorder = self._hits = None

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Counts no longer: Lightning tears nothing down after an error."""
        self.teardown(trainer, pl_module, "fit")

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
