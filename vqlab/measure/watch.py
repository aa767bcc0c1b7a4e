"""One hooked module: what its last call showed, and the histories of its codebooks."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .adapters import Read, Reader, reader_of, rows
from .history import History


class Hook:
    """Calls the monitor, outside of what is compiled; copies of the model lose it.

    A copy (an average of the weights, a saved model) is not the model that trains.
    """

    def __init__(self, call: Callable[..., None], one: Watch) -> None:
        self.one = one
        # To ask the compiler for it loads the compiler: two seconds for everyone who has none.
        self.call = torch.compiler.disable(call) if "torch._dynamo" in sys.modules else call

    def __call__(self, module: nn.Module, *seen: Any) -> None:
        self.call(self.one, *seen)

    def __deepcopy__(self, memo: Any) -> Idle:
        return Idle()

    def __reduce__(self) -> Any:
        return Idle, ()


class Idle:
    """A hook that does nothing."""

    def __call__(self, *seen: Any) -> None:
        return None


class Watch:
    """A module, its reader, and a history for each of its codebooks.

    Attributes:
        name: of the module in the model. steps: calls in training mode.
        tables: the codes before the call in progress, where a frame is due.
    """

    def __init__(
        self, name: str, module: nn.Module, reader: Reader | Read, sizes: dict[str, int]
    ) -> None:
        self.name, self.module, self.sizes = name, module, sizes
        self.reader = reader if isinstance(reader, Reader) else None
        self.read = None if isinstance(reader, Reader) else reader
        levels = self.reader.levels(module) if self.reader else ("",)
        self.histories = {name + level: History(**sizes) for level in levels}
        self.tables: list[Tensor] = []
        self._sizes: list[int] = []
        if self.reader:
            with torch.no_grad():
                self._sizes = [len(table) for table in self.reader.codes(module)]
        self._latest: tuple[Any, list[Tensor], list[Tensor]] | None = None

    @property
    def steps(self) -> int:
        """Training steps seen."""
        return next(iter(self.histories.values())).steps

    def histories_due(self) -> bool:
        """Whether a frame is due; all codebooks of a module share their steps."""
        return next(iter(self.histories.values())).due

    def counts_call(self, kwargs: dict[str, Any]) -> bool:
        """Whether this call is a training step."""
        return self.module.training and not (self.reader and self.reader.skips(kwargs))

    def ready(self) -> bool:
        """Whether the codes are there already, or wait for the first batch."""
        return self.reader is None or self.reader.ready(self.module)

    def codes(self) -> list[Tensor]:
        """The tables as they are, copied; none while they wait for the first batch."""
        if self.reader is None or not self.ready():
            return []
        return [table.detach().clone() for table in self.reader.codes(self.module)]

    def seen(self, inputs: tuple[Any, ...], output: Any) -> None:
        """Remembers a call, without its graph; latents are only read when they are wanted."""
        if self.reader is None:
            assert self.read is not None
            latents, indices, table = _checked(self.read(self.module, inputs, output), self.name)
            self._latest = latents.detach(), [indices], [table.detach()]
        else:
            free = tuple(x.detach() if isinstance(x, Tensor) else x for x in inputs)
            chosen = self.reader.indices(self.module, inputs, output)
            self._latest = free, chosen, []

    def count(self) -> None:
        """The step's choices go into the histories."""
        assert self._latest is not None
        sizes = self._sizes or [len(self._latest[2][0])]
        for history, k, size in zip(
            self.histories.values(), self._latest[1], sizes, strict=True
        ):
            history.count(k, size)

    def forget(self) -> None:
        """The last call is no longer the present."""
        self._latest = None

    def keep(self) -> None:
        """A frame for each codebook, of the call just seen."""
        if self._latest is None:  # not called by the probe
            return
        for history, parts in zip(self.histories.values(), self._parts(), strict=True):
            history.add(*parts)
        self.tables = []

    def present(self, name: str) -> dict[str, Any] | None:
        """A frame of now that is not kept; None before the first call."""
        if self._latest is None:
            return None
        with torch.no_grad():
            self.tables = self.codes()
            parts = dict(zip(self.histories, self._parts(), strict=True))
            self.tables = []
        return self.histories[name].frame(*parts[name])

    def _parts(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Latents (N, D), codes (K, D) and indices of each codebook."""
        assert self._latest is not None
        given, chosen, tables = self._latest
        if self.reader is None:
            return [(given, tables[0], chosen[0])]
        device = chosen[0].device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            # Codes that were not there before the first batch are taken after it.
            tables = self.tables or [t.detach().clone() for t in self.reader.codes(self.module)]
            free = tuple(
                x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in given
            )
            z = self.reader.latents(self.module, free, chosen, tables)
        return list(zip(z, tables, chosen, strict=True))


def found_in(
    model: nn.Module,
    read: Read | None,
    watch: str | nn.Module | Sequence[str | nn.Module] | None,
) -> list[tuple[str, nn.Module, Reader | Read]]:
    """Name, module to hook and reader of each quantizer; a module in two places once."""
    modules = {_plain(name): module for name, module in model.named_modules()}
    if watch is not None or read is not None:
        wanted = [model] if watch is None else watch
        chosen: dict[str, nn.Module] = {}
        for item in [wanted] if isinstance(wanted, (str, nn.Module)) else wanted:
            name = next((n for n, m in modules.items() if m is item or n == item), None)
            if name is None:
                given = repr(item) if isinstance(item, str) else f"the {type(item).__name__} given"
                names = [n for n in modules if n]
                raise ValueError(
                    f"{given} is no module of the model; it has {', '.join(names[:20])}"
                    f"{', ...' if len(names) > 20 else ''}"
                )
            chosen[name] = modules[name]
        modules = chosen
    found: list[tuple[str, nn.Module, Reader | Read]] = []
    inside: set[int] = set()
    for name, module in modules.items():
        if id(module) in inside:
            continue
        known = (module, read) if read is not None else reader_of(module)
        if known is not None:
            inside |= {id(part) for part in module.modules()} | {id(known[0])}
            found.append((name or type(module).__name__, *known))
        elif watch is not None:
            raise ValueError(f"{name or type(module).__name__} is not known: pass read= for it")
    return found


def run_untouched(model: Any, inputs: tuple[Any, ...]) -> None:
    """Runs a model in evaluation mode and leaves modes and generators as they were.

    Wrappers of compilers and of distributed training stay outside: nothing is traced or sent.
    """
    model = model.module if hasattr(model, "device_ids") else model
    model = getattr(model, "_orig_mod", model)
    modes = [(part, part.training) for part in model.modules()]
    python, numbers = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            model.eval()(*inputs)
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        for part, training in modes:
            part.training = training


def _plain(name: str) -> str:
    """A module's name without what compilers and wrappers put around it."""
    return ".".join(p for p in name.split(".") if p not in ("_orig_mod", "module"))


def _checked(seen: Any, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """What ``read`` returned, latents as rows, or an error in words."""
    if not (isinstance(seen, tuple) and len(seen) == 3 and all(map(torch.is_tensor, seen))):
        raise TypeError(f"{name}: read must return three tensors (latents, indices, codebook)")
    latents, indices, table = seen
    if table.ndim != 2 or indices.is_floating_point():
        raise TypeError(
            f"{name}: read gave a codebook of shape {tuple(table.shape)} and indices of "
            f"{indices.dtype}; expected (K, D) and integers"
        )
    dim = table.shape[1]
    first = latents.ndim > 2 and latents.shape[-1] != dim and latents.shape[1] == dim
    flat = rows(latents, dim, first)
    if len(flat) != indices.numel():
        raise ValueError(
            f"{name}: read gave latents of shape {tuple(latents.shape)}, {len(flat)} of the "
            f"codebook's length {dim}, and {indices.numel()} indices; expected as many, and a "
            f"codebook (K, D), got {tuple(table.shape)}"
        )
    return flat, indices, table
