"""Where a measured share falls through a level: the border of a phase diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd


def crossing(x: ArrayLike, value: ArrayLike, level: float = 0.5, log: bool = True) -> float:
    r"""Where a value first falls from above a level to it or below, linear between two places.

    .. math:: \log x^* = \log x_i + \frac{y_i - l}{y_i - y_{i+1}} \log\frac{x_{i+1}}{x_i},
        \qquad y_i > l \ge y_{i+1}

    Args:
        x: (P,) rising places, > 0 if ``log``. value: (P,) measured there.
        level: l, in units of the value. log: interpolate in log x.
    Returns:
        x*, in units of x; NaN where the value does not fall through the level.
    Raises:
        ValueError: other shapes, fewer than two places, x that does not rise or is <= 0.
    """
    place, y = np.asarray(x, float), np.asarray(value, float)
    if place.ndim != 1 or place.shape != y.shape or len(place) < 2:
        raise ValueError(
            f"expected x and value of shape (P,), P >= 2, got {place.shape}, {y.shape}"
        )
    if not (np.diff(place) > 0).all():
        raise ValueError(f"x must rise, got {place}")
    if log and place[0] <= 0:
        raise ValueError(f"x must be > 0 on a logarithmic scale, got {place[0]}")
    falls = np.flatnonzero((y[:-1] > level) & (y[1:] <= level))
    if not len(falls):
        return float("nan")
    i, flat = falls[0], np.log(place) if log else place
    at = flat[i] + (y[i] - level) / (y[i] - y[i + 1]) * (flat[i + 1] - flat[i])
    return float(np.exp(at) if log else at)


def borders(
    table: pd.DataFrame,
    by: str | Sequence[str],
    x: str = "speed",
    value: str = "utilization",
    level: float = 0.5,
) -> Any:
    """The crossing of each group of runs; runs at the same place are averaged first.

    Args:
        table: a row for each run, such as ``sweep`` returns.
        by: the column, or columns, that tell the groups apart; with "seed" each has its own border.
        x, value: columns of the places and of what is measured. level: as in :func:`crossing`.
    Returns:
        a pandas.Series of crossings, its index the groups.
    Raises:
        ValueError: a column that is not there, or what :func:`crossing` refuses.
    """
    keys = [by] if isinstance(by, str) else list(by)
    if missing := [name for name in (*keys, x, value) if name not in table]:
        raise ValueError(f"no column {', '.join(missing)}: the table has {', '.join(table)}")
    means = table.groupby([*keys, x])[value].mean().reset_index(x)
    groups = means.groupby(level=keys)
    return groups.apply(lambda part: crossing(part[x], part[value], level)).rename("border")
