"""Grain maps, their bits, and the order of codes: brute force and exact round trips."""

import itertools
import math

import pytest
import torch

from vqlab.vision.dynamic import bits_of, codes_of, copied, owners, pack, spread, unpack


def grains_and_indices(count, seed=0, batch=6, grid=(2, 3), size=11):
    generator = torch.Generator().manual_seed(seed)
    grains = torch.randint(count, (batch, *grid), generator=generator)
    grains[0], grains[1] = 0, count - 1
    finest = 2 ** (count - 1)
    dense = (batch, grid[0] * finest, grid[1] * finest)
    indices = torch.randint(size, dense, generator=generator)
    return grains, copied(indices, grains, count)


@pytest.mark.parametrize("count", [2, 3])
def test_codes_and_bits_by_brute_force(count):
    grains, _ = grains_and_indices(count)
    for b, picture in enumerate(grains):
        codes = sum(4 ** int(g) for g in picture.flatten())
        assert codes_of(grains)[b] == codes == owners(grains, count)[b].sum()
        bits = codes * math.log2(11) + picture.numel() * math.log2(count)
        assert bits_of(grains, 11, count)[b].item() == pytest.approx(bits, rel=1e-12)


def test_length_is_n_times_one_plus_three_f_and_the_triple_identity():
    grains, _ = grains_and_indices(2)
    fine = grains.double().mean((1, 2))
    assert torch.equal(codes_of(grains).double(), (6 * (1 + 3 * fine)).round())
    grains, _ = grains_and_indices(3)
    median, fine = ((grains == g).double().mean((1, 2)) for g in (1, 2))
    assert torch.equal(codes_of(grains).double(), (6 * (1 + 3 * median + 15 * fine)).round())


def test_the_entropy_of_the_map_is_at_most_raw_and_nothing_when_all_is_alike():
    grains, _ = grains_and_indices(2, batch=40)
    share = grains.double().mean().item()
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    ideal = bits_of(grains, 2, 2, "entropy") - codes_of(grains)
    torch.testing.assert_close(ideal, torch.full((40,), 6 * entropy).double())
    assert (bits_of(grains, 2, 2) - codes_of(grains) == 6).all()
    assert (bits_of(grains * 0, 2, 2, "entropy") == 6).all()
    with pytest.raises(ValueError, match="'raw' or 'entropy', got 'zip'"):
        bits_of(grains, 2, 2, "zip")


@pytest.mark.parametrize("count", [2, 3])
def test_the_order_goes_there_and_back(count):
    grains, indices = grains_and_indices(count)
    row = pack(indices, grains, 11, count)
    back, map_back = unpack(row)
    assert torch.equal(back, indices) and torch.equal(map_back, grains)
    assert torch.equal(row.lengths, codes_of(grains) + count)
    assert row.content.shape[1] == row.lengths.max()


def test_one_row_by_hand():
    # Two regions side by side: the left coarse with code 5, the right fine with 1 2 / 3 4.
    indices = torch.tensor([[[5, 5, 1, 2], [5, 5, 3, 4]]])
    row = pack(indices, torch.tensor([[[0, 1]]]), 9, 2)
    assert row.content.tolist() == [[5, 9, 1, 2, 3, 4, 9]]
    assert row.position.tolist() == [[0, 2, 2, 3, 6, 7, 8]]
    assert row.grain.tolist() == [[0, 0, 1, 1, 1, 1, 1]]
    both = torch.cat([indices, torch.full_like(indices, 7)])
    row = pack(both, torch.tensor([[[0, 1]], [[0, 0]]]), 9, 2)
    assert row.content[1].tolist() == [7, 7, 9, 9, -1, -1, -1]


def test_every_map_of_grains_is_whole():
    for chosen in itertools.product(range(3), repeat=2):
        grains = torch.tensor(chosen).view(1, 1, 2)
        first = owners(grains, 3)
        where = torch.arange(32).view(1, 4, 8)
        once = copied(where, grains, 3)
        assert set(once.unique().tolist()) == set(where[first].tolist())
        assert torch.equal(spread(grains, 4).unique(), grains.unique())


def test_what_is_not_whole_is_refused():
    grains, indices = grains_and_indices(2)
    row = pack(indices, grains, 11, 2)
    lost = row.content.clone(), row.position.clone(), row.grain.clone()
    for column in lost:
        column[0, 0] = -1
    with pytest.raises(ValueError, match="4 cells .* not filled exactly once"):
        unpack(type(row)(*lost, 11, row.grid, 2))
    off = row.position.clone()
    off[0, 0] = 99
    with pytest.raises(ValueError, match="positions of grain 0 must be 0 to 5, or 6"):
        unpack(type(row)(row.content, off, row.grain, 11, row.grid, 2))
    broken = indices.clone()
    broken[0, 0, 0] += 1
    with pytest.raises(ValueError, match="cells of one code"):
        pack(broken % 11, grains, 11, 2)
    with pytest.raises(ValueError, match="indices run from 0 to 10; expected 0 to 3"):
        pack(indices, grains, 4, 2)
    with pytest.raises(ValueError, match="do not fit 3 grains"):
        pack(indices, grains, 11, 3)
    # Four half-fine cells and four finest ones in one region of three grains.
    content = torch.zeros(1, 7, dtype=torch.int64)
    position = torch.tensor([[0, 1, 2, 10, 11, 14, 15]])
    mixed = type(row)(content, position, torch.tensor([[1, 1, 1, 2, 2, 2, 2]]), 4, (1, 1), 3)
    with pytest.raises(ValueError, match="more than one grain"):
        unpack(mixed)
