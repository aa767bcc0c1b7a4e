"""The contracts that every method keeps; each test runs for each line of the table."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from vqlab import VectorQuantizer, make, methods
from vqlab.quantizers import DotProduct, GumbelChoice

SMALL = {"transvq": {"width": 16}, "fvq": {"width": 8}, "vqgan-fc": {"code_dim": 2}}
SMALL["vqct"] = {"width": 8}
# FSQ's sizes are products of levels: these stand in for the sizes that the contracts ask for.
SIZES = {"fsq": {1: 81, 4: 9, 16: 108, 64: 256}}
LATTICES = ("fsq", "lfq", "bsq")  # nothing is stored or trained
CONFINED = ("fsq", "bsq", "vqgan-fc")  # chosen and measured in a box, on a sphere, in a subspace
NAMES = [line.name for line in methods()]
FORMS = ["released", "figure", "followup", "propagation"]
CASES = [(name, {}) for name in NAMES if name != "nsvq"] + [("nsvq", {"form": f}) for f in FORMS]
CASES += [("vq", {"estimator": "look-ahead"}), ("vq", {"assignment": "cosine"})]
CASES += [("transvq", {"positions": False, "depth": 0}), ("simvq", {"trainable_basis": True})]
CASES += [("grit", {"phi": "log", "transform": "low-rank"}), ("rotation", {"radial": False})]
CASES += [("grit", {"phi": "sqrt", "transform": "mixing"}), ("ibq", {"logits": "l2"})]
CASES += [("gumbel", {"logits": "distance"}), ("fvq", {"trainable_base": False})]
CASES += [("cvq", {"anchors": a}) for a in ("probrandom", "random")] + [("cvq", {"contrast": 1.0})]
CASES += [("kmeans-reinit", {"every": e}) for e in (1, 2)] + [("affine-vq", {"sync": 0.5})]
# What a method's definition takes out of a contract, and where it is tested instead.
BY_LOGITS = "chooses by logits, not by distance: its choice is tested in test_hyperbolic"
SURROGATE = "gradients of a surrogate: checked against the closed form in test_hyperbolic"
NOT_NEAREST = {"hyper-vq": BY_LOGITS, "mlr-vq": BY_LOGITS}
NOT_ITS_SLOPE = {"hyper-vq": SURROGATE, "mlr-vq": SURROGATE}
NOT_ITS_SLOPE["vqgan-fc"] = "stops the gradient at latents that it trains: in test_projected"
every = pytest.mark.parametrize(
    "name, options", CASES, ids=["-".join([n, *map(str, o.values())]) for n, o in CASES]
)


def build(name: str, options: dict, dim: int = 4, size: int = 16, seed: int = 0, **more):
    options = {**SMALL.get(name, {}), **options, **more}
    return make(name, dim, SIZES.get(name, {}).get(size, size), seed=seed, **options)


def latents(*shape: int, seed: int = 1, **kwargs) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **kwargs)


def passes_the_code(q: VectorQuantizer) -> bool:
    """False in training for an estimator whose value is by definition only near the code."""
    return not (q.training and getattr(getattr(q, "estimator", None), "approximates_code", False))


def train_step(q: VectorQuantizer, z: torch.Tensor, optimizer: torch.optim.Optimizer | None):
    out = q(z)
    if optimizer is not None:
        optimizer.zero_grad()
        (out.loss + (out.quantized**2).sum()).backward()
        optimizer.step()
    return out


def optimizer_of(q: VectorQuantizer) -> torch.optim.Optimizer | None:
    trained = [p for p in q.parameters() if p.requires_grad]
    return torch.optim.Adam(trained, lr=0.05) if trained else None


def snapshot(q: VectorQuantizer) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in q.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[k], b[k]) for k in a)


@every
@pytest.mark.parametrize("training", [True, False])
def test_output_is_the_code_bit_for_bit(name, options, training):
    q = build(name, options)
    for seed in range(5):
        train_step(q, latents(3, 7, 4, seed=seed), optimizer_of(q))
    q.train(training)
    z = latents(3, 7, 4, seed=9).requires_grad_()
    quantized, indices, loss = out = q(z)
    assert quantized.shape == z.shape and quantized.dtype == z.dtype
    assert indices.shape == (3, 7) and indices.dtype == torch.int64
    assert loss.shape == () and out.terms["commitment"].shape == ()
    assert torch.equal(q.decode(indices), q.codebook()[indices])
    if not passes_the_code(q):
        pytest.skip("this estimator is defined by a value other than the code; evaluation has it")
    assert torch.equal(quantized, q.decode(indices))
    if name == "vqgan-fc":  # a matrix product rounds differently with the number of its rows
        torch.testing.assert_close(quantized, q.codebook()[indices], rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(quantized, q.codebook()[indices])


@every
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0, 1000.0])
def test_the_choice_equals_float64_brute_force(name, options, offset, scale):
    if options.get("assignment") == "cosine":
        pytest.skip("cosine has its own test: it chooses by angle")
    assignment = getattr(build(name, options), "assignment", None)
    if isinstance(assignment, DotProduct):
        pytest.skip("chooses the largest dot product, tested in test_logits")
    if getattr(assignment, "kind", None) == "projection":
        pytest.skip("chooses by a learned map that does not see the codes, tested in test_sampled")
    if name in NOT_NEAREST:
        pytest.skip(NOT_NEAREST[name])
    if name in ("fsq", "vqgan-fc"):
        pytest.skip("chooses among confined latents: test_lookup_free and test_projected")
    q = build(name, {**options, **({"init": "first-batch"} if "init" in q_options(name) else {})})
    z = offset + scale * latents(256, 4)
    q(z)
    q.eval()
    indices = q(z).indices
    codes, z64 = q.codebook().double(), z.double()
    brute = (z64[:, None] - codes).square().sum(-1)
    chosen = brute.gather(1, indices[:, None])[:, 0]
    # Ties up to the rounding of float32 distances are true ties of the stored numbers.
    assert torch.all(chosen <= brute.min(1).values * (1 + 1e-5))


def q_options(name: str) -> dict:
    return next(line for line in methods() if line.name == name).options


@every
def test_nothing_moves_in_evaluation(name, options):
    q = build(name, options)
    train_step(q, latents(32, 4), optimizer_of(q))
    q.eval()
    before = snapshot(q)
    with torch.no_grad():
        out = q(latents(32, 4, seed=2))
    assert same(before, snapshot(q))
    assert out.terms["commitment"] > 0  # losses are reported in evaluation as well
    if name in LATTICES:
        return  # there is nothing that could move
    q.train()
    train_step(q, latents(32, 4, seed=2), optimizer_of(q))
    assert not same(before, snapshot(q))


@every
def test_commitment_and_codebook_weights_are_separate(name, options):
    z = latents(64, 4).requires_grad_()
    # The entropy of LFQ and BSQ pulls at the latents, too, by a weight of its own.
    silent = {"weight": 0.0} if name in ("lfq", "bsq") else {}
    off, on = (build(name, options, commitment=beta, **silent).eval() for beta in (0.0, 0.5))
    (rest,) = torch.autograd.grad(off(z).loss, z)
    # Without commitment the latents get nothing, unless a term of the method is made to train them.
    if not any(rule.trains_latents for rule in off.rules):
        assert torch.equal(rest, torch.zeros_like(z))
    out = on(z)
    (pull,) = torch.autograd.grad(out.loss, z, retain_graph=True)
    if name in CONFINED:  # the chain rule through what confines them: in their own tests
        assert pull.abs().max() > 0
    else:
        expected = 0.5 * 2 * (z - on.codebook()[out.indices]) / z.numel()
        torch.testing.assert_close(pull, (rest + expected).detach(), rtol=1e-5, atol=1e-8)
    # The linear map before the codes is part of the encoder: commitment is meant for it.
    names = [n for n, p in on.named_parameters() if p.requires_grad and not n.startswith("into")]
    if names:
        grads = [
            torch.autograd.grad(
                o(z.detach()).loss, [o.get_parameter(n) for n in names], allow_unused=True
            )
            for o in (off, on)
        ]
        for a, b in zip(*grads, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=0, atol=0)


@every
def test_masked_latents_influence_nothing(name, options):
    plain, masked = build(name, options), build(name, options)
    # A sampled choice is drawn by the place in the batch: padding only behind all latents, there.
    rows = 1 if isinstance(getattr(plain, "assignment", None), GumbelChoice) else 2
    z = latents(rows, 32, 4)
    mask = torch.ones(rows, 40, dtype=torch.bool)
    mask[:, 32:] = False
    padded = torch.cat([z, torch.full((rows, 8, 4), torch.nan)], 1)
    a, b = plain(z), masked(padded, mask=mask)
    assert torch.equal(b.indices[:, 32:], torch.full((rows, 8), -1))
    assert torch.equal(b.indices[:, :32], a.indices)
    # Sums over another length round apart in float32.
    torch.testing.assert_close(b.quantized[:, :32], a.quantized, rtol=1e-5, atol=1e-6)
    assert b.quantized[:, 32:].isnan().all()  # padding passes through unchanged
    for term in a.terms:
        torch.testing.assert_close(a.terms[term], b.terms[term], rtol=1e-5, atol=1e-7)
    assert torch.equal(masked.decode(b.indices)[:, 32:], torch.zeros(rows, 8, 4))
    sa, sb = snapshot(plain), snapshot(masked)
    for k in sa:
        torch.testing.assert_close(sa[k], sb[k], rtol=1e-5, atol=1e-6)


@every
def test_float64_end_to_end(name, options):
    q = build(name, options).double()
    z = latents(64, 4, dtype=torch.float64).requires_grad_()
    out = q(z)
    assert out.quantized.dtype == out.loss.dtype == torch.float64
    if passes_the_code(q):
        assert torch.equal(out.quantized, q.decode(out.indices))
    q.eval()
    # Inside one cell the commitment is smooth, so its stated gradient must pass gradcheck.
    torch.autograd.gradcheck(lambda x: q(x).terms["commitment"], z[:8].detach().requires_grad_())
    with pytest.raises(TypeError, match="float64"):
        build(name, options)(z.detach())


@every
def test_float64_gradcheck_of_the_trained_loss(name, options):
    if options.get("form") in ("released", "figure", "followup"):
        pytest.skip(
            "detached weights: checked against autograd with explicit detach in test_neighbours"
        )
    if name in NOT_ITS_SLOPE:
        pytest.skip(NOT_ITS_SLOPE[name])
    q = build(name, options, dim=2, size=4).double()
    if name == "fvq":  # starts with all codes at zero: a tie of all, where no loss is smooth
        optimizer = optimizer_of(q)
        for seed in range(5):
            train_step(q, latents(8, 2, dtype=torch.float64, seed=seed), optimizer)
    q.eval()
    trained = {k: p for k, p in q.named_parameters() if p.requires_grad}
    if not trained:
        pytest.skip("moved by a rule, without gradients")
    z = 0.5 * latents(8, 2, dtype=torch.float64)
    names = list(trained)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        return functional_call(q, dict(zip(names, values, strict=True)), (z,)).terms["codebook"]

    torch.autograd.gradcheck(
        loss, tuple(p.detach().clone().requires_grad_() for p in trained.values())
    )


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_quantized_in_float32(name, options, dtype):
    q, reference = build(name, options), build(name, options)
    z = latents(64, 4).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = q(z)
    full = reference(z.float())
    assert q.codebook().dtype == torch.float32 and out.quantized.dtype == dtype
    assert out.loss.dtype == torch.float32
    assert torch.equal(out.indices, full.indices)
    torch.testing.assert_close(out.loss, full.loss, rtol=0, atol=0)
    expected = q.decode(out.indices) if passes_the_code(q) else full.quantized
    assert torch.equal(out.quantized, expected.to(dtype))


@every
def test_vmap_over_seeds_equals_the_loop(name, options):
    if q_options(name).get("init") == "first-batch":
        options = {**options, "init": "uniform"}  # the first batch is drawn outside the transform
    models = [build(name, options, seed=s) for s in range(3)]
    z = latents(3, 32, 4)
    alone = [copy.deepcopy(m)(z[i]) for i, m in enumerate(models)]
    params, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0])

    def forward(p, b, x):
        out = functional_call(base, (p, b), (x,))
        return out.quantized, out.indices, out.loss

    quantized, indices, loss = vmap(forward)(params, buffers, z)
    for i, out in enumerate(alone):
        assert torch.equal(indices[i], out.indices)
        torch.testing.assert_close(quantized[i], out.quantized, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(loss[i], out.loss, rtol=1e-5, atol=1e-6)


@every
def test_compiled_equals_eager(name, options):
    if q_options(name).get("init") == "first-batch":
        options = {**options, "init": "uniform"}
    q = build(name, options)
    compiled = copy.deepcopy(q)
    forward = torch.compile(compiled, backend="aot_eager")
    for seed in range(2):
        z = latents(32, 4, seed=seed)
        a, b = q(z), forward(z)
        assert torch.equal(a.indices, b.indices)
        torch.testing.assert_close(a.quantized, b.quantized, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(a.loss, b.loss, rtol=1e-5, atol=1e-6)


@every
def test_training_resumes_bit_for_bit(name, options):
    def steps(q, optimizer, seeds):
        for s in seeds:
            train_step(q, latents(48, 4, seed=s), optimizer)

    whole, half = build(name, options), build(name, options)
    ow, oh = optimizer_of(whole), optimizer_of(half)
    steps(whole, ow, range(6))
    steps(half, oh, range(3))
    resumed = build(name, options, seed=77)
    resumed.load_state_dict(half.state_dict())
    orr = optimizer_of(resumed)
    if orr is not None:
        orr.load_state_dict(oh.state_dict())
    steps(resumed, orr, range(3, 6))
    assert same(snapshot(whole), snapshot(resumed))


@every
def test_one_seed_one_result(name, options):
    runs = []
    for _ in range(2):
        torch.manual_seed(0) if not runs else torch.manual_seed(
            123
        )  # the global seed must not matter
        q = build(name, options)
        optimizer = optimizer_of(q)
        for s in range(4):
            train_step(q, latents(48, 4, seed=s), optimizer)
        runs.append(snapshot(q))
    assert same(*runs)


@every
def test_bad_latents_are_refused(name, options):
    q = build(name, options)
    q(latents(32, 4))
    before = snapshot(q)
    for bad in (torch.nan, torch.inf, -torch.inf):
        z = latents(32, 4)
        z[5, 2] = bad
        with pytest.raises(ValueError, match=r"1 non-finite.*\(5, 2\)"):
            q(z)
    with pytest.raises(ValueError, match="D = 4"):
        q(latents(32, 5))
    with pytest.raises(TypeError, match="floats"):
        q(torch.ones(3, 4, dtype=torch.int64))
    with pytest.raises(TypeError, match="latents must be a tensor of floats, got ndarray"):
        q(latents(3, 4).numpy())
    with pytest.raises(ValueError, match="mask must be bool"):
        q(latents(32, 4), mask=torch.ones(31, dtype=torch.bool))
    clock = {k for k in before if k.endswith("clock")}
    assert same({k: v for k, v in before.items() if k not in clock}, snapshot(q))


@every
def test_odd_sizes(name, options):
    empty = build(name, options)(torch.empty(0, 4))
    assert empty.quantized.shape == (0, 4) and empty.indices.shape == (0,) and empty.loss == 0
    if name not in LATTICES:  # one code is no lattice
        one = build(name, options, size=1)
        out = one(latents(8, 4))
        assert torch.equal(out.indices, torch.zeros(8, dtype=torch.int64)) and out.loss.isfinite()
    many = build(name, options, size=64)
    out = many(latents(8, 4))
    assert out.loss.isfinite() and out.indices.max() < many.codebook_size
    single = build(name, options)(latents(4))
    assert single.indices.shape == ()


@every
def test_channel_first(name, options):
    last, first = build(name, options), build(name, options, channel_first=True)
    z = latents(2, 5, 3, 4)
    a, b = last(z), first(z.movedim(-1, 1))
    assert torch.equal(a.quantized.movedim(-1, 1), b.quantized)
    assert torch.equal(a.indices, b.indices)
    assert first.decode(b.indices).shape == (2, 4, 5, 3)


def test_decode_takes_integers_of_any_width():
    q = build("vq", {})
    codes = q.codebook().detach()
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8):
        assert torch.equal(q.decode(torch.tensor([3, 0, 3], dtype=dtype)), codes[[3, 0, 3]])
    padded = q.decode(torch.tensor([[-1, 2]], dtype=torch.int8))
    assert torch.equal(padded, torch.stack([torch.zeros(4), codes[2]])[None])
    for bad in (-2, 16):
        with pytest.raises(ValueError, match="expected 0 to 15 .or -1 for padding"):
            q.decode(torch.tensor([bad]))
    for bad, given in [
        (torch.zeros(2), "torch.float32"),
        (torch.ones(2, dtype=torch.bool), "torch.bool"),
        (torch.zeros(2).numpy(), "ndarray"),
        ([0, 1], "list"),
    ]:
        with pytest.raises(TypeError, match=f"indices must be a tensor of integers, got {given}"):
            q.decode(bad)
@every
def test_folded_codes_choose_and_give_the_same(name, options):
    q = build(name, options)
    for seed in range(3):
        train_step(q, latents(48, 4, seed=seed), optimizer_of(q))
    z, folded = latents(2, 32, 4, seed=9), q.eval().fold()
    a, b = q(z), folded(z)
    assert torch.equal(a.indices, b.indices) and torch.equal(a.quantized, b.quantized)
    assert torch.equal(q.codebook(), folded.codebook()) and not folded.training
    assert torch.equal(a.terms["commitment"], b.terms["commitment"]) and not list(folded.rules)
    assert not [p for p in folded.parameters() if p.requires_grad]
    train_step(q.train(), latents(48, 4), optimizer_of(q))
    assert torch.equal(folded(z).quantized, b.quantized)  # a copy of its own
