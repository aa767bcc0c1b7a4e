"""Every method against every motion under one budget, and the file that holds the outcome."""

from .entries import SETTINGS, Entry, admit, entries
from .guide import guide, moving
from .produce import produce, rerun
from .results import Board, load, save
from .tracks import Track, encoder, laboratory

__all__ = [
    "SETTINGS", "Board", "Entry", "Track", "admit", "encoder", "entries", "guide", "laboratory",
    "load", "moving", "produce", "rerun", "save",
]  # fmt: skip
