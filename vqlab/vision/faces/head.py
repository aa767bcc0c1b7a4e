"""The head: its outline, its skin under the light, ears, nose, cheeks and lines of age."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, bump, reach, relief
from .scene import SHADOW
from .sitters import Sitters

BLUSH = np.array([0.86, 0.32, 0.30], np.float32)[None, :, None, None]


def outline(canvas: Canvas, who: Sitters) -> Plane:
    """How far each pixel lies from the middle of the head, as a share of the way to its edge.

    rho^2 = U + V - s U V with U = (u / (a (1 - j t^2)))^2, V = (v / b)^2 and t = max(v, 0) / b:
    an ellipse that narrows by j towards the chin; s draws its corners out into a square jaw.
    """
    down = canvas.v / who.high
    low = np.maximum(down, 0)
    across = (canvas.u - 0.03 * who.turn * down) / (who.wide * (1 - who.jaw * low * low))
    across *= across
    square = down * down
    return np.sqrt(np.maximum(across + square - (who.corner * (low > 0)) * across * square, 0))


def ears(canvas: Canvas, who: Sitters) -> None:
    """Behind the head's edge; the one turned away goes from sight."""
    for side in (-1.0, 1.0):
        strip = canvas.window(0.36, 0.78, *((0.1, 0.48) if side < 0 else (0.52, 0.9)))
        u = side * (who.wide + 0.008) - 0.09 * who.turn + side * 0.012
        u = np.where(side * who.turn > 0, u - side * 0.02, u)
        shape = strip.ellipse(u, 0.015, 0.027, 0.056)
        lit = np.float32(0.86) + 0.25 * side * who.light[0]
        strip.paint(shape, who.skin * (1 - (1 - lit[:, None]) * SHADOW))
        inner = strip.ellipse(u - side * 0.003, 0.012, 0.014, 0.036)
        strip.shade(inner, 0.28, SHADOW)


def skin(canvas: Canvas, who: Sitters, rho: Plane) -> Plane:
    """Paints the head by Lambert's law on an ellipsoid with soft hills on it; returns its share."""
    right, down, ahead = who.light
    share = canvas.cover((1 - rho) * (0.8 * who.wide))
    nx, ny = canvas.u / who.wide, canvas.v / who.high
    nz = np.sqrt(np.maximum(1.06 - rho * rho, 0.03))
    cosine = nx * (0.8 * right) + ny * (0.75 * down) + nz * ahead
    lit = np.maximum(cosine, 0, out=cosine)
    lit *= 0.70
    lit += 0.47
    face = canvas.window(0.2, 0.95, 0.16, 0.84)
    rows, columns = _place(canvas, face)
    hills(face, who, lit[:, rows, columns])
    np.minimum(lit, 1.1, out=lit)
    lit -= 1
    canvas.paint(share, who.skin * (1 + lit[:, None] * SHADOW))
    return share


def _place(canvas: Canvas, window: Canvas) -> tuple[slice, slice]:
    """Where a window lies on the canvas."""
    top = int(np.searchsorted(canvas.y[0, :, 0], window.y[0, 0, 0]))
    left = int(np.searchsorted(canvas.x[0, 0], window.x[0, 0, 0]))
    return slice(top, top + window.y.shape[1]), slice(left, left + window.x.shape[2])


def hills(face: Canvas, who: Sitters, lit: Plane) -> None:
    """Adds to the light what nose, cheeks, brow, sockets, lips and chin do to it."""
    light = who.light[0], who.light[1]
    smile = who.by("expression", {"smile": 0.7, "laugh": 1.0})
    size = who.by("nose", {"small": 0.84, "big": 1.22}, 1.0)
    u, v, narrow = who.spot(0.0, 0.035, 0.02)
    lit += 0.42 * relief(face.u - u, face.v - v, 0.026 * size * narrow, 0.085, light)
    u, v, narrow = who.spot(0.0, 0.085, 0.045)
    lit += 0.40 * relief(face.u - u, face.v - v, 0.036 * size, 0.030 * size, light)
    lit += 0.10 * bump(face.u - u - 0.01 * light[0], face.v - v + 0.008, 0.018, 0.016)
    lit -= 0.20 * bump(face.u - u, face.v - v - 0.030 * size, 0.042 * size, 0.018)
    u, v, narrow = who.spot(0.0, 0.222)
    lit += 0.16 * relief(face.u - u, face.v - v, 0.07, 0.045, light)
    lit -= 0.14 * bump(face.u - u, face.v - (v - 0.036), 0.05, 0.016)
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.112, 0.085)
        lit += (0.14 + 0.16 * smile) * relief(
            face.u - u, face.v - v + 0.012 * smile, 0.07 * narrow, 0.062, light
        )
        u, v, narrow = who.spot(side * 0.08, -0.012)
        lit -= 0.20 * bump(face.u - u, face.v - v + 0.012, 0.066 * narrow, 0.046)
        u, v, narrow = who.spot(side * 0.028, -0.006)
        lit -= 0.12 * bump(face.u - u, face.v - v, 0.024 * narrow, 0.05)


