"""Build the site of all lessons from what is stored; no network, no kernel. Run by `make site`.

    publish.py [FOLDER]       build/site without one
"""

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

from lessons import ROOT
from links import faults
from staging import pages, stage

SETTINGS = ROOT / ".make/site"
STAGED = ROOT / "build/site-source"


def programs(static: Path) -> None:
    """What pages load, once for the site: MathJax and plotly.js from their Python packages."""
    static.mkdir(parents=True, exist_ok=True)
    mathjax = importlib.util.find_spec("sphinx-mathjax-offline")
    plotly = importlib.util.find_spec("plotly")
    if not (mathjax and mathjax.origin and plotly and plotly.origin):
        raise ModuleNotFoundError("the site needs the extra `site`: pip install -e '.[site]'")
    for file in (Path(mathjax.origin).parent / "static/mathjax/tex-svg.js",
                 Path(plotly.origin).parent / "package_data/plotly.min.js",
                 SETTINGS / "style.css", SETTINGS / "figures.js"):
        shutil.copy(file, static)


def build(out: Path, staged: Path = STAGED, root: Path = ROOT, api: bool = True) -> list[str]:
    """Builds into ``out``; what is wrong, a line each: Sphinx's warnings and broken links.

    Raises:
        ModuleNotFoundError: the extra ``site`` is not installed.
    """
    stage(staged, root, api)
    programs(staged / "_static")
    shutil.rmtree(out, ignore_errors=True)
    warnings = staged.parent / "site-warnings.txt"
    # A process of its own: Sphinx and what it loads warn of things that are theirs to mend.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "sphinx", "-q", "-E", "-b", "html",
         "-c", SETTINGS, "-d", staged.parent / "site-doctrees", "-w", warnings,
         "-D", f"html_static_path={staged / '_static'}", staged, out],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wrong = [line for line in warnings.read_text().splitlines() if line.strip()]
    if done.returncode:
        return wrong + done.stderr.splitlines()[-20:] + ["Sphinx failed"]
    for name, path in pages(root).items():
        if path.suffix == ".ipynb" and "/exercises/" not in name:
            shutil.copy(path, out / f"{name}.ipynb")
    (out / ".nojekyll").touch()     # GitHub's pages would leave out folders that begin with _
    return wrong + list(faults(out))


def main() -> None:
    out = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build/site"
    start = time.perf_counter()
    wrong = build(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"vqlab: {out / 'index.html'}: {len(list(out.rglob('*.html')))} pages, "
          f"{size / 1e6:.0f} MB, {time.perf_counter() - start:.0f} s")
    for line in wrong:
        print(f"vqlab:   {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
