"""The source of the site: every page that is published, laid out as Sphinx expects it.

A page is a file of the repository, taken as it is. Figures become a picture with the stored plotly
JSON beside it, which figures.js sets in motion; exercises lose their solutions; links to files that
are no page carry the file along. Used by `make site`.
"""

import base64
import html
import importlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from course import STUB
from lessons import ROOT, lesson_paths, summary, tags, text

PLOTLY = "application/vnd.plotly.v1+json"
LINK = re.compile(r"(\]\()([^)\s#]+)([^)\s]*\))")
NO_CONTROLS = "*Live controls stand here when the lesson is run (`make lab`).*"
PACKAGES = {
    "vqlab": "what most need",
    "vqlab.quantizers": "quantizers, by the four decisions",
    "vqlab.drift": "the laboratory",
    "vqlab.measure": "measures",
    "vqlab.plots": "figures",
    "vqlab.explorers": "figures with controls",
    "vqlab.vision": "pictures and training",
    "vqlab.leaderboard": "the leaderboard",
    "vqlab.teach": "checks for lessons",
}


def pages(root: Path = ROOT) -> dict[str, Path]:
    """Name of each page on the site (no ending), to its file."""
    named = {"index": root / "README.md", "data/README": root / "data/README.md",
             "notebooks/course": root / "notebooks/course.md"}
    named |= {f"notebooks/{p.stem}": p for p in lesson_paths(root / "notebooks")}
    named |= {f"notebooks/exercises/{p.stem}": p
              for p in lesson_paths(root / "notebooks/exercises")}
    return {name: path for name, path in named.items() if path.exists()}


