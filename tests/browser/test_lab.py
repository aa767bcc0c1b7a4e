"""What a reader does first: open a notebook in JupyterLab, run it, and move what can be moved."""

import os
from pathlib import Path

import nbformat
import pytest
from lessons import FOLDER, ROOT, lesson_paths
from loopback import READY, command

pytestmark = pytest.mark.browser

# Pictures for a person to look at; set to a folder to keep them.
SHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "screenshots"))
FIRST = FOLDER / "00_start_here.ipynb"

CELLS = """() => {
  const widget = window.jupyterapp.shell.currentWidget;
  return [...widget.content.model.cells].filter(cell => cell.type === 'code')
    .map(cell => cell.toJSON());
}"""
# Every cell of the notebook of this name is drawn (nothing waits to come into view), and so are
# its formulas.
RENDERED = """name => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  if (widget?.context?.path !== name || !widget.context.isReady) return false;
  const texts = [...widget.content.widgets].filter(cell => cell.model.type === 'markdown');
  return texts.length > 0 && texts.every(cell => cell.rendered
    && cell.node.querySelector('.jp-MarkdownOutput')?.textContent
    && !/[$][$]/.test(cell.node.querySelector('.jp-MarkdownOutput').textContent));
}"""
CLOSE = """() => {
  const widget = window.jupyterapp.shell.currentWidget;
  widget.context.model.dirty = false;  // or it would ask whether to save
  widget.close();
}"""
DONE = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  return cells.filter(cell => cell.type === 'code' && cell.sharedModel.source.trim())
    .every(cell => cell.executionState === 'idle' && cell.executionCount);
}"""


def open_notebook(page, lab, path):
    page.goto(lab.url(path))
    page.wait_for_function(READY)


def run_all(page, seconds):
    """Run every cell; the cells as they stand afterwards."""
    command(page, "notebook:run-all-cells")
    page.wait_for_timeout(500)
    page.wait_for_function(DONE, timeout=seconds * 1000)
    return page.evaluate(CELLS)


def errors(cells):
    return [f"{out['ename']}: {out['evalue']}" for cell in cells for out in cell["outputs"]
            if out["output_type"] == "error"
            and "raises-exception" not in cell["metadata"].get("tags", [])]


def shoot(page, name):
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def read_down(page):
    """Scroll a notebook from top to bottom as a reader does; yields at every screen."""
    panel = page.locator(".jp-WindowedPanel-outer").first
    while True:
        page.wait_for_timeout(700)    # figures are drawn as they come into view
        yield
        before, height = panel.evaluate("p => [p.scrollTop, p.clientHeight]")
        panel.evaluate("(p, by) => p.scrollBy(0, by)", height - 60)
        if panel.evaluate("p => p.scrollTop") - before < 2:
            return


@pytest.mark.skipif(not FIRST.exists(), reason="the first lesson is not in this copy")
def test_the_first_lesson_runs_from_top_to_bottom(page, lab):
    open_notebook(page, lab, FIRST)
    shoot(page, "00_opened")
    assert page.locator(".jp-RenderedHTMLCommon h1").first.inner_text().rstrip("¶").endswith("?")
    cells = run_all(page, seconds=300)  # half a minute, but browser and kernel share two cores
    shoot(page, "00_run")
    assert errors(cells) == []
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert page.get_by_text("Error displaying widget").count() == 0


@pytest.fixture(scope="module")
def reader(browser, lab):
    """One window in which lesson after lesson is opened, as a reader does."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(lab.start)
    page.wait_for_function("() => window.jupyterapp?.restored")
    page.evaluate("() => window.jupyterapp.restored")
    yield page
    context.close()


@pytest.mark.parametrize("path", lesson_paths(), ids=lambda p: p.stem)
def test_a_lesson_reads_well_before_it_is_run(reader, lab, path):
    page, name = reader, lab.copy(path)
    page.mouse.move(5, 5)    # away from where a picture will come up
    page.evaluate("""path => {
      window.jupyterapp.commands.execute('docmanager:open', {path});
    }""", name)
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    page.wait_for_function(RENDERED, arg=name)
    if "SCREENSHOTS" in os.environ:
        for number, _ in enumerate(read_down(page)):
            shoot(page, f"{path.stem}_{number:02}")
    assert panel.get_by_text("Error displaying widget").count() == 0
    assert panel.locator("mjx-merror").count() == 0, "a formula has an error"
    cells = nbformat.read(path, as_version=4).cells
    assert panel.locator("mjx-container").count() or not any("$$" in c.source for c in cells)
    assert comes_alive(page, panel) == any(
        "application/vnd.plotly.v1+json" in output.get("data", {})
        for cell in cells for output in cell.get("outputs", []))
    page.evaluate(CLOSE)


def comes_alive(page, panel):
    """JupyterLab shows a stored figure's PNG until the mouse is over it: then the figure itself."""
    # One that is drawn live has no picture to be seen.
    pictures = [one for one in panel.locator(".plot-img").all() if one.is_visible()]
    if not pictures:
        return False
    pictures[0].scroll_into_view_if_needed()
    box = pictures[0].bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    panel.locator(".js-plotly-plot").first.wait_for(timeout=10_000)
    return True
