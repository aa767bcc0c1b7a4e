"""Several methods trained on equal terms, each resumed where it was stopped."""

from __future__ import annotations

import importlib
import json
import logging
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..drift.run import Run
from .checkpoints import SealedCheckpoints, newest
from .data import Pictures
from .extra import LIGHTNING
from .journal import write_whole
from .keeping import FOLDER, Latest, curves
from .module import Reconstructor
from .setting import Methods, Setting, different, named

try:
    import lightning.pytorch as L
    import yaml  # type: ignore[import-untyped]  # comes with Lightning's command line
except ImportError as error:
    raise ImportError(LIGHTNING) from error

CONFIG = "config.yaml"


class Comparison:
    """Methods times seeds, one configuration: the same steps, and at one seed the same batches.

    Every case has a folder of its own, ``LABEL-seedN``. What is finished is not trained again, what
    was stopped or killed goes on from its newest whole checkpoint. Nothing ends early and no
    checkpoint is chosen: what is compared are the weights after the last step. The configuration
    lies in the folder as ``config.yaml``; a shell trains a case from it to the same weights, on one
    GPU or several: :meth:`words`.

    Args:
        folder: of all cases. setting: what they share.
        methods: names of the table; or label -> name or (name, options).
        seeds: each seeds the first weights, the codes, the order and the changes of the pictures
            (and what is set aside to choose by, where the split has two parts only).

    Raises:
        ValueError: no method or seed; a folder with cases of another setting, which is named.
    """

    def __init__(
        self, folder: str | Path, setting: Setting, methods: Methods, seeds: Sequence[int] = (0,)
    ) -> None:
        self.folder, self.setting = Path(folder), setting
        self.methods, self.seeds = named(methods), [int(seed) for seed in seeds]
        if not self.seeds:
            raise ValueError("name at least one seed")
        self.config = setting.config()
        kept = self.folder / CONFIG
        if kept.is_file():
            before = yaml.safe_load(kept.read_text())
            other = different(before, self.config)
            if other:
                raise ValueError(f"{self.folder} holds a comparison with another {other}: name "
                                 "another folder, or remove it")  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(kept, yaml.safe_dump(self.config, sort_keys=False))

    @property
    def cases(self) -> list[tuple[str, int]]:
        """Label and seed, all methods of a seed together."""
        return [(label, seed) for seed in self.seeds for label in self.methods]

    def place(self, label: str, seed: int) -> Path:
        """The folder of a case."""
        return self.folder / f"{label}-seed{seed}"

    def checkpoint(self, label: str, seed: int) -> Path | None:
        """Its newest whole checkpoint.

        Raises:
            ValueError: it is of another method, or of one with other options.
        """
        path, (name, options) = newest(self.place(label, seed) / FOLDER), self.methods[label]
        if path is not None:
            kept = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            before = [kept["hyper_parameters"][k] for k in ("method", "method_options")]
            one, other = (json.dumps([x, y or {}], sort_keys=True, default=str)
                          for x, y in (before, (name, options)))  # fmt: skip
            if one != other:
                raise ValueError(f"{self.place(label, seed)} holds a training of {one}, not of "
                                 f"{other}: name another label, or remove it")  # fmt: skip
        return path

    def done(self, label: str, seed: int) -> int:
        """Steps of it that are kept."""
        found = self.checkpoint(label, seed)
        return 0 if found is None else int(found.stem.removeprefix("step-"))

    def run(
        self,
        callbacks: Sequence[L.Callback] = (),
        stop_at: int | None = None,
        progress: bool = False,
    ) -> None:
        """Trains what is not finished, and says a line about every case.

        Args:
            callbacks: further ones, such as :class:`vqlab.vision.live.LiveMonitor`.
            stop_at: stops all once a case has come to this step, as Ctrl-C would; the next call
                goes on. Cases that have come so far are passed over.
            progress: Lightning's bar.
        Raises:
            KeyboardInterrupt: after the current step is saved.
        """
        for label, seed in self.cases:
            done = self.done(label, seed)
            train = done < min(self.setting.steps, stop_at or self.setting.steps)
            if train:
                seen = self._train(label, seed, [*callbacks], stop_at, progress)
                word = f"went on from step {done}" if done else "trained"
            else:
                seen = self._state(label, seed)
                word = "there already"
            print(f"{label}, seed {seed}: {word}; {self.done(label, seed):,} of "
                  f"{self.setting.steps:,} steps, {seen['count']:,} pictures")  # fmt: skip
            if train and self.done(label, seed) < self.setting.steps:
                print("stopped: run this again to go on")
                return

    def pictures(self, seed: int) -> Pictures:
        """The data module of a seed."""
        data = self.config["data"]
        change = data["augment"]
        made = None if change is None else _built(change)
        return Pictures(**{**data, "augment": made, "seed": seed})

    def module(self, label: str, seed: int, data: Pictures, **changed: Any) -> Reconstructor:
        """The untrained module of a case, for the data's channels and steps."""
        name, options = self.methods[label]
        return Reconstructor(**{
            **self.config["model"]["init_args"], "method": name, "method_options": options,
            "seed": seed, "channels": data.channels, "steps_per_epoch": data.steps_per_epoch,
            **changed,
        })  # fmt: skip

    def trained(self, label: str, seed: int) -> Reconstructor:
        """A case with the weights of its newest checkpoint, on the CPU, in evaluation mode.

        Raises:
            FileNotFoundError: it was not trained.
        """
        path = self.checkpoint(label, seed)
        if path is None:
            raise FileNotFoundError(f"{label}, seed {seed}, has no checkpoint: run() trains it")
        module = self.module(label, seed, self.pictures(seed))
        found = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(found["state_dict"])
        return module.eval()

    def runs(self) -> dict[str, list[Run]]:
        """What was recorded: label -> a :class:`vqlab.Run` for each seed."""
        return {
            label: [Run.load(self.place(label, seed) / "recording.npz") for seed in self.seeds]
            for label in self.methods
        }

    def fed(self) -> dict[tuple[str, int], tuple[int, str]]:
        """(label, seed) -> number of pictures trained on, and the checksum of all batches."""
        states = {case: self._state(*case) for case in self.cases}
        return {k: (v["count"], f"{v['sum'] % 2**64:016x}") for k, v in states.items()}

    def words(self, label: str, seed: int) -> str:
        """What a shell says after ``python -m vqlab.vision.train`` to train or resume a case."""
        name, options = self.methods[label]
        words = ["fit", "--config", self.folder / CONFIG, "--seed_everything", seed]
        words += ["--model.method", name, "--model.seed", seed, "--data.seed", seed]
        words += ["--model.method_options", json.dumps(options)] if options else []
        words += ["--trainer.default_root_dir", self.place(label, seed), "--resume", "true"]
        return shlex.join(map(str, words))

    def trainer(self, place: Path, callbacks: list[L.Callback], **options: Any) -> L.Trainer:
        """A trainer whose checkpoints are sealed."""
        made = L.Trainer(
            default_root_dir=place, callbacks=callbacks, enable_model_summary=False, **options
        )
        made.strategy.checkpoint_io = SealedCheckpoints()
        return made

    def _train(
        self, label: str, seed: int, more: list[L.Callback], stop_at: int | None, progress: bool
    ) -> dict[str, Any]:
        place, at = self.place(label, seed), self.checkpoint(label, seed)
        options = dict(self.config["trainer"])
        own = [_built(one) for one in options.pop("callbacks")]
        latest = next(one for one in own if isinstance(one, Latest))
        if stop_at is not None:
            more = [*more, _StopAt(latest, stop_at)]
        if self.setting.logs:
            options["logger"] = curves(place)
        with quiet():
            L.seed_everything(seed, workers=True, verbose=False)
            data = self.pictures(seed)
            trainer = self.trainer(place, [*own, *more], enable_progress_bar=progress, **options)
            trainer.fit(self.module(label, seed, data), data, ckpt_path=at)
        if latest.stopped and stop_at is None and trainer.global_step < self.setting.steps:
            raise KeyboardInterrupt(f"{label}, seed {seed}, is saved: run this again to go on")
        return self._state(label, seed)

    def _state(self, label: str, seed: int) -> dict[str, Any]:
        path = self.checkpoint(label, seed)
        if path is None:
            return {"count": 0, "sum": 0}
        state = torch.load(path, map_location="cpu", weights_only=True)["callbacks"]["Seen"]
        return dict(state)


class _StopAt(L.Callback):
    """Ctrl-C after a step."""

    def __init__(self, latest: Latest, step: int) -> None:
        self.latest, self.step = latest, step

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        self.latest.stopped |= trainer.global_step >= self.step


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's lines about what it found, and its advice about loading processes."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*(num_workers|litlogger|log_every_n).*")
            yield
    finally:
        logger.setLevel(level)


def _built(one: dict[str, Any]) -> Any:
    """What a configuration names by class_path and init_args."""
    module, name = one["class_path"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**one.get("init_args", {}))
