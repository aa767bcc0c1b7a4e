"""How the quantizers of several libraries are read: their latents, their indices, their codes.

A reader knows one kind of quantizer. It is asked for the indices at every step, and for latents and
codes only when a frame is kept. Other libraries' classes are known by name and shape: none of them
is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ..quantizers.frame import Quantizer
from ..quantizers.projected import Projected, _linear
from ..quantizers.quantizer import VectorQuantizer
from ..quantizers.stacked import Residual, Stack

Inputs = tuple[Any, ...]
Read = Callable[[nn.Module, Inputs, Any], tuple[Tensor, Tensor, Tensor]]
KNOWN = (
    "vqlab's quantizers, vector-quantize-pytorch's (VectorQuantize, SimVQ, FSQ, LFQ and the "
    "residual stacks of them) and taming-style ones (an .embedding, output "
    "(z_q, loss, (perplexity, one_hot, indices)))"
)


class Reader:
    """Base; a codebook is one level, and a stack gives a list with an entry for each."""

    def levels(self, module: nn.Module) -> tuple[str, ...]:
        """What is added to the module's name, one for each codebook in it."""
        return ("",)

    def ready(self, module: nn.Module) -> bool:
        """Whether the codes are there already, or wait for the first batch."""
        return True

    def skips(self, kwargs: dict[str, Any]) -> bool:
        """Whether a call says nothing on the use of codes."""
        return False

    def codes(self, module: nn.Module) -> list[Tensor]:
        """The tables (K, D)."""
        raise NotImplementedError

    def indices(self, module: nn.Module, inputs: Inputs, output: Any) -> list[Tensor]:
        """The choices, any shape; -1 where there was none."""
        raise NotImplementedError

    def latents(
        self, module: nn.Module, inputs: Inputs, chosen: list[Tensor], tables: list[Tensor]
    ) -> list[Tensor]:
        """(N, D) in the order of ``chosen``, the indices, as the codes were compared with them."""
        raise NotImplementedError


class Own(Reader):
    """Quantizers of this library, stacks and projections included."""

    def levels(self, module: Any) -> tuple[str, ...]:
        count = len(_tables(module, only_count=True))
        return ("",) if module.levels is None else tuple(f"/{i}" for i in range(count))

    def ready(self, module: Any) -> bool:
        return all(m.codebook.initialized for m in module.modules() if isinstance(m, Plain))

    def codes(self, module: Any) -> list[Tensor]:
        return _tables(module)

    def indices(self, module: Any, inputs: Inputs, output: Any) -> list[Tensor]:
        k = output.indices
        return [k] if module.levels is None else list(k.unbind(-1))

    def latents(self, module: Any, inputs: Inputs, chosen: Any, tables: Any) -> list[Tensor]:
        z = inputs[0]
        z = z.movedim(1, -1) if module.channel_first and z.ndim > 1 else z
        flat = [k.reshape(-1) for k in chosen]
        z = torch.where((flat[0] >= 0)[:, None], z.reshape(-1, z.shape[-1]).float(), 0.0)
        return list(_parts(module, z, iter(zip(flat, tables, strict=True))))


Plain = VectorQuantizer


def _tables(q: Any, only_count: bool = False) -> list[Any]:
    if isinstance(q, Projected):
        return _tables(q.quantizer, only_count)
    if isinstance(q, Stack):
        return [table for member in q.members for table in _tables(member, only_count)]
    return [None if only_count else q.codebook()]


