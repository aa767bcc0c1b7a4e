"""The first decision: how the K x D table of codes is made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .initialisation import DATA_DRIVEN, first_codes, forked, seeded, starting_codes


class Codebook(nn.Module):
    """Base: a module whose call returns the K x D table.

    Attributes:
        codebook_size: K. dim: D.
        initialized: False while the codes wait for the first training batch.
        implicit: codes are computed from their indices, and the table is never formed in a
            forward pass.
    """

    initialized: bool = True
    implicit: bool = False

    def __init__(self, codebook_size: int, dim: int) -> None:
        super().__init__()
        for name, value in (("codebook_size", codebook_size), ("dim", dim)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.codebook_size, self.dim = codebook_size, dim

    @property
    def stored(self) -> Tensor:
        """The tensor that the codes are stored in or made from: its dtype is the codebook's."""
        raise NotImplementedError

    @property
    def working_dtype(self) -> torch.dtype:
        """The precision in which latents are quantized: float64 if the codes are, else float32."""
        return torch.float64 if self.stored.dtype == torch.float64 else torch.float32

    def initialize(self, latents: Tensor) -> None:
        """Sets the codes from the first training batch, where the codebook asked for it."""

    @torch.no_grad()
    def fold(self) -> Table:
        """The finished codes as a free table that nothing trains, equal to the last bit.

        Raises:
            ValueError: the codes still wait for the first training batch.
        """
        if not self.initialized:
            raise ValueError("the codes wait for the first training batch; there is none to fold")
        codes = self()
        folded = Table(self.codebook_size, self.dim, codes, trainable=False)
        return folded.to(codes.device)

    def confine(self, latents: Tensor) -> Tensor:
        """Latents (N, D) brought to where the codes live: a sphere, a box; unchanged here.

        Everything after it sees only these: assignment, losses and the gradient's way back.
        """
        return latents

    def searched(self) -> Tensor:
        """The table as assignment and updates see it: (K, D), or (0, D) of an implicit codebook."""
        return self()

    def rows(self, indices: Tensor, table: Tensor) -> Tensor:
        """The codes (N, D) of indices (N,); ``table`` is what :meth:`searched` returned."""
        return table.index_select(0, indices)

    def extra_repr(self) -> str:
        """K and D, for print()."""
        return f"codebook_size={self.codebook_size}, dim={self.dim}"

    if TYPE_CHECKING:

        def __call__(self) -> Tensor: ...


class Table(Codebook):
    r"""Free codes: each row is its own.

    .. math:: C \in \mathbb{R}^{K \times D}

    Args:
        codebook_size: K. dim: D.
        init: "uniform" (±1/K), "normal" (standard normal), "first-batch", "kmeans" or "lbg"
            (splitting) of the first training batch, or a tensor (K, D).
        trainable: a Parameter for gradients, or a buffer that a rule moves.
        seed: int or torch.Generator for the start; None draws from torch's own generator.

    Raises:
        ValueError: unknown init (the choices are named), tensor of the wrong shape or not finite.
    """

    table: Tensor
    ready: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        init: str | Tensor = "uniform",
        trainable: bool = True,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        self.trainable = trainable
        self.init = init if isinstance(init, str) else "given"
        self.generator = seeded(seed)
        codes = starting_codes(init, codebook_size, dim, self.generator)
        if trainable:
            self.table = nn.Parameter(codes)
        else:
            self.register_buffer("table", codes)
        self.initialized = self.init not in DATA_DRIVEN
        self.register_buffer("ready", torch.tensor(self.initialized))

    @property
    def stored(self) -> Tensor:
        """The table itself."""
        return self.table

    def forward(self) -> Tensor:
        """(K, D)."""
        table = self.table
        # Half-precision tables are searched and looked up in float32.
        return table.float() if table.dtype.itemsize == 2 else table

    @torch.no_grad()
    def initialize(self, latents: Tensor) -> None:
        """Draws the codes from ``latents`` (N, D), the same on every process."""
        self.table.copy_(first_codes(self.init, latents, self.codebook_size, self.generator))
        self.ready.fill_(True)
        self.initialized = True

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state, prefix, *args)
        self.initialized = bool(self.ready)  # a Python flag, so that forward has no sync

    def __getstate__(self) -> dict[str, Any]:
        # A torch.Generator cannot be copied or pickled; the codes that it made can.
        return {**super().__getstate__(), "generator": None}

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"{super().extra_repr()}, init={self.init!r}, trainable={self.trainable}"


class BasisCodebook(Codebook):
    """Base: codes that a map makes from a basis (K, D), frozen or trained."""

    basis: Tensor

    def hold(self, basis: Tensor, trainable: bool) -> None:
        """Keeps the basis as a parameter or as a buffer."""
        if trainable:
            self.basis = nn.Parameter(basis)
        else:
            self.register_buffer("basis", basis)

    @property
    def stored(self) -> Tensor:
        """The basis."""
        return self.basis


class AffineCodebook(BasisCodebook):
    r"""Codes that are one affine map of a frozen basis: all of them move together.

    .. math:: C' = C W^\top + b, \qquad C_{kd} \sim \mathcal N(0, 1/D) \text{ frozen}

    Args:
        codebook_size: K. dim: D.
        bias: with b (the released code) or without (the paper's formula).
        trainable_basis: train C, too (the paper warns, its own ablation allows it).
        start: "linear" (torch's default initialisation of W and b, as released) or "identity".
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: unknown ``start``.

    Reference: SimVQ, Zhu et al. 2024 (arXiv 2411.02038), Sec. 4; released code (bias on).
    """

    basis: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        bias: bool = True,
        trainable_basis: bool = False,
        start: str = "linear",
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        if start not in ("linear", "identity"):
            raise ValueError(f"start must be 'linear' or 'identity', got {start!r}")
        with forked(seeded(seed)):
            basis = torch.randn(codebook_size, dim) / math.sqrt(dim)
            self.map = nn.Linear(dim, dim, bias=bias)
        if start == "identity":
            nn.init.eye_(self.map.weight)
            if bias:
                nn.init.zeros_(self.map.bias)
        self.hold(basis, trainable_basis)

    def forward(self) -> Tensor:
        """(K, D)."""
        return self.map(self.basis)
