"""A guess hides its answer, and can be read as plain text."""

import pytest

from vqlab.teach import guess


def test_the_answer_is_folded_and_escaped():
    html = guess("Is a < b?", "yes, $a<b$")._repr_html_()
    question, answer = html.split("<details>")
    assert "Is a &lt; b?" in question and "yes" not in question
    assert answer.endswith("</details>") and "$a&lt;b$" in answer
    assert "<summary>Answer</summary>" in answer
    assert "<style" not in html and "<script" not in html  # code hosts drop both


def test_plain_text_does_not_give_the_answer_away():
    assert "3" not in repr(guess("How many survive?", 3))


@pytest.mark.parametrize(("answer", "text"), [(0.123456, "0.123"), (3, "3"), ("all", "all")])
def test_numbers_are_short(answer, text):
    assert guess("?", answer).answer == text


@pytest.mark.parametrize("pair", [("", "a"), ("a", " ")])
def test_empty_words_are_refused(pair):
    with pytest.raises(ValueError, match="expected some text"):
        guess(*pair)
