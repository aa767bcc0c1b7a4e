"""Trains the restoration in plain torch, on pictures degraded anew in every epoch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from ..batches import Batches
from .degradation import Degradation
from .measures import gradient_distance, style_distance
from .network import Restorer


def restoration_loss(out: Tensor, clean: Tensor, edges: float = 1.0) -> Tensor:
    r"""What a picture pays: :math:`\mathrm{mean}\,|y - x| + \lambda\,` :func:`gradient_distance`.

    Args:
        out, clean: (B, C, H, W). edges: lambda; it stands for the paper's LPIPS and style losses,
            whose network has weights that are not here.
    """
    loss = l1_loss(out, clean)
    return loss + edges * gradient_distance(out, clean) if edges else loss


def fit_restorer(
    model: Restorer,
    pictures: Tensor,
    degrade: Degradation,
    *,
    steps: int = 600,
    batch: int = 16,
    rate: float = 1e-3,
    edges: float = 1.0,
    style: float = 0.0,
    seed: int = 0,
) -> list[float]:
    r"""Trains ``model`` in place on clean pictures that are degraded as they come.

    .. math:: L = \ell(y_{main}, x) + [\text{paper}]\,(\ell(y_{tex}, x) + \lambda_s\,S(y_{tex}, x))
        + L_{\text{alignment}}

    with :func:`restoration_loss` for l and :func:`style_distance` for S, on the texture branch
    alone: it then stands for realism, the main branch for fidelity (ours; the paper asks both of
    both, and adds a judge). Adam, its rate falling to nothing along half a cosine. The same seed
    gives the same batches and the same degradations, whatever the model.

    Args:
        pictures: (N, C, H, W) in [0, 1], clean. degrade: drawn by number and epoch.
        steps, batch, rate, edges, style: of the training; a batch has at most N pictures.
        seed: of the order.
    Returns:
        the loss of each step.
    Raises:
        ValueError: settings below 1, a batch larger than the set.
    """
    for name, value in {"steps": steps, "batch": batch}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    if batch > len(pictures):
        raise ValueError(f"a batch of {batch} needs as many pictures, got {len(pictures)}")
    learning = [p for p in model.parameters() if p.requires_grad]
    adam = torch.optim.Adam(learning, lr=rate, betas=(0.9, 0.99), fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    order = Batches(pictures, batch, shuffle=True, seed=seed)
    place = next(model.parameters()).device
    losses: list[float] = []
    model.train()
    while len(losses) < steps:
        for clean, which, epoch in order:
            clean = clean.to(place)
            out = model(degrade(clean, which, epoch), clean)
            loss = restoration_loss(out.images, clean, edges) + out.loss
            if model.form == "paper":
                loss = loss + restoration_loss(out.texture, clean, edges)
                if style:
                    loss = loss + style * style_distance(out.texture, clean)
            adam.zero_grad()
            loss.backward()
            adam.step()
            falling.step()
            losses.append(float(loss.detach()))
            if len(losses) == steps:
                break
    model.eval()
    return losses


@torch.no_grad()
def restore(
    model: Restorer, degraded: Tensor, w: float = 1.0, batch: int = 64
) -> tuple[Tensor, Tensor, Tensor | None]:
    """All pictures through the model: main branch, texture branch, indices (None without codes).

    Args:
        degraded: (N, C, H, W). w: the knob. batch: pictures at a time.
    """
    outs = [model.eval()(part, w=w) for part in degraded.split(batch)]
    indices = [o.indices for o in outs if o.indices is not None]
    return (
        torch.cat([o.images for o in outs]),
        torch.cat([o.texture for o in outs]),
        torch.cat(indices) if indices else None,
    )
