"""Trains an autoencoder, in plain torch, and records what its latents and codes do.

The loop of the lessons: a few hundred steps of some milliseconds on tensors in memory, with no
package beyond the library's own, equal to the last bit on one thread. Trainings that take hours,
are resumed, or need GPUs and processes are Lightning's: :mod:`vqlab.vision.module`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm.auto import tqdm

from ..drift.run import Run
from ..drift.training import single_thread
from ..measure.hits import Hits
from .autoencoder import Autoencoder
from .datasets import Images, images_of
from .recording import Recorder

Spacing = Literal["geometric", "regular"]


def fit(
    model: Autoencoder,
    images: str | Images,
    *,
    steps: int = 600,
    batch: int = 64,
    rate: float = 5e-4,
    encoder_rate: float = 1.0,
    ramp: int = 0,
    seed: int = 0,
    record: int | ArrayLike = 40,
    spacing: Spacing = "geometric",
    probe: int | None = 1024,
    progress: bool = True,
) -> Run:
    r"""Trains ``model`` in place, all parts at once, and records its held-out latents.

    .. math:: L = \mathrm{mean}\,(\hat x - x)^2 + L_{\text{quantizer}}

    Adam, from its beginning, on the model's device (one thread of a CPU). The same seed gives the
    same batches, whatever the model.

    Args:
        model: the autoencoder, with or without a quantizer.
        images: "digits", "photos" or :class:`Images`; trained on one part, looked at on the other.
        steps: training steps. batch: pictures in each (an epoch's last one may hold fewer).
        rate: Adam's learning rate.
        encoder_rate: multiplies the rate for the encoder alone; 0 holds it still.
        ramp: steps over which all rates rise linearly from nothing; Adam's very first step moves
            every weight by its full rate otherwise.
        seed: of the order of the pictures.
        record: number of frames, or the steps to record; first and last are always recorded.
        spacing: of a number of frames: "geometric" is dense early, "regular" is even.
        probe: held-out latents kept in the run, always the same; None = all.
        progress: a bar for what takes longer than two seconds.

    Returns:
        :class:`Run`: hits are those of training; counts, distortion and lag are of all held-out
        latents by the quantizer's own assignment; drift is their root mean square displacement in
        the coming step (for the last frame a step is made and taken back). Terms:
        ``reconstruction`` (held-out mean squared error), ``churn`` (share of the held-out latents
        that change their code in the coming step), ``spread`` (root mean square distance of the
        latents to their mean), and the last batch's losses. Without a quantizer K = 0.

    Raises:
        ValueError: settings out of range; latents that became NaN or infinite.
    """
    data = images_of(images)
    for name, value in {"steps": steps, "batch": batch}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"rate must be a finite number > 0, got {rate!r}")
    for name, number in {"encoder_rate": encoder_rate, "ramp": ramp}.items():
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"{name} must be a finite number >= 0, got {number!r}")
    frames = frame_steps(steps, record, spacing)
    with single_thread():
        recorder = _train(
            model, data, steps, batch, rate, encoder_rate, ramp, seed, frames, probe, progress
        )
    return recorder.run(
        {"steps": steps, "batch": batch, "rate": rate, "encoder_rate": encoder_rate, "ramp": ramp,
         "seed": seed}  # fmt: skip
    )


def frame_steps(steps: int, record: int | ArrayLike, spacing: Spacing) -> NDArray[np.int64]:
    """The steps to record, from 0 to ``steps``, each once.

    Raises:
        ValueError: fewer than two frames, steps outside the run, an unknown spacing.
    """
    wanted = np.asarray(record)
    if wanted.ndim:
        frames = np.unique(np.append(wanted.astype(np.int64), [0, steps]))
        if frames[0] < 0 or frames[-1] > steps:
            raise ValueError(
                f"record names steps from {frames[0]} to {frames[-1]}; expected 0 to {steps}"
            )
        return frames
    count = min(int(wanted), steps + 1)
    if count < 2:
        raise ValueError(f"record at least 2 frames, got {record!r}")
    if spacing == "regular":
        return np.unique(np.linspace(0, steps, count).round().astype(np.int64))
    if spacing != "geometric":
        raise ValueError(f"spacing must be 'geometric' or 'regular', got {spacing!r}")
    # Small steps round to the same number; each frame then takes the next free step instead.
    late = np.geomspace(steps, 1, count - 1)[::-1].round().astype(np.int64)
    late = np.maximum.accumulate(late - np.arange(count - 1)) + np.arange(count - 1)
    return np.append(0, np.minimum(late, steps - np.arange(count - 1)[::-1]))


def _train(
    model: Autoencoder,
    data: Images,
    steps: int,
    batch: int,
    rate: float,
    encoder_rate: float,
    ramp: int,
    seed: int,
    frames: NDArray[np.int64],
    probe: int | None,
    progress: bool,
) -> Recorder:
    quantizer = model.quantizer
    hits = Hits(0 if quantizer is None else quantizer.codebook_size)
    losses: dict[str, Tensor] = {}
    optimizer = _optimizer(model, rate, encoder_rate)
    place = next(model.parameters()).device
    data = Images(*(part.to(place) for part in data))
    recorder = Recorder(model, data.test, probe)
    due = set(frames.tolist())
    order = _batches(len(data.train), batch, seed, place)
    model.train()
    for step in tqdm(
        range(steps + 1), delay=2, disable=not progress, leave=False, unit="step"
    ):
        if step in due:
            recorder.frame(step, hits, losses)
        if step == steps:  # one step more, for the drift of the last frame, and back
            state = copy.deepcopy(model.state_dict())
        pictures = data.train[next(order)]
        for group in optimizer.param_groups:
            group["lr"] = group["full"] * min(1.0, (step + 1) / max(ramp, 1))
        out = model(pictures)
        error = mse_loss(out.images, pictures)
        optimizer.zero_grad()
        torch.autograd.backward(error + out.loss)
        optimizer.step()
        losses = {"loss": error.detach() + out.loss.detach(), **_detached(out.terms)}
        if out.indices is not None:
            hits.add(out.indices, step)
        if step in due:
            recorder.after(step + 1)
    model.load_state_dict(state)
    return recorder


def _optimizer(model: Autoencoder, rate: float, encoder_rate: float) -> torch.optim.Adam:
    encoder = {id(p) for p in model.encoder.parameters()}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in encoder]
    groups = [
        {"params": list(model.encoder.parameters()), "full": rate * encoder_rate},
        {"params": rest, "full": rate},
    ]
    return torch.optim.Adam(groups, lr=rate, fused=True)


def _batches(count: int, batch: int, seed: int, place: torch.device) -> Iterator[Tensor]:
    """Positions of the pictures, a batch a step: epochs in random order, without end."""
    rng = np.random.default_rng(seed)
    while True:
        yield from torch.from_numpy(rng.permutation(count)).to(place).split(batch)


def _detached(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in terms.items()}
