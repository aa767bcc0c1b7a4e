"""The weights of a comparison after their last step, measured over a whole part of the pictures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from .comparison import Comparison, quiet
from .extra import LIGHTNING
from .journal import write_whole
from .metrics import INCEPTION
from .perceptual import URLS
from .watching import AgainstKMeans

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error

Part = Literal["val", "test"]
COLUMNS = ("psnr", "ssim", "ms-ssim", "lpips", "rfid", "utilization", "perplexity", "distortion",
           "excess-distortion")  # fmt: skip


def within_reach() -> tuple[dict[str, bool], str]:
    """Which of LPIPS and rFID can be measured without a download, and a sentence about the rest.

    Returns:
        {"lpips": ..., "rfid": ...}, as :func:`evaluate` takes them; the sentence is empty where
        both can.
    """
    kept = Path(torch.hub.get_dir()) / "checkpoints"
    alex = URLS["alex"].rsplit("/", 1)[-1]
    lacks = {
        "lpips": [] if (kept / alex).is_file() else [alex],
        "rfid": [
            *([] if importlib.util.find_spec("torch_fidelity") else ["the package torch-fidelity"]),
            *([] if (kept / INCEPTION).is_file() else [INCEPTION]),
        ],
    }
    parts = [f"{ {'lpips': 'LPIPS', 'rfid': 'rFID'}[k]} ({' and '.join(v)})"
             for k, v in lacks.items() if v]  # fmt: skip
    sentence = f"Not measured, for want of files in torch's cache: {', '.join(parts)}."
    return {name: not missing for name, missing in lacks.items()}, sentence if parts else ""


def evaluate(
    comparison: Comparison,
    part: Part = "val",
    lpips: bool | str = False,
    rfid: bool | str = False,
    samples: int = 8192,
) -> pd.DataFrame:
    """A row for every case: likeness of the pictures, use of the codes, distortion.

    Every number is over the whole part. Likeness is as :func:`vqlab.vision.metrics.likeness` has
    it; a number that the size of the pictures does not allow is left out. What was measured of the
    same weights before is read from the case's folder.

    Args:
        comparison: with every case trained to its last step.
        part: "val", the only one of which distortion is set beside k-means, or "test".
        lpips, rfid: True measures them (and fetches weights that are not there), or the path of
            the weights.
        samples: latents given to k-means, at least K.
    Returns:
        columns method, seed, part, split, resolution, pictures (N of the part), steps, and those of
        ``COLUMNS`` that were measured.
    Raises:
        ValueError: an unknown part, or a case that is not trained to its end.
        FileNotFoundError, ImportError: weights or packages that are missing and not to be had.
    """
    if part not in ("val", "test"):
        raise ValueError(f"part must be 'val' or 'test', got {part!r}")
    setting, rows = comparison.setting, []
    for label, seed in comparison.cases:
        if comparison.done(label, seed) < setting.steps:
            raise ValueError(f"{label}, seed {seed}, has {comparison.done(label, seed):,} of "
                             f"{setting.steps:,} steps: run() trains the rest")  # fmt: skip
        asked = {"steps": setting.steps, "samples": samples, "lpips": bool(lpips),
                 "rfid": bool(rfid)}  # fmt: skip
        kept = comparison.place(label, seed) / f"measured-{part}.json"
        found = json.loads(kept.read_text()) if kept.is_file() else {}
        if found.get("asked") != asked:
            numbers = _measured(comparison, label, seed, part, lpips, rfid, samples)
            found = {"asked": asked, **numbers}
            write_whole(kept, json.dumps(found))
        split = setting.split if setting.path else f"of {setting.source}, ours"
        about = {"method": label, "seed": seed, "part": part, "split": split,
                 "resolution": setting.size, "pictures": found["pictures"],
                 "steps": setting.steps}  # fmt: skip
        rows.append({**about, **{k: v for k, v in found["numbers"].items() if k in COLUMNS}})
    table = pd.DataFrame(rows)
    return table[[c for c in table if c not in COLUMNS] + [c for c in COLUMNS if c in table]]


def caption(table: pd.DataFrame) -> str:
    """What has to stand beside numbers of :func:`evaluate`: N, part, split, size, steps, seeds."""
    row, seeds = table.iloc[0], sorted(set(table["seed"]))
    return (f"{row['part']}: N = {row['pictures']:,} pictures of {row['resolution']} pixels, split "
            f"{row['split']}; {row['steps']:,} steps; seeds {', '.join(map(str, seeds))}; mean and "
            "standard deviation of the seeds")  # fmt: skip


def mean_and_spread(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each method: mean ± standard deviation over the seeds, in words."""
    numbers = table.groupby("method", sort=False)[[c for c in COLUMNS if c in table]]
    mean, spread = numbers.mean(), numbers.std()
    words = mean.map("{:.4g}".format)
    return words + (" ± " + spread.map("{:.3g}".format)).where(spread.notna(), "")


def _measured(
    comparison: Comparison, label: str, seed: int, part: Part, lpips: Any, rfid: Any, samples: int
) -> dict[str, Any]:
    data = comparison.pictures(seed)
    module = comparison.module(label, seed, data, lpips=lpips, rfid=rfid)
    looks: list[L.Callback] = [AgainstKMeans(samples)] if part == "val" else []
    with quiet():
        trainer = comparison.trainer(
            comparison.place(label, seed), looks, logger=False, devices=1,
            enable_progress_bar=False, precision=comparison.setting.precision,
        )  # fmt: skip
        look = trainer.validate if part == "val" else trainer.test
        path = comparison.checkpoint(label, seed)
        (numbers,) = look(module, datamodule=data, ckpt_path=path, verbose=False)
    count = len(data.parts.val if part == "val" else data.parts.test)
    return {"pictures": count,
            "numbers": {k.split("/", 1)[1]: float(v) for k, v in numbers.items()}}  # fmt: skip
