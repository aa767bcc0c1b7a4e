"""The rules a stored notebook keeps, each a function: notebook -> what is wrong with it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from lessons import summary, tags, text

Notebook = dict[str, Any]
Rule = Callable[[Notebook], Iterator[str]]

LIMIT = 1_500_000    # bytes; viewers give up on larger files
LINES = 15           # in a cell: a cell is read at one glance
PLAIN_LINES = 40     # in a cell of the lesson that does without the library
PLAIN_TOTAL = 150
TAGS = {
    "number",                  # prints the line that stands in the README
    "explorer",                # shows a live widget
    "nbval-check-output",      # what it prints is compared on every test run
    "nbval-ignore-output", "nbval-skip",
    "raises-exception",        # may fail: the stub of an exercise
    "faces",                   # shows pictures that may not be stored
    "slide", "more", "output",  # stands on a slide: begins it, goes on, shows only its output
}
LAST_SECTIONS = ["The answer", "What we do not know", "Exercises", "References"]
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|tmp|Users|opt|mnt)/[\w.]|[A-Z]:\\\\?Users")
LIBRARY = re.compile(r"^\s*(?:from|import) vqlab\b", re.M)


def code_cells(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook: Notebook) -> Iterator[tuple[int, Notebook, Notebook]]:
    """Position of the cell in the file, cell, output."""
    for position, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            yield position, cell, output


def sections(notebook: Notebook) -> dict[str, str]:
    """Title of each second-level section, to its text (code left out)."""
    whole = "\n".join(text(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
    parts = re.split(r"^## +(.+?)\s*$", whole, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# --- every notebook ------------------------------------------------------------------------------

def ran_in_order(notebook: Notebook) -> Iterator[str]:
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: make notebooks"


def no_widget_state(notebook: Notebook) -> Iterator[str]:
    if "widgets" in notebook["metadata"]:
        yield "the state of widgets is stored: make notebooks"
    for position, _, output in outputs(notebook):
        if WIDGET in output.get("data", {}):
            yield f"cell {position} stores a widget, which cannot be shown again: make notebooks"


def no_errors(notebook: Notebook) -> Iterator[str]:
    for position, cell, output in outputs(notebook):
        if output["output_type"] == "error" and "raises-exception" not in tags(cell):
            yield f"cell {position} ends in {output['ename']} without the tag raises-exception"
        if output.get("name") == "stderr":
            yield f"cell {position} stores a message on stderr: {text(output['text'])[:80]!r}"


def no_faces(notebook: Notebook) -> Iterator[str]:
    """Photographs of people may not be passed on: what shows them is never stored."""
    for position, cell, output in outputs(notebook):
        data = output.get("data", {})
        if "faces" in tags(cell) and set(data) - {"text/plain", "text/markdown"}:
            yield f"cell {position} is tagged faces and stores {sorted(data)}: make notebooks"
        pictures = {"image/png", "image/jpeg"} & set(data) and PLOTLY not in data
        if pictures and re.search(r"celeba", text(cell["source"]), re.I):
            yield f"cell {position} stores a picture and speaks of CelebA: tag it faces"


def known_tags(notebook: Notebook) -> Iterator[str]:
    for position, cell in enumerate(notebook["cells"]):
        for tag in sorted(set(tags(cell)) - TAGS):
            yield f"cell {position} has the unknown tag {tag!r}; known: {', '.join(sorted(TAGS))}"


def picture_beside_figure(notebook: Notebook) -> Iterator[str]:
    for position, _, output in outputs(notebook):
        data = output.get("data", {})
        if PLOTLY in data and "image/png" not in data:
            yield f"cell {position} stores a figure without a PNG beside it: make notebooks"
        if "<script" in text(data.get("text/html", "")):
            yield f"cell {position} stores a script"


def no_machine_path(notebook: Notebook) -> Iterator[str]:
    for position, cell in enumerate(notebook["cells"]):
        found = MACHINE.search(text(cell["source"]))
        if found:
            yield f"cell {position} names a path of one machine: {found.group()!r}"
    for position, _, output in outputs(notebook):
        shown = [text(output.get("text", "")), *output.get("traceback", [])]
        shown += [text(value) for kind, value in output.get("data", {}).items()
                  if kind.startswith("text/")]
        found = MACHINE.search("\n".join(shown))
        if found:
            yield f"cell {position} shows a path of one machine: {found.group()!r}"


def short_cells(notebook: Notebook) -> Iterator[str]:
    plain = plain_cells(notebook)
    for position, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            lines = len(text(cell["source"]).splitlines())
            limit = PLAIN_LINES if any(cell is other for other in plain) else LINES
            if lines > limit:
                yield f"cell {position} has {lines} lines; at most {limit}"


def plain_cells(notebook: Notebook) -> list[Notebook]:
    """Of the lesson without the library: the cells before vqlab is imported; else none."""
    question = text(notebook["cells"][0]["source"]) if notebook["cells"] else ""
    if "plain torch" not in question:
        return []
    cells = code_cells(notebook)
    first = next((i for i, c in enumerate(cells) if LIBRARY.search(text(c["source"]))), len(cells))
    return cells[:first]


# --- lessons -------------------------------------------------------------------------------------

def metadata_is_current(notebook: Notebook) -> Iterator[str]:
    try:
        now = summary(notebook)
    except ValueError as error:
        yield str(error)
        return
    if notebook["metadata"].get("vqlab") != now:
        yield f"metadata vqlab is not {now}: make notebooks"


def first_cell(notebook: Notebook) -> Iterator[str]:
    first = text(notebook["cells"][0]["source"])
    if len(re.findall(r"^[-*] ", first, re.M)) < 2 or "You will" not in first:
        yield "the first cell must list what 'You will' do: at least two objectives, one a line"
    if "Know before" not in first:
        yield "the first cell must say what to 'Know before'"


def last_sections(notebook: Notebook) -> Iterator[str]:
    found = sections(notebook)
    if list(found)[-4:] != LAST_SECTIONS:
        yield f"the last sections must be {LAST_SECTIONS}, they are {list(found)[-4:]}"
    elif len(re.findall(r"^(?:\d+\.|###) ", found["Exercises"], re.M)) < 2:
        yield "the section Exercises must hold two: '### …' or '1. …' each"


def asserts_its_number(notebook: Notebook) -> Iterator[str]:
    for cell in code_cells(notebook):
        if "number" in tags(cell):
            if "nbval-check-output" not in tags(cell):
                yield "the cell tagged number must be tagged nbval-check-output, too"
            if not re.search(r"^\s*assert ", text(cell["source"]), re.M):
                yield "the cell tagged number must assert it"


def uses_the_library(notebook: Notebook) -> Iterator[str]:
    if not any(LIBRARY.search(text(cell["source"])) for cell in code_cells(notebook)):
        yield "nothing is imported from vqlab"


# --- the lesson that does without the library ----------------------------------------------------

def plain_part_is_short(notebook: Notebook) -> Iterator[str]:
    cells = plain_cells(notebook)
    lines = [line for cell in cells for line in text(cell["source"]).splitlines()
             if line.strip() and not line.strip().startswith("#")]
    if not cells:
        yield "its first cell must say 'plain torch', and cells without vqlab must follow"
    if len(lines) > PLAIN_TOTAL:
        yield f"the part in plain torch has {len(lines)} lines of code; at most {PLAIN_TOTAL}"
    if "vqlab" in "\n".join(lines):
        yield "the part in plain torch must not use vqlab"


EVERYWHERE: list[Rule] = [ran_in_order, no_widget_state, no_errors, no_faces, known_tags,
                          picture_beside_figure, no_machine_path, short_cells]
LESSON: list[Rule] = [metadata_is_current, first_cell, last_sections, asserts_its_number,
                      uses_the_library]
