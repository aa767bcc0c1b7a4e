"""The four decisions in free combination: each is refused with a reason, or it works."""

import inspect
from copy import deepcopy

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from vqlab import quantizers as vq
from vqlab.quantizers import VectorQuantizer
from vqlab.quantizers.codebooks import Codebook

# Classes of the public list by decision. What stands in none of the four is no part of a quantizer
# or is a base; test_every_public_part_is_drawn looks after that.
CODEBOOKS = {
    "Table": lambda: vq.Table(4, 2, "normal", seed=1),
    "frozen Table": lambda: vq.Table(4, 2, "normal", trainable=False, seed=1),
    "waiting Table": lambda: vq.Table(4, 2, "kmeans", trainable=False, seed=1),
    "SphereTable": lambda: vq.SphereTable(4, 2, "normal", seed=1),
    "frozen SphereTable": lambda: vq.SphereTable(4, 2, "first-batch", trainable=False, seed=1),
    "AffineCodebook": lambda: vq.AffineCodebook(4, 2, seed=1),
    "BridgeCodebook": lambda: vq.BridgeCodebook(4, 2, width=4, heads=2, depth=1, seed=1),
    "HyperplaneCodebook": lambda: vq.HyperplaneCodebook(4, 2, seed=1),
    "LowRankCodebook": lambda: vq.LowRankCodebook(4, 2, seed=1),
    "MatchedCodebook": lambda: vq.MatchedCodebook(4, 2, seed=1),
    "MixingCodebook": lambda: vq.MixingCodebook(4, 2, share=0.3, seed=1),
    "TransformerCodebook": lambda: vq.TransformerCodebook(4, 2, width=4, seed=1),
    "WordCodebook": lambda: vq.WordCodebook(vq.WordTable.random(2, 2, seed=1), 2, 4, seed=1),
    "WordShare": lambda: share(pairs=False),
    "WordShare pairs": lambda: share(pairs=True),
    "BinaryCube": lambda: vq.BinaryCube(2),
    "FiniteScalars": lambda: vq.FiniteScalars((3, 5)),
}


def share(pairs: bool) -> vq.WordShare:
    words = 4 if not pairs else 3
    book = vq.WordCodebook(vq.WordTable.random(words, 2, seed=1), 2, 4, seed=1)
    return vq.WordShare(book, 0, words, pairs=pairs)


