"""What is kept of a training: curves, the latest states, the best one, what Ctrl-C leaves."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from .checkpoints import newest
from .extra import LIGHTNING

try:
    import lightning.pytorch as L
    from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
except ImportError as error:
    raise ImportError(LIGHTNING) from error
from .metrics import direction

FOLDER = "checkpoints"
TOGETHER = 10  # steps between two agreements of several processes; each waits for all devices


def curves(folder: str | Path) -> list[Logger]:
    """What a training logs, for TensorBoard and as CSV, beside its checkpoints."""
    return [TensorBoardLogger(folder, "logs"), CSVLogger(folder, "csv")]


class Latest(Checkpoint):
    """Saves every N minutes or steps, at the end and at Ctrl-C, and keeps the last few.

    Every file is written between two steps, so that a run resumed from it goes on bit for bit
    (on a CPU) as if it had not been stopped. The first Ctrl-C ends the training after the current
    step (of several processes after the next tenth one); a second one at once.

    Args:
        minutes: between two files; None does not look at the clock.
        steps: between two files, in batches; None does not count them.
        keep: how many files stay; with two, the one before is there when the last is torn.
        folder: None is ``checkpoints`` in the trainer's ``default_root_dir``.

    Raises:
        ValueError: keep below 1.
    """

    def __init__(
        self,
        minutes: float | None = 10.0,
        steps: int | None = None,
        keep: int = 2,
        folder: str | None = None,
    ) -> None:
        super().__init__()
        if keep < 1:
            raise ValueError(f"keep at least 1 checkpoint, got {keep}")
        self.minutes, self.steps, self.keep, self.folder = minutes, steps, keep, folder
        self.stopped = False
        self._due, self._saved, self._last = False, -1, time.monotonic()
        self._handler: Any = None

    def place(self, trainer: L.Trainer) -> Path:
        """The folder of the files."""
        return Path(self.folder or Path(trainer.default_root_dir) / FOLDER)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From here on Ctrl-C waits for the end of a step.

        Not earlier: after an error Lightning gives back the handlers that it found before this.
        """
        self._last, self.stopped, self._saved = time.monotonic(), False, -1
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Ctrl-C is what it was."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        print("\nCtrl-C: saving after this step (again: stop at once)", flush=True)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        """Saves where it is due; at an epoch's last batch that waits for the epoch's end."""
        step = trainer.global_step
        late = self.minutes is not None and time.monotonic() - self._last >= 60 * self.minutes
        counted = self.steps is not None and step % self.steps == 0
        self._due |= counted or step == trainer.max_steps
        stop = self.stopped
        if trainer.world_size > 1:  # one process's clock and keyboard speak for all
            asked = step % TOGETHER == 0
            stop, late = trainer.strategy.broadcast((stop, late)) if asked else (False, False)
        self._due |= late or stop
        if self._due and (not trainer.is_last_batch or stop or step == trainer.max_steps):
            self._save(trainer)
        trainer.should_stop |= stop

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Saves what waited for the epoch's end, and the state after the last epoch."""
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 == trainer.max_epochs
        if (self._due or last or trainer.should_stop) and trainer.is_last_batch:
            self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        self._due, self._last = False, time.monotonic()
        if self._saved == trainer.global_step:
            return
        self._saved = trainer.global_step
        folder = self.place(trainer)
        path = folder / f"step-{trainer.global_step}.ckpt"
        trainer.save_checkpoint(path, weights_only=False)  # not the weights only: all
        if trainer.is_global_zero:
            for torn in folder.glob("*.partial*"):  # of a process that was killed while it wrote
                torn.unlink()
            files = sorted(folder.glob("step-*.ckpt"), key=lambda p: int(p.stem[5:]))
            for old in files[: -self.keep]:
                trainer.strategy.remove_checkpoint(old)

    def newest(self, trainer: L.Trainer) -> Path | None:
        """The latest whole file."""
        return newest(self.place(trainer))


class Best(ModelCheckpoint):
    """Keeps the best state by a stated number; which way is better follows from its name.

    Args:
        monitor: a logged number, such as ``val/psnr`` (higher is better) or ``val/rfid`` (lower).
        keep: how many of the best stay.
        folder: None is ``checkpoints`` in the trainer's ``default_root_dir``.

    Raises:
        ValueError: a number of which the better way is not known.
    """

    dirpath: Any

    def __init__(self, monitor: str = "val/psnr", keep: int = 1, folder: str | None = None) -> None:
        name = monitor.replace("/", "-")
        super().__init__(
            dirpath=folder,
            filename="best-" + name + "-{step}",
            auto_insert_metric_name=False,
            monitor=monitor,
            mode=direction(monitor),
            save_top_k=keep,
            save_on_train_epoch_end=False,
        )

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Beside the latest ones, unless another folder is named."""
        if self.dirpath is None:
            self.dirpath = str(Path(trainer.default_root_dir) / FOLDER)
        super().setup(trainer, pl_module, stage)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Judges, but not where Ctrl-C cut an epoch short: who resumes would not know of it."""
        if not (trainer.should_stop and not trainer.is_last_batch):
            super().on_validation_end(trainer, pl_module)
