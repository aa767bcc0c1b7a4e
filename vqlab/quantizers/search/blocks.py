"""Nearest codes by blocks: a cheap filter with a proven error bound, then differences in float64.

A filter forms scores of all codes by a matrix product, block after block in one scratch buffer, and
keeps per latent the codes whose score lies within twice the filter's error of the lowest. Mostly
that is one code. Where it is more, distances are formed from differences, first in float32, then
in float64. A latent with too many codes left is handed to the next, more precise filter.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checks import refuse_nonfinite
from .crew import Crew
from .filters import FloatFilter, OutOfRange
from .half import HalfFilter, half_wins
from .pairs import settle
from .plan import GROUP, Plan, keeps, scratch, shaped, slices

Array = NDArray[Any]

# Groups per latent and block that may come near the lowest score before the filter gives up on it.
_CROWD = 16


class Filter(Protocol):
    """Scores by a matrix product, and how far from the lowest score the nearest code may lie."""

    dtype: torch.dtype
    columns: int

    def write_codes(self, codes: Tensor, table: Tensor) -> None:
        """Fills the right factor (W, columns), W >= K; rows past the codes score above any code."""

    def row_table(self, latents: Tensor) -> Tensor:
        """(R, columns) left factor; remembers what the threshold needs of these latents."""

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """left @ right.t() into ``out``."""

    def ordered(self, scores: Tensor) -> Tensor:
        """The scores, viewed in a dtype of the same order."""

    def threshold(self, lowest: Array) -> Array:
        """(R,) the highest ordered score the nearest code can have, given the lowest seen."""

    def absorb(self, others: Sequence[Self]) -> None:
        """Takes over what copies of this filter have learnt from the codes they wrote."""


def nearest_blocks(latents: Tensor, codes: Tensor, half: bool | None = None) -> Tensor:
    """(N,) int64, the index of the nearest code, the lowest one of equals.

    Args:
        latents: (N, D), N >= 1, contiguous float32 or float64 on the CPU. codes: (K, D), likewise.
        half: whether to filter in bf16 first; None where that is faster.
    """
    found = np.full(len(latents), -1)
    for filter_ in _filters(latents, codes, half):
        left = np.flatnonzero(found < 0)
        rest = latents if len(left) == len(found) else latents[torch.from_numpy(left)]
        try:
            found[left] = _search(rest, codes, filter_)
        except OutOfRange:
            refuse_nonfinite("codes", codes)
        if found.min() >= 0:
            break
    else:
        left = np.flatnonzero(found < 0)
        found[left] = _lowest(latents[torch.from_numpy(left)], codes, filter_)
    return torch.from_numpy(found)


def _filters(latents: Tensor, codes: Tensor, half: bool | None) -> Iterator[Filter]:
    """From the fastest to the most precise."""
    centre, told_apart = _centre(latents, codes)
    if latents.dtype == torch.float32 and centre.dtype == torch.float32:
        if half if half is not None else told_apart and half_wins(*codes.shape):
            yield HalfFilter(centre)
        yield FloatFilter(centre)
    yield FloatFilter(centre.double())


def _centre(latents: Tensor, codes: Tensor) -> tuple[Tensor, bool]:
    """(D,) what is taken from latents and codes; whether bf16 can tell the codes apart around it.

    Errors grow with the distances to the centre of the latents and of the codes that compete.
    Around the latents' mean both are small, and codes far from all latents do no harm. But where
    the codes lie close together, all compete, and are nearer to their own mean. A sample tells.
    float64 where float32 does not hold the mean.
    """
    mean = latents.mean(0)
    if not math.isfinite(float(mean.sum())):
        refuse_nonfinite("latents", latents)
        return latents.double().mean(0), False
    some, table = latents[:: -(-len(latents) // 256)], codes[:: -(-len(codes) // 256)]
    other = table.mean(0)
    norm = torch.linalg.vector_norm
    spread = float(norm(some - mean, dim=1).mean())
    near = float(norm(table - mean, dim=1).min()) + spread
    radius = float(norm(table - other, dim=1).max())
    apart = float(norm(other - mean)) + spread
    # Scores differ by about apart * radius; bf16 is off by 2^-8 of apart^2 / 2, or, where the
    # length of the codes is known before any score, of apart * radius. Then they differ enough
    # unless codes come in heaps: one in ten is followed by another of its heap.
    told_apart = radius > apart / 8
    if not told_apart and keeps(len(mean) + 4, torch.bfloat16, len(codes)) and len(table) > 1:
        gaps = norm(table[1:] - table[:-1], dim=1)
        told_apart = float(gaps.kthvalue(1 + len(gaps) // 10).values) > radius / 16
    if radius * (apart + radius) < near * (spread + near):
        return other, told_apart
    return mean, told_apart


class _Candidates(NamedTuple):
    """Pairs of a latent and a code that may be nearest, among some latents and some codes."""

    row: Array
    code: Array
    value: Array
    lowest: Array  # (R,) lowest score of each latent
    crowded: Array  # (R,) latents with too many candidates, of which some are not listed
    filter_: Filter


def _search(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the nearest code, -1 where the filter leaves too many."""
    crew = Crew(len(latents) * codes.numel())
    plan = Plan(filter_.columns, filter_.dtype, len(latents), len(codes), crew.workers)
    found = np.full(len(latents), -1)
    table = torch.empty(0)

    def own() -> Filter:
        # What it remembers of some rows is one thread's own; what of some codes, these rows' own.
        return filter_ if crew.workers == 1 and plan.kept else copy.copy(filter_)

    if plan.kept:
        table = torch.empty(plan.width, filter_.columns, dtype=filter_.dtype)

        def write(part: slice) -> Filter:
            mine = own()
            last = part.stop == len(codes)
            mine.write_codes(codes[part], table[part.start : None if last else part.stop])
            return mine

        filter_.absorb(crew.map(write, slices(len(codes), -(-len(codes) // crew.workers))))

    def candidates(rows: slice, span: slice) -> _Candidates:
        return _candidates(latents[rows], codes, span, own(), table, plan.block)

    def finish(rows: slice, parts: list[_Candidates]) -> None:
        _finish(latents[rows], codes, parts, found[rows])

    if len(plan.spans) == 1:
        crew.map(lambda rows: finish(rows, [candidates(rows, plan.spans[0])]), plan.rows)
    else:
        for rows in plan.rows:
            finish(rows, crew.map(functools.partial(candidates, rows), plan.spans))
    return found


def _finish(latents: Tensor, codes: Tensor, parts: list[_Candidates], found: Array) -> None:
    """Writes the nearest of each latent's candidates to ``found``."""
    row, code = parts[0].row, parts[0].code
    if len(parts) > 1:
        filter_ = parts[0].filter_
        filter_.absorb([part.filter_ for part in parts])
        limit = filter_.threshold(np.minimum.reduce([part.lowest for part in parts]))
        crowded = np.logical_or.reduce([part.crowded for part in parts])
        row, code, _ = _pruned([part[:3] for part in parts], limit, crowded)
    found[row] = code
    several = np.bincount(row, minlength=len(found))[row] > 1
    settle(latents, codes, row[several], code[several], found)


def _candidates(
    latents: Tensor, codes: Tensor, span: slice, filter_: Filter, table: Tensor, block: int
) -> _Candidates:
    """The pairs of all latents given with the codes of a span that may be nearest."""
    rows = len(latents)
    left = filter_.row_table(latents)
    kept = len(table) > 0
    if not kept:
        table = torch.empty(block, filter_.columns, dtype=filter_.dtype)
    crowded, any_crowded = np.zeros(rows, bool), False
    lowest: Array | None = None
    width, listed = 0, 0
    pairs: list[tuple[Array, Array, Array]] = []
    for start in range(span.start, span.stop, block):
        stop = min(start + block, span.stop)
        # Group g of a block holds its codes g, g + L, ..., L = width / GROUP: lanes run along them.
        lanes = -(-(stop - start) // GROUP)
        if width != lanes * GROUP:
            width = lanes * GROUP
            raw = shaped(scratch.scores, filter_.dtype, rows, width)
            scores = filter_.ordered(raw)
            groups = shaped(scratch.groups, scores.dtype, rows, lanes)
            by_group = scores.view(rows, GROUP, lanes)
        right = table[start : start + width] if kept else table[:width]
        if not kept:
            filter_.write_codes(codes[start:stop], right)
        filter_.product(left, right, raw)
        torch.amin(by_group, 1, out=groups)
        here = torch.amin(groups, 1).numpy()
        lowest = here if lowest is None else np.minimum(lowest, here)
        limit = filter_.threshold(lowest)
        # The longer a row has been searched, the less often a block comes near its lowest.
        close = here <= limit
        if any_crowded:
            close &= ~crowded
        active = np.flatnonzero(close)
        if len(active) == rows:
            near = groups.numpy() <= limit[:, None]
        else:
            near = groups.numpy().take(active, 0) <= limit.take(active)[:, None]
        if np.count_nonzero(near) > _CROWD * len(active):
            any_crowded = True
            many = np.count_nonzero(near, axis=1) > _CROWD
            crowded[active[many]] = True
            near[many] = False
        flat = np.flatnonzero(near)
        at = flat // lanes
        row, lane = active.take(at), flat - at * lanes
        value = by_group[torch.from_numpy(row), :, torch.from_numpy(lane)].numpy()
        flat = np.flatnonzero(value <= limit.take(row)[:, None])
        at = flat // GROUP
        row = row.take(at)
        code = lane.take(at) + (flat - at * GROUP) * lanes + start
        pairs.append((row, code, value.take(flat)))
        listed += len(row)
        if listed > 2 * _CROWD * rows:
            pairs = [_pruned(pairs, limit, crowded)]
            listed, any_crowded = len(pairs[0][0]), True
            crowded |= np.bincount(pairs[0][0], minlength=rows) > _CROWD
        if any_crowded and crowded.all():
            break
    assert lowest is not None
    if len(pairs) > 1 or any_crowded:
        pairs = [_pruned(pairs, limit, crowded)]
    return _Candidates(*pairs[0], lowest, crowded, filter_)


def _pruned(
    pairs: list[tuple[Array, Array, Array]], limit: Array, crowded: Array
) -> tuple[Array, Array, Array]:
    if len(pairs) > 1:
        row, code, value = (np.concatenate(column) for column in zip(*pairs, strict=True))
    else:
        row, code, value = pairs[0]
    keep = (value <= limit[row]) & ~crowded[row]
    return row[keep], code[keep], value[keep]


def _lowest(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the lowest score alone, the lowest one of equals."""
    found = np.empty(len(latents), np.int64)
    plan = Plan(filter_.columns, filter_.dtype, len(latents), len(codes), 1)
    table = torch.empty(plan.block, filter_.columns, dtype=filter_.dtype)
    for rows in plan.rows:
        left = filter_.row_table(latents[rows])
        best, least = found[rows], np.full(len(left), np.inf)
        for span in slices(len(codes), plan.block):
            right = table[: span.stop - span.start]
            filter_.write_codes(codes[span], right)
            scores = shaped(scratch.scores, filter_.dtype, len(left), len(right))
            filter_.product(left, right, scores)
            here = scores.numpy().argmin(1)
            value = np.take_along_axis(scores.numpy(), here[:, None], 1)[:, 0]
            better = value < least
            best[better], least[better] = span.start + here[better], value[better]
    return found
