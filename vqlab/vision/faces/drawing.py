"""The pictures: sitters in, tensors out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import beards, eyes, hair, head, mouth, scene, worn
from .attributes import Index, numbers
from .canvas import Canvas, Plane, clip
from .sitters import Sitters, sitters

FINE = 64  # smaller pictures are means over blocks of one at least so large
PIXELS = 128 * FINE * FINE  # drawn at once
CACHED = 32 * FINE * FINE  # of them, some planes of which fit a processor's cache
BUFFER = 1024  # numbers; NumPy copies a measure that often for planes smaller than its buffer


def synthetic_faces(index: Index, resolution: int = 64, seed: int = 0) -> Tensor:
    """Portraits drawn by formula, as many as wanted: the free stand-in for a set of photographs.

    No photograph and no trained model is behind them: shapes with soft edges, shaded by Lambert's
    law on an ellipsoid. They vary in pose, light, skin, hair, age, mood, glasses, beard, hat,
    clothes and background (`attributes`), are far simpler than CelebA-HQ's photographs, and no
    number measured on them is one of CelebA-HQ. Picture i has the same bits in every batch;
    another resolution shows the same person.

    Args:
        index: the number of a face, a slice with an end, or a row of numbers, from 0.
        resolution: height and width in pixels, 8 to 1024.
        seed: of the whole endless set, 0 to 2**32 - 1.
    Returns:
        (N, 3, resolution, resolution) uint8, red, green and blue; one number gives N = 1.
    Raises:
        TypeError: an index or a resolution that is not whole.
        ValueError: a negative index, a slice without an end, or a resolution out of range.

    Source: ours.
    """
    row = numbers(index)
    if isinstance(resolution, bool) or not isinstance(resolution, int | np.integer):
        raise TypeError(f"resolution must be a whole number of pixels, got {resolution!r}")
    if not 8 <= resolution <= 1024:
        raise ValueError(f"resolution must be 8 to 1024 pixels, got {resolution}")
    block = -(-FINE // int(resolution))
    side = int(resolution) * block
    pictures = np.empty((len(row), 3, resolution, resolution), np.uint8)
    everyone = sitters(row, seed)
    # Alike ones together: what a batch has none of is not drawn, and its windows are small.
    size, texture = everyone.size[:, 0, 0], everyone.table["texture"]
    order = np.lexsort((size, texture, hair.ends(everyone)[:, 0, 0] > 0.1))
    count = min(len(row), max(1, PIXELS // side**2))
    planes = np.empty((5, count, side, side), np.float32)  # for one batch after another
    before = np.setbufsize(BUFFER)
    try:
        for begin in range(0, len(row), count or 1):
            rows = order[begin : begin + count]
            pictures[rows] = _drawn(everyone.take(rows), planes[:, : len(rows)], block)
    finally:
        np.setbufsize(before)
    return torch.from_numpy(pictures)


def _drawn(who: Sitters, planes: Plane, block: int) -> NDArray[np.uint8]:
    canvas = _empty(who, planes)
    # What fills a picture is drawn on few at once, for the cache; small parts on many.
    few = max(1, CACHED // planes.shape[-1] ** 2)
    pieces = [
        (canvas.take(faces), who.take(faces))
        for faces in (slice(begin, begin + few) for begin in range(0, len(who.size), few))
    ]
    for piece in pieces:
        scene.background(*piece)
    scene.lamps(canvas, who)
    manes = []
    for piece in pieces:
        manes.append(hair.behind(*piece))
        scene.body(*piece)
    hair.bun(canvas, who)
    head.ears(canvas, who)
    worn.earrings(canvas, who)
    for piece in pieces:
        head.skin(*piece)
    head.cheeks(canvas, who)
    head.lines(canvas, who)
    head.nose(canvas, who)
    beards.beard(canvas, who)
    mouth.mouth(canvas, who)
    eyes.eyes(canvas, who)
    eyes.brows(canvas, who)
    worn.glasses(canvas, who)
    for piece, mane in zip(pieces, manes, strict=True):
        hair.before(*piece, *mane)
    worn.hats(canvas, who)
    return np.concatenate([_levels(part.image, some.tint, block) for part, some in pieces])


def _empty(who: Sitters, planes: Plane) -> Canvas:
    count, side = planes.shape[1:3]
    grid = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
    cosine = 1 / np.sqrt(1 + who.lean * who.lean)
    sine = who.lean * cosine
    across, down = grid - who.at[0], grid[:, None] - who.at[1]
    np.add(across * cosine, down * sine, out=planes[3])
    np.subtract(down * cosine, across * sine, out=planes[4])
    planes[3:] /= who.size
    at, axes = (who.at[1], who.at[0]), (who.size * sine, who.size * cosine)
    pose = np.array([at, axes, (axes[1], -axes[0])])
    return Canvas(planes, who.size * np.float32(side), pose, grid, np.zeros((2, count), np.intp))


def _levels(image: Plane, tint: Plane, block: int) -> NDArray[np.uint8]:
    """The light's colour over all, and 256 levels; (N, 3, H, W)."""
    image *= tint
    if block > 1:
        image = _pooled(image, block)
    image *= 255
    image += 0.5
    return clip(image, 0, 255, out=image).astype(np.uint8).swapaxes(0, 1)


def _pooled(image: Plane, block: int) -> Plane:
    """Means over blocks, added up in a fixed order."""
    rows = image[:, :, ::block].copy()
    for k in range(1, block):
        rows += image[:, :, k::block]
    total: Plane = rows[..., ::block].copy()
    for k in range(1, block):
        total += rows[..., k::block]
    total /= block * block
    return total
