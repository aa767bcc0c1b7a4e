"""A film in a real browser: every paint shows the codes where the data say they are."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vqlab.plots import animate_cloud

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.mark.browser
def test_codes_that_die_on_the_way_are_never_misplaced(make_run, tmp_path):
    pytest.importorskip("playwright", reason="playwright is not installed")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium on this machine")
    film = tmp_path / "film.html"
    run = make_run(shrink=0.1, walk=3, dead=4, K=12)
    # Codes change places among the living and the dead all the time.
    run.counts[:] = np.random.default_rng(0).random(run.counts.shape) < 0.6
    figure = animate_cloud(run, frames=12)
    figure.write_html(film, include_plotlyjs=True, auto_play=False)  # JupyterLab does not, either
    script = Path(__file__).with_name("play.py")
    command = [sys.executable, str(script), str(film), program]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr[-2000:]
    seen = json.loads(out.stdout)
    assert seen["paints"] > 20 and len(seen["frames"]) > 3
    assert seen["wrong"] == 0 and seen["end"] == 0
    assert "200" in seen["frames"]
    # No button sends a reader's data to plotly's cloud.
    assert len(seen["buttons"]) > 5
    assert not [b for b in seen["buttons"] if "Share" in b or "loud" in b], seen["buttons"]
