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


@dataclass
class Canvas:
    """A batch of pictures and where each pixel lies.

    Distances are shares of the picture's width; v and y point down. A signed distance is positive
    inside a shape. Planes are (N, H, W), or broadcast to it; colours (3, N, 1, 1) or (3, N, H, W).
    """

    image: Plane  # (3, N, H, W), painted in place
    uv: Plane  # (2, N, H, W), across and along the head, turned and sized with it; 0 is its middle
    sharp: Plane  # (N, 1, 1), pixels per unit of u and v
    pose: Plane  # (3, 2, N): the head's middle, its unit of u and its unit of v, down and across
    grid: Plane  # (side,), where the rows and columns of the whole picture lie, 0 to 1
    origin: Places  # (2, N), first row and column on the whole picture

    @property
    def u(self) -> Plane:
        """Across the head."""
        return self.uv[0]

    @property
    def v(self) -> Plane:
        """Along the head."""
        return self.uv[1]

    @property
    def x(self) -> Plane:
        """Across the picture, (N, 1, W)."""
        return self.grid[self.origin[1, :, None] + np.arange(self.image.shape[3])][:, None, :]

    @property
    def y(self) -> Plane:
        """Down the picture, (N, H, 1)."""
        return self.grid[self.origin[0, :, None] + np.arange(self.image.shape[2])][:, :, None]

    def window(self, low: Plane, high: Plane, faces: Places) -> tuple[Places, Places]:
        """First row and column (2, N), and height and width, of windows with all between these.

        Args:
            low: their ends above and to the left, (2, N) or (2, 1), as shares of the whole picture.
            high: those below and to the right.
            faces: the pictures.
        """
        side, extent = len(self.grid), np.array(self.image.shape[2:])
        first = np.floor(low * side - 1).astype(np.intp) - self.origin[:, faces]
        last = np.ceil(high * side + 1).astype(np.intp) - self.origin[:, faces]
        size = np.minimum((last - first).max(1), extent)
        return np.minimum(np.maximum(first, 0), (extent - size)[:, None]), size

    @contextmanager
    def part(self, low: Plane, high: Plane, faces: Places | None = None) -> Iterator[Canvas]:
        """A window of each picture, or of some, to paint on; laid back into them at the end.

        It is a copy, for NumPy is several times as fast on planes without gaps. Its size hangs on
        the batch. What is painted does not, as long as all of it lies between low and high
        (`window`): shares outside are exactly 0.
        """
        if faces is None:
            faces = np.arange(len(self.sharp))
        first, size = self.window(low, high, faces)
        frames = _windows(self.image, size)
        here = (np.arange(len(frames))[:, None], faces, *first)
        part = Canvas(
            frames[here],
            _windows(self.uv, size)[np.arange(2)[:, None], faces, *first],
            self.sharp[faces],
            self.pose[:, :, faces],
            self.grid,
            self.origin[:, faces] + first,
        )
        yield part
        frames[here] = part.image

    def around(
        self, u: Plane | float, v: Plane | float, wide: float, high: float,
        faces: Places | None = None,
    ) -> AbstractContextManager[Canvas]:  # fmt: skip
        """The smallest part that holds this one of each head: (u, v) with these half lengths."""
        middle, across, along = self.pose if faces is None else self.pose[:, :, faces]
        at = middle + across * np.ravel(u) + along * np.ravel(v)
        reach = np.abs(across) * wide + np.abs(along) * high
        return self.part(at - reach, at + reach, faces)

    def take(self, faces: slice) -> Canvas:
        """Some of the pictures, as a view."""
        image, uv, origin = self.image[:, faces], self.uv[:, faces], self.origin[:, faces]
        return Canvas(image, uv, self.sharp[faces], self.pose[:, :, faces], self.grid, origin)

    def cover(self, distance: Plane) -> Plane:
        """The share of each pixel inside a shape, from its signed distance."""
        share = distance * self.sharp
        share += np.float32(0.5)
        return np.clip(share, 0, 1, out=share)

    def line(self, distance: Plane, half_width: Plane | float) -> Plane:
        """The share of each pixel inside a stroke; thinner than a pixel, it grows faint."""
        away = np.abs(distance)
        share = self.cover(half_width - away)
        away += half_width
        away *= -self.sharp
        away += np.float32(0.5)
        share -= np.clip(away, 0, 1, out=away)
        return share

    def ellipse(
        self, u: Plane | float, v: Plane | float, wide: Plane | float, high: Plane | float
    ) -> Plane:
        """The share of each pixel inside an ellipse around (u, v) with these half axes."""
        return self.cover((1 - reach(self.u - u, self.v - v, wide, high)) * np.minimum(wide, high))

    def paint(self, share: Plane, colour: Plane) -> None:
        """Lays a colour over the pictures where share is 1, and mixes where it is less."""
        step = colour - self.image
        step *= share
        self.image += step

    def shade(self, share: Plane, strength: Plane | float, tint: Plane) -> None:
        """Darkens by up to `strength` in each channel of tint (3 or 1, 1, 1, 1)."""
        dark = share * (strength * tint)
        self.image *= np.subtract(1, dark, out=dark)


def _windows(planes: Plane, size: Places) -> Plane:
    """Every window (H', W', height, width) of each plane, as a view."""
    (height, width), (rows, columns) = size.tolist(), planes.shape[2:]
    shape = (*planes.shape[:2], rows - height + 1, columns - width + 1, height, width)
    return as_strided(planes, shape, (*planes.strides, *planes.strides[2:]))


def reach(u: Plane, v: Plane, wide: Plane | float, high: Plane | float) -> Plane:
    """How far a point lies from an ellipse's centre, as a share of the way to its edge."""
    across, along = u / wide, v / high
    across *= across
    along *= along
    return np.sqrt(across + along)


def bump(u: Plane, v: Plane, wide: Plane | float, high: Plane | float) -> Plane:
    """A soft hill (1 - r^2)^2 with half axes wide and high: 1 in the middle, 0 from the edge on."""
    across, along = u / wide, v / high
    across *= across
    along *= along
    hill = 1 - across - along
    np.clip(hill, 0, 1, out=hill)
    hill *= hill
    return hill


def relief(
    u: Plane, v: Plane, wide: Plane | float, high: Plane | float, light: tuple[Plane, Plane]
) -> Plane:
    """How much brighter a soft hill makes a surface, by its slope towards the light."""
    across, along = u / wide, v / high
    hill = 1 - across * across - along * along
    np.clip(hill, 0, 1, out=hill)
    across *= light[0]
    along *= light[1]
    across += along
    across *= hill
    return across


def wave(turns: Plane) -> Plane:
    """Between -1 and 1 with period 1: a sine drawn with two parabolas."""
    part = turns - np.rint(turns)
    fold = np.abs(part)
    fold *= -16
    fold += 8
    fold *= part
    return fold


def mixed(first: Plane | np.float32, second: Plane | np.float32, share: Plane | float) -> Plane:
    """The mean of two, with this share of the second."""
    return np.asarray(first + (second - first) * share)
