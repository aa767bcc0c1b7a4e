"""Refusing NaN and Inf where no search follows that would."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .search.checks import refuse_nonfinite
from .search.operator import transformed


def finite(latents: Tensor) -> Tensor:
    """``latents`` (N, D) themselves, under torch.compile and torch.func.vmap, too.

    Raises:
        ValueError: values that are not finite, with their count and the position of the first.
    """
    if transformed(latents):
        # The sum with the operator's zero keeps the check in a compiled graph.
        return latents + _zero_if_finite(latents.detach())
    _refuse(latents.detach())
    return latents


def _refuse(latents: Tensor) -> None:
    if not (latents.is_cuda and torch.cuda.is_current_stream_capturing()):
        refuse_nonfinite("latents", latents)


@torch.library.custom_op("vqlab::zero_if_finite", mutates_args=())
def _zero_if_finite(latents: Tensor) -> Tensor:
    _refuse(latents)
    return latents.new_zeros(())


@_zero_if_finite.register_fake
def _(latents: Tensor) -> Tensor:
    return latents.new_empty(())


@_zero_if_finite.register_vmap
def _(info: Any, in_dims: tuple[int | None], latents: Tensor) -> tuple[Tensor, None]:
    return _zero_if_finite(latents), None
