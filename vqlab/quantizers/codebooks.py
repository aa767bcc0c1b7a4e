"""The first decision: how the K x D table of codes is made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .initialisation import DATA_DRIVEN, first_codes, seeded, starting_codes


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


class AffineCodebook(Codebook):
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
        with _forked(seeded(seed)):
            basis = torch.randn(codebook_size, dim) / math.sqrt(dim)
            self.map = nn.Linear(dim, dim, bias=bias)
        if start == "identity":
            nn.init.eye_(self.map.weight)
            if bias:
                nn.init.zeros_(self.map.bias)
        if trainable_basis:
            self.basis = nn.Parameter(basis)
        else:
            self.register_buffer("basis", basis)

    @property
    def stored(self) -> Tensor:
        """The frozen basis."""
        return self.basis

    def forward(self) -> Tensor:
        """(K, D)."""
        return self.map(self.basis)


class LinearAttention(nn.Module):
    r"""Attention whose cost is linear in K, one head.

    .. math:: \mathrm{out}_k = \frac{\phi(q_k) \sum_j \phi(k_j)^\top v_j}
        {\phi(q_k) \cdot \sum_j \phi(k_j) + 10^{-6}}, \qquad \phi = \mathrm{elu} + 1

    Reference: Katharopoulos et al. 2020 (arXiv 2006.16236), Eq. 5 to 7.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(K, width) from (K, width)."""
        query = nn.functional.elu(self.query(tokens)) + 1
        key = nn.functional.elu(self.key(tokens)) + 1
        mixed = query @ (key.T @ self.value(tokens))
        return self.out(mixed / ((query @ key.sum(0)) + 1e-6)[:, None])


class TransformerBlock(nn.Module):
    """Pre-norm linear attention and a two-layer perceptron, each added to its input."""

    def __init__(self, width: int, ratio: int = 2) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = LinearAttention(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(K, width) from (K, width)."""
        tokens = tokens + self.attention(self.norm_attention(tokens))
        return tokens + self.mlp(self.norm_mlp(tokens))


class TransformerCodebook(Codebook):
    r"""Codes that a small transformer makes from a frozen random basis, the codes being its tokens.

    .. math:: C' = P_\phi(C), \qquad C_{kd} \sim \mathcal N(0, 1/D) \text{ frozen}

    in: linear D to width plus a learned position per code; ``depth`` blocks of linear attention;
    out: layer norm, linear width to D. The table does not depend on the latents.

    Args:
        codebook_size: K. dim: D.
        width: of the tokens. depth: number of blocks; 0 leaves norm and linear map alone.
        positions: the learned vector per code, K * width of the parameters.
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: width < 1 or depth < 0.

    Source: TransVQ, arXiv 2602.18896; the paper's text gives no layer sizes, the defaults are those
    of the released code (821,504 parameters at K = 1024, D = 64).
    """

    basis: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        width: int = 256,
        depth: int = 1,
        positions: bool = True,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        if width < 1 or depth < 0:
            raise ValueError(f"width must be >= 1 and depth >= 0, got {width} and {depth}")
        with _forked(seeded(seed)):
            self.register_buffer("basis", torch.randn(codebook_size, dim) / math.sqrt(dim))
            self.into = nn.Linear(dim, width, bias=False)
            self.positions = nn.Embedding(codebook_size, width) if positions else None
            self.blocks = nn.Sequential(*(TransformerBlock(width) for _ in range(depth)))
            self.norm = nn.LayerNorm(width)
            self.out = nn.Linear(width, dim, bias=False)

    @property
    def stored(self) -> Tensor:
        """The frozen basis."""
        return self.basis

    def forward(self) -> Tensor:
        """(K, D)."""
        tokens = self.into(self.basis)
        if self.positions is not None:
            tokens = tokens + self.positions.weight
        return self.out(self.norm(self.blocks(tokens)))


class _forked:
    """Runs torch's module initialisers from ``generator``, leaving the global state as it was."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self.generator = generator

    def __enter__(self) -> None:
        if self.generator is not None:
            self.before = torch.get_rng_state()
            torch.manual_seed(int(torch.randint(2**62, (), generator=self.generator)))

    def __exit__(self, *error: object) -> None:
        if self.generator is not None:
            torch.set_rng_state(self.before)
