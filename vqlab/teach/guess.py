"""Predict, then look: a question with its answer folded away."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """A question and its answer; a notebook shows the answer after a click, without a kernel.

    Attributes:
        question: what the reader is asked to predict.
        answer: what is folded away.
    """

    question: str
    answer: str

    def _repr_html_(self) -> str:
        """``<details>``, which also the pages of code hosts fold; no style sheet is needed."""
        return (
            f"<p><b>Guess before you go on:</b> {html.escape(self.question)}</p>"
            f"<details><summary>Answer</summary><p>{html.escape(self.answer)}</p></details>"
        )

    def __repr__(self) -> str:
        return f"Guess before you go on: {self.question}"


def guess(question: str, answer: object) -> Guess:
    """A question whose answer stays folded until the reader has made a guess.

    Args:
        question: one sentence; mathematics between dollar signs is set in notebooks.
        answer: text or a number; floats are given with three digits.

    Returns:
        An object that a notebook shows as text with a fold.

    Raises:
        ValueError: an empty question or answer.

    Example:
        >>> guess("How many of the 16 codes survive?", 3)
        Guess before you go on: How many of the 16 codes survive?
    """
    said = f"{answer:.3g}" if isinstance(answer, float) else str(answer)
    for name, text in (("question", question), ("answer", said)):
        if not text.strip():
            raise ValueError(f"{name}: expected some text, got {text!r}")
    return Guess(question.strip(), said.strip())
