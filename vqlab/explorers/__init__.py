"""Figures with controls: a control runs the simulator again, the browser plays the film."""

from vqlab.explorers.budget import BudgetExplorer, budget_explorer
from vqlab.explorers.chooser import EXPLORERS, Chooser, explore
from vqlab.explorers.collapse import CollapseExplorer, collapse_explorer
from vqlab.explorers.duel import DuelExplorer, duel_explorer
from vqlab.explorers.gradients import GradientExplorer, gradient_explorer
from vqlab.explorers.neighbourhood import KernelExplorer, kernel_explorer
from vqlab.explorers.phases import PhaseExplorer, phase_explorer
from vqlab.explorers.recording import RunExplorer
from vqlab.explorers.restoration import RestorationExplorer, restoration_explorer
from vqlab.explorers.watching import Live, live

__all__ = [
    "EXPLORERS",
    "BudgetExplorer",
    "Chooser",
    "CollapseExplorer",
    "DuelExplorer",
    "GradientExplorer",
    "KernelExplorer",
    "Live",
    "PhaseExplorer",
    "RestorationExplorer",
    "RunExplorer",
    "budget_explorer",
    "collapse_explorer",
    "duel_explorer",
    "explore",
    "gradient_explorer",
    "kernel_explorer",
    "live",
    "phase_explorer",
    "restoration_explorer",
]
