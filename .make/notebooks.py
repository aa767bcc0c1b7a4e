"""Run lessons from top to bottom and store what they show. Run by `make notebooks`.

    notebooks.py [NAME …]      NAME such as 02_drift; lessons and exercises, all without one

Stored: outputs, execution counts from 1, and beside every figure a PNG for viewers without
plotly. Not stored: the state of widgets (several megabytes each), timings, progress bars.
A lesson that fails, or grows past the limit, is left as it was.
"""

import base64
import io
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

# Plain plotly figures, and those of vqlab.plots.
os.environ["PLOTLY_RENDERER"] = "plotly_mimetype+png"
os.environ["VQLAB_PUBLISH"] = "1"
# As under test, so that sums are taken in the same order.
os.environ["OMP_NUM_THREADS"] = "1"

import nbformat  # noqa: E402
from lessons import FOLDER, all_paths, chosen, lesson_paths, summary, tags  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError  # noqa: E402
from PIL import Image  # noqa: E402

LIMIT = 1_500_000
SECONDS_PER_CELL = 300    # as under test
WIDGET = "application/vnd.jupyter.widget-view+json"
PLOTLY = "application/vnd.plotly.v1+json"
INVITATION = "*Run this cell: its controls appear here.*"
FACES = "*Run this cell: its pictures appear here. They are not stored.*"


def run(notebook: Any) -> None:
    """Execute in the notebooks' folder, with this Python's kernel."""
    notebook.metadata.kernelspec = {
        "name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    client = NotebookClient(notebook, timeout=SECONDS_PER_CELL, kernel_name="python3",
                            record_timing=False, coalesce_streams=True,
                            resources={"metadata": {"path": str(FOLDER)}})
    client.execute()


def smaller(png: str) -> str:
    """The same picture in 256 colours: a third of the bytes, and no difference in a plot."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    stored = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(stored, "PNG", optimize=True)
    return min(png, base64.b64encode(stored.getvalue()).decode(), key=len)


def stored_outputs(cell: Any) -> list[Any]:
    """A cell's outputs without widgets and progress bars, which show nothing once stored."""
    kept = []
    if "faces" in tags(cell):  # whatever they show: photographs of people may not be passed on
        said = {"text/markdown": FACES, "text/plain": FACES.strip("*")}
        return [nbformat.v4.new_output("display_data", data=said)]
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr" and (
            "%|" in output.text or not output.text.strip()  # a bar, or what wipes it out
        ):
            continue
        data = output.get("data", {})
        if data.pop(WIDGET, None) is not None and not set(data) & {"image/png", "text/html"}:
            if "explorer" not in tags(cell):
                continue
            if re.match(r"\w+\(", data.get("text/plain", "x(")):   # a repr says nothing to a reader
                data.clear()
                data.update({"text/markdown": INVITATION, "text/plain": INVITATION.strip("*")})
        if PLOTLY in data and "image/png" in data:
            data["image/png"] = smaller(data["image/png"])
        if output.output_type == "error":
            # The frames in between name files of this machine.
            output.traceback = [f"{output.ename}: {output.evalue}"]
        kept.append(output)
    return kept


def tidy(notebook: Any) -> None:
    """Leave only what a reader of the file can see."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {
        "name": "python", "file_extension": ".py", "mimetype": "text/x-python",
        "nbconvert_exporter": "python", "pygments_lexer": "ipython3"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = stored_outputs(cell)


def store(path: Path) -> str | None:
    """Run one lesson and write it back; the reason if it was left as it was."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    try:
        run(notebook)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    tidy(notebook)
    if path.parent.name != "exercises" and path in lesson_paths(path.parent):
        try:
            notebook.metadata.vqlab = summary(notebook)
        except ValueError as error:
            return str(error)
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LIMIT:
        return f"it would take {len(text.encode()) / 1e6:.2f} MB; the limit is {LIMIT / 1e6} MB"
    nbformat.validate(notebook)
    path.write_text(text, encoding="utf-8")
    return None


def main() -> None:
    failed = False
    for path in chosen(sys.argv[1:], all_paths()):
        print(f"vqlab: running {path.name}", flush=True)
        start = time.perf_counter()
        reason = store(path)
        seconds = time.perf_counter() - start
        if reason is None:
            print(f"vqlab:   stored, {seconds:.0f} s, {path.stat().st_size / 1e6:.2f} MB")
        else:
            failed = True
            print(f"vqlab:   NOT stored after {seconds:.0f} s: {reason}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
