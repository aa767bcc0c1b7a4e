"""The restoration as a Lightning module: ``python -m vqlab.vision.train fit --config vqfr``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..adversarial import AdversarialReconstructor
from ..autoencoder import Autoencoder, Reconstruction
from .degradation import Degradation
from .network import Form, Restored, Restorer

HELD_OUT = 2**31  # a clock that no training step reaches: validation is degraded alike every time


class Restoration(AdversarialReconstructor):
    r"""Trains :class:`Restorer` on pictures that are degraded on the device, anew in every step.

    .. math:: L = \ell(y_{tex}, x) + \ell(y_{main}, x) + L_{\text{alignment}}

    with l the L1, LPIPS and judge of :class:`AdversarialReconstructor`, on both branches' pictures
    together. Network and method are those of the dictionary's own training, whose checkpoint is
    named. The draws of a step depend on the seed and the step alone, so a resumed training sees
    what an undisturbed one sees.

    Args:
        dictionary: checkpoint of a training with ``--config vqfr_dictionary`` or another of the
            same network; None only where a checkpoint of the restoration is loaded afterwards.
        degradation: the options of :class:`Degradation`.
        form, warp, groups, taps, guide, alignment: of :class:`Restorer`.
        pixel: weights of the L1 of texture and main branch; the released options have 1 and 0.
        start: steps before the judge begins, for both branches (there 0 and 5,000).
        options: of :class:`AdversarialReconstructor`.

    Raises:
        ValueError: no dictionary, or one of another network. FileNotFoundError: none at the path.

    Reference: VQFR, arXiv 2205.06803, and its released code. Not here: the style loss, one
    judge for each branch, the StyleGAN-type judge of whole pictures.
    """

    def __init__(
        self,
        dictionary: str | None = None,
        degradation: dict[str, Any] | None = None,
        form: Form = "paper",
        warp: bool = True,
        groups: int = 4,
        taps: int = 3,
        guide: int = 32,
        alignment: float = 1.0,
        pixel: tuple[float, float] = (1.0, 0.0),
        rate: float = 1e-5,
        **options: Any,
    ) -> None:
        super().__init__(rate=rate, **options)
        if dictionary is not None:
            _fill(self.model, Path(dictionary))
        seed = options.get("seed", 0)
        restorer = Restorer(
            self.model,
            form=form, warp=warp, groups=groups, taps=taps, guide=guide,
            alignment=alignment, seed=seed,
        )  # fmt: skip
        self.model = restorer  # type: ignore[assignment]  # its results are Reconstructions, too
        self.trained = dictionary is not None
        self.pixel = pixel
        ranges = {k: tuple(v) if isinstance(v, list) else v for k, v in (degradation or {}).items()}
        self.degrade = Degradation(**{"seed": seed, **ranges})

    def setup(self, stage: str) -> None:
        """Refuses to begin without a dictionary."""
        if stage == "fit" and not self.trained:
            raise ValueError(
                "restoration needs a dictionary: train one with --config vqfr_dictionary and give "
                "its checkpoint with --model.dictionary"
            )
        super().setup(stage)

    def draw(self, pictures: Tensor, batch_idx: int) -> Reconstruction:
        """The batch restored from what is left of it after the degradation."""
        learning = self.training and self._trainer is not None
        clock = self.trainer.fit_loop.epoch_loop.total_batch_idx if learning else HELD_OUT
        first = (0 if learning else batch_idx) * 2**16 + self.global_rank * 2**12
        keys = torch.arange(first, first + len(pictures), device=pictures.device)
        with torch.no_grad():
            degraded = self.degrade(pictures, keys, clock)
        out = cast(Any, self.model)(degraded, pictures)
        out.terms.setdefault("commitment", out.loss.new_zeros(()))
        return out

    def compared(self, out: Reconstruction, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Texture and main branch, one after the other; the residual form's texture is fixed."""
        if cast(Any, self.model).form == "residual":
            return out.images, pictures
        texture = cast(Restored, out).texture
        return torch.cat([texture, out.images]), torch.cat([pictures, pictures])

    def weighed(self, drawn: Tensor, pictures: Tensor) -> Tensor:
        """The pixel loss, each branch with its weight."""
        if cast(Any, self.model).form == "residual":
            return self.difference(drawn, pictures)
        parts = zip(self.pixel, drawn.chunk(2), pictures.chunk(2), strict=True)
        return torch.stack([w * self.difference(one, other) for w, one, other in parts]).sum()


def _fill(model: Autoencoder, path: Path) -> None:
    """The weights of a dictionary's training into a network of the same plan."""
    if not path.is_file():
        raise FileNotFoundError(f"no dictionary at {path}: train one with --config vqfr_dictionary")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    found = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    try:
        model.load_state_dict(found)
    except RuntimeError:
        raise ValueError(
            f"the dictionary at {path} is of another network or method: give the restoration the "
            "method, codebook_size, dim, network and network_options that it was trained with"
        ) from None
