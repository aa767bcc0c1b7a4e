"""Pictures of every explorer: equal where they have to be, different where a control says so, and
like those in ``shots``.

After a change that is meant, ``SHOTS=renew pytest tests/browser/test_screenshots.py`` stores the
pictures anew: look at each. One that is unlike its reference is left with the difference in
``screenshots/``, or in the folder that ``SCREENSHOTS`` names.
"""

import io
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from lessons import ROOT
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image, ImageChops
from scipy.ndimage import gaussian_filter

STORED = Path(__file__).with_name("shots")
LEFT = Path(os.environ.get("SCREENSHOTS", ROOT / "screenshots"))
FIRST = """import vqlab
from vqlab.explorers import phases
phases.SPEEDS, phases.SIZES = phases.SPEEDS[2:], (8, 12)
shown = {}"""
MAKE = {
    "collapse": "vqlab.explore('collapse', source='mixture', codes=16, steps=100)",
    "duel": "vqlab.explore('duel', codes=16, steps=100)",
    "phase": "vqlab.explore('phase')",
    "gradients": "vqlab.explore('gradients')",
    "kernel": "vqlab.explore('kernel')",
    "run": "vqlab.explore(shown['collapse', 0].run)",
}
STAGES = {  # of each explorer, from top to bottom
    **{name: (name,) for name in MAKE},
    "phase": ("phase", "phase_film"), "kernel": ("kernel", "kernel_rest"),
    "run": ("run", "run_curves"),
}  # fmt: skip
CONTROL = {  # a menu, another choice, and the first again; or a slider
    "collapse": ("seed", "3", "0"), "duel": ("seed", "3", "0"), "phase": ("method", "ema", "vq"),
    "gradients": ("noise σ",), "kernel": ("bandwidth τ",),
    "run": ("view", "lens", "fixed axes"),
}  # fmt: skip
READY = """() => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  return widget?.sessionContext?.session?.kernel?.status === 'idle' && widget.context.isReady;
}"""
RUN = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
# What the kernel was asked before is answered before this, and then drawn; no film goes on.
REST = """async (frames) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const drawn = async () => {
    for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
  };
  const versions = () => [...document.querySelectorAll('.vq-stage')].map(s => s.dataset.version);
  for (let before = '', now = 'x'; before !== now; before = now, now = versions().join()) {
    await kernel.requestExecute({code: '[one.wait() for one in shown.values()]'}).done;
    await drawn();
  }
  document.activeElement?.blur();
  for (const slider of frames ? document.querySelectorAll('.vq-bar > input') : []) {
    slider.value = slider.max;
    slider.dispatchEvent(new Event('input'));
  }
  await drawn();
}"""
# At the same place of the window and at whole pixels: native parts are painted a trace differently
# elsewhere.
PLACE = """area => {
  const panel = area.closest('.jp-WindowedPanel-outer');
  for (const one of [area, ...area.querySelectorAll('.vq-stage')]) {
    one.style.cssText += ';position:relative;top:0px';
    if (one === area) panel.scrollTop += one.getBoundingClientRect().top - 140;
    const y = one.getBoundingClientRect().top;
    one.style.top = (one === area ? 140 : Math.round(y)) - y + 'px';
  }
  const of = area.getBoundingClientRect();
  return [...area.querySelectorAll('canvas')].map(c => c.getBoundingClientRect())
    .map(c => [c.left - of.left, c.top - of.top, c.right - of.left, c.bottom - of.top]);
}"""
HALF, WORDS, LIGHT, HUE = 2, (2, 32), 32.0, 40.0
CHANGED, STEPPED = 1000, 30  # pixels at least that a control and a step change


def soft(picture):
    """Lightness, blurred along the lines of text, and colour, blurred a little."""
    x = np.asarray(picture, dtype=float)
    hue = np.stack([x[..., 0] - x[..., 1], x[..., 1] - x[..., 2]], -1)
    return gaussian_filter(x.min(-1), WORDS), gaussian_filter(hue, (2, 2, 0))


def unlike(picture, reference):
    """How much a picture differs, as a share of what may be, and where: (H, W) of the same share.

    Another font makes text some 15 % longer or shorter; a blur along the line makes that small, and
    lightness is compared after it. Data have colours and text has not: with colours a place counts.
    """
    if picture.size != reference.size:
        return np.inf, np.full((reference.height, reference.width), np.inf)
    (light, hue), (other, color) = soft(picture), soft(reference)
    where = np.maximum(abs(light - other) / LIGHT, abs(hue - color).max(-1) / HUE)
    return float(where.max()), where


