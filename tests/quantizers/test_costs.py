"""Counts of a method's cost are those of closed forms, and the same every time."""

import pytest
import torch

import vqlab
from vqlab.quantizers.costs import CODES, DIM, LATENTS, _Writes, cost
from vqlab.quantizers.registry import method

N, D, K = LATENTS, DIM, CODES
SEARCH = 2 * N * K * D


def test_sizes_of_tables_and_maps():
    assert (cost("vq").trained, cost("vq").kept) == (K * D, 1)  # a flag: whether codes have started
    assert (cost("ema").trained, cost("ema").kept) == (0, K * D + K * D + K + 1)
    assert (cost("simvq").trained, cost("simvq").kept) == (D * D + D, K * D)
    # Four levels within linear maps from and to 64.
    assert cost("fsq").trained == (64 * 4 + 4) + (4 * 64 + 64)
    assert cost("kmeans-reinit").kept == 16 * K * D + 4  # reservoir, its count, clock, seed, flag


def test_products_of_matrices():
    assert cost("vq").products == cost("ema").products == SEARCH
    # The map once forward, its weight's gradient once back; the frozen basis takes none.
    assert cost("simvq").products == SEARCH + 2 * 2 * K * D * D
    # Every code looks for the latent nearest to it, besides.
    assert cost("cvq").products == 2 * SEARCH
    # Its five iterations, two passes for the spread, one for the choice: as its docstring says.
    assert cost("ot-vq").products == 8 * SEARCH


def test_the_largest_array_of_methods_that_form_all_logits():
    full = {m.name for m in vqlab.methods() if m.cost.largest >= N * K}
    assert full == {"ibq", "gumbel", "sq-vae", "hyper-vq", "mlr-vq"}
    assert cost("vq").largest == N * D


def test_every_line_is_counted_alike_twice():
    for name in ("vq", "gumbel", "som", "kmeans-reinit", "transvq"):
        assert cost.__wrapped__(name) == cost(name)
    assert method("vq").cost is cost("vq")


def test_print_shows_every_method_and_its_cost():
    lines = str(vqlab.methods()).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [m.name for m in vqlab.methods()]
    assert lines[1].split()[-8:] == ["65,536", "1", *("1", "x") * 3]
    row = next(line for line in lines if line.startswith("ibq "))
    ratio = cost("ibq").products / cost("vq").products
    assert float(row.split()[-6]) == pytest.approx(ratio, rel=0.05)


def test_writes_are_what_operations_make_and_no_view():
    a = torch.zeros(4, 6)

    def written(job) -> tuple[int, int]:
        with _Writes() as counter:
            job()
        return counter.total, counter.largest

    assert written(lambda: a + 1) == (24, 24)
    assert written(lambda: a[1:].T.reshape(6, 3)[None]) == (0, 0)
    assert written(lambda: a[0].mul_(2)) == (6, 6)
    assert written(lambda: a.sum(0) * 2) == (12, 6)
    assert written(lambda: a.sort(1)) == (48, 24)  # values and places
    rows, values = torch.tensor([0, 2]), torch.ones(2, 6)
    assert written(lambda: a.index_put_((rows,), values)) == (12, 12)


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="vqvae"):
        cost("vqvae")
