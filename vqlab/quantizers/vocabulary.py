"""Words for a codebook: adjectives and nouns, a vector for each, and who stood before whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from .captions import before, ppmi_vectors, refuse_repeats, seen, tokens
from .embeddings import read_vectors
from .initialisation import seeded

MIN_COUNT = 10  # VQCT keeps words seen more often than this
EDGES = 3.0  # neighbours of a word in a random graph, on average


@dataclass(frozen=True, eq=False, repr=False)
class WordTable:
    r"""The language prior of VQCT: V words of two parts of speech, with vectors and counts.

    Attributes:
        adjectives, nouns: each word once; a word may be both.
        vectors: X (V, D_w) float32, adjectives first.
        counts: C (adjectives, nouns) float32, how often u stood directly before v.

    Raises:
        ValueError: no words; a word twice; shapes that do not fit; vectors that are not finite;
            counts below 0.

    Reference: VQCT, Zhang et al. 2024 (arXiv 2403.10071): there from tagged captions and CLIP's
    vectors of "a photo of ...".
    """

    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    vectors: Tensor
    counts: Tensor

    def __post_init__(self) -> None:
        for kind, given in (("adjectives", self.adjectives), ("nouns", self.nouns)):
            refuse_repeats(kind, given)
        rows, shape = len(self), (len(self.adjectives), len(self.nouns))
        if self.vectors.ndim != 2 or len(self.vectors) != rows or not self.vectors.shape[1]:
            raise ValueError(
                f"vectors must be ({rows}, dimension), a row for each word, "
                f"got {tuple(self.vectors.shape)}"
            )
        if tuple(self.counts.shape) != shape:
            raise ValueError(f"counts must be {shape}, got {tuple(self.counts.shape)}")
        if not bool(self.vectors.isfinite().all()):
            raise ValueError("vectors hold values that are not finite")
        if not bool((self.counts.isfinite() & (self.counts >= 0)).all()):
            raise ValueError("counts must be finite and >= 0")

    @classmethod
    def load(
        cls,
        path: str | Path,
        adjectives: Sequence[str],
        nouns: Sequence[str],
        captions: Iterable[str],
        min_count: int = MIN_COUNT,
        missing: str = "refuse",
    ) -> WordTable:
        """Pretrained vectors from disk, the graph from captions.

        Args:
            path: word2vec or GloVe text (.txt, .vec, with .gz, too), .npz or .pt, see
                :func:`read_vectors`; only the wanted words are kept in memory.
            adjectives, nouns: candidates, as spelled in the captions (lower case).
            captions: plain strings; they give the counts.
            min_count: keeps words seen more often than this.
            missing: of the kept words in the file: "refuse" or "drop".

        Raises:
            ValueError: words without a vector, counted and named; a part of speech left empty;
                a word given twice; a file of another format.
        """
        if missing not in ("refuse", "drop"):
            raise ValueError(f"missing must be 'refuse' or 'drop', got {missing!r}")
        text = tokens(captions)
        kept = seen(text, adjectives, nouns, min_count)
        found = read_vectors(path, {word for words in kept for word in words})
        absent = sorted({w for words in kept for w in words if w not in found})
        if absent and missing == "refuse":
            named = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
            raise ValueError(
                f"{Path(path).name} has no vector for {len(absent)} of the words: {named}; "
                "missing='drop' goes on without them"
            )
        first, second = (tuple(w for w in words if w in found) for words in kept)
        for kind, words in (("adjectives", first), ("nouns", second)):
            if not words:
                raise ValueError(f"{Path(path).name} has a vector for none of the {kind}")
        vectors = torch.stack([found[word] for word in (*first, *second)])
        return cls(first, second, vectors, before(text, first, second))

    @classmethod
    def from_captions(
        cls,
        captions: Iterable[str],
        adjectives: Sequence[str],
        nouns: Sequence[str],
        dim: int = 16,
        min_count: int = MIN_COUNT,
    ) -> WordTable:
        r"""A toy language model of the captions alone: PPMI, then a truncated SVD.

        .. math:: M_{uv} = \max\Big(0, \log \frac{n_{uv}\, n}{n_u\, n_v}\Big), \qquad
            M \approx U_d S_d V_d^\top, \qquad X \propto U_d S_d^{1/2}

        n_uv counts the captions with both words, n_u those with u, n all; v runs over all words
        seen often enough, of any part of speech. X is scaled to a root mean square of 1. An honest
        stand-in for pretrained vectors: the same pipeline, a tiny corpus, not CLIP.

        Args:
            captions: plain strings. adjectives, nouns: candidates, lower case.
            dim: D_w, at most the rank of M. min_count: keeps words seen more often than this.

        Raises:
            ValueError: a part of speech left empty; a word given twice; dim above M's rank.
        """
        text = tokens(captions)
        first, second = seen(text, adjectives, nouns, min_count)
        vectors = ppmi_vectors(text, (*first, *second), dim, min_count)
        return cls(first, second, vectors, before(text, first, second))

    @classmethod
    def random(
        cls,
        adjectives: int,
        nouns: int,
        dim: int = 32,
        seed: int | torch.Generator | None = None,
    ) -> WordTable:
        """The control: standard normal vectors, and a graph whose words have about 3 neighbours.

        Raises:
            ValueError: a count below 1.
        """
        if min(adjectives, nouns, dim) < 1:
            raise ValueError(f"counts must be >= 1, got {adjectives}, {nouns} and {dim}")
        generator = seeded(seed)
        vectors = torch.randn(adjectives + nouns, dim, generator=generator)
        share = min(1.0, EDGES / max(adjectives, nouns))
        counts = (torch.rand(adjectives, nouns, generator=generator) < share).float()
        first, second = (
            tuple(f"{kind} {i}" for i in range(count))
            for kind, count in (("adjective", adjectives), ("noun", nouns))
        )
        return cls(first, second, vectors, counts)

    def __len__(self) -> int:
        return len(self.adjectives) + len(self.nouns)

    def __repr__(self) -> str:
        return (
            f"WordTable({len(self.adjectives)} adjectives, {len(self.nouns)} nouns, "
            f"{int((self.counts > 0).sum())} edges, dim={self.vectors.shape[1]})"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """All V words, adjectives first."""
        return (*self.adjectives, *self.nouns)

    def codebook_size(self, adjectives: int = 1) -> int:
        """K: adjectives times nouns, or pairs of adjectives (2) times nouns."""
        count = len(self.adjectives)
        return (count if adjectives == 1 else count * (count - 1) // 2) * len(self.nouns)

    def spread(self) -> Tensor:
        """P = G^-1/2 (A + I) G^-1/2, (V, V); symmetric, its largest eigenvalue 1."""
        first = len(self.adjectives)
        graph = torch.eye(len(self), dtype=torch.float64)
        graph[:first, first:] = self.counts
        graph[first:, :first] = self.counts.T
        scale = graph.sum(1).rsqrt()
        return (scale[:, None] * graph * scale).to(self.vectors.dtype)

    def top(self, adjectives: int, nouns: int) -> WordTable:
        """The words with the highest counts of the graph, so many of each, in their order.

        Raises:
            ValueError: more words than there are, or fewer than one.
        """
        have = (len(self.adjectives), len(self.nouns))
        if not (1 <= adjectives <= have[0] and 1 <= nouns <= have[1]):
            raise ValueError(f"there are {have} adjectives and nouns, got {adjectives}, {nouns}")
        first, second = (
            self.counts.sum(1 - side).argsort(descending=True, stable=True)[:count].sort().values
            for side, count in ((0, adjectives), (1, nouns))
        )
        rows = torch.cat([first, second + have[0]])
        return WordTable(
            tuple(self.adjectives[i] for i in first),
            tuple(self.nouns[i] for i in second),
            self.vectors[rows],
            self.counts[first][:, second],
        )

    def with_random_vectors(self, seed: int) -> WordTable:
        """A control: the same graph, Gaussian vectors of the same root mean square."""
        noise = torch.randn(self.vectors.shape, generator=seeded(seed))
        return replace(self, vectors=noise * self.vectors.square().mean().sqrt())

    def with_shuffled_vectors(self, seed: int) -> WordTable:
        """A control: the same graph and vectors, each given to another word."""
        order = torch.randperm(len(self), generator=seeded(seed))
        return replace(self, vectors=self.vectors[order])

    def without_graph(self) -> WordTable:
        """A control: no edges, P = I; the network is then one perceptron for all words."""
        return replace(self, counts=torch.zeros_like(self.counts))

