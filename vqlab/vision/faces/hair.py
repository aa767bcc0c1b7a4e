"""Hair behind the head and before it."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np

from .canvas import Canvas, Plane, bump, clip, mixed, reach, wave
from .sitters import Sitters

SKIN_SHADE = np.array([0.85, 1.0, 1.0], np.float32)[:, None, None, None]
GREY_SHADE = np.ones((1, 1, 1, 1), np.float32)


def ends(who: Sitters) -> Plane:
    """How far down the hair reaches."""
    drop = np.where(who.level("length", "long") > 0, 0.43 + 0.12 * who.vary["part"], 0.235)
    return np.where(cropped(who) > 0, 0.06, drop).astype(np.float32)


def cropped(who: Sitters) -> Plane:
    """1 where hair ends above the ears: short, tied up, or none."""
    return np.maximum(who.level("length", "short", "bald"), who.level("bun", "yes"))


def thickness(who: Sitters) -> Plane:
    """How far hair stands off the skull."""
    curly, wavy = who.level("texture", "curly"), who.level("texture", "wavy")
    thick = 0.018 + 0.018 * who.vary["hair"] + 0.032 * curly + 0.010 * wavy
    tied = 0.6 * thick + 0.006 + 0.02 * curly * (1 - who.level("bun", "yes"))
    return mixed(thick, tied, cropped(who))


def region(canvas: Canvas, who: Sitters) -> AbstractContextManager[Canvas]:
    """The part with all hair but a bun: `spread` stays below 0 by a pixel's half outside of it."""
    thick, curly = thickness(who), who.level("texture", "curly")
    wide = who.wide + thick + (0.06 + 0.02 * curly) * (1 - cropped(who)) + 0.02 + 0.01 * curly
    top, low = who.high + 1.15 * thick + 0.035 + 0.01 * curly, ends(who) + 0.03
    return canvas.around(0.0, 0.5 * (low - top), wide, 0.5 * (low + top))


def texture(canvas: Canvas, who: Sitters) -> Plane:
    """How bright hair is: strands that run down, waves or curls, light from above."""
    u, v = canvas.u, canvas.v
    phase = who.vary["strand"]
    # All three are computed only where the batch has them.
    tone = u * (0.7 * who.light[0]) + 0.80
    curly, wavy = who.level("texture", "curly"), who.level("texture", "wavy")
    run = u * (1 - 0.6 * v)
    if wavy.any():
        sway = wave(v * 7.5 + phase)
        run += (0.012 * wavy) * sway
        tone += (0.08 * wavy) * wave(v * 9 + 2.2 * np.abs(u) + phase)
    strands = wave(run * 17 + phase)
    strands += 0.6 * wave(run * 29 + 2 * v)
    tone += (0.10 * (1 - 0.75 * curly)) * strands
    if curly.any():
        knots = wave(u * 12 + 0.35 * wave(v * 9)) * wave(v * 11 + phase + 0.35 * wave(u * 8))
        tone += (0.27 * curly) * knots
    crown = bump(u - 0.10 * who.light[0], v + who.high * 0.80, 0.26, 0.15)
    tone += (0.42 - 0.21 * curly) * crown
    return tone


def spread(canvas: Canvas, who: Sitters) -> Plane:
    """The signed distance to the edge of all the hair there is, behind the head and beside it."""
    u, v = canvas.u, canvas.v
    curly, wavy = who.level("texture", "curly"), who.level("texture", "wavy")
    short = cropped(who)
    thick = thickness(who)
    wide, high = who.wide + thick, who.high + thick * 1.15
    # Short hair thins out towards the ears.
    thin = wide - (short * thick) * clip(v * 6 + 0.84, 0, 1)
    edge = (1 - reach(u, v + 0.006, thin, high)) * wide
    if not short.all():
        away = np.abs(u) - (0.03 * (1 - curly)) * wave(v * 1.6 + 0.1)
        out = wide - away
        out += (0.03 + 0.05 * curly) * clip(v * 3, 0, 1)
        np.minimum(out, v + 0.02, out=out)
        np.minimum(out, ends(who) - v - 0.3 * clip(away - 0.1, 0, 1), out=out)
        out -= short  # none there: far outside
        np.maximum(edge, out, out=edge)
    if wavy.any():
        edge += (0.009 * wavy) * wave(v * 7.5 + who.vary["strand"])
    if curly.any():
        rough = wave(v * 9 + 0.3 + 0.4 * wave(u * 4)) + wave(u * 8 + 0.6 + 0.5 * wave(v * 6))
        edge += (0.008 * curly) * rough
    np.minimum(edge, ends(who) + 0.02 - v, out=edge)
    if (who.table["hat"] != "none").any():  # pressed flat under it
        edge -= who.level("hat", "cap", "brim") * clip(-0.3 - 2 * v, 0, 0.2)
    edge -= who.level("length", "bald")
    return edge


