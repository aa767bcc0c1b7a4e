"""What is written beside a mark, without running anything."""

import os
from contextlib import nullcontext
from types import SimpleNamespace

import nbformat
import pytest
from course import KEPT, LARGEST, Mark, complaints, last_words, one, plain_environment, write


@pytest.fixture
def grader():
    book = SimpleNamespace(find_assignment=lambda name: SimpleNamespace(max_score=4))
    return SimpleNamespace(gradebook=nullcontext(book))


def cell(name, *outputs, graded=True):
    made = nbformat.v4.new_code_cell(outputs=list(outputs))
    made.metadata["nbgrader"] = {"grade_id": f"01-{name}", "grade": graded}
    return made


def error(kind, text):
    return nbformat.v4.new_output("error", ename=kind, evalue=text, traceback=[])


def test_reasons_name_cells_once_and_say_what_is_missing(tmp_path):
    stderr = nbformat.v4.new_output("stream", name="stderr",
                                    text="/tmp/x.py:3: RuntimeWarning: divide by zero\n  1 / 0\n")
    cells = [cell("answer", error("KeyboardInterrupt", ""), graded=False),
             cell("check", error("NameError", "no use\nmore")), cell("far", stderr),
             cell("near", error("NameError", "no use"))]
    path = tmp_path / "x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert list(complaints(path, {"01-check", "01-far", "01-near", "01-gone"})) == [
        "[gone] the cell is missing", "[answer] took too long and was stopped",
        "[check] NameError: no use", "[far] printed to stderr: RuntimeWarning: divide by zero"]


def test_the_last_word_of_a_log_is_the_error():
    log = ("[INFO] x\n    ValueError: inner\n"
           "    \x1b[31mDeadKernelError: Kernel died\n[ERROR] see above\n")
    assert last_words({"log": log}) == "DeadKernelError: Kernel died"
    assert last_words({"error": "odd"}) == "odd"


def test_links_and_giants_are_not_opened(tmp_path, grader):
    big, link = tmp_path / "01_x.ipynb", tmp_path / "02_x.ipynb"
    big.write_bytes(b" " * (LARGEST + 1))
    link.symlink_to(big)
    assert "larger than 5 MB" in one(grader, big, "ada", "01_x", tmp_path).reason
    assert one(grader, link, "ada", "02_x", tmp_path) == Mark("ada", "02_x", 0, 4, "not handed in")


def test_students_code_sees_little_of_the_environment(monkeypatch):
    monkeypatch.setenv("API_TOKEN", "tulip")
    before = dict(os.environ)
    with plain_environment():
        assert "API_TOKEN" not in os.environ and os.environ["HOME"] != before.get("HOME")
        assert all(KEPT.fullmatch(k) or k in ("HOME", "PLOTLY_RENDERER", "OMP_NUM_THREADS")
                   for k in os.environ)
    assert dict(os.environ) == before


def test_no_cell_of_the_table_is_a_formula(tmp_path):
    write([Mark("=cmd", "01_x", 1, 4, "@x"), Mark("bo", "01_x", 2, 4, "")], tmp_path / "marks.csv")
    lines = (tmp_path / "marks.csv").read_text().splitlines()
    assert lines[1:] == ["'=cmd,01_x,1,4,'@x", "bo,01_x,2,4,"]