def small(picture):
    """Half as large, in at most 256 colours: what is stored."""
    size = min(480, picture.width // HALF), picture.height // HALF
    return picture.convert("RGB").resize(size, Image.Resampling.BOX)


def compare(name, picture):
    """Raises where a picture is unlike its reference; leaves both halves of the evidence."""
    path, picture = STORED / f"{name}.png", small(picture)
    if os.environ.get("SHOTS") == "renew":
        STORED.mkdir(exist_ok=True)
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        return ""
    share, where = unlike(picture, Image.open(path).convert("RGB"))
    if share <= 1:
        return ""
    LEFT.mkdir(exist_ok=True)
    picture.save(LEFT / f"{name}.png")
    red = np.uint8(255 * (1 - np.minimum(where / min(share, 1e9), 1)))  # of another size: all of it
    Image.fromarray(np.stack([np.full_like(red, 255), red, red], -1)).save(
        LEFT / f"{name}_difference.png")
    return f"{LEFT / name}.png is unlike {path} ({share:.1f} times what may be)"


def pixels(one, other, by=0):
    """How many pixels differ by more than ``by`` of 255 in a channel."""
    if one.size != other.size:
        return max(np.prod(one.size), np.prod(other.size))
    return int((np.asarray(ImageChops.difference(one, other)).max(-1) > by).sum())


class Screen:
    """One notebook with every explorer twice."""

    def __init__(self, page):
        self.page = page
        self.areas = page.locator(".jp-OutputArea:has(.vq-stage)")

    def area(self, name, twin=0):
        return self.areas.nth(2 * list(MAKE).index(name) + twin)

    def rest(self, frames=True):
        """Until all is drawn, films at their last frame."""
        self.page.evaluate(REST, frames)

    def shots(self, name, twin=0):
        """The whole output of an explorer, and each of its canvases."""
        place = self.area(name, twin)
        boxes = place.evaluate(PLACE)
        whole = Image.open(io.BytesIO(place.screenshot())).convert("RGB")
        return [whole, *(whole.crop(tuple(map(round, box))) for box in boxes)]

    def turn(self, name, to):
        """Chooses from the menu; without a choice, moves the slider by a step."""
        label = CONTROL[name][0]
        control = self.area(name).locator(f".widget-inline-hbox:has(> label:text-is('{label}'))")
        if to in ("ArrowRight", "ArrowLeft"):
            control.locator(".noUi-handle").press(to)
        else:
            control.locator("select").select_option(to)
        self.rest()


@pytest.fixture(scope="module")
def screen(browser, lab, tmp_path_factory):
    path = tmp_path_factory.mktemp("shots") / "shots.ipynb"
    cells = [FIRST, *(f"shown['{name}', {twin}] = {make}\ndisplay(shown['{name}', {twin}].widget())"
                      for name, make in MAKE.items() for twin in range(2))]
    python = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(
        new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=python), path)
    context = browser.new_context(viewport={"width": 1400, "height": 1500})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(lab.url(path))
    page.wait_for_function(READY)
    # As wide everywhere, whatever the frame of the page takes.
    page.add_style_tag(content=".jp-OutputArea-output:has(.vq-stage) {width: 968px; flex: none}"
                               ".jp-WindowedPanel-outer {padding-bottom: 1500px !important}")
    page.evaluate(RUN)
    count = 2 * sum(map(len, STAGES.values()))
    page.wait_for_function("n => document.querySelectorAll('.vq-stage').length === n", arg=count)
    screen = Screen(page)
    screen.rest()
    yield screen
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", MAKE)
def test_it_looks_as_it_did(screen, name):
    faults = map(compare, STAGES[name], screen.shots(name)[1:])
    assert not (found := "; ".join(filter(None, faults))), found


def same(one, other):
    """Whether shots are equal: the canvases exactly, what is around them nearly.

    The browser paints the knob of a slider of its own some levels lighter or darker each time.
    """
    return pixels(one[0], other[0], by=64) == 0 and not any(map(pixels, one[1:], other[1:]))


@pytest.mark.browser
@pytest.mark.parametrize("name", MAKE)
def test_same_settings_same_pixels(screen, name):
    first = screen.shots(name)
    assert same(first, screen.shots(name, 1))
    there, back = CONTROL[name][1:] or ("ArrowRight", "ArrowLeft")
    screen.turn(name, there)
    assert pixels(first[1], screen.shots(name)[1]) >= CHANGED
    screen.turn(name, back)
    assert same(first, screen.shots(name))


