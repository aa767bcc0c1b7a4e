"""The search as one operator: which way it takes, and how torch's transforms see it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .blocks import nearest_blocks
from .checks import check
from .device import nearest_device
from .small import fits_one_block, nearest_block, nearest_tree, wants_tree


def nearest(latents: Tensor, codes: Tensor) -> Tensor:
    r"""The index of the code at the smallest Euclidean distance to each latent.

    .. math:: k_n = \arg\min_k \|z_n - c_k\|^2

    The index is the one that a float64 loop over all differences finds, at any offset
    and scale, up to ties: the squared distance to the returned code exceeds the smallest by at most
    (D + 8) 2^-52 of itself. In small problems (N K <= 262,144 and N K D <= 4,194,304, where scores
    are formed in float64), and where more than 16 codes lie that close, it is (D + 8) 2^-52 of
    |c_k - m| (|z_n - m| + |c_k - m|), m the latents' mean. Of equal codes the lowest index is
    returned, except by the k-d tree (D <= 3, N and K >= 1,024): that returns any of them, the same
    one at every call. CUDA has :func:`nearest_device`, other devices the CPU's search. Gradients do
    not flow. On the CPU extra memory stays below 30 MiB (a k-d tree takes 100 bytes a code and 20 a
    latent). Runs under torch.compile and torch.func.vmap.

    Args:
        latents: (N, D), float32 or float64; half precision is read as float32. N may be 0.
        codes: (K, D), of the same dtype and on the same device, K >= 1.

    Returns:
        (N,) int64.

    Raises:
        ValueError: shapes that do not fit, no code, or values that are not finite, with their count
            and the position of the first. While a CUDA graph is captured this is not checked.
        TypeError: dtypes that differ or are not real floating point.
    """
    check(latents, codes)
    search = _nearest_code if transformed(latents, codes) else _search
    return search(latents.detach(), codes.detach())


def transformed(*given: Tensor) -> bool:
    """Whether a transform, a mode or a subclass must see an operator, through the dispatcher."""
    return (
        torch.compiler.is_compiling()
        or any(type(tensor) not in _PLAIN for tensor in given)
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch._C._len_torch_dispatch_stack() > 0
    )


_PLAIN = (Tensor, torch.nn.Parameter)
_DTYPES = (torch.float32, torch.float64)


def _search(latents: Tensor, codes: Tensor) -> Tensor:
    (count, dim), size = latents.shape, len(codes)
    if not count:
        return torch.empty(0, dtype=torch.int64, device=latents.device)
    if latents.dtype not in _DTYPES:
        latents, codes = latents.float(), codes.float()
    if latents.is_cuda:
        return nearest_device(latents, codes)
    if not latents.is_cpu:
        return _search(latents.cpu(), codes.cpu()).to(latents.device)
    if fits_one_block(count, size, dim):
        return nearest_block(latents, codes)
    if wants_tree(count, size, dim):
        return nearest_tree(latents, codes)
    return nearest_blocks(latents.contiguous(), codes.contiguous())


@torch.library.custom_op("vqlab::nearest_code", mutates_args=())
def _nearest_code(latents: Tensor, codes: Tensor) -> Tensor:
    return _search(latents, codes)


@_nearest_code.register_fake
def _(latents: Tensor, codes: Tensor) -> Tensor:
    return latents.new_empty(latents.shape[0], dtype=torch.int64)


@register_flop_formula(torch.ops.vqlab.nearest_code)
def _flops(latents: torch.Size, codes: torch.Size, *args: Any, **kwargs: Any) -> int:
    # Every latent against every code, whichever way the search takes.
    return 2 * latents[0] * codes[0] * codes[1]


@_nearest_code.register_vmap
def _(info: Any, in_dims: tuple[int | None, int | None], latents: Tensor, codes: Tensor) -> Any:
    over_latents, over_codes = in_dims
    if over_codes is None:
        # One codebook for all: the batch is only more latents.
        assert over_latents is not None
        moved = latents.movedim(over_latents, 0)
        found = _nearest_code(moved.reshape(-1, moved.shape[-1]), codes)
        return found.reshape(moved.shape[:-1]), 0
    parts = (
        latents.unbind(over_latents) if over_latents is not None else [latents] * info.batch_size
    )
    return torch.stack(
        [_nearest_code(x, c) for x, c in zip(parts, codes.unbind(over_codes), strict=True)]
    ), 0
