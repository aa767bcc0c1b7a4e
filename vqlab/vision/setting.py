"""What all methods of a comparison share, in the words of the command line's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..quantizers.registry import method as method_line

Methods = Sequence[str] | Mapping[str, str | tuple[str, dict[str, Any]]]
CALLBACKS = "vqlab.vision"


@dataclass(frozen=True)
class Setting:
    """Pictures, network and budget of a training; the defaults are the NS-VQ paper's for faces.

    Its number of steps is not: the paper's code trains for at most 300 epochs (421,800 steps) and
    ends early by a number of the validation set, which gives methods different budgets.

    Args:
        source, path, split, split_files, options: of :class:`vqlab.vision.data.Pictures`.
        size: side of the pictures in pixels. batch: pictures in a step, of all processes together.
        augment: whether training pictures are changed as in the paper's code.
        workers: loading processes.
        steps: training steps of every method.
        codebook_size: K. dim: D. network, network_options, rate, gamma, clip: of
            :class:`vqlab.vision.module.Reconstructor`.
        precision: as Lightning names it; the quantizer stays in float32.
        validate_every: epochs between two validations while training.
        frames: kept in the recording. pictures: of the validation part, recorded.
        save_minutes, save_steps: between two checkpoints.
        logs: curves for TensorBoard and as CSV.
    """

    source: str = "faces"
    path: str | None = None
    split: str = "paper"
    split_files: dict[str, str] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 64
    batch: int = 16
    augment: bool = True
    workers: int = 0
    steps: int = 50_000
    codebook_size: int = 1024
    dim: int = 64
    network: str = "paper"
    network_options: dict[str, Any] = field(default_factory=dict)
    rate: float = 5e-4
    gamma: float = 0.995
    clip: float | None = 1.0
    precision: str = "32-true"
    validate_every: int = 5
    frames: int = 60
    pictures: int = 64
    save_minutes: float | None = 5.0
    save_steps: int | None = None
    logs: bool = True

    def config(self) -> dict[str, Any]:
        """The configuration, as a YAML file for ``python -m vqlab.vision.train`` holds it."""
        kept = ("codebook_size", "dim", "network", "network_options", "rate", "gamma", "clip")
        data = ("source", "path", "split", "split_files", "options", "batch", "size", "workers")
        change = {"class_path": f"{CALLBACKS}.augment.Augment"}
        looks = {
            "keeping.Latest": {"minutes": self.save_minutes, "steps": self.save_steps},
            "seen.Seen": {},
            "watching.Drift": {"every": max(10, self.steps // 200), "pictures": self.pictures},
            "record.Record": {"frames": self.frames, "pictures": self.pictures},
        }
        return {
            "trainer": {
                "max_steps": self.steps,
                "max_epochs": -1,
                "accelerator": accelerator(),
                "devices": 1,
                "precision": self.precision,
                "check_val_every_n_epoch": self.validate_every,
                "num_sanity_val_steps": 0,
                **({} if self.logs else {"logger": False}),
                "callbacks": [
                    {"class_path": f"{CALLBACKS}.{name}", "init_args": options}
                    for name, options in looks.items()
                ],
            },
            "model": {
                "class_path": f"{CALLBACKS}.module.Reconstructor",
                "init_args": {name: getattr(self, name) for name in kept},
            },
            "data": {
                **{name: getattr(self, name) for name in data},
                "augment": change if self.augment else None,
            },
        }


def accelerator(wanted: str = "auto") -> str:
    """What trains where Lightning may choose: a CUDA device, else no Apple GPU but the CPU.

    Random draws that depend on a seed alone, and the metrics, need float64, which Apple's GPUs
    do not have.

    Args:
        wanted: Lightning's word; all but "auto" is returned as it is.
    """
    apple = torch.backends.mps.is_available() and not torch.cuda.is_available()
    return "cpu" if wanted == "auto" and apple else wanted


def named(methods: Methods) -> dict[str, tuple[str, dict[str, Any]]]:
    """Label -> method of the table and its options.

    Raises:
        ValueError: no method, an unknown one, or a label that is no name of a folder.
    """
    given = methods if isinstance(methods, Mapping) else {name: name for name in methods}
    found = {k: (v, {}) if isinstance(v, str) else (v[0], dict(v[1])) for k, v in given.items()}
    if not found:
        raise ValueError("name at least one method")
    for label, (name, _) in found.items():
        method_line(name)
        if not label.strip() or any(c in label for c in "/\\\0") or label.startswith("."):
            raise ValueError(f"the label {label!r} cannot be the name of a folder")
    return found


def different(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Names of the settings that decide on the weights and are not the same."""
    asked = {
        "trainer": ("max_steps", "precision"),
        "data": sorted({*one["data"], *other["data"]} - {"workers"}),
    }
    pairs = [(f"{part}.{n}", one[part].get(n), other[part].get(n))
             for part, names in asked.items() for n in names]  # fmt: skip
    models = [config["model"]["init_args"] for config in (one, other)]
    pairs += [(f"model.{n}", *(m.get(n) for m in models)) for n in {**models[0], **models[1]}]
    return ", ".join(name for name, a, b in pairs if a != b)
