"""Pictures without a download, as tensors: what scikit-learn brings along, and faces drawn here.

Counts, checksums and licences stand in data/README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .faces import synthetic_faces


class Images(NamedTuple):
    """Pictures to train on and others to test on, each (N, C, H, W) float32 in [0, 1]."""

    train: Tensor
    test: Tensor


def digits(test_share: float = 0.2, seed: int = 0) -> Images:
    """Handwritten digits, 1,797 grey pictures of 8 x 8 pixels, split by pictures.

    Args:
        test_share: share of the pictures held out, in (0, 1).
        seed: of the split; pictures come in the order it draws.
    Returns:
        train (N, 1, 8, 8) and test; values are the sixteenths of the original's 0 to 16.
    Raises:
        ValueError: a share that leaves one of the parts empty.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (1998), its test part; licence CC BY 4.0. The set names no writers, so the same hand
    may be on both sides of the split.
    """
    return _split(_digits(), test_share, seed)


def photo_patches(size: int = 16, test_share: float = 0.2, seed: int = 0) -> Images:
    """Patches of a photograph of a temple and one of a flower, side by side, none overlapping.

    Each photograph has 427 x 640 pixels; rows and columns that fill no whole patch are left out.
    With 16 x 16 pixels there are 26 x 40 patches in each, 2,080 in all.

    Args:
        size: side of a patch in pixels, 1 to 427.
        test_share: share of the patches held out, in (0, 1). No pixel is on both sides, but both
            sides come from the same two photographs: the test is easier than a new photograph.
        seed: of the split; patches come in the order it draws.
    Returns:
        train (N, 3, size, size) and test.
    Raises:
        ValueError: a patch larger than the photographs, or a share that leaves a part empty.

    Source: scikit-learn's china.jpg (danielbuechele) and flower.jpg (vultilion), CC BY 2.0: whoever
    shows a patch names both.
    """
    if int(size) != size or not 1 <= size <= 427:
        raise ValueError(f"size must be a whole number of pixels from 1 to 427, got {size!r}")
    return _split(_patches(int(size)), test_share, seed)


def drawn_faces(
    count: int = 2000, resolution: int = 32, test_share: float = 0.2, seed: int = 0
) -> Images:
    """The first faces of `synthetic_faces`: portraits drawn by formula, no photographs.

    They stand in for CelebA-HQ where that is absent. They are far simpler, so no number measured
    on them is one of CelebA-HQ.

    Args:
        count: number of faces, 2 or more; 2,000 take about a second.
        resolution: height and width in pixels, 8 to 1024.
        test_share: share of the faces held out, in (0, 1).
        seed: of the split; faces come in the order it draws, and are the same for every seed.
    Returns:
        train (N, 3, resolution, resolution) and test; values are whole 255ths.
    Raises:
        ValueError: a resolution out of range, or a share that leaves a part empty.

    Source: ours.
    """
    faces = synthetic_faces(slice(0, count), resolution)
    return _split(faces.float() / 255, test_share, seed)


CHOICES: dict[str, Callable[[], Images]] = {
    "digits": digits,
    "photos": photo_patches,
    "faces": drawn_faces,
}


def images_of(images: str | Images) -> Images:
    """Pictures by name, or those given after a check.

    Raises:
        ValueError: an unknown name, or tensors that are not (N, C, H, W) of one kind in [0, 1].
    """
    if isinstance(images, str):
        if images not in CHOICES:
            raise ValueError(f"unknown images {images!r}; choose one of {', '.join(CHOICES)}")
        return CHOICES[images]()
    for part, stack in zip(("train", "test"), images, strict=True):
        if stack.ndim != 4 or not len(stack) or stack.shape[1:] != images[0].shape[1:]:
            raise ValueError(
                f"{part} pictures must be (N, C, H, W), alike in both parts and not none, "
                f"got {tuple(stack.shape)}"
            )
        if not bool(((stack >= 0) & (stack <= 1)).all()):
            raise ValueError(f"{part} pictures must lie in [0, 1], without NaN")
    return Images(*images)


@cache
def _digits() -> Tensor:
    from sklearn.datasets import load_digits

    return torch.from_numpy((load_digits().images / 16).astype(np.float32))[:, None]


@cache
def _patches(size: int) -> Tensor:
    from sklearn.datasets import load_sample_image

    parts = []
    for name in ("china.jpg", "flower.jpg"):
        photo = np.asarray(load_sample_image(name), dtype=np.float32) / 255
        rows, columns = (length // size for length in photo.shape[:2])
        whole = photo[: rows * size, : columns * size]
        tiles = whole.reshape(rows, size, columns, size, 3).transpose(0, 2, 4, 1, 3)
        parts.append(tiles.reshape(-1, 3, size, size))
    return torch.from_numpy(np.concatenate(parts))


def halves(count: int, test_share: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the pictures to train on, and of those held out, in the order the seed draws.

    Raises:
        ValueError: a share that leaves one of the parts empty.
    """
    held_out = round(count * test_share)
    if not 0 < held_out < count:
        raise ValueError(
            f"test_share must leave pictures on both sides, got {test_share} of {count}"
        )
    order = np.random.default_rng(seed).permutation(count)
    return order[held_out:], order[:held_out]


def _split(stack: Tensor, test_share: float, seed: int) -> Images:
    train, test = halves(len(stack), test_share, seed)
    return Images(stack[torch.from_numpy(train)], stack[torch.from_numpy(test)])
