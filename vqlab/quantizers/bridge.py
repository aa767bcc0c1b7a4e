"""VQBridge: all codes come out of one small vision transformer over the stored table."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .codebooks import Codebook
from .initialisation import forked, seeded, starting_codes
from .registry import Parts, published
from .updates import CodebookLoss

LAYOUTS = ("grid", "row")
# Tokens from which the attention is not worth keeping as a T x T table.
FUSED_FROM = 1024


class Patches(nn.Module):
    r"""Groups the K codes into tokens of p^2 codes, each flattened to p^2 D numbers, and back.

    .. math:: \text{grid: the codes, row by row, fill a } \sqrt K \times \sqrt K
        \text{ grid, cut into } p \times p \text{ squares}; \qquad
        \text{row: } p^2 \text{ codes that follow each other}

    Args:
        codebook_size: K. patch: p. layout: "grid" or "row".

    Raises:
        ValueError: unknown layout; K that the layout cannot cut into such patches.
    """

    def __init__(self, codebook_size: int, patch: int, layout: str) -> None:
        super().__init__()
        if layout not in LAYOUTS:
            raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
        if patch < 1:
            raise ValueError(f"patch must be >= 1, got {patch}")
        self.patch, self.layout, self.side = patch, layout, math.isqrt(codebook_size)
        if layout == "grid" and (self.side**2 != codebook_size or self.side % patch):
            raise ValueError(
                f"a grid of {codebook_size} codes cannot be cut into {patch} x {patch} squares: "
                "its side must be whole and a multiple of patch; layout='row' needs only "
                "K to be a multiple of patch^2"
            )
        if layout == "row" and codebook_size % patch**2:
            raise ValueError(
                f"{codebook_size} codes cannot be cut into groups of {patch**2} (patch = {patch})"
            )

    def cut(self, table: Tensor) -> Tensor:
        """(T, p^2 D) tokens from (K, D)."""
        p, dim = self.patch, table.shape[1]
        if self.layout == "row":
            return table.reshape(-1, p * p * dim)
        tiles = table.reshape(self.side // p, p, self.side // p, p, dim)
        return tiles.transpose(1, 2).reshape(-1, p * p * dim)

    def join(self, tokens: Tensor) -> Tensor:
        """(K, D) from (T, p^2 D)."""
        p, dim = self.patch, tokens.shape[1] // self.patch**2
        if self.layout == "row":
            return tokens.reshape(-1, dim)
        tiles = tokens.reshape(self.side // p, self.side // p, p, p, dim)
        return tiles.transpose(1, 2).reshape(-1, dim)


class BridgeBlock(nn.Module):
    """Pre-norm softmax attention and a two-layer perceptron, each added to its input."""

    def __init__(self, width: int, heads: int, ratio: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = _norm(width), _norm(width)
        self.into = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(ratio * width, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(T, width) from (T, width)."""
        count, width = tokens.shape
        parts = self.into(self.norm_attention(tokens)).reshape(count, 3, self.heads, -1)
        query, key, value = parts.permute(1, 2, 0, 3)
        if count > FUSED_FROM:
            fused = nn.functional.scaled_dot_product_attention
            mixed = fused(query[None], key[None], value[None])[0]
        else:  # vmap has no rule for the fused kernel, and few tokens need none
            mixed = (query @ key.mT / math.sqrt(width // self.heads)).softmax(-1) @ value
        tokens = tokens + self.out(mixed.transpose(0, 1).reshape(count, width))
        return tokens + self.mlp(self.norm_mlp(tokens))


class BridgeCodebook(Codebook):
    r"""Codes that a vision transformer makes from the stored table: compress, process, recover.

    .. math:: C' = \mathrm{join}\big(W_{\text{out}}\, \mathrm{LN}\,
        \mathrm{blocks}(W_{\text{in}}\, \mathrm{cut}(C))\big)

    The last layer starts at zero, so that C' = 0 and all latents share one code until the first
    optimizer step; in that step only the last layer learns, from the second on all of C. Neither
    positions nor a skip from C to C'. Neighbours in the order of the indices share a token. For
    inference :meth:`Codebook.fold` takes the finished table once.

    Args:
        codebook_size: K. dim: D.
        width: h of the tokens; heads: of the attention, dividing h. depth: number of blocks.
        patch: p, tokens hold p^2 codes; None takes the largest of 4, 2, 1 that fits K.
        layout: "grid" (the released code) or "row" (the paper's text), see :class:`Patches`.
        trainable_base: whether C is trained, too (as released by default).
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: sizes that do not fit together.

    Source: FVQ, arXiv 2509.10140; layers, starts and defaults of the released code (ViT variant,
    size L).
    """

    base: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        width: int = 256,
        heads: int = 4,
        depth: int = 2,
        patch: int | None = None,
        layout: str = "grid",
        trainable_base: bool = True,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        if width < 1 or heads < 1 or width % heads or depth < 0:
            raise ValueError(
                f"width must be a multiple of heads and depth >= 0, got width {width}, "
                f"heads {heads}, depth {depth}"
            )
        self.trainable_base = trainable_base
        self.patches = Patches(codebook_size, patch or _fitting(codebook_size, layout), layout)
        tokens = self.patches.patch**2 * dim
        generator = seeded(seed)
        base = starting_codes("uniform", codebook_size, dim, generator)
        with forked(generator):
            self.into = nn.Linear(tokens, width)
            self.blocks = nn.Sequential(*(BridgeBlock(width, heads) for _ in range(depth)))
            self.norm = _norm(width)
            self.out = nn.Linear(width, tokens)
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.out.weight)
        if trainable_base:
            self.base = nn.Parameter(base)
        else:
            self.register_buffer("base", base)

    @property
    def stored(self) -> Tensor:
        """The stored table C, from which the codes are made."""
        return self.base

    def forward(self) -> Tensor:
        """(K, D)."""
        tokens = self.blocks(self.into(self.patches.cut(self.base)))
        return self.patches.join(self.out(self.norm(tokens)))

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"{super().extra_repr()}, patch={self.patches.patch}, "
            f"layout={self.patches.layout!r}, trainable_base={self.trainable_base}"
        )


def _norm(width: int) -> nn.LayerNorm:
    return nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)


def _fitting(codebook_size: int, layout: str) -> int:
    side = math.isqrt(codebook_size)
    for patch in (4, 2):
        whole = codebook_size % patch**2 == 0 if layout == "row" else side % patch == 0
        if whole:
            return patch
    return 1


@published(
    "fvq",
    codebook="vision transformer of a stored table",
    update="codebook loss",
    paper="VQBridge, arXiv 2509.10140",
    year=2025,
    equation="released code, ViT variant",
    note="as a row where K is no square; LearningAnnealing is a schedule for the optimizer",
)
def _fvq(
    size: int,
    dim: int,
    seed: Any,
    *,
    width: int = 256,
    heads: int = 4,
    depth: int = 2,
    patch: int | None = None,
    layout: str | None = None,
    trainable_base: bool = True,
    weight: float = 1.0,
) -> Parts:
    if layout is None:
        layout = "grid" if math.isqrt(size) ** 2 == size else "row"
    codebook = BridgeCodebook(
        size, dim, width, heads, depth, patch, layout, trainable_base, seed
    )
    return Parts(codebook, [CodebookLoss(weight)])
