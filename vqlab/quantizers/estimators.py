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
        \partial \hat z / \partial c_k = \gamma I, \qquad
        \gamma = g \cdot \frac{2}{ND} \;\text{or, whole,}\; \gamma = g

    With gain g = 1 the chosen code is aimed at where its latent would be after a step -dL/dz
    instead of where it is: the codebook loss against z - dL/dz.

    With ``whole`` the code takes the share g of its latents' own gradients: at g = 1, plain descent
    and one latent in the cell, the task moves code and latent by the same step, and c - z changes
    only by the losses. (Of several latents the code takes the sum.)

    Args:
        gain: g; 1 is the released code's factor, 0 gives plain straight-through.
        whole: gradients at full size, instead of at the codebook loss's scale.

    Raises:
        ValueError: a negative gain.

    Source: arXiv 2602.18896, Sec. 3.3.3, known to us from the released code (flag ``q_flag``,
    whose factor counts every element of the batch), not from the paper's text. ``whole``: the
    synchronized update of VQ-STE++ (arXiv 2305.08842), reconstructed from its authors' library
    vqtorch (``sync_nu``). What vector-quantize-pytorch calls ``sync_update_v`` is another thing: it
    multiplies the latents' gradient by 1 + v, and the codes get none.
    """

    uses_task_gradient = True

    def __init__(self, gain: float = 1.0, whole: bool = False) -> None:
        super().__init__()
        if gain < 0:
            raise ValueError(f"gain must be >= 0, got {gain}")
        self.gain, self.whole = gain, whole

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        gain = self.gain if self.whole else 2 * self.gain * batch.scale()
        return batch.codes.detach() + carrier(batch.latents) + gain * carrier(batch.codes)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"gain={self.gain}" + (", whole=True" if self.whole else "")
