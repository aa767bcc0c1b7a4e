"""VQCT's codebook: frozen word vectors, carried over by a graph network that all words share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .codebooks import BasisCodebook, Codebook
from .draws import Noise
from .initialisation import forked, seeded
from .updates import Update
from .vocabulary import WordTable


class WordCodebook(BasisCodebook):
    r"""Codes that two graph convolutions make from frozen word vectors X, a code for each word.

    .. math:: E = P\, \big[M \odot \mathrm{relu}(P X W_1 + b_1)\big] W_2 + b_2, \qquad
        P = G^{-1/2} (A + I)\, G^{-1/2}, \quad G = \mathrm{diag}((A + I) 1)

    A joins each adjective to the nouns it stood before, by the count (:class:`WordTable`); X and P
    are buffers, and only W_1, b_1, W_2, b_2 learn: (D_w + 1) h + (h + 1) D numbers whatever the
    vocabulary. A step on any one code moves them all. M is the mask of :class:`WordDropout`, 1
    without that rule and in evaluation mode. Costs O(V^2 (h + D) + V h (D_w + D)).

    Args:
        words: V words, adjectives first, with their vectors X (V, D_w) and counts.
        dim: D of the codes. width: h; the released code has h = D = 256.
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: width < 1.

    Reference: VQCT, Zhang et al. 2024 (arXiv 2403.10071); layers, Glorot start and counts as
    weights of the graph as in the released code.
    """

    basis: Tensor
    spread: Tensor
    mask: Tensor

    def __init__(
        self,
        words: WordTable,
        dim: int,
        width: int = 256,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(len(words), dim)
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"width must be an integer >= 1, got {width!r}")
        self.words = words
        self.hold(words.vectors.clone(), trainable=False)
        self.register_buffer("spread", words.spread())
        self.register_buffer("mask", torch.ones(len(words), width), persistent=False)
        with forked(seeded(seed)):
            self.into = nn.Linear(words.vectors.shape[1], width)
            self.out = nn.Linear(width, dim)
            for layer in (self.into, self.out):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self) -> Tensor:
        """(V, D), adjectives first."""
        hidden = self.into(self.spread @ self.basis).relu()
        if self.training:
            hidden = hidden * self.mask
        # P (H W) + b, for the bias is added after the neighbours are mixed.
        mixed = self.spread @ (hidden @ self.out.weight.T)
        return mixed + self.out.bias

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"{super().extra_repr()}, {self.words!r}"


class WordShare(Codebook):
    r"""The words of one part of speech as a codebook of their own, singly or in pairs.

    .. math:: c_i = e_i \quad\text{or}\quad c_{ij} = \tfrac12 (e_i + e_j), \; i < j

    The shares of one :class:`WordCodebook` hold it in common. Pairs are numbered (0,1), (0,2), ...;
    there are V (V - 1) / 2 of them, and all their means are formed in each forward pass, which
    suits hundreds of words, not thousands.

    Args:
        book: of all words. start, stop: the words of this share.
        dim: takes the first so many coordinates; default all.
        pairs: two words to a code.

    Raises:
        ValueError: pairs of fewer than two words; more coordinates than there are.
    """

    pair: Tensor

    def __init__(
        self,
        book: WordCodebook,
        start: int,
        stop: int,
        dim: int | None = None,
        pairs: bool = False,
    ) -> None:
        count = stop - start
        if pairs and count < 2:
            raise ValueError(f"pairs need at least two words, got {count}")
        if dim is not None and dim > book.dim:
            raise ValueError(f"the words' codes have {book.dim} coordinates, not {dim}")
        super().__init__(math.comb(count, 2) if pairs else count, book.dim if dim is None else dim)
        self.book, self.start, self.stop, self.pairs = book, start, stop, pairs
        if pairs:
            self.register_buffer("pair", torch.triu_indices(count, count, 1), persistent=False)

    @property
    def stored(self) -> Tensor:
        """The frozen vectors of all words."""
        return self.book.basis

    def forward(self) -> Tensor:
        """(K, D)."""
        codes = self.book()[self.start : self.stop, : self.dim]
        if self.pairs:
            codes = (codes.index_select(0, self.pair[0]) + codes.index_select(0, self.pair[1])) / 2
        return codes


class WordDropout(Update):
    r"""Before each training step silences hidden units of a :class:`WordCodebook` at random.

    .. math:: M_{vh} = \tfrac{1}{1 - p} \text{ with probability } 1 - p, \text{ else } 0

    One mask for the whole step, held until the next: every share of the words sees the same codes,
    and ``codebook()`` read after the call gives the codes that were passed on. (The released code
    draws anew at each call, which this frame cannot keep.) In evaluation mode nothing is silenced.

    Args:
        rate: p in [0, 1).
        seed: of the masks, a pure function of seed and step, alike on every process.

    Raises:
        ValueError: a rate outside [0, 1); a codebook that is made otherwise.

    Reference: VQCT's released code, p = 0.5.
    """

    moves = True

    def __init__(self, rate: float = 0.5, seed: int | torch.Generator | None = 0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of dropout must lie in [0, 1), got {rate}")
        self.rate, self.noise = rate, Noise(seed)

    def attach(self, codebook: Codebook) -> None:
        """Needs words, or a share of them."""
        _book_of(self, codebook)

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """The step's mask."""
        mask = _book_of(self, codebook).mask
        self.noise.advance()
        kept = self.noise.uniform(mask.numel()).reshape(mask.shape) >= self.rate
        mask.copy_(kept.to(mask) / (1 - self.rate))
        return None

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"rate={self.rate}"


def _book_of(rule: Update, codebook: Codebook) -> WordCodebook:
    book = codebook.book if isinstance(codebook, WordShare) else codebook
    if not isinstance(book, WordCodebook):
        name = type(codebook).__name__
        raise ValueError(f"{type(rule).__name__} needs a WordCodebook, got {name}")
    return book
