"""Glasses, hats and earrings."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, bump, clip, mixed, reach, wave
from .eyes import _colour as colour
from .hair import GREY_SHADE, SKIN_SHADE
from .head import ear
from .sitters import Sitters


def glasses(canvas: Canvas, everyone: Sitters) -> None:
    """Round or square frames, or dark lenses."""
    rows = np.flatnonzero(everyone.table["glasses"] != "none")
    if not len(rows):
        return
    who = everyone.take(rows)
    with canvas.around(0.0, 0.0, 0.25, 0.1, rows) as band:
        lenses(band, who)


def lenses(band: Canvas, who: Sitters) -> None:
    """Two of them, their arms and the bridge."""
    square, dark = who.level("glasses", "square"), who.level("glasses", "dark")
    frame = np.where(who.vary["frame"] < 0.6, colour(0.07, 0.06, 0.07), colour(0.36, 0.21, 0.10))
    inner, outer = [], []
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.088, -0.002, 0.01)
        across, along = np.abs(band.u - u) / narrow, np.abs(band.v - v)
        ring = (1 - reach(across, along, 0.063, 0.060)) * 0.06
        box = np.minimum(np.minimum(0.060 - across, 0.043 - along), 0.090 - across - along)
        # Dark lenses are as wide as square frames, and rounder below.
        drop = 0.064 - np.maximum(across, np.sqrt(across * across + 1.25 * along * along))
        lens = ring + square * (box - ring) + dark * (drop - ring)
        inside = band.cover(lens)
        band.paint(inside * (1 - dark) * 0.13, colour(0.85, 0.92, 1.0))
        sheen = 0.10 + 0.16 * clip(0.3 - 12 * (band.v - v) + 4 * (band.u - u), 0, 1)
        band.paint(inside * dark * 0.96, colour(0.9, 0.95, 1.0) * sheen)
        glint = clip(1 - np.abs((band.u - u) + 0.8 * (band.v - v) + 0.012) * 110, 0, 1)
        band.paint(inside * glint * (0.22 + 0.1 * dark), colour(1.0, 1.0, 1.0))
        band.paint(band.line(lens, 0.0062), frame)
        inner.append(u - side * 0.060 * narrow)
        outer.append(u + side * 0.062 * narrow)
        arm = band.line(band.v - v + 0.018, 0.0055) * band.cover(side * (band.u - outer[-1]))
        edge = band.cover(who.wide * 1.01 - side * band.u)
        band.paint(arm * edge, frame)
    bridge = band.line(
        band.v - who.nod + 0.012 - 14 * _square(band.u - 0.5 * (inner[0] + inner[1])), 0.0055
    )
    between = band.cover(band.u - inner[0]) * band.cover(inner[1] - band.u)
    band.paint(bridge * between, frame)


def _square(plane: Plane) -> Plane:
    return plane * plane


def earrings(canvas: Canvas, everyone: Sitters) -> None:
    """A drop below each ear that is in sight."""
    rows = np.flatnonzero(everyone.table["earrings"] != "none")
    if not len(rows):
        return
    who = everyone.take(rows)
    metal = np.where(
        who.level("earrings", "golden") > 0,
        colour(0.93, 0.70, 0.18),
        colour(0.80, 0.82, 0.86),
    )
    for side in (-1.0, 1.0):
        u = ear(who, side)
        with canvas.around(u, 0.092, 0.02, 0.025, rows) as strip:
            drop = reach(strip.u - u, strip.v - 0.092, 0.0165, 0.021)
            lit = 1.15 - 0.5 * drop * drop
            strip.paint(strip.cover((1 - drop) * 0.018), np.minimum(metal * lit, 1))
            spark = strip.ellipse(u - 0.004, 0.085, 0.005, 0.006)
            strip.paint(spark, colour(1.0, 1.0, 0.96))


def hats(canvas: Canvas, everyone: Sitters) -> None:
    """A knitted cap, or a hat with a wide brim; both lay a shade on the forehead."""
    rows = np.flatnonzero(everyone.table["hat"] != "none")
    if not len(rows):
        return
    who = everyone.take(rows)
    with canvas.around(0.0, -0.20, 0.43, 0.20, rows) as top:  # a soft brim ends past its edge
        headgear(top, who)


def headgear(top: Canvas, who: Sitters) -> None:
    """Caps and hats on a part of their own."""
    cap, brim = who.level("hat", "cap"), who.level("hat", "brim")
    u, v = top.u, top.v
    wide, high = who.wide + 0.05, who.high + 0.055
    worn = cap + brim
    bow = v + 0.5 * u * u
    shade = clip(1 - np.abs(bow + 0.085) * 26, 0, 1) * top.cover(who.wide - np.abs(u))
    top.shade(shade * worn, 0.34, SKIN_SHADE)

    light = 1.0 + 1.5 * who.light[0] * u + 0.5 * bump(u - 0.1 * who.light[0], v + 0.28, 0.2, 0.16)
    dome = (1 - reach(u, v + 0.004, wide, high)) * wide
    low = v - 0.55 * u * u + 0.118
    knit = np.minimum(top.cover(dome), top.cover(-low)) * cap
    ribs = 0.09 * wave(u * 23) * (1 + 0.3 * wave(v * 25))
    top.paint(knit, np.minimum(who.hat * (0.80 * light + ribs) + 0.02, 1))
    edge = np.minimum(top.cover(dome + 0.010), top.cover(-low)) * top.cover(low + 0.062) * cap
    top.paint(edge, np.minimum(who.hat * (0.98 * light + 1.5 * ribs) + 0.035, 1))
    top.shade(top.line(low + 0.062, 0.004) * knit, 0.35, GREY_SHADE)

    rise = -0.14 - v  # above the brim
    crown = np.minimum(
        who.wide * 0.98 - 0.14 * np.maximum(rise, 0) - np.abs(u), 0.225 - rise - 0.9 * u * u
    )
    felt = np.minimum(top.cover(crown), top.cover(rise)) * brim
    top.paint(felt, np.minimum(who.hat * (0.88 * light) + 0.02, 1))
    ribbon = felt * top.cover(0.062 - rise + 0.5 * u * u)
    top.paint(ribbon, mixed(who.hat * 0.35, np.float32(0.9), 0.0) + 0.02)
    plate = reach(u, v + 0.142 - 0.35 * u * u, 0.335, 0.036)
    lit = light * (1.02 - 4 * clip(v + 0.142, -0.05, 0.05))
    top.paint(top.cover((1 - plate) * 0.04) * brim, np.minimum(who.hat * lit + 0.03, 1))
