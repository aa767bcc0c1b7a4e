"""Slides of the lessons, from their cells' tags, to show and to print. Run by `make slides`.

    slides.py [NAME …]     course/slides/NAME.html; all lessons that have a cell tagged `slide`

A cell tagged `slide` begins a slide, one tagged `more` goes on with it; with `output` as well, of
a code cell only what it shows. Within a cell every second-level heading begins a slide, too;
exercises, open questions and references are left out. Everything is in the one file: the stored
pictures stand for the figures, and formulas are MathML, so neither a kernel nor a network is
needed. Arrow keys, Space and Page Down turn the pages; printing gives one page a slide. nbconvert
renders the cells.
"""

import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from lessons import ROOT, chosen, lesson_paths, tags
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

FOLDER = ROOT / "course/slides"
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$`\w])\$([^\s$](?:[^$]*?[^\s$])?)\$(?![\w$])", re.S)
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
LEFT_OUT = ("What we do not know", "Exercises", "References")
SHOWN = ("image/png", "text/html", "text/markdown", "text/plain")

# What docutils does not know, and what says the same.
UNKNOWN = {
    r"\\tag\{.*?\}|\\!": " ",
    r"\\dots": r"\\ldots",
    r"\\t?frac\s*(\d)\s*(\w)": r"\\frac{\1}{\2}",
    r"\\tfrac": r"\\frac",
    r"\\bar\s*\{?(\w)\}?": r"{\\bar{\1}\\,}",  # else an index lands below
    r"\\([lr])Vert(?![a-zA-Z])": r"\\|",
}

STYLE = """
@page { size: 1280px 720px; margin: 0 }
* { box-sizing: border-box }
html { scroll-snap-type: y mandatory; background: #fff }
body { margin: 0; font: 28px/1.4 system-ui, "Helvetica Neue", Arial, sans-serif; color: #1b2530 }
section { position: relative; width: 1280px; height: 720px; padding: 34px 64px 40px;
  overflow: hidden; scroll-snap-align: start; break-after: page; border-bottom: 1px solid #d5dbe1 }
section::after { content: attr(data-page); position: absolute; right: 26px; bottom: 12px;
  font-size: 15px; color: #77828d }
h1 { font-size: 1.7em; line-height: 1.15; margin: .1em 0 .5em }
h2 { font-size: 1.35em; line-height: 1.2; margin: 0 0 .5em }
p, ul, ol { margin: .45em 0 } li { margin: .15em 0 }
a { color: #0072b2; text-decoration: none } .anchor-link { display: none }
pre { font: .72em/1.35 ui-monospace, Menlo, Consolas, monospace; margin: .35em 0;
  white-space: pre-wrap }
code { font: .88em ui-monospace, Menlo, Consolas, monospace } pre code { font-size: 1em }
.highlight { background: #f4f6f8; padding: .1em .7em; border-radius: 4px }
.jp-OutputPrompt, .jp-InputPrompt, .prompt, .jp-Collapser { display: none }
.output_text pre, .jp-OutputArea-output pre { font-size: .8em }
img { display: block; margin: .3em auto; max-width: 1150px; max-height: 560px }
table { border-collapse: collapse; font-size: .75em; margin: .4em 0 }
th, td { padding: .12em .8em; border-bottom: 1px solid #d5dbe1; text-align: left }
math[display=block] { margin: .5em 0; font-size: 1.08em }
summary { color: #0072b2; cursor: pointer }
@media print { section { border: 0 } }
"""
SCRIPT = """
for (const s of document.querySelectorAll('section')) {
  let text = 28, picture = 560
  const full = () => s.scrollHeight > 720 || s.scrollWidth > 1280
  const low = (least, smallest) => {  // pictures give way first, then the text
    while (full() && picture > smallest) {
      picture -= 10
      for (const i of s.querySelectorAll('img')) i.style.maxHeight = picture + 'px'
    }
    while (full() && text > least) s.style.fontSize = (text -= .5) + 'px'
  }
  low(20, 400); low(17, 300); low(12, 220)
}
const fill = () => { document.body.style.zoom = innerWidth / 1280 }
addEventListener('resize', fill); fill()
addEventListener('beforeprint', () => { document.body.style.zoom = 1 })
addEventListener('afterprint', fill)
addEventListener('keydown', e => {
  const by = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, ' ': 1,
              ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[e.key]
  if (!by || e.target.closest('summary')) return
  e.preventDefault()
  const all = [...document.querySelectorAll('section')]
  const tops = all.map(s => Math.abs(s.getBoundingClientRect().top))
  all[Math.max(0, Math.min(all.length - 1, tops.indexOf(Math.min(...tops)) + by))].scrollIntoView()
})
"""


def formulas(text: str) -> str:
    """Markdown with its formulas as MathML, which browsers set by themselves."""
    from docutils.utils.math.latex2mathml import tex2mathml

    def one(found: re.Match[str]) -> str:
        block = found.group(1) is not None
        tex = found.group(1) or found.group(2)
        for given, known in UNKNOWN.items():
            tex = re.sub(given, known, tex)
        tex = re.sub(r"\\text\{[^}]*\}", lambda words: words[0].replace(" ", "\u00a0"), tex)
        mathml = tex2mathml(" ".join(tex.split(" ")).replace("\n", " "), as_block=block)
        return re.sub(r"[ \n]+", " ", mathml)

    parts = CODE.split(text)
    return "".join(part if i % 2 else MATH.sub(one, part) for i, part in enumerate(parts))


def slides(notebook: Any) -> list[list[Any]]:
    """The tagged cells, slide by slide.

    Raises:
        ValueError: a cell that goes on with a slide before there is one.
    """
    out: list[list[Any]] = []
    for position, cell in enumerate(notebook.cells):
        if "slide" in tags(cell):
            out.append([])
        elif "more" not in tags(cell):
            continue
        if not out:
            raise ValueError(f"cell {position} goes on with a slide, but none has begun")
        first, *rest = sections(cell)
        out[-1].append(first)
        out += [[one] for one in rest]
    return out


def sections(cell: Any) -> list[Any]:
    """A text cell cut before its second-level headings; a code cell as it is."""
    if cell.cell_type != "markdown":
        return [cell]
    parts = [p for p in re.split(r"^(?=## )", cell.source, flags=re.M) if p.strip()]
    kept = [p for p in parts if p.split("\n")[0].removeprefix("## ").strip() not in LEFT_OUT]
    return [nbformat.from_dict({**cell, "source": part}) for part in kept]


def prepared(cell: Any) -> Any:
    """The cell as a slide shows it: one still form of each output."""
    cell = nbformat.from_dict(cell)
    if cell.cell_type == "markdown":
        cell.source = formulas(cell.source)
        return cell
    kept = []
    for output in cell.outputs:
        if "data" in output:
            kind = next((k for k in SHOWN if k in output.data), None)
            if kind is None:
                continue
            output.data = {kind: output.data[kind]}
            output.metadata = {}
        if output.output_type != "error":
            kept.append(output)
    cell.outputs = kept
    return cell


def deck(path: Path) -> str:
    """One lesson as a page of slides; '' if no cell is tagged."""
    notebook = nbformat.read(path, as_version=4)
    pages = slides(notebook)
    if not pages:
        return ""
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True,
                            exclude_output_prompt=True, exclude_anchor_links=True)
    sections = []
    for number, cells in enumerate(pages, 1):
        parts = []
        for cell in cells:
            single = nbformat.v4.new_notebook(cells=[prepared(cell)], metadata=notebook.metadata)
            exporter.exclude_input = cell.cell_type == "code" and "output" in tags(cell)
            parts.append(exporter.from_notebook_node(single)[0])
        sections.append(f'<section data-page="{path.stem[:2]} · {number} / {len(pages)}">'
                        + "\n".join(parts) + "</section>")
    title = re.match(r"# (.+)", notebook.cells[0].source)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title.group(1) if title else path.stem)}</title>"
        f"<style>{HtmlFormatter().get_style_defs('.highlight')}{STYLE}</style></head><body>\n"
        + "\n".join(sections) + f"\n<script>{SCRIPT}</script></body></html>\n"
    )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in chosen(sys.argv[1:], lesson_paths()):
        page = deck(path)
        if page:
            (FOLDER / f"{path.stem}.html").write_text(page, encoding="utf-8")
            print(f"vqlab: {FOLDER / path.stem}.html")
        elif sys.argv[1:]:
            sys.exit(f"vqlab: no cell of {path.name} is tagged slide")


if __name__ == "__main__":
    main()