# Each is given the quantizer's codebook; "foreign" parts are made for another one.
ASSIGNMENTS = {
    "Nearest": lambda c: vq.Nearest(),
    "Cosine": lambda c: vq.Cosine(),
    "DotProduct": lambda c: vq.DotProduct(),
    "DistanceLogits": lambda c: vq.DistanceLogits(),
    "FrequencySensitive": lambda c: vq.FrequencySensitive(4),
    "foreign FrequencySensitive": lambda c: vq.FrequencySensitive(7),
    "EuclideanLogits": lambda c: vq.EuclideanLogits(c),
    "HyperbolicLogits": lambda c: vq.HyperbolicLogits(c),
    "foreign HyperbolicLogits": lambda c: vq.HyperbolicLogits(vq.HyperplaneCodebook(4, 2)),
    "GumbelChoice projection": lambda c: vq.GumbelChoice(4, 2, "projection", seed=1),
    "GumbelChoice distance": lambda c: vq.GumbelChoice(4, 2, "distance", seed=1),
    "GumbelChoice gaussian": lambda c: vq.GumbelChoice(4, 2, "gaussian", seed=1),
    "foreign GumbelChoice": lambda c: vq.GumbelChoice(7, 2, "projection", seed=1),
    "NearestPair": lambda c: vq.NearestPair(),
    "Rounding": lambda c: vq.Rounding(),
    "Transport": lambda c: vq.Transport(),
}
ESTIMATORS = {
    "StraightThrough": lambda: vq.StraightThrough(),
    "LookAhead": lambda: vq.LookAhead(),
    "LookAhead whole": lambda: vq.LookAhead(0.5, whole=True),
    "Rotation": lambda: vq.Rotation(),
    "GeneralizedRadius identity": lambda: vq.GeneralizedRadius(),
    "GeneralizedRadius log": lambda: vq.GeneralizedRadius("log"),
    "IndexBackpropagation": lambda: vq.IndexBackpropagation(),
    "MeanCode": lambda: vq.MeanCode(),
    "NoiseSubstitution": lambda: vq.NoiseSubstitution(seed=1),
    "NoiseSubstitution towards": lambda: vq.NoiseSubstitution(0.1, seed=1),
    "IndexBackpropagation soft": lambda: vq.IndexBackpropagation(0.5),
}
# Each is given the quantizer's assignment and estimator.
UPDATES = {
    "Anchors closest": lambda a, e: vq.Anchors(),
    "Anchors random": lambda a, e: vq.Anchors("random"),
    "Attraction": lambda a, e: vq.Attraction(),
    "CodeEntropy": lambda a, e: vq.CodeEntropy(),
    "CodebookLoss": lambda a, e: vq.CodebookLoss(),
    "Contrast l2": lambda a, e: vq.Contrast(),
    "Contrast cosine": lambda a, e: vq.Contrast("cosine", 1.0),
    "DoubleQuantization": lambda a, e: vq.DoubleQuantization(),
    "DriftAdaptive": lambda a, e: vq.DriftAdaptive(patience=1.0),
    "Entropy": lambda a, e: vq.Entropy(temperature=1.0),
    "GaussianPrior": lambda a, e: vq.GaussianPrior(),
    "LogitEntropy": lambda a, e: vq.LogitEntropy(temperature=1.0),
    "MovingAverage": lambda a, e: vq.MovingAverage(0.5),
    "NeuralGas": lambda a, e: vq.NeuralGas(),
    "OnlineKMeans": lambda a, e: vq.OnlineKMeans(),
    "OnlineKMeans rate": lambda a, e: vq.OnlineKMeans(0.5),
    "Orthogonality": lambda a, e: vq.Orthogonality(),
    "Propagation": lambda a, e: vq.Propagation(),
    "Propagation released": lambda a, e: vq.Propagation(averaged=False),
    "Reconstruction": lambda a, e: vq.Reconstruction(a, e),
    "foreign Reconstruction": lambda a, e: vq.Reconstruction(vq.DotProduct(), e),
    "Reestimation": lambda a, e: vq.Reestimation(every=1),
    "Revival": lambda a, e: vq.Revival(0.9, 0.5),
    "Revival active": lambda a, e: vq.Revival(0.9, 0.5, "active"),
    "RunningStatistics": lambda a, e: vq.RunningStatistics(),
    "SelfOrganizingMap": lambda a, e: vq.SelfOrganizingMap(),
    "UniformPrior": lambda a, e: vq.UniformPrior(),
    "Wins": lambda a, e: vq.Wins(a),
    "WordDropout": lambda a, e: vq.WordDropout(),
    "foreign Wins": lambda a, e: vq.Wins(vq.FrequencySensitive(4)),
}
ROOMS = (CODEBOOKS, ASSIGNMENTS, ESTIMATORS, UPDATES)
NO_PART = {"Codebook", "Lattice", "Update", "Competitive", "Noise"}  # bases and tools of parts
# What reaches the codes by itself, by a loss (of a trained codebook), by the gradient of a task.
MOVES = {"Anchors", "MovingAverage", "NeuralGas", "OnlineKMeans", "SelfOrganizingMap"}
MOVES |= {"DriftAdaptive", "Reestimation", "RunningStatistics"}
PULLS = {"Attraction", "CodebookLoss", "Contrast", "DoubleQuantization", "Entropy"}
PULLS |= {"GaussianPrior", "Orthogonality", "Reconstruction"}
PASSES = {"LookAhead", "IndexBackpropagation", "MeanCode", "NoiseSubstitution"}
PASSES |= {"GeneralizedRadius", "Propagation"}

drawn = st.tuples(
    st.sampled_from(sorted(CODEBOOKS)),
    st.sampled_from(sorted(ASSIGNMENTS)),
    st.sampled_from(sorted(ESTIMATORS)),
    st.lists(st.sampled_from(sorted(UPDATES)), max_size=3),
    st.booleans(),
)


