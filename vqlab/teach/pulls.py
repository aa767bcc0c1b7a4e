"""Checks of the course's exercises on gradients, kernels and rules that move the codes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqlab.teach.checks import Array, _pair, _passed, _quiet, compare
from vqlab.teach.game import CODES, challenge
from vqlab.teach.own_rule import Rule


def check_gradients(
    function: Callable[[Array, Array, NDArray[np.int64], Array, float], Any],
) -> str:
    r"""Check ``function(z (N, D), codes (K, D), indices (N,), g (N, D), beta) -> (dz, dc)``.

    The gradients of a vector quantizer with straight-through, where g is what arrives at its
    output: :math:`dz_n = g_n + \tfrac{2\beta}{ND} (z_n - c_{k_n})` and
    :math:`dc_k = \tfrac{2}{ND} \sum_{n: k_n = k} (c_k - z_n)`.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(7)
    for count, size, dim, beta in ((6, 3, 2, 0.25), (15, 5, 3, 1.5)):
        z, g = rng.normal(size=(count, dim)), rng.normal(size=(count, dim))
        codes, chosen = rng.normal(size=(size, dim)), rng.integers(0, size - 1, count)
        dz, dc = _pair("gradients", _quiet(function, z, codes, chosen, g, beta))
        scale, away = 2 / (count * dim), z - codes[chosen]
        compare("gradient of the latents", dz, g + beta * scale * away, {
            "the commitment's part is missing: 2 beta (z - c) / (N D).": g,
            "g is missing: straight-through hands it on as it is.": beta * scale * away,
            "beta is missing.": g + scale * away,
            "the commitment's sign is wrong. It pulls the latent to its code; this is a gradient, "
            "and descent goes against it.": g - beta * scale * away,
            "the 2 of the square is missing.": g + beta * scale / 2 * away,
            "the loss is a mean over N D numbers: divide by N D, not by N.":
                g + beta * scale * dim * away,
            "the loss is a mean: divide by N D.": g + 2 * beta * away,
        })  # fmt: skip
        pulled, arrived = np.zeros((2, size, dim))
        np.add.at(pulled, chosen, -scale * away)
        np.add.at(arrived, chosen, g)
        compare("gradient of the codes", dc, pulled, {
            "g went to the codes as well. Straight-through hands it past them.": pulled + arrived,
            "the gradient of the commitment went to the codes. It stops before them.":
                (1 + beta) * pulled,
            "beta weighs the commitment only, not the codebook loss.": beta * pulled,
            "the sign is wrong: descent would drive codes away from their latents.": -pulled,
            "the 2 of the square is missing.": pulled / 2,
            "the loss is a mean over N D numbers: divide by N D, not by N.": pulled * dim,
            "the loss is a mean: divide by N D.": pulled * 2 / scale,
        })  # fmt: skip
    return _passed("gradients")


def kernel_pull(latents: Array, codes: Array, tau: float, chosen_too: bool = False) -> Array:
    """The reference: mean over the latents of w_nk (z_n - c_k), w softmax over codes, (K, D)."""
    gap = latents[:, None] - codes[None]
    squared = (gap**2).sum(2)
    weight = _softmax(-squared / tau, 1)
    if not chosen_too:
        np.put_along_axis(weight, squared.argmin(1)[:, None], 0.0, 1)
    return (weight[:, :, None] * gap).mean(0)


