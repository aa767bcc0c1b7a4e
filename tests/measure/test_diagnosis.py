"""Models broken on purpose: each must be named for what was done to it, over five seeds."""

import numpy as np
import pytest
import torch

import vqlab
from vqlab import CodebookMonitor, Run
from vqlab.drift import make_motion
from vqlab.measure import diagnose, evidence, travel

K, D, N = 64, 4, 256


def watched(quantizer, latents, steps, after=lambda step: None, **options):
    """Feeds `latents(step)`, trains what has a gradient, and returns the monitor."""
    monitor = CodebookMonitor(quantizer, **options)
    weights = list(quantizer.parameters())
    optimizer = torch.optim.Adam(weights, lr=5e-4) if weights else None
    quantizer.train()
    for step in range(steps):
        out = quantizer(latents(step))
        if optimizer and out.loss.requires_grad:
            optimizer.zero_grad()
            out.loss.backward()
            optimizer.step()
        after(step)
    return monitor


def ema(seed, size=K, init="first-batch"):
    return vqlab.make("ema", dim=D, codebook_size=size, init=init, seed=seed)


def healthy(seed, draw):
    return watched(ema(seed), lambda step: draw(), 300)


def few_a_step(seed, draw):
    return watched(ema(seed, 1024, "normal"), lambda step: draw(16), 100)


def few_at_all(seed, draw):
    again = draw(200)
    return watched(ema(seed, 1024, "normal"), lambda step: again, 200)


def far_start(seed, draw):
    return watched(ema(seed, K, 6 * draw(K)), lambda step: draw(), 300)


def one_spot(seed, draw):
    wide = vqlab.make("vq", dim=16, codebook_size=128, init="uniform", seed=seed)
    return watched(wide, lambda step: draw(N * 4).reshape(N, 16), 300)


def carried_off(seed, draw):
    way = 0.05 * torch.full((D,), D**-0.5)
    return watched(ema(seed), lambda step: draw() + way * step, 300)


def jump(seed, draw):
    """Away at once, and back to within a spacing later."""
    return watched(ema(seed), lambda step: draw() + 8 * (100 <= step), 300)


def left_then_gathered(seed, draw):
    """Left behind, and only then put in one place, as sums that fade put them."""
    quantizer, direction = ema(seed), torch.full((D,), D**-0.5)

    @torch.no_grad()
    def gather(step):
        table = quantizer.codebook.table
        table[table @ direction < 0.05 * step - 5] = -20 * direction

    return watched(quantizer, lambda step: draw() + 0.05 * step * direction, 300, gather)


def drawn_together(seed, draw):
    return watched(ema(seed), lambda step: draw() * max(0.97**step, 0.01), 300)


def pulled_to_one(seed, draw):
    quantizer = vqlab.make("vq", dim=D, codebook_size=K, init="first-batch", seed=seed)

    @torch.no_grad()
    def pull(step):
        table = quantizer.codebook.table
        table += 0.1 * (table.mean(0) - table)

    return watched(quantizer, lambda step: draw(), 200, pull)


