"""Plays a film in Chromium and compares every paint with its data.

Usage: python play.py FILM.html CHROMIUM

A program of its own, because playwright runs once in a process.
"""

import json
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# At every paint: how many points are missing, or stand more than a pixel beside their data.
WATCH = r"""() => new Promise(done => {
  const gd = document.querySelector('.plotly-graph-div'), seen = {}, start = performance.now();
  let wrong = 0, paints = 0;
  function astray() {
    let count = 0;
    for (const layer of gd.querySelectorAll('.scatterlayer > .trace')) {
      const trace = layer.__data__[0].trace;
      if (trace.mode !== 'markers') continue;
      const [xa, ya] = ['x', 'y'].map(n =>
        gd._fullLayout[n + 'axis' + (trace[n + 'axis'] || n).slice(1)]);
      const wanted = [];
      for (let j = 0; j < trace._length; j++) {
        const at = [xa.c2p(xa.d2c(trace.x[j])), ya.c2p(ya.d2c(trace.y[j]))];
        if (at.every(isFinite)) wanted.push(at);
      }
      const points = layer.querySelectorAll('path.point');
      count += Math.abs(points.length - wanted.length);
      points.forEach((point, j) => {
        const at = (point.getAttribute('transform') || '').match(/([-0-9.e]+),([-0-9.e]+)/);
        if (at && wanted[j] && Math.hypot(at[1] - wanted[j][0], at[2] - wanted[j][1]) > 1) count++;
      });
    }
    return count;
  }
  function paint() {
    seen[gd._fullLayout._currentFrame] = true;
    wrong += astray() > 0;
    paints++;
    const last = gd._transitionData._frames.at(-1).name;
    const over = gd._fullLayout._currentFrame === last && paints > 20;
    if (over || performance.now() - start > 30000)
      setTimeout(() => done({wrong, paints, frames: Object.keys(seen), end: astray(),
        buttons: [...gd.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)}), 300);
    else requestAnimationFrame(paint);
  }
  requestAnimationFrame(paint);
})"""


def main(film: Path, program: str) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1200})
        page.goto(film.as_uri())
        page.wait_for_selector(".updatemenu-button", timeout=30_000)
        page.locator("text=▶ play").click()
        print(json.dumps(page.evaluate(WATCH)))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