def built(codebook: str, assignment: str, estimator: str, updates: list[str]) -> VectorQuantizer:
    torch.manual_seed(0)
    table = CODEBOOKS[codebook]()
    choice, passing = ASSIGNMENTS[assignment](table), ESTIMATORS[estimator]()
    return VectorQuantizer(table, choice, passing, [UPDATES[u](choice, passing) for u in updates])


def finite(q: VectorQuantizer, *tensors: torch.Tensor | None) -> bool:
    everything = [*tensors, *q.state_dict().values(), *(p.grad for p in q.parameters())]
    return all(bool(torch.isfinite(x).all()) for x in everything if x is not None)


def one_step(q: VectorQuantizer, z: nn.Parameter, masked: bool, optimizer: torch.optim.Optimizer):
    mask = torch.arange(12).reshape(2, 6) % 6 < 4 if masked else None
    out = q(z, mask)
    task = (out.quantized - torch.tensor([0.3, -0.2])).square().sum()
    optimizer.zero_grad()
    (out.loss + task).backward()
    assert finite(q, out.quantized, out.loss, *out.terms.values(), z.grad)
    assert sorted(out.terms) == sorted(["commitment", *(n for r in q.rules for n in r.names)])
    valid = torch.ones(2, 6, dtype=torch.bool) if mask is None else mask
    if not getattr(q.estimator, "approximates_code", False):
        assert torch.equal(out.quantized[valid], q.decode(out.indices)[valid])
    optimizer.step()
    assert finite(q)


def expected_to_move(q: VectorQuantizer) -> bool:
    rules = {type(rule).__name__ for rule in q.rules}
    trained = any(p.requires_grad for p in q.codebook.parameters())
    if rules & MOVES:
        return True
    if not q.codebook().any():  # a VQBridge's start: codes all alike and without a direction
        rules -= {"Entropy", "Orthogonality"}
    return trained and bool(rules & PULLS or PASSES & {*rules, type(q.estimator).__name__})


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(drawn)
def test_a_combination_is_refused_with_a_reason_or_works(parts):
    assume(check(*parts))  # so many that work, beside those refused on the way


@pytest.mark.parametrize("updates", [["CodebookLoss"] * 2, ["Entropy", "LogitEntropy"]])
def test_two_losses_of_one_name_are_refused(updates):
    with pytest.raises(ValueError, match="both give the loss"):
        built("Table", "DistanceLogits", "StraightThrough", updates)


@pytest.mark.parametrize("room", range(4), ids=["codebook", "assignment", "estimator", "update"])
def test_every_public_part_is_drawn(room):
    have = {name for drawn_from in ROOMS for name in drawn_from}
    have = {word for name in have for word in name.split()} | NO_PART
    public = [getattr(vq, name) for name in vq.__all__]
    base = [Codebook, nn.Module, nn.Module, vq.Update][room]
    parts = [c for c in public if inspect.isclass(c) and issubclass(c, base)]
    parts = [c for c in parts if not issubclass(c, vq.Quantizer)]
    assert {c.__name__ for c in parts} <= have


def check(codebook, assignment, estimator, updates, masked) -> bool:
    """Whether the combination works; False where it is refused with a reason."""
    try:
        q = built(codebook, assignment, estimator, updates)
    except (ValueError, TypeError) as error:
        reason = str(error)
        names = {w for part in (codebook, assignment, estimator, *updates) for w in part.split()}
        assert "\n" not in reason and any(name in reason for name in names)
        return False
    z = nn.Parameter(torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(3)))
    optimizer = torch.optim.Adam([z, *q.parameters()], lr=0.01)
    if not q.codebook.initialized:  # the first batch alone moves such codes
        one_step(q, z, masked, optimizer)
    before = q.codebook().detach().clone()
    for _ in range(2):
        one_step(q, z, masked, optimizer)
    assert not torch.equal(before, q.codebook()) or not expected_to_move(q)
    q.eval()
    state = deepcopy(q.state_dict())
    with torch.no_grad():
        out = q(z)
    assert finite(q, out.quantized, out.loss, *out.terms.values())
    assert torch.equal(out.quantized, q.decode(out.indices))
    assert all(torch.equal(state[k], v) for k, v in q.state_dict().items())
    assert torch.equal(q.fold()(z).quantized, out.quantized)
    return True
