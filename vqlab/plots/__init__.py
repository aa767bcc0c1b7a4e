"""Figures of codebooks: data in, plotly figure out; no state, and no kernel is needed to move."""

from vqlab.plots import publish as _publish
from vqlab.plots.animate import animate_cloud, animate_duel
from vqlab.plots.arrows import arrow_fields
from vqlab.plots.bars import dot_plot
from vqlab.plots.cloud import cloud
from vqlab.plots.coupling import coupling_maps
from vqlab.plots.curves import curves, run_curves, usage_curves
from vqlab.plots.images import image_grid
from vqlab.plots.kernel import kernel_field
from vqlab.plots.phase import phase_diagram, phase_table
from vqlab.plots.survival import lifelines, survival_curves
from vqlab.plots.theme import DEAD, METHOD_COLORS, styles
from vqlab.plots.usage import usage_bars
from vqlab.plots.words import word_map

_publish.start()

__all__ = [
    "DEAD",
    "METHOD_COLORS",
    "animate_cloud",
    "animate_duel",
    "arrow_fields",
    "cloud",
    "coupling_maps",
    "curves",
    "dot_plot",
    "image_grid",
    "kernel_field",
    "lifelines",
    "phase_diagram",
    "phase_table",
    "run_curves",
    "styles",
    "survival_curves",
    "usage_bars",
    "usage_curves",
    "word_map",
]
