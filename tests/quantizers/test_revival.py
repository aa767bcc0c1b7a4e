"""A revived code is alive after the step, with clean sums and clean moments."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from vqlab import VectorQuantizer, make
from vqlab.quantizers import AffineCodebook, CodebookLoss, Revival, Table


def gradient_quantizer(**options) -> VectorQuantizer:
    start = torch.cat(
        [torch.randn(6, 2, generator=torch.Generator().manual_seed(0)), torch.full((2, 2), 50.0)]
    )
    return VectorQuantizer(Table(8, 2, start), update=[CodebookLoss(), Revival(**options)])


def cloud(seed=1, n=256):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["adam", "momentum"])
def test_a_revived_code_is_hit_in_the_same_step_and_not_thrown_away(kind):
    q = gradient_quantizer(threshold=0.1, decay=0.5)
    table = q.codebook.table
    make_opt = {
        "adam": lambda: torch.optim.Adam([table], lr=0.01),
        "momentum": lambda: torch.optim.SGD([table], lr=0.01, momentum=0.9),
    }[kind]
    optimizer = make_opt()
    # Old momentum: the two far codes were being pushed hard before they died.
    table.grad = torch.zeros_like(table)
    table.grad[6:] = 100.0
    optimizer.step()
    for step in range(20):
        before = table.detach().clone()
        out = q(cloud(step))
        reborn = (before[6:] - table.detach()[6:]).norm(dim=1) > 20
        optimizer.zero_grad()
        out.loss.backward()
        placed = table.detach().clone()
        optimizer.step()
        if reborn.any():
            assert reborn.all()
            assert set(out.indices.tolist()) >= {6, 7}
            assert (table.detach()[6:] - placed[6:]).norm(dim=1).max() < 0.05
            state = optimizer.state[table]
            moment = state.get("exp_avg", state.get("momentum_buffer"))
            assert moment[6:].abs().max() < 1.0
            return
    pytest.fail("the dead codes were never revived")


def test_nothing_is_revived_before_the_running_use_can_have_fallen():
    q = gradient_quantizer(threshold=0.1, decay=0.9)
    for step in range(21):  # 0.9^21 > 0.1 > 0.9^22
        q(cloud(step))
    assert torch.equal(q.codebook()[6:].detach(), torch.full((2, 2), 50.0))
    q(cloud(99))
    q(cloud(100))
    assert q.codebook()[6:].abs().max() < 10


def test_running_sums_start_anew():
    q = make(
        "ema-revival",
        2,
        8,
        init=torch.cat([cloud(3, 7), torch.full((1, 2), 50.0)]),
        decay=0.99,
        use_decay=0.5,
    )
    for step in range(30):
        q(cloud(step))
    assert q.codebook()[7].abs().max() < 10, "the old average must not overwrite the revived code"
    average, _ = q.update
    torch.testing.assert_close(
        average.sums[7] / average.counts[7], q.codebook()[7], rtol=1e-3, atol=1e-3
    )


def test_revival_beside_an_active_code_stays_within_the_noise():
    q = gradient_quantizer(threshold=0.1, decay=0.5, source="active", noise=0.01)
    for step in range(10):
        q(cloud(step))
    codes = q.codebook().detach()
    nearest = torch.cdist(codes[6:], codes[:6]).min(1).values
    assert nearest.max() < 0.01 * 6 and nearest.min() > 0


def test_all_codes_in_use_means_nothing_changes():
    a, b = gradient_quantizer(threshold=0.0), gradient_quantizer(threshold=0.0)
    b.update = b.update[:1]
    for step in range(10):
        assert torch.equal(a(cloud(step)).quantized, b(cloud(step)).quantized)


def test_no_code_starts_on_a_latent_that_is_refused():
    q = gradient_quantizer(threshold=0.1, decay=0.0)
    q(cloud())
    with pytest.raises(ValueError, match="non-finite"):
        q(torch.full((64, 2), torch.nan))
    assert q.codebook().isfinite().all()


def test_masked_latents_revive_nobody():
    q = gradient_quantizer(threshold=0.1, decay=0.0)
    z = torch.cat([cloud(n=8), torch.full((56, 2), 7.0)])
    mask = torch.arange(64) < 8
    q(z, mask)
    q(z, mask)
    assert torch.cdist(q.codebook()[6:], z[:8]).min(1).values.max() == 0


@pytest.mark.parametrize("source", ["latent", "active"])
def test_a_resumed_run_draws_what_the_uninterrupted_one_draws(source):
    def run(q, steps):
        for step in steps:
            q(cloud(step))
        return q.codebook().detach().clone()

    def fresh(seed):
        return gradient_quantizer(threshold=0.1, decay=0.5, source=source, noise=0.1, seed=seed)

    whole, first, resumed, other = fresh(1), fresh(1), fresh(2), fresh(2)
    before = run(first, range(3))
    resumed.load_state_dict(first.state_dict())
    expected = run(whole, range(8))
    assert (expected - before)[6:].norm(dim=1).min() > 10  # both far codes died after the break
    assert torch.equal(run(resumed, range(3, 8)), expected)
    assert not torch.equal(run(other, range(8)), expected)


def test_runs_under_vmap_draw_each_their_own():
    runs = [gradient_quantizer(threshold=0.1, decay=0.5, seed=seed) for seed in (1, 2)]
    parameters, buffers = stack_module_state(runs)
    template = copy.deepcopy(runs[0])

    def forward(parameters, buffers, z):
        functional_call(template, (parameters, buffers), (z,))
        return parameters, buffers

    for step in range(8):
        parameters, buffers = vmap(forward, in_dims=(0, 0, None))(parameters, buffers, cloud(step))
        for q in runs:
            q(cloud(step))
    tables = parameters["codebook.table"]
    for table, q in zip(tables, runs, strict=True):
        assert torch.equal(table, q.codebook())
    assert not torch.equal(*tables)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="free Table"):
        VectorQuantizer(AffineCodebook(4, 2), update=[Revival()])
    with pytest.raises(ValueError, match="latent, active"):
        Revival(source="random")
    with pytest.raises(ValueError, match="1.5"):
        Revival(threshold=1.5)
    with pytest.raises(ValueError, match="-1"):
        Revival(noise=-1)
