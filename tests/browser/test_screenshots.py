"""Pictures of every explorer: equal where they have to be, different where a control says so, and
like those in ``shots``.

After a change that is meant, ``SHOTS=renew pytest tests/browser/test_screenshots.py`` stores the
pictures anew: look at each. One that is unlike its reference is left with the difference in
``screenshots/``, or in the folder that ``SCREENSHOTS`` names.
"""

import io

import numpy as np
import pytest
from likeness import compare
from loopback import READY, command
from PIL import Image, ImageChops

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
CHANGED, STEPPED = 1000, 30  # pixels at least that a control and a step change


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
def screen(browser, lab):
    cells = [FIRST, *(f"shown['{name}', {twin}] = {make}\ndisplay(shown['{name}', {twin}].widget())"
                      for name, make in MAKE.items() for twin in range(2))]
    context = browser.new_context(viewport={"width": 1400, "height": 1500})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(lab.new(cells))
    page.wait_for_function(READY)
    # As wide everywhere, whatever the frame of the page takes.
    page.add_style_tag(content=".jp-OutputArea-output:has(.vq-stage) {width: 968px; flex: none}"
                               ".jp-WindowedPanel-outer {padding-bottom: 1500px !important}")
    command(page, "notebook:run-all-cells")
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
