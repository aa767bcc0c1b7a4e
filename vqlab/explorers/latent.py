"""One latent in the plane that the hand moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqlab.explorers.stage import Explorer


class HeldLatent(Explorer):
    """An explorer that answers while its latent is dragged.

    Attributes:
        latent: (2,) where it is.
    """

    latent: NDArray[np.float64]

    def dragged(self, message: dict[str, Any], stage: Any) -> bool:
        """The hand moves the latent."""
        if message.get("kind") != "drag":
            return False
        self.latent = np.array([float(message["x"]), float(message["y"])])
        return True
