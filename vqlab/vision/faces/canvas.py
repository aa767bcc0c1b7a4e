"""Shapes with soft edges, for a whole batch of pictures at once.

Only + - * / sqrt, min, max and rounding touch a pixel: each is exact by IEEE 754, so a pixel's bits
hang neither on its neighbours nor on where it stands in a vector register.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # float32; NumPy's types take a product with a float for float64
Rows = NDArray[np.intp] | slice


@dataclass
class Canvas:
    """A batch of pictures and where each pixel lies.

    Distances are shares of the picture's width; v and y point down. A signed distance is positive
    inside a shape. Planes are (N, H, W), or broadcast to it; colours (N, 3, 1, 1) or (N, 3, H, W).
    """

    image: Plane  # (N, 3, H, W), painted in place
    u: Plane  # (N, H, W), across the head: 0 is its middle, turned and sized with it
    v: Plane  # (N, H, W), along the head
    x: Plane  # (1, 1, W), across the picture, 0 to 1
    y: Plane  # (1, H, 1), down the picture, 0 to 1
    sharp: Plane  # (N, 1, 1), pixels per unit of u and v
    pose: tuple[Plane, ...]  # the head's middle across and down, its size, cosine and sine
    side: int  # rows and columns of the whole picture
    origin: tuple[int, int] = (0, 0)  # first row and column on the whole picture

    def window(self, top: float, bottom: float, left: float, right: float) -> Canvas:
        """The part of the whole pictures between these shares of height and width, as a view."""
        rows, columns = (
            slice(max(int(low * self.side) - begin, 0), max(int(high * self.side) + 1 - begin, 0))
            for low, high, begin in zip((top, left), (bottom, right), self.origin, strict=True)
        )
        return Canvas(
            self.image[:, :, rows, columns],
            self.u[:, rows, columns],
            self.v[:, rows, columns],
            self.x[:, :, columns],
            self.y[:, rows],
            self.sharp,
            self.pose,
            self.side,
            (self.origin[0] + rows.start, self.origin[1] + columns.start),
        )

    def around(self, u: Plane | float, v: Plane | float, wide: float, high: float) -> Canvas:
        """The smallest window that holds a part of each head, (u, v) with these half lengths.

        Which window it is hangs on the batch. What is painted does not, as long as all of it lies
        within the half lengths: shares outside are exactly 0.
        """
        middle_x, middle_y, size, cosine, sine = self.pose
        x, y = u * cosine - v * sine, u * sine + v * cosine
        lean = np.abs(sine)
        across, down = wide * cosine + high * lean, wide * lean + high * cosine
        edge = 1 / self.side
        return self.window(
            float((middle_y + size * (y - down)).min()) - edge,
            float((middle_y + size * (y + down)).max()) + edge,
            float((middle_x + size * (x - across)).min()) - edge,
            float((middle_x + size * (x + across)).max()) + edge,
        )

    def cut(self, plane: Plane, part: Canvas) -> Plane:
        """A plane of this canvas, seen through a window of the same whole pictures."""
        top, left = part.origin[0] - self.origin[0], part.origin[1] - self.origin[1]
        height, width = part.image.shape[2:]
        return plane[..., top : top + height, left : left + width]

    def take(self, rows: Rows) -> Canvas:
        """Some of the pictures: a view for a slice, else a copy to put back into `image[rows]`."""
        image, u, v, sharp = (part[rows] for part in (self.image, self.u, self.v, self.sharp))
        pose = tuple(part[rows] for part in self.pose)
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
        for channel in range(3):  # plane by plane: three of them stay in the cache
            step = colour[:, channel] - self.image[:, channel]
            step *= share
            self.image[:, channel] += step

    def shade(self, share: Plane, strength: Plane | float, tint: Plane) -> None:
        """Darkens by up to `strength` in each channel of tint (N or 1, 3, 1, 1)."""
        for channel in range(3):
            self.image[:, channel] *= 1 - share * (strength * tint[:, channel])


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
