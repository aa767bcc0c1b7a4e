"""Codes that nobody stores: points of a lattice, found by rounding each coordinate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .assignments import unit
from .codebooks import Codebook
from .finite import finite


class Lattice(Codebook):
    r"""Base: L_i levels in dimension i, every combination of them a code.

    .. math:: K = \prod_i L_i, \qquad k = \sum_i d_i \prod_{j<i} L_j, \quad d_i \in \{0..L_i - 1\}

    Args:
        levels: L_i >= 2 for each of the D dimensions; the first varies fastest in the index.

    Raises:
        ValueError: no level, a level below 2, or more codes than an int64 index can name.
    """

    implicit = True
    levels: Tensor
    basis: Tensor
    origin: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        levels = tuple(levels)
        if not levels or any(not isinstance(n, int) or n < 2 for n in levels):
            raise ValueError(f"levels must be integers >= 2, one for each dimension, got {levels}")
        size = math.prod(levels)
        if size >= 2**63:
            raise ValueError(f"{len(levels)} levels make {size:.3g} codes; an index holds 2^63 - 1")
        super().__init__(size, len(levels))
        basis = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", torch.tensor(basis), persistent=False)
        # No code is stored; this only carries dtype and device through .double() and .to().
        self.register_buffer("origin", torch.zeros(len(levels)), persistent=False)

    @property
    def stored(self) -> Tensor:
        """A zero vector (D,) of the codes' dtype."""
        return self.origin

    def place(self, digits: Tensor) -> Tensor:
        """The codes (N, D) of digits (N, D), in the working precision."""
        raise NotImplementedError

    def round(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Index (N,) int64 and code (N, D) of those nearest to confined latents (N, D)."""
        raise NotImplementedError

    def index(self, digits: Tensor) -> Tensor:
        """The index (N,) int64 of digits (N, D), whole numbers in a float dtype."""
        # Whole numbers in float32 are exact, and fast to add, up to 2^24.
        exact = digits if self.codebook_size <= 2**24 else digits.to(torch.int64)
        return (exact * self.basis.to(exact)).sum(-1).to(torch.int64)

    def searched(self) -> Tensor:
        """Nothing, (0, D)."""
        return self.origin.new_empty(0, self.dim, dtype=self.working_dtype)

    def rows(self, indices: Tensor, table: Tensor) -> Tensor:
        """The codes (N, D) of indices (N,), computed."""
        digits = (indices[:, None] // self.basis) % self.levels
        return self.place(digits.to(self.working_dtype))

    def forward(self) -> Tensor:
        """All codes (K, D); for looking at: no forward pass of a quantizer asks for them."""
        everything = torch.arange(self.codebook_size, device=self.levels.device)
        return self.rows(everything, self.origin)


class FiniteScalars(Lattice):
    r"""The grid of FSQ, into whose box a tanh brings the latents.

    .. math::
        b_i = \tanh(z_i + s_i)\, h_i - o_i, \quad h_i = \tfrac{(L_i - 1)(1 + \epsilon)}{2}, \quad
        o_i = \tfrac12 [L_i \text{ even}], \quad s_i = \operatorname{artanh}(o_i / h_i), \quad
        c_i = \operatorname{round}(b_i) / \lfloor L_i / 2 \rfloor

    A latent at the origin gets the code at the origin. With L = 2 that puts the border between the
    two levels at z = -3.8 (and beyond it lies under 0.1 % of a standard normal): the paper advises
    L >= 5.

    Args:
        levels: L_i >= 2 for each dimension.
        epsilon: the room in the box that lets the outer levels be reached.

    Raises:
        ValueError: as :class:`Lattice`; epsilon outside (0, 1).

    Reference: Mentzer et al. 2023 (arXiv 2309.15505), Sec. 3 and its code (epsilon = 1e-3).
    """

    middle: Tensor
    top: Tensor
    scale: Tensor
    lift: Tensor
    shift: Tensor

    def __init__(self, levels: Sequence[int], epsilon: float = 1e-3) -> None:
        super().__init__(levels)
        if not 0 < epsilon < 1:
            raise ValueError(f"epsilon must lie in (0, 1), got {epsilon}")
        self.epsilon, self.counts = epsilon, tuple(levels)
        # Beyond half a step of room a latent in the box could round to a level that is none.
        self.roomy = epsilon * (max(levels) - 1) > 0.99
        self.center = sum(n // 2 * math.prod(levels[:i]) for i, n in enumerate(levels))
        self._settle()

    def _settle(self) -> None:
        # The constants of a dimension: made once, they save a dozen small operations a step.
        n = torch.tensor(self.counts, dtype=torch.float64, device="cpu")
        height, offset, middle = (n - 1) * ((1 + self.epsilon) / 2), (n % 2 == 0) / 2, n // 2
        constants = {"middle": middle, "top": n - 1 - middle, "shift": torch.atanh(offset / height)}
        constants |= {"scale": height / middle, "lift": -offset / middle}
        for name, value in constants.items():
            value = value.to(self.levels.device, self.working_dtype)
            self.register_buffer(name, value, persistent=False)

    def _apply(self, *args: Any, **kwargs: Any) -> FiniteScalars:
        super()._apply(*args, **kwargs)
        self._settle()  # in the new precision, and not rounded to it from the old one
        return self

    def confine(self, latents: Tensor) -> Tensor:
        """b / floor(L / 2), in the units of the codes."""
        z = finite(latents)
        return torch.addcmul(self.lift, torch.tanh(z + self.shift), self.scale)

    def round(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """By round(b), which is the digit less floor(L / 2)."""
        steps = torch.round(latents * self.middle)
        if self.roomy:
            steps = torch.clamp(steps, -self.middle, self.top)
        return self.index(steps) + self.center, steps / self.middle

    def place(self, digits: Tensor) -> Tensor:
        """(d - floor(L / 2)) / floor(L / 2)."""
        return (digits - self.middle) / self.middle


class BinaryCube(Lattice):
    r"""The corners of a cube: one bit a dimension, its sign.

    .. math:: c_i = a\, \operatorname{sign}(z_i), \qquad k = \sum_i 2^i [z_i > 0]

    with a = 1 (LFQ), or, on the sphere, latents z / |z| and a = 1 / sqrt(D) (BSQ). A coordinate
    that is exactly zero counts as negative.

    Args:
        bits: D, the number of bits. sphere: corners and latents at length 1.

    Raises:
        ValueError: bits outside 1 .. 62.

    Reference: Yu et al. 2023 (arXiv 2310.05737), Sec. 3.1; Zhao et al. 2024 (arXiv 2406.07548).
    """

    def __init__(self, bits: int, sphere: bool = False) -> None:
        super().__init__((2,) * bits)
        self.sphere = sphere
        self.side = 1 / math.sqrt(bits) if sphere else 1.0

    def confine(self, latents: Tensor) -> Tensor:
        """z, or z / |z| on the sphere."""
        z = finite(latents)
        return unit(z) if self.sphere else z

    def round(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Digit 1 where the coordinate is positive, else 0."""
        digits = (latents > 0).to(self.working_dtype)
        return self.index(digits), self.place(digits)

    def place(self, digits: Tensor) -> Tensor:
        """±a."""
        return (2 * digits - 1) * self.side

    def extra_repr(self) -> str:
        """K, D and the sphere, for print()."""
        return f"{super().extra_repr()}, sphere={self.sphere}"
