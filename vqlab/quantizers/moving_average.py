"""Codes as the moving average of their latents, without any gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from .codebooks import Codebook, Table
from .updates import Cells, Update, cell_sums


class MovingAverage(Update):
    r"""Sets each code to the moving average of its latents.

    .. math::
        n_k \leftarrow \gamma n_k + (1-\gamma)\, |S_k|, \quad
        m_k \leftarrow \gamma m_k + (1-\gamma) \sum_{n \in S_k} z_n, \quad
        c_k = m_k \Big/ \frac{n_k + \epsilon}{\sum_j n_j + K\epsilon}\textstyle\sum_j n_j

    The codes move inside the training-mode forward pass, after the assignment; the output is
    looked up in the moved table, so that it equals ``codebook()[indices]``. Averages start at
    n = 1, m = c.

    Args:
        decay: gamma in [0, 1).
        epsilon: smoothing of the counts.
        freeze_unused: keep a code without latents exactly where it is. The smoothing alone would
            walk it to the origin once n_k falls under epsilon; False gives that literal rule.

    Raises:
        ValueError: decay or epsilon out of range; a codebook that is not a free, untrained table.

    Reference: van den Oord et al. 2017, Appendix A.1; released code: sonnet's VectorQuantizerEMA,
    which outputs the code from before the move.
    """

    moves = True
    sets_codes = True
    counts: Tensor
    sums: Tensor

    def __init__(
        self, decay: float = 0.99, epsilon: float = 1e-5, freeze_unused: bool = True
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        if epsilon < 0:
            raise ValueError(f"epsilon must be >= 0, got {epsilon}")
        self.decay, self.epsilon, self.freeze_unused = decay, epsilon, freeze_unused

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table that no optimizer moves."""
        if not isinstance(codebook, Table) or codebook.trainable:
            raise ValueError(
                "MovingAverage sets the codes itself: it needs Table(..., trainable=False), "
                f"got {type(codebook).__name__}"
                + ("(trainable=True)" if isinstance(codebook, Table) else "")
            )
        table = codebook.table
        self.register_buffer("counts", torch.ones_like(table[:, 0]))
        self.register_buffer("sums", table.detach().clone())

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """A reborn code starts as a new one: n = 1, m = c."""
        self.counts.copy_(torch.where(reborn, 1.0, self.counts))
        self.sums.copy_(torch.where(reborn[:, None], table.detach(), self.sums))

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """One step of the averages; the codes follow."""
        assert isinstance(codebook, Table)
        self.counts.mul_(self.decay).add_(batch.counts, alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(cell_sums(batch), alpha=1 - self.decay)
        total = self.counts.sum()
        smoothing = total / (total + self.counts.shape[0] * self.epsilon)
        moved = self.sums / ((self.counts + self.epsilon) * smoothing)[:, None]
        if self.freeze_unused:
            moved = torch.where((batch.counts > 0)[:, None], moved, codebook.table)
        codebook.table.copy_(moved)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"decay={self.decay}, epsilon={self.epsilon}, freeze_unused={self.freeze_unused}"
