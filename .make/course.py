"""The graded exercises: what students get, and their marks. `make assignment`, `make grade`.

    course.py assignment [NAME …]    notebooks/exercises -> course/release, without solutions
    course.py grade FOLDER [NAME …]  FOLDER/STUDENT/NN_name.ipynb -> course/marks.csv, feedback

nbgrader does the work, in course/nbgrader. Every exercise is an assignment of its own there, so
that a notebook that cannot be run costs its own marks and no others.

Grading runs what students wrote, with the rights of who grades. Variables of the environment are
hidden from it, and a cell that takes too long is stopped; that is tidiness, no protection. Grade in
a container or a virtual machine that holds nothing but this repository and the submissions.
"""

import argparse
import csv
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lessons import ROOT, chosen, lesson_paths

EXERCISES = ROOT / "notebooks/exercises"
COURSE = ROOT / "course"
SECONDS_PER_CELL = 60
STUB = {"python": "# your code\nraise NotImplementedError"}  # in place of a solution
PRELOAD = """--IPKernelApp.exec_lines=["__import__('vqlab.teach');"]"""
LARGEST = 5_000_000  # bytes of a submitted notebook
KEPT = re.compile(r"PATH|LANG|LC_\w+|PYTHONPATH|VIRTUAL_ENV|JUPYTER_\w+|TMPDIR")


@dataclass(frozen=True)
class Mark:
    """One line of the table: what a student got for an exercise, and why not more."""

    student: str
    exercise: str
    mark: float
    out_of: float
    reason: str


def sources(names: list[str]) -> list[Path]:
    """The exercises asked for, by name or number; all without a name."""
    return chosen(names, lesson_paths(EXERCISES))


def api(course: Path, seconds: int = SECONDS_PER_CELL) -> Any:
    """nbgrader, working in course/nbgrader."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    root = course / "nbgrader"
    root.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "vqlab"
    config.Execute.timeout = seconds
    # Importing the library takes seconds, which are no student's: it is done as a kernel starts.
    config.Execute.extra_arguments = ["--IPKernelApp.log_level=40", PRELOAD]
    config.Execute.startup_timeout = 120
    config.ClearSolutions.code_stub = STUB
    made = NbGraderAPI(config=config)
    # What it has to say comes back with each result.
    made.log.propagate = False
    made.log.handlers[:] = [logging.NullHandler()]
    # It starts alembic by that name, which is beside this Python; the shell may know another.
    beside = str(Path(sys.executable).parent)
    if not os.environ.get("PATH", "").startswith(beside):
        os.environ["PATH"] = beside + os.pathsep + os.environ.get("PATH", "")
    return made


def assignment(paths: list[Path], course: Path = COURSE, grader: Any = None) -> list[Path]:
    """The students' versions, also flat in course/release; RuntimeError where nbgrader refuses."""
    grader = grader or api(course)
    out = []
    for path in paths:
        source = course / "nbgrader/source" / path.stem
        source.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, source / path.name)
        done = grader.generate_assignment(path.stem, force=True, create=True)
        if not done["success"]:
            raise RuntimeError(f"{path.name}: {last_words(done)}")
        release = course / "release" / path.name
        release.parent.mkdir(exist_ok=True)
        shutil.copy(course / "nbgrader/release" / path.stem / path.name, release)
        out.append(release)
    return out


def grade(folder: Path, paths: list[Path], course: Path = COURSE,
          seconds: int = SECONDS_PER_CELL) -> Iterator[Mark]:
    """A mark for each student and exercise; FOLDER holds a folder for each student.

    An exercise that nobody handed in is left out. Only plain files count, under the exercises' own
    names. The students' versions are made again first, from the exercises as they are now.
    """
    students = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()
                      and not p.name.startswith("."))
    if not students:
        sys.exit(f"vqlab: {folder} holds no folder; expected {folder}/STUDENT/01_….ipynb")
    handed_in = [p for p in paths if any((s / p.name).exists() for s in students)]
    if not handed_in:
        sys.exit(f"vqlab: no folder in {folder} holds a notebook with the name of an exercise")
    grader = api(course, seconds)
    assignment(handed_in, course, grader)
    with plain_environment():
        for path in handed_in:
            for student in students:
                yield one(grader, student / path.name, student.name, path.stem, course)


