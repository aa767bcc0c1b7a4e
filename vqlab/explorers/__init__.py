"""Figures with controls: a control runs the simulator again, the browser plays the film."""

from vqlab.explorers.collapse import CollapseExplorer, collapse_explorer
from vqlab.explorers.restoration import RestorationExplorer, restoration_explorer
from vqlab.explorers.watching import Live, live

__all__ = [
    "CollapseExplorer",
    "Live",
    "RestorationExplorer",
    "collapse_explorer",
    "live",
    "restoration_explorer",
]
