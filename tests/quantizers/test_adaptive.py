"""The drift-adaptive rule: what it is without its parts, its step by brute force, invariants."""

import pytest
import torch

from vqlab import make, simulate
from vqlab.drift import make_motion, stop_at
from vqlab.quantizers import DriftAdaptive, MovingAverage, Table, VectorQuantizer

K, D = 12, 3
ALONE = {"groups": (), "threshold": 0.0}


def points(*shape: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def quantizer(rule, start=None, size: int = K) -> VectorQuantizer:
    start = points(size, D, seed=7) if start is None else start
    return VectorQuantizer(Table(size, D, start, trainable=False), update=[rule])


def test_without_its_parts_it_is_the_moving_average():
    ours = quantizer(DriftAdaptive(memory=8, **ALONE))
    known = quantizer(MovingAverage(1 - 1 / 8, epsilon=0.0))
    for step in range(30):  # N = K: a batch is one latent for each code
        z = points(K, D, seed=step) + 0.1 * step
        assert torch.equal(ours(z).indices, known(z).indices)
        torch.testing.assert_close(ours.codebook(), known.codebook(), rtol=1e-10, atol=1e-12)


def test_four_times_the_latents_count_as_four_steps_of_memory():
    rule = DriftAdaptive(memory=8, **ALONE)
    q, z = quantizer(rule), points(4 * K, D)
    start, indices = q.codebook().clone(), q(z).indices
    for k, code in enumerate(start):
        mine, use = z[indices == k], int((indices == k).sum()) / 4
        count = 0.5 + 0.5 * use  # q = 4 / 8
        expected = code if not len(mine) else code + 0.5 * use / count * (mine.mean(0) - code)
        torch.testing.assert_close(q.codebook()[k], expected, rtol=1e-12, atol=1e-12)


def test_the_carry_by_brute_force():
    q = quantizer(rule := DriftAdaptive(groups=(1,), threshold=0.0, memory=1e9))
    z = [points(40, D, seed=s) + 0.8 * s for s in range(6)]
    codes, anchor = q.codebook().clone(), z[0].mean(0)
    motion = noise = float(z[0].var(0).sum()) / 40
    q(z[0])
    torch.testing.assert_close(q.codebook(), codes, rtol=0, atol=1e-6)  # nothing moved it yet
    gains = []
    for batch in z[1:]:
        away = batch.mean(0) - anchor
        motion = 0.95 * motion + 0.05 * float(away.square().sum())
        noise = 0.95 * noise + 0.05 * float(batch.var(0).sum()) / 40
        gains.append(max(0.0, 1 - 2 * noise / motion))
        anchor, codes = anchor + max(gains[-1], 0.02) * away, codes + gains[-1] * away
        q(batch)
        assert rule.gain[0] == pytest.approx(gains[-1], rel=1e-9)
        torch.testing.assert_close(q.codebook(), codes, rtol=0, atol=1e-6)
    assert gains[0] == 0 < gains[-1]


def test_groups_that_part_are_carried_apart():
    start = torch.cat([points(6, D, seed=7), points(6, D, seed=8) + 40.0])
    start = start[torch.arange(12).reshape(2, 6).T.reshape(-1)]  # each anchor starts in its own
    q = quantizer(rule := DriftAdaptive(groups=(2,), threshold=0.0, memory=1e9), start)
    side = torch.tensor([-1.0, 1.0]).repeat(40).double()[:, None]
    for step in range(40):
        z = points(80, D, seed=step) + 20 + side * (20 + 1.0 * step)
        q(z)
    moved = (q.codebook() - start).mean(1)
    assert rule.gain[0] > 0.6
    low = start.mean(1) < 20
    assert moved[low].max() < -25 and moved[~low].min() > 25
    assert torch.allclose(moved[low], moved[low][0])


def test_an_idle_code_halves_the_cell_of_the_largest_error():
    start = torch.zeros(16, D, dtype=torch.float64)
    start[:, 0] = 10.0 * torch.arange(16)
    start[3] = -500.0  # nobody's nearest
    q = quantizer(rule := DriftAdaptive(groups=(), patience=1.0, memory=1e9), start, size=16)
    lone = [k for k in range(16) if k != 3]
    wide = torch.ones(16, dtype=torch.float64)
    wide[5] = 3.0
    at = torch.tensor([k for k in lone for _ in range(20)])
    z = start[at] + 0.3 * wide[at, None] * points(len(at), D, seed=2)
    q(z)
    q(z)
    whole = {name: getattr(rule, name).clone() for name in ("counts", "error")}
    moved = rule._lend(q.codebook().clone())
    torch.testing.assert_close((moved[3] + moved[5]) / 2, q.codebook()[5], rtol=1e-9, atol=1e-9)
    assert 0 < (moved[3] - moved[5]).norm() < 1
    others = [k for k in range(16) if k not in (3, 5)]
    assert torch.equal(moved[others], q.codebook()[others])
    for name, before in whole.items():
        after = getattr(rule, name)
        assert after[3] == after[5] == before[5] / 2


def test_worth_is_what_the_error_grows_by_without_the_code():
    q = quantizer(rule := DriftAdaptive(groups=(), threshold=1e-9, patience=1.0))
    z = points(60, D)
    table = q.codebook().clone()
    chosen = torch.cdist(z, table).argmin(1)
    q(z)
    for k in range(K):
        rest = torch.cat([table[:k], table[k + 1 :]])
        squares = torch.cdist(z, table).min(1).values.square()
        without = torch.cdist(z, rest).min(1).values.square()
        share = 60 / K  # running means begin at 0, and a batch replaces half
        assert rule.worth[k] == pytest.approx(float((without - squares).sum()) / share / 2)
        assert rule.error[k] == pytest.approx(float(squares[chosen == k].sum()) / share / 2)


def test_several_blocks_are_one(monkeypatch):
    z, found = points(90, D), []
    for block in (1 << 20, 7 * K):
        monkeypatch.setattr("vqlab.quantizers.adaptive.BLOCK", block)
        q = quantizer(rule := DriftAdaptive())
        q(z)
        found.append(rule.worth.clone())
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-12, 2.0**12])
def test_it_has_no_scale(scale):
    a, b = quantizer(DriftAdaptive()), quantizer(DriftAdaptive(), scale * points(K, D, seed=7))
    for step in range(60):
        z = points(30, D, seed=step) + 0.1 * step
        assert torch.equal(a(z).indices, b(scale * z).indices)
    torch.testing.assert_close(scale * a.codebook(), b.codebook(), rtol=1e-12, atol=0)
    assert torch.equal(a.update[0].gain, b.update[0].gain) and (a.update[0].gain > 0).any()


