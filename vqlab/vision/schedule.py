"""The follow-up paper's schedule: train, freeze the encoder, warm the codes up, refine."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..quantizers.neighbours import Attraction
from ..quantizers.revival import Replacement, Revival
from ..quantizers.updates import Update
from .extra import LIGHTNING

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error

STAGES = ("joint", "warm-up", "refinement")


class FreezeAndRefine(L.Callback):
    r"""Three stages: all learn; the encoder is frozen, without judge; the judge comes back.

    1. joint: everything learns; unchosen codes by the dense loss, dead ones are replaced.
    2. warm-up: begins once the commitment loss, averaged over an epoch, has not fallen for
       ``patience`` epochs in a row. The encoder is frozen; judge, dense loss and replacement off.
    3. refinement: the judge is back, on a line from 0 to its weight over ``ramp`` epochs.

    It needs no particular method: dense losses (``nsvq`` with ``form: followup``) and replacement
    (its ``replacement: true``, or ``ema-revival``) are switched off where the quantizer has them.

    Several processes need the strategy ``ddp_find_unused_parameters_true``: a frozen encoder sends
    no gradients to be averaged.

    Args:
        patience: epochs without a new lowest commitment loss (10 in the paper).
        warmup: epochs of the second stage (its length is not known; ours).
        ramp: epochs until the judge has its full weight again (2 in the paper).

    Raises:
        ValueError: numbers below 1, a negative warm-up or ramp.

    Source: arXiv 2606.11363, Fig. 1 and secondary texts; a reconstruction where those are silent.
    """

    def __init__(self, patience: int = 10, warmup: int = 5, ramp: int = 2) -> None:
        if patience < 1 or warmup < 0 or ramp < 0:
            raise ValueError(
                f"patience must be >= 1, warmup and ramp >= 0, got {patience}, {warmup}, {ramp}"
            )
        self.patience, self.warmup, self.ramp = patience, warmup, ramp
        self.stage, self.lowest, self.since = "joint", math.inf, 0  # epochs since the lowest
        self.total: float | Tensor = 0.0  # of this epoch, on the device: no step waits for it
        self.batches, self.epochs = 0, 0  # of this epoch; since the freeze
        self.closed = -1  # the last epoch that was taken into account

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """A resumed run goes on in its stage."""
        self._apply(pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, *args: Any
    ) -> None:
        """Adds to the epoch's mean."""
        if self.stage == "joint":
            self.total = self.total + pl_module.terms["commitment"]
            self.batches += 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Decides on the stage of the next epoch."""
        if not trainer.is_last_batch or trainer.current_epoch == self.closed:
            return  # stopped within the epoch; or resumed at its end, which is then closed again
        self.closed = trainer.current_epoch
        if self.stage == "joint":
            mean = trainer.strategy.reduce(
                torch.as_tensor(self.total / max(self.batches, 1), device=pl_module.device)
            )
            self.total, self.batches = 0.0, 0
            self.advance(float(mean))
        else:
            self.epochs += 1
            if self.stage == "warm-up" and self.epochs >= self.warmup:
                self.stage, self.epochs = "refinement", 0
        self._apply(pl_module)
        pl_module.log("train/stage", float(STAGES.index(self.stage)), sync_dist=True)

    def advance(self, commitment: float) -> None:
        """Takes an epoch's mean commitment loss into account."""
        if commitment < self.lowest:
            self.lowest, self.since = commitment, 0
        else:
            self.since += 1
        if self.since >= self.patience:
            self.stage, self.epochs = "warm-up" if self.warmup else "refinement", 0

    def _apply(self, module: Any) -> None:
        if self.stage == "joint":
            return
        module.model.encoder.requires_grad_(False)
        for rule in _rules(module.model.quantizer):
            if isinstance(rule, Attraction):
                rule.weight = 0.0
            elif isinstance(rule, Revival):
                rule.threshold = 0.0  # no use is below it
        if hasattr(module, "ramp"):
            share = (self.epochs + 1) / (self.ramp + 1)
            module.ramp = 0.0 if self.stage == "warm-up" else min(1.0, share)

    def state_dict(self) -> dict[str, Any]:
        """Stage and counters."""
        names = ("stage", "lowest", "since", "batches", "epochs", "closed")
        return {"total": float(self.total), **{name: getattr(self, name) for name in names}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Stage and counters."""
        for name, value in state_dict.items():
            setattr(self, name, value)


def _rules(quantizer: nn.Module) -> list[nn.Module]:
    return [m for m in quantizer.modules() if isinstance(m, (Update, Replacement))]
