"""Open the explorers as a page without code, through Voilà. Run by `make app`."""

import os
import sys

import nbformat
from lessons import ROOT

PAGE = ROOT / "build/explorers.ipynb"  # its name is the page's title
SHOWN = "import vqlab\n\nvqlab.explore()"
# These extensions look for parts of JupyterLab that this page has not, and fail aloud.
EXTENSIONS = [f"--VoilaConfiguration.extension_denylist={name}"
              for name in ("@jupyter-notebook/lab-extension", "@jupyter/nbgrader")]


def main() -> None:
    cell = nbformat.v4.new_code_cell(SHOWN)
    PAGE.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), PAGE)
    # Loopback only: whoever reaches the page runs Python on this machine.
    program = [sys.executable, "-m", "voila", str(PAGE), "--Voila.ip=127.0.0.1",
               "--VoilaConfiguration.show_tracebacks=True", *EXTENSIONS, *sys.argv[1:]]
    print("vqlab: the explorers open in the browser; Ctrl-C here ends them", flush=True)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
