"""The laboratory: latents that move in a known way, and quantizers that chase them."""

from .deformations import Approach, Expand, Rotate, Shear, Shrink, SplitMerge
from .motions import Stationary, make_motion
from .presets import preset, presets
from .recording import Recorded, Replay, replay
from .run import Run
from .shifts import Jump, Oscillate, RandomWalk, Translate
from .simulate import simulate
from .sources import Gaussian, Grid, HeavyTailed, Mixture, Ring, Tree, TwoMoons, make_source
from .sums import stop_at
from .sweep import SweepError, sweep
from .table import summary
from .trajectory import Motion

__all__ = [
    "Approach",
    "Expand",
    "Gaussian",
    "Grid",
    "HeavyTailed",
    "Jump",
    "Mixture",
    "Motion",
    "Oscillate",
    "RandomWalk",
    "Recorded",
    "Replay",
    "Ring",
    "Rotate",
    "Run",
    "Shear",
    "Shrink",
    "SplitMerge",
    "Stationary",
    "Translate",
    "SweepError",
    "Tree",
    "TwoMoons",
    "make_motion",
    "make_source",
    "preset",
    "presets",
    "replay",
    "simulate",
    "stop_at",
    "summary",
    "sweep",
]
