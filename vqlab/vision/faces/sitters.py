"""From attributes to measures: the colours, sizes and pose that a batch of faces is drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .attributes import attributes, uniform
from .canvas import Places, Plane, clip

SKIN = {
    "pale": (0.97, 0.85, 0.79),
    "fair": (0.94, 0.77, 0.66),
    "olive": (0.83, 0.68, 0.50),
    "tanned": (0.77, 0.55, 0.39),
    "brown": (0.57, 0.38, 0.265),
    "dark": (0.37, 0.24, 0.175),
}
HAIR = {
    "black": (0.085, 0.075, 0.075),
    "brown": (0.31, 0.19, 0.115),
    "red": (0.62, 0.235, 0.09),
    "blond": (0.87, 0.69, 0.38),
    "grey": (0.55, 0.545, 0.54),
    "white": (0.91, 0.90, 0.88),
}
EYES = {
    "brown": (0.30, 0.17, 0.08),
    "blue": (0.22, 0.46, 0.76),
    "green": (0.28, 0.52, 0.27),
    "grey": (0.50, 0.54, 0.57),
}
GROUND = {
    "blue": (0.30, 0.48, 0.76),
    "green": (0.33, 0.58, 0.36),
    "grey": (0.56, 0.56, 0.57),
    "pink": (0.90, 0.56, 0.66),
    "orange": (0.92, 0.58, 0.26),
    "yellow": (0.91, 0.80, 0.36),
    "purple": (0.53, 0.38, 0.68),
    "turquoise": (0.25, 0.66, 0.66),
}
CLOTH = {
    "red": (0.72, 0.15, 0.16),
    "blue": (0.16, 0.28, 0.60),
    "green": (0.16, 0.44, 0.27),
    "black": (0.10, 0.10, 0.115),
    "white": (0.92, 0.91, 0.89),
    "purple": (0.44, 0.20, 0.50),
    "yellow": (0.90, 0.72, 0.16),
}
LIGHT = {"warm": (1.05, 1.0, 0.90), "neutral": (1.0, 1.0, 1.0), "cool": (0.95, 0.995, 1.04)}


@dataclass
class Sitters:
    """The measures of a batch: (N, 1, 1) each, colours (3, N, 1, 1), lengths in picture widths."""

    table: NDArray[np.void]  # (N,) records: the level of every attribute
    skin: Plane
    hair: Plane
    iris: Plane
    ground: Plane
    cloth: Plane
    hat: Plane
    tint: Plane  # of the light
    light: tuple[Plane, Plane, Plane]  # the direction it comes from: right, down, to the viewer
    at: tuple[Plane, Plane]  # the head's middle in the picture
    size: Plane
    lean: Plane  # tangent of the head's tilt
    turn: Plane  # sine of the head's turn; right is positive
    nod: Plane
    wide: Plane  # half the head's width
    high: Plane  # half its height
    jaw: Plane  # how much it narrows towards the chin
    corner: Plane  # how square it is
    vary: NDArray[np.void]  # records: draws in [0, 1) for what no attribute names

    def level(self, name: str, *levels: str) -> Plane:
        """1 for the faces with one of these levels of an attribute, 0 for the others."""
        column = self.table[name]
        found = column == levels[0]
        for level in levels[1:]:
            found |= column == level
        return found.astype(np.float32)[:, None, None]

    def by(self, name: str, sizes: dict[str, float], other: float = 0.0) -> Plane:
        """A measure per level of an attribute; `other` for those not listed."""
        measure = np.full(len(self.table[name]), other, np.float32)
        for level, size in sizes.items():
            measure[self.table[name] == level] = size
        return measure[:, None, None]

    def take(self, rows: Places | slice) -> Sitters:
        """Some of the faces."""

        some: dict[str, Any] = {
            name: tuple(part[rows] for part in value)
            if isinstance(value, tuple)
            else value[..., rows, :, :]
            for name, value in vars(self).items()
            if name != "table"
        }
        return Sitters(self.table[rows], **some)

    def spot(self, u: float | Plane, v: float | Plane, raised: float = 0.0) -> tuple[Plane, ...]:
        """Where a point of the face is seen once the head is turned, and how narrow it grows.

        Args:
            u: to the right, as on a face seen from the front.
            v: down.
            raised: above the head's surface, such as the tip of a nose.
        Returns:
            u, v, and the factor by which widths around that point shrink or grow.
        """
        bow = u / self.wide
        depth = self.wide * np.sqrt(np.maximum(1 - bow * bow, 0.2)) * 0.85
        straight = np.sqrt(1 - self.turn * self.turn)
        narrow = clip(straight - u / depth * self.turn, 0.6, 1.2)
        return u * straight + (depth + raised) * self.turn, v + self.nod, narrow


VARY = (
    "brow", "gaze", "eye size", "eye gap", "part", "hair", "strand", "mouth", "frame",
    "neck", "slope", "stripes", "spot 0", "spot 1", "spot 2", "spot 3", "spot 4", "spot 5",
)  # fmt: skip


def sitters(row: NDArray[np.uint64], seed: int) -> Sitters:
    """The measures of the faces with these numbers."""
    table = _records(attributes(row.astype(np.int64), seed))

    def draw(name: str, low: float = 0.0, high: float = 1.0) -> Plane:
        value = low + (high - low) * uniform(row, ["measure " + name], seed)[0]
        return value.astype(np.float32)[:, None, None]

    def signed(name: str, low: float, high: float, middle: float) -> Plane:
        size, small = draw(name, low, high), draw(name, -middle, middle)
        side = table[name][:, None, None]
        return np.where(side == "left", -size, np.where(side == "right", size, small))

    def colour(levels: Mapping[str, tuple[float, ...]], name: str, spread: float) -> Plane:
        picked = np.zeros((len(row), 3), np.float32)
        for level, value in levels.items():
            picked[table[name] == level] = value
        shift = uniform(row, [f"{name} shade {k}" for k in range(4)], seed).T - 0.5
        factor = 1 + spread * (2 * shift[:, 3:] + 0.35 * shift[:, :3])
        return np.ascontiguousarray((picked * factor).T, np.float32)[:, :, None, None]

    man = (table["kind"] == "man").astype(np.float32)[:, None, None]

    def by(name: str, sizes: tuple[float, ...]) -> Plane:
        names = ("oval", "round", "narrow", "square")
        column = np.array(
            [dict(zip(names, sizes, strict=True))[f] for f in table[name]], np.float32
        )
        return column[:, None, None]

    right, down = signed("light", 0.5, 0.75, 0.12), draw("height", -0.62, -0.35)
    ahead = np.full_like(right, 0.62)
    norm = np.sqrt(right * right + down * down + ahead * ahead)
    tone = np.array([{"dark": 0.62, "medium": 0.88, "bright": 1.12}[t] for t in table["tone"]])
    draws = uniform(row, ["measure " + name for name in VARY], seed)
    return Sitters(
        table=table,
        skin=colour(SKIN, "skin", 0.045),
        hair=colour(HAIR, "hair", 0.10),
        iris=colour(EYES, "eyes", 0.12),
        ground=colour(GROUND, "colour", 0.06) * tone.astype(np.float32)[:, None, None],
        cloth=colour(CLOTH, "clothes_colour", 0.10),
        hat=colour(CLOTH, "hat_colour", 0.10),
        tint=colour(LIGHT, "warmth", 0.02),
        light=(right / norm, down / norm, ahead / norm),
        at=(draw("x", 0.475, 0.525), draw("y", 0.515, 0.55)),
        size=draw("size", 1.04, 1.19),
        lean=signed("tilt", 0.09, 0.19, 0.04),
        turn=signed("turn", 0.16, 0.36, 0.08),
        nod=draw("nod", -0.012, 0.014),
        wide=by("face", (0.192, 0.212, 0.174, 0.200)) + 0.004 * man + draw("wide", -0.005, 0.005),
        high=by("face", (0.268, 0.252, 0.276, 0.262)) + 0.004 * man + draw("high", -0.006, 0.006),
        jaw=by("face", (0.24, 0.14, 0.24, 0.08)) - 0.05 * man,
        corner=by("face", (0.12, 0.05, 0.12, 0.42)) + 0.12 * man,
        vary=_records(dict(zip(VARY, draws.astype(np.float32), strict=True)))[:, None, None],
    )


def _records(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.void]:
    """Columns side by side, so that those of some faces are copied at one go."""
    rows = len(next(iter(columns.values())))
    records = np.empty(rows, [(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records
