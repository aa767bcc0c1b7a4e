"""How far a cloud has gone, also where nobody knows which point became which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Travel:
    """The way of a cloud from one time to another, in units of the latents.

    Attributes:
        length: root mean square displacement, or the least that it can have been.
        shift: the part of it that all points share, the way of the mean.
    """

    length: float
    shift: float


def travel(before: NDArray[np.floating], after: NDArray[np.floating], paired: bool) -> Travel:
    r"""How far a cloud has moved.

    For the same points before and after it is the root mean square displacement. For two samples of
    different points it is the least that any pairing allows by means and covariances (Gelbrich's
    bound), less what two samples of one cloud would show:

    .. math:: \|m_1 - m_0\|^2 + \mathrm{tr}\,\big(S_0 + S_1 - 2 (S_0^{1/2} S_1 S_0^{1/2})^{1/2}\big)

    The noise is that between the first and the second half of a sample, halved: latents of one
    input stand together, so that the halves differ as batches do.

    Args:
        before, after: (N, D), equal rows of both belonging together if ``paired``.
    Returns:
        :class:`Travel`. A motion within the same mean and covariance (a rotation of a round cloud)
        is not seen without pairs.

    Source: M. Gelbrich, On a formula for the L2 Wasserstein metric between measures on Euclidean
    and Hilbert spaces, Mathematische Nachrichten 147 (1990); the correction is ours.
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if paired:
        return Travel(float(np.sqrt(((b - a) ** 2).sum(1).mean())), _norm(b.mean(0) - a.mean(0)))
    shift, shape = _gelbrich(a, b)
    noise = np.mean([_gelbrich(*np.array_split(z, 2)) for z in (a, b)], axis=0) / 2
    shift, shape = max(shift - noise[0], 0.0), max(shape - noise[1], 0.0)
    return Travel(float(np.sqrt(shift + shape)), float(np.sqrt(shift)))


def _norm(x: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(x))


def _gelbrich(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Squared ways of the mean and of the covariance."""
    if not len(a) or not len(b):
        return 0.0, 0.0
    m, n = a.mean(0), b.mean(0)
    x, y = (a - m) / np.sqrt(len(a)), (b - n) / np.sqrt(len(b))
    values, vectors = np.linalg.eigh(x.T @ x)
    half = y @ (vectors * np.sqrt(values.clip(0)))  # half' half is S0^1/2 S1 S0^1/2, turned
    cross = np.sqrt(np.linalg.eigvalsh(half.T @ half).clip(0)).sum()
    return _norm(n - m) ** 2, float(max((x**2).sum() + (y**2).sum() - 2 * cross, 0.0))

