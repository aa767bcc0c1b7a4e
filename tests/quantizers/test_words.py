"""VQCT: the graph, the network over it, both halves, pairs of adjectives, the mask of a step."""

import math

import pytest
import torch
from torch.func import functional_call

from vqlab import make
from vqlab.quantizers import (
    AffineCodebook,
    CodebookLoss,
    Grouped,
    Joint,
    Nearest,
    NearestPair,
    Residual,
    Table,
    VectorQuantizer,
    WordCodebook,
    WordDropout,
    WordShare,
    WordTable,
)


def cloud(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def words(adjectives=4, nouns=5, dim=6, seed=0):
    table = WordTable.random(adjectives, nouns, dim, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    counts = (3 * torch.rand(adjectives, nouns, generator=generator)).int()
    counts[0] = 0  # the first adjective stands before no noun
    return WordTable(table.adjectives, table.nouns, table.vectors, counts.float())


def book(table=None, dim=3, width=7, seed=0):
    return WordCodebook(words() if table is None else table, dim, width, seed=seed).double()


def test_the_graph_is_normalised():
    table = words()
    spread = table.spread().double()
    degree = torch.cat([1 + table.counts.sum(1), 1 + table.counts.sum(0)]).double()
    assert torch.equal(spread, spread.T) and bool((spread >= 0).all())
    torch.testing.assert_close(spread @ degree.sqrt(), degree.sqrt(), rtol=1e-6, atol=1e-6)
    assert torch.linalg.eigvalsh(spread).abs().max() == pytest.approx(1, abs=1e-6)
    assert spread[0, 0] == 1 and spread[0, 1:].abs().max() == 0
    row, column = 2, 4 + int(table.counts[2].argmax())
    expected = table.counts[2].max().double() / (degree[row] * degree[column]).sqrt()
    assert spread[row, column] == pytest.approx(float(expected), rel=1e-6)


def test_codes_equal_messages_passed_word_by_word():
    table, codes = words(), book()
    counts, first = table.counts.double(), len(table.adjectives)
    linked = {v: [(v, 1.0)] for v in range(len(table))}  # a word is its own neighbour
    for u in range(first):
        for n in range(len(table.nouns)):
            if counts[u, n] > 0:
                linked[u].append((first + n, float(counts[u, n])))
                linked[first + n].append((u, float(counts[u, n])))
    degree = {v: sum(c for _, c in near) for v, near in linked.items()}

    def passed(values):
        return torch.stack([
            sum(c / math.sqrt(degree[v] * degree[u]) * values[u] for u, c in linked[v])
            for v in range(len(table))
        ])  # fmt: skip

    hidden = passed(table.vectors.double() @ codes.into.weight.T) + codes.into.bias
    expected = passed(hidden.clamp_min(0) @ codes.out.weight.T) + codes.out.bias
    # The graph is stored in float32.
    torch.testing.assert_close(codes(), expected, rtol=1e-6, atol=1e-6)


def test_gradients_of_the_codes():
    codes = book()
    names = dict(codes.named_parameters())

    def table(*values):
        return functional_call(codes, dict(zip(names, values, strict=True)), ())

    torch.autograd.gradcheck(table, tuple(p.detach().requires_grad_() for p in names.values()))


@pytest.mark.parametrize("count", [3, 40])
def test_as_many_numbers_learn_whatever_the_vocabulary(count):
    codes = WordCodebook(WordTable.random(count, count, 512, seed=0), 256, 256)
    assert sum(p.numel() for p in codes.parameters()) == 197_120
    small = book(dim=3, width=7)
    assert sum(p.numel() for p in small.parameters()) == (6 + 1) * 7 + (7 + 1) * 3


def test_one_code_that_is_hit_moves_every_word_and_no_frozen_number():
    q = make("vqct", 6, 20, words=words(), dropout=0, width=64, seed=0).double()
    whole = q.groups.members[0].codebook.book
    before, start = whole().detach(), {n: b.clone() for n, b in q.named_buffers()}
    z = q.codebook()[[7]].detach() + 0.3
    out = q(z)
    assert len(out.indices) == 1
    out.loss.backward()
    with torch.no_grad():
        for p in q.parameters():
            p -= 0.1 * p.grad
    moved = (whole().detach() - before).abs().sum(1)
    assert bool((moved > 1e-6).all())
    assert all(torch.equal(start[n], b) for n, b in q.named_buffers())
    assert not any(b.requires_grad for b in q.buffers())
    free = make("vq", 6, 20, init="normal", seed=0).double()
    table = free.codebook().detach().clone()
    free(z).loss.backward()
    with torch.no_grad():
        free.codebook.table -= 0.1 * free.codebook.table.grad
    assert int(((free.codebook() - table).abs().sum(1) > 0).sum()) == 1


def test_without_edges_and_with_paired_units_it_is_one_affine_map():
    table = words().without_graph()
    assert torch.equal(table.spread(), torch.eye(9))
    codes = WordCodebook(table, 6, 12, seed=0).double()
    affine = AffineCodebook(9, 6, seed=3).double()
    affine.basis.copy_(table.vectors)
    with torch.no_grad():  # x = relu(x) - relu(-x)
        codes.into.weight.copy_(torch.cat([torch.eye(6), -torch.eye(6)]))
        codes.out.weight.copy_(torch.cat([affine.map.weight, -affine.map.weight], 1))
        codes.out.bias.copy_(affine.map.bias)
    torch.testing.assert_close(codes(), affine())


def test_the_order_of_the_words_names_the_codes_and_nothing_else():
    table, order = words(), torch.tensor([2, 0, 3, 1])
    other = WordTable(
        tuple(table.adjectives[i] for i in order),
        table.nouns,
        torch.cat([table.vectors[:4][order], table.vectors[4:]]),
        table.counts[order],
    )
    a, b = book(table)(), book(other)()
    torch.testing.assert_close(a[:4][order], b[:4])
    torch.testing.assert_close(a[4:], b[4:])


def test_both_halves_choose_as_the_product_table_would():
    q = make("vqct", 7, 20, words=words(), dropout=0, seed=0).double()
    codes, z = q.codebook().detach(), cloud(200, 7)
    assert codes.shape == (20, 7)
    free = VectorQuantizer(
        Table(20, 7, codes), update=[CodebookLoss(0.25)], commitment=1.0
    ).double()
    a, b = q(z), free(z)
    assert torch.equal(a.indices, b.indices) and torch.equal(a.quantized, b.quantized)
    assert sorted(a.terms) == sorted(b.terms)
    for name, term in a.terms.items():
        torch.testing.assert_close(term, b.terms[name])
    torch.testing.assert_close(a.loss, b.loss)
    parts = q.split(a.indices)
    assert torch.equal(q.join(parts), a.indices) and parts.max(0).values.tolist() <= [3, 4]
    assert q.split(torch.tensor([-1, 6])).tolist() == [[-1, -1], [1, 1]]


@pytest.mark.parametrize("beta", [None, 0.25])
def test_the_released_weights_pull_the_latents_with_weight_one(beta):
    q = make("vqct", 4, 20, words=words(), seed=0, commitment=beta).double()
    z = cloud(30, 4).requires_grad_()
    out = q(z)
    (pull,) = torch.autograd.grad(out.loss, z, retain_graph=True)
    torch.testing.assert_close(pull, (beta or 1.0) * 2 * (z - out.quantized).detach() / z.numel())
    torch.testing.assert_close(
        out.loss, (beta or 1.0) * out.terms["commitment"] + 0.25 * out.terms["codebook"]
    )


@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_a_pair_is_the_mean_of_the_two_nearest(count):
    whole = book(words(count, 3))
    share = WordShare(whole, 0, count, pairs=True)
    q = VectorQuantizer(share, NearestPair()).double()
    z, single = 0.3 * cloud(200, 3), whole()[:count]
    distance = (z[:, None] - single).square().sum(-1)
    near = distance.argsort(1)[:, :2].sort(1).values
    out = q(z)
    assert torch.equal(out.quantized, (single[near[:, 0]] + single[near[:, 1]]).detach() / 2)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    assert [pairs[k] for k in out.indices.tolist()] == [tuple(p) for p in near.tolist()]
    assert torch.equal(q.decode(out.indices), out.quantized)
    assert share.codebook_size == math.comb(count, 2)
    if count == 9:  # the pair with the nearest mean is mostly another one
        other = VectorQuantizer(share, Nearest()).double()(z)
        assert other.terms["commitment"] < out.terms["commitment"]


def test_two_adjectives_as_released():
    table = words()
    q = make("vqct", 6, 30, words=table, adjectives=2, seed=0)
    assert table.codebook_size(2) == math.comb(4, 2) * 5 == q.codebook_size == 30
    first, second = q.groups.members
    assert isinstance(first.assignment, NearestPair) and isinstance(second.assignment, Nearest)
    z = cloud(40, 6, dtype=torch.float32)
    for _ in range(2):
        out = q(z)
        assert torch.equal(out.quantized, q.codebook()[out.indices])
    q.eval()
    assert torch.equal(q.fold()(z).quantized, q(z).quantized)
    assert make("vqct", 4, 16, adjectives=2, seed=0).codebook_size == 16


def test_a_mask_is_held_for_a_step_and_gone_in_evaluation():
    q = make("vqct", 4, 20, words=words(), seed=0)
    plain = make("vqct", 4, 20, words=words(), seed=0, dropout=0)
    whole, seen = q.groups.members[0].codebook.book, []
    for _ in range(3):
        out = q(cloud(30, 4, dtype=torch.float32))
        assert torch.equal(q.codebook(), q.codebook())
        assert torch.equal(out.quantized, q.codebook()[out.indices])
        assert set(whole.mask.unique().tolist()) == {0.0, 2.0}
        assert abs(float((whole.mask == 0).float().mean()) - 0.5) < 0.06
        seen.append(q.codebook().detach())
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])
    assert torch.equal(q.eval().codebook(), plain.eval().codebook())


