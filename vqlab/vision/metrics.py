"""Numbers for a whole set of pictures: likeness, use of the codes, distance of distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..measure.usage import usage
from .extra import LIGHTNING
from .perceptual import Net, Perceptual

try:
    from torchmetrics import Metric
    from torchmetrics.image import (
        MultiScaleStructuralSimilarityIndexMeasure,
        PeakSignalNoiseRatio,
        StructuralSimilarityIndexMeasure,
    )
except ImportError as error:
    raise ImportError(LIGHTNING) from error

INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # as torch-fidelity names it
# Which way is better, by the last part of a logged name.
DIRECTIONS: dict[str, Literal["min", "max"]] = {
    "psnr": "max",
    "ssim": "max",
    "ms-ssim": "max",
    "utilization": "max",
    "perplexity": "max",
    "mse": "min",
    "loss": "min",
    "lpips": "min",
    "rfid": "min",
    "commitment": "min",
    "distortion": "min",
    "excess-distortion": "min",
}


def direction(name: str) -> Literal["min", "max"]:
    """Whether a logged number is better "min" or "max", by its name such as ``val/psnr``.

    Raises:
        ValueError: a number of which that is not known.
    """
    short = name.rsplit("/", 1)[-1]
    if short not in DIRECTIONS:
        raise ValueError(
            f"which way {name!r} is better is not known; choose one of {', '.join(DIRECTIONS)}"
        )
    return DIRECTIONS[short]


def likeness(side: int) -> dict[str, Metric]:
    """PSNR, SSIM and MS-SSIM of pictures in [0, 1], each for the whole set at once.

    PSNR is that of the mean squared error over all pictures. SSIM has a Gaussian window of 11
    pixels; MS-SSIM three scales with weights 0.4, 0.4, 0.2, as the NS-VQ paper's released code (its
    window of 3 pixels is not torchmetrics' Gaussian one). A metric is left out where pictures are
    smaller than its windows: SSIM below 11 pixels, MS-SSIM below 44.

    Args:
        side: of the pictures in pixels, the shorter.
    """
    found: dict[str, Metric] = {"psnr": PeakSignalNoiseRatio(data_range=1.0)}
    if side >= 11:
        found["ssim"] = StructuralSimilarityIndexMeasure(data_range=1.0)
    if side >= 44:
        found["ms-ssim"] = MultiScaleStructuralSimilarityIndexMeasure(
            data_range=1.0, betas=(0.4, 0.4, 0.2)
        )
    return found


class CodeUse(Metric):
    """How often each code was chosen over a whole set, on all processes together.

    Args:
        codebook_size: K.
    """

    counts: Tensor
    full_state_update = False
    higher_is_better = True

    def __init__(self, codebook_size: int) -> None:
        super().__init__()
        start = torch.zeros(codebook_size, dtype=torch.int64)
        self.add_state("counts", start, dist_reduce_fx="sum")

    def update(self, indices: Tensor) -> None:
        """Counts indices of any shape; -1 is padding."""
        flat = indices.reshape(-1)
        self.counts += torch.bincount(flat[flat >= 0], minlength=len(self.counts))

    def compute(self) -> dict[str, Tensor]:
        """Utilization (share of the codes chosen at least once) and perplexity of the counts."""
        found = usage(self.counts)
        return {
            "utilization": torch.tensor(found.utilization),
            "perplexity": torch.tensor(found.perplexity),
        }


class MeanLPIPS(Metric):
    """LPIPS averaged over a set of pictures in [0, 1]; smaller is better.

    Args:
        net: the usual metric is "alex". weights: its file; None downloads it.

    Raises:
        FileNotFoundError: no weights; the sentence says from where.
    """

    total: Tensor
    count: Tensor
    full_state_update = False
    higher_is_better = False

    def __init__(self, net: Net = "alex", weights: str | Path | None = None) -> None:
        super().__init__()
        self.network = Perceptual(net, weights)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, pictures: Tensor, targets: Tensor) -> None:
        """Takes (B, C, H, W) of both."""
        with torch.no_grad():
            self.total += self.network.each(pictures.float(), targets.float()).double().sum()
        self.count += len(pictures)

    def compute(self) -> Tensor:
        """The mean."""
        return (self.total / self.count).float()


def frechet(weights: str | Path | None = None, extractor: nn.Module | None = None) -> Metric:
    """rFID: the Frechet distance of Inception features of drawn pictures from those of the targets.

    Statistics of both sides are those of the pictures given since the last reset, never of an
    earlier set (``reset_real_features``); pictures are floats in [0, 1]. The value grows as
    pictures get fewer: give their number, and compare at equal numbers only.

    Args:
        weights: file of Inception's weights as torch-fidelity names them; None downloads it.
        extractor: another network (B, C, H, W) to (B, F) with ``num_features`` = F, in place of
            Inception.

    Raises:
        ImportError: torch-fidelity is missing. FileNotFoundError: the weights are; the sentence
            says what to do.
    """
    # torchmetrics offers it by this longer name where torch-fidelity is missing, too.
    from torchmetrics.image.fid import FrechetInceptionDistance

    options: dict[str, Any] = {"reset_real_features": True, "normalize": True}
    if extractor is not None:
        return FrechetInceptionDistance(feature=extractor, **options)
    path = None if weights is None else str(weights)
    try:
        return FrechetInceptionDistance(
            feature=2048, feature_extractor_weights_path=path, **options
        )
    except ImportError as error:  # torchmetrics raises a ModuleNotFoundError of its own
        raise ImportError(
            "rFID needs Inception from torch-fidelity (which needs torchvision): "
            "pip install torch-fidelity"
        ) from error
    except OSError as error:
        raise FileNotFoundError(
            f"rFID needs Inception's weights, which are not at {path or 'torch hub'} and could not "
            f"be fetched: download {INCEPTION} from the releases of toshas/torch-fidelity and give "
            "its path as weights="
        ) from error
