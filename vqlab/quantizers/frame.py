"""What every quantizer shares: checks, masks, layouts, precision, and what it returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree


@dataclass
class Quantized:
    """What a quantizer returns; unpacks as ``quantized, indices, loss``.

    Attributes:
        quantized: the codes, shape and dtype of the latents, with the estimator's gradient.
        indices: int64, shape of the latents without D; -1 where a mask marks padding.
        loss: scalar, the weighted sum of ``terms``.
        terms: each loss by name, unweighted, scalar.
    """

    quantized: Tensor
    indices: Tensor
    loss: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.quantized, self.indices, self.loss))

    def __getitem__(self, position: int) -> Tensor:
        return (self.quantized, self.indices, self.loss)[position]


# vmap and torch.compile must see through the result to the tensors in it.
_pytree.register_pytree_node(
    Quantized,
    lambda out: ([out.quantized, out.indices, out.loss, out.terms], None),
    lambda children, _: Quantized(*children),
    serialized_type_name="vqlab.Quantized",
)


class Flat(NamedTuple):
    """The result for latents as rows, before masks and layout are put back.

    Attributes:
        out: (N, D). indices: (N,) int64, or (N, levels). loss, terms: as in :class:`Quantized`.
    """

    out: Tensor
    indices: Tensor
    loss: Tensor
    terms: dict[str, Tensor]


class Quantizer(nn.Module):
    """Base of all quantizers: latents in any layout to rows, and the result back again.

    Attributes:
        channel_first: latents are (B, D, H, W) instead of (..., D).
        levels: length of the indices' last axis; None where they have none.
    """

    levels: int | None = None
    codebook: Any  # a module or method whose call returns the K x D table; stacks have none

    def __init__(self, channel_first: bool = False) -> None:
        super().__init__()
        self.channel_first = channel_first

    @property
    def codebook_size(self) -> int:
        """K, the number of codes."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """D, the dimension of a code."""
        raise NotImplementedError

    @property
    def working_dtype(self) -> torch.dtype:
        """The precision in which latents are quantized."""
        raise NotImplementedError

    @property
    def rules(self) -> list[Any]:
        """The updates (:mod:`vqlab.quantizers.updates`) as a plain list."""
        return []

    @property
    def uses_task_gradient(self) -> bool:
        """Whether codes learn from the gradient that arrives at ``quantized``, too."""
        return False

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """Quantizes the rows ``z`` (N, D).

        Args:
            z: finite where ``weights`` is 1, zero where it is 0.
            weights: (N,), 1 for a latent that counts and 0 for padding; None when all count.
            shape: of the latents before they became rows, D last.
        """
        raise NotImplementedError

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes (N, D) of indices (N,) or (N, levels), none of them negative but in stacks."""
        raise NotImplementedError

    def forward(self, latents: Tensor, mask: Tensor | None = None) -> Quantized:
        """Quantizes ``latents`` of shape (..., D), or (B, D, H, W) with ``channel_first``.

        Args:
            latents: float tensor; float16 and bfloat16 are quantized in float32.
            mask: bool, shape of the latents without D; False marks padding, which passes
                through unchanged and influences nothing.

        Returns:
            :class:`Quantized`. In training, too, ``quantized`` equals ``codebook()[indices]``
            read right after the call.

        Raises:
            ValueError: wrong dimension or mask shape; NaN or Inf latents (count, first position).
            TypeError: latents that are no tensor of floats, or of another precision than the codes.
        """
        if not isinstance(latents, Tensor):
            raise TypeError(f"latents must be a tensor of floats, got {type(latents).__name__}")
        kind = latents.device.type
        autocast = torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False) if autocast else nullcontext():
            last = latents.movedim(1, -1) if self.channel_first and latents.ndim > 1 else latents
            z, weights = self._flatten(latents, last, mask)
            flat = self.quantize_rows(z, weights, last.shape)
            return self._shape(flat, last, mask)

    def _flatten(
        self, latents: Tensor, last: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if not latents.is_floating_point():
            raise TypeError(f"latents must be floats, got {latents.dtype}")
        if last.ndim == 0 or last.shape[-1] != self.dim:
            layout = "(B, D, H, W)" if self.channel_first else "(..., D)"
            raise ValueError(
                f"latents of shape {tuple(latents.shape)} given; "
                f"expected {layout} with D = {self.dim}"
            )
        z = last if last.ndim == 2 else last.reshape(-1, self.dim)
        working = self.working_dtype
        if z.dtype != working:
            if z.dtype == torch.float64 or working == torch.float64:
                raise TypeError(
                    f"latents are {z.dtype} but the codes are {working}; "
                    "convert one of them, for example with quantizer.double()"
                )
            z = z.to(working)
        if mask is None:
            return z, None
        if mask.shape != last.shape[:-1] or mask.dtype != torch.bool:
            raise ValueError(
                f"mask must be bool of shape {tuple(last.shape[:-1])}, "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
        valid = mask.reshape(-1)
        # Padding may hold anything, NaN included: it must not reach the search or a sum.
        return torch.where(valid[:, None], z, 0.0), valid.to(working)

    def _shape(self, flat: Flat, last: Tensor, mask: Tensor | None) -> Quantized:
        out, indices, loss, terms = flat
        if last.ndim != 2:
            out = out.reshape(last.shape)
            indices = indices.reshape(last.shape[:-1] + indices.shape[1:])
        if out.dtype != last.dtype:
            out = out.to(last.dtype)
        if mask is not None:
            out = torch.where(mask[..., None], out, last)
            kept = mask if self.levels is None else mask[..., None]
            indices = torch.where(kept, indices, -1)
        if self.channel_first and last.ndim > 1:
            out = out.movedim(-1, 1)
        return Quantized(out, indices, loss, terms)

    def decode(self, indices: Tensor) -> Tensor:
        """The codes of ``indices``; zeros where the index is -1 (padding).

        Args:
            indices: as a forward pass returns them, integers of any width: (...), in stacks
                (..., levels).

        Returns:
            (..., D), or (B, D, H, W) with ``channel_first``.

        Raises:
            ValueError: an index outside -1 .. K-1, or a last axis of another length than levels.
            TypeError: no tensor of integers.
        """
        if not isinstance(indices, Tensor):
            raise TypeError(f"indices must be a tensor of integers, got {type(indices).__name__}")
        if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
            raise TypeError(f"indices must be a tensor of integers, got {indices.dtype}")
        indices = indices.long()  # torch takes eight bits for a mask
        if self.levels is not None and (indices.ndim == 0 or indices.shape[-1] != self.levels):
            raise ValueError(
                f"indices of shape {tuple(indices.shape)} given; "
                f"expected (..., {self.levels}), one for each level"
            )
        self._check_indices(indices)
        rows = indices.reshape(-1) if self.levels is None else indices.reshape(-1, self.levels)
        padding = rows < 0 if self.levels is None else (rows < 0).all(-1)
        codes = self.look_up(rows.clamp_min(0) if self.levels is None else rows)
        codes = torch.where(padding[:, None], 0.0, codes)
        outer = indices.shape if self.levels is None else indices.shape[:-1]
        codes = codes.reshape(*outer, self.dim)
        return codes.movedim(-1, 1) if self.channel_first and codes.ndim > 1 else codes

    def _check_indices(self, indices: Tensor) -> None:
        if indices.numel():
            low, high = (int(v) for v in torch.aminmax(indices))
            if low < -1 or high >= self.codebook_size:
                raise ValueError(
                    f"indices run from {low} to {high}; expected 0 to {self.codebook_size - 1} "
                    "(or -1 for padding)"
                )

    if TYPE_CHECKING:

        def __call__(self, latents: Tensor, mask: Tensor | None = None) -> Quantized: ...
