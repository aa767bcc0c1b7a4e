"""Word tables: counted in captions, vectors made from them or read from disk, and the controls."""

import gzip
import math

import numpy as np
import pytest
import torch

from vqlab.quantizers import WordTable
from vqlab.quantizers.captions import ppmi_vectors, tokens
from vqlab.quantizers.embeddings import read_vectors

CAPTIONS = ["A red ball and a small red box.", "Blue ball; red box", "a small blue ball", "red"] * 4
ADJECTIVES, NOUNS = ["red", "blue", "small"], ["ball", "box"]
VECTORS = {word: [float(i), 2.0, -i / 4] for i, word in enumerate([*ADJECTIVES, *NOUNS, "a"])}


def text_file(path, header=False, vectors=VECTORS):
    lines = [f"{word} {' '.join(map(str, v))}" for word, v in vectors.items()]
    text = "\n".join(([f"{len(vectors)} 3"] if header else []) + lines) + "\n"
    if path.suffix == ".gz":
        with gzip.open(path, "wt") as file:
            file.write(text)
    else:
        path.write_text(text)
    return path


def test_counts_are_of_an_adjective_directly_before_a_noun():
    table = WordTable.from_captions(CAPTIONS, ADJECTIVES, NOUNS, dim=2, min_count=7)
    assert table.adjectives == ("red", "blue", "small") and table.nouns == ("ball", "box")
    assert table.counts.tolist() == [[4, 8], [8, 0], [0, 0]]
    assert table.codebook_size() == 6 and table.codebook_size(2) == 6


def test_words_seen_more_than_ten_times_are_kept():
    table = WordTable.from_captions(CAPTIONS, ADJECTIVES, NOUNS, dim=1)
    assert table.adjectives == ("red",) and table.nouns == ("ball",)  # 16 and 12; the others 8
    with pytest.raises(ValueError, match="none of 1 nouns.*more than 10 times.*'box', occurs 8"):
        WordTable.from_captions(CAPTIONS, ADJECTIVES, ["box"], dim=1)


def test_vectors_are_the_root_of_the_mutual_information():
    text = tokens(CAPTIONS)
    words = ["red", "blue", "small", "ball", "box"]
    context = sorted({*words, "a", "and"})
    matrix = np.zeros((5, len(context)))
    for i, u in enumerate(words):
        for j, v in enumerate(context):
            both = sum(u in caption and v in caption for caption in text)
            alone = [sum(w in caption for caption in text) for w in (u, v)]
            if u != v and both:
                matrix[i, j] = max(0.0, math.log(both * len(text) / (alone[0] * alone[1])))
    rank = np.linalg.matrix_rank(matrix)
    x = ppmi_vectors(text, words, rank, 3).double().numpy()
    assert np.square(x).mean() == pytest.approx(1, rel=1e-6)
    inner = x @ x.T  # proportional to U S U^T, whose square is M M^T
    square, expected = inner @ inner, matrix @ matrix.T
    np.testing.assert_allclose(
        square / np.trace(square), expected / np.trace(expected), rtol=1e-5, atol=1e-7
    )
    with pytest.raises(ValueError, match=f"between 1 and {rank}.*5 words; got 9"):
        ppmi_vectors(text, words, 9, 3)


@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.txt.gz", "v.npz", "v.pt"])
def test_vectors_from_disk(tmp_path, name):
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, words=np.array(list(VECTORS)), vectors=np.array(list(VECTORS.values())))
    elif name.endswith("pt"):
        saved = {"words": list(VECTORS), "vectors": torch.tensor(list(VECTORS.values()))}
        torch.save(saved, path)
    else:
        text_file(path, header=name.endswith("vec"))
    table = WordTable.load(path, ADJECTIVES, NOUNS, CAPTIONS, min_count=0)
    assert table.names == (*ADJECTIVES, *NOUNS)
    assert table.vectors.tolist() == [VECTORS[word] for word in table.names]
    assert table.counts.tolist() == [[4, 8], [8, 0], [0, 0]]
    assert set(read_vectors(path, {"ball", "unheard"})) == {"ball"}