def nose(face: Canvas, who: Sitters) -> None:
    """Nostrils and wings; the light has modelled the rest."""
    size = who.by("nose", {"small": 0.80, "big": 1.28}, 1.0)
    u, v, narrow = who.spot(0.0, 0.103, 0.03)
    for side in (-1.0, 1.0):
        hole = face.ellipse(u + side * 0.0165 * size * narrow, v, 0.0088 * size, 0.0052)
        face.shade(hole, 0.62, SHADOW)
        wing = reach(face.u - u - side * 0.026 * size * narrow, face.v - v + 0.008, 0.014, 0.018)
        half = np.clip(side * (face.u - u) * 60 - 1.4 * size, 0, 1)
        face.shade(face.line((wing - 1) * 0.014, 0.004) * half, 0.32, SHADOW)


def cheeks(face: Canvas, who: Sitters) -> None:
    """Colour on the cheeks, and freckles."""
    rosy = 0.10 + 0.42 * who.level("cheeks", "rosy")
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.108, 0.078)
        face.paint(rosy * bump(face.u - u, face.v - v, 0.075 * narrow, 0.06), who.skin * BLUSH * 1.15)
    freckled = who.level("cheeks", "freckled")
    if freckled.any():
        spots = np.array([[0.03, 0.05], [0.055, 0.075], [0.08, 0.055], [0.105, 0.08], [0.07, 0.1]])
        more = [*spots, [0.125, 0.06], [0.1, 0.105], [0.05, 0.035], [0.012, 0.04], [0.135, 0.085]]
        for k, (across, along) in enumerate(more):
            for side in (-1.0, 1.0):
                u, v, narrow = who.spot(side * across + 0.004 * (k % 3 - 1), along - 0.003 * (k % 2))
                dot = face.ellipse(u, v, 0.0062 * narrow, 0.0058)
                face.shade(dot * freckled, 0.34, np.float32([0.6, 1, 1.2])[None, :, None, None])


def lines(face: Canvas, who: Sitters) -> None:
    """Creases of age and of a smile."""
    old = who.by("age", {"old": 1.0, "middle-aged": 0.3})
    smile = who.by("expression", {"smile": 0.6, "laugh": 0.8})
    for k in range(3):
        u, v, narrow = who.spot(0.0, -0.122 - 0.024 * k)
        across = (face.u - u) / (0.1 - 0.012 * k)
        bow = face.v - v + 0.010 * (1 - across * across) + 0.003 * np.abs(across)
        fade = np.maximum(1 - across * across, 0)
        face.shade(face.line(bow, 0.0042) * fade * old, 0.34, SHADOW)
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.072, 0.13)
        along = (face.v - v) / 0.045
        bow = face.u - u - side * 0.020 * narrow * (along - 0.5 * along * along)
        fade = np.maximum(1 - along * along, 0)
        face.shade(face.line(bow, 0.0045) * fade * np.maximum(0.8 * old, smile), 0.30, SHADOW)
        for k in range(3):
            u, v, narrow = who.spot(side * 0.146, -0.012 + 0.016 * k)
            away = (face.u - u) / (0.020 * narrow)
            slant = face.v - v - side * (k - 1) * 0.3 * (face.u - u)
            fade = np.maximum(1 - away * away, 0)
            face.shade(face.line(slant, 0.003) * fade * np.maximum(old, 0.3 * smile), 0.32, SHADOW)
        u, v, narrow = who.spot(side * 0.08, 0.034)
        across = (face.u - u) / (0.036 * narrow)
        bag = face.v - v + 0.008 * across * across
        fade = np.maximum(1 - across * across, 0)
        face.shade(face.line(bag, 0.0045) * fade * (0.15 + 0.85 * old), 0.26, SHADOW)
