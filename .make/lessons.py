"""What the README says about a lesson, read from the lesson itself.

The first cell holds the question (its title) and the minutes; the cell tagged `number` prints the
one line that the lesson ends with. Used by `make notebooks` (which stores it as the notebook's
`vqlab` metadata), by `make readme`, and by the tests.
"""

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"

MINUTES = re.compile(r"(\d+) minutes? to read, (\d+) minutes? to run")


def lesson_paths(folder: Path = FOLDER) -> list[Path]:
    """The numbered lessons, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.ipynb"))


def all_paths(folder: Path = FOLDER) -> list[Path]:
    """Every notebook: lessons and exercises."""
    return sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def chosen(names: list[str], paths: list[Path]) -> list[Path]:
    """Those of the paths that are asked for, by name or number; all without a name."""
    wanted = {Path(name).stem for name in names}
    found = [p for p in paths if not wanted or wanted & {p.stem, p.stem[:2]}]
    if unknown := wanted - {name for p in found for name in (p.stem, p.stem[:2])}:
        sys.exit(f"vqlab: no notebook named {', '.join(sorted(unknown))}; "
                 f"there are: {', '.join(p.stem for p in paths)}")
    return found


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def text(value: str | list[str]) -> str:
    """Notebook files store a text as one string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def printed(cell: dict[str, Any]) -> str:
    """What a cell printed, without the newline at the end."""
    return "".join(text(out["text"]) for out in cell.get("outputs", [])
                   if out["output_type"] == "stream" and out["name"] == "stdout").strip()


def summary(notebook: dict[str, Any]) -> dict[str, Any]:
    """Question, minutes and number of a lesson.

    Raises:
        ValueError: naming the part that is missing.
    """
    first = text(notebook["cells"][0]["source"]) if notebook["cells"] else ""
    title = re.match(r"# (.+\?)\s*(\n|$)", first)
    if not title:
        raise ValueError("the first cell must begin with the question: '# …?'")
    minutes = MINUTES.search(first)
    if not minutes:
        raise ValueError("the first cell must say 'N minutes to read, N minutes to run'")
    numbers = [cell for cell in notebook["cells"] if "number" in tags(cell)]
    if len(numbers) != 1:
        raise ValueError(f"one cell must be tagged 'number', found {len(numbers)}")
    number = printed(numbers[0])
    if not number or "\n" in number or len(number) > 120:
        raise ValueError(f"the cell tagged 'number' must print one line of at most 120 "
                         f"characters, it printed {number!r}")
    return {"question": title.group(1).strip(), "minutes_to_read": int(minutes.group(1)),
            "minutes_to_run": int(minutes.group(2)), "number": number}
