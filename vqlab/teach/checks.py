"""Checks of exercises: a reader's function against the truth, and against the usual mistakes.

Each check feeds a function with small random inputs. Where the result equals what a known mistake
gives, the message names that mistake; otherwise it shows what was expected and what came. The
pattern for a new check is one call of ``compare`` for each input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def compare(
    what: str,
    got: Any,
    expected: Any,
    mistakes: Mapping[str, Any] | None = None,
    rtol: float = 1e-4,
) -> None:
    """Assert that a result is the expected one, and name the mistake where it is a known one.

    Args:
        what: the name of what is checked, to begin the message with.
        got: the reader's result; anything that numpy or torch can hold.
        expected: the right result.
        mistakes: hint -> the result that this mistake leads to.
        rtol: relative tolerance; the default leaves room for float32.

    Raises:
        AssertionError: nothing returned, another shape, NaN, a known mistake, or other values.
    """
    assert got is not None, f"{what}: nothing came back. Did you forget to return the result?"
    truth = np.asarray(expected)
    result = _array(what, got)
    assert result.shape == truth.shape, (
        f"{what}: expected shape {truth.shape}, got {result.shape}. Over which axis did you go?"
    )
    if _close(result, truth, rtol):
        return
    for hint, wrong in (mistakes or {}).items():
        if np.shape(wrong) == result.shape and _close(result, np.asarray(wrong), rtol):
            raise AssertionError(f"{what}: {hint}")
    if result.dtype.kind == "f" and np.isnan(result).any() and not np.isnan(truth).any():
        raise AssertionError(f"{what}: NaN came back. Is there a 0/0 or a logarithm of 0?")
    raise AssertionError(f"{what}: expected {_short(truth)}, got {_short(result)}")


def check_centroids(function: Callable[[Array, Array, int], Any]) -> str:
    """Check ``function(latents (N, D), indices (N,), codebook_size K) -> (K, D)``, means of cells.

    A code without latents has no mean; its row is expected to be NaN, so that it cannot be mistaken
    for a place.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(1)
    for count, size in ((12, 3), (30, 6)):
        latents = rng.normal(size=(count, 2)) + 1
        indices = rng.integers(0, size - 1, size=count)  # the last code gets no latent
        sums, counts = np.zeros((size, 2)), np.zeros((size, 1))
        np.add.at(sums, indices, latents)
        np.add.at(counts, indices, 1)
        means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        zeros = np.nan_to_num(means)
        wrong = {
            "these are the sums of the cells. Divide by their counts.": sums,
            "you divided by all N latents. Divide each sum by the count of its own cell.":
                sums / count,
            "the sums of empty cells were divided by 1. An empty cell has no mean: NaN.": zeros,
            "every cell has the mean of all latents. Select those of the cell first.":
                np.broadcast_to(latents.mean(0), means.shape),
        }  # fmt: skip
        compare("centroids", _quiet(function, latents, indices, size), means, wrong)
    return _passed("centroids")


def check_critical_speed(function: Callable[[float, int, float], Any]) -> str:
    """Check ``function(rate, codebook_size, width) -> speed`` at which a code is lost.

    A code hit by the share p = 1/K of the latents lags v / (rate p); it falls out of its cell when
    the lag exceeds half the cell's width: v = rate / K * width / 2.

    Raises:
        AssertionError: with the likely mistake.
    """
    for rate, size, width in ((0.5, 64, 0.3), (1.0, 16, 0.8), (0.1, 256, 2.0)):
        wrong = {
            "twice too fast: the code is lost half a cell away, not a whole one.":
                rate / size * width,
            "K times too fast: a code is hit by a share of 1/K of the latents only.":
                rate * width / 2,
            "a larger codebook is more fragile, not less. Is p = 1/K where it belongs?":
                rate * size * width / 2,
            "a larger rate follows a larger speed. Solve lag = v / (rate p) for v.":
                width / (2 * rate * size),
            "this is the lag in units of speed, 1 / (rate p). Set the lag to half a width.":
                size / rate,
        }  # fmt: skip
        compare("critical speed", function(rate, size, width), rate / size * width / 2, wrong)
    return _passed("critical speed")


def check_perplexity(function: Callable[[Array], Any]) -> str:
    """Check ``function(counts (K,)) -> perplexity``, exp of the entropy of the shares.

    Raises:
        AssertionError: with the likely mistake.
    """
    for counts in (np.array([4, 3, 2, 1]), np.array([10, 0, 5, 1, 0]), np.array([7, 7, 7])):
        _compare_perplexity(_quiet(function, counts), counts)
    return _passed("perplexity")


def _compare_perplexity(got: Any, counts: Array) -> None:
    share = counts / counts.sum()
    log = np.log(share, out=np.zeros(len(share)), where=share > 0)
    entropy = -(share * log).sum()
    compare("perplexity", got, np.exp(entropy), {
        "this is the entropy. The perplexity is its exponential.": entropy,
        "2 to the entropy in nats. Use exp, or take the logarithm to base 2.": 2.0**entropy,
        "e to the entropy in bits. Use the natural logarithm, or 2 to the power.":
            np.exp(entropy / np.log(2)),
        "this is 1 / perplexity. Check the sign of the entropy.": np.exp(-entropy),
        "this is the number of codes in use; perplexity also asks how evenly.":
            float((counts > 0).sum()),
        "the logarithm goes over the shares, not over the counts.":
            np.exp(-(share * np.log(np.maximum(counts, 1))).sum()),
        "NaN: 0 log 0 is 0 here. Leave out the codes without a draw.": np.nan,
    })  # fmt: skip


def _array(what: str, got: Any) -> Array:
    if hasattr(got, "detach"):
        got = got.detach().cpu().numpy()
    try:
        out = np.asarray(got)
    except ValueError as error:
        raise AssertionError(f"{what}: the result is not an array ({error})") from None
    assert out.dtype.kind in "biuf", f"{what}: expected numbers, got {type(got).__name__}"
    return out


def _quiet(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result; its warnings on 0/0 would bury the message of the check."""
    with np.errstate(all="ignore"):
        return function(*arguments)


def _pair(what: str, result: Any) -> tuple[Any, Any]:
    """The two results of a function."""
    assert result is not None, f"{what}: nothing came back. Did you forget to return the result?"
    assert isinstance(result, (tuple, list)) and len(result) == 2, (
        f"{what}: return two things, separated by a comma"
    )
    return result[0], result[1]


def _close(one: Array, other: Array, rtol: float) -> bool:
    return bool(np.allclose(one, other, rtol=rtol, atol=1e-9, equal_nan=True))


def _short(values: Array) -> str:
    text = np.array2string(values, precision=4, threshold=8, edgeitems=3).replace("\n", "")
    return text if len(text) < 120 else text[:117] + "..."


def _passed(what: str) -> str:
    return f"{what}: all checks passed"
