"""Trainings in processes of their own, which tests may kill: Lightning is imported once for all."""

import multiprocessing
import os
import signal
import warnings
from pathlib import Path

import pytest
import torch

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")


PRELOAD = ["lightning.pytorch.cli", "vqlab.vision.command", "sklearn.datasets", "tensorboard"]


class Kill(L.Callback):
    """kill -9 from within: in a training step, in a validation, or while a checkpoint is written.

    Args:
        step: at which step. place: "step", "validation" or "writing".
    """

    def __init__(self, step: int, place: str = "step", number: int = int(signal.SIGKILL)) -> None:
        self.step, self.place, self.number = step, place, number

    def on_before_optimizer_step(self, trainer, *args):
        if self.place == "step" and trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)

    def on_validation_batch_start(self, trainer, *args):
        if self.place == "validation" and trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)

    def on_save_checkpoint(self, trainer, module, checkpoint):
        if self.place == "writing" and trainer.global_step == self.step:
            from vqlab.vision import checkpoints

            class Torn(checkpoints._Hashing):
                def write(self, data):
                    self.file.write(bytes(data)[: len(bytes(data)) // 2])
                    self.file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)

            checkpoints._Hashing = Torn


def work(words, folder, environment, done):
    """One command of training in its own folder; its final state goes to ``done``."""
    os.environ.update(environment)
    os.chdir(folder)
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    from vqlab.vision.command import main

    cli = main(words)
    if done:
        torch.save(cli.model.state_dict(), done)


def start(words, folder, environment=None, done="final.pt"):
    """The process, begun."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    Path(folder).mkdir(exist_ok=True)
    args = (words, str(folder), environment or {}, done)
    process = context.Process(target=work, args=args)
    process.start()
    return process


def run(words, folder, **options):
    """Its exit code; what it printed is in ``log.txt``."""
    process = start(words, folder, **options)
    process.join(120)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(
            "the training hangs: " + (Path(folder) / "log.txt").read_text()[-2000:]
        )
    return process.exitcode
