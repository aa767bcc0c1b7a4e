"""The rows of :mod:`vqlab.vision.stress` beside what was published: where do the two disagree?

The published runs are of a large model on ImageNet with an adversarial loss; ours are of a small
one on digits and drawn faces. Directions can be set beside each other, sizes cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .stress import COLUMNS, MEASURES

if TYPE_CHECKING:
    import pandas as pd

Medians = Mapping[float, float]  # by rate
SILENT = "nothing found"
SHARES = ("utilization", "perplexity", "churn", "started")
LAST = 10.0  # the highest rate of the published dial
MOST, FULL = 0.9, 0.95  # what we call near-complete use, and no loss


@dataclass(frozen=True)
class Claim:
    """What a source says, and the rates at which medians go another way.

    Attributes:
        words: the source's trend; its numbers are read off charts.
        against: from the medians by rate to the rates at which they disagree.
    """

    words: str
    against: Callable[[Medians], list[float]]


def _not_falling(medians: Medians) -> list[float]:
    rates = sorted(medians)
    return [b for a, b in zip(rates, rates[1:], strict=False) if not medians[b] < medians[a]]


def _not_rising(medians: Medians) -> list[float]:
    return _not_falling({rate: -value for rate, value in medians.items()})


def _below(least: float, rates: Sequence[float] | None = None) -> Callable[[Medians], list[float]]:
    return lambda m: [r for r in sorted(m) if (rates is None or r in rates) and m[r] < least]


def _faster(medians: Medians) -> list[float]:
    return [r for r in sorted(medians) if r > 1 and not medians[r] > r * medians[1.0]]


def _slower(medians: Medians) -> list[float]:
    return [r for r in sorted(medians) if r > 1 and not medians[r] < r * medians[1.0]]


def _changing(medians: Medians) -> list[float]:
    return [r for r in sorted(medians) if abs(medians[r] / medians[1.0] - 1) > 1 - MOST]


NEAR = Claim("near-complete use (2602.18896; no dial)", _below(MOST, (1.0,)))
CLAIMS: dict[tuple[str, str], Claim] = {
    ("utilization", "vq"): Claim(
        "falls: 34 % at ×1, about 1 % at ×5, about 0.5 % at ×10", _not_falling
    ),
    ("utilization", "nsvq + replacement"): Claim("94–97 % at every rate", _below(MOST)),
    ("utilization", "nsvq"): NEAR,
    ("utilization", "transvq"): NEAR,
    ("drift", "vq"): Claim("faster than the rate: about 25 at ×1, 978 at ×10", _faster),
    ("drift", "nsvq + replacement"): Claim("slower than the rate: 0.117 at ×1, 0.238 at ×10",
                                           _slower),
    ("mse", "vq"): Claim("pictures get worse: rFID about 22 at ×1, 135 at ×10", _not_rising),
    ("mse", "nsvq + replacement"): Claim("pictures stay: rFID 14–15 at every rate", _changing),
    ("churn", "vq"): Claim("stays: 77 % at ×1, 76 % at ×10", _changing),
    ("churn", "nsvq + replacement"): Claim("rises: 60 % at ×1, 82 % at ×10", _not_rising),
}  # fmt: skip
PERFECT = Claim("falls: 99.8 % to 85 % in 140 steps", lambda m: [1.0] if m[1.0] >= FULL else [])


def load(path: str | Path) -> pd.DataFrame:
    """Reads what ``make stress`` wrote.

    Raises:
        ValueError: columns missing. FileNotFoundError: no such file.
    """
    import pandas as pd

    rows = pd.read_csv(path)
    if missing := [name for name in COLUMNS + MEASURES if name not in rows]:
        raise ValueError(f"{Path(path).name} has no column {', '.join(missing)}: make stress")
    return rows


def perfect_start(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the dial: trained encoder, codes on k-means of its latents or of their own."""
    return rows[(rows["encoder"] == "trained") & (rows["start"] != "first-batch")]


def dial(rows: pd.DataFrame, value: str = "utilization") -> pd.DataFrame:
    """Experiment 1, a row for each set of pictures and method: median (lowest–highest seed).

    Args:
        rows: of :func:`load`.
        value: the column to show. ``mse`` is set beside the published rFID.

    Returns:
        a DataFrame of texts, indexed by data and method: a column for each rate; ``published``, the
        trend in words; ``disagrees``, the rates up to ×10 at which our medians go another way.

    Raises:
        ValueError: a column that is not there.
    """
    return _table(
        perfect_start(rows).sort_values("data", kind="stable"), ["data", "method"], value,
        lambda key: CLAIMS.get((value, key[1])),
    )  # fmt: skip


def starts(rows: pd.DataFrame, value: str = "utilization") -> pd.DataFrame:
    """Experiment 2, plain VQ: a row for each set of pictures, encoder and start of the codes.

    Args, returns, raises: as :func:`dial`; published is one start at one rate.
    """
    claims = {("trained", "kmeans"): PERFECT} if value == "utilization" else {}
    return _table(
        rows[rows["method"] == "vq"], ["data", "encoder", "start"], value,
        lambda key: claims.get(key[1:]),
    )  # fmt: skip


def _table(
    rows: pd.DataFrame,
    index: list[str],
    value: str,
    claim: Callable[[tuple[Any, ...]], Claim | None],
) -> pd.DataFrame:
    import pandas as pd

    if value not in MEASURES:
        raise ValueError(f"unknown column {value!r}; choose one of {', '.join(MEASURES)}")
    # A missing step is one that never came; any other missing value is of a run that failed.
    filled = rows.assign(**{value: rows[value].fillna(math.inf)}) if value == "half_dead" else rows
    rates = sorted(rows["rate"].unique())
    out: dict[tuple[Any, ...], dict[str, str]] = {}
    for key, part in filled.groupby(index, sort=False):
        found = part.groupby("rate")[value].agg(["median", "min", "max"])
        line = {f"×{rate:g}": _cell(found, rate, value) for rate in rates}
        said = claim(key)
        medians = {r: m for r, m in found["median"].items() if r <= LAST}
        against = [] if said is None else said.against(medians)
        line["published"] = SILENT if said is None else said.words
        line["disagrees"] = ", ".join(f"×{rate:g}" for rate in against)
        out[key] = line
    table = pd.DataFrame.from_dict(out, orient="index")
    table.index = pd.MultiIndex.from_tuples(out, names=index)
    return table


def _cell(found: pd.DataFrame, rate: float, value: str) -> str:
    if rate not in found.index:
        return ""
    median, low, high = (_text(found.loc[rate, name], value) for name in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}–{high})"


def _text(number: float, value: str) -> str:
    if not math.isfinite(number):
        return "never" if value == "half_dead" else "failed"
    if value in SHARES:
        return f"{number:.0%}".replace("%", " %")
    return f"{number:.0f}" if value == "half_dead" else f"{number:.2g}"
