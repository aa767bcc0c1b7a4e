"""The collapse microscope: turn a knob, drag a code, and see which codes die."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.explorers import setting
from vqlab.explorers.optimum import beside
from vqlab.explorers.setting import CHOICES, DEFAULT, PRESETS
from vqlab.explorers.stage import AGAIN, FIRST, VIEWS, Explorer
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.microscope import NARROW, microscope

WIDE = {"seed": {"wide": "110px"}, "steps": {"wide": "130px"}, "rate": {"wide": "150px"}}
SLIDERS = ("speed", "codes")
FOLDED = ("source", "rate", "bandwidth", "start", "steps", "view")
LOOKS = 5  # moments at which k-means is computed beside a run


class CollapseExplorer(Explorer):
    """Controls, the run that they ask for, and its film.

    Attributes:
        settings: name -> value, as the controls show them.
        moved, clusters: where dragged codes start, and by how much clusters were dragged.
        run: the run that is shown.
    """

    words = "collapse microscope: space plays, arrows step, codes can be dragged"

    def __init__(self, text: str | None = None, **settings: Any) -> None:
        self.moved: dict[int, tuple[float, float]] = {}
        self.clusters: dict[int, tuple[float, float]] = {}
        self.view = "world"
        self.settings = setting.checked(settings)
        if text is not None:
            self.settings, self.moved, self.clusters = setting.from_text(text)
        super().__init__()  # what is refused leaves no widget behind
        self.run: Run
        self._optimum: dict[int, float] = {}
        self._good: tuple[Any, Any, Any] | None = None
        self._quick: set[str] = set()
        if ipywidgets is not None:
            self._controls()
        self._start: Any = None  # the last frame: the picture before anybody plays
        self.now()
        if self.stage is not None:
            self.ask()  # the optimum of k-means, in the background

    @property
    def figure(self) -> Any:
        """The film as a plotly figure."""
        return self.page()

    @property
    def code(self) -> str:
        """A program that gives this run again, bit for bit."""
        return setting.as_code(self.settings, self.moved, self.clusters)

    @property
    def text(self) -> str:
        """One line that restores this screen: ``collapse_explorer(text)``."""
        return setting.as_text(self.settings, self.moved, self.clusters)

    def restore(self, text: str) -> None:
        """Shows what a shared line describes.

        Raises:
            ValueError: a text that is none.
        """
        self.set(*setting.from_text(text))

    def set(self, settings: dict[str, Any], moved: Any = None, clusters: Any = None) -> None:
        """All settings at once."""
        self.settings = settings
        self.moved, self.clusters = dict(moved or {}), dict(clusters or {})
        self.show_settings()
        self._start = "play"
        self.ask()

    def show_settings(self) -> None:
        """Sets the controls to the settings."""

        def show() -> None:
            for name, value in self.settings.items():
                if name in self.controls:
                    self.controls[name].value = value

        self.quietly(show)
        self._enable()

    def _controls(self) -> None:
        self.choice("preset", ["…", *PRESETS], "…", wide="270px")
        for name, options in CHOICES.items():
            self.choice(name, options, self.settings[name], name in SLIDERS, **WIDE.get(name, {}))
        self.choice("view", VIEWS, "world", wide="160px")
        self.controls["share"] = ipywidgets.Text(
            placeholder="paste a shared line", continuous_update=False,
            layout={"width": "200px", "margin": "2px 10px 2px 0"},
        )  # fmt: skip
        self.controls["share"].observe(self._turned, names="value")
        self.fold(*FOLDED, "share")
        self._enable()

    def _enable(self) -> None:
        if not self.controls:
            return
        name = self.settings["method"]
        if any(self.settings.get(k, DEFAULT.get(k)) != DEFAULT.get(k) for k in FOLDED):
            self.controls["more"].value = True  # what differs is seen
        self.controls["bandwidth"].disabled = not setting.takes(name, "bandwidth")
        self.controls["start"].disabled = not setting.takes(name, "start")
        self.controls["speed"].disabled = self.settings["motion"] == "stationary"

    def turned(self, name: str, value: Any) -> None:
        """A control has a new value."""
        if name == "preset":
            if value in PRESETS:
                self.set(setting.checked(PRESETS[value]))
        elif name == "share":
            if value.strip():
                try:
                    self.restore(value)
                except ValueError as error:
                    self.say(str(error))
        elif name == "view":
            self.view, self._start = value, "keep"
            self.ask()
        else:
            self.settings = {**self.settings, name: value}
            self._start = "play"
            if name == "codes":
                self.moved = {k: place for k, place in self.moved.items() if k < value}
            if name == "method" and not setting.takes(value, "start"):
                self.moved = {}
            if name == "source":
                self.clusters = {}
            self._enable()
            self.ask()

    def dragged(self, message: dict[str, Any], stage: Any) -> bool:
        """A code was dropped: it starts there. A cluster was: its latents start there."""
        if message.get("kind") != "drag" or self.view == "lens":
            return False
        if message["name"] == "code":
            place = round(float(message["x"]), 3), round(float(message["y"]), 3)
            if int(message["point"]) < self.settings["codes"]:  # else of a picture that is replaced
                self.moved = {**self.moved, int(message["point"]): place}
        else:
            x, y = self.clusters.get(int(message["group"]), (0.0, 0.0))
            by = round(x + message["by"][0], 3), round(y + message["by"][1], 3)
            self.clusters = {**self.clusters, int(message["group"]): by}
        self._start = "play"
        return True

    def resized(self) -> None:
        """Panels beside or below the plane."""
        self._start = "keep"
        self.ask()

    def compute(self, version: int) -> None:
        """Runs, draws what there is when it takes long, and adds the optimum in the end."""
        wanted = (self.settings, self.moved, self.clusters)
        if self._good != wanted:
            begin = time.monotonic()
            try:
                run = simulate(**setting.call(*wanted), watch=self._watch(version))
                if not (abs(run.codes[-1]) < 1e6).all():
                    raise ValueError("the codes ran away: choose a smaller rate")
            except ValueError:
                self._back(version)
                raise
            self.check(version)
            if time.monotonic() - begin < FIRST:
                self._quick.add(wanted[0]["method"])
            self.run, self._optimum, self._good = run, {}, wanted
        self._put(self.run, version)
        if self.stage is None or version == 1:
            return
        if not self._optimum:
            self._optimum = beside(self.run, LOOKS, lambda: self.check(version))
            self._put(self.run, version)

    def _back(self, version: int) -> None:
        """What was refused leaves no trace."""
        self.check(version)
        if self._good is not None:
            self.settings, self.moved, self.clusters = self._good
            self.show_settings()
            self._put(self.run, version)

    def _watch(self, version: int) -> Callable[[Callable[[], Run]], None]:
        quick = self.settings["method"] in self._quick
        due = time.monotonic() + (FIRST if quick else 0)

        def watch(so_far: Callable[[], Run]) -> None:
            nonlocal due
            self.check(version)
            if time.monotonic() > due and version > 1:
                run = so_far()
                self._put(run, version, partial=True, total=setting.FRAMES)
                due = time.monotonic() + AGAIN

        return watch

    def _put(self, run: Run, version: int, **more: Any) -> None:
        can = self.view == "world"
        _, member = setting.first_latents(self.settings)
        scene = microscope(
            run, width=self.width, view=self.view, title=self._title(),  # type: ignore[arg-type]
            optimum=self._optimum if not more else None, groups=member if can else None,
            drag=can and setting.takes(self.settings["method"], "start"),
        )  # fmt: skip
        if self.stage is not None and not self._closed:
            self.stage.code, self.stage.text = self.code, self.text
        alive = (run.counts > 0).sum(1)
        self.draw(scene, version, start=self._start, **more,
                  ask={"of": run.codebook_size, "truth": int(alive[-1])})  # fmt: skip

    def _title(self) -> str:
        said = setting.as_title(self.settings)
        moved = len(self.moved) + len(self.clusters)
        return said + (f", {moved} moved" if moved and self.width >= NARROW else "")


def collapse_explorer(text: str | None = None, **settings: Any) -> CollapseExplorer:
    """A live picture of collapse: choose method, motion, speed, number of codes and more.

    A change runs the simulator; play, step and scrub work in the browser alone. A code that is
    dragged starts where it is dropped.

    Args:
        text: a shared line, such as ``explorer.text``; instead of settings.
        **settings: where to start: ``method``, ``source``, ``motion``, ``speed``, ``codes``,
            ``rate``, ``bandwidth``, ``start``, ``steps``, ``seed``.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: an unknown setting or a value that is not among the choices.
    """
    return CollapseExplorer(text, **settings)
