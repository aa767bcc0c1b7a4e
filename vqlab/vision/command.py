"""The command line of training: ``python -m vqlab.vision.train fit --config digits``.

The words after it are Lightning's: ``fit``, ``validate``, ``test``; ``--trainer.max_steps 100``,
``--model.method nsvq``; ``--print_config`` shows every setting. A configuration is the name of one
that vqlab carries or the path of a file; later ones and later words win. ``--resume true`` goes on
from the newest whole checkpoint.
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
except ImportError as error:
    raise ImportError(LIGHTNING) from error
from . import keeping  # noqa: F401
from .checkpoints import SealedCheckpoints, newest
from .data import Pictures
from .keeping import FOLDER

CONFIGS = Path(__file__).parent / "configs"


def config_path(name: str) -> str:
    """The file of a shipped configuration, or the path as it is.

    Raises:
        ValueError: neither a file nor a name; the names are listed.
    """
    if Path(name).exists():
        return name
    known = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    if name not in known:
        raise ValueError(f"no configuration {name!r}: give a file, or one of {', '.join(known)}")
    return str(CONFIGS / f"{name}.yaml")


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

    def instantiate_trainer(self, **options: Any) -> L.Trainer:
        """Checkpoints are sealed; batches are shared out by the data module itself."""
        trainer = super().instantiate_trainer(**options)
        trainer.strategy.checkpoint_io = SealedCheckpoints()
        return trainer

    def before_fit(self) -> None:
        """Finds where to go on; refuses to mix two runs in one folder.

        Raises:
            ValueError: checkpoints of another run in the folder, and no word to go on.
        """
        config = self.config_init[self.subcommand]
        folder = Path(self.trainer.default_root_dir) / FOLDER
        found = newest(folder)
        config["weights_only"] = True
        if config["resume"] and config["ckpt_path"] is None:
            config["ckpt_path"] = None if found is None else str(found)
        elif found is not None and config["ckpt_path"] is None:
            raise ValueError(
                f"{folder} holds checkpoints of an earlier run: add --resume true to go on, or "
                "name another folder with --trainer.default_root_dir"
            )


def main(arguments: Sequence[str] | None = None) -> CommandLine:
    """Runs the command line.

    Args:
        arguments: words after the command; None takes those of the process.
    Returns:
        the command line, with its ``model``, ``datamodule`` and ``trainer``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for i, word in enumerate(words):
        if word in ("--config", "-c") and i + 1 < len(words):
            words[i + 1] = config_path(words[i + 1])
        elif word.startswith("--config="):
            words[i] = "--config=" + config_path(word.removeprefix("--config="))
    if arguments is None:
        sys.argv[1:] = words
    return CommandLine(
        L.LightningModule,
        Pictures,
        subclass_mode_model=True,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        args=None if arguments is None else words,
    )