@pytest.mark.browser
@pytest.mark.parametrize(("name", "of"), [("collapse", 0), ("duel", 0), ("phase", 1), ("run", 0)])
def test_a_step_and_back(screen, name, of):
    film = screen.area(name).locator(".vq-stage").nth(of)
    film.press("ArrowLeft")
    screen.rest(False)
    before = screen.shots(name)
    film.press("ArrowLeft")
    screen.rest(False)
    assert pixels(before[1 + of], screen.shots(name)[1 + of]) >= STEPPED
    film.press("ArrowRight")
    screen.rest(False)
    assert same(before, screen.shots(name))


@pytest.mark.browser
def test_a_shared_line_gives_the_same_pixels(screen):
    screen.turn("collapse", "3")
    shared = screen.shots("collapse")[1]
    assert pixels(shared, screen.shots("collapse", 1)[1]) >= CHANGED
    screen.area("collapse").get_by_role("button", name="share").click()
    line = screen.page.evaluate("() => navigator.clipboard.readText()")
    field = screen.area("collapse", 1).get_by_placeholder("paste a shared line")
    field.fill(line)
    field.press("Enter")
    screen.rest()
    assert pixels(shared, screen.shots("collapse", 1)[1]) == 0


HUES = {"collapse": ((230, 159, 0), (0, 114, 178)), "duel": ((230, 159, 0), (0, 114, 178)),
        "gradients": ((213, 94, 0), (0, 158, 115)), "phase_film": ((213, 94, 0), (0, 158, 115)),
        "kernel": ((0, 114, 178), (213, 94, 0))}  # fmt: skip
PARTS = {  # shares of the width and the height: a panel, a legend
    "collapse": ((0.54, 0.5, 1, 0.75), (0.7, 0, 1, 0.07)),
    "duel": ((0.36, 0.7, 0.68, 1), (0.66, 0, 1, 0.06)),
    "gradients": ((0.36, 0.1, 0.76, 0.7), (0, 0, 1, 0.09)),
    "phase_film": ((0.5, 0.5, 1, 0.75), (0.5, 0, 1, 0.09)),
    "kernel": ((0.45, 0.15, 1, 1), (0, 0.07, 1, 0.14)),
}


def moved(picture, right, down):
    out = Image.new("RGB", picture.size, "white")
    out.paste(picture, (right, down))
    return out


def without(picture, part):
    """A picture with one part painted over, and that part."""
    box = tuple(round(share * side) for share, side in zip(part, picture.size * 2, strict=True))
    out = picture.copy()
    out.paste("white", box)
    return out, picture.crop(box)


@pytest.mark.parametrize("name", PARTS)
def test_the_comparison_notices(name):
    stored = Image.open(STORED / f"{name}.png").convert("RGB")
    assert unlike(stored, stored)[0] == 0
    x, (one, other) = np.asarray(stored).copy(), HUES[name]
    places = [abs(x - np.array(hue)).max(-1) < 40 for hue in (one, other)]
    x[places[0]], x[places[1]] = other, one
    panel, legend = PARTS[name]
    elsewhere, cut = without(stored, legend)
    elsewhere.paste(cut, (0, stored.height - cut.height))
    aside, cut = without(stored, panel)
    aside.paste(cut, (round(panel[0] * stored.width) - 20 // HALF, round(panel[1] * stored.height)))
    broken = {
        "two colours swapped": Image.fromarray(x),
        "20 pixels to the right": moved(stored, 20 // HALF, 0),
        "20 pixels down": moved(stored, 0, 20 // HALF),
        "no panel": without(stored, panel)[0],
        "a panel 20 pixels aside": aside,
        "no legend": without(stored, legend)[0],
        "legend below": elsewhere,
        "another size": stored.resize((stored.width - 4, stored.height)),
    }
    shares = {what: unlike(picture, stored)[0] for what, picture in broken.items()}
    assert min(shares.values()) > 1, shares
    # What another machine does to edges passes.
    assert unlike(moved(stored, 1, 0), stored)[0] < 1


def test_what_is_unlike_is_left_to_be_seen(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOTS", raising=False)
    monkeypatch.setattr(f"{__name__}.LEFT", tmp_path / "left")
    stored = Image.open(STORED / "duel.png").convert("RGB")
    large = stored.resize((stored.width * HALF, stored.height * HALF))
    assert compare("duel", large) == "" and not (tmp_path / "left").exists()
    assert "unlike" in compare("duel", moved(large, 0, 20))
    assert compare("duel", large.crop((0, 0, 400, 400))).endswith("(inf times what may be)")
    left = sorted(p.name for p in (tmp_path / "left").iterdir())
    assert left == ["duel.png", "duel_difference.png"]
