"""Mouths: closed, smiling, laughing with teeth, sad, open in surprise."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, bump, clip, mixed
from .eyes import _colour as colour
from .scene import SHADOW
from .sitters import Sitters


def mouth(canvas: Canvas, who: Sitters) -> None:
    """Two lips around a line that bends with the mood, and what stands open between them."""
    woman = who.level("kind", "woman")
    mood = who.table["expression"]
    half = who.by("expression", {"smile": 0.079, "laugh": 0.084, "surprised": 0.040}, 0.066)
    half = half * (0.94 + 0.12 * who.vary["mouth"])
    bend = who.by("expression", {"smile": 0.021, "laugh": 0.024, "sad": -0.020}, 0.001)
    gape = who.by("expression", {"laugh": 0.038, "surprised": 0.044})
    full = who.by("lips", {"thin": 0.58, "full": 1.45, "painted": 1.15}, 1.0) * (0.9 + 0.15 * woman)
    full = full * who.by("expression", {"laugh": 0.8, "smile": 0.88}, 1.0)
    u, v, narrow = who.spot(0.0, 0.152)
    v = v - who.by("expression", {"laugh": 0.004, "surprised": 0.006})
    with canvas.around(u, v + 0.020, 0.12, 0.086) as face:
        across = (face.u - u) / (half * narrow)
        square = across * across
        arch = clip(1 - square, 0, 1)
        line = face.v - v + bend * (square - 0.45)  # positive below the line between the lips
        gap = line - gape * arch  # positive below the opening
        ends = clip((1.0 - np.abs(across)) * 9 + 0.3, 0, 1)

        red = mixed(who.skin * colour(0.86, 0.56, 0.55), colour(0.62, 0.26, 0.27), 0.22)
        red = mixed(who.skin * colour(0.88, 0.66, 0.62), red, 0.45 + 0.55 * woman)
        red = np.where(who.level("lips", "painted") > 0, colour(0.74, 0.07, 0.13), red)
        red = red * (0.9 + 0.12 * who.light[2])
        bow = 1 - 0.30 * bump(across, np.zeros_like(across), 0.34, 1.0)
        upper = 0.0165 * full * arch * bow
        lower = 0.0215 * full * arch
        top = np.minimum(face.cover(upper + line), face.cover(-line)) * ends
        under = np.minimum(face.cover(gap), face.cover(lower - gap)) * ends
        face.shade(bump(across, gap - lower - 0.010, 0.75, 0.016), 0.22, SHADOW)
        face.paint(top, red * 0.80)
        shine = 1.0 + 0.30 * bump(across - 0.25 * who.light[0], gap - 0.5 * lower, 0.5, 0.009)
        face.paint(under, np.minimum(red * shine, 1))

        if np.isin(mood, ("laugh", "surprised")).any():
            wide = who.level("expression", "laugh", "surprised")
            inside = np.minimum(face.cover(line), face.cover(-gap)) * ends * wide
            face.paint(inside, colour(0.20, 0.05, 0.06))
            laugh = who.level("expression", "laugh")
            teeth = np.minimum(face.cover(line - 0.001), face.cover(0.62 * gape * arch - line))
            teeth = teeth * clip((0.93 - np.abs(across)) * 9, 0, 1) * laugh
            worn = 1 - 0.22 * square - 0.05 * who.level("age", "old")
            face.paint(teeth, colour(0.97, 0.95, 0.91) * worn)
            tongue = bump(across, gap + 0.004, 0.6, 0.016) * inside
            face.paint(np.minimum(tongue * 1.2, 1) * 0.8 * (1 - teeth), colour(0.66, 0.27, 0.28))
        shut = 1 - who.level("expression", "laugh", "surprised")
        seam = face.line(line, 0.0042) * clip((1.06 - np.abs(across)) * 8, 0, 1)
        face.paint(seam * shut * 0.85, red * 0.36)
        for side in (-1.0, 1.0):
            corner = bump(across - side * 1.04, line, 0.16, 0.011)
            face.shade(corner, 0.45, SHADOW)
