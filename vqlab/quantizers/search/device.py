"""Nearest codes with torch's own operators, for CUDA devices."""

from __future__ import annotations

import torch
from torch import Tensor

from .checks import refuse_nonfinite
from .filters import keeps_float32

# Scores held at once.
_SCORE_BYTES = 64 << 20


def nearest_device(latents: Tensor, codes: Tensor) -> Tensor:
    """(N,) int64: the nearer of the two best codes of a product, by differences in float64.

    Where the third best lies within twice the error of the best (FloatFilter has the bound), the
    latent is searched again in float64. While a CUDA graph is captured, that and the check for
    values that are not finite are left out, since both must wait for the device.
    """
    error = (2.1 * latents.shape[1] + 16) * torch.finfo(latents.dtype).eps / 2
    if latents.dtype == torch.float32 and not keeps_float32(torch.backends.cuda):
        error += 2.0**-9  # both factors are rounded to TensorFloat32's 11 bits
    centre = latents.mean(0)
    table = codes - centre
    half = torch.linalg.vecdot(table, table) / 2
    found, doubts = [], []
    for part in latents.split(max(1, _SCORE_BYTES // (table.element_size() * len(codes)))):
        away = part - centre
        scores = torch.addmm(half, away, table.t(), alpha=-1)
        ranks = []
        for _ in range(3):
            ranks.append(scores.min(1, keepdim=True))
            scores.scatter_(1, ranks[-1].indices, torch.inf)
        pair = torch.cat([rank.indices for rank in ranks[:2]], 1).sort(1).values
        squares = (codes[pair].double() - part[:, None].double()).square_().sum(2)
        found.append(pair.gather(1, squares.argmin(1, keepdim=True))[:, 0])
        norm = torch.linalg.vector_norm(away, dim=1, keepdim=True)
        near = (norm.square() + 2 * ranks[0].values).clamp_min_(0).sqrt_()
        reach = (2 * norm + near) / (1 - error**0.5)
        doubts.append((ranks[2].values - ranks[0].values <= error * reach * reach)[:, 0])
    index, doubt = torch.cat(found), torch.cat(doubts)
    if latents.is_cuda and torch.cuda.is_current_stream_capturing():
        return index
    finite = torch.isfinite(centre).all() & torch.isfinite(half).all()
    all_finite, any_doubt = torch.stack([finite, doubt.any()]).tolist()
    if not all_finite:
        refuse_nonfinite("latents", latents)
        refuse_nonfinite("codes", codes)
    if any_doubt and latents.dtype == torch.float32:
        index[doubt] = nearest_device(latents[doubt].double(), codes.double())
    return index
