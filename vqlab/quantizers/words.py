"""VQCT: each latent is an adjective and a noun, half of its coordinates each."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .assignments import Nearest
from .finite import finite
from .joint import Joint
from .neighbours import BLOCK, distances
from .quantizer import VectorQuantizer
from .registry import Parts, published
from .stacked import Grouped
from .topology import squarest
from .updates import CodebookLoss, Update
from .vocabulary import WordTable
from .word_codebook import WordCodebook, WordDropout, WordShare

if TYPE_CHECKING:
    from collections.abc import Callable


class NearestPair(nn.Module):
    r"""The two nearest words, which need not be the pair with the nearest mean.

    .. math:: \{i, j\} = \arg\min^{(2)}_k \|z_n - e_k\|, \qquad
        k_n = i V - \tfrac{i (i + 1)}{2} + j - i - 1 \quad (i < j)

    For a :class:`WordShare` of pairs. It is given the means m of the pairs, from which it reads the
    V > 2 words back, e_i = (2 sum_j m_ij - s) / (V - 2) with s = 2 sum_{i<j} m_ij / (V - 1), and
    takes distances in float64, in blocks.

    Reference: VQCT's released code, where a latent's adjective is the mean of the k = 2 nearest.
    """

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs a codebook of pairs."""
        if not getattr(quantizer.codebook, "pairs", False):
            kind = type(quantizer.codebook).__name__
            raise ValueError(f"NearestPair chooses pairs of a WordShare of pairs, got {kind}")

    @torch.no_grad()
    def forward(self, latents: Tensor, codes: Tensor) -> Tensor:
        """(N,) int64 from latents (N, D) and the pairs' codes (K, D)."""
        z = finite(latents)
        count = (1 + math.isqrt(1 + 8 * codes.shape[0])) // 2
        if count == 2:
            return torch.zeros_like(z[:, 0], dtype=torch.int64)
        center = codes.mean(0)
        words = _words_of((codes - center).double(), count)
        near = [
            distances(part, words).topk(2, dim=1, largest=False).indices
            for part in (z - center).double().split(max(1, BLOCK // count))
        ]
        i, j = torch.cat(near).sort(1).values.unbind(1)
        return i * count - i * (i + 1) // 2 + j - i - 1


def _words_of(pairs: Tensor, count: int) -> Tensor:
    """The words (V, D) whose pairs have these means."""
    first, second = torch.triu_indices(count, count, 1, device=pairs.device)
    own = pairs.new_zeros(count, pairs.shape[1]).index_add(0, first, pairs)
    own = own.index_add(0, second, pairs)
    return (2 * own - 2 * pairs.sum(0) / (count - 1)) / (count - 2)


def _beside(nouns: WordShare, weight: float) -> Callable[[VectorQuantizer], Joint]:
    """What puts the nouns' quantizer beside the adjectives', with the same choices."""

    def around(first: VectorQuantizer) -> Joint:
        paired = isinstance(first.assignment, NearestPair)
        assignment = Nearest() if paired else deepcopy(first.assignment)
        estimator, rules = deepcopy(first.estimator), [CodebookLoss(weight)]
        second = VectorQuantizer(nouns, assignment, estimator, rules, first.commitment)
        return Joint(Grouped([first, second]))

    return around


@published(
    "vqct",
    codebook="graph network of word vectors, adjectives x nouns",
    update="codebook loss",
    paper="Zhang et al., arXiv 2403.10071",
    year=2024,
    equation="released code",
    note="without words= random vectors and edges, the control; one adjective a latent (released: "
    "adjectives=2, their mean); weight 0.25 and commitment 1 as released; mask of dropout held",
)
def _vqct(
    size: int,
    dim: int,
    seed: Any,
    *,
    words: WordTable | None = None,
    adjectives: int = 1,
    width: int = 256,
    dropout: float = 0.5,
    weight: float = 0.25,
) -> Parts:
    """The paper writes the usual weights: ``weight=1, commitment=0.25``."""
    if adjectives not in (1, 2):
        raise ValueError(f"adjectives is the number of words to a latent, 1 or 2, got {adjectives}")
    if dim < 2:
        raise ValueError(f"adjectives and nouns share the dimensions: dim must be >= 2, got {dim}")
    if words is None:
        words = WordTable.random(*_split(size, adjectives), seed=seed)
    if words.codebook_size(adjectives) != size:
        raise ValueError(
            f"{words!r} makes {words.codebook_size(adjectives)} codes with {adjectives} "
            f"adjective(s) to a latent; codebook_size is {size}"
        )
    book = WordCodebook(words, (dim + 1) // 2, width, seed)
    pairs, count = adjectives == 2, len(words.adjectives)
    first = WordShare(book, 0, count, pairs=pairs)
    second = WordShare(book, count, len(words), dim // 2)
    rules: list[Update] = [CodebookLoss(weight)]
    if dropout:
        rules.append(WordDropout(dropout, seed))
    choice = NearestPair() if pairs else None
    return Parts(first, rules, choice, None, 1.0, _beside(second, weight))


def _split(size: int, adjectives: int) -> tuple[int, int]:
    """Numbers of random adjectives and nouns that make ``size`` codes, as even as possible."""
    if adjectives == 1:
        return squarest(size)
    fits = [(a, size // math.comb(a, 2)) for a in range(2, size + 2) if size % math.comb(a, 2) == 0]
    return min(fits, key=lambda pair: abs(pair[0] - pair[1]))
