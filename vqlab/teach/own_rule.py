"""An update rule as a player writes it: a function of codes, latents and indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..quantizers.codebooks import Codebook, Table
from ..quantizers.updates import Cells, Update

Array = NDArray[np.float64]
Rule = Callable[[Array, Array, NDArray[np.int64]], Any]


class OwnRule(Update):
    """An update rule written as a function ``rule(codes, latents, indices) -> codes``.

    It is called in every training step, after each latent was given its nearest code, with copies
    of the codes (K, D), the batch (B, D) and the choice (B,), and returns all K codes as they shall
    stand. A rule with a memory is an object with ``__call__``; each run gets a copy of it.

    Raises:
        ValueError: another shape came back, or NaN or Inf.
    """

    moves = True
    sets_codes = True

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """Asks the rule for the new codes."""
        assert isinstance(codebook, Table)
        codes = codebook.table.detach().double().numpy()
        z, chosen = batch.latents.detach().double().numpy(), batch.indices.numpy()
        moved = self.rule(codes.copy(), z.copy(), chosen.copy())
        if moved is None:
            raise ValueError("the rule returned nothing; it has to return all codes (K, D)")
        new = np.asarray(moved, np.float64)
        if new.shape != codes.shape:
            raise ValueError(f"the rule returned shape {new.shape}; expected (K, D) {codes.shape}")
        if not np.isfinite(new).all():
            rows = np.flatnonzero(~np.isfinite(new).all(1))
            raise ValueError(
                f"the rule returned NaN or Inf for {len(rows)} codes, the first is {rows[0]}; "
                "did you divide by the count of an empty cell?"
            )
        codebook.table.copy_(torch.from_numpy(new))
