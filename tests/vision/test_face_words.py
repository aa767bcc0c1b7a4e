"""The captions of the synthetic faces as a language for a codebook."""

import torch

from vqlab import make
from vqlab.quantizers import WordTable
from vqlab.vision.faces import ADJECTIVES, NOUNS, captions


def test_captions_of_faces_make_a_word_table():
    words = WordTable.from_captions(
        captions(slice(0, 3000)), sorted(ADJECTIVES), sorted(NOUNS), dim=16
    )
    assert len(words.adjectives) > 30 and len(words.nouns) > 15
    assert set(words.adjectives) <= ADJECTIVES and set(words.nouns) <= NOUNS
    # Every adjective kept stands before some noun, and hair is among the nouns described most.
    assert bool((words.counts.sum(1) > 0).float().mean() > 0.8)
    assert "hair" in words.top(8, 8).nouns
    q = make("vqct", 6, words.codebook_size(), words=words, width=8, seed=0)
    out = q(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)))
    parts = q.split(out.indices)
    assert parts[:, 0].max() < len(words.adjectives) and parts[:, 1].max() < len(words.nouns)
