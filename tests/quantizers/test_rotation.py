"""The rotation trick: its matrix, its invariants, and where it is undefined."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import Rotation, StraightThrough, Table, VectorQuantizer
from vqlab.quantizers.updates import Batch

F64 = torch.float64


def pairs(dim: int, count: int = 50) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(dim)
    return tuple(torch.randn(count, dim, generator=draw, dtype=F64) for _ in range(3))


def through(estimator, z, codes, g) -> tuple[torch.Tensor, torch.Tensor]:
    z = z.clone().requires_grad_()
    indices = torch.arange(len(z))
    out = estimator(Batch(z, indices, codes, codes))
    out.backward(g)
    return out.detach(), z.grad


def matrix(z, code):
    """lambda R of the definition, with the D x D matrix written out."""
    e, c = z / z.norm(), code / code.norm()
    r = (e + c) / (e + c).norm()
    eye = torch.eye(len(z), dtype=F64)
    turn = eye - 2 * torch.outer(r, r) + 2 * torch.outer(c, e)
    torch.testing.assert_close(turn @ turn.T, eye)
    assert torch.linalg.det(turn) == pytest.approx(1)
    return code.norm() / z.norm() * turn


@pytest.mark.parametrize("dim", [2, 3, 8])
@pytest.mark.parametrize("radial", [True, False])
def test_the_gradient_is_that_of_the_matrix(dim, radial):
    z, codes, g = pairs(dim)
    out, got = through(Rotation(radial), z, codes, g)
    assert torch.equal(out, codes)
    for n in range(len(z)):
        jacobian = matrix(z[n], codes[n])
        torch.testing.assert_close(jacobian @ z[n], codes[n])
        e = z[n] / z[n].norm()
        if not radial:
            jacobian = jacobian @ (torch.eye(dim, dtype=F64) - torch.outer(e, e))
        torch.testing.assert_close(got[n], jacobian.T @ g[n])


def test_lengths_and_angles():
    z, codes, g = pairs(5)
    _, got = through(Rotation(), z, codes, g)
    ratio = codes.norm(dim=1) / z.norm(dim=1)
    torch.testing.assert_close(got.norm(dim=1), ratio * g.norm(dim=1))
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(g, codes), cosine(got, z))
    _, tangential = through(Rotation(radial=False), z, codes, g)
    torch.testing.assert_close((tangential * z).sum(1), torch.zeros(50, dtype=F64))


def test_in_the_plane_it_is_the_rotation_by_the_signed_angle():
    z, codes, g = pairs(2)
    _, got = through(Rotation(), z, codes, g)
    angle = torch.atan2(codes[:, 1], codes[:, 0]) - torch.atan2(z[:, 1], z[:, 0])
    ratio = codes.norm(dim=1) / z.norm(dim=1)
    cos, sin = angle.cos(), angle.sin()
    expected = torch.stack([cos * g[:, 0] + sin * g[:, 1], -sin * g[:, 0] + cos * g[:, 1]], 1)
    torch.testing.assert_close(got, ratio[:, None] * expected)


def test_equal_vectors_and_far_from_the_origin_it_is_straight_through():
    z, codes, g = pairs(3)
    torch.testing.assert_close(through(Rotation(), z, z, g)[1], g)
    near, far = (
        (through(Rotation(), z + shift, codes + shift, g)[1] - g).norm() for shift in (10.0, 1e5)
    )
    assert far < 1e-3 < near


@pytest.mark.parametrize("dim", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_opposite_vectors_get_a_finite_turn_of_the_right_length(dim, dtype):
    z, _, g = (x.to(dtype) for x in pairs(dim))
    for bend in (0.0, 1e-12, 1e-8, 1e-5):
        codes = -2 * z + bend * g
        out, got = through(Rotation(), z, codes, g)
        assert torch.equal(out, codes) and got.isfinite().all()
        close = 1e-6 if dtype == F64 else 5e-3
        ratio = codes.norm(dim=1) / z.norm(dim=1)
        torch.testing.assert_close(got.norm(dim=1), ratio * g.norm(dim=1), rtol=close, atol=close)
        # The pull along the code becomes the pull along the latent.
        along = (got * z).sum(1) / z.norm(dim=1)
        expected = ratio * (g * codes).sum(1) / codes.norm(dim=1)
        torch.testing.assert_close(along, expected, rtol=close, atol=10 * close)


@pytest.mark.parametrize("tiny", [0.0, 1e-320, 1e-200, 1e-40, 1e-22])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("radial", [True, False])
def test_at_the_origin_the_value_is_exact_and_the_gradient_finite(tiny, dtype, radial):
    z, codes, g = (x.to(dtype) for x in pairs(4))
    out, got = through(Rotation(radial), tiny * z, codes, g)
    assert torch.equal(out, codes) and got.isfinite().all()
    if tiny == 0:
        assert torch.equal(got, g)
    out, got = through(Rotation(radial), z, torch.zeros_like(codes), g)
    assert torch.equal(out, torch.zeros_like(codes)) and not got.any()


def test_nothing_goes_to_the_codes():
    q = VectorQuantizer(Table(8, 3, "normal", seed=0), estimator=Rotation())
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    q(z).quantized.sum().backward()
    assert q.codebook.table.grad is None and z.grad.isfinite().all()


def test_the_method_of_the_paper():
    q = make("rotation", 3, 8, seed=0)
    assert q.update[0].decay == 0.8 and q.estimator.radial
    assert not make("rotation", 3, 8, radial=False).estimator.radial
    assert isinstance(
        make("rotation", 3, 8, estimator="straight-through").estimator, StraightThrough
    )
