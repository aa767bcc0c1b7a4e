"""The coupling kernel against closed forms, a loop of autograd calls, and real steps of SGD."""

import numpy as np
import pytest
import torch
from torch import nn

from vqlab.measure.coupling import coupling_kernel, fixed_point_residual, jacobian_rank
from vqlab.measure.distortion import centroid_residual, kmeans_optimum
from vqlab.quantizers import AffineCodebook, Table, TransformerCodebook

K, D = 7, 3


class Free(nn.Module):
    """A free table that is not a Table, so that no shortcut applies."""

    def __init__(self, codes: torch.Tensor) -> None:
        super().__init__()
        self.codes = nn.Parameter(codes)

    def forward(self) -> torch.Tensor:
        return self.codes


def _transformer(size: int = K, dim: int = D, **options: object) -> TransformerCodebook:
    return TransformerCodebook(size, dim, width=8, seed=0, **options).double()


def _loop(module: nn.Module) -> np.ndarray:
    """(K, D, P) Jacobian, one coordinate at a time."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    codes = module()
    rows = [
        torch.cat([g.flatten() for g in torch.autograd.grad(x, parameters, retain_graph=True)])
        for x in codes.flatten()
    ]
    return torch.stack(rows).reshape(*codes.shape, -1).numpy()


@pytest.mark.parametrize("reduce", ["trace", "norm"])
def test_free_codes_move_alone(reduce: str) -> None:
    for module in (Free(torch.randn(K, D)), Table(K, D, seed=0), Table(K, D, trainable=False)):
        np.testing.assert_array_equal(coupling_kernel(module, reduce), np.eye(K))


@pytest.mark.parametrize("bias", [True, False])
def test_an_affine_map_couples_by_the_basis(bias: bool) -> None:
    module = AffineCodebook(K, D, bias=bias, seed=0)
    basis = module.basis.double().numpy()
    # float64 sums of D products.
    np.testing.assert_allclose(coupling_kernel(module), basis @ basis.T + bias, atol=1e-14)
    # J_j J_k^T is that number times the identity, so its normalised size is the absolute value.
    np.testing.assert_allclose(
        coupling_kernel(module, "norm"), abs(basis @ basis.T + bias), atol=1e-14
    )


@pytest.mark.parametrize("options", [{}, {"positions": False}, {"depth": 0}, {"depth": 2}])
def test_a_transformer_couples_as_a_loop_of_gradients_says(options: dict) -> None:
    module = _transformer(**options)
    jacobian = _loop(module)
    blocks = np.einsum("jap,kbp->jkab", jacobian, jacobian)
    trace = np.einsum("jkaa->jk", blocks) / D
    size = np.sqrt((blocks**2).sum((2, 3)) / D)
    # Two orders of the same float64 sums over the parameters.
    kernel = coupling_kernel(module)
    np.testing.assert_allclose(kernel, trace, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(coupling_kernel(module, "norm"), size, rtol=1e-10, atol=1e-12)
    assert np.linalg.eigvalsh(kernel).min() > -1e-12


def test_it_is_computed_in_float64_whatever_the_codebook_is() -> None:
    single = TransformerCodebook(K, D, width=8, seed=0)
    kernel = coupling_kernel(single)
    np.testing.assert_allclose(kernel, coupling_kernel(single.double()), rtol=1e-12)


def test_it_predicts_a_step_of_gradient_descent() -> None:
    module, hit, rate = _transformer(), 2, 1e-7
    gradient = torch.zeros(K, D, dtype=torch.float64)
    gradient[hit, 1] = 1
    before = module()
    before.backward(gradient)
    with torch.no_grad():
        for p in module.parameters():
            p -= rate * p.grad
    moved = (before - module()).detach().numpy() / rate
    jacobian = _loop(_transformer())
    # First order: the remainder is of the order of the rate.
    np.testing.assert_allclose(moved, jacobian @ jacobian[hit, 1], atol=1e-4)
    assert abs(moved[0]).max() > 1e-3  # a code that was not hit moves


def test_chosen_columns_and_small_blocks_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    module = _transformer()
    whole = coupling_kernel(module)
    np.testing.assert_allclose(coupling_kernel(module, codes=[5, 0]), whole[:, [5, 0]], rtol=1e-12)
    rank = jacobian_rank(module)
    monkeypatch.setattr("vqlab.measure.coupling._BYTES", 1)
    np.testing.assert_allclose(coupling_kernel(module), whole, rtol=1e-12)
    np.testing.assert_allclose(
        jacobian_rank(module).singular_values, rank.singular_values, atol=1e-12
    )


@pytest.mark.parametrize(
    ("module", "rank"),
    [
        (Table(64, 2, seed=0), 128),
        (AffineCodebook(64, 2, seed=0), 6),
        (AffineCodebook(64, 2, bias=False, seed=0), 4),
        (AffineCodebook(2, 5, seed=0), 10),  # fewer codes than it takes to use the map up
        (TransformerCodebook(64, 2, width=16, seed=0), 128),
        (TransformerCodebook(64, 2, width=16, depth=0, positions=False, seed=0), None),
    ],
)
def test_rank_of_what_a_codebook_can_reach(module: nn.Module, rank: int | None) -> None:
    found = jacobian_rank(module)
    assert found.coordinates == module().numel()
    assert found.parameters == sum(p.numel() for p in module.parameters())
    assert found.rank == np.linalg.matrix_rank(
        _loop(module).reshape(found.coordinates, -1), tol=1e-5
    )
    if rank is not None:
        assert found.rank == rank
        assert found.full == (rank == found.coordinates)


def test_wide_jacobians_keep_their_singular_values() -> None:
    module = TransformerCodebook(5, 2, width=16, seed=0).double()  # 10 rows, thousands of columns
    wide = _loop(module).reshape(10, -1)
    assert wide.shape[1] > 80
    expected = np.linalg.svd(wide, compute_uv=False)
    np.testing.assert_allclose(jacobian_rank(module).singular_values, expected, rtol=1e-11)


def test_at_rest_an_affine_map_leaves_the_centroid_condition_unmet() -> None:
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(500, 2))
    module = AffineCodebook(16, 2, seed=0).double()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=200, line_search_fn="strong_wolfe")
    z = torch.from_numpy(latents)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.cdist(z, module()).min(1).values.square().mean()
        value.backward()
        return value

    start = fixed_point_residual(module, latents)
    for _ in range(5):
        optimizer.step(loss)
    rest = fixed_point_residual(module, latents)
    assert rest.share < 0.05 < start.share <= 1
    residual = centroid_residual(latents, module().detach())
    assert np.nanmean(residual) > 0.05  # at rest, and not at the means
    # A free table at k-means has no gradient at all.
    free = Free(torch.from_numpy(kmeans_optimum(latents, 16)[1]))
    assert fixed_point_residual(free, latents).gradient < 1e-14
    # Whatever a full-rank codebook's gradient is, its parameters can undo it.
    assert fixed_point_residual(_transformer(16, 2), latents).share == pytest.approx(1, abs=1e-6)


def test_bad_input_is_refused() -> None:
    module = Table(K, D, seed=0)
    with pytest.raises(ValueError, match="'trace' or 'norm', got 'sum'"):
        coupling_kernel(module, "sum")
    with pytest.raises(ValueError, match="indices from 0 to 6"):
        coupling_kernel(module, codes=[7])
    with pytest.raises(TypeError, match="got Tensor"):
        coupling_kernel(torch.zeros(3, 2))
    with pytest.raises(TypeError, match=r"Linear|forward"):
        coupling_kernel(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="moved by a rule"):
        jacobian_rank(Table(K, D, trainable=False))
    with pytest.raises(ValueError, match="GiB; 1 GiB is the limit"):
        jacobian_rank(TransformerCodebook(4096, 16, width=8))