def _parts(q: Any, z: Tensor, chosen: Iterator[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """What each codebook was given, in the order of the indices' last axis."""
    if isinstance(q, Projected):
        yield from _parts(q.quantizer, _linear(q.into, z), chosen)
    elif isinstance(q, Residual):
        for member in q.members:
            k, table = next(chosen)
            yield member.codebook.confine(z)
            z = z - torch.where(k[:, None] < 0, 0.0, table[k.clamp_min(0)])
    elif isinstance(q, Stack):
        for member, part in zip(q.members, z.split([m.dim for m in q.members], -1), strict=True):
            yield from _parts(member, part, chosen)
    else:
        next(chosen)
        yield q.codebook.confine(z)


class Lucid(Reader):
    """The table within vector-quantize-pytorch's VectorQuantize, past its projections and heads."""

    def levels(self, module: Any) -> tuple[str, ...]:
        heads = module.embed.shape[0]
        return ("",) if heads == 1 else tuple(f"/{i}" for i in range(heads))

    def ready(self, module: Any) -> bool:
        return bool(module.initted)

    def skips(self, kwargs: dict[str, Any]) -> bool:
        # A second look in one step, and beams that are thrown away later.
        return kwargs.get("update_usage") is False or kwargs.get("topk") is not None

    def codes(self, module: Any) -> list[Tensor]:
        table = module.embed if module.vq_bridge is None else module.vq_bridge(module.embed)
        if module.affine_param and module.batch_mean is not None:
            scale = (module.batch_variance / module.codebook_variance.clamp_min(1e-5)).sqrt()
            table = (table - module.codebook_mean) * scale + module.batch_mean
        return list(table)

    def indices(self, module: Any, inputs: Inputs, output: Any) -> list[Tensor]:
        k = output[1] if inputs[0].ndim == 4 else output[1][None]
        mask = next((v for v in inputs[1:] if _is_mask(v)), None)
        if mask is not None:
            mask = mask.repeat_interleave(k.shape[1] // len(mask), 0)
            k = torch.where(mask, k, -1)
        return list(k)

    def latents(self, module: Any, inputs: Inputs, chosen: Any, tables: Any) -> list[Tensor]:
        z = inputs[0] if inputs[0].ndim == 4 else inputs[0][None]
        return [part.reshape(-1, part.shape[-1]) for part in z]


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool


class Sim(Reader):
    """SimVQ of vector-quantize-pytorch."""

    def codes(self, module: Any) -> list[Tensor]:
        return [module.codebook]

    def indices(self, module: Any, inputs: Inputs, output: Any) -> list[Tensor]:
        return [output[1]]

    def latents(self, module: Any, inputs: Inputs, chosen: Any, tables: Any) -> list[Tensor]:
        return [rows(inputs[0], tables[0].shape[1], module.channel_first)]


class LookupFree(Reader):
    """FSQ and LFQ of vector-quantize-pytorch: codes are a lattice, latents brought into its box."""

    def levels(self, module: Any) -> tuple[str, ...]:
        count = module.num_codebooks
        return ("",) if count == 1 else tuple(f"/{i}" for i in range(count))

    def codes(self, module: Any) -> list[Tensor]:
        if type(module).__name__ == "FSQ":
            return [module.implicit_codebook] * module.num_codebooks
        return [module.maybe_l2norm(module.codebook)] * module.num_codebooks

    def indices(self, module: Any, inputs: Inputs, output: Any) -> list[Tensor]:
        if output[1] is None:
            raise ValueError("a monitor needs the indices: make the FSQ with return_indices=True")
        return list(output[1].unbind(-1)) if module.num_codebooks > 1 else [output[1]]

    def latents(self, module: Any, inputs: Inputs, chosen: Any, tables: Any) -> list[Tensor]:
        first = bool(module.channel_first) or (module.channel_first is not False)
        z = rows(inputs[0], module.dim, inputs[0].ndim >= 4 and first)
        z = module.project_in(z).unflatten(-1, (module.num_codebooks, -1))
        if type(module).__name__ == "FSQ":
            return list(_boxed(module, z).unbind(1))
        bound = module.soft_clamp_input_value
        z = z if bound is None else (z / bound).tanh() * bound
        z = z @ module.orthogonal_rot if module.orthogonal_rotation else z
        return list(module.maybe_l2norm(z).unbind(1))


def _boxed(module: Any, z: Tensor) -> Tensor:
    """FSQ's latents before they are rounded, in units of its codes."""
    z = z @ module.orthogonal_rot if module.orthogonal_rotation else z
    squash = (lambda x: x.clamp(-1, 1)) if module.bound_hard_clamp else torch.tanh
    if module.preserve_symmetry:
        return squash(z)
    half = (module._levels - 1) * 1.001 / 2
    offset = torch.where(module._levels % 2 == 0, 0.5, 0.0)
    shift = offset / half if module.bound_hard_clamp else (offset / half).atanh()
    return (squash(z + shift) * half - offset) / (module._levels // 2)


class Taming(Reader):
    """Quantizers with an ``.embedding``, as in taming-transformers, latent diffusion, LlamaGen."""

    def codes(self, module: Any) -> list[Tensor]:
        return [self._unit(module, module.embedding.weight)]

    def indices(self, module: Any, inputs: Inputs, output: Any) -> list[Tensor]:
        if getattr(module, "remap", None) is not None:
            raise ValueError("remapped indices are not rows of the codebook: pass read=")
        return [output[2][-1]]

    def latents(self, module: Any, inputs: Inputs, chosen: Any, tables: Any) -> list[Tensor]:
        z = inputs[0]
        flat = rows(z, tables[0].shape[1], z.ndim > 2 and z.shape[1] == tables[0].shape[1])
        return [self._unit(module, flat)]

    @staticmethod
    def _unit(module: Any, x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=-1) if getattr(module, "l2_norm", False) else x


def rows(latents: Tensor, dim: int, channel_first: bool) -> Tensor:
    """Latents in any layout as (N, D)."""
    z = latents.movedim(1, -1) if channel_first else latents
    return z.reshape(-1, dim)


def reader_of(module: nn.Module) -> tuple[nn.Module, Reader] | None:
    """The module to hook and how to read it; None for what is no quantizer we know."""
    kind, own = type(module).__name__, module
    if isinstance(module, Quantizer):
        return own, Own()
    if kind == "VectorQuantize" and hasattr(getattr(module, "_codebook", None), "embed"):
        return own._codebook, Lucid()  # type: ignore[return-value]
    if kind == "SimVQ" and hasattr(module, "frozen_codebook"):
        return own, Sim()
    if kind in ("FSQ", "LFQ") and hasattr(module, "num_codebooks"):
        return own, LookupFree()
    table = getattr(getattr(module, "embedding", None), "weight", None)
    if "quantiz" in kind.lower() and isinstance(table, Tensor) and table.ndim == 2:
        return own, Taming()
    return None