def behind(canvas: Canvas, who: Sitters) -> tuple[Plane, Plane]:
    """What the head, the neck and the shoulders hide; returns edge and tone of all the hair."""
    low = np.where(cropped(who) > 0, 0.015, 1.0).astype(np.float32)
    with region(canvas, who) as mane:
        edge, tone = spread(mane, who), texture(mane, who)
        mane.paint(mane.cover(np.minimum(edge, low - mane.v)), 0.68 * tone * who.hair)
    return edge, tone


def bun(canvas: Canvas, who: Sitters) -> None:
    """A knot on top of the head."""
    rows = np.flatnonzero(who.table["bun"] == "yes")
    if not len(rows):
        return
    some = who.take(rows)
    v = -some.high - 0.055
    with canvas.around(0.0, -0.32, 0.1, 0.13, rows) as top:
        ball = reach(top.u - 0.012 * some.turn, top.v - v, 0.082, 0.070)
        swirl = wave(2.3 * ball + 3 * top.u) * 0.16
        lit = 1.0 - 0.55 * ball * ball + 0.9 * some.light[0] * top.u - 1.5 * (top.v - v)
        top.paint(top.cover((1 - ball) * 0.07), some.hair * (lit + swirl))


def hairline(canvas: Canvas, who: Sitters) -> Plane:
    """The signed distance to the edge of the bare face: swept aside, parted, or under a fringe."""
    u, v = canvas.u, canvas.v
    short = cropped(who)
    a = u - 0.08 * who.turn
    side = np.where(who.vary["part"] > 0.5, np.float32(1), np.float32(-1))
    parted, fringe = who.level("front", "parted"), who.level("front", "fringe")
    square = a * a
    line = (0.168 + 0.012 * parted - 0.08 * fringe) + v
    line -= (0.28 * side * (1 - parted - fringe)) * a
    line -= (0.9 + 0.3 * fringe - 0.5 * parted) * square
    if parted.any():
        line -= (0.34 * parted) * np.abs(a - 0.09 * (who.vary["part"] - 0.5))
    line += (0.010 * who.level("texture", "curly") + 0.004) * wave(u * 14 + who.vary["strand"])
    wide = (0.865 + 0.085 * short) * who.wide
    low = clip(v - 0.05, -1, 0)  # below it, locks hang straight down
    temples = (1 - reach(a, low, wide, 0.30)) * wide
    if not short.all():
        temples += (0.006 * (1 - short)) * wave(v * 8 + who.vary["strand"])
    return np.minimum(line, temples, out=line)


def before(canvas: Canvas, who: Sitters, edge: Plane, tone: Plane) -> None:
    """What lies over forehead, temples, ears and shoulders."""
    short = cropped(who)
    with region(canvas, who) as mane:
        bare = hairline(mane, who)
        # Short hair runs out to a point before the ear.
        if short.any():
            point = 0.035 - mane.v - 1.6 * clip(np.abs(mane.u) - 0.93 * who.wide, 0, 1)
            edge = np.minimum(edge, point + 2 * (1 - short))
        over = mane.cover(edge)
        # Shade falls on the skin below; hair is darker where it lifts off.
        cast = clip(1 - bare * 38, 0, 1)
        cast *= clip(0.25 - mane.v * 3, 0, 1)
        cast *= over
        mane.shade(cast, 0.26, SKIN_SHADE)
        near = bare * -28
        near += 0.45
        clip(near, 0, 1, out=near)
        near *= 0.28
        near += 0.72
        near *= tone
        over *= mane.cover(-bare)
        mane.paint(over, near * who.hair)
    rows = np.flatnonzero((who.table["front"] == "parted") & (who.table["length"] != "bald"))
    if len(rows):
        some = who.take(rows)
        part = 0.09 * (some.vary["part"] - 0.5)
        with canvas.around(0.0, -0.22, 0.1, 0.08, rows) as top:
            gap = top.line(top.u - 0.08 * some.turn - part - 0.25 * (top.v + 0.2) * part, 0.0045)
            gap *= clip((top.v + some.high + 0.005) * 25, 0, 1)
            gap *= clip(-(top.v + 0.17) * 40, 0, 1)
            gap *= top.cover(0.09 - np.abs(top.u))
            top.shade(gap, 0.45, GREY_SHADE)
