"""Captions: true, closed in their vocabulary, and rich enough for a graph of words."""

import re
from collections import Counter

import numpy as np
import pytest

from vqlab.vision import attributes, captions
from vqlab.vision.faces import ADJECTIVES, NOUNS
from vqlab.vision.faces.captions import OTHERS

COUNT = 5000


@pytest.fixture(scope="module")
def texts():
    return captions(slice(0, COUNT))


@pytest.fixture(scope="module")
def table():
    return attributes(slice(0, COUNT))


def _words(text):
    return re.findall(r"[a-z-]+", text)


def test_a_caption_is_of_a_face_not_of_a_batch(texts):
    assert captions(7) == [texts[7]]
    assert captions([4999, 0]) == [texts[4999], texts[0]]
    assert captions(slice(0, 20), seed=1) != texts[:20]
    assert captions([]) == []


def test_every_word_has_one_part_of_speech(texts):
    assert not (ADJECTIVES & NOUNS or ADJECTIVES & OTHERS or NOUNS & OTHERS)
    for text in texts:
        assert re.fullmatch(r"[a-z, -]+", text) and "  " not in text
        assert set(_words(text)) <= ADJECTIVES | NOUNS | OTHERS


def test_an_adjective_stands_before_an_adjective_or_its_noun(texts):
    for text in texts:
        words = _words(text)
        for word, after in zip(words, words[1:], strict=False):
            if word in ADJECTIVES:
                assert after in ADJECTIVES | NOUNS, text
        assert words[-1] in NOUNS


def test_the_vocabulary_is_in_use(texts):
    seen = Counter(word for text in texts for word in set(_words(text)))
    assert all(seen[word] >= 11 for word in ADJECTIVES | NOUNS)
    assert len(ADJECTIVES) >= 40 and len(NOUNS) >= 25
    pairs = Counter(
        (word, after)
        for text in texts
        for word, after in zip(_words(text), _words(text)[1:], strict=False)
        if word in ADJECTIVES and after in NOUNS
    )
    assert {word for word, _ in pairs} == ADJECTIVES
    assert {word for _, word in pairs} >= NOUNS - {"portrait"}


# Phrase, attribute, the levels it is true of.
TRUE = [
    (r"\b(glasses|spectacles)\b", "glasses", {"round", "square"}),
    (r"\bsunglasses\b", "glasses", {"dark"}),
    (r"\b(woman|lady)\b", "kind", {"woman"}),
    (r"\b(man|gentleman)\b", "kind", {"man"}),
    (r"\b(young|youthful)\b", "age", {"young"}),
    (r"\b(old|elderly|(?<!-)aged|wrinkled|wrinkles)\b", "age", {"old"}),
    (r"\b(smiling|cheerful|friendly|(soft|warm) smile)\b", "expression", {"smile"}),
    (r"\b(laughing|happy|joyful|teeth|(wide|toothy) smile)\b", "expression", {"laugh"}),
    (r"\b(sad|unhappy|gloomy|downturned)\b", "expression", {"sad"}),
    (r"\b(surprised|astonished|open mouth)\b", "expression", {"surprised"}),
    (r"\bbeard\b", "beard", {"full"}),
    (r"\bmoustache\b", "beard", {"moustache"}),
    (r"\bgoatee\b", "beard", {"goatee"}),
    (r"\bstubble\b", "beard", {"stubble"}),
    (r"\bcap\b", "hat", {"cap"}),
    (r"\bhat\b", "hat", {"brim"}),
    (r"\bearrings\b", "earrings", {"golden", "silver"}),
    (r"\bbald\b", "length", {"bald"}),
    (r"\b(flowing|long)\b", "length", {"long"}),
    (r"\bcurls\b|\b(curly|frizzy)\b", "texture", {"curly"}),
    (r"\bfringe\b", "front", {"fringe"}),
    (r"\bbun\b", "bun", {"yes"}),
    (r"\bpale\b", "skin", {"pale"}),
    (r"\bblue eyes\b", "eyes", {"blue"}),
    (r"\bfreckle(s|d)\b", "cheeks", {"freckled"}),
    (r"\b(shirt)\b", "clothes", {"shirt"}),
    (r"\bleft side\b", "light", {"left"}),
    (r"\bwarm light\b", "warmth", {"warm"}),
    (r"\btilted\b", "tilt", {"left", "right"}),
    (r"\bstriped\b", "background", {"striped"}),
    (r"\borange (background|backdrop|wall)\b", "colour", {"orange"}),
]


@pytest.mark.parametrize(("phrase", "name", "levels"), TRUE, ids=[name for name, *_ in TRUE])
def test_what_a_caption_says_is_so(texts, table, phrase, name, levels):
    said = np.array([bool(re.search(phrase, text)) for text in texts])
    assert said.sum() >= 11
    assert set(table[name][said]) <= levels


def test_hair_colour_and_length_are_those_of_the_face(texts, table):
    said = {"black": "black", "red": "red", "ginger": "red", "blond": "blond", "snowy": "white"}
    for word, level in said.items():
        hit = np.array([bool(re.search(rf"\b{word} (hair|curls|waves|locks)", t)) for t in texts])
        assert hit.sum() >= 11 and set(table["hair"][hit]) == {level}
        assert "bald" not in set(table["length"][hit])


def test_eyes_behind_dark_lenses_are_not_told(texts, table):
    dark = table["glasses"] == "dark"
    assert not any("eyes" in text for text, hidden in zip(texts, dark, strict=True) if hidden)


def test_articles_fit(texts):
    for text in texts:
        words = _words(text)
        for word, after in zip(words, words[1:], strict=False):
            if word in ("a", "an"):
                assert (word == "an") == (after[0] in "aeiou"), text
