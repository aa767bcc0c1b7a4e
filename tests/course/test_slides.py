"""Slides come from the tags, need no network, and every formula of the lessons becomes MathML."""

import re

import nbformat
import pytest
from lessons import lesson_paths
from slides import deck, formulas, slides

pytest.importorskip("docutils", reason="the extra `course` is not installed")


def lesson(number):
    return next(p for p in lesson_paths() if p.stem.startswith(number))


@pytest.mark.parametrize("number", ["00", "02"])
def test_a_deck_is_one_page_that_needs_nothing(number):
    page = deck(lesson(number))
    count = page.count("<section")
    assert count == len(slides(nbformat.read(lesson(number), 4))) >= 10
    assert f"{number} · {count} / {count}" in page
    assert not re.search("<link|<script src|@import", page)
    pictures = re.findall(r'<img[^>]* src="(.{14})', page)
    assert set(pictures) == {"data:image/png"} and len(pictures) >= 2 and page.count("<math") > 10
    body = re.sub(r"<pre.*?</pre>|<style.*?</style>|<script.*?</script>", "", page, flags=re.S)
    assert "$" not in body, "a formula was left as it is written"
    assert "Exercises" not in body and "References" not in body
    assert "<h1" in page.split("</section>")[0]


def test_a_lesson_without_tags_has_no_deck():
    assert deck(lesson("13")) == ""


def test_formulas():
    assert formulas("no $5 and `$x$`") == "no $5 and `$x$`"
    one = formulas(r"lag $\\bar z_k$".replace("\\\\", "\\"))
    assert one.startswith("lag <math") and "<msub>" in one and "munder" not in one
    assert "<mn>4</mn>" in formulas(r"$$\tfrac43$$") and 'display="block"' in formulas("$$x$$")
    assert "exactly\u00a0" in formulas(r"$\text{exactly }0$")


def test_a_slide_that_goes_on_before_it_begins_is_refused():
    cell = nbformat.v4.new_markdown_cell("x", metadata={"tags": ["more"]})
    with pytest.raises(ValueError, match="none has begun"):
        slides(nbformat.v4.new_notebook(cells=[cell]))


def test_headings_begin_slides():
    source = "first\n\n## Two\n\nx\n\n## Exercises\n\ny"
    cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": ["slide"]})
    made = slides(nbformat.v4.new_notebook(cells=[cell]))
    assert [[c.source.split("\n")[0] for c in page] for page in made] == [["first"], ["## Two"]]
