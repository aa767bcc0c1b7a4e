"""Whether a code that bears a name is used where the name fits, more than another code would be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NamesTest:
    """Own codes against shuffled names.

    Attributes:
        bits: (W, W) information between the label of word v (row) and the use of code w (column).
        own: mean of the diagonal, in bits. chance: mean over all shuffles, likewise.
        share: of the shuffles whose mean is at least ``own``, itself counted; near 0 the codes
            mean what they are called, and 0.5 is what names without meaning give on average.
    """

    bits: Array
    own: float
    chance: float
    share: float


def mutual_information(labels: ArrayLike, uses: ArrayLike) -> Array:
    r"""How much the use of each code says about each label.

    .. math:: I_{vw} = \sum_{a, b \in \{0, 1\}} p_{vw}(a, b) \log_2
        \frac{p_{vw}(a, b)}{p_v(a)\, p_w(b)}

    Frequencies are taken as they are; N samples of independent columns still show about
    1 / (2 N ln 2) bits.

    Args:
        labels: (N, V) bool, whether picture n has v. uses: (N, W) bool, whether it uses w.

    Returns:
        (V, W) bits, between 0 and 1.

    Raises:
        ValueError: no picture, or another number of them in the two tables.
    """
    first, second = (np.asarray(table, dtype=bool).astype(float) for table in (labels, uses))
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or not len(first):
        raise ValueError(
            f"expected labels (N, V) and uses (N, W), got {first.shape} and {second.shape}"
        )
    count = len(first)
    total = np.zeros((first.shape[1], second.shape[1]))
    for a in (first, 1 - first):
        for b in (second, 1 - second):
            both = a.T @ b / count
            alone = a.mean(0)[:, None] * b.mean(0)
            ratio = np.divide(both, alone, out=np.ones_like(both), where=both > 0)
            total += both * np.log2(ratio)
    return np.maximum(total, 0.0)


def names_test(
    labels: ArrayLike, uses: ArrayLike, shuffles: int = 2000, seed: int = 0
) -> NamesTest:
    """Compares code w's information about label w with that of codes whose names are shuffled.

    A code may tell much about a label only because it is used often, or because all codes do; under
    a shuffle of the names it still does. Only what belongs to the right name is left.

    Args:
        labels: (N, W) bool. uses: (N, W) bool, column w the code named as label w.
        shuffles: random orders of the names. seed: of these.

    Returns:
        :class:`NamesTest`.

    Raises:
        ValueError: as :func:`mutual_information`; tables with unlike columns; no shuffle.
    """
    bits = mutual_information(labels, uses)
    size = len(bits)
    if bits.shape != (size, size):
        raise ValueError(f"expected a code for each label, got {bits.shape[1]} for {size}")
    if shuffles < 1:
        raise ValueError(f"shuffles must be >= 1, got {shuffles}")
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(np.arange(size), (shuffles, 1)), axis=1)
    means = bits[np.arange(size), orders].mean(1)
    own = float(np.diag(bits).mean())
    share = (1 + int((means >= own - 1e-12).sum())) / (1 + shuffles)
    return NamesTest(bits, own, float(bits.mean()), share)
