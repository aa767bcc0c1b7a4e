"""What comes back through a hard choice: an estimator's gradient, and the true one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..quantizers.quantizer import VectorQuantizer

Floats = NDArray[np.float64]
Task = Callable[[Tensor], Tensor]
# Latents that go through the quantizer at once while noise is averaged.
_AT_ONCE = 1 << 17


def pull(
    quantizer: VectorQuantizer, latents: ArrayLike | Tensor, task: Task, commitment: bool = False
) -> Floats:
    r"""Where one step of gradient descent of length 1 would move each latent.

    .. math:: -\frac{\partial}{\partial z_n} \sum_m \ell(\hat z_m)

    with :math:`\hat z` what the quantizer's estimator passes on.

    Args:
        quantizer: any; left in training mode or not, as it was, and unchanged.
        latents: (N, D). task: loss of each output, (N, D) to (N,).
        commitment: add the quantizer's own loss times N (it is a mean over the latents).

    Returns:
        (N, D).
    """
    z = _latents(quantizer, latents).requires_grad_()
    state = {name: value.clone() for name, value in quantizer.state_dict().items()}
    out = quantizer(z)
    loss = task(out.quantized).sum()
    if commitment:
        loss = loss + len(z) * out.loss
    (gradient,) = torch.autograd.grad(loss, z)
    quantizer.load_state_dict(state)  # a moving average must not learn from being looked at
    return -gradient.double().numpy()


def true_pull(
    quantizer: VectorQuantizer,
    latents: ArrayLike,
    task: Task,
    noise: float,
    samples: int = 4096,
    seed: int = 0,
) -> tuple[Floats, Floats]:
    r"""The same for the true gradient, of the loss through the hard choice averaged over noise.

    .. math::
        -\nabla_z\, \mathbb E\, \ell(q(z + \sigma\varepsilon))
        = -\mathbb E \left[ \frac{\ell(q(z + \sigma\varepsilon)) - \ell(q(z - \sigma\varepsilon))}
        {2\sigma}\, \varepsilon \right], \quad \varepsilon \sim \mathcal N(0, I)

    The hard choice is constant within a cell, so its own gradient is zero almost everywhere;
    averaged over noise it says in which direction the loss falls over the distance sigma.

    Args:
        quantizer: used in evaluation mode. latents: (N, D). task: loss of each output.
        noise: sigma, in the latents' units. samples: pairs of draws for each latent. seed: of them.

    Returns:
        (N, D) and the standard error of each entry.

    Raises:
        ValueError: noise <= 0 or fewer than two samples.
    """
    if not noise > 0 or samples < 2:
        raise ValueError(f"noise must be > 0 and samples >= 2, got {noise} and {samples}")
    z = _latents(quantizer, latents)
    was, total, squares = quantizer.training, np.zeros(z.shape), np.zeros(z.shape)
    quantizer.eval()
    try:
        with torch.no_grad():
            for draws in _draws(z, samples, seed):
                ahead, behind = (
                    task(quantizer(_around(z, sign * noise, draws)).quantized) for sign in (1, -1)
                )
                slope = (ahead - behind).double().numpy() / (2 * noise)
                each = -slope.reshape(-1, len(z), 1) * draws
                total += each.sum(0)
                squares += (each**2).sum(0)
    finally:
        quantizer.train(was)
    mean = total / samples
    return mean, np.sqrt(np.maximum(squares / samples - mean**2, 0) / (samples - 1))


@dataclass(frozen=True)
class Bias:
    """How an estimator's pull compares with the true one, over all latents at once.

    Attributes:
        cosine: of the two (N, D) fields; 1 is the true direction everywhere.
        ratio: length of the estimator's field over the true one's.
    """

    cosine: float
    ratio: float


def gradient_bias(
    quantizer: VectorQuantizer,
    latents: ArrayLike,
    task: Task,
    noise: float,
    samples: int = 4096,
    seed: int = 0,
) -> Bias:
    """The estimator's pull, averaged over the same noise, against :func:`true_pull`.

    Args:
        as for :func:`true_pull`.

    Returns:
        :class:`Bias`.
    """
    true, _ = true_pull(quantizer, latents, task, noise, samples, seed)
    z = _latents(quantizer, latents)
    total = np.zeros(z.shape)
    for draws in _draws(z, samples, seed):
        total += pull(quantizer, _around(z, noise, draws), task).reshape(draws.shape).sum(0)
    mean = total / samples
    ours, theirs = float(np.linalg.norm(mean)), float(np.linalg.norm(true))
    return Bias(float((mean * true).sum()) / (ours * theirs), ours / theirs)


def _draws(z: Tensor, samples: int, seed: int) -> Iterator[Floats]:
    """Standard normal draws (S, N, D) for the latents (N, D), as many at once as memory likes."""
    rng = np.random.default_rng(seed)
    step = max(1, _AT_ONCE // len(z))
    for done in range(0, samples, step):
        yield rng.standard_normal((min(step, samples - done), *z.shape))


def _around(z: Tensor, noise: float, draws: Floats) -> Tensor:
    """(S N, D): each latent with each of its (S, N, D) draws added."""
    return (z + noise * torch.from_numpy(draws)).to(z.dtype).reshape(-1, z.shape[1])


def _latents(quantizer: VectorQuantizer, latents: ArrayLike | Tensor) -> Tensor:
    dtype = quantizer.codebook.working_dtype
    return torch.as_tensor(np.asarray(latents), dtype=dtype).clone()