def check_kernel_pull(function: Callable[[Array, Array, float], Any]) -> str:
    r"""Check ``function(latents (N, D), codes (K, D), tau) -> pull (K, D)``.

    .. math:: \frac1N \sum_n w_{nk} (z_n - c_k), \qquad
        w_{nk} = \mathrm{softmax}_k(-|z_n - c_k|^2 / \tau), \text{ and } 0 \text{ for the chosen } k

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(8)
    for count, size, tau in ((8, 4, 1.0), (20, 6, 3.0)):
        latents, codes = rng.normal(size=(count, 2)), rng.normal(size=(size, 2))
        gap = latents[:, None] - codes[None]
        squared = (gap**2).sum(2)
        off = np.ones((count, size))
        np.put_along_axis(off, squared.argmin(1)[:, None], 0.0, 1)

        def pulled(weight: Array, gap: Array = gap, off: Array = off) -> Array:
            return ((weight * off)[:, :, None] * gap).mean(0)

        right = kernel_pull(latents, codes, tau)
        got = _quiet(function, latents, codes, tau)
        compare("kernel's pull", got, right, {
            "the chosen code takes part. Its weight is 0 here: the codebook loss pulls it.":
                kernel_pull(latents, codes, tau, chosen_too=True),
            "the softmax goes over the codes, axis 1, not over the latents.":
                pulled(_softmax(-squared / tau, 0)),
            "the weights are not divided by their sum over the codes.":
                pulled(np.exp(-squared / tau)),
            "the sum of the weights must hold the chosen code's, too: set it to 0 afterwards.":
                pulled(_softmax(np.where(off > 0, -squared / tau, -np.inf), 1)),
            "the distance enters squared.": pulled(_softmax(-np.sqrt(squared) / tau, 1)),
            "divide by tau.": pulled(_softmax(-squared, 1)),
            "divide by tau, do not multiply.": pulled(_softmax(-squared * tau, 1)),
            "the sign in the exponent is wrong: far codes get the weight.":
                pulled(_softmax(squared / tau, 1)),
            "this pushes codes away. The pull is z - c.": -right,
            "this is the sum over the latents. Take the mean.": right * count,
        })  # fmt: skip
    return _passed("kernel's pull")


def check_rescues(
    revive: Callable[[Array, NDArray[np.int64], Array], Any],
    carry: Callable[[Array, Array, Array, float], Any],
) -> str:
    r"""Check two ways to save codes.

    ``revive(codes (K, D), hits (K,), latents (B, D)) -> (K, D)``: codes without a hit take the
    places of latents[0], latents[1], …, in order; the others stay.
    ``carry(codes (K, D), latents (N, D), moves (N, D), tau) -> (K, D)``: every code moves by
    :math:`\sum_n \kappa_{nk} \delta_n / \sum_n \kappa_{nk}`, with
    :math:`\kappa_{nk} = e^{-|z_n - c_k|^2 / \tau}`.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(9)
    for size, tau in ((5, 1.0), (8, 4.0)):
        codes, latents = rng.normal(size=(size, 2)), rng.normal(size=(30, 2))
        moves = np.stack([latents[:, 0], np.full(30, 0.5)], 1) / 3
        hits = rng.integers(1, 9, size)
        hits[[1, 3]] = 0
        placed = codes.copy()
        placed[[1, 3]] = latents[:2]
        same, shifted = codes.copy(), codes.copy()
        same[[1, 3]], shifted[[1, 3]] = latents[0], latents[[1, 3]]
        given = codes.copy()
        compare("revive", _quiet(revive, given, hits, latents), placed, {
            "nothing was revived.": codes,
            "all dead codes went to one place. They would share its latents for ever.": same,
            "latents are taken in order: the first dead code gets latents[0].": shifted,
            "these are the living that were moved.":
                np.where(hits[:, None] > 0, latents[:size], codes),
            "all codes were replaced. Those with hits stay.": latents[:size],
        })  # fmt: skip
        assert np.array_equal(given, codes), (
            "revive: the codes that were handed in have changed. Work on a copy."
        )
        squared = ((latents[:, None] - codes[None]) ** 2).sum(2)
        kernel = np.exp(-squared / tau)
        step = kernel.T @ moves / kernel.sum(0)[:, None]
        got = _quiet(carry, codes.copy(), latents, moves, tau)
        compare("carry", got, codes + step, {
            "these are the moves of the codes. Add them to the codes.": step,
            "the codes go against the drift.": codes - step,
            "divide by the sum of the kernel over the latents.": codes + kernel.T @ moves,
            "you divided by N. Divide by the sum of the kernel.": codes + kernel.T @ moves / 30,
            "all codes move alike. Weigh the moves with the kernel.": codes + moves.mean(0),
            "the kernel is divided by its sum over the codes. Each code needs a mean over the "
            "latents.": codes + (kernel / kernel.sum(1, keepdims=True)).T @ moves,
            "the distance enters squared.": codes + _mean(np.exp(-np.sqrt(squared) / tau), moves),
            "divide by tau, do not multiply.": codes + _mean(np.exp(-squared * tau), moves),
            "only the nearest code of each latent moves. Carrying is for all.":
                codes + _mean((squared == squared.min(1, keepdims=True)) + 1e-300, moves),
        })  # fmt: skip
    far = _quiet(carry, np.full((1, 2), 100.0), np.zeros((4, 2)), np.ones((4, 2)), 1.0)
    assert np.isfinite(np.asarray(far)).all(), (
        "carry: NaN for a code far from all latents: 0/0. Take the smallest distance out of the "
        "exponent first; the ratio stays the same."
    )
    return _passed("rescues")


def check_own_rule(rule: Rule) -> str:
    """Check ``rule(codes (K, D), latents (B, D), indices (B,)) -> codes (K, D)`` in a challenge.

    It has to get more points than vq and ema in ``challenge("exercise")``.

    Raises:
        AssertionError: with the likely mistake. ValueError: no table of codes came back.
    """
    game, bar = challenge("exercise"), _bar()
    reached = game.score(rule)
    if reached.points > bar:
        return f"{_passed('own rule')}. {reached}; vq and ema get at most {bar:.0f}"
    run = game.practice(rule)
    moved = np.abs(np.diff(run.codes, axis=0)).max(2) > 0
    idle = run.hits[1:] == 0
    words = "Some codes are in use; are they at the means of their cells? Try a larger rate."
    if not moved.any():
        words = "No code ever moves."
    elif not moved[~idle].any():
        words = "Codes that were hit do not move."
    elif not moved[idle].any():
        words = "Codes without a hit never move, so what the cloud has left stays behind."
    elif run.distortion[-1] > 4 * np.mean(run.latents[-1].var(0).sum()):
        words = "The codes are farther from the latents than one code at their mean would be."
    elif run.utilization[-1] < 4 / CODES:
        words = "Nearly all codes are in one place, and one of them takes all latents."
    raise AssertionError(f"own rule: {reached}; vq and ema get up to {bar:.0f}. {words}")


@lru_cache
def _bar() -> float:
    """What an own rule has to beat; the same every time."""
    return max(challenge("exercise").score(name).points for name in ("vq", "ema"))


def _softmax(values: Array, axis: int) -> Array:
    raised = np.exp(values - values.max(axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis, keepdims=True))


def _mean(kernel: Any, moves: Array) -> Array:
    return np.asarray(kernel.T @ moves / kernel.sum(0)[:, None])
