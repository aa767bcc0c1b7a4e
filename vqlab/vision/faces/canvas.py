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
from numpy.typing import NDArray

Plane = NDArray[Any]  # float32; NumPy's types take a product with a float for float64
Rows = NDArray[np.intp] | slice
EACH = slice(None)


@dataclass
class Canvas:
    """A batch of pictures and where each pixel lies.

    Distances are shares of the picture's width; v and y point down. A signed distance is positive
    inside a shape. Planes are (N, H, W), or broadcast to it; colours (3, N, 1, 1) or (3, N, H, W).
    """

    image: Plane  # (3, N, H, W), painted in place
    u: Plane  # (N, H, W), across the head: 0 is its middle, turned and sized with it
    v: Plane  # (N, H, W), along the head
    x: Plane  # (1, 1, W), across the picture, 0 to 1
    y: Plane  # (1, H, 1), down the picture, 0 to 1
    sharp: Plane  # (N, 1, 1), pixels per unit of u and v
    pose: Plane  # (3, 2, N): the head's middle, its unit of u and its unit of v, down and across
    side: int  # rows and columns of the whole picture
    origin: tuple[int, int] = (0, 0)  # first row and column on the whole picture

    def window(self, top: float, bottom: float, left: float, right: float) -> tuple[slice, slice]:
        """The rows and columns between these shares of the whole picture's height and width."""
        rows, columns = (
            slice(max(int(low * self.side) - begin, 0), max(int(high * self.side) + 1 - begin, 0))
            for low, high, begin in zip((top, left), (bottom, right), self.origin, strict=True)
        )
        return rows, columns

    @contextmanager
    def part(
        self, top: float, bottom: float, left: float, right: float, faces: Rows = EACH
    ) -> Iterator[Canvas]:
        """A window of some of the pictures to paint on, laid back into them at the end.

        It is a copy, for NumPy is several times as fast on planes without gaps.
        """
        rows, columns = self.window(top, bottom, left, right)
        frame = self.image[:, :, rows, columns]
        part = Canvas(
            np.ascontiguousarray(frame[:, faces]),
            np.ascontiguousarray(self.u[:, rows, columns][faces]),
            np.ascontiguousarray(self.v[:, rows, columns][faces]),
            self.x[:, :, columns],
            self.y[:, rows],
            self.sharp[faces],
            self.pose[:, :, faces],
            self.side,
            (self.origin[0] + rows.start, self.origin[1] + columns.start),
        )
        yield part
        frame[:, faces] = part.image

    def around(
        self, u: Plane | float, v: Plane | float, wide: float, high: float, faces: Rows = EACH
    ) -> AbstractContextManager[Canvas]:
        """The smallest part that holds this one of each head: (u, v) with these half lengths.

        Its window hangs on the batch. What is painted does not, as long as all of it lies within
        the half lengths: shares outside are exactly 0.
        """
        middle, across, along = self.pose[:, :, faces]
        at = middle + across * np.ravel(u) + along * np.ravel(v)
        reach = np.abs(across) * wide + np.abs(along) * high
        (top, left), (bottom, right) = (at - reach).min(1).tolist(), (at + reach).max(1).tolist()
        edge = 1 / self.side
        return self.part(top - edge, bottom + edge, left - edge, right + edge, faces)

    def take(self, faces: slice) -> Canvas:
        """Some of the pictures, as a view."""
        image, pose = self.image[:, faces], self.pose[:, :, faces]
        u, v, sharp = self.u[faces], self.v[faces], self.sharp[faces]
        return Canvas(image, u, v, self.x, self.y, sharp, pose, self.side, self.origin)

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
