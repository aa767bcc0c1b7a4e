"""Where codes start: at random, on latents of the first batch, or on their k-means or splitting."""

from __future__ import annotations

import torch
from torch import Tensor

from .processes import agreed, gathered
from .search.checks import refuse_nonfinite
from .splitting import lbg

DATA_DRIVEN = ("first-batch", "kmeans", "lbg")
CHOICES = ("uniform", "normal", *DATA_DRIVEN)


def seeded(seed: int | torch.Generator | None) -> torch.Generator | None:
    """A generator from a seed; None means torch's own."""
    if seed is None or isinstance(seed, torch.Generator):
        return seed
    return torch.Generator().manual_seed(seed)


class forked:
    """Runs torch's module initialisers from ``generator``, leaving the global state as it was."""

    def __init__(self, generator: torch.Generator | None) -> None:
        self.generator = generator

    def __enter__(self) -> None:
        if self.generator is not None:
            self.before = torch.get_rng_state()
            torch.manual_seed(int(torch.randint(2**62, (), generator=self.generator)))

    def __exit__(self, *error: object) -> None:
        if self.generator is not None:
            torch.set_rng_state(self.before)


def starting_codes(
    init: str | Tensor, codebook_size: int, dim: int, generator: torch.Generator | None
) -> Tensor:
    """The (K, D) codes before any data; a placeholder where ``init`` waits for the first batch.

    Raises:
        ValueError: unknown name, or a tensor of another shape or with values that are not finite.
    """
    if isinstance(init, Tensor):
        if init.shape != (codebook_size, dim):
            raise ValueError(
                f"init has shape {tuple(init.shape)}; expected (K, D) = ({codebook_size}, {dim})"
            )
        refuse_nonfinite("the codes of init", init)
        return init.detach().clone().to(torch.promote_types(init.dtype, torch.float32))
    if init not in CHOICES:
        raise ValueError(f"unknown init {init!r}; choose one of {', '.join(CHOICES)}, or a tensor")
    if init == "normal":
        return torch.randn(codebook_size, dim, generator=generator)
    return (2 * torch.rand(codebook_size, dim, generator=generator) - 1) / codebook_size


def first_codes(
    init: str, latents: Tensor, codebook_size: int, generator: torch.Generator | None
) -> Tensor:
    """The (K, D) codes drawn from all processes' first latents (N, D), alike on every process.

    "first-batch" takes distinct latents; with fewer latents than codes the rest are repeats with
    noise of a hundredth of the spread, so that no two codes coincide.

    Raises:
        ValueError: "kmeans" or "lbg" with more codes than latents; latents that are not finite.
    """
    latents = gathered(latents)
    count = latents.shape[0]
    if not bool(torch.isfinite(latents).all()):
        raise ValueError("the first batch holds non-finite latents; codes cannot start on them")
    if init == "kmeans":
        from sklearn.cluster import KMeans  # a second to import, and only needed here

        if codebook_size > count:
            raise ValueError(
                f"k-means initialisation needs at least as many latents as codes: "
                f"{codebook_size} codes, {count} latents in the first batch"
            )
        state = int(torch.randint(2**31 - 1, (), generator=generator))
        points = latents.detach().cpu().double().numpy()
        centers = KMeans(codebook_size, n_init=1, random_state=state).fit(points).cluster_centers_
        codes = torch.from_numpy(centers).to(latents)
    elif init == "lbg":
        codes = lbg(latents.detach(), codebook_size)
    else:
        order = torch.randperm(count, generator=generator)[:codebook_size]
        repeats = torch.randint(count, (codebook_size - len(order),), generator=generator)
        codes = latents[torch.cat([order, repeats]).to(latents.device)].clone()
        if len(repeats):
            noise = torch.randn(len(repeats), latents.shape[1], generator=generator).to(latents)
            codes[len(order) :] += 0.01 * latents.std(0, correction=0) * noise
    return agreed(codes)
