"""Codebooks against their formulas; initialisation."""

import copy
import pickle

import pytest
import torch

from vqlab import make
from vqlab.quantizers import AffineCodebook, Table, TransformerCodebook
from vqlab.quantizers.transformer import LinearAttention


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias", [True, False])
def test_simvq_moves_every_code_by_the_kernel(bias):
    """One SGD step moves code j by -(2 lr / N D) sum_n (c_j . c_kn + bias) (q_n - z_n)."""
    q = make("simvq", 3, 10, bias=bias, seed=0).double()
    z, lr = normal(40, 3), 0.1
    before, basis = q.codebook().detach(), q.codebook.basis
    out = q(z)
    out.loss.backward()
    with torch.no_grad():
        for p in q.parameters():
            p -= lr * p.grad
    kernel = basis @ basis[out.indices].T + float(bias)
    expected = -(2 * lr / z.numel()) * kernel @ (before[out.indices] - z)
    torch.testing.assert_close(q.codebook().detach() - before, expected)
    assert not q.codebook.basis.requires_grad
    unused = torch.bincount(out.indices, minlength=10) == 0
    assert (q.codebook().detach() - before)[unused].abs().min() > 0


def test_simvq_with_the_identity_is_plain_vq():
    codebook = AffineCodebook(10, 3, start="identity", seed=0)
    assert torch.equal(codebook(), codebook.basis)
    loose = AffineCodebook(10, 3, bias=False, trainable_basis=True)
    assert loose.basis.requires_grad and loose.map.bias is None
    with pytest.raises(ValueError, match="identity"):
        AffineCodebook(10, 3, start="zero")


def test_transvq_has_the_released_codes_parameters():
    q = make("transvq", 64, 1024, seed=0)
    assert sum(p.numel() for p in q.parameters()) == 821_504
    assert q.codebook.positions.weight.numel() == 262_144
    assert not q.codebook.basis.requires_grad


def test_linear_attention_equals_the_quadratic_form():
    attention = LinearAttention(6).double()
    x = normal(9, 6)
    query = torch.nn.functional.elu(attention.query(x)) + 1
    key = torch.nn.functional.elu(attention.key(x)) + 1
    weights = query @ key.T
    expected = attention.out((weights @ attention.value(x)) / (weights.sum(1, keepdim=True) + 1e-6))
    torch.testing.assert_close(attention(x), expected)


def test_transformer_without_blocks_is_a_norm_and_a_linear_map():
    codebook = TransformerCodebook(7, 2, width=5, depth=0, positions=False, seed=0).double()
    tokens = codebook.basis @ codebook.into.weight.T
    centred = tokens - tokens.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(codebook(), scaled @ codebook.out.weight.T)


def test_without_positions_a_shuffled_basis_shuffles_the_codes():
    codebook = TransformerCodebook(7, 2, width=8, positions=False, seed=0).double()
    before, order = codebook(), torch.randperm(7, generator=torch.Generator().manual_seed(3))
    codebook.basis.copy_(codebook.basis[order])
    torch.testing.assert_close(codebook(), before[order])


def test_starts():
    table = Table(50, 3, "uniform", seed=0)()
    assert table.abs().max() <= 1 / 50 and table.abs().max() > 0.9 / 50
    assert abs(Table(2000, 3, "normal", seed=0)().std().item() - 1) < 0.05  # 3 standard errors
    given = normal(5, 2)
    assert torch.equal(Table(5, 2, given)(), given)
    z = normal(100, 2, dtype=torch.float32)
    q = make("vq", 2, 10, init="first-batch", seed=0)
    q(z)
    distances = torch.cdist(q.codebook().detach(), z).min(1).values
    assert torch.equal(distances, torch.zeros(10)) and q.codebook.initialized
    assert len(q.codebook().unique(dim=0)) == 10
    few = make("vq", 2, 10, init="first-batch", seed=0)
    few(z[:4])
    assert len(few.codebook().unique(dim=0)) == 10


def test_kmeans_start_is_a_fixed_point_of_lloyd():
    z = normal(400, 2)
    q = make("vq", 2, 8, init="kmeans", seed=0).double()
    k = q(z).indices
    for j in range(8):
        # sklearn stops at a relative movement of 1e-4.
        torch.testing.assert_close(q.codebook()[j].detach(), z[k == j].mean(0), rtol=0, atol=0.02)
    with pytest.raises(ValueError, match="8 codes, 5 latents"):
        make("vq", 2, 8, init="kmeans")(z[:5].float())


def test_a_data_driven_start_happens_once_and_survives_saving():
    q = make("ema", 2, 6, init="first-batch", seed=0)
    q(normal(50, 2, dtype=torch.float32))
    # The averages start on the drawn codes, not on the placeholder.
    assert (q.update[0].sums / q.update[0].counts[:, None] - q.codebook()).abs().max() < 1e-3
    assert q.codebook.initialized
    other = make("ema", 2, 6, init="first-batch", seed=1)
    other.load_state_dict(q.state_dict())
    assert other.codebook.initialized
    assert torch.equal(other.codebook(), q.codebook())
    for clone in (copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert torch.equal(clone.codebook(), q.codebook())


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="uniform, normal, first-batch, kmeans"):
        Table(4, 2, "random")
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(4, 2\)"):
        Table(4, 2, torch.zeros(3, 2))
    broken = torch.zeros(4, 2)
    broken[2, 1], broken[3, 0] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"init hold 2 non-finite values, the first at \(2, 1\)"):
        make("ema", 2, 4, init=broken)
    for size, dim in ((0, 2), (4, 0), (2.5, 2)):
        with pytest.raises(ValueError, match="integer >= 1"):
            Table(size, dim)
    with pytest.raises(ValueError, match="depth"):
        TransformerCodebook(4, 2, depth=-1)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make("transvq", 2, 4, width=8, seed=0)
    make("simvq", 2, 4, seed=0)
    make("vq", 2, 4, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_folding_keeps_choice_layout_and_precision():
    q = make("simvq", 3, 10, assignment="cosine", channel_first=True, seed=0).double()
    z = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    folded = q.fold()
    assert isinstance(folded.codebook, Table) and not list(folded.parameters())
    a, b = q(z), folded(z)
    assert torch.equal(a.indices, b.indices) and torch.equal(a.quantized, b.quantized)
    assert torch.equal(q.decode(a.indices), folded.decode(a.indices))
    loaded = make("ema", 3, 10, assignment="cosine", channel_first=True).double()
    loaded.codebook.load_state_dict(folded.codebook.state_dict())
    assert torch.equal(loaded.eval()(z).quantized, a.quantized)


def test_there_is_nothing_to_fold_before_the_first_batch():
    with pytest.raises(ValueError, match="first training batch"):
        make("vq", 3, 10, init="kmeans").fold()
