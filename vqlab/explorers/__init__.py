"""Figures with controls: a control runs the simulator again, the browser plays the film."""

from vqlab.explorers.collapse import CollapseExplorer, collapse_explorer

__all__ = ["CollapseExplorer", "collapse_explorer"]
