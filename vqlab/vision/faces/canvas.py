"""Shapes with soft edges, for a whole batch of pictures at once.

Only + - * / sqrt, min, max and rounding touch a pixel: each is exact by IEEE 754, so a pixel's bits
hang neither on its neighbours nor on where it stands in a vector register.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Plane = NDArray[Any]  # float32; NumPy's types take a product with a float for float64
Places = NDArray[np.intp]
EACH = slice(None)


@dataclass
class Canvas:
    """A batch of pictures and where each pixel lies.

    Distances are shares of the picture's width; v and y point down. A signed distance is positive
    inside a shape. Planes are (N, H, W), or broadcast to it; colours (3, N, 1, 1) or (3, N, H, W).
    """

    planes: Plane  # (5, N, H, W): red, green, blue, to be painted in place; then u and v
    sharp: Plane  # (N, 1, 1), pixels per unit of u and v
    pose: Plane  # (3, 2, N, 1, 1): the head's middle, its units of u and of v, down and across
    grid: Plane  # (side,), where the rows and columns of the whole picture lie, 0 to 1
    origin: Places  # (2, N), first row and column on the whole picture

    @property
    def image(self) -> Plane:
        """What is painted, (3, N, H, W)."""
        return self.planes[:-2]

    @property
    def u(self) -> Plane:
        """Across the head, turned and sized with it, (N, H, W); 0 is its middle."""
        return self.planes[-2]

    @property
    def v(self) -> Plane:
        """Along the head, (N, H, W)."""
        return self.planes[-1]

    @property
    def x(self) -> Plane:
        """Across the picture, (N, 1, W)."""
        return self.grid[self.origin[1, :, None] + np.arange(self.planes.shape[3])][:, None, :]

    @property
    def y(self) -> Plane:
        """Down the picture, (N, H, 1)."""
        return self.grid[self.origin[0, :, None] + np.arange(self.planes.shape[2])][:, :, None]

    def window(self, low: Plane, high: Plane) -> tuple[Places, Places]:
        """First rows and columns (2, N), and one height and width, of windows with all between.

        Args:
            low: their ends above and to the left, (2, N), in pixels of this canvas.
            high: those below and to the right.
        """
        extent = np.array(self.planes.shape[2:])
        first, last = (low - 1).astype(np.intp), (high + 2).astype(np.intp)
        size = np.minimum((last - first).max(1), extent)
        return np.minimum(np.maximum(first, 0), (extent - size)[:, None]), size

    @contextmanager
    def part(self, low: Plane, high: Plane, faces: Places | slice = EACH) -> Iterator[Canvas]:
        """A window of each picture, or of some, to paint on; laid back into them at the end.

        It is a copy, for NumPy is several times as fast on planes without gaps. Its size hangs on
        the batch. What is painted does not, as long as all of it lies between low and high: shares
        outside are exactly 0.

        Args:
            low: ends above and to the left, (2, N) or (2, 1), as shares of the whole picture.
            high: those below and to the right.
            faces: the pictures.
        """
        origin, side = self.origin[:, faces], len(self.grid)
        first, size = self.window(low * side - origin, high * side - origin)
        windows = _windows(self.planes, size)
        numbers = np.arange(len(self.sharp))[faces]
        here = (np.arange(len(windows))[:, None], numbers, *first)
        sharp, pose = self.sharp[faces], self.pose[:, :, faces]
        part = Canvas(windows[here], sharp, pose, self.grid, origin + first)
        yield part
        windows[:-2][(here[0][:-2], *here[1:])] = part.image

    def around(
        self, u: Plane | float, v: Plane | float, wide: Plane | float, high: Plane | float,
        faces: Places | slice = EACH,
    ) -> AbstractContextManager[Canvas]:  # fmt: skip
        """The smallest part that holds this one of each head: (u, v) with these half lengths."""
        middle, across, along = self.pose[:, :, faces]
        at = middle + across * u + along * v
        reach = np.abs(across) * wide + np.abs(along) * high
        return self.part((at - reach)[..., 0, 0], (at + reach)[..., 0, 0], faces)

    def take(self, faces: slice) -> Canvas:
        """Some of the pictures, as a view."""
        planes, pose = self.planes[:, faces], self.pose[:, :, faces]
        return Canvas(planes, self.sharp[faces], pose, self.grid, self.origin[:, faces])

    def cover(self, distance: Plane) -> Plane:
        """The share of each pixel inside a shape, from its signed distance."""
        share = distance * self.sharp
        share += np.float32(0.5)
        return clip(share, 0, 1, out=share)

    def line(self, distance: Plane, half_width: Plane | float) -> Plane:
        """The share of each pixel inside a stroke; thinner than a pixel, it grows faint."""
        away = np.abs(distance)
        share = self.cover(half_width - away)
        away += half_width
        away *= -self.sharp
        away += np.float32(0.5)
        share -= clip(away, 0, 1, out=away)
        return share

    def ellipse(
        self, u: Plane | float, v: Plane | float, wide: Plane | float, high: Plane | float
    ) -> Plane:
        """The share of each pixel inside an ellipse around (u, v) with these half axes."""
        return self.cover((1 - reach(self.u - u, self.v - v, wide, high)) * np.minimum(wide, high))

    def paint(self, share: Plane, colour: Plane) -> None:
        """Lays a colour over the pictures where share is 1, and mixes where it is less."""
        image = self.image
        step = colour - image
        step *= share
        image += step

    def add(self, plane: Plane) -> None:
        """Makes every channel brighter."""
        image = self.image
        image += plane

    def shade(self, share: Plane, strength: Plane | float, tint: Plane) -> None:
        """Darkens by up to `strength` in each channel of tint (3 or 1, 1, 1, 1)."""
        dark = share * (strength * tint)
        image = self.image
        image *= np.subtract(1, dark, out=dark)


def _windows(planes: Plane, size: Places) -> Plane:
    """Every window (H', W', height, width) of each plane, as a view."""
    (height, width), (rows, columns) = size.tolist(), planes.shape[2:]
    shape = (*planes.shape[:2], rows - height + 1, columns - width + 1, height, width)
    return as_strided(planes, shape, (*planes.strides, *planes.strides[2:]))


def clip(plane: Plane, low: Plane | float, high: Plane | float, out: Plane | None = None) -> Plane:
    """`np.clip` without its detours, which take as long as the pixels of a small part."""
    return plane.clip(low, high, out)


def reach(u: Plane, v: Plane, wide: Plane | float, high: Plane | float) -> Plane:
    """How far a point lies from an ellipse's centre, as a share of the way to its edge."""
    across, along = u / wide, v / high
    across *= across
    along *= along
    across += along
    return np.sqrt(across, out=across)