CASES = {
    healthy: "healthy",
    few_a_step: "too few samples",
    few_at_all: "too few samples",
    far_start: "initialisation",
    one_spot: "initialisation",
    carried_off: "drift",
    jump: "drift",
    left_then_gathered: "drift",
    drawn_together: "encoder shrinking",
    pulled_to_one: "merged codes",
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_each_is_named_for_what_was_done_to_it(case, seed):
    generator = torch.Generator().manual_seed(seed)
    monitor = case(seed, lambda count=N: torch.randn(count, D, generator=generator))
    found = monitor.diagnose()
    assert found.first.kind == CASES[case], found
    assert found.healthy == (case is healthy)
    assert found.first.confidence == "clear" or case in (pulled_to_one, healthy), found
    said = str(found)
    assert found.first.evidence in said and found.first.remedy in said


@pytest.mark.parametrize(
    ("motion", "speed", "kind"),
    [("stationary", None, "healthy"), ("translate", 0.05, "drift"), ("jump", None, "drift"),
     ("shrink", None, "encoder shrinking")],
)  # fmt: skip
@pytest.mark.parametrize("method", ["ema", "vq"])
def test_the_motions_of_the_laboratory(method, motion, speed, kind):
    for seed in range(5):
        run = vqlab.simulate(method, motion=make_motion(motion, speed=speed), codebook_size=32,
                             init="first-batch", points=1000, steps=400, seed=seed,
                             progress=False)  # fmt: skip
        assert diagnose(run).first.kind == kind, seed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_probe", [False, True])
def test_a_real_encoder(seed, with_probe):
    from vqlab.vision import Autoencoder, digits, fit

    pictures = digits()
    quantizer = vqlab.make("vq", dim=16, codebook_size=64, channel_first=True, seed=seed)
    model = Autoencoder(1, 16, quantizer, width=8, seed=seed)
    with CodebookMonitor(model, pictures.test[:64] if with_probe else None) as monitor:
        fit(model, pictures, steps=100, batch=32, seed=seed, record=2, progress=False)
    assert monitor.diagnose().first.kind == "initialisation"
    # From latents of its own, an encoder held still keeps them all.
    with torch.no_grad():
        z = model.encode(pictures.train[:400]).movedim(1, -1).reshape(-1, 16)
    start = torch.from_numpy(vqlab.measure.kmeans_optimum(z, 64, n_init=1)[1]).float()
    model.insert(vqlab.make("vq", dim=16, codebook_size=64, channel_first=True, init=start))
    with CodebookMonitor(model, pictures.test[:64] if with_probe else None) as monitor:
        fit(model, pictures, steps=60, batch=32, encoder_rate=0, record=2, progress=False)
    assert monitor.diagnose().healthy


def line(codes, latents, hits, last_hit, steps=None, **settings):
    """A run given frame by frame, in one dimension."""
    codes, latents = (np.array(x, np.float32)[..., None] for x in (codes, latents))
    steps = np.arange(len(codes)) * 100 if steps is None else np.array(steps)
    near = np.abs(latents[:, :, None, 0] - codes[:, None, :, 0]).argmin(2)
    counts = np.stack([np.bincount(row, minlength=codes.shape[1]) for row in near])
    nothing = np.zeros(len(codes))
    lag = np.zeros(codes.shape[:2])
    return Run(settings, steps, latents, codes, np.array(hits), np.array(last_hit), counts,
               nothing, nothing, nothing, lag)  # fmt: skip


def moved_by(way):
    """Ten codes, one spacing apart; the cloud of as many cells moves, and the last three die."""
    places = np.arange(10.0)
    cloud = np.linspace(-0.45, 9.45, 100)
    codes = np.stack([places] * 3)
    latents = np.stack([cloud, cloud, cloud - way])
    hits = np.full((3, 10), 10_000)
    hits[0] = 0
    last = np.full((3, 10), 199)
    last[0], last[1], last[2, 7:] = -1, 99, 99
    return line(codes, latents, hits, last)


def test_float_noise_is_said_as_nothing():
    words = diagnose(merged_to(1e-9)).first.evidence
    assert "(median 0; as many latents stand" in words and "e-" not in words


def test_drift_needs_a_way_of_more_than_a_spacing():
    assert diagnose(moved_by(1.05)).first.kind == "drift"
    assert diagnose(moved_by(0.95)).first.kind == "unexplained"


def shrunk_to(width):
    places = np.arange(10.0) - 4.5
    cloud = np.linspace(-4.95, 4.95, 100)
    hits = np.full((3, 10), 10_000)
    hits[0] = 0
    last = np.full((3, 10), 199)
    last[0], last[1], last[2, [0, 1, 8, 9]] = -1, 99, 99
    return line(np.stack([places] * 3), np.stack([cloud, cloud, width * cloud]), hits, last)


def test_shrinking_needs_half_the_spread():
    assert diagnose(shrunk_to(0.49)).first.kind == "encoder shrinking"
    assert diagnose(shrunk_to(0.51)).first.kind != "encoder shrinking"


def merged_to(gap):
    """Three pairs of ten codes, all in use, come to lie `gap` of a spacing apart."""
    places = np.arange(10.0)
    after = places.copy()
    after[1], after[4], after[7] = after[0] + gap, after[3] + gap, after[6] + gap
    cloud = places.repeat(10) + 0.001 * np.tile(np.arange(10.0), 10)
    hits = np.full((3, 10), 10_000)
    last = np.stack([np.full(10, -1), np.full(10, 99), np.full(10, 199)])
    return line(np.stack([places, places, after]), np.stack([cloud] * 3), hits, last)


def test_merged_means_a_tenth_of_the_spacing():
    spacing = evidence(merged_to(0.5)).spacing_last
    assert diagnose(merged_to(0.099 * spacing)).first.kind == "merged codes"
    assert diagnose(merged_to(0.101 * spacing)).first.kind == "healthy"


def stillborn(codes, cloud, alive):
    """Codes of which only the first `alive` are ever chosen."""
    hits = np.zeros((2, 10), int)
    hits[1, :alive] = 100_000
    last = np.full((2, 10), -1)
    last[1, :alive] = 99
    run = line([codes] * 2, [cloud] * 2, hits, last)
    run.counts[:, alive:] = 0
    return run


def test_a_crowd_is_a_quarter_of_the_spacing():
    cloud = np.linspace(-0.45, 9.45, 100)
    spacing = evidence(stillborn(np.arange(10.0), cloud, 2)).spacing_last
    for share, told in ((0.24, True), (0.26, False)):
        found = diagnose(stillborn(np.arange(10.0) * share * spacing + 1, cloud, 2)).first
        assert found.kind == "initialisation" and found.codes == 8
        assert ("in one spot" in found.evidence) == told


def test_out_of_reach_is_farther_than_latents_are_from_each_other():
    cloud = np.linspace(0, 9.9, 100)  # neighbours at 0.1
    for gap, told in ((0.101, True), (0.099, False)):
        codes = np.append(np.linspace(1, 9, 2), -gap - 1e-7 * np.arange(8))
        found = diagnose(stillborn(codes, cloud, 2)).first
        assert found.kind == "initialisation"
        assert ("farther from every latent" in found.evidence) == told


def dead_ones(count):
    run = moved_by(0.0)
    run.last_hit[2] = 199
    run.last_hit[2, :count] = 99
    return run


def test_a_tenth_of_the_codes_is_no_finding():
    assert diagnose(dead_ones(1)).healthy
    assert diagnose(dead_ones(2)).first.kind == "unexplained"


@pytest.mark.parametrize(("per_step", "too_short"), [(45, True), (46, False)])
def test_a_short_look_is_told_from_a_collapse(per_step, too_short):
    """100 codes and a window of 5 steps: equal use reaches 89.6 or 90.1 %."""
    places = np.arange(100.0)
    hits = np.zeros((2, 100), int)
    hits[1, :10] = per_step
    last = np.full((2, 100), -1)
    last[1, :60], last[1, 60:] = 9, 2
    found = diagnose(line([places] * 2, [places] * 2, hits, last, [0, 10])).findings
    assert ("too few samples" in [f.kind for f in found]) == too_short


def test_travel_of_pairs_and_of_samples():
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(4000, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    after = cloud * [0.5, 1, 2] @ turn.T + [3, 0, 4]
    paired = travel(cloud, after, True)
    assert paired.length == pytest.approx(np.sqrt(((after - cloud) ** 2).sum(1).mean()))
    # For Gaussians the bound is exact: |m|^2 + sum (s - 1)^2 from a standard normal.
    way = travel(cloud, rng.permutation(after), False)
    assert way.length == pytest.approx(np.sqrt(25 + 0.25 + 0 + 1), rel=0.02)
    assert way.shift == pytest.approx(5, rel=0.02)
    assert way.length <= paired.length


def test_samples_of_one_cloud_have_not_moved():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 500, 8))
    raw = np.linalg.norm(one.mean(0) - other.mean(0))
    assert travel(one, other, False).length < 0.8 * raw + 0.1
    assert travel(one, one, True).length == 0


@pytest.mark.parametrize("frames", [1, 3])
def test_a_run_that_shows_nothing_is_refused(frames):
    places = np.arange(4.0)
    nothing = np.zeros((frames, 4), int)
    with pytest.raises(ValueError, match="two frames"):
        diagnose(line([places] * frames, [places] * frames, nothing, nothing - 1))


def test_what_is_noted():
    run = moved_by(2.0)
    run.settings.update(world=4, rank=2, paired=False, broken=7)
    said = str(diagnose(run, "vq"))
    assert "process 2 of 4" in said and "step 7" in said and "without a probe" in said
