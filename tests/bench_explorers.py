"""How long an explorer makes its reader wait: a picture, a new run, a frame that is scrubbed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from typing import Any

import numpy as np

from vqlab.explorers import collapse_explorer
from vqlab.plots.scene import script

PAGE = """async ([code, scene]) => {
  const walk = v => {
    if (v && v.base64 !== undefined) {
      const raw = Uint8Array.from(atob(v.base64), c => c.charCodeAt(0));
      return new DataView(raw.buffer);
    }
    if (Array.isArray(v)) return v.map(walk);
    if (v && typeof v === 'object') {
      return Object.fromEntries(Object.entries(v).map(([k, w]) => [k, walk(w)]));
    }
    return v;
  };
  const held = {scene: walk(scene), frame: 0, code: 'x', text: 'x'};
  const model = {get: k => held[k], set: (k, v) => { held[k] = v; }, save_changes() {}, send() {},
                 on() {}, off() {}};
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const stage = await import(url);
  stage.default.render({model, el: document.body});
  const root = document.querySelector('.vq-stage'), slider = root.querySelector('input');
  await new Promise(done => setTimeout(done, 300));
  const times = [];
  for (let k = 0; k < 200; k++) {
    const before = root.dataset.painted, start = performance.now();
    slider.value = (k * 37) % (+slider.max + 1);
    slider.dispatchEvent(new Event('input'));
    while (root.dataset.painted === before) await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times;
}"""


def waits() -> dict[str, float]:
    """Seconds: the first picture, a new run of plain methods, the first frame of a slow one."""
    from vqlab.explorers.stage import warm_up

    warm_up()  # the explorer does so once it is shown
    start = time.perf_counter()
    explorer = collapse_explorer()
    out = {"microscope: first picture": time.perf_counter() - start}
    explorer.wait()
    for method in ("vq", "ema-revival", "transvq"):
        seen: list[float] = []
        again: list[float] = []
        for seed in (1, 2, 3):
            explorer.set({**explorer.settings, "method": method, "seed": seed})
            explorer.wait()
            start, found = time.perf_counter(), []

            def note(change: Any, start: float = start, found: list[Any] = found) -> None:
                found.append((time.perf_counter() - start, change["new"]["partial"]))

            explorer.stage.observe(note, "scene")
            explorer.controls["seed"].value = seed + 3
            explorer.wait()
            explorer.stage.unobserve(note, "scene")
            seen.append(found[0][0])
            again.append(next(seconds for seconds, partial in found if not partial))
        which = seen if method == "transvq" else again
        word = "starts to draw" if method == "transvq" else "new run drawn"
        out[f"microscope: {method}, {word}"] = float(np.median(which))
    explorer.close()
    return out


def scrubbing() -> np.ndarray | None:
    """Seconds from a move of the slider to the frame, of 200; None without a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        return None
    explorer = collapse_explorer()
    explorer.wait()
    code = script()

    def plain(value: Any) -> Any:
        if isinstance(value, memoryview):
            return {"base64": base64.b64encode(value).decode()}
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list) else value

    film = json.loads(json.dumps(plain(explorer.stage.scene)))
    explorer.close()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--disable-gpu"], chromium_sandbox=False
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        times = page.evaluate(PAGE, [code, film])
        browser.close()
    return np.array(times) / 1000