def bump(u: Plane, v: Plane, wide: Plane | float, high: Plane | float) -> Plane:
    """A soft hill (1 - r^2)^2 with half axes wide and high: 1 in the middle, 0 from the edge on."""
    across, along = u / wide, v / high
    across *= across
    along *= along
    hill = 1 - across - along
    clip(hill, 0, 1, out=hill)
    hill *= hill
    return hill


def relief(
    u: Plane, v: Plane, wide: Plane | float, high: Plane | float, light: tuple[Plane, Plane]
) -> Plane:
    """How much brighter a soft hill makes a surface, by its slope towards the light."""
    across, along = u / wide, v / high
    hill = 1 - across * across - along * along
    clip(hill, 0, 1, out=hill)
    across *= light[0]
    along *= light[1]
    across += along
    across *= hill
    return across


def wave(turns: Plane) -> Plane:
    """Between -1 and 1 with period 1: a sine drawn with two parabolas."""
    fold = np.rint(turns)
    part = turns - fold
    np.abs(part, out=fold)
    fold *= -16
    fold += 8
    fold *= part
    return fold


def mixed(first: Plane | np.float32, second: Plane | np.float32, share: Plane | float) -> Plane:
    """The mean of two, with this share of the second."""
    return np.asarray(first + (second - first) * share)
