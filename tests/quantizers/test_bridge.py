"""FVQ: patches, the start at zero, which codes learn when, the frozen base, the finished table."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import BridgeCodebook
from vqlab.quantizers import bridge as module
from vqlab.quantizers.bridge import Patches

SMALL = {"width": 16, "heads": 2}


def cloud(seed=1, n=256, dim=2):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def step(q, z, optimizer):
    optimizer.zero_grad()
    out = q(z)
    out.loss.backward()
    optimizer.step()
    return out


@pytest.mark.parametrize("layout", ["grid", "row"])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_join_undoes_cut(layout, patch):
    patches, table = Patches(64, patch, layout), torch.arange(64.0 * 3).reshape(64, 3)
    tokens = patches.cut(table)
    assert tokens.shape == (64 // patch**2, patch**2 * 3)
    assert torch.equal(patches.join(tokens), table)


def test_a_token_holds_a_square_or_a_run_of_codes():
    table = torch.arange(16.0)[:, None]
    assert Patches(16, 2, "grid").cut(table)[1].tolist() == [2, 3, 6, 7]
    assert Patches(16, 2, "row").cut(table)[1].tolist() == [4, 5, 6, 7]


def test_all_codes_start_at_zero_and_share_one():
    q = make("fvq", 2, 64, seed=0, **SMALL)
    assert torch.equal(q.codebook().detach(), torch.zeros(64, 2))
    assert len(q(cloud()).indices.unique()) == 1


def test_first_the_last_layer_learns_and_then_every_row():
    q = make("fvq", 2, 64, seed=0, **SMALL)
    book, optimizer = q.codebook, torch.optim.Adam(q.parameters(), lr=1e-3)
    step(q, cloud(), optimizer)
    assert bool((book.base.grad == 0).all()) and bool((book.into.weight.grad == 0).all())
    assert bool((book.out.weight.grad != 0).any())
    out = step(q, cloud(2), optimizer)
    chosen = torch.zeros(64, dtype=torch.bool)
    chosen[out.indices.unique()] = True
    assert not bool(chosen.all())
    assert bool((book.base.grad[~chosen] != 0).any(1).all())


@pytest.mark.parametrize("trainable", [True, False])
def test_use_recovers_with_and_without_a_trained_base(trainable):
    q = make("fvq", 2, 64, seed=0, width=64, trainable_base=trainable)
    before = q.codebook.base.detach().clone()
    optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
    for t in range(250):
        out = step(q, cloud(t, 1024), optimizer)
    assert len(out.indices.unique()) > 32
    assert isinstance(q.codebook.base, torch.nn.Parameter) == trainable
    assert torch.equal(before, q.codebook.base) != trainable


def test_codes_do_not_depend_on_the_latents():
    q = make("fvq", 2, 16, seed=0, **SMALL)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.1)
    for t in range(3):
        step(q, cloud(t), optimizer)
    codes = q.codebook().detach()
    q(100 + cloud(9))
    assert torch.equal(q.codebook().detach(), codes) and bool((codes != 0).any())


def test_the_released_size():
    book = BridgeCodebook(16384, 256, seed=0)
    assert book.patches.patch == 4 and len(book.blocks) == 2 and book.into.out_features == 256
    # 2 p^2 D h for the way in and out, 8 h^2 per block (attention 4, perceptron 4), biases.
    h, tokens = 256, 16 * 256
    weights = 2 * tokens * h + 2 * 8 * h * h
    biases = h + tokens + 2 * (3 * h + h + 2 * h + h)
    count = sum(p.numel() for name, p in book.named_parameters() if name != "base")
    assert count == weights + biases


def test_the_fused_attention_is_the_same(monkeypatch):
    block, tokens = module.BridgeBlock(16, 2).double(), cloud(n=9, dim=16).double()
    plain = block(tokens)
    monkeypatch.setattr(module, "FUSED_FROM", 0)
    torch.testing.assert_close(block(tokens), plain)


def test_sizes_that_do_not_fit_are_named():
    for size, patch in ((60, 1), (64, 3)):
        with pytest.raises(ValueError, match=f"{size} codes.*layout='row'"):
            BridgeCodebook(size, 2, patch=patch)
    assert BridgeCodebook(60, 2, layout="row", **SMALL)().shape == (60, 2)
    with pytest.raises(ValueError, match="groups of 9"):
        BridgeCodebook(60, 2, patch=3, layout="row")
    with pytest.raises(ValueError, match="grid, row"):
        BridgeCodebook(64, 2, layout="square")
    with pytest.raises(ValueError, match="multiple of heads"):
        BridgeCodebook(64, 2, width=10)
    with pytest.raises(ValueError, match="patch must"):
        BridgeCodebook(64, 2, patch=-1)
