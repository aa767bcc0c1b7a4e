"""The third decision: which value goes on, and which gradient comes back."""

from __future__ import annotations

from torch import Tensor, nn

from .updates import Batch


def carrier(x: Tensor) -> Tensor:
    """Exactly zero, with the gradient of ``x``: adding it redirects a gradient and rounds nothing.

    The customary z + sg[q - z] is q only up to rounding; q + (z - sg z) is q to the last bit.
    """
    return x - x.detach()


class StraightThrough(nn.Module):
    r"""Passes the code on and copies the gradient past the choice, to the latent.

    .. math:: \hat z = z + \mathrm{sg}[c_k - z], \qquad
        \partial \hat z / \partial z = I,\; \partial \hat z / \partial c_k = 0

    Reference: Bengio et al. 2013 (arXiv 1308.3432); van den Oord et al. 2017, Sec. 3.2.
    """

    uses_task_gradient = False

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        codes = batch.codes.detach()
        return codes + carrier(batch.latents) if batch.latents.requires_grad else codes


class LookAhead(nn.Module):
    r"""Straight-through that also sends a share of the task's gradient to the chosen code.

    .. math:: \hat z = z + \gamma c_k + \mathrm{sg}[(1-\gamma) c_k - z], \qquad
        \partial \hat z / \partial c_k = \gamma I, \qquad \gamma = g \cdot \frac{2}{ND}

    With gain g = 1 the chosen code is aimed at where its latent would be after a step -dL/dz
    instead of where it is: the codebook loss against z - dL/dz.

    Args:
        gain: g; 1 is the released code's factor, 0 gives plain straight-through.

    Raises:
        ValueError: a negative gain.

    Source: arXiv 2602.18896, Sec. 3.3.3, known to us from the released code (flag ``q_flag``,
    whose factor counts every element of the batch), not from the paper's text.
    """

    uses_task_gradient = True

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        if gain < 0:
            raise ValueError(f"gain must be >= 0, got {gain}")
        self.gain = gain

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        gain = 2 * self.gain * batch.scale()
        return batch.codes.detach() + carrier(batch.latents) + gain * carrier(batch.codes)

    def extra_repr(self) -> str:
        """The gain, for print()."""
        return f"gain={self.gain}"
