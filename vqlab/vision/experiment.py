"""One call from a method's name to a run on real pictures, as `simulate` is for toys."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..drift.run import Run
from ..measure.distortion import kmeans_optimum
from ..quantizers.frame import Quantizer
from ..quantizers.registry import make
from ..quantizers.registry import method as method_line
from .autoencoder import Autoencoder
from .datasets import Images, images_of
from .training import Spacing, fit

KMEANS_LATENTS = 8192  # k-means of more costs seconds and gives the same centroids
_REMEMBERED = 16
_warm: dict[bytes, dict[str, Tensor]] = {}
Builder = Callable[..., Quantizer]


def train(
    method: str | Builder | None = "vq",
    images: str | Images = "digits",
    *,
    dim: int = 16,
    codebook_size: int = 256,
    width: int = 32,
    steps: int = 600,
    batch: int = 64,
    rate: float = 5e-4,
    encoder_rate: float = 1.0,
    ramp: int = 0,
    warmup: int = 0,
    init: str = "uniform",
    seed: int = 0,
    record: int | ArrayLike = 40,
    spacing: Spacing = "geometric",
    probe: int | None = 1024,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Run:
    """Builds an autoencoder with this method in its middle, trains it, and records it.

    At one seed all methods begin with the same convolutions and see the same batches.

    Args:
        method: name; or a function of (dim, codebook_size, init, seed) that builds a quantizer;
            None = a plain autoencoder.
        images: "digits" (halved once: 4 x 4 latents a picture), "photos" (halved twice: 4 x 4
            latents a patch of 16 x 16), or :class:`Images` (halved to 4 x 4 or just above).
        dim: D. codebook_size: K. width: channels of the hidden layers.
        steps, batch, rate, encoder_rate, ramp, record, spacing, probe, progress: as for
            :func:`fit`.
        warmup: steps of plain autoencoder training first, without quantizer; the run begins after
            them, with a new optimizer.
        init: first codes of free tables: "uniform" (±1/K), "normal", "first-batch" (latents drawn
            at random), "kmeans" (centroids of the training latents as they are when the run
            begins).
        seed: of convolutions, batches, codes.
        options: further options of the method, as for :func:`vqlab.make`.
        device: where to train, as torch names it.

    Returns:
        :class:`Run`; its settings hold these arguments.

    Raises:
        ValueError: settings out of range or unknown names, with the choices.
    """
    data = images_of(images)
    seeds = [int(s.generate_state(1)[0]) for s in np.random.SeedSequence(seed).spawn(4)]
    halvings = max(1, int(math.log2(data.train.shape[-1] / 4)))
    model = Autoencoder(
        data.train.shape[1], dim, width=width, halvings=halvings, seed=seeds[0]
    ).to(device)
    common: dict[str, Any] = {"batch": batch, "rate": rate, "progress": progress}
    if warmup:
        _warm_up(model, data, warmup, seeds[1], common)
    if method is not None:
        quantizer = _quantizer(
            method, model, data, codebook_size, batch, init, options, seeds[2]
        )
        model.insert(quantizer.to(device))
    run = fit(
        model,
        data,
        steps=steps,
        encoder_rate=encoder_rate,
        ramp=ramp,
        seed=seeds[3],
        record=record,
        spacing=spacing,
        probe=probe,
        **common,
    )
    run.settings.update(
        method=method if isinstance(method, str) else getattr(method, "__name__", "none"),
        images=images if isinstance(images, str) else "given",
        dim=dim,
        codebook_size=codebook_size,
        width=width,
        warmup=warmup,
        init=init,
        seed=seed,
        options={name: repr(value) for name, value in (options or {}).items()},
    )
    return run


def _warm_up(
    model: Autoencoder, data: Images, steps: int, seed: int, common: dict[str, Any]
) -> None:
    """Plain training, remembered: experiments that differ in what follows begin at one place."""
    start = hashlib.sha256(repr((steps, seed, sorted(common.items()))).encode())
    for tensor in (data.train, *model.state_dict().values()):
        start.update(tensor.cpu().numpy().tobytes())
    known = _warm.get(start.digest())
    if known is None:
        fit(model, data, steps=steps, seed=seed, record=2, probe=1, **common)
        _warm[start.digest()] = copy.deepcopy(model.state_dict())
        while len(_warm) > _REMEMBERED:
            del _warm[next(iter(_warm))]
    else:
        model.load_state_dict(known)


def _quantizer(
    method: str | Builder,
    model: Autoencoder,
    data: Images,
    codebook_size: int,
    batch: int,
    init: str,
    options: Mapping[str, Any] | None,
    seed: int,
) -> Quantizer:
    settings: dict[str, Any] = {**(options or {}), "seed": seed}
    has = method_line(method).options if isinstance(method, str) else {"init": init}
    if "init" in has:
        settings["init"] = init
        if init in ("kmeans", "first-batch"):
            settings["init"] = _on_latents(init, model, data.train, codebook_size, seed)
    if "steps_per_epoch" in has:
        settings.setdefault("steps_per_epoch", math.ceil(len(data.train) / batch))
    if isinstance(method, str):
        return make(method, model.dim, codebook_size, channel_first=True, **settings)
    return method(dim=model.dim, codebook_size=codebook_size, **settings)


@torch.no_grad()
def _on_latents(
    init: str, model: Autoencoder, pictures: Tensor, codebook_size: int, seed: int
) -> Tensor:
    """Codes (K, D) drawn from, or k-means of, training latents (8,192 at random if more)."""
    place = next(model.parameters()).device
    z = model.encode(pictures.to(place)).cpu().movedim(1, -1).reshape(-1, model.dim)
    z = z[np.random.default_rng(seed).permutation(len(z))[:KMEANS_LATENTS]]
    if codebook_size > len(z):
        raise ValueError(f"init {init!r} of {codebook_size} codes needs as many, got {len(z)}")
    if init == "first-batch":
        return z[:codebook_size].clone()
    codes = kmeans_optimum(z, codebook_size, n_init=1, seed=seed % 2**31)[1]
    return torch.from_numpy(codes.astype(np.float32))
