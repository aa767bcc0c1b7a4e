"""One look for every figure: a colour means one thing, and a label can be read from the last row.

The palette is Okabe and Ito's (Color Universal Design, 2008) and two darker colours; all stay apart
for the common kinds of colour blindness. A method keeps its colour in every figure of the library;
black is the optimum that k-means finds; grey belongs to what is not a method (latents, cells, dead
codes). Where one colour serves several curves (methods of one family, forms of one method), dash
and marker are the second channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import plotly.graph_objects as go
import plotly.io as pio

# A colour is a kind of cure; within it a method has a dash and a marker of its own, in this order.
FAMILIES: dict[str, tuple[str, ...]] = {
    "#D55E00": ("vq", "rotation", "grit", "noise-substitution", "diveq"),  # vermillion: gradients
    "#E69F00": ("ema", "online-kmeans", "fscl"),  # orange: means
    "#56B4E9": ("ema-revival", "cvq", "ot-vq", "kmeans-reinit"),  # sky blue: replacing, sharing
    "#CC79A7": ("simvq", "affine-vq"),  # reddish purple: affine maps
    "#0072B2": ("nsvq", "som", "neural-gas"),  # blue: neighbours
    "#009E73": ("transvq", "fvq", "vqct"),  # bluish green: networks
    "#882255": ("ibq", "gumbel", "sq-vae", "hyper-vq", "mlr-vq"),  # wine: choice by logits
    "#4D4D00": ("fsq", "lfq", "bsq", "vqgan-fc"),  # olive: lattices, few dimensions
    "#3D3DB8": ("drift-adaptive",),  # indigo: ours
    "#000000": ("kmeans",),
}
METHOD_COLORS: dict[str, str] = {name: color for color, all_ in FAMILIES.items() for name in all_}
# Okabe and Ito's yellow is left out: on white its contrast is 1.3, and a projector swallows it.

INK = "#1F2328"  # text
TARGET = "#000000"  # centroids, optimum, derived curves
LATENTS = "#AEBBC8"  # neutral: lighter than every method and bluer than a dead code
CELLS = "#CBD2D9"
DEAD = {"color": "#7A7A7A", "symbol": "circle-open"}  # hollow and grey, wherever a code is dead

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star")
MARKS = dict(zip(SYMBOLS, "●■◆▲▼⬟★", strict=True))  # the same, within text
OTHERS = ("#3B4754", "#6B7885", "#98A3AE")  # curves that belong to no method

FONT = "Open Sans, Segoe UI, Helvetica, Arial, sans-serif"
SIZE = 16  # points of running text in a figure
SMALL = 14  # the smallest text that is allowed
WIDTH = 860  # pixels: the column of a notebook beside JupyterLab's file list, at 1300 in all


@dataclass(frozen=True)
class Style:
    """How one curve looks: colour first, dash and marker as the second channel."""

    color: str
    dash: str = "solid"
    symbol: str = "circle"


def method_of(label: str) -> str | None:
    """The method that a label belongs to: ``"nsvq, released form"`` belongs to ``"nsvq"``.

    Args:
        label: the method's name, or the name followed by anything but a letter or a digit.

    Returns:
        The longest name of ``METHOD_COLORS`` that begins the label, or None.
    """
    fits = [
        name
        for name in METHOD_COLORS
        if label == name or (label.startswith(name) and not label[len(name)].isalnum())
    ]
    return max(fits, key=len, default=None)


def styles(labels: Iterable[str], colors: dict[str, str] | None = None) -> dict[str, Style]:
    """A style for each label; labels of one method share its colour and differ in dash and marker.

    Args:
        labels: names of the curves, in the order in which they are drawn.
        colors: colours for labels that belong to no method (or to overrule one).

    Returns:
        A style for each label, in the order given. Unknown labels are grey.
    """
    given = colors or {}
    used: dict[str, set[int]] = {}
    others = 0
    out: dict[str, Style] = {}
    for label in dict.fromkeys(labels):
        method = method_of(label)
        if label in given:
            color, method = given[label], None
        elif method is not None:
            color = METHOD_COLORS[method]
        else:
            color = OTHERS[others % len(OTHERS)]
            others += 1
        taken = used.setdefault(color, set())
        turn = FAMILIES[color].index(method) if method and color in FAMILIES else 0
        while turn in taken:
            turn += 1
        taken.add(turn)
        out[label] = Style(color, DASHES[turn % len(DASHES)], SYMBOLS[turn % len(SYMBOLS)])
    return out


def swatch(label: str, color: str, mark: str = "●") -> str:
    """Text in ink behind a mark in colour: orange or sky-blue letters are too pale to read."""
    return f'<span style="color:{color}">{mark}</span> {label}'


def _axis() -> dict[str, object]:
    return {
        "showline": True,
        "linecolor": "#5B6670",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "#5B6670",
        "gridcolor": "#ECEFF2",
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": SMALL},
        "title": {"standoff": 8, "font": {"size": SIZE}},
    }


TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": SIZE, "color": INK},
        "title": {
            "x": 0.012, "xanchor": "left", "font": {"size": 20},
            "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14},
        },
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": [color for color in FAMILIES if color != TARGET],
        "colorscale": {"sequential": "Cividis"},
        "hovermode": "closest",
        "margin": {"l": 72, "r": 24, "t": 64, "b": 60},
        "xaxis": _axis(),
        "yaxis": _axis(),
        "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0},
        # plotly's "Share chart" uploads the data to plotly's cloud, and is shown unless told not to
        # be. Here and not as `showSendToCloud` in a renderer: the template alone goes along
        # wherever a figure is shown, a FigureWidget and a file of HTML among it. Names as in
        # plotly 6 and 7.
        "modebar": {"remove": ["sendDataToCloud", "sendChartToCloud"]},
    }
)  # fmt: skip

pio.templates["vqlab"] = TEMPLATE
pio.templates.default = "vqlab"
