"""Open the explorers as a page without code, through Voilà. Run by `make app`."""

import os
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("explorers.ipynb")
# These extensions look for parts of JupyterLab that this page has not, and fail aloud.
EXTENSIONS = [f"--VoilaConfiguration.extension_denylist={name}"
              for name in ("@jupyter-notebook/lab-extension", "@jupyter/nbgrader")]


def main() -> None:
    # Loopback only: whoever reaches the page runs Python on this machine.
    program = [sys.executable, "-m", "voila", str(PAGE), "--Voila.ip=127.0.0.1",
               "--VoilaConfiguration.show_tracebacks=True", *EXTENSIONS, *sys.argv[1:]]
    print("vqlab: the explorers open in the browser; Ctrl-C here ends them", flush=True)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
