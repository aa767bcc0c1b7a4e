"""nbgrader marks one exercise for eight students: right, wrong, crashing, endless."""

import csv
import os
import re
import subprocess
import sys

import nbformat
import pytest
from course import EXERCISES
from lessons import ROOT

pytest.importorskip("nbgrader", reason="the extra `course` is not installed")

NAME = "03_moving_average"
RIGHT = """
def average(counts, sums, latents, indices, decay):
    hits = np.bincount(indices, minlength=len(counts))
    cells = np.zeros_like(sums)
    np.add.at(cells, indices, latents)
    counts = decay * counts + (1 - decay) * hits
    sums = decay * sums + (1 - decay) * cells
    return counts, sums, sums / counts[:, None]
"""
ANSWERS = {
    "right": RIGHT,
    "crash": "import os\nos._exit(1)",
    "endless": "while True:\n    pass",
    # Five typical mistakes. Three leave a code without hits where it is, which is worth a mark.
    "exchanged": RIGHT.replace("(1 - decay)", "DECAY").replace("decay *", "(1 - decay) *")
                      .replace("DECAY", "decay"),
    "places": RIGHT.replace("sums / counts[:", "(sums + cells) / (counts + hits)[:"),
    "once": RIGHT.replace("np.add.at(cells, indices, latents)", "cells[indices] += latents"),
    "unused": RIGHT.replace("return", "sums[hits == 0] = 0\n    return"),
    "forgot": RIGHT.replace("    return counts, sums, sums / counts[:, None]\n", ""),
}  # fmt: skip
EXPECTED = {
    "right": (3, r"^$"),
    "crash": (0, "could not be run: .*Kernel died"),
    "endless": (0, "took too long and was stopped"),
    "exchanged": (1, r"\[check\].*decay and 1 - decay are exchanged"),
    "places": (1, r"\[check\].*codes: "),
    "once": (1, r"\[check\].*sums: "),
    "unused": (0, r"\[unused\].*a code without hits has moved"),
    "forgot": (0, r"\[check\].*return three things"),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The folder after `make grade`."""
    folder = tmp_path_factory.mktemp("course")
    source = EXERCISES / f"{NAME}.ipynb"
    for student, answer in ANSWERS.items():
        notebook = nbformat.read(source, 4)
        cell = next(c for c in notebook.cells if c.metadata.nbgrader.solution)
        cell.source = answer.strip()
        for marked in notebook.cells:  # a student may well edit these; they are put back
            if marked.metadata.nbgrader.grade:
                marked.source = "pass"
        (folder / "handed-in" / student).mkdir(parents=True)
        nbformat.write(notebook, folder / "handed-in" / student / source.name)
    (folder / "handed-in/absent").mkdir()
    command = [sys.executable, str(ROOT / ".make/course.py"), "grade", str(folder / "handed-in"),
               "--course", str(folder), "--seconds", "3"]
    run = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=run, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


@pytest.fixture(scope="module")
def marks(course):
    with (course / "marks.csv").open(newline="") as lines:
        return {row["student"]: row for row in csv.DictReader(lines)}


@pytest.mark.parametrize("student", ANSWERS)
def test_an_answer_gets_its_marks_and_a_reason(student, marks):
    mark, reason = EXPECTED[student]
    row = marks[student]
    assert (row["exercise"], float(row["out_of"])) == (NAME, 3)
    assert float(row["mark"]) == mark, row
    assert re.search(reason, row["reason"]), row["reason"]


def test_who_hands_nothing_in_is_listed(marks):
    assert set(marks) == {*ANSWERS, "absent"}
    assert marks["absent"]["reason"] == "not handed in" and float(marks["absent"]["mark"]) == 0


def test_every_notebook_that_ran_has_feedback(course):
    pages = {p.parent.name for p in (course / "feedback").glob(f"*/{NAME}.html")}
    assert pages == set(ANSWERS) - {"crash"}
    page = (course / f"feedback/exchanged/{NAME}.html").read_text()
    assert "decay and 1 - decay are exchanged" in page
