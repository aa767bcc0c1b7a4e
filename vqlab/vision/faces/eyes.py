"""Eyes and eyebrows."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, clip, mixed, reach
from .scene import SHADOW
from .sitters import Sitters


def _colour(*levels: float) -> Plane:
    return np.array(levels, np.float32)[:, None, None, None]


def eyes(canvas: Canvas, who: Sitters) -> None:
    """White, iris, pupil and highlight between two lids, with lashes and a crease above."""
    woman = who.level("kind", "woman")
    open_ = who.by("expression", {"laugh": 0.72, "smile": 0.9, "surprised": 1.28, "sad": 0.9}, 1.0)
    squint = who.by("expression", {"laugh": 0.6, "smile": 0.3})
    old = who.level("age", "old")
    half = 0.0405 + 0.006 * who.vary["eye size"] + 0.002 * woman
    high = (0.0185 + 0.004 * who.vary["eye size"] + 0.002 * woman) * open_ - 0.002 * old
    low = 0.0125 * (1 - 0.45 * squint) * np.minimum(open_, 1.15)
    gaze = 0.010 * (who.vary["gaze"] - 0.5) + 0.012 * who.turn
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * (0.083 + 0.006 * who.vary["eye gap"]), -0.008)
        with canvas.around(u, v - 0.004, 0.078, 0.042) as part:
            across = (part.u - u) / (half * narrow)
            along = part.v - v + 0.006 * side * across  # the outer corner lies higher
            arch = 1 - across * across
            # Fuller towards the nose above, towards the temple below: an almond, no lens.
            above = along + high * arch * (1 - 0.18 * side * across)
            below = low * arch * (1 + 0.15 * side * across) - along
            shape = np.minimum(part.cover(above), part.cover(below))
            white = mixed(who.tint, np.float32(1), 0.5) * 0.94
            dim = 1 - clip(0.45 - 30 * above, 0, 0.42)
            part.paint(shape, white * _colour(0.97, 0.95, 0.94) * dim)

            eye_u, eye_v = part.u - u - gaze, part.v - v + 0.0025
            away = reach(eye_u, eye_v, 0.0188, 0.0188)
            iris = part.cover((1 - away) * 0.0188) * shape
            ring = clip(1.45 - 0.95 * away * away, 0.3, 1.3) * dim
            glow = 1 + 0.5 * clip((eye_v * 60), -0.6, 0.8)
            part.paint(iris, np.minimum(who.iris * (ring * glow), 1))
            part.paint(part.cover((0.43 - away) * 0.0188) * shape, _colour(0.03, 0.025, 0.03))
            spark = part.ellipse(u + gaze + 0.012 * who.light[0], v - 0.0095, 0.0062, 0.0062)
            part.paint(np.minimum(spark, shape) * 0.95, _colour(1.0, 1.0, 1.0))

            inside = clip(arch * 6 + 0.35, 0, 1)
            lash = part.line(above, 0.0036 + 0.0022 * woman) * inside
            part.paint(lash * 0.88, who.skin * 0.12 + _colour(0.03, 0.02, 0.02))
            wing = part.line(along + 0.10 * side * (part.u - u) - 0.002, 0.0042)
            wing = wing * clip(5 - np.abs(side * across - 1.12) * 26, 0, 1)
            part.paint(wing * woman * 0.75, who.skin * 0.12 + _colour(0.03, 0.02, 0.02))
            part.shade(part.line(below, 0.0028) * inside, 0.38, SHADOW)
            crease = part.line(above + 0.0105 - 0.004 * arch, 0.0034) * clip(arch * 3, 0, 1)
            part.shade(crease, 0.34, SHADOW)


def brows(canvas: Canvas, who: Sitters) -> None:
    """Strokes of the hair's colour; a smile lifts them, sorrow turns them up between the eyes."""
    thick = who.by("brows", {"thin": 0.0052, "thick": 0.0135}, 0.0085)
    raised = who.by("expression", {"surprised": 0.024, "laugh": 0.006, "sad": -0.002})
    sorrow = who.by("expression", {"sad": 0.017}, -0.004)
    man = who.level("kind", "man")
    dark = mixed(who.hair, who.skin, 0.12) * (0.72 - 0.15 * who.level("hair", "blond"))
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(
            side * 0.088, -0.062 + 0.006 * man + 0.008 * (who.vary["brow"] - 0.5)
        )
        with canvas.around(u, v - 0.014, 0.072, 0.056) as part:
            out = side * (part.u - u) / (0.056 * narrow)  # -1 near the nose, 1 at the temple
            bow = part.v - v + raised + 0.012 * (1 - (out - 0.25) * (out - 0.25))
            bow = bow - 0.004 * out + sorrow * -out
            body = thick * clip(1.02 - 0.42 * (out + 0.2) * np.abs(out + 0.2), 0.25, 1.1)
            ends = clip((1.03 - np.abs(out)) * 7, 0, 1)
            part.paint(part.line(bow, body) * ends * 0.88, dark)
