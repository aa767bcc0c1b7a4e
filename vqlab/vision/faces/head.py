"""The head: its outline, its skin under the light, ears, nose, cheeks and lines of age."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .canvas import Canvas, Plane, bump, clip, mixed, reach, relief, wave
from .hair import cropped
from .scene import SHADOW
from .sitters import Sitters

BLUSH = np.array([0.90, 0.42, 0.40], np.float32)[:, None, None, None]
FRECKLE = np.array([0.6, 1.0, 1.2], np.float32)[:, None, None, None]


def outline(canvas: Canvas, who: Sitters) -> Plane:
    """How far each pixel lies from the middle of the head, as a share of the way to its edge.

    rho^2 = U + V - s U V with U = (u / (a (1 - j t^2)))^2, V = (v / b)^2 and t = max(v, 0) / b:
    an ellipse that narrows by j towards the chin; s draws its corners out into a square jaw.
    """
    down = canvas.v / who.high
    low = clip(down, 0, 1.15)
    across = (canvas.u - 0.03 * who.turn * down) / (who.wide * (1 - who.jaw * low * low))
    across *= across
    square = low * low
    corner = who.corner * clip(across, 0, 1.3) * clip(square, 0, 1)
    down *= down
    return np.sqrt(clip(across + down - corner, 0, 9))


def ear(who: Sitters, side: float) -> Plane:
    """The middle of an ear, across; the one on the averted side goes from sight."""
    return side * (who.wide + 0.012 - 0.07 * clip(side * who.turn, 0, 1))


def ears(canvas: Canvas, everyone: Sitters) -> None:
    """At the height of eyes and nose, behind the head's edge, where long hair covers none."""
    rows = np.flatnonzero(cropped(everyone))
    if not len(rows):
        return
    who = everyone.take(rows)
    for side in (-1.0, 1.0):
        u = ear(who, side)
        lit = np.float32(0.86) + 0.25 * side * who.light[0]
        with canvas.around(u, 0.015, 0.03, 0.06, rows) as strip:
            shape = strip.ellipse(u, 0.015, 0.027, 0.056)
            strip.paint(shape, who.skin * (1 - (1 - lit) * SHADOW))
            inner = strip.ellipse(u - side * 0.003, 0.012, 0.014, 0.036)
            strip.shade(shape * inner, 0.28, SHADOW)


def skin(canvas: Canvas, who: Sitters) -> None:
    """Paints the head by Lambert's law on an ellipsoid with soft hills on it."""
    right, down, ahead = who.light
    with canvas.around(0.0, 0.0, who.wide + 0.026, who.high + 0.018) as head:
        rho = outline(head, who)
        nz = np.sqrt(clip(1.06 - rho * rho, 0.03, 2))
        lit = head.u * (0.8 * right / who.wide)
        lit += head.v * (0.75 * down / who.high)
        nz *= ahead
        lit += nz
        clip(lit, 0, 2, out=lit)
        lit *= 0.70
        lit += 0.47
        light = replace(head, planes=np.stack([lit, head.u, head.v]))
        hills(light, who)
        lit = clip(light.image[0], 0, 1.1)
        lit -= 1
        share = head.cover((1 - rho) * (0.8 * who.wide))
        colour = lit * (who.skin * SHADOW)
        colour += who.skin
        head.paint(share, colour)


def hills(head: Canvas, who: Sitters) -> None:
    """Adds to the light, here in the picture's place, what nose, cheeks, sockets and chin do."""
    light = who.light[0], who.light[1]
    smile = who.by("expression", {"smile": 0.7, "laugh": 1.0})
    size = who.by("nose", {"small": 0.84, "big": 1.25}, 1.0)

    u, v, narrow = who.spot(0.0, 0.035, 0.02)
    with head.around(u, v, 0.035, 0.088) as face:
        across, along = face.u - u, face.v - v
        face.add(0.55 * relief(across, along, 0.026 * size * narrow, 0.085, light))
        face.add(0.07 * bump(across, along, 0.012 * size, 0.08))
    u, v, narrow = who.spot(0.0, 0.085, 0.045)
    with head.around(u, v + 0.01, 0.056, 0.052) as face:
        across, along = face.u - u, face.v - v
        face.add(0.50 * relief(across, along, 0.036 * size, 0.030 * size, light))
        face.add(0.13 * bump(across - 0.01 * light[0], along + 0.008, 0.018, 0.016))
        face.add(-0.24 * bump(across, along - 0.028 * size, 0.042 * size, 0.018))
    u, v, narrow = who.spot(0.0, 0.222)
    with head.around(u, v - 0.005, 0.072, 0.05) as face:
        face.add(0.18 * relief(face.u - u, face.v - v, 0.07, 0.045, light))
        face.add(-0.14 * bump(face.u - u, face.v - (v - 0.036), 0.05, 0.016))
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.112, 0.085)
        v = v - 0.012 * smile
        with head.around(u, v, 0.086, 0.064) as face:
            hill = relief(face.u - u, face.v - v, 0.07 * narrow, 0.062, light)
            face.add((0.14 + 0.16 * smile) * hill)
        u, v, narrow = who.spot(side * 0.08, -0.024)
        with head.around(u, v, 0.08, 0.048) as face:
            face.add(-0.20 * bump(face.u - u, face.v - v, 0.066 * narrow, 0.046))
        u, v, narrow = who.spot(side * 0.028, -0.006)
        with head.around(u, v, 0.03, 0.05) as face:
            face.add(-0.13 * bump(face.u - u, face.v - v, 0.024 * narrow, 0.05))


