"""Figures of codebooks: data in, plotly figure out; no state, and no kernel is needed to move."""

from vqlab.plots import light as _light  # noqa: F401, I001  before anything loads plotly
from vqlab.plots import publish as _publish
from vqlab.plots.animate import animate_cloud, animate_duel
from vqlab.plots.arrows import arrow_fields
from vqlab.plots.bars import dot_plot
from vqlab.plots.board import board_plot, rank_plot, score_map
from vqlab.plots.cloud import cloud
from vqlab.plots.coupling import coupling_maps
from vqlab.plots.curves import curves, run_curves, usage_curves
from vqlab.plots.dashboard import dashboard
from vqlab.plots.disc import disc
from vqlab.plots.images import image_grid
from vqlab.plots.kernel import kernel_field
from vqlab.plots.phase import phase_diagram, phase_table
from vqlab.plots.restoration import fidelity_slider
from vqlab.plots.routing import routing_map
from vqlab.plots.scatter import scatter_methods
from vqlab.plots.survival import lifelines, survival_curves
from vqlab.plots.theme import DEAD, METHOD_COLORS, styles
from vqlab.plots.tradeoff import tradeoff
from vqlab.plots.usage import usage_bars
from vqlab.plots.words import word_map

_publish.start()

__all__ = [
    "DEAD",
    "METHOD_COLORS",
    "animate_cloud",
    "animate_duel",
    "arrow_fields",
    "board_plot",
    "cloud",
    "coupling_maps",
    "curves",
    "dashboard",
    "disc",
    "dot_plot",
    "fidelity_slider",
    "image_grid",
    "kernel_field",
    "lifelines",
    "phase_diagram",
    "phase_table",
    "rank_plot",
    "routing_map",
    "run_curves",
    "scatter_methods",
    "score_map",
    "styles",
    "survival_curves",
    "tradeoff",
    "usage_bars",
    "usage_curves",
    "word_map",
]
