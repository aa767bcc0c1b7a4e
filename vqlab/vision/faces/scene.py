"""What is behind and below the head: background, neck, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, bump, clip, mixed, reach, wave
from .sitters import Sitters

SHADOW = np.array([0.8, 1.0, 1.02], np.float32)[:, None, None, None]  # shade on skin stays red
LINEN = np.array([0.9, 0.9, 0.92], np.float32)[:, None, None, None]


def background(canvas: Canvas, who: Sitters) -> None:
    """A wall, a gradient or stripes."""
    slope = who.vary["slope"] - 0.5
    fall = 0.12 + 0.62 * who.level("background", "graded")
    across = (0.16 * who.light[0] - 2 * slope * fall) * (canvas.x - 0.5)
    bright = across + (1 - fall * (canvas.y - 0.5))
    rows = np.flatnonzero(who.table["background"] == "striped")
    if len(rows):
        some = who.take(rows)
        slope, number = some.vary["slope"] - 0.5, np.rint(3.5 + 4 * some.vary["stripes"])
        x, y = canvas.x[rows], canvas.y[rows]
        turns = number * x + ((4 * number * slope) * y + some.vary["part"])
        bright[rows] += 0.15 * clip(3 * wave(turns), -1, 1)
    np.multiply(who.ground, bright, out=canvas.image)


def lamps(canvas: Canvas, everyone: Sitters) -> None:
    """Six lights out of focus, three on each side."""
    rows = np.flatnonzero(everyone.table["background"] == "blurred")
    if not len(rows):
        return
    who = everyone.take(rows)
    colour = mixed(who.ground, np.float32(1), 0.55)
    for k in range(6):
        draw = [who.vary[f"spot {(k + shift) % 6}"] for shift in range(4)]
        left, top = (0.64 if k % 2 else 0.0), 0.02 + 0.15 * k
        x, y, size = left + 0.03 + 0.3 * draw[0], top + 0.2 * draw[2], 0.1 + 0.13 * draw[3]
        middle = np.stack([y, x])[..., 0, 0]
        with canvas.part(middle - size[:, 0, 0], middle + size[:, 0, 0], rows) as part:
            disc = bump(part.x - x, part.y - y, size, size)
            part.paint(clip(disc * 1.6, 0, 1) * (0.35 + 0.4 * draw[1]), colour)


def body(canvas: Canvas, who: Sitters) -> None:
    """Neck and shoulders, with the shade of the chin, and what is worn on them."""
    man = who.level("kind", "man")
    half = 0.086 + 0.02 * man + 0.01 * who.vary["neck"]
    middle = 0.5 + 0.75 * (who.at[0] - 0.5)
    start = (who.at[1] + 0.28 * who.size)[:, 0, 0]  # the shoulders' highest point
    neck = np.array([[0.6], [0.3]]), np.array([[1.0], [0.7]])
    shoulders = np.stack([start, 0 * start]), np.ones((2, 1))
    for place in (neck, shoulders):
        with canvas.part(*place) as part:
            across, down = (part.x - middle) / who.size, (part.y - who.at[1]) / who.size
            square = across * across
            light = 1 + 1.1 * who.light[0] * across - 0.5 * square
            if place is neck:
                flare = clip(down - 0.25, 0, 1)
                column = half + 1.3 * flare * flare - np.abs(across)
                skin = part.cover(np.minimum(column, down - 0.1))  # begins behind the head
            else:
                skin = part.cover(
                    (down - (0.325 - 0.012 * man)) * 0.85 - (0.81 - 0.21 * man) * square
                )
            shade = 0.80 * light + 0.175 * who.light[0] * clip(across / half, -1, 1) - 1
            lean = 0.05 * who.light[0] - 0.03 * who.turn
            chin = reach(part.u + lean, part.v - 0.035, who.wide, who.high)
            cast = 1 - 0.42 * clip((1.16 - chin) * 5, 0, 1)
            lit = (1 + shade * SHADOW) * who.skin
            part.paint(skin, lit * cast)
            if place is shoulders:
                cloth(part, who, skin, half)


def cloth(part: Canvas, who: Sitters, torso: Plane, half: Plane) -> None:
    """A shirt, a sweater or a jacket over the shoulders."""
    across = (part.x - (0.5 + 0.75 * (who.at[0] - 0.5))) / who.size
    down = (part.y - who.at[1]) / who.size
    side = np.abs(across)
    jacket, shirt = who.level("clothes", "jacket"), who.level("clothes", "shirt")
    sweater = who.level("clothes", "sweater")
    deep = 0.405 - 0.045 * sweater + 0.01 * shirt
    edge = (reach(across + 0 * down, down - 0.29, half + 0.035, deep - 0.29) - 1) * 0.06
    edge = mixed((down - deep) * 0.6 + 0.81 * (side - 0.03), edge, sweater)
    share = np.minimum(torso, part.cover(edge))
    fold = wave(across * 7 + 2 * down + who.vary["neck"]) * clip(side * 6 - 0.6, 0, 1)
    worn = 0.92 + (1.01 * who.light[0]) * across - 0.46 * across * across + 0.05 * fold
    # Clothes close to the chin lie in its shade, too.
    worn = worn * (1 - clip(1.25 - reach(part.u, part.v - 0.05, who.wide, who.high), 0, 0.3))
    # What marks each kind darkens or lightens one colour, so that all is painted at once.
    worn *= 1 - (0.4 * jacket) * part.line(edge - 0.08, 0.006)
    worn *= 1 - (0.32 * shirt) * part.line(edge - 0.035, 0.005)
    worn *= 1 - (sweater * (0.16 + 0.07 * wave(across * 40))) * part.cover(0.022 - edge)
    under = jacket * part.cover(0.08 - edge)
    # A jacket is open over a pale shirt, or over a dark one where the jacket is white.
    dark = who.level("clothes_colour", "white")
    inner = LINEN * (1 - 0.75 * dark)
    colour = who.cloth + 0.02
    part.paint(share, (colour + (inner - colour) * under) * worn)
