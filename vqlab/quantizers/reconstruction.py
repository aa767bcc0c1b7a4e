"""The loss of a decoder that is the identity, where codes learn through the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .updates import Batch, Update

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer


class Reconstruction(Update):
    r"""The loss of a decoder that is the identity: latents against the codes that they chose.

    .. math:: L = \tfrac{1}{ND} \sum_n \|\mathrm{sg}\, z_n - \hat z_n\|^2

    with the gradient of the estimator at fixed latents: codes and logits learn, the encoder does
    not. It stands in for a decoder where latents are given; with a decoder its weight may be 0.

    Args:
        assignment: that gives the logits. estimator: that sends gradients through them.
        weight: factor in the loss.

    Raises:
        ValueError: a negative weight, an assignment that gives no logits, or an estimator that
            sends nothing through them; in a quantizer, another assignment than its own.
    """

    names = ("codebook",)

    def __init__(
        self, assignment: nn.Module, estimator: nn.Module, weight: float = 1.0
    ) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"the reconstruction's weight must be >= 0, got {weight}")
        if not getattr(assignment, "gives_logits", False):
            kind = type(assignment).__name__
            raise ValueError(f"Reconstruction learns by logits, but {kind} chooses without logits")
        if not getattr(estimator, "needs_logits", False):
            kind = type(estimator).__name__
            raise ValueError(f"Reconstruction learns by logits, but {kind} sends nothing to them")
        self.weight = weight
        self._choice = (assignment, estimator)  # in a tuple, so that they are not its children

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs the logits of the quantizer's own choice, and codes that learn by them."""
        if quantizer.assignment is not self._choice[0]:
            raise ValueError(
                "Reconstruction was given another assignment than the quantizer's "
                f"{type(quantizer.assignment).__name__}"
            )

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"codebook": the loss above}."""
        if not self.weight:
            return {}
        assignment, estimator = self._choice
        z = batch.latents.detach()
        logits = batch.logits
        if batch.latents.requires_grad:  # else they are fixed already
            _, logits = assignment(z, batch.table)
        fixed = Batch(z, batch.indices, batch.table, batch.codes, batch.weights, logits)
        return {"codebook": batch.mean_square(estimator(fixed), z)}
