"""Rewrite the README's tables: lessons from the notebooks, methods and their costs from the code.

Each table stands between `<!-- NAME -->` and `<!-- end of NAME -->`. Run by `make readme`;
a test fails while a table differs from what is made here.
"""

import json
import re
import tomllib
from collections.abc import Iterable

from lessons import ROOT, lesson_paths

README = ROOT / "README.md"


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(head: list[str], rows: Iterable[list[str]], rule: str = "---") -> str:
    return "\n".join([row(head), row(["---"] + [rule] * (len(head) - 1)), *map(row, rows)])


def repository() -> str:
    """The public address that pyproject.toml names; empty while it names none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project.get("urls", {}).get("Repository", "")).rstrip("/")


def badges() -> str:
    """Links that open the lessons on Binder and Colab, where the address is on GitHub."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?", repository())
    if not found:
        return ""
    first = f"notebooks/{lesson_paths()[0].name}"
    binder = f"https://mybinder.org/v2/gh/{found[1]}/HEAD?urlpath=lab/tree/{first}"
    colab = f"https://colab.research.google.com/github/{found[1]}/blob/HEAD/{first}"
    return (f"[![Binder](https://mybinder.org/badge_logo.svg)]({binder})\n"
            f"[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n\n"
            "On Colab, run this in a cell before the first:\n\n```\n"
            f"!git clone -q --depth 1 https://github.com/{found[1]} vqlab\n"
            "!pip install -q ./vqlab\n%cd vqlab/notebooks\n```")


def lessons() -> str:
    """Question, minutes and number of every lesson, as its notebook stores them."""
    rows = []
    for path in lesson_paths():
        said = json.loads(path.read_text())["metadata"]["vqlab"]
        rows.append([path.stem[:2], f"[{said['question']}](notebooks/{path.name})",
                     f"{said['minutes_to_read']} + {said['minutes_to_run']}", said["number"]])
    return table(["", "question", "minutes: read + run", "the number it ends with"], rows)


def methods() -> str:
    """The four decisions of every method, as vqlab.methods() lists them."""
    import vqlab

    return table(["method", "codebook", "assignment", "estimator", "update", "from"],
                 [[f"`{m.name}`", m.codebook, m.assignment, m.estimator, m.update,
                   f"{m.paper} ({m.year}), {m.equation}" + (f"; {m.note}" if m.note else "")]
                  for m in vqlab.methods()])


def costs() -> str:
    """What every method costs, as print(vqlab.methods()) counts it."""
    import vqlab
    from vqlab.quantizers.registry import COLUMNS, costs_of

    return table(["method", *COLUMNS], [[f"`{m.name}`", *costs_of(m)] for m in vqlab.methods()],
                 rule="---:")


def filled(readme: str) -> str:
    """The README's text with all tables as they should be.

    Raises:
        ValueError: a table's marks are missing.
    """
    tables = {"badges": badges, "lessons": lessons, "methods": methods, "costs": costs}
    for name, content in ((name, make()) for name, make in tables.items()):
        marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)
        if not marks.search(readme):
            raise ValueError(f"README.md lacks the marks of the table of {name}")
        inside = content + "\n" if content else ""
        readme = marks.sub(lambda found, text=inside: found[1] + text + found[2], readme)
    return readme


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
    print("vqlab: README.md has the current tables")
