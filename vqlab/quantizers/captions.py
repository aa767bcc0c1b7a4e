"""Counting in captions: words seen often enough, who stands before whom, who occurs together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


def tokens(captions: Iterable[str]) -> list[list[str]]:
    """Each caption as its words in lower case; a hyphen or apostrophe within a word stays.

    Raises:
        TypeError: one string instead of a list of them.
    """
    if isinstance(captions, str):
        raise TypeError("captions must be a list of strings, got one string")
    return [_WORD.findall(caption.lower()) for caption in captions]


def seen(
    text: Sequence[Sequence[str]],
    adjectives: Sequence[str],
    nouns: Sequence[str],
    min_count: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The adjectives and nouns that occur more than ``min_count`` times, in the order given.

    Raises:
        ValueError: none of the words of a part of speech does; a word given twice.
    """
    times = Counter(word for caption in text for word in caption)
    kept = []
    for kind, words in (("adjectives", adjectives), ("nouns", nouns)):
        refuse_repeats(kind, words)
        often = tuple(word for word in words if times[word] > min_count)
        if not often:
            most = max(words, key=lambda word: times[word])
            raise ValueError(
                f"none of {len(words)} {kind} occurs more than {min_count} times in {len(text)} "
                f"captions; the most frequent, {most!r}, occurs {times[most]} times"
            )
        kept.append(often)
    return kept[0], kept[1]


def before(
    text: Sequence[Sequence[str]], adjectives: Sequence[str], nouns: Sequence[str]
) -> Tensor:
    """(adjectives, nouns) float32: how often each adjective stands directly before each noun."""
    row = {word: i for i, word in enumerate(adjectives)}
    column = {word: i for i, word in enumerate(nouns)}
    counts = torch.zeros(len(row), len(column))
    for caption in text:
        for first, second in zip(caption, caption[1:], strict=False):
            if first in row and second in column:
                counts[row[first], column[second]] += 1
    return counts


def ppmi_vectors(
    text: Sequence[Sequence[str]], words: Sequence[str], dim: int, min_count: int
) -> Tensor:
    """Vectors (words, dim) from which words share a caption; see :meth:`WordTable.from_captions`.

    Raises:
        ValueError: dim above the rank of the matrix of positive mutual information.
    """
    times = Counter(word for caption in text for word in caption)
    context = sorted({*words, *(word for word, count in times.items() if count > min_count)})
    place = {word: i for i, word in enumerate(context)}
    present = np.zeros((len(text), len(context)))
    for row, caption in enumerate(text):
        present[row, [place[word] for word in caption if word in place]] = 1
    together = present.T @ present
    single = np.diag(together).copy()
    np.fill_diagonal(together, 0)  # a word says nothing about itself
    rows = [place[word] for word in words]
    ratio = together[rows] * len(text) / (single[rows, None] * single)
    information = np.log(np.maximum(ratio, 1.0))
    left, scale, _ = np.linalg.svd(information, full_matrices=False)
    rank = int((scale > scale[0] * 1e-10).sum()) if scale[0] > 0 else 0
    if not 1 <= dim <= rank:
        raise ValueError(
            f"dim must lie between 1 and {rank}, the rank of what the captions tell about "
            f"{len(words)} words; got {dim}"
        )
    left = left[:, :dim] * np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])])[:dim]
    vectors = left * np.sqrt(scale[:dim])
    return torch.from_numpy((vectors / np.sqrt(np.square(vectors).mean())).astype(np.float32))


def refuse_repeats(kind: str, words: Sequence[str]) -> None:
    """Raises ValueError where ``words`` is empty, a single string, or holds a word twice."""
    if isinstance(words, str) or not words:
        raise ValueError(f"{kind} must be a list of at least one word, got {words!r}")
    twice = sorted(word for word, count in Counter(words).items() if count > 1)
    if twice:
        raise ValueError(f"{kind} given more than once: {', '.join(twice[:10])}")
