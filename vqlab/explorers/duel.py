"""Two or three methods under one drift: same latents, same batches, same first codes, same axes."""

from __future__ import annotations

from typing import Any

from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.explorers import setting
from vqlab.explorers.collapse import SLIDERS, WIDE
from vqlab.explorers.optimum import beside
from vqlab.explorers.setting import CHOICES
from vqlab.explorers.stage import VIEWS, Explorer
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.microscope import microscope

NOBODY = "nobody"
SHARED = ("source", "motion", "speed", "codes", "start", "steps", "seed")


class DuelExplorer(Explorer):
    """Up to three methods side by side.

    Attributes:
        settings: what all share. methods: their names.
        runs: label -> run.
    """

    words = "duel: space plays, arrows step"

    def __init__(self, *names: str, **settings: Any) -> None:
        if wrong := set(settings) - set(SHARED):
            known = ", ".join(SHARED)
            raise ValueError(f"unknown setting {sorted(wrong)}: expected some of {known}")
        if not 2 <= len(names) <= 3:
            raise ValueError(f"expected two or three methods, got {len(names)}")
        self.settings = setting.checked(settings)
        for name in names:
            setting.checked({"method": name})
        super().__init__()
        self.methods = [*names, NOBODY][:3]
        self.runs: dict[str, Run] = {}
        self._known: dict[str, Run] = {}
        self._known_at: dict[str, Any] = {}
        self._optimum: dict[int, float] = {}
        self._view: Any = "world"
        self._start: Any = None
        if ipywidgets is not None:
            for number, name in enumerate(self.methods):
                options = CHOICES["method"] if number < 2 else (*CHOICES["method"], NOBODY)
                label = ("left", "middle", "right")[number]
                self.choice(label, options, name)
            for name in SHARED:
                now, slider = self.settings[name], name in SLIDERS
                self.choice(name, CHOICES[name], now, slider, **WIDE.get(name, {}))
            self.choice("view", VIEWS, "world", wide="160px")
            self.fold("source", "start", "steps", "view")
        self.now()
        if self.stage is not None:
            self.ask()

    def turned(self, name: str, value: Any) -> None:
        """A control has a new value."""
        self._start = "play"
        if name == "view":
            self._view, self._start = value, "keep"
        elif name in SHARED:
            self.settings = {**self.settings, name: value}
        else:
            place = ("left", "middle", "right").index(name)
            self.methods = [value if i == place else m for i, m in enumerate(self.methods)]
        self.ask()

    def resized(self) -> None:
        """As wide as there is room."""
        self._start = "keep"
        self.ask()

    def compute(self, version: int) -> None:
        """Runs those that are not known yet, and draws all."""
        shared = self.settings  # it may be replaced while a run is under way
        if self._known_at != shared:
            self._known, self._optimum, self._known_at = {}, {}, shared
        runs: dict[str, Run] = {}
        for name in dict.fromkeys(m for m in self.methods if m != NOBODY):
            if name not in self._known:
                if version > 1:
                    self.say(f"{name} is running …")
                wanted = setting.call({**shared, "method": name}, {}, {})
                run = simulate(**wanted, watch=lambda _: self.check(version))
                self._known[name] = run
            runs[name] = self._known[name]
        self.say("")
        self.check(version)
        self.runs = runs
        self._put(version)
        if self.stage is not None and version > 1 and not self._optimum:
            first = next(iter(runs.values()))
            self._optimum = beside(first, 3, lambda: self.check(version))
            self._put(version)

    def _put(self, version: int) -> None:
        scene = microscope(
            self.runs, width=self.width, view=self._view, optimum=self._optimum,
            title=setting.as_title(self._known_at),
        )  # fmt: skip
        self.draw(scene, version, start=self._start)


def duel_explorer(*methods: str, **settings: Any) -> DuelExplorer:
    """Two or three methods under the same drift, from the same codes, on the same axes.

    Args:
        *methods: names; default ema against nsvq.
        **settings: ``source``, ``motion``, ``speed``, ``codes``, ``start``, ``steps``, ``seed``.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: unknown names or values, or not two or three methods.
    """
    return DuelExplorer(*(methods or ("ema", "nsvq")), **settings)
