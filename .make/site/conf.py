"""Sphinx's settings for `make site`; what it reads is prepared by staging.py."""

import re
import sys
from pathlib import Path

from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lessons import ROOT  # noqa: E402
from readme import repository  # noqa: E402

sys.path.insert(0, str(ROOT))

project = "vqlab"
author = "the vqlab authors"
html_title = "vqlab"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]

# Lessons are shown as they are stored; nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "html_image"]
myst_heading_anchors = 3
# No page shows a widget: without this the scripts of ipywidgets would be fetched from a network.
nb_ipywidgets_js = {}

# One file with its letters in it, so that formulas need no network and no fonts.
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_js_files = [("figures.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_context = {"default_mode": "light"}
html_theme_options = {
    "use_download_button": False,
    "home_page_in_toc": True,
    "show_toc_level": 2,
    # A second bar at the top would come with a second button for the menu, and only one works.
    "navbar_persistent": [],
}
if repository():
    html_theme_options |= {
        "repository_url": repository(), "use_repository_button": True,
        "launch_buttons": {"binderhub_url": "https://mybinder.org"},
    }

autodoc_default_options = {"members": True}
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_use_ivar = True    # attributes as a list, not each as an entry
napoleon_use_rtype = False
add_module_names = False

# A cell that shows how code is wrong need not be Python.
suppress_warnings = ["misc.highlighting_failure"]


LITERAL = re.compile(r"(``.+?``|:\w+:`[^`]+`)")


def escaped(found):
    return "".join("\\" + sign for sign in found[0])


def plain_bars(app, what, name, thing, options, lines):
    """Docstrings write |z| and **options as on paper; to Sphinx both are marks."""
    formula = None    # how far the lines of a formula are indented at least
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if formula is not None and line.strip() and indent < formula:
            formula = None
        starts = line.rstrip().endswith("::") or ".. math::" in line
        if formula is None and not starts:
            parts = LITERAL.split(line)
            parts[::2] = [re.sub(r"\||\*\*", escaped, part) for part in parts[::2]]
            lines[i] = "".join(parts)
        if starts:
            formula = indent + 1


def passed_on(app, env, node, shown):
    """A name that a package takes from one of its files is described under the package's name."""
    if node.get("refdomain") != "py":
        return None
    python = env.get_domain("py")
    target = node["reftarget"].lstrip(".").split(".")
    fitting = [name for name in python.objects
               if name.count(".") == 2 and name.split(".")[-1] == target[-1]]
    same = [name for name in fitting if name.split(".")[:2] == target[:2]]
    for name in (same or fitting)[:1]:
        found = python.objects[name]
        return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, shown, name)
    return None


def setup(app):
    app.connect("missing-reference", passed_on)
    # Before napoleon, which adds marks of its own.
    app.connect("autodoc-process-docstring", plain_bars, priority=400)
