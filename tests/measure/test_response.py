"""The measured response against the kernel, real rules' closed forms, and its own field."""

import numpy as np
import pytest
import torch

from vqlab import make
from vqlab.measure import coupling_kernel
from vqlab.measure.response import followed, response

K, D = 6, 2
CODES = torch.randn(K, D, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vq", {"init": CODES}),
        ("simvq", {}),
        ("grit", {}),
        ("transvq", {"width": 8, "depth": 2}),
    ],
)
@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_under_gradient_descent_it_is_the_rate_times_the_kernel(name, options, rate):
    quantizer = make(name, D, K, seed=0, **options)
    found = response(quantizer, nudge=1e-5, rate=rate)
    assert found.on_target.min() == 1
    # Central differences: what is left is of the second order in the nudge, times curvature.
    np.testing.assert_allclose(
        found.carried, rate * coupling_kernel(quantizer), rtol=1e-5, atol=1e-6
    )
    # A latent on its code has no gradient: nothing moves.
    np.testing.assert_allclose(found.jumps, 0, atol=1e-12)


def test_a_code_by_itself_is_the_identity_and_nothing_is_shared():
    found = response(make("vq", D, K, seed=0, init=CODES))
    np.testing.assert_allclose(
        found.blocks.reshape(K * D, K * D), np.eye(K * D), rtol=1e-6, atol=1e-9
    )
    assert found.shared == pytest.approx(0, abs=1e-9)
    moving = response(make("ema", D, K, seed=0, init=CODES)).carried
    assert np.abs(moving - np.diag(np.diag(moving))).max() < 1e-12 < np.diag(moving).min()


def test_neural_gas_moves_each_code_by_its_rank():
    rate, reach = 0.4, 1.5
    found = response(make("neural-gas", D, K, seed=0, init=CODES, rate=rate, reach=reach))
    gap = torch.cdist(CODES.double(), CODES.double()).numpy()
    rank = gap.argsort(0).argsort(0)  # of code j seen from code k, in column k
    expected = rate * np.exp(-rank / reach)
    np.testing.assert_allclose(found.carried, expected, rtol=1e-5)
    # It moves towards the latent, so a hit draws by the same share as it carries.
    off = ~np.eye(K, dtype=bool)
    np.testing.assert_allclose(found.fetched[off], expected[off], rtol=1e-5)


def test_propagation_carries_without_fetching():
    found = response(make("nsvq", D, K, seed=0, init=CODES, form="propagation"))
    off = ~np.eye(K, dtype=bool)
    assert found.shared > 0.1 and found.carried[off].max() > 0.01
    np.testing.assert_allclose(found.jumps, 0, atol=1e-12)


def test_a_revival_couples_only_once_a_code_is_silent():
    quantizer = make("ema-revival", D, K, seed=0, init=CODES, use_decay=0.5).train()
    assert response(quantizer).shared < 1e-9
    for _ in range(4):  # 0.5^4 < 0.1, the threshold: all but code 0 have fallen silent
        quantizer(CODES[:1].repeat(8, 1))
    found = response(quantizer)
    others = found.carried[1:, 0]
    np.testing.assert_allclose(others, 1, rtol=1e-5)  # put on the latent, they share its motion
    np.testing.assert_allclose(found.fetched[1:, 0], 1, rtol=1e-6)


def test_the_quantizer_is_left_as_it_is():
    quantizer = make("cvq", D, K, seed=0, init=CODES).train()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    response(quantizer)
    for name, value in quantizer.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
    assert all(p.grad is None for p in quantizer.parameters())


def test_followed_is_one_for_a_rigid_sheet_and_zero_for_free_codes():
    hit = np.arange(K) < 3
    field = np.tile([1.0, 0.0], (K, 1))
    free = np.eye(K * D).reshape(K, D, K, D)
    rigid = np.einsum("jk,ab->jakb", np.ones((K, K)), np.eye(D))
    assert followed(free, field, hit) == 0
    assert followed(rigid, field, hit) == pytest.approx(1)
    assert followed(free - 0.5 * (rigid - rigid * np.eye(K)[:, None, :, None]) * 0.1,
                    field, hit) < 0  # fmt: skip
    # By hand: code 3 goes with code 0 by a half, the others stay.
    some = free.copy()
    some[3, :, 0] = 0.5 * np.eye(D)
    assert followed(some, field, hit) == pytest.approx(0.5 / 3)


def test_bad_input_is_refused():
    quantizer = make("vq", D, K, seed=0, init=CODES)
    with pytest.raises(ValueError, match="nudge, rate and batch must be > 0, got 0"):
        response(quantizer, nudge=0)
    with pytest.raises(ValueError, match="wait for their first training batch"):
        response(make("vq", D, K, init="first-batch"))
    free = np.eye(K * D).reshape(K, D, K, D)
    with pytest.raises(ValueError, match="do not fit"):
        followed(free, np.ones((K, D)), np.ones(3, bool))
    with pytest.raises(ValueError, match="some codes must be hit"):
        followed(free, np.ones((K, D)), np.ones(K, bool))
    with pytest.raises(ValueError, match="zero on the codes"):
        followed(free, np.zeros((K, D)), np.arange(K) < 2)
    with pytest.raises(ValueError, match="do not move along"):
        followed(-free, np.ones((K, D)), np.arange(K) < 2)
