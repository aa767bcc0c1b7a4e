"""A vector-quantized autoencoder as a Lightning module: what is built, minimised and logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from ..quantizers.registry import make
from ..quantizers.registry import method as method_line
from .autoencoder import Autoencoder, Reconstruction
from .dynamic import DynamicAutoencoder
from .extra import LIGHTNING
from .models import ResnetAutoencoder, paper_autoencoder

try:
    import lightning.pytorch as L
except ImportError as error:
    raise ImportError(LIGHTNING) from error
from .metrics import CodeUse, MeanLPIPS, frechet, likeness

NETWORKS: dict[str, Callable[..., Autoencoder]] = {
    "small": Autoencoder,
    "paper": paper_autoencoder,
    "resnet": ResnetAutoencoder,
    "dynamic": DynamicAutoencoder,
}
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": mse_loss, "l1": l1_loss}


class Reconstructor(L.LightningModule):
    r"""Trains an autoencoder with any method of the table in its middle.

    .. math:: L = \mathrm{mean}\,|\hat x - x|^{2\ \text{or}\ 1} + L_{\text{quantizer}}, \qquad
        \hat x, x \in [0, 1]

    Adam, its rate multiplied by ``gamma`` after every epoch. Defaults are the NS-VQ paper's for
    CelebA-HQ but for the network's size.

    Args:
        method: of the table. codebook_size: K. dim: D. method_options: the method's own.
        network: "small" (:class:`Autoencoder`), "paper" (its full size), "resnet" (VQGAN-style),
            "dynamic" (:class:`DynamicAutoencoder`).
        network_options: sizes of the network.
        channels: C of the pictures; the command line takes it from the data.
        steps_per_epoch: for methods whose schedule counts epochs, as NS-VQ's released one; the
            command line takes it from the data.
        loss: "mse" or "l1".
        rate: Adam's learning rate. betas: its other two. gamma: factor after every epoch.
        encoder_rate: multiplies the encoder's rate.
        clip: largest norm of all gradients together; None does not clip.
        lpips: True measures LPIPS (alex) of validation pictures, too, or the path of its weights.
        rfid: True measures rFID, too, or the path of Inception's weights.
        seed: of the network and the quantizer.

    Raises:
        ValueError: unknown names, with the choices.
    """

    def __init__(
        self,
        method: str = "vq",
        codebook_size: int = 1024,
        dim: int = 64,
        method_options: dict[str, Any] | None = None,
        network: Literal["small", "paper", "resnet", "dynamic"] = "small",
        network_options: dict[str, Any] | None = None,
        channels: int = 3,
        steps_per_epoch: int | None = None,
        loss: Literal["mse", "l1"] = "mse",
        rate: float = 5e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        gamma: float = 0.995,
        encoder_rate: float = 1.0,
        clip: float | None = 1.0,
        lpips: bool | str = False,
        rfid: bool | str = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value, known in (("network", network, NETWORKS), ("loss", loss, LOSSES)):
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}; choose one of {', '.join(known)}")
        self.save_hyperparameters()
        options = dict(method_options or {})
        if "steps_per_epoch" in method_line(method).options and steps_per_epoch is not None:
            options.setdefault("steps_per_epoch", steps_per_epoch)
        quantizer = make(method, dim, codebook_size, channel_first=True, seed=seed, **options)
        sizes = {"seed": seed, **(network_options or {})}
        self.model: Autoencoder = NETWORKS[network](channels, dim, quantizer, **sizes)
        self.codebook_size = quantizer.codebook_size  # a lattice has as many as its levels say
        self.difference = LOSSES[loss]
        self.rate, self.betas, self.gamma = rate, betas, gamma
        self.encoder_rate, self.clip = encoder_rate, clip
        self._wanted = {"lpips": lpips, "rfid": rfid}
        self.measures = nn.ModuleDict()
        self.terms: dict[str, Tensor] = {}  # of the last training step, on its device
        self._draws: dict[str, Any] = {}

    def forward(self, pictures: Tensor) -> Reconstruction:
        """Pictures (B, C, H, W) in [0, 1] to :class:`Reconstruction`."""
        return self.model(pictures)

    def setup(self, stage: str) -> None:
        """Metrics that need weights or packages are asked for before the first step."""
        for part in ("val", "test"):
            extra: dict[str, nn.Module] = {"use": CodeUse(self.codebook_size)}
            if self._wanted["lpips"]:
                extra["lpips"] = MeanLPIPS("alex", _path(self._wanted["lpips"]))
            if self._wanted["rfid"]:
                extra["rfid"] = frechet(_path(self._wanted["rfid"]))
            self.measures[part] = nn.ModuleDict(extra)

    def draw(self, pictures: Tensor, batch_idx: int) -> Reconstruction:
        """What the model makes of a batch, in training and when it is measured."""
        return self.model(pictures)

    def training_step(self, pictures: Tensor, batch_idx: int) -> Tensor | None:
        """The loss of one batch."""
        out = self.draw(pictures, batch_idx)
        error = self.difference(out.images, pictures)
        loss = error + out.loss
        self.log_terms({"loss": loss, "reconstruction": error, **out.terms, **out.measured})
        return loss

    def log_terms(self, terms: dict[str, Tensor]) -> None:
        """Logs the losses of a training step, the first also in the progress bar; keeps them."""
        self.terms = {name: value.detach() for name, value in terms.items()}
        values = {f"train/{name}": value for name, value in self.terms.items()}
        self.log(next(iter(values)), values.pop(next(iter(values))), prog_bar=True)
        self.log_dict(values)

    def validation_step(self, pictures: Tensor, batch_idx: int) -> dict[str, Any]:
        """Adds a batch to the metrics; its latents and indices, for callbacks."""
        return self._measure("val", pictures, batch_idx)

    def test_step(self, pictures: Tensor, batch_idx: int) -> dict[str, Any]:
        """Adds a batch to the metrics; its latents and indices, for callbacks."""
        return self._measure("test", pictures, batch_idx)

    def _metrics(self, part: str) -> dict[str, Any]:
        return dict(cast(nn.ModuleDict, self.measures[part]).items())

    def _measure(self, part: str, pictures: Tensor, batch_idx: int) -> dict[str, Any]:
        out = self.draw(pictures, batch_idx)
        drawn = out.images.float()
        if "psnr" not in self._metrics(part):  # what fits depends on the size of the pictures
            found = likeness(min(drawn.shape[2:]))
            cast(nn.ModuleDict, self.measures[part]).update(found)
            self.measures.to(self.device)
        # SSIM is a small difference of large sums: in 16 bits it would be another number.
        with torch.autocast(self.device.type, enabled=False):
            for name, metric in self._metrics(part).items():
                if name == "use":
                    metric.update(out.indices)
                elif name == "rfid":
                    metric.update(_coloured(pictures), real=True)
                    metric.update(_coloured(drawn), real=False)
                else:
                    metric.update(drawn, pictures)
        losses = {"mse": mse_loss(drawn, pictures), "commitment": out.terms["commitment"]}
        losses |= out.measured
        self.log_dict(
            {f"{part}/{k}": v for k, v in losses.items()},
            batch_size=len(pictures), on_epoch=True, sync_dist=True,
        )  # fmt: skip
        return {"latents": out.latents, "indices": out.indices}

    def on_validation_epoch_end(self) -> None:
        """Logs what was measured over the whole validation set."""
        self._report("val")

    def on_test_epoch_end(self) -> None:
        """Logs what was measured over the whole test set."""
        self._report("test")

    def _report(self, part: str) -> None:
        for name, metric in self._metrics(part).items():
            value = metric.compute()
            values = value if isinstance(value, dict) else {name: value}
            for key, number in values.items():
                shown = key in ("psnr", "utilization")
                self.log(f"{part}/{key}", number.float().to(self.device),
                         prog_bar=shown, sync_dist=True)  # fmt: skip
            metric.reset()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Encoder, and the rest of the autoencoder, each with its rate."""
        encoder = {id(p) for p in self.model.encoder.parameters()}
        rest = [p for p in self.model.parameters() if p.requires_grad and id(p) not in encoder]
        first = {"params": list(self.model.encoder.parameters())}
        return [{**first, "lr": self.rate * self.encoder_rate}, {"params": rest, "lr": self.rate}]

    def configure_optimizers(self) -> Any:
        """Adam, and its rate's decay by epochs."""
        adam = torch.optim.Adam(self.parameter_groups(), lr=self.rate, betas=self.betas)
        return [adam], [torch.optim.lr_scheduler.ExponentialLR(adam, self.gamma)]

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips at ``clip``, or at what the trainer was told."""
        limit = self.clip if gradient_clip_val is None else gradient_clip_val
        how = gradient_clip_algorithm or "norm"
        self.clip_gradients(optimizer, gradient_clip_val=limit, gradient_clip_algorithm=how)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Metrics are made anew by every run; torch's generators are kept."""
        state = checkpoint["state_dict"]
        for key in [k for k in state if k.startswith("measures.")]:
            del state[key]
        checkpoint["generators"] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            checkpoint["generators"]["cuda"] = torch.cuda.get_rng_state_all()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remembers the generators' states until training begins."""
        self._draws = checkpoint.get("generators", {})
        for key, value in self.measures.state_dict(prefix="measures.").items():
            checkpoint["state_dict"].setdefault(key, value)

    def on_train_start(self) -> None:
        """Continues the generators where the checkpoint left them."""
        if "cpu" in self._draws:
            torch.set_rng_state(self._draws["cpu"].cpu())
        if "cuda" in self._draws and torch.cuda.is_available():
            states = self._draws["cuda"]
            if len(states) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all([s.cpu() for s in states])
        self._draws = {}


def _path(wanted: bool | str) -> str | None:
    return wanted if isinstance(wanted, str) else None


def _coloured(pictures: Tensor) -> Tensor:
    return pictures.expand(-1, 3, -1, -1)
