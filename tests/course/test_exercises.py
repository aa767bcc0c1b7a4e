"""The exercises: what is in them, that their solutions get full marks, and that nothing gets none.

All ten are run here in this process, cell by cell, as a kernel would; `test_grading` lets nbgrader
do the same for one of them. nbval leaves them out.
"""

import json
import re
import warnings

import nbformat
import pytest
from course import EXERCISES, assignment, sources
from lessons import text

pytest.importorskip("nbgrader", reason="the extra `course` is not installed")

from nbgrader.nbgraderformat import MetadataValidator  # noqa: E402

PATHS = sources([])


def kinds(cell):
    return cell["metadata"]["nbgrader"]


def graded(notebook):
    return [c for c in notebook.cells if kinds(c)["grade"]]


def reached(notebook):
    """Marks of a notebook, and the errors that cost some."""
    space, marks, errors = {}, 0, []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            exec(compile(cell.source, cell.id, "exec"), space)
            marks += kinds(cell).get("points", 0)
        except Exception as error:
            errors.append(error)
    return marks, errors


def parts(printed):
    """The words of a text, and its numbers."""
    number = r"\d+(?:\.\d+)?"
    return re.split(number, printed), [float(n) for n in re.findall(number, printed)]


def full(notebook):
    return sum(kinds(c)["points"] for c in graded(notebook))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The students' versions, by nbgrader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, on how nbgrader uses it
        made = assignment(PATHS, tmp_path_factory.mktemp("course"))
    return {path.name: nbformat.read(path, 4) for path in made}


def test_there_are_ten():
    assert [p.stem[:2] for p in PATHS] == [f"{n:02}" for n in range(1, 11)]
    assert EXERCISES.name == "exercises"


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_an_exercise_has_its_parts(path):
    notebook = nbformat.read(path, 4)
    MetadataValidator().validate_nb(notebook)
    first = notebook.cells[0].source
    assert re.match(rf"# {int(path.stem[:2])}\. ", first) and "**Goal:**" in first
    assert re.search(r"\*\*Difficulty\*\* [1-5] of 5 · \*\*\d+ minutes\*\*", first)
    assert f"**{full(notebook)} marks**" in first
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    shown = [re.sub(r"### BEGIN HIDDEN.*?### END HIDDEN TESTS", "", c, flags=re.S) for c in code]
    assert sum(len(re.findall(r"^print\(check_", c, re.M)) for c in shown) == 1
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert re.findall(r"<summary>Hint (\d)", prose) == ["1", "2", "3"]
    assert prose.count("<details>") == prose.count("</details>")
    answers = [c for c in notebook.cells if kinds(c)["solution"]]
    assert len(answers) == 1 and "### BEGIN SOLUTION" in answers[0].source
    for hidden in re.findall(r"### BEGIN HIDDEN.*?### END HIDDEN TESTS", "\n".join(code), re.S):
        for line in re.findall(r"^ *assert .*$", hidden, re.M):
            assert re.search(r", f?[\"'].+[\"']$", line), f"says nothing when it fails: {line}"


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_the_solution_gets_full_marks(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(path, 4)
    marks, errors = reached(notebook)
    assert errors == [] and marks == full(notebook)
    stored = [text(o["text"]) for c in json.loads(path.read_text())["cells"]
              for o in c.get("outputs", []) if o["output_type"] == "stream"]
    now, then = parts(capsys.readouterr().out), parts("".join(stored))
    assert now[0] == then[0], "stored outputs are old: make notebooks"
    # Another processor may add up in another order.
    assert now[1] == pytest.approx(then[1], rel=0.1, abs=0.02)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_the_untouched_release_gets_none(path, release, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = release[path.name]
    everything = json.dumps(notebook)
    for word in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN", "after-the-holidays"):
        assert word not in everything
    assert not any(c.get("outputs") for c in notebook.cells)
    assert "raise NotImplementedError" in everything and "<summary>Hint 3" in everything
    for cell in notebook.cells:  # the hidden tests come back when it is graded
        original = next(c for c in nbformat.read(path, 4).cells if c.id == cell.id)
        if kinds(cell)["grade"]:
            cell.source = original.source
    assert reached(notebook)[0] == 0
