"""The page for teachers agrees with the exercises, and its minutes add up."""

import re

import nbformat
from course import EXERCISES, sources

PAGE = (EXERCISES.parent / "course.md").read_text(encoding="utf-8")


def rows(text):
    cells = [[c.strip() for c in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("|")]
    return cells[2:]


def section(title):
    return re.split(r"^#{2,3} ", PAGE.split(f"# {title}", 1)[1], flags=re.M)[0]


def test_the_table_of_exercises_is_theirs():
    table = rows(section("The exercises"))
    assert len(table) == len(sources([]))
    for (number, link, level, minutes, marks, _), path in zip(table, sources([]), strict=True):
        first = nbformat.read(path, 4).cells[0].source
        title = re.match(r"# \d+\. (.+)", first)[1]
        assert link == f"[{title}](exercises/{path.name})" and number == str(int(path.stem[:2]))
        assert f"**Difficulty** {level} of 5 · **{minutes} minutes** · **{marks} marks**" in first


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)\s]+)\)", PAGE)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (EXERCISES.parent / link).exists()] == []


def test_minutes_add_up():
    for title, minutes in (("One lecture (90 minutes)", 90), ("One afternoon (4 hours)", 240)):
        assert sum(int(row[0]) for row in rows(section(title))) == minutes


def test_every_letter_of_the_exercises_stands_in_the_notation():
    notation = section("Notation")
    for letter in (r"\eta", r"\gamma", r"\beta", r"\tau", r"\delta_n", r"\kappa_{nk}", "w_{nk}",
                   "c_k", "p_k", r"\bar z_k", "z_n", "S_k"):  # fmt: skip
        assert f"${letter}$" in notation, letter
