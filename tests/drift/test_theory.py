"""The theory of critical speeds against exact codebooks on a line, and against simulation."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

from vqlab.drift.columns import Column, gaussian, of_points, uniform
from vqlab.drift.motions import Approach, Translate
from vqlab.drift.simulate import simulate
from vqlab.drift.theory import capacity, critical_speed, gersho, rigid_speed, steady_lag


def test_gersho_is_the_error_of_the_best_cells() -> None:
    sides = np.array([[1, 0], [0.5, np.sqrt(3) / 2]]) / np.sqrt(np.sqrt(3) / 2)  # of unit area
    steps = np.stack(np.meshgrid(range(-3, 5), range(-3, 5)), -1).reshape(-1, 2)
    points = np.random.default_rng(0).random((200_000, 2))
    distance = cKDTree(steps @ sides).query(points @ sides)[0]
    # 200,000 draws of a value whose spread is about its size.
    assert gersho(2) == pytest.approx((distance**2).mean(), rel=0.01)
    assert gersho(1) == pytest.approx(1 / 12)
    assert [round(gersho(d), 4) for d in (2, 3, 4)] == [0.1604, 0.2356, 0.3001]


@pytest.mark.parametrize("ends", [0.2, 2.0])
def test_the_pull_on_a_code_is_the_slope_of_the_pressure(ends: float) -> None:
    """F = (1/12) d/dx (rho g^3) on a line, for gaps and densities that vary slowly."""
    size = 400
    t = (np.arange(size) + 0.5) / size
    codes = t + ends * 0.1 * np.sin(3 * t)
    density = np.poly1d([0.4, 0.6, 0.5])  # rho(x), any scale
    edges = (codes[1:] + codes[:-1]) / 2
    pull = []
    for k in range(100, 300):
        low, high = edges[k - 1], edges[k]
        moment = (density * np.poly1d([1, -codes[k]])).integ()
        pull.append(moment(high) - moment(low))
    gap = np.gradient(codes)
    slope = np.gradient(density(codes) * gap**3, codes)[100:300] / 12
    # The next order is smaller by the gap, 1/400, over the length on which things change.
    np.testing.assert_allclose(pull, slope, rtol=0.01, atol=1e-2 * np.abs(slope).max())


def _line_vq(size: int) -> float:
    """v_c / (eta L) on a segment, exactly: half gaps d_k^2 = a^2 + 2 L w k from the edge on."""

    def length(a: float) -> float:
        half = np.sqrt(a**2 + np.arange(1, size + 1))
        return -a + 2 * half[:-1].sum() + half[-1]

    shortest = minimize_scalar(length, bounds=(0, 3), method="bounded").fun
    return float(1 / (2 * shortest**2))


@pytest.mark.parametrize("size", [8, 32, 128])
def test_on_a_line_the_theory_is_exact(size: int) -> None:
    held = uniform(1, side=3.0, points=10**9)
    # The bulk is a continuum; its error falls with the number of codes.
    assert critical_speed("vq", 0.7, size, held) == pytest.approx(
        0.7 * 3 * _line_vq(size), rel=0.25 / size
    )
    assert _line_vq(size) * size**3 == pytest.approx(9 / 32, rel=0.6 / size)
    exact = 0.1 * 3 / (2 * size * (size - 1))
    assert critical_speed("ema", 0.1, size, held) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(
    ("held", "exponent"),
    [
        (uniform(1), -3),
        (gaussian(2), -2),
        (gaussian(3), -5 / 3),
        (gaussian(2, motion="contract"), -2),
    ],
)
def test_the_laws_of_sgd(held: Column, exponent: float) -> None:
    sizes = np.array([64, 256])
    speeds = [critical_speed("vq", 1, int(k), held) for k in sizes]
    slope = np.diff(np.log(speeds))[0] / np.log(4)
    # The last row's place moves with the logarithm of K.
    assert slope == pytest.approx(exponent, abs=0.12)
    assert critical_speed("vq", 3, 64, held) == pytest.approx(3 * speeds[0], rel=1e-3)
    # Survivors fall with the same power: v_c(K/2) is the speed that kills half.
    assert critical_speed("vq", 1, 64, held, survivors=0.5) == pytest.approx(
        critical_speed("vq", 1, 32, held), rel=1e-3
    )
    assert capacity("vq", 1, speeds[0], held) == pytest.approx(64, rel=1e-3)


def test_the_theory_scales_with_the_cloud() -> None:
    for make in (gaussian, uniform):
        small = critical_speed("vq", 1, 16, make(2, 1.0))
        assert critical_speed("vq", 1, 16, make(2, 5.0)) == pytest.approx(5 * small, rel=1e-3)
    # A contraction is relative: the cloud's size does not matter.
    assert critical_speed("vq", 1, 16, gaussian(2, 5.0, "contract")) == pytest.approx(
        critical_speed("vq", 1, 16, gaussian(2, 1.0, "contract")), rel=1e-3
    )


def test_the_first_guess_is_too_high_and_worse_for_large_codebooks() -> None:
    ratio = [
        rigid_speed("vq", 1, k, gaussian(2)) / critical_speed("vq", 1, k) for k in (16, 64, 256)
    ]
    assert ratio[0] > 5
    # K^(-3/2) against K^(-2), and the logarithm of K as above.
    np.testing.assert_allclose(np.diff(np.log(ratio)) / np.log(4), 0.5, atol=0.12)
    # On a segment by hand: eta (1/K) (L/(2K)).
    assert rigid_speed("vq", 2, 10, uniform(1, 3.0)) == pytest.approx(2 / 10 * 3 / 20, rel=1e-3)


def test_a_column_of_points_is_the_cloud_they_come_from() -> None:
    rng, count = np.random.default_rng(0), 5000
    for cloud, held in [
        (rng.standard_normal((count, 2)), gaussian(2, points=count)),
        (rng.random((count, 2)), uniform(2, points=count)),
    ]:
        found = of_points(cloud, direction=[0, 2])
        assert np.trapezoid(found.density, found.x) == pytest.approx(1, abs=0.02)
        for method in ("vq", "ema"):
            # The density of twelve neighbours, in bins: at the edge it is only roughly known.
            assert critical_speed(method, 1, 32, found) == pytest.approx(
                critical_speed(method, 1, 32, held), rel=0.15
            )


@pytest.mark.parametrize("method", ["vq", "ema"])
def test_one_code_lags_as_derived(method: str) -> None:
    rate, options = (0.2, None) if method == "vq" else (None, {"decay": 0.8})
    run = simulate(
        method, "gaussian", Translate(speed=0.03), codebook_size=1, points=50, batch=None,
        steps=120, rate=rate, options=options, record=2, progress=False,
    )  # fmt: skip
    # One code takes the whole batch: p = 1. float32 positions of a few units.
    assert run.lag[-1, 0] == pytest.approx(steady_lag(method, 0.2, 0.03), rel=1e-4)
    assert steady_lag("vq", 0.2, 0.03, share=0.5) == pytest.approx(0.3)
    assert steady_lag("ema", 0.2, 0.03, share=0.5) == pytest.approx(0.15)


@pytest.mark.parametrize("method", ["vq", "ema"])
def test_every_code_of_many_lags_as_derived(method: str) -> None:
    speed = 0.008 if method == "vq" else 0.003
    run = simulate(
        method, "gaussian", Translate(speed=speed), codebook_size=12, points=1500, batch=None,
        steps=1500, rate=4.0 if method == "vq" else None, init="first-batch", record=2, probe=1,
        options={"decay": 0.9} if method == "ema" else None, progress=False,
    )  # fmt: skip
    alive = run.counts[-1] > 0
    assert alive.sum() >= 8
    derived = [
        steady_lag(method, 4.0 if method == "vq" else 0.1, speed, n / 1500)
        for n in run.counts[-1, alive]
    ]
    # Without noise of batches the codes stand still in the cloud; float32 leaves four digits.
    np.testing.assert_allclose(run.lag[-1, alive], derived, rtol=2e-3)


@pytest.mark.parametrize(
    ("motion", "share", "size"),
    [
        ("translate", 1.0, 16),
        ("translate", 0.75, 32),
        ("translate", 0.5, 32),
        ("contract", 0.5, 32),
    ],
)
def test_survivors_are_as_many_as_derived(motion: str, share: float, size: int) -> None:
    held, rate = gaussian(2, motion=motion), size / 4
    speed = critical_speed("vq", rate, size, held, survivors=share)
    if share == 1:
        speed *= 0.7  # well inside, where nobody dies
    moving = Translate(speed=speed) if motion == "translate" else Approach(speed=speed, scale=0.0)
    far = 10 if motion == "translate" else 5  # widths, or e-foldings
    run = simulate(
        "vq", "gaussian", moving, codebook_size=size, points=4096, steps=int(far / speed),
        rate=rate, init="first-batch", record=2, probe=1, progress=False,
    )  # fmt: skip
    # The last row is the least certain part of the theory: a few codes of 32.
    assert run.utilization[-1] == pytest.approx(share, abs=0.12 if share < 1 else 1e-9)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="no derivation for 'nsvq'"):
        critical_speed("nsvq", 1, 16)
    with pytest.raises(ValueError, match="rate > 0"):
        critical_speed("vq", 0, 16)
    with pytest.raises(ValueError, match="speed must be > 0"):
        capacity("vq", 1, 0, gaussian(2))
    with pytest.raises(ValueError, match="integer >= 2"):
        critical_speed("vq", 1, 1)
    with pytest.raises(ValueError, match="a single code never dies"):
        critical_speed("vq", 1, 8, survivors=0.1)
    with pytest.raises(ValueError, match="share must be > 0"):
        steady_lag("vq", 1, 1, share=0)
    with pytest.raises(ValueError, match="dim must be an integer >= 1"):
        gersho(0)
    with pytest.raises(ValueError, match="at least 200 finite points"):
        of_points(np.zeros((10, 2)))
    with pytest.raises(ValueError, match="points coincide"):
        of_points(np.zeros((300, 2)))
    with pytest.raises(ValueError, match=r"direction must be \(2,\)"):
        of_points(np.random.default_rng(0).normal(size=(300, 2)), direction=[1, 0, 0])