def nose(canvas: Canvas, who: Sitters) -> None:
    """Nostrils and wings; the light has modelled the rest."""
    size = who.by("nose", {"small": 0.80, "big": 1.32}, 1.0)
    u, v, narrow = who.spot(0.0, 0.103, 0.03)
    for side in (-1.0, 1.0):
        with canvas.around(u + side * 0.026, v - 0.004, 0.036, 0.032) as face:
            hole = face.ellipse(u + side * 0.0165 * size * narrow, v, 0.0088 * size, 0.0052)
            face.shade(hole, 0.66, SHADOW)
            across, along = face.u - u, face.v - v
            wing = reach(across - side * 0.026 * size * narrow, along + 0.008, 0.014, 0.018)
            half = clip(side * across * 60 - 1.4 * size, 0, 1)
            face.shade(face.line((wing - 1) * 0.014, 0.004) * half, 0.36, SHADOW)


def cheeks(canvas: Canvas, who: Sitters) -> None:
    """Colour on the cheeks, and freckles."""
    rosy = 0.08 + 0.36 * who.level("cheeks", "rosy")
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.108, 0.078)
        with canvas.around(u, v, 0.092, 0.062) as face:
            share = rosy * bump(face.u - u, face.v - v, 0.075 * narrow, 0.06)
            face.paint(share, who.skin * BLUSH * 1.15)
    rows = np.flatnonzero(who.table["cheeks"] == "freckled")
    if len(rows):
        some = who.take(rows)
        u, v, _ = some.spot(0.0, 0.062, 0.01)
        phase = some.vary["strand"]
        with canvas.around(u, v, 0.16, 0.055, rows) as face:
            across, along = face.u - u, face.v - v
            dots = wave(across * 17 + 0.3 * wave(along * 9 + phase)) * wave(
                along * 20 + 0.3 * wave(across * 11 + phase) + phase
            )
            dots = clip(np.abs(dots) * 3.4 - 1.9, 0, 1)
            dots *= clip(bump(across, along, 0.16, 0.052) * 2.5, 0, 1)
            face.shade(dots, 0.36, FRECKLE)


def lines(canvas: Canvas, who: Sitters) -> None:
    """Creases of age and of a smile."""
    old = who.by("age", {"old": 1.0, "middle-aged": 0.3})
    smile = who.by("expression", {"smile": 0.6, "laugh": 0.8})
    rows = np.flatnonzero(who.table["age"] != "young")
    if len(rows):
        some = who.take(rows)
        u, v, _ = some.spot(0.0, -0.146)
        with canvas.around(u, v, 0.105, 0.045, rows) as face:
            for k in range(3):
                u, v, _ = some.spot(0.0, -0.122 - 0.024 * k)
                across = (face.u - u) / (0.1 - 0.012 * k)
                fade = 1 - across * across
                bow = face.v - v + 0.010 * fade + 0.003 * np.abs(across)
                clip(fade, 0, 1, out=fade)
                face.shade(face.line(bow, 0.0042) * fade, 0.34 * old[rows], SHADOW)
    for side in (-1.0, 1.0):
        u, v, narrow = who.spot(side * 0.072, 0.13)
        with canvas.around(u, v, 0.045, 0.048) as face:
            along = (face.v - v) / 0.045
            bow = face.u - u - side * 0.020 * narrow * (along - 0.5 * along * along)
            fade = clip(1 - along * along, 0, 1)
            face.shade(face.line(bow, 0.0045) * fade, 0.30 * clip(smile, 0.8 * old, 1), SHADOW)
        u, v, narrow = who.spot(side * 0.146, 0.004)
        with canvas.around(u, v, 0.026, 0.032) as face:
            across, along = face.u - u, face.v - v
            away = across / (0.020 * narrow)
            fade = clip(1 - away * away, 0, 1)
            crow = 0.32 * clip(0.3 * smile, old, 1)
            for k in range(3):
                slant = along + 0.016 * (1 - k) - side * (k - 1) * 0.3 * across
                face.shade(face.line(slant, 0.003) * fade, crow, SHADOW)
        u, v, narrow = who.spot(side * 0.08, 0.034)
        bags = 0.26 * mixed(np.float32(0.15), np.float32(1), old)
        with canvas.around(u, v - 0.004, 0.044, 0.022) as face:
            across = (face.u - u) / (0.036 * narrow)
            bow = face.v - v + 0.008 * across * across
            fade = clip(1 - across * across, 0, 1)
            face.shade(face.line(bow, 0.0045) * fade, bags, SHADOW)
