"""What each method of the table costs: counted on a quantizer that is made and run once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from .registry import make

# Where all methods are compared: latents, dimension, codes.
LATENTS, DIM, CODES = 4096, 64, 1024
# A lattice has no 64 dimensions of 1,024 codes: four, and linear maps around.
OPTIONS: dict[str, dict[str, Any]] = {"fsq": {"levels": (8, 8, 4, 4)}}


@dataclass(frozen=True)
class Cost:
    """A method's size and the work of one training step, forward and backward.

    The step is the second one of a new quantizer, without the optimizer's. Work that is done only
    now and then is not in it, such as the k-means of ``kmeans-reinit``.

    Attributes:
        trained: numbers that an optimizer trains.
        kept: further numbers in the state_dict: frozen codes, averages, samples, clocks.
        products: floating-point operations in matrix products, 2 N K D for a search of K codes.
        writes: numbers that all operations together write; a sort or a logarithm counts as a sum
            does.
        largest: numbers in the largest array that an operation makes.
    """

    trained: int
    kept: int
    products: int
    writes: int
    largest: int


@cache
def cost(name: str) -> Cost:
    """Counts what the method ``name`` costs at N = 4,096 latents, D = 64, K = 1,024.

    Returns:
        :class:`Cost`. The numbers depend on no clock and no data.

    Raises:
        ValueError: unknown method.
    """
    quantizer = make(name, DIM, CODES, seed=0, **OPTIONS.get(name, {}))
    generator = torch.Generator().manual_seed(0)
    latents, task = (torch.randn(LATENTS, DIM, generator=generator) for _ in range(2))
    quantizer(latents)  # codes that start on the first batch have then done so
    latents.requires_grad_()
    with FlopCounterMode(display=False) as products, _Writes() as writes:
        out = quantizer(latents)
        # The task's gradient arrives at the output; making it is no work of the quantizer.
        torch.autograd.backward((out.loss, out.quantized), (torch.ones_like(out.loss), task))
    trained = sum(p.numel() for p in quantizer.parameters() if p.requires_grad)
    stored = sum(tensor.numel() for tensor in quantizer.state_dict().values())
    flops = products.get_total_flops()
    return Cost(trained, stored - trained, flops, writes.total, writes.largest)


class _Writes(TorchDispatchMode):
    """Counts the numbers that operators write; a view writes none."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.largest = 0

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = operator(*args, **(kwargs or {}))
        known = {_memory(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        changes = operator._schema.is_mutable
        # An indexed write changes its values' places only, and returns the whole.
        written = args[2] if operator is torch.ops.aten.index_put_.default else out
        for tensor in tree_leaves(written):
            if isinstance(tensor, Tensor) and (changes or _memory(tensor) not in known):
                self.total += tensor.numel()
                self.largest = max(self.largest, tensor.numel())
        return out


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
