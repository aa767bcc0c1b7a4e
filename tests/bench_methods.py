"""One training step of every method of the table, beside its peer where there is one."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from bench_clock import contest, extra_memory

import vqlab

try:
    import vector_quantize_pytorch as peer
except ImportError:
    peer = None

Shape = tuple[int, int, int]
# What a lattice or a map is asked for at a size of about K; all others take K itself.
OPTIONS: dict[str, dict[str, Any]] = {"vqgan-fc": {"code_dim": 16}}
LEVELS = {1024: [8, 5, 5, 5], 8192: [8, 8, 8, 5, 3]}
# Defined by an N x K table of logits or ranks: gigabytes at the large size.
DENSE = ("ibq", "gumbel", "sq-vae", "hyper-vq", "mlr-vq", "neural-gas", "ot-vq", "cvq", "fscl")


def _ours(name: str, dim: int, size: int) -> torch.nn.Module:
    if name == "fsq":
        size = int(torch.tensor(LEVELS[size]).prod())
        levels = LEVELS[1024 if size == 1000 else 8192]
        return vqlab.make(name, dim, size, levels=levels, seed=0)
    return vqlab.make(name, dim, size, seed=0, **OPTIONS.get(name, {}))


def _theirs(dim: int, size: int) -> dict[str, Callable[[], torch.nn.Module]]:
    """With the same settings where theirs can be set so."""

    def table(**settings: Any) -> torch.nn.Module:
        return peer.VectorQuantize(dim, size, **{"rotation_trick": False, **settings})

    gradient = {"learnable_codebook": True, "ema_update": False}
    small = {"codebook_dim": 16, "use_cosine_sim": True}  # by averages: theirs has no other
    bits = {"dim": dim, "codebook_size": size}
    return {
        "vq": lambda: table(**gradient),
        "ema": lambda: table(decay=0.99),
        "ema-revival": lambda: table(decay=0.99, threshold_ema_dead_code=2),
        "simvq": lambda: peer.SimVQ(dim, size, rotation_trick=False),
        "rotation": lambda: table(rotation_trick=True),
        "diveq": lambda: table(
            **gradient, directional_reparam=True, threshold_ema_dead_code=2
        ),
        "affine-vq": lambda: table(**gradient, affine_param=True),
        "vqgan-fc": lambda: table(**small),
        "fsq": lambda: peer.FSQ(LEVELS[size], dim=dim),
        "lfq": lambda: peer.LFQ(**bits),
        "bsq": lambda: peer.LFQ(**bits, spherical=True),
    }


def _step(module: torch.nn.Module, latents: torch.Tensor) -> Callable[[], object]:
    latents = latents[None].clone().requires_grad_()

    def step() -> None:
        quantized, *rest = module(latents)
        # FSQ has no loss of its own, and theirs returns none.
        losses = [quantized.square().mean(), *(value.sum() for value in rest[1:])]
        sum(losses).backward()
        latents.grad = None
        module.zero_grad(set_to_none=True)

    module.train()
    return step


def methods(shape: Shape, seconds: float) -> Iterator[dict[str, Any]]:
    """Forward and backward in training; memory beyond the latents."""
    count, dim, size = shape
    latents = torch.randn(count, dim, generator=torch.Generator().manual_seed(0))
    others = _theirs(dim, size) if peer else {}
    for entry in vqlab.methods():
        name = entry.name
        if size > 1024 and name in DENSE:
            continue
        jobs = {name: _step(_ours(name, dim, size), latents)}
        jobs[name]()
        memory = extra_memory(jobs[name])
        bars: list[tuple[str, float, float]] = [("MiB", memory, float("inf"))]
        if name in others:
            jobs["theirs"] = _step(others[name](), latents)
        times = contest(jobs, seconds)
        if name in others:
            # Never slower; four times as fast where theirs searches a table as ours does.
            most = 0.25 if name in ("vq", "ema", "ema-revival", "rotation", "diveq") else 1.0
            bars.insert(0, ("theirs", times.ratio(name, "theirs"), most))
        yield {"name": name, "seconds": times.median(name), "bars": bars, "busy": times.busy}
