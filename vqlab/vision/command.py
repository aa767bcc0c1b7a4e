"""The command line of training: ``python -m vqlab.vision.train fit --config digits``.

The words after it are Lightning's: ``fit``, ``validate``, ``test``; ``--trainer.max_steps 100``,
``--model.method nsvq``; ``--print_config`` shows every setting. A configuration is the name of one
that vqlab carries or the path of a file; later ones and later words win. ``--resume true`` goes on
from the newest whole checkpoint; ``validate`` and ``test`` take the best one. Without
``--trainer.logger``, curves go to TensorBoard and CSV in the run's folder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .extra import LIGHTNING

try:
    import jsonargparse  # noqa: F401  # without it Lightning's command line is only a name
    import lightning.pytorch as L
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
    from lightning.pytorch.utilities import rank_zero_info
except ImportError as error:
    raise ImportError(LIGHTNING) from error
from ..quantizers.registry import methods
from .checkpoints import SealedCheckpoints, newest, whole
from .data import Pictures
from .keeping import FOLDER, curves
from .setting import accelerator

CONFIGS = Path(__file__).parent / "configs"
ABOUT = """Trains a vector-quantized autoencoder and measures it.
Configurations: {configs}, or a file of your own.
Methods (--model.method NAME): {methods}."""

USAGE = "python -m vqlab.vision.train {} --config NAME [--model.method NAME] [--GROUP.OPTION VALUE]"


class Refused(ValueError):
    """A setting that cannot be, in one sentence; nothing was trained."""


def config_path(name: str) -> str:
    """The file of a shipped configuration, or the path as it is.

    Raises:
        Refused: neither a file nor a name; the names are listed.
    """
    if Path(name).is_file():
        return name
    known = _configs()
    if name not in known:
        raise Refused(f"no configuration {name!r}: give a file, or one of {', '.join(known)}")
    return str(CONFIGS / f"{name}.yaml")


def _configs() -> list[str]:
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


class CommandLine(LightningCLI):
    """Lightning's command line with what vqlab's training always needs."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The model learns from the data how many channels and steps there are."""
        parser.add_argument(
            "--resume", type=bool, default=False,
            help="go on from the newest whole checkpoint, or begin where there is none",
        )  # fmt: skip
        for name in ("channels", "steps_per_epoch"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Without ``predict``: the data module has no pictures for it."""
        return {k: v for k, v in LightningCLI.subcommands().items() if k != "predict"}

    def instantiate_classes(self) -> None:
        """Builds everything; what refuses its settings is heard in its own words.

        Raises:
            Refused: a setting that cannot be, or a network or a table too large for the memory.
        """
        try:
            super().instantiate_classes()
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            raise Refused(_innermost(error)) from error

    def instantiate_trainer(self, **options: Any) -> L.Trainer:
        """Checkpoints are sealed, and curves lie beside them."""
        given = self._get(self.config_init, "trainer")
        options["accelerator"] = accelerator(given["accelerator"])
        if given["logger"] is None:
            root = given["default_root_dir"] or "."
            options["logger"] = curves(root)
        trainer = super().instantiate_trainer(**options)
        trainer.strategy.checkpoint_io = SealedCheckpoints()
        return trainer

    def before_fit(self) -> None:
        """Finds where to go on; refuses to mix two runs in one folder.

        Raises:
            Refused: checkpoints of another run in the folder, and no word to go on; a checkpoint
                that is not there.
        """
        config = self.config_init[self.subcommand]
        folder = Path(self.trainer.default_root_dir) / FOLDER
        found = newest(folder)
        config["weights_only"] = True
        if config["resume"] and config["ckpt_path"] is None:
            config["ckpt_path"] = None if found is None else str(found)
        elif found is not None and config["ckpt_path"] is None:
            raise Refused(
                f"{folder} holds checkpoints of an earlier run: add --resume true to go on, or "
                "name another folder with --trainer.default_root_dir"
            )
        self._must_exist(config["ckpt_path"], folder)

    def before_validate(self) -> None:
        """Takes the run's best checkpoint where none is named: never an untrained model.

        Raises:
            Refused: no checkpoint in the run's folder, or the one that is named is not there.
        """
        config = self.config_init[self.subcommand]
        folder = Path(self.trainer.default_root_dir) / FOLDER
        config["weights_only"] = True
        if config["ckpt_path"] is None:
            best = [path for path in folder.glob("best-*.ckpt") if whole(path)]
            found = max(best, key=lambda path: path.stat().st_mtime, default=newest(folder))
            if found is None:
                raise Refused(f"{folder} holds no checkpoint: train first, or give --ckpt_path")
            rank_zero_info(f"weights: {found}")
            config["ckpt_path"] = str(found)
        self._must_exist(config["ckpt_path"], folder)

    before_test = before_validate

    @staticmethod
    def _must_exist(path: str | None, folder: Path) -> None:
        if path is not None and Path(path).suffix == ".ckpt" and not Path(path).is_file():
            there = ", ".join(sorted(p.name for p in folder.glob("*.ckpt"))) or "none"
            raise Refused(f"no checkpoint at {path}; in {folder}: {there}")


def _innermost(error: BaseException) -> str:
    """The words of the one that began it: those around it repeat every setting."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def main(arguments: Sequence[str] | None = None) -> CommandLine:
    """Runs the command line.

    Args:
        arguments: words after the command; None takes those of the process.
    Returns:
        the command line, with its ``model``, ``datamodule`` and ``trainer``.
    Raises:
        Refused: settings that cannot be. SystemExit: likewise, where the words are the process's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        for i, word in enumerate(words):
            if word in ("--config", "-c") and i + 1 < len(words):
                words[i + 1] = config_path(words[i + 1])
            elif word.startswith("--config="):
                words[i] = "--config=" + config_path(word.removeprefix("--config="))
        enough = ("--config", "-c", "--model", "-h", "--help", "--print_config")
        if words and words[0] in CommandLine.subcommands() and not any(
            word == name or word.startswith(name + "=") for word in words for name in enough
        ):
            raise Refused(f"name a configuration: --config with a file or {', '.join(_configs())}")
        if arguments is None:
            sys.argv[1:] = words
        return CommandLine(
            L.LightningModule,
            Pictures,
            subclass_mode_model=True,
            save_config_callback=SaveConfigCallback,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=0,
            parser_kwargs={
                "prog": "python -m vqlab.vision.train",
                "description": ABOUT.format(
                    configs=", ".join(_configs()),
                    methods=", ".join(line.name for line in methods()),
                ),
                # Lightning's own usage names every option of the trainer, at every slip.
                **{name: {"usage": USAGE.format(name)} for name in CommandLine.subcommands()},
            },
            args=None if arguments is None else words,
        )
    except Refused as error:
        if arguments is None:  # the reader of a shell wants the sentence, a caller the exception
            raise SystemExit(f"error: {error}") from None
        raise