def test_codes_under_the_masks_average_to_those_of_evaluation():
    whole = book(width=16)
    rule, total = WordDropout(0.5), 0.0
    for _ in range(4000):
        rule.prepare(torch.empty(0, 3), None, whole)
        total = total + whole().detach()
    expected = whole.eval()().detach()
    spread = (expected - expected.mean(0)).abs().mean()
    assert (total / 4000 - expected).abs().mean() < 0.05 * spread


def test_what_does_not_fit_is_named():
    table = words()
    with pytest.raises(ValueError, match="4 adjectives, 5 nouns.*makes 20 codes.*is 16"):
        make("vqct", 4, 16, words=table)
    with pytest.raises(ValueError, match="dim must be >= 2"):
        make("vqct", 1, 16)
    with pytest.raises(ValueError, match="1 or 2, got 3"):
        make("vqct", 4, 16, adjectives=3)
    with pytest.raises(ValueError, match="width must"):
        make("vqct", 4, 16, width=0)
    with pytest.raises(ValueError, match="WordDropout needs a WordCodebook, got Table"):
        VectorQuantizer(Table(4, 2), update=[WordDropout()])
    with pytest.raises(ValueError, match=r"rate of dropout.*\[0, 1\)"):
        WordDropout(1.0)
    with pytest.raises(ValueError, match="NearestPair chooses pairs.*got Table"):
        VectorQuantizer(Table(6, 2), NearestPair())
    with pytest.raises(ValueError, match="at least two words"):
        WordShare(book(), 0, 1, pairs=True)
    with pytest.raises(ValueError, match="3 coordinates, not 4"):
        WordShare(book(), 0, 4, dim=4)
    inner = make("vq", 2, 4)
    with pytest.raises(ValueError, match="belongs to Joint"):
        Joint(Grouped([inner], channel_first=True))
    with pytest.raises(ValueError, match="one index"):
        Joint(Grouped([Residual([inner])]))
