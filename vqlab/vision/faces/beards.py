"""Stubble, moustaches, goatees and full beards."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, clip, reach, wave
from .head import outline
from .sitters import Sitters


def beard(canvas: Canvas, everyone: Sitters) -> None:
    """Painted under the mouth, on the faces that have one."""
    rows = np.flatnonzero(everyone.table["beard"] != "none")
    if not len(rows):
        return
    who = everyone.take(rows)
    with canvas.around(0.0, 0.15, 0.24, 0.19, rows) as face:
        grown(face, who)


def grown(face: Canvas, who: Sitters) -> None:
    """Each beard on a part of its own."""
    u, v, rho = face.u, face.v, outline(face, who)
    full, stubble = who.level("beard", "full"), who.level("beard", "stubble")
    goatee, lip = who.level("beard", "goatee"), who.level("beard", "moustache")
    low = 1 + (0.13 * full) * clip(v * 6, 0, 1)
    jaw = face.cover((low - rho) * (0.8 * who.wide))
    at, down, _ = who.spot(0.0, 0.0, 0.01)
    clean = reach(u - at, v - down + 0.012, 0.148, 0.132)
    soft = 0.010 + 0.012 * stubble
    cheeks = clip((clean - 1) * (0.14 / soft) + 0.3, 0, 1)
    cheeks *= clip((v + 0.03) * 30, 0, 1)
    cheeks *= jaw
    chin, chin_v, _ = who.spot(0.0, 0.230)
    point = np.minimum(face.ellipse(chin, chin_v, 0.062, 0.066), jaw)
    mid, mid_v, narrow = who.spot(0.0, 0.128, 0.01)
    across = (u - mid) / (0.075 * narrow)
    square = across * across
    brush = face.line(v - mid_v - 0.030 * square, 0.0155 * clip(1.15 - square, 0, 1.15))
    brush *= clip((1.0 - np.abs(across)) * 6, 0, 1)
    share = np.maximum(cheeks * (full + 0.34 * stubble), brush * (full + goatee + lip))
    share = np.maximum(share, point * goatee)
    hairs = wave(u * 31 + 4 * v) * 0.08 + wave(u * 22 - 7 * v) * 0.06
    hairs *= 1 - stubble
    lit = hairs + 0.78 + (0.8 * who.light[0]) * u - 0.5 * clip(v - 0.16, 0, 1)
    # Short hairs of any colour look darker than long ones: skin shines between them.
    face.paint(share * 0.94, who.hair * (lit * (1 - 0.3 * stubble)) + 0.01)
