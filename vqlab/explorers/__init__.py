"""Figures with controls: a control runs the simulator again, the browser plays the film."""

from vqlab.explorers.budget import BudgetExplorer, budget_explorer
from vqlab.explorers.collapse import CollapseExplorer, collapse_explorer
from vqlab.explorers.restoration import RestorationExplorer, restoration_explorer
from vqlab.explorers.watching import Live, live

__all__ = [
    "BudgetExplorer",
    "CollapseExplorer",
    "Live",
    "RestorationExplorer",
    "budget_explorer",
    "collapse_explorer",
    "live",
    "restoration_explorer",
]
