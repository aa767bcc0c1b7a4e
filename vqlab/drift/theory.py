r"""Why a moving cloud can carry only so many codes, and at which speed it loses the first.

**One code.** Under SGD a code hit by a share p of the batch closes eta p of its distance to the
mean of its cell. Chasing a cell that moves at speed v, it settles at the lag h = v/(eta p): nearer,
it is left behind faster than it catches up. With a moving average of decay gamma the lag is
h = v/(1-gamma), whatever p. (Both as the next batch finds it; just after an update it is smaller by
v.) The first guess is that a code dies when h passes half the gap to its neighbour. That is
:func:`rigid_speed`: v ~ eta K^(-1-1/D), or (1-gamma) K^(-1/D).

**All codes.** The guess is far too kind, because the neighbours lag as well and the cells move
along: if all codes are displaced alike, so are all cells, and no code is pulled any harder. What
pulls a code forward is only that its cell is larger ahead than behind. Let n be the density of
codes, rho that of the points, J n^(-2/D) the mean squared distance in a cell (Gersho). Where codes
are many, the distortion's gradient at one code is

    F = int_cell (z - c) rho dz = (J/D) grad P,    P = rho n^(-(D+2)/D)

so P is high where codes are sparse, and codes are pushed there. They keep up with the cloud where
F = v/eta (SGD), or F = p v/(1-gamma), p = rho/n (moving average). So codes stand like an atmosphere
in the wind: dense at the trailing edge, thin at the leading one. P rises from the trailing edge on
at the rate the wind asks for, which leaves room for so many codes and no more. For SGD

    P = (D v/(J eta)) (x - x0),    K_max = (J eta/(D v))^(D/(D+2)) int (rho/(x - x0))^(D/(D+2)) dz

With more codes than that, those at the trailing edge lose their points one by one until K_max are
left. Hence v_c ~ eta K^(-(D+2)/D) and survivors ~ (eta/v)^(D/(D+2)); for the moving average
v_c ~ (1-gamma) K^(-2) on a line and (1-gamma) log(K)/K in the plane. On a segment of length L the
last code standing is found exactly: v_c = (9/32) eta L/K^3, and (1-gamma) L/(2 K (K-1)). A
contraction by the share s per step is the same wind, blowing outwards, stronger the farther out.
In a plane moving average the wind is no gradient: codes drift round, and only the mean over each
cross-section is balanced here.

**The trailing edge** decides x0. The points behind the last row of codes pull it backwards, so that
in a cloud with tails the row must stand far out, and x0 with it: this costs a Gaussian cloud about
half of its K_max. :func:`capacity` stands the last row where the wind and the tail it owns balance,
starts P there, and takes the place that carries most codes. Of the row itself it counts one code:
on a line that is exact; in more dimensions the row is where codes are being lost, one by one.

Assumed: many codes along each dimension, many points per code, eta p well below 2, a cloud that has
travelled some twenty of its widths, no noise of batches. With few points per code a cell changes by
whole points, which holds codes by a static friction: a boundary measured there lies higher. Noise
shakes further codes off, slowly: measured after a longer way, it lies lower.

Measured over derived, speed that kills half the codes of a Gaussian cloud in the plane (20,000
points, batch 64, 20 widths): 0.85 to 1.05 for SGD, K from 16 to 64, eta from 2 to 8; moving
averages 0.6 (K = 8) to 1.3 (K = 128), where the law measured is 1/K.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln

from .columns import Column, gaussian

Array = NDArray[np.float64]
Method = Literal["vq", "ema"]

_ENDS = 60  # places tried for the last row


def gersho(dim: int) -> float:
    """J: mean squared distance to the centre of a best cell of unit volume, summed over D.

    1/12 on a line, 5/(18 sqrt 3) for hexagons, 0.2356 for truncated octahedra; above, the ball's,
    D/(D+2) V^(-2/D) with V the unit ball's volume, a lower bound (2 % low in four dimensions).

    Raises:
        ValueError: dim < 1.
    """
    if int(dim) != dim or dim < 1:
        raise ValueError(f"dim must be an integer >= 1, got {dim!r}")
    known = {1: 1 / 12, 2: 5 / (18 * math.sqrt(3)), 3: 19 / (64 * 2 ** (1 / 3))}
    ball = dim / (dim + 2) * math.exp(2 / dim * gammaln(dim / 2 + 1)) / math.pi
    return known.get(int(dim), ball)


def steady_lag(method: Method, rate: float, speed: float, share: float = 1.0) -> float:
    r"""The lag of a code behind the mean of a cell that moves steadily, as the next batch sees it.

    .. math:: h = v/(\eta p) \text{ (SGD)}, \qquad h = v/(1-\gamma) \text{ (moving average)}

    Args:
        method: "vq" (SGD) or "ema". rate: eta, or 1 - gamma. speed: v, length per step.
        share: p, of the batch; a moving average's lag does not depend on it.
    Returns:
        length. Just after the update it is smaller by v.
    Raises:
        ValueError: unknown method, rate or share not positive, speed negative.
    """
    _check(method, rate, speed)
    if not share > 0:
        raise ValueError(f"share must be > 0, got {share!r}")
    return speed / (rate * share if method == "vq" else rate)


def rigid_speed(method: Method, rate: float, codebook_size: int, column: Column) -> float:
    r"""The first guess: the speed at which one code's lag is half the gap, its neighbours at rest.

    .. math:: v = \eta\,\tfrac1K\,\tfrac g2 \text{ (SGD)}, \quad v = (1-\gamma)\,\tfrac g2
        \text{ (moving average)}, \qquad g = (V/K)^{1/D}

    V = 1 / int rho^2 is the cloud's effective volume. Too high, and the more so the larger K.

    Args:
        method: "vq" or "ema". rate: eta, or 1 - gamma. codebook_size: K.
        column: :func:`gaussian`, :func:`uniform` or :func:`of_points`.
    Raises:
        ValueError: unknown method, rate not positive, K < 1.
    """
    _check(method, rate, 1.0)
    _size(codebook_size)
    volume = 1 / float(np.trapezoid(column.density**2 / column.section, column.x))
    half = (volume / codebook_size) ** (1 / column.dim) / 2
    return rate * half / (codebook_size if method == "vq" else 1)


def capacity(method: Method, rate: float, speed: float, column: Column) -> float:
    """The largest number of codes that can keep up with a moving cloud; the derivation is above.

    Args:
        method: "vq" (SGD) or "ema". rate: eta, or 1 - gamma.
        speed: length per step, or the share of contraction per step; > 0.
        column: :func:`gaussian`, :func:`uniform` or :func:`of_points`.
    Returns:
        codes, >= 1 (one code alone owns every point and cannot die), not a whole number.
    Raises:
        ValueError: unknown method, rate or speed not positive.
    """
    _check(method, rate, speed)
    if not speed > 0:
        raise ValueError(f"speed must be > 0, got {speed!r}: a cloud at rest carries any number")
    return max(1.0, float(_carried(method, speed / rate, column).max()))


def critical_speed(
    method: Method,
    rate: float,
    codebook_size: int,
    column: Column | None = None,
    survivors: float = 1.0,
) -> float:
    """The speed at which a moving cloud can carry just so many codes: faster, and codes die.

    Args:
        method: "vq" (SGD) or "ema". rate: eta, or 1 - gamma. codebook_size: K >= 2.
        column: :func:`gaussian` (default, of unit width, D = 2), :func:`uniform`, or
            :func:`of_points` for any cloud.
        survivors: the share of the K codes to carry: 1 for the first death, 1/2 for the speed that
            kills half of them.
    Returns:
        length per step, or the share of contraction per step for a contracting column. Proportional
        to ``rate``.
    Raises:
        ValueError: unknown method, rate not positive, less than 1.1 codes to carry.
    """
    _check(method, rate, 1.0)
    _size(codebook_size)
    wanted = survivors * codebook_size
    if not 1.1 <= wanted <= codebook_size:
        raise ValueError(
            f"survivors must leave 1.1 to {codebook_size} of {codebook_size} codes, "
            f"got {survivors!r}; a single code never dies"
        )
    held = gaussian(2) if column is None else column

    def missing(log_load: float) -> float:
        return math.log(capacity(method, 1.0, math.exp(log_load), held) / wanted)

    low = math.log(rigid_speed(method, 1.0, codebook_size, held))
    while missing(low) < 0:
        low -= 2
    high = low
    while missing(high) > 0:
        high += 2
    return rate * math.exp(brentq(missing, low, high, xtol=1e-4))


def _carried(method: Method, load: float, column: Column) -> Array:
    """Codes in columns whose last row's cells end at each place b; 0 where none balances.

    The row stands at c, its cells reach back to the last point and half a gap g = 2 (b - c) ahead.
    From b on is the bulk, where P starts as that gap has it, and rises as the wind demands.
    """
    x, dim, width, wind = column.x, column.dim, column.section, column.wind
    power, factor = dim / (dim + 2), gersho(dim) / dim
    density = column.density / width
    mass, moment = (_integral(column.density * weight, x) for weight in (1.0, x))
    ends = np.flatnonzero((mass > 1e-12) & (mass < 0.5))
    ends = ends[np.linspace(0, len(ends) - 1, _ENDS).astype(int)]
    gap = 2 * _half_gap(
        method, load, dim, width[ends], wind[ends], mass[ends], x[ends] - moment[ends] / mass[ends]
    )
    row = np.maximum(width[ends] / gap ** (dim - 1), 1.0)
    start = density[ends] * gap ** (dim + 2)
    if method == "vq":
        rise = load / factor * _integral(wind, x)
        pressure = start[:, None] + rise - rise[ends, None]
    else:
        rise = (1 - power) * load / factor * _integral(wind * density ** (1 - power), x)
        root = start[:, None] ** (1 - power) + rise - rise[ends, None]
        pressure = np.maximum(root, 0) ** (1 / (1 - power))
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = width * (density / pressure) ** power
    ahead = (np.arange(len(x)) >= ends[:, None]) & (density > 0)
    codes = np.where(ahead, codes, 0.0)
    bulk = ((codes[:, 1:] + codes[:, :-1]) / 2 * np.diff(x)).sum(1)
    if method == "vq":
        return 1 + bulk
    # Here the lag does not grow as a cell shrinks, so only the last point sets an end to shrinking.
    return np.where(mass[ends] >= row / column.points, 1 + bulk, 0.0)


def _half_gap(
    method: Method, load: float, dim: int, width: Array, wind: Array, mass: Array, behind: Array
) -> Array:
    """b - c such that a row at c, owning the points behind b, is pulled as the wind demands.

    Pull on the row: the first moment of its points about c, mass (u - behind) for u = b - c and
    `behind` the distance of their mean from b.
    """
    if method == "ema":
        return behind + load * wind

    def pull_wanted(u: Array) -> Array:
        return load * wind * np.maximum(width / (2 * u) ** (dim - 1), 1.0)

    low, high = behind, behind + pull_wanted(behind) / mass
    for _ in range(60):  # halvings, to the last digit
        u = (low + high) / 2
        short = mass * (u - behind) < pull_wanted(u)
        low, high = np.where(short, u, low), np.where(short, high, u)
    return high


def _integral(values: Array, x: Array) -> Array:
    """Running integral from the first position on, trapezoids."""
    steps = (values[1:] + values[:-1]) / 2 * np.diff(x)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _check(method: str, rate: float, speed: float) -> None:
    if method not in ("vq", "ema"):
        raise ValueError(f"no derivation for {method!r}; choose 'vq' (SGD) or 'ema'")
    if not (math.isfinite(rate) and rate > 0 and math.isfinite(speed) and speed >= 0):
        raise ValueError(f"expected rate > 0 and speed >= 0, got {rate!r} and {speed!r}")


def _size(codebook_size: int) -> None:
    if int(codebook_size) != codebook_size or codebook_size < 2:
        raise ValueError(f"codebook_size must be an integer >= 2, got {codebook_size!r}")
