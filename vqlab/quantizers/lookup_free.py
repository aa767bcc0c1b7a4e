"""The lines of FSQ, LFQ and BSQ, and which codebook sizes they can have.

Nothing is stored, so the codebook size follows from the levels:

* ``make("fsq", dim=4, codebook_size=1000)``: dim levels >= 3 whose product is codebook_size, as
  equal as possible, here 8 x 5 x 5 x 5.
* ``make("fsq", dim=64, codebook_size=1000, levels=(8, 5, 5, 5))``: these levels, whose product must
  be codebook_size; where they are not dim in number, linear maps go down to them and back.
* ``make("lfq", dim=64, codebook_size=1024)``, likewise "bsq": codebook_size is 2^bits; where bits
  is not dim, linear maps go down to the bits and back.

A size that no lattice has is refused, and sizes near it are named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .assignments import Rounding
from .code_entropy import CodeEntropy
from .lattices import BinaryCube, FiniteScalars
from .projected import within
from .registry import Parts, published


def factors(size: int, dim: int) -> tuple[int, ...] | None:
    """``dim`` levels >= 3 with product ``size``, as equal as possible, largest first; or None.

    Two levels are left out because FSQ's tanh puts the border between them where hardly a latent
    lies (:class:`FiniteScalars`).
    """
    if _most_levels(size) < dim:
        return None
    if dim == 1:
        return (size,)
    root = size ** (1 / dim)
    whole = range(3, size // 3 ** (dim - 1) + 1)
    fits = [n for n in whole if size % n == 0 and _most_levels(size // n) >= dim - 1]
    level = min(fits, key=lambda n: (abs(math.log(n / root)), -n))
    rest = factors(size // level, dim - 1)
    assert rest is not None
    return tuple(sorted((level, *rest), reverse=True))


def _most_levels(size: int) -> int:
    """Into how many factors >= 3 a size can be split: its odd primes, and its twos in pairs."""
    odd, twos = size, 0
    while odd > 1 and odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    count, prime = twos // 2, 3
    while prime * prime <= odd:
        while odd % prime == 0:
            odd, count = odd // prime, count + 1
        prime += 2
    return count + (odd > 1)


def _near(size: int, dim: int) -> list[int]:
    """Up to four sizes around ``size`` that ``dim`` levels can make; multiples of 3^dim all can."""
    found: list[int] = []
    for step in range(1, 3**dim + 1):
        found += [n for n in (size - step, size + step) if n > 0 and _most_levels(n) >= dim]
        if len(found) >= 4:
            break
    return found[:4]


def _levels(size: int, dim: int, levels: Sequence[int] | None) -> tuple[int, ...]:
    if levels is not None:
        if math.prod(levels) != size:
            raise ValueError(
                f"codebook_size must be the product of the levels: {tuple(levels)} make "
                f"{math.prod(levels)}, got {size}"
            )
        return tuple(levels)
    found = factors(size, dim)
    if found is None:
        hint = "fewer levels=, such as (8, 5, 5, 5) for 1,000 codes, put linear maps around"
        if size < 3**dim:
            raise ValueError(
                f"{size} codes leave some of {dim} dimensions with fewer than three levels; {hint}"
            )
        near = sorted(_near(size, dim))
        names = ", ".join(f"{n} = {'x'.join(map(str, factors(n, dim) or ()))}" for n in near)
        raise ValueError(
            f"{size} codes are no product of {dim} levels >= 3; near it are {names}; {hint}"
        )
    return found


@published(
    "fsq",
    codebook="grid, no table",
    assignment="rounding",
    estimator="straight-through, through the tanh",
    update="none",
    paper="Mentzer et al., arXiv 2309.15505",
    year=2023,
    equation="Sec. 3",
    note="codebook_size is the product of the levels; levels= of another count than dim put "
    "linear maps around",
)
def _fsq(
    size: int, dim: int, seed: Any, *, levels: Sequence[int] | None = None, epsilon: float = 1e-3
) -> Parts:
    chosen = _levels(size, dim, levels)
    around = within(dim, len(chosen), seed)
    # The paper's method has no auxiliary loss: the commitment is reported, and weighs nothing.
    return Parts(FiniteScalars(chosen, epsilon), [], Rounding(), None, 0.0, around)


def _bits(size: int) -> int:
    bits = size.bit_length() - 1
    if size != 2**bits or bits < 1:
        near = f"{max(2, 2**bits)} and {max(4, 2 ** (bits + 1))}" if size > 0 else "2 and 4"
        raise ValueError(f"codebook_size must be a power of two, 2^bits; {size} lies near {near}")
    return bits


@published(
    "lfq",
    codebook="corners of a cube, no table",
    assignment="sign",
    update="entropy",
    paper="Yu et al., arXiv 2310.05737",
    year=2023,
    equation="Sec. 3.1",
    note="weights and temperature from public code; linear maps around where log2 K is not dim; "
    "the entropy of use is summed over groups of at most 9 bits, exact to K = 512",
)
def _lfq(
    size: int,
    dim: int,
    seed: Any,
    *,
    weight: float = 0.1,
    diversity: float = 1.0,
    sharpness: float = 100.0,
    group: int | None = None,
) -> Parts:
    bits = _bits(size)
    codebook = BinaryCube(bits)
    entropy = CodeEntropy(weight, diversity, sharpness, group)
    return Parts(codebook, [entropy], Rounding(), None, 0.25, within(dim, bits, seed))


@published(
    "bsq",
    codebook="corners of a cube in the unit sphere, no table",
    assignment="sign",
    estimator="straight-through, through the normalisation",
    update="entropy",
    paper="Zhao et al., arXiv 2406.07548",
    year=2024,
    equation="Sec. 3",
    note="weights, temperature and commitment 0 from the released code; linear maps around where "
    "log2 K is not dim",
)
def _bsq(
    size: int,
    dim: int,
    seed: Any,
    *,
    weight: float = 0.1,
    diversity: float = 1.0,
    sharpness: float = 1.0,
    group: int | None = 1,
) -> Parts:
    bits = _bits(size)
    codebook = BinaryCube(bits, sphere=True)
    entropy = CodeEntropy(weight, diversity, sharpness, group)
    entropy.weight = weight / sharpness  # as released: the sharper, the steeper the entropy
    return Parts(codebook, [entropy], Rounding(), None, 0.0, within(dim, bits, seed))
