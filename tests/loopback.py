"""A JupyterLab on loopback with copies of the lessons, and Chromium to read it with."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from lessons import FOLDER, ROOT
from nbformat.v4 import new_code_cell, new_notebook

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium's own traffic (updates, sync, look-ups) has no place in a test.
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
# In the page: the notebook in front is there, and its kernel rests.
READY = """() => {
  const widget = window.jupyterapp?.shell?.currentWidget;
  return widget?.sessionContext?.session?.kernel?.status === 'idle' && widget.context.isReady;
}"""
PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


@dataclass
class Lab:
    """A running JupyterLab."""

    address: str
    token: str
    folder: Path

    @property
    def start(self) -> str:
        """The address of the launcher."""
        return f"{self.address}/lab?token={self.token}&reset"

    def copy(self, path: Path) -> str:
        """The name of a fresh copy of a notebook, with a kernel of its own."""
        name = f"{path.stem}_{secrets.token_hex(4)}.ipynb"
        shutil.copy(path, self.folder / name)
        return name

    def url(self, path: Path) -> str:
        """The address of a fresh copy of a notebook."""
        return self._at(self.copy(path))

    def new(self, cells: Iterable[str]) -> str:
        """The address of a new notebook with these code cells."""
        name = f"cells_{secrets.token_hex(4)}.ipynb"
        made = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=PYTHON)
        nbformat.write(made, self.folder / name)
        return self._at(name)

    def _at(self, name: str) -> str:
        return f"{self.address}/lab/tree/{name}?token={self.token}&reset"


def command(page: Any, name: str) -> None:
    """Gives JupyterLab a command, such as notebook:run-all-cells."""
    page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(lab: Lab, server: subprocess.Popen, log: Path, seconds: int = 60) -> None:
    request = urllib.request.Request(f"{lab.address}/api/status",
                                     headers={"Authorization": f"token {lab.token}"})
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def jupyterlab(home: Path) -> Iterator[Lab]:
    """JupyterLab on copies, so that running a lesson here changes no stored output."""
    folder = home / "notebooks"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    # Cells are drawn at once, not as they come into view: then nobody has to scroll and wait.
    tracker = home / "settings/@jupyterlab/notebook-extension"
    tracker.mkdir(parents=True)
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))

    port = free_port()
    lab = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1",
               f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.allow_root=True",
               f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={lab.token}",
               "--LabApp.expose_app_in_browser=True"]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(home / "config"),
                   "JUPYTER_DATA_DIR": str(home / "data"),
                   "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
                   "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
                   "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
                   "PYTHONPATH": str(ROOT)}
    # The readers' default: a figure is drawn by JupyterLab itself.
    environment.pop("PLOTLY_RENDERER", None)
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until_up(lab, server, log)
        yield lab
    finally:
        server.terminate()    # it ends its kernels first
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def chromium() -> str | None:
    """The system's Chromium, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
