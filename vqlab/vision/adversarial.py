"""VQGAN-style training: perceptual and adversarial losses beside the reconstruction's."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from .autoencoder import Reconstruction
from .losses import PatchDiscriminator, adaptive_weight, hinge
from .module import Reconstructor
from .perceptual import Perceptual


class AdversarialReconstructor(Reconstructor):
    r"""Adds what VQGAN adds, each part with its switch.

    .. math:: L = L_{rec} + \lambda_p\,\mathrm{LPIPS} + L_{\text{quantizer}}
        - a\,\lambda\,\mathrm{mean}\,D(\hat x)

    and :func:`hinge` for D, whose weights learn in the same step. a is ``adversarial``, times the
    ramp that a schedule may set (:attr:`ramp`); lambda is :func:`adaptive_weight`.

    A step is one batch, although two optimizers move: limits and schedules count batches.

    Args:
        perceptual: lambda_p; 0 leaves LPIPS out, and no weights are asked for.
        perceptual_weights: file of VGG's weights; None downloads them.
        adversarial: a; 0 leaves the judge out.
        start: steps before the judge begins.
        judge_options: sizes of :class:`PatchDiscriminator`.
        loss, betas, gamma, clip, options: of :class:`Reconstructor`.

    Reference: Esser et al. 2021 (VQGAN, arXiv 2012.09841), Sec. 3.1; weights of its released code.
    """

    ramp: float = 1.0

    def __init__(
        self,
        perceptual: float = 1.0,
        perceptual_weights: str | None = None,
        adversarial: float = 0.75,
        start: int = 0,
        judge_options: dict[str, Any] | None = None,
        loss: Literal["mse", "l1"] = "l1",
        betas: tuple[float, float] = (0.5, 0.9),
        gamma: float = 1.0,
        clip: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(loss=loss, betas=betas, gamma=gamma, clip=clip, **options)
        self.automatic_optimization = False
        for name, weight in {"perceptual": perceptual, "adversarial": adversarial}.items():
            if weight < 0:
                raise ValueError(f"{name} is a weight >= 0, got {weight}")
        self.perceptual, self.adversarial, self.start = perceptual, adversarial, start
        self._perceptual_weights = perceptual_weights
        self._eyes: list[Perceptual] = []  # in a list: frozen, so neither saved nor synchronised
        self.judge: PatchDiscriminator | None = None
        if adversarial:
            seed = options.get("seed", 0)
            sizes = {"channels": options.get("channels", 3), **(judge_options or {})}
            self.judge = PatchDiscriminator(**sizes, seed=seed)

    def setup(self, stage: str) -> None:
        """LPIPS' weights, too, are asked for before the first step."""
        super().setup(stage)
        if self.perceptual and stage == "fit" and not self._eyes:
            self._eyes.append(Perceptual("vgg", self._perceptual_weights))

    def compared(self, out: Reconstruction, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures that pay and are judged, and what they are compared with."""
        return out.images, pictures

    def weighed(self, drawn: Tensor, pictures: Tensor) -> Tensor:
        """The loss of the pixels."""
        return self.difference(drawn, pictures)

    def training_step(self, pictures: Tensor, batch_idx: int) -> None:
        """One step of the autoencoder, then one of the judge, on the same pictures."""
        optimizers = self.optimizers()
        both = optimizers if isinstance(optimizers, list) else [optimizers]
        out = self.draw(pictures, batch_idx)
        drawn, pictures = self.compared(out, pictures)
        error = self.weighed(drawn, pictures)
        terms = {"reconstruction": error, **out.terms}
        if self._eyes:
            seen = terms["perceptual"] = self._eyes[0].to(self.device)(drawn, pictures)
            error = error + self.perceptual * seen
        begun = self.trainer.fit_loop.epoch_loop.total_batch_idx >= self.start
        weight = self.adversarial * self.ramp if begun else 0.0
        loss = error + out.loss
        if self.judge is not None and weight:
            self.judge.requires_grad_(False)
            fooled = terms["fooled"] = -self.judge(drawn).mean()
            balance = terms["balance"] = adaptive_weight(error, fooled, self.model.last_layer)
            loss = loss + weight * balance * fooled
        self._step(both[0], loss)
        if self.judge is not None and weight:
            self.judge.requires_grad_(True)
            terms["judge"] = hinge(self.judge(pictures), self.judge(drawn.detach()))
            # Lightning would count this as a second step, and halve every limit and schedule.
            both[1]._on_before_step = both[1]._on_after_step = _nothing
            self._step(both[1], terms["judge"])
        self.log_terms({"loss": loss, **terms, **out.measured})

    def _step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.clip is not None:
            self.clip_gradients(optimizer, self.clip, "norm")
        optimizer.step()

    def configure_optimizers(self) -> Any:
        """Adam for the autoencoder, and for the judge where there is one."""
        adam = torch.optim.Adam(self.parameter_groups(), lr=self.rate, betas=self.betas)
        rates = [torch.optim.lr_scheduler.ExponentialLR(adam, self.gamma)]
        if self.judge is None:
            return [adam], rates
        second = torch.optim.Adam(self.judge.parameters(), lr=self.rate, betas=self.betas)
        return [adam, second], rates

    def on_train_epoch_end(self) -> None:
        """The rate's decay, which Lightning leaves to us where two optimizers move."""
        rates: Any = self.lr_schedulers()
        whole = self.trainer.is_last_batch
        if whole and rates.last_epoch <= self.current_epoch:  # else resumed at this epoch's end
            rates.step()


def _nothing() -> None:
    pass