def exercise_titles(names: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Page and title of each exercise."""
    for name, path in names.items():
        if name.startswith("notebooks/exercises/"):
            first = text(json.loads(path.read_text())["cells"][0]["source"])
            yield name, first.splitlines()[0].removeprefix("# ")


# --- one notebook --------------------------------------------------------------------------------

def figure(output: dict[str, Any], picture: str) -> str:
    """The HTML of a stored figure; ``picture`` is the address of its PNG."""
    plot = output["data"][PLOTLY]
    layout = plot["layout"]
    shown = {"data": plot["data"], "layout": layout, "frames": plot.get("frames") or None}
    title = re.sub(r"<[^>]*>", " ", str(layout.get("title", {}).get("text") or "figure"))
    inert = json.dumps(shown, separators=(",", ":")).replace("<", "\\u003c")
    moves = ' data-frames="yes"' if shown["frames"] else ""
    return (f'<figure class="moving"{moves}>'
            f'<img src="{picture}" alt="{html.escape(" ".join(title.split()), quote=True)}" '
            f'width="{layout.get("width", 700)}" height="{layout.get("height", 450)}" '
            f'loading="lazy">'
            f'<script type="application/json">{inert}</script></figure>')


def publish(notebook: Any, name: str, out: Path) -> Any:
    """A lesson with its figures as HTML; their pictures go to out/_static/figures."""
    up = "../" * name.count("/")
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PLOTLY in data:
                count += 1
                picture = f"_static/figures/{name.rsplit('/', 1)[-1]}_{count}.png"
                (out / picture).parent.mkdir(parents=True, exist_ok=True)
                (out / picture).write_bytes(base64.b64decode(data["image/png"]))
                output["data"] = {"text/html": figure(output, up + picture)}
            elif "explorer" in tags(cell) and "text/markdown" in data:
                output["data"] = {"text/markdown": NO_CONTROLS}
    file = name.rsplit("/", 1)[-1] + ".ipynb"
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(
        f'To run it: `make lab`. The file: <a href="{file}" download>{file}</a>'))
    return notebook


def for_students(notebook: Any) -> Any:
    """An exercise without its solutions and results, as `make assignment` gives it."""
    from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions

    for step in (ClearSolutions(code_stub=STUB), ClearHiddenTests(), ClearOutput()):
        notebook, _ = step.preprocess(notebook, {})
    return notebook


# --- links ---------------------------------------------------------------------------------------

def relinked(source: str, name: str, path: Path, root: Path, out: Path) -> str:
    """A page's Markdown with links that lead to pages, or to files that are taken along.

    Raises:
        FileNotFoundError: a link to nothing.
    """
    by_file = {file: page for page, file in pages(root).items()}
    up = "../" * name.count("/")

    def replaced(found: re.Match[str]) -> str:
        link = found[2]
        if re.match(r"[a-z]+:", link):
            return found[0]
        target = (path.parent / link).resolve()
        if not target.exists():
            raise FileNotFoundError(f"{path.relative_to(root)} links to {link}, which is not there")
        if target.is_dir():
            inside = target.relative_to(root).as_posix() + "/index"
            return f"{found[1]}{up}{inside}.md{found[3]}"
        if target in by_file:
            ending = target.suffix
            return f"{found[1]}{up}{by_file[target]}{ending}{found[3]}"
        copy = out / target.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(target, copy)
        return f"{found[1]}{up}{target.relative_to(root).as_posix()}{found[3]}"

    return LINK.sub(replaced, source)


# --- the pages that list others ------------------------------------------------------------------

def tree(caption: str, entries: list[str]) -> str:
    lines = "\n".join(entries)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def contents(names: dict[str, Path], api: bool) -> str:
    """What the front page carries for the menu at the left."""
    lessons = [f"{p.stem[:2]} {summary(json.loads(p.read_text()))['question']} <{name}>"
               for name, p in names.items() if re.match(r"notebooks/\d\d_", name)]
    teaching = ["For teachers <notebooks/course>"] * ("notebooks/course" in names)
    teaching += ["Exercises <notebooks/exercises/index>"] * any(exercise_titles(names))
    reference = [f"{module} <api/{module}>" for module in PACKAGES if api]
    reference += ["Data <data/README>"] * ("data/README" in names)
    return "".join(tree(caption, entries) for caption, entries in
                   [("Lessons", lessons), ("Teaching", teaching), ("Reference", reference)]
                   if entries)


def exercise_index(names: dict[str, Path]) -> str:
    listed = [f"{title} <{name.rsplit('/', 1)[-1]}>" for name, title in exercise_titles(names)]
    tree_of_them = "```{toctree}\n" + "\n".join(listed) + "\n```\n"
    return ("# Exercises\n\nThey are shown as students get them, without solutions. "
            "`make assignment` writes these files, and `make grade` marks what comes back.\n\n"
            + tree_of_them)


def reference(module: str) -> str:
    """The page of a package: the names that it publishes, from their docstrings.

    What vqlab itself passes on from a package is described there, and linked.
    """
    loaded = importlib.import_module(module)
    body = [f"# {module}: {PACKAGES[module]}", "", "```{eval-rst}", f".. py:module:: {module}", "",
            *inspect.getdoc(loaded).splitlines(), ""]
    described = []
    for name in loaded.__all__:
        thing = getattr(loaded, name)
        role = "class" if isinstance(thing, type) else "func"
        home = next((m for m in PACKAGES if module == "vqlab" != m
                     and name in importlib.import_module(m).__all__), None)
        if home:
            first = inspect.getdoc(thing).split("\n\n")[0].replace("\n", " ")
            body.append(f"- :{role}:`vqlab.{name} <{home}.{name}>`: {first}")
        elif callable(thing):
            described += ["", f".. auto{role.replace('func', 'function')}:: {module}.{name}", ""]
        else:    # a table: its own docstring would be that of every dict
            described += ["", f".. py:data:: {module}.{name}", f"   :value: {thing!r}", ""]
    return "\n".join([*body, *described, "```", ""])


# --- all of it -----------------------------------------------------------------------------------

def stage(out: Path, root: Path = ROOT, api: bool = True) -> dict[str, Path]:
    """Writes the site's source into ``out``; returns its pages."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    names = pages(root)
    for name, path in names.items():
        file = out / (name + path.suffix)
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            source = relinked(path.read_text(), name, path, root, out)
            file.write_text(source + (contents(names, api) if name == "index" else ""))
            continue
        notebook = nbformat.read(path, as_version=4)
        if "/exercises/" in name:
            notebook = for_students(notebook)
        else:
            notebook = publish(notebook, name, out)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = relinked(cell.source, name, path, root, out)
        file.write_text(nbformat.writes(notebook))
    if any(exercise_titles(names)):
        (out / "notebooks/exercises/index.md").write_text(exercise_index(names))
    for picture in re.findall(r'<img [^>]*src="([^"]+)"', (root / "README.md").read_text()):
        (out / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / picture, out / picture)
    if api:
        (out / "api").mkdir()
        for module in PACKAGES:
            (out / f"api/{module}.md").write_text(reference(module))
    return names