def test_words_without_a_vector_are_counted_and_named(tmp_path):
    some = {word: VECTORS[word] for word in ("red", "small", "ball")}
    path = text_file(tmp_path / "v.txt", vectors=some)
    with pytest.raises(ValueError, match="no vector for 2 of the words: blue, box"):
        WordTable.load(path, ADJECTIVES, NOUNS, CAPTIONS, min_count=0)
    table = WordTable.load(path, ADJECTIVES, NOUNS, CAPTIONS, min_count=0, missing="drop")
    assert table.names == ("red", "small", "ball") and table.counts.tolist() == [[4], [0]]
    with pytest.raises(ValueError, match="none of the nouns"):
        WordTable.load(path, ADJECTIVES, ["box"], CAPTIONS, min_count=0, missing="drop")
    with pytest.raises(ValueError, match="'refuse' or 'drop'"):
        WordTable.load(path, ADJECTIVES, NOUNS, CAPTIONS, missing="skip")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "is empty"),
        ("red\n", "line 1: no numbers"),
        ("a 1 2\nred 1\n", "line 2: 1 numbers behind the word, not 2"),
        ("a 1 2\nred 1 x\n", "line 2: 'red' has no 2 numbers"),
        ("red 1 2\nred 1 2\n", "line 2: 'red' is there twice"),
        ("red 1 nan\n", "'red' is not finite"),
    ],
)
def test_files_of_another_shape_are_refused(tmp_path, text, reason):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        WordTable.load(path, ["red"], ["ball"], CAPTIONS, min_count=0)


def test_arrays_of_another_shape_are_refused(tmp_path):
    path = tmp_path / "v.npz"
    np.savez(path, vectors=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must hold 'words' and 'vectors'"):
        read_vectors(path, {"red"})
    np.savez(path, words=np.array(["red"]), vectors=np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"1 words and vectors of shape \(2, 3\)"):
        read_vectors(path, {"red"})


def test_a_word_may_hold_a_blank(tmp_path):
    path = text_file(tmp_path / "v.txt", vectors={"a": [1, 2, 3], "at name@": [4, 5, 6]})
    assert read_vectors(path, {"at name@"})["at name@"].tolist() == [4, 5, 6]


def test_tables_that_do_not_fit_are_refused():
    x, c = torch.ones(3, 2), torch.ones(2, 1)
    for kind, reason in [
        ((("red", "red"), ("ball",), x, c), "adjectives given more than once: red"),
        (((), ("ball",), x, c), "adjectives must be a list of at least one"),
        (("red", ("ball",), x, c), "must be a list of at least one word, got 'red'"),
        ((("red", "blue"), ("ball",), x[:2], c), r"vectors must be \(3, dimension\)"),
        ((("red", "blue"), ("ball",), x, c.T), r"counts must be \(2, 1\), got \(1, 2\)"),
        ((("red", "blue"), ("ball",), x * math.nan, c), "not finite"),
        ((("red", "blue"), ("ball",), x, -c), ">= 0"),
    ]:
        with pytest.raises(ValueError, match=reason):
            WordTable(*kind)
    with pytest.raises(TypeError, match="list of strings"):
        WordTable.from_captions("a red ball", ADJECTIVES, NOUNS)


def test_controls_change_one_thing_each():
    table = WordTable.from_captions(CAPTIONS, ADJECTIVES, NOUNS, dim=3, min_count=3)
    noise, mixed = table.with_random_vectors(1), table.with_shuffled_vectors(1)
    for other in (noise, mixed):
        assert torch.equal(other.counts, table.counts) and other.names == table.names
        assert not torch.equal(other.vectors, table.vectors)
    assert sorted(mixed.vectors.tolist()) == sorted(table.vectors.tolist())
    bare = table.without_graph()
    assert torch.equal(bare.vectors, table.vectors) and torch.equal(bare.spread(), torch.eye(5))
    big = WordTable.random(40, 60, seed=0)
    assert 2 < float((big.counts > 0).sum()) / 60 < 4 and big.vectors.shape == (100, 32)
    assert float(big.with_random_vectors(0).vectors.std()) == pytest.approx(1, abs=0.05)


def test_the_most_frequent_words():
    table = WordTable.from_captions(CAPTIONS, ADJECTIVES, NOUNS, dim=3, min_count=3)
    small = table.top(2, 1)
    assert small.adjectives == ("red", "blue") and small.nouns == ("ball",)
    assert small.counts.tolist() == [[4], [8]]
    assert torch.equal(small.vectors, table.vectors[[0, 1, 3]])
    with pytest.raises(ValueError, match=r"there are \(3, 2\)"):
        table.top(4, 1)
