"""What is behind and below the head: background, neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, bump, mixed, reach, wave
from .sitters import Sitters

SHADOW = np.array([0.8, 1.0, 1.02], np.float32)[None, :, None, None]  # shade on skin stays red


def background(canvas: Canvas, who: Sitters) -> None:
    """A wall, a gradient, lights out of focus or stripes."""
    x, y, vary = canvas.x, canvas.y, who.vary
    slope = vary["slope"] - 0.5
    ramp = (y - 0.5) + 2 * slope * (x - 0.5)
    graded = who.level("background", "graded")
    bright = 1 - (0.12 + 0.62 * graded) * ramp
    bright += 0.16 * who.light[0] * (x - 0.5)
    striped = who.level("background", "striped")
    if striped.any():
        turns = (x + (4 * slope) * y) * np.rint(3.5 + 4 * vary["stripes"]) + vary["part"]
        edge = np.clip(wave(turns) * 3, -1, 1)
        bright += 0.15 * striped * edge
    blurred = who.level("background", "blurred")
    canvas.image[:] = who.ground * bright[:, None]
    if blurred.any():
        lamp = mixed(who.ground, np.float32(1), 0.55)
        for k in range(6):
            size = 0.1 + 0.13 * vary[f"spot {(k + 3) % 6}"]
            across = x - (0.03 + 0.3 * vary[f"spot {k}"] + (0.64 if k % 2 else 0.0))
            down = y - (0.02 + 0.15 * k + 0.2 * vary[f"spot {(k + 2) % 6}"])
            disc = np.minimum(bump(across, down, size, size) * 1.6, 1)
            canvas.paint(disc * (blurred * (0.35 + 0.4 * vary[f"spot {(k + 1) % 6}"])), lamp)


def body(canvas: Canvas, who: Sitters) -> None:
    """Neck and shoulders, with the shade of the chin, and what is worn on them."""
    lower = canvas.window(0.62, 1, 0, 1)
    man = who.level("kind", "man")
    across = (lower.x - (0.5 + 0.75 * (who.at[0] - 0.5))) / who.size
    down = (lower.y - who.at[1]) / who.size
    side = np.abs(across)
    square = across * across
    light = 1 + 1.1 * who.light[0] * across - 0.5 * square

    half = 0.086 + 0.02 * man + 0.01 * who.vary["neck"]
    flare = np.maximum(down - 0.25, 0)
    neck = lower.cover(half + 1.3 * flare * flare - side)
    top = 0.325 - 0.012 * man + (0.95 - 0.25 * man) * square
    torso = lower.cover((down - top) * 0.85)
    shade = 0.80 * light + 0.5 * who.light[0] * np.clip(across / half, -1, 1) * 0.35
    skin = np.maximum(neck, torso)
    lower.paint(skin, who.skin * (1 - (1 - shade[:, None]) * SHADOW))
    chin = reach(
        lower.u + 0.05 * who.light[0] - 0.6 * who.turn * 0.05, lower.v - 0.035, who.wide, who.high
    )
    cast = np.clip((1.16 - chin) * 5, 0, 1) * skin
    lower.shade(cast, 0.42, SHADOW)

    jacket = who.level("clothes", "jacket")
    shirt = who.level("clothes", "shirt")
    deep = 0.405 - 0.045 * who.level("clothes", "sweater") + 0.01 * shirt
    round_neck = (reach(across, down - 0.29, half + 0.035, deep - 0.29) - 1) * 0.06
    v_neck = (down - deep + 1.35 * (side - 0.03)) * 0.6
    edge = np.where(shirt + jacket > 0, v_neck, round_neck)
    cloth = np.minimum(torso, lower.cover(edge))
    fold = 0.05 * wave(across * 7 + 2 * down + who.vary["neck"]) * np.clip(side * 6 - 0.6, 0, 1)
    worn = 0.92 * light + fold
    under = jacket * lower.cover(0.075 - (edge - 0.005)) * cloth
    lower.paint(cloth, np.minimum(who.cloth * worn[:, None] + 0.02, 1))
    pale = np.array([0.9, 0.9, 0.92], np.float32)[None, :, None, None]
    # A jacket is open over a pale shirt, or over a dark one where the jacket is white.
    inner = np.where(who.level("clothes_colour", "white")[:, None] > 0, pale * 0.25, pale)
    lower.paint(under, inner * worn[:, None])
    lower.paint(jacket * cloth * lower.line(edge - 0.08, 0.006), who.cloth * 0.6)
    rib = who.level("clothes", "sweater") * cloth * lower.cover(0.022 - edge)
    lower.paint(rib * (0.5 + 0.25 * wave(across * 40)), who.cloth * 0.72)
    collar = shirt * cloth * lower.line(edge - 0.035, 0.005)
    lower.paint(collar, who.cloth * 0.68)
    _chin_over(lower, who, cloth)


def _chin_over(lower: Canvas, who: Sitters, cloth: Plane) -> None:
    """Clothes close to the chin lie in its shade, too."""
    near = np.clip(1.25 - reach(lower.u, lower.v - 0.05, who.wide, who.high), 0, 0.3)
    lower.shade(near * cloth, 1.0, np.ones((1, 3, 1, 1), np.float32))
