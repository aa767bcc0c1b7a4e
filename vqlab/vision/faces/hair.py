"""Hair behind the head and before it, and beards."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Plane, bump, reach, wave
from .sitters import Sitters


def texture(canvas: Canvas, who: Sitters) -> Plane:
    """How bright hair is: strands that run down, waves or curls, light from above."""
    u, v = canvas.u, canvas.v
    curly, wavy = who.level("texture", "curly"), who.level("texture", "wavy")
    phase = who.vary["strand"]
    sway = (0.012 * wavy) * wave(v * 7.5 + phase)
    run = (u + sway) * (1 - 0.6 * v)
    strands = wave(run * 17 + phase) + 0.6 * wave(run * 29 + 0.5 + 2 * v)
    knots = wave(u * 12 + 0.35 * wave(v * 9)) * wave(v * 11 + phase + 0.35 * wave(u * 8))
    tone = (0.10 * (1 - 0.75 * curly)) * strands + (0.34 * curly) * knots
    tone += (0.08 * wavy) * wave(v * 9 + 2.2 * np.abs(u) + phase)
    crown = bump(u - 0.10 * who.light[0], v + who.high * 0.80, 0.26, 0.15)
    tone += 0.42 * crown * (1 - 0.5 * curly)
    tone += 0.80 + (0.9 * who.light[0]) * np.clip(u, -0.24, 0.24)
    return tone


def spread(canvas: Canvas, who: Sitters) -> Plane:
    """The signed distance to the edge of all the hair there is, behind the head and beside it."""
    u, v = canvas.u, canvas.v
    curly, wavy = who.level("texture", "curly"), who.level("texture", "wavy")
    thick = 0.018 + 0.018 * who.vary["hair"] + 0.032 * curly + 0.010 * wavy
    tied = who.level("bun", "yes")
    short = np.maximum(who.level("length", "short"), tied)
    thick = np.where(short > 0, 0.6 * thick + 0.006 + 0.02 * curly * (1 - tied), thick)
    wide, high = who.wide + thick, who.high + thick * 1.15
    crown = (1 - reach(u, v + 0.006, wide, high)) * wide
    end = np.where(who.level("length", "long") > 0, 0.43 + 0.12 * who.vary["part"], 0.235)
    away = np.abs(u) - 0.03 * wave(v * 1.6 + 0.1) * (1 - curly)
    out = wide + (0.03 + 0.05 * curly) * np.clip(v * 3, 0, 1) - away
    fall = np.minimum(np.minimum(out, v + 0.02), end - v - 0.3 * np.maximum(away - 0.1, 0))
    edge = np.where(short > 0, crown, np.maximum(crown, fall))
    edge += (0.009 * wavy) * wave(v * 7.5 + who.vary["strand"])
    edge += (0.011 * curly) * (wave(v * 11 + 0.3) + wave(u * 12 + 0.6))
    return edge


def behind(canvas: Canvas, who: Sitters, edge: Plane, tone: Plane) -> None:
    """What the head, the neck and the shoulders hide."""
    share = canvas.cover(edge) * (1 - who.level("length", "bald"))
    short = np.maximum(who.level("length", "short"), who.level("bun", "yes"))
    share *= np.maximum(1 - short, canvas.cover(0.03 - canvas.v))
    canvas.paint(share, who.hair * (0.68 * tone)[:, None])
    bun = who.level("bun", "yes")
    if bun.any():
        top = canvas.window(0, 0.4, 0.15, 0.85)
        v = -who.high - 0.055
        ball = reach(top.u - 0.012 * who.turn, top.v - v, 0.082, 0.070)
        swirl = wave(2.3 * ball + 3 * top.u) * 0.16
        lit = 1.0 - 0.55 * ball * ball + 0.9 * who.light[0] * top.u - 1.5 * (top.v - v)
        top.paint(top.cover((1 - ball) * 0.07) * bun, who.hair * (lit + swirl)[:, None])


def before(canvas: Canvas, who: Sitters, edge: Plane, tone: Plane) -> None:
    """What lies over forehead, temples, ears and shoulders."""
    u, v = canvas.u, canvas.v
    tied = who.level("bun", "yes")
    short = np.maximum(who.level("length", "short"), tied)
    part = 0.09 * (who.vary["part"] - 0.5)
    side = np.where(who.vary["part"] > 0.5, np.float32(1), np.float32(-1))
    shift = 0.5 * 0.16 * who.turn
    a = u - shift
    curly = who.level("texture", "curly")
    ripple = 0.010 * curly * wave(u * 14 + who.vary["strand"])
    swept = v + 0.165 - 0.28 * side * a - 0.9 * a * a
    parted = v + 0.182 - 0.42 * np.abs(a - part)
    fringe = v + 0.088 + 0.006 * wave(u * 19 + who.vary["strand"]) - 1.2 * a * a
    line = np.where(who.level("front", "parted") > 0, parted, swept)
    line = np.where(who.level("front", "fringe") > 0, fringe, line) + ripple
    wide = np.where(short > 0, 0.95 * who.wide, 0.865 * who.wide)
    temples = np.where(v > 0.05, (wide - np.abs(a)) * 0.9, (1 - reach(a, v - 0.05, wide, 0.30)) * wide)
    temples += 0.006 * wave(v * 8 + who.vary["strand"]) * (1 - short)
    bare = np.minimum(line, temples)
    ends = np.where(short > 0, canvas.cover(0.01 + 0.03 * (1 - tied) - v), np.float32(1))
    has = 1 - who.level("length", "bald")
    over = canvas.cover(edge)
    share = over * (1 - canvas.cover(bare)) * ends * has
    near = np.clip((bare + 0.004) * -28 + 0.55, 0, 1)  # darker where it lifts off the skin
    cast = np.clip(1 - bare * 38, 0, 1) * over * ends * has
    canvas.shade(cast * np.clip(0.25 - v * 3, 0, 1), 0.26, np.float32([0.85, 1, 1])[None, :, None, None])
    lit = tone * (0.72 + 0.28 * near)
    canvas.paint(share, np.minimum(who.hair * lit[:, None], 1))
    seam = who.level("front", "parted") * has
    top = canvas.window(0.05, 0.5, 0.25, 0.75)
    gap = top.line(top.u - shift - part - 0.25 * (top.v + 0.2) * part, 0.0045)
    top.shade(gap * np.clip((top.v + who.high + 0.02) * 25, 0, 1) * np.clip(-(top.v + 0.17) * 40, 0, 1) * seam, 0.45, np.ones((1, 3, 1, 1), np.float32))


def beard(canvas: Canvas, who: Sitters, rho: Plane) -> None:
    """Stubble, a moustache, a goatee or a full beard, painted under the mouth."""
    u, v = canvas.u, canvas.v
    kind = who.table["beard"]
    if (kind == "none").all():
        return
    full, stubble = who.level("beard", "full"), who.level("beard", "stubble")
    goatee, lip = who.level("beard", "goatee"), who.level("beard", "moustache")
    low = 1 + 0.13 * full * np.clip(v * 6, 0, 1)
    jaw = canvas.cover((low - rho) * who.wide * 0.8)
    at, down, _ = who.spot(0.0, 0.0, 0.01)
    clean = reach(u - at, v - down + 0.012, 0.148, 0.132)
    chin, chin_v, _ = who.spot(0.0, 0.222)
    soft = np.where(stubble > 0, np.float32(0.022), np.float32(0.010))
    cheeks = np.clip((clean - 1) * 0.14 / soft + 0.3, 0, 1) * np.clip((v + 0.03) * 30, 0, 1)
    point = canvas.ellipse(chin, chin_v + 0.008, 0.062, 0.066)
    mid, mid_v, narrow = who.spot(0.0, 0.128, 0.01)
    across = (u - mid) / (0.075 * narrow)
    stroke = v - mid_v - 0.030 * across * across
    brush = canvas.line(stroke, 0.0155 * np.clip(1.15 - across * across, 0, 1))
    brush = brush * np.clip((1.0 - np.abs(across)) * 6, 0, 1)
    share = np.maximum(cheeks * jaw * (full + 0.42 * stubble), brush * (full + goatee + lip))
    share = np.maximum(share, np.minimum(point, jaw) * goatee)
    hairs = wave(u * 31 + 4 * v) * 0.10 + wave(u * 17 - 9 * v) * 0.08
    lit = 0.82 + hairs + 0.9 * who.light[0] * u - 0.5 * np.clip(v - 0.16, 0, 1)
    canvas.paint(share * 0.94, np.minimum(who.hair * (0.92 * lit)[:, None] + 0.01, 1))
