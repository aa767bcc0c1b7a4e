"""Every stored notebook keeps the rules, and every rule notices when it is broken."""

import copy
import json
import re

import nbformat
import notebook_rules as rules
import pytest
from lessons import FOLDER, all_paths, chosen, lesson_paths
from nbval.plugin import get_sanitize_patterns

PATHS = all_paths()


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_notebook_keeps_the_rules(path):
    notebook = json.loads(path.read_text())
    applied = list(rules.EVERYWHERE)
    if path in lesson_paths():
        applied += rules.LESSON
    if path.stem.startswith("00_"):
        applied += [rules.plain_part_is_short]
    assert [f"{rule.__name__}: {what}" for rule in applied for what in rule(notebook)] == []


@pytest.mark.parametrize("path", all_paths(), ids=lambda p: p.stem)
def test_a_notebook_is_valid_and_small(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5), "cells need stable ids: 4.5"
    assert path.stat().st_size < rules.LIMIT


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_links_between_lessons_lead_somewhere(path):
    cells = json.loads(path.read_text())["cells"]
    prose = "\n".join(rules.text(c["source"]) for c in cells if c["cell_type"] == "markdown")
    local = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)
             if not link.startswith(("http://", "https://", "#", "attachment:"))]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_notebooks_are_chosen_by_name_or_number():
    paths = lesson_paths()
    assert chosen([], paths) == paths
    assert [p.stem for p in chosen(["02_drift", "notebooks/00_start_here.ipynb", "03"], paths)] == [
        "00_start_here", "02_drift", "03_dead_codes"]
    with pytest.raises(SystemExit, match="no notebook named 77; there are: 00_start_here, 01"):
        chosen(["00", "77"], paths)


def test_the_sanitizer_reads_every_rule():
    # Its regular expression silently drops a rule whose replacement is empty.
    content = (FOLDER / "sanitize.cfg").read_text()
    assert len(get_sanitize_patterns(content)) == len(re.findall(r"^\[", content, re.M)) > 0


# --- the rules themselves ------------------------------------------------------------------------

def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, count, *tags, outputs=()):
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source,
            "execution_count": count, "outputs": list(outputs)}


def stream(content, name="stdout"):
    return {"output_type": "stream", "name": name, "text": content}


FIGURE = {"output_type": "display_data", "metadata": {},
          "data": {rules.PLOTLY: {}, "image/png": "…"}}
GOOD = {
    "metadata": {"vqlab": {"question": "Does it hold?", "minutes_to_read": 5, "minutes_to_run": 1,
                           "number": "holds: yes"}},
    "cells": [
        markdown("# Does it hold?\n\n**You will**\n- see\n- do\n\n"
                 "5 minutes to read, 1 minute to run.\n\n**Know before**: plain torch."),
        code("x = 1", 1),
        code("import vqlab", 2, outputs=[FIGURE]),
        code("assert x\nprint('holds: yes')", 3, "number", "nbval-check-output",
             outputs=[stream("holds: yes\n")]),
        markdown("## The answer\n\nYes.\n\n## What we do not know\n\nMuch.\n\n"
                 "## Exercises\n\n### One\n\n### Two\n\n## References\n\n- A."),
    ],
}
ALL = [*rules.EVERYWHERE, *rules.LESSON, rules.plain_part_is_short]


def broken(rule, change):
    notebook = copy.deepcopy(GOOD)
    change(notebook, notebook["cells"])
    return list(rule(notebook))


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.__name__)
def test_a_good_notebook_breaks_no_rule(rule):
    assert list(rule(GOOD)) == []


@pytest.mark.parametrize(("rule", "change"), [
    (rules.ran_in_order, lambda n, c: c[2].update(execution_count=7)),
    (rules.ran_in_order, lambda n, c: c[2].update(execution_count=None)),
    (rules.no_widget_state, lambda n, c: n["metadata"].update(widgets={})),
    (rules.no_widget_state, lambda n, c: c[2]["outputs"][0]["data"].update({rules.WIDGET: {}})),
    (rules.no_errors, lambda n, c: c[1]["outputs"].append(
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": []})),
    (rules.no_errors, lambda n, c: c[1]["outputs"].append(stream("warning", "stderr"))),
    (rules.known_tags, lambda n, c: c[1]["metadata"].update(tags=["nbval-chek-output"])),
    (rules.picture_beside_figure, lambda n, c: c[2]["outputs"][0]["data"].pop("image/png")),
    (rules.picture_beside_figure, lambda n, c: c[1]["outputs"].append(
        {"output_type": "display_data", "data": {"text/html": ["<script>", "</script>"]}})),
    (rules.no_machine_path, lambda n, c: c[1].update(source="open('/home/me/x')")),
    (rules.no_machine_path, lambda n, c: c[1]["outputs"].append(stream("at /tmp/x\n"))),
    (rules.no_faces, lambda n, c: c[2]["metadata"].update(tags=["faces"])),
    (rules.no_faces, lambda n, c: c[1].update(source="f(Pictures('celeba-hq'))",
                                              outputs=[{"output_type": "display_data", "data": {
                                                  "image/png": "…"}}])),
    (rules.short_cells, lambda n, c: c[2].update(source="import vqlab\n" + "x = 1\n" * 15)),
    (rules.short_cells, lambda n, c: c[1].update(source="x = 1\n" * 41)),
    (rules.metadata_is_current, lambda n, c: n["metadata"]["vqlab"].update(number="holds: no")),
    (rules.metadata_is_current, lambda n, c: n["metadata"].pop("vqlab")),
    (rules.metadata_is_current, lambda n, c: c[0].update(source="# A title")),
    (rules.metadata_is_current, lambda n, c: c[3].update(outputs=[])),
    (rules.metadata_is_current, lambda n, c: c[2]["metadata"].update(tags=["number"])),
    (rules.first_cell, lambda n, c: c[0].update(source="# Q?\n\n- You will see\n\nKnow before")),
    (rules.first_cell, lambda n, c: c[0].update(source="# Q?\n\nYou will\n- see\n- do")),
    (rules.last_sections, lambda n, c: c.append(markdown("## Afterword"))),
    (rules.last_sections, lambda n, c: c[4].update(source=c[4]["source"].replace("### Two", ""))),
    (rules.asserts_its_number, lambda n, c: c[3].update(source="print('holds: yes')")),
    (rules.asserts_its_number, lambda n, c: c[3]["metadata"].update(tags=["number"])),
    (rules.uses_the_library, lambda n, c: c[2].update(source="import torch")),
    (rules.plain_part_is_short, lambda n, c: c[1].update(source="x = 1\n" * 151)),
    (rules.plain_part_is_short, lambda n, c: c[1].update(source="q = vqlab.make('vq')")),
    (rules.plain_part_is_short, lambda n, c: c[0].update(source="# Q?")),
], ids=lambda v: getattr(v, "__name__", ""))
def test_a_rule_notices(rule, change):
    assert broken(rule, change)