def test_at_rest_nothing_is_carried_and_hardly_anything_lent():
    q = make("drift-adaptive", 2, 32, seed=0)
    moving = []
    for step in range(600):
        q(points(64, 2, seed=step).float())
        moving.append(float(q.update[0].gain.max()))
    assert sum(g > 0.1 for g in moving[100:]) < 0.05 * 500
    lent = []
    for step in range(100):
        before = q.codebook().clone()
        lent.append(int((q.update[0]._lend(q.codebook()) != before).any(1).sum()))
        q(points(64, 2, seed=1000 + step).float())
    assert sum(lent) <= 2 * 10


def test_more_dead_codes_than_living_ones_all_find_a_place():
    q = make("drift-adaptive", 2, 64, seed=0, init=torch.full((64, 2), 50.0) + torch.rand(64, 2))
    for step in range(150):
        q(points(256, 2, seed=step).float())
    assert len(q.eval()(points(5000, 2).float()).indices.unique()) >= 62


def test_a_cloud_that_runs_keeps_its_codes():
    run = simulate(
        "drift-adaptive",
        motion=stop_at(make_motion("translate", speed=0.1), 300),
        steps=600, record=[300, 600], optimum="final", progress=False,
    )  # fmt: skip
    assert run.utilization[1] >= 0.97 and run.excess[-1] < 1.05
    plain = simulate("ema", motion=make_motion("translate", speed=0.1), steps=300, record=2,
                     options={"decay": 0.9}, progress=False)  # fmt: skip
    assert plain.utilization[-1] < 0.5


@pytest.mark.parametrize(
    "bad", [{"memory": 0.5}, {"groups": (0,)}, {"margin": 0.5}, {"threshold": -1.0}]
)
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        DriftAdaptive(**bad)
