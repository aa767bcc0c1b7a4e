"""Who is in picture number i: every attribute drawn from a hash of seed, index and its own name.

No generator has a state here, so a picture needs none of its neighbours, and a new attribute leaves
the others as they were.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Index = int | slice | Sequence[int] | NDArray[np.integer] | Tensor

COLOURS = ("blue", "green", "grey", "pink", "orange", "yellow", "purple", "turquoise")

# What can be named, with the probability of each level; some depend on others, see `attributes`.
LEVELS: dict[str, dict[str, float]] = {
    "kind": {"woman": 0.52, "man": 0.48},
    "age": {"young": 0.5, "middle-aged": 0.3, "old": 0.2},
    "expression": {"neutral": 0.3, "smile": 0.27, "laugh": 0.2, "sad": 0.12, "surprised": 0.11},
    "skin": {
        "pale": 0.16,
        "fair": 0.22,
        "olive": 0.16,
        "tanned": 0.16,
        "brown": 0.16,
        "dark": 0.14,
    },
    "face": {"oval": 0.4, "round": 0.22, "narrow": 0.2, "square": 0.18},
    "hair": {"black": 0.26, "brown": 0.3, "red": 0.14, "blond": 0.2, "grey": 0.06, "white": 0.04},
    "length": {"bald": 0.06, "short": 0.34, "medium": 0.25, "long": 0.35},
    "texture": {"straight": 0.4, "wavy": 0.3, "curly": 0.3},
    "front": {"swept": 0.4, "parted": 0.32, "fringe": 0.28},
    "bun": {"no": 0.86, "yes": 0.14},
    "eyes": {"brown": 0.45, "blue": 0.25, "green": 0.18, "grey": 0.12},
    "brows": {"thin": 0.3, "medium": 0.35, "thick": 0.35},
    "nose": {"small": 0.3, "medium": 0.4, "big": 0.3},
    "lips": {"thin": 0.3, "medium": 0.3, "full": 0.25, "painted": 0.15},
    "cheeks": {"plain": 0.62, "rosy": 0.22, "freckled": 0.16},
    "beard": {"none": 0.45, "stubble": 0.14, "moustache": 0.13, "goatee": 0.12, "full": 0.16},
    "glasses": {"none": 0.66, "round": 0.13, "square": 0.12, "dark": 0.09},
    "hat": {"none": 0.82, "cap": 0.1, "brim": 0.08},
    "hat_colour": dict.fromkeys(("red", "blue", "green", "black", "yellow"), 0.2),
    "earrings": {"none": 0.72, "golden": 0.16, "silver": 0.12},
    "clothes": {"shirt": 0.36, "sweater": 0.36, "jacket": 0.28},
    "clothes_colour": dict.fromkeys(("red", "blue", "green", "black", "white", "purple"), 1 / 6),
    "background": {"plain": 0.34, "graded": 0.26, "blurred": 0.24, "striped": 0.16},
    "colour": dict.fromkeys(COLOURS, 1 / 8),
    "tone": {"dark": 0.3, "medium": 0.35, "bright": 0.35},
    "light": {"left": 0.36, "front": 0.28, "right": 0.36},
    "warmth": {"warm": 0.36, "neutral": 0.32, "cool": 0.32},
    "turn": {"left": 0.28, "front": 0.44, "right": 0.28},
    "tilt": {"left": 0.2, "upright": 0.6, "right": 0.2},
}


def numbers(index: Index) -> NDArray[np.uint64]:
    """The numbers of the pictures that an index means, as a row.

    Raises:
        TypeError: an index that is no whole number, slice or row of whole numbers.
        ValueError: a negative number, or a slice without an end.
    """
    if isinstance(index, slice):
        if index.stop is None:
            raise ValueError("there is no last face: a slice needs an end, as in slice(0, 100)")
        parts = [operator.index(part) for part in (index.start or 0, index.stop, index.step or 1)]
        row = np.arange(*parts)
    elif isinstance(index, bool):
        raise TypeError(f"index must be a whole number, a slice or a row of numbers, got {index}")
    else:
        row = np.atleast_1d(np.asarray(index))
        if row.size == 0:
            row = row.astype(np.int64)
    if row.dtype.kind not in "iu" or row.ndim != 1:
        raise TypeError(
            "index must be a whole number, a slice or a row of numbers, "
            f"got {row.dtype} of shape {row.shape}"
        )
    if row.size and row.min() < 0:
        raise ValueError(f"faces are numbered from 0, got {row.min()}")
    return row.astype(np.uint64)


def uniform(row: NDArray[np.uint64], names: Sequence[str], seed: int = 0) -> NDArray[np.float64]:
    """Numbers in [0, 1), (names, pictures): a hash of seed, picture and name (splitmix64's)."""
    key = operator.index(seed) % (1 << 32)
    begin = np.array([(zlib.crc32(name.encode()) << 32) + key for name in names], np.uint64)
    word = _mixed(_mixed(begin)[:, None] + row * np.uint64(0x9E3779B97F4A7C15))
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def attributes(index: Index, seed: int = 0) -> dict[str, NDArray[np.str_]]:
    """What is to be seen on each face, as a table: one column of level names per attribute.

    Args:
        index: the number of a face, a slice, or a row of numbers, from 0.
        seed: of the whole endless set, 0 to 2**32 - 1.
    Returns:
        the columns of LEVELS, each with one level per face (`pandas.DataFrame` takes it as it is).
    Raises:
        TypeError: an index that is not whole.
        ValueError: a negative index, or a slice without an end.

    Source: ours. The probabilities are chosen for variety and copy no population: women have no
    beards and men no earrings or painted lips, grey and white hair come with age.
    """
    row = numbers(index)
    if not 0 <= operator.index(seed) < 1 << 32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, got {seed}")
    draws = uniform(row, [*LEVELS, "again"], seed)
    table = {name: _level(draw, LEVELS[name]) for name, draw in zip(LEVELS, draws, strict=False)}
    woman, old = table["kind"] == "woman", table["age"] == "old"

    def set_where(name: str, where: NDArray[np.bool_], level: str) -> None:
        table[name] = np.where(where, level, table[name])

    set_where("beard", woman, "none")
    set_where("earrings", ~woman, "none")
    set_where("lips", ~woman & (table["lips"] == "painted"), "medium")
    chance = draws[-1]
    set_where("length", woman & (table["length"] == "bald"), "long")
    set_where("length", ~woman & (table["length"] == "long") & (chance < 0.72), "short")
    set_where("length", ~woman & (table["length"] == "medium") & (chance > 0.85), "bald")
    set_where("length", woman & (table["length"] == "short") & (chance < 0.45), "medium")
    set_where("hair", old & (chance < 0.45), "grey")
    set_where("hair", old & (chance >= 0.45) & (chance < 0.75), "white")
    set_where(
        "hair", (table["age"] == "young") & np.isin(table["hair"], ("grey", "white")), "brown"
    )
    bald, hat = table["length"] == "bald", table["hat"] != "none"
    set_where("bun", hat | ~woman, "no")
    set_where("front", bald | hat, "swept")
    set_where("texture", bald, "straight")
    # Long hair falls over the ears, so an earring there would not be seen.
    set_where("bun", ~np.isin(table["length"], ("long", "medium")), "no")
    set_where("earrings", ~((table["length"] == "short") | (table["bun"] == "yes")), "none")
    return table


def _level(draw: NDArray[np.float64], levels: dict[str, float]) -> NDArray[np.str_]:
    edges = np.cumsum(list(levels.values()))[:-1]
    return np.array(list(levels))[np.searchsorted(edges, draw, side="right")]