def one(grader: Any, file: Path, student: str, exercise: str, course: Path) -> Mark:
    """Grades one notebook and writes its feedback."""
    with grader.gradebook as book:
        full = float(book.find_assignment(exercise).max_score)
    if file.is_symlink() or not file.is_file():
        return Mark(student, exercise, 0.0, full, "not handed in")
    if file.stat().st_size > LARGEST:
        return Mark(student, exercise, 0.0, full,
                    f"larger than {LARGEST / 1e6:.0f} MB: clear the outputs and hand in again")
    place = course / "nbgrader/submitted" / student / exercise
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place / file.name)
    done = grader.autograde(exercise, student, force=True, create=True)
    ran = course / "nbgrader/autograded" / student / exercise / file.name
    if not done["success"] or not ran.exists():
        return Mark(student, exercise, 0.0, full, "could not be run: " + last_words(done))
    with grader.gradebook as book:
        mark = float(book.find_submission_notebook(exercise, exercise, student).score)
        graded = {cell.name for cell in book.find_notebook(exercise, exercise).grade_cells}
    grader.generate_feedback(exercise, student, force=True)
    page = course / "nbgrader/feedback" / student / exercise / f"{exercise}.html"
    if page.exists():
        kept = course / "feedback" / student / page.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, kept)
    return Mark(student, exercise, mark, full, "; ".join(complaints(ran, graded)))


def complaints(path: Path, graded: set[str]) -> Iterator[str]:
    """Why marks were lost: the first error of the student's cells and of each graded cell."""
    import nbformat

    seen: set[str] = set()
    cells = nbformat.read(path, as_version=4).cells
    here = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells}
    for name in sorted(graded - here):
        yield f"[{name[3:]}] the cell is missing"
    for cell in cells:
        kind = cell.metadata.get("nbgrader", {})
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                said = f"{output.ename}: {output.evalue}".splitlines()[0]
                if output.ename in ("CellTimeoutError", "KeyboardInterrupt"):
                    said = "took too long and was stopped"
            elif output.get("name") == "stderr" and kind.get("grade"):
                lines = output.text.strip().splitlines() or [""]
                named = [line.split(": ", 1)[-1] for line in lines if "Warning" in line]
                said = "printed to stderr: " + (named or lines)[0]
            else:
                continue
            if said not in seen:
                seen.add(said)
                yield f"[{kind.get('grade_id', 'own cell')[3:]}] {said[:200]}"
            break


def last_words(done: dict[str, Any]) -> str:
    """The last telling line of nbgrader's log."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", x).strip() for x in done.get("log", "").splitlines()]
    named = [x for x in lines if re.match(r"[\w.]*(Error|Exception|Invalid\w*)\b", x)]
    return (named or [x for x in lines if x] or [str(done.get("error"))])[-1][:200]


class plain_environment:
    """Within it, kernels see no variable but those that running needs, and an empty home."""

    def __enter__(self) -> None:
        self.before = dict(os.environ)
        self.home = tempfile.TemporaryDirectory()
        kept = {k: v for k, v in os.environ.items() if KEPT.fullmatch(k)}
        os.environ.clear()
        os.environ.update(kept, HOME=self.home.name, JUPYTER_PREFER_ENV_PATH="1",
                          PLOTLY_RENDERER="plotly_mimetype", OMP_NUM_THREADS="1")

    def __exit__(self, *_: object) -> None:
        os.environ.clear()
        os.environ.update(self.before)
        self.home.cleanup()


def write(marks: list[Mark], file: Path) -> None:
    """The marks as CSV, by student, then exercise."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, ["student", "exercise", "mark", "out_of", "reason"])
        table.writeheader()
        for mark in sorted(marks, key=lambda m: (m.student, m.exercise)):
            row = asdict(mark)
            # A spreadsheet takes a text that begins so for a formula.
            row.update({k: "'" + row[k] for k in ("student", "reason")
                        if row[k][:1] in tuple("=+-@")})
            table.writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(prog="course.py")
    parts = parser.add_subparsers(dest="what", required=True)
    give = parts.add_parser("assignment")
    give.add_argument("names", nargs="*")
    take = parts.add_parser("grade")
    take.add_argument("folder", type=Path)
    take.add_argument("names", nargs="*")
    take.add_argument("--seconds", type=int, default=SECONDS_PER_CELL, help="for a cell")
    for one_of in (give, take):
        one_of.add_argument("--course", type=Path, default=COURSE, help="where results go")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of SQLAlchemy, on how nbgrader uses it
    if asked.what == "assignment":
        for path in assignment(sources(asked.names), asked.course):
            print(f"vqlab: {path}")
        return
    if not asked.folder.is_dir():
        sys.exit(f"vqlab: there is no folder {asked.folder}")
    marks = []
    for mark in grade(asked.folder, sources(asked.names), asked.course, asked.seconds):
        marks.append(mark)
        print(f"vqlab: {mark.student}, {mark.exercise}: {mark.mark:g} of {mark.out_of:g}"
              + (f" ({mark.reason})" if mark.reason else ""), flush=True)
        write(marks, asked.course / "marks.csv")  # after each: an interrupted grading is not lost
    print(f"vqlab: {asked.course / 'marks.csv'}, and pages for students in "
          f"{asked.course / 'feedback'}")


if __name__ == "__main__":
    main()
