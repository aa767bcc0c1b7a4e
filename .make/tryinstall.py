"""Does the first lesson run where only this repository is installed? Run by `make tryinstall`.

    tryinstall.py [PIP-ARGUMENT …]      such as -c .constraints.txt

The steps are those that the README gives for Colab: a clone, `pip install ./vqlab`, the lesson from
its folder. What is not committed is not in the clone. It fetches what any new environment fetches.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN = """
import sys, nbformat, vqlab
from nbclient import NotebookClient
assert "site-packages" in vqlab.__file__, vqlab.__file__
lesson = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(lesson, timeout=300, kernel_name="python3").execute()
print(f"vqlab: {len(lesson.cells)} cells ran with {vqlab.__file__}")
"""


def main() -> None:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", "vqlab"],
                       cwd=here, check=True)
        subprocess.run([sys.executable, "-m", "venv", "bare"], cwd=here, check=True)
        python = str(here / "bare/bin/python")
        options = [str(ROOT / a) if (ROOT / a).is_file() else a for a in sys.argv[1:]]
        subprocess.run([python, "-m", "pip", "install", "-q", *options, "./vqlab"],
                       cwd=here, check=True)
        print(f"vqlab: installed after {time.perf_counter() - start:.0f} s", flush=True)
        lesson = min((here / "vqlab/notebooks").glob("[0-9][0-9]_*.ipynb"))
        subprocess.run([python, "-I", "-c", RUN, lesson.name], cwd=lesson.parent, check=True)
    print(f"vqlab: {lesson.name} runs in an empty environment; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
