"""Motions: the closed-form drift against finite differences, phases, sums, stops and storage."""

import dataclasses
import json

import numpy as np
import pytest

from vqlab.drift.motions import (
    Approach,
    Expand,
    Jump,
    Motion,
    Oscillate,
    RandomWalk,
    Replay,
    Rotate,
    Shear,
    Shrink,
    SplitMerge,
    Stationary,
    Translate,
    make_motion,
    replay,
    stop_at,
)

DIMS = (1, 2, 5)
DIRECTION = {1: (-2.0,), 2: (3.0, -4.0), 5: (1.0, 0.0, -2.0, 0.5, 1.0)}


def _motions(dim):
    """One of each kind, with settings that use all of it."""
    yield Stationary()
    yield Translate(0.3, direction=DIRECTION[dim])
    yield Jump(2.0, direction=DIRECTION[dim], start=3)
    yield Oscillate(amplitude=2.0, period=7.0, direction=DIRECTION[dim])
    yield SplitMerge(0.4, direction=DIRECTION[dim], distance=1.1, center=0.2)
    yield Approach(0.3, scale=tuple(np.linspace(0.5, 2, dim)), center=DIRECTION[dim])
    yield Shrink(0.2)
    yield Expand(0.1, center=-1.0)
    yield RandomWalk(0.3, seed=4)
    frames = np.random.default_rng(9).standard_normal((4, 60, dim))
    yield Replay(frames, steps=(10, 12, 13, 17))
    yield Replay(frames.astype(np.float32), steps=3, between="hold", speed=2.0)
    if dim > 1:
        yield Rotate(0.7, center=(1.0,) * dim)
        yield Rotate(0.1, clockwise=True, start=2)
        yield Shear(0.2, center=0.5)


ALL = [
    pytest.param(motion, dim, id=f"{motion.name}-{dim}") for dim in DIMS for motion in _motions(dim)
]


def _cloud(dim, count=60):
    """Off centre and of unequal widths, so that no moment vanishes by symmetry."""
    rng = np.random.default_rng(dim)
    return 0.7 + rng.standard_normal((count, dim)) * np.linspace(1, 2, dim)


def _difference(motion, points, t):
    step = motion.move(points, t + 1) - motion.move(points, t)
    return np.sqrt((step**2).sum(axis=-1).mean())


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_drift_in_closed_form_is_the_finite_difference(motion, dim):
    points = _cloud(dim)
    times = [0, 1, 2, 3, 4, 7, 9.5, 30, 200]
    expected = [_difference(motion, points, t) for t in times]
    # subtracting positions of size <= 60 leaves 60 * 2e-16; a square root of that near a drift of 0
    # cannot arise, for both then take the same zero difference
    assert motion.drift(points, np.array(times)) == pytest.approx(expected, rel=1e-9, abs=2e-13)
    assert motion.drift(points, 4) == pytest.approx(expected[4], rel=1e-9, abs=2e-13)
    assert isinstance(motion.drift(points, 4), float)


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_all_times_at_once_equals_one_by_one(motion, dim):
    points, times = _cloud(dim), np.arange(12)
    together = motion.move(points, times[:, None])
    assert together.shape == (12, 60, dim) and together.dtype == np.float64
    single = np.stack([motion.move(points, t) for t in times])
    # a power or sine of an array may differ from that of a number by the last digit
    assert together == pytest.approx(single, rel=1e-14, abs=1e-14)
    # points at times of their own, in an order of their own
    chosen, at = np.array([5, 59, 5, 0]), np.array([0, 3, 11, 7])
    assert np.array_equal(motion.move(points[chosen], at, chosen), together[at, chosen])


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_points_start_where_they_are_and_are_not_touched(motion, dim):
    points = _cloud(dim)
    before = points.copy()
    assert np.array_equal(motion.move(points, 0), before)
    motion.move(points, 5)
    assert np.array_equal(points, before)


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_start_delays_and_duration_ends(motion, dim):
    points = _cloud(dim)
    plain = dataclasses.replace(motion, start=0, duration=None)
    phased = dataclasses.replace(motion, start=4, duration=3)
    for t in range(12):
        assert np.array_equal(phased.move(points, t), plain.move(points, min(max(t - 4, 0), 3)))
    assert phased.drift(points, [0, 3, 7, 50]) == pytest.approx(0, abs=0)
    assert phased.drift(points, 5) == pytest.approx(plain.drift(points, 1), rel=1e-12)


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_stop_at_freezes(motion, dim):
    points, stopped = _cloud(dim), stop_at(motion, 6)
    for t in (0, 3, 6):
        assert np.array_equal(stopped.move(points, t), motion.move(points, t))
    assert np.array_equal(stopped.move(points, 40), motion.move(points, 6))
    assert stopped.drift(points, [6, 7, 40]) == pytest.approx(0, abs=0)
    assert stopped.drift(points, [0, 5]) == pytest.approx(motion.drift(points, [0, 5]), rel=1e-12)
    # between whole steps the part of the step before the stop counts
    assert stopped.drift(points, 5.5) == pytest.approx(_difference(stopped, points, 5.5), abs=1e-12)


@pytest.mark.parametrize("dim", DIMS)
def test_sums_add_displacements_and_their_drift_is_closed_too(dim):
    points, motions = _cloud(dim), list(_motions(dim))
    whole = sum(motions)
    for t in (0, 2, 5, 13):
        parts = sum(motion.move(points, t) - points for motion in motions)
        assert whole.move(points, t) - points == pytest.approx(parts, abs=1e-12)
    expected = [_difference(whole, points, t) for t in (0, 2, 5, 13)]
    assert whole.drift(points, [0, 2, 5, 13]) == pytest.approx(expected, rel=1e-9)
    assert len(((motions[1] + motions[2]) + motions[3]).parts) == 3  # sums do not nest
    there_and_back = Translate(0.3) + Translate(0.3, direction=-np.eye(dim)[0])
    assert there_and_back.drift(points, 3) == 0
    late = dataclasses.replace(whole, start=5)  # a sum has phases of its own
    assert np.array_equal(late.move(points, 9), whole.move(points, 4))
    assert (late + motions[1]).drift(points, 9) == pytest.approx(
        _difference(late + motions[1], points, 9), rel=1e-9
    )
    assert stop_at(whole, 2).drift(points, 2) == 0


@pytest.mark.parametrize(("motion", "dim"), ALL)
def test_round_trip_through_json(motion, dim):
    settings = json.loads(json.dumps(motion.to_dict()))
    if isinstance(motion, Replay):
        with pytest.raises(ValueError, match="checksum only; pass the recording itself"):
            Motion.from_dict(settings)
        with pytest.raises(ValueError, match="are not the recorded ones"):
            Motion.from_dict(settings, motion.frames + 1)
        again = Motion.from_dict(settings, motion.frames)
        points = _cloud(dim)
        assert again.to_dict() == settings
        assert np.array_equal(again.move(points, 5), motion.move(points, 5))
    else:
        assert Motion.from_dict(settings) == motion == make_motion(settings)


def test_sums_and_stops_round_trip():
    motion = stop_at(Translate(0.1) + Rotate(0.2, start=3) + stop_at(Shrink(), 4), 9)
    assert Motion.from_dict(json.loads(json.dumps(motion.to_dict()))) == motion


# What each formula promises in numbers.


def test_shrink_is_the_recurrence_of_the_paper():
    points = _cloud(2)
    target = points * [0.05, 0.1]
    x = points
    for t in range(30):
        assert Shrink(0.2, scale=(0.05, 0.1)).move(points, t) == pytest.approx(x, abs=1e-12)
        x = target + 0.8 * (x - target)


def test_late_drift_keeps_its_digits():
    # after 1000 steps points move by 1e-97: nothing between positions, not to the closed form
    points = _cloud(2)
    ratio = Shrink(0.2).drift(points, 1001) / Shrink(0.2).drift(points, 1000)
    assert ratio == pytest.approx(0.8, rel=1e-9)


def test_speed_is_the_drift_where_all_points_move_alike():
    points = _cloud(5)
    for motion in (Translate(0.3, direction=DIRECTION[5]), RandomWalk(0.3), SplitMerge(0.3)):
        assert motion.drift(points, 2) == pytest.approx(0.3, rel=1e-9)
    assert Jump(3.0, start=7).drift(points, np.arange(10)).tolist() == [0] * 7 + [3, 0, 0]


def test_rotation_keeps_distances_and_covers_a_chord():
    points, center = _cloud(5), (1.0, -1.0, 0.0, 0.0, 0.0)
    motion = Rotate(0.3, center=center)
    arm = np.linalg.norm((points - center)[:, :2], axis=1)
    moved = motion.move(points, 17) - center
    assert np.linalg.norm(moved[:, :2], axis=1) == pytest.approx(arm)
    assert np.array_equal(moved[:, 2:], (points - center)[:, 2:])
    chord = 2 * np.sin(0.15) * np.sqrt(np.mean(arm**2))
    assert motion.drift(points, 4) == pytest.approx(chord)
    back = Rotate(0.3, center=center, clockwise=True).move(motion.move(points, 17), 17)
    assert back == pytest.approx(points)
    quarter = Rotate(np.pi / 2).move([[1.0, 0.0]], 1)
    assert quarter == pytest.approx(np.array([[0.0, 1.0]]))


def test_split_merge_comes_back_together():
    points, motion = _cloud(2), SplitMerge(0.25, distance=1.0)
    assert motion.cycle == 8
    left = points[:, 0] < 0
    assert left.any() and not left.all()
    apart = motion.move(points, 4) - points
    assert apart[left] == pytest.approx(np.tile([-1.0, 0.0], (left.sum(), 1)))
    assert apart[~left] == pytest.approx(np.tile([1.0, 0.0], ((~left).sum(), 1)))
    assert motion.move(points, 8) == pytest.approx(points)
    assert motion.move(points, 12) == pytest.approx(motion.move(points, 4))


def test_oscillation_swings_around_the_start():
    motion = Oscillate(amplitude=2.0, period=8.0)
    assert motion.move([[0.0]], np.arange(5)[:, None])[:, 0, 0] == pytest.approx(
        [0, 2**0.5, 2, 2**0.5, 0]
    )
    assert motion.speed == pytest.approx(2 * np.pi * 2 / 8)
    assert motion.with_speed(0.5).period == pytest.approx(2 * np.pi * 2 / 0.5)
    assert Oscillate(speed=0.0).move([[3.0]], 5) == 3.0


def test_a_walk_does_not_depend_on_how_far_one_looks():
    early = RandomWalk(0.1, seed=3).move([[0.0, 0.0]], 700)
    both = RandomWalk(0.1, seed=3).move([[0.0, 0.0]], np.array([[700], [5000]]))
    assert np.array_equal(both[0], early)
    assert not np.allclose(both[0], RandomWalk(0.1, seed=4).move([[0.0, 0.0]], 700))
    # a walk of n steps of length v ends at a root mean square distance of v sqrt(n)
    ends = [RandomWalk(0.1, seed=s).move(np.zeros((1, 5)), 400) for s in range(100)]
    assert np.sqrt(np.mean(np.square(ends).sum(axis=-1))) == pytest.approx(2.0, rel=0.1)


def test_replay_gives_the_recording_back():
    frames = np.random.default_rng(0).standard_normal((5, 30, 3))
    steps = np.array([100, 110, 130, 131, 150])
    source, motion = replay(frames, steps, points=20, seed=1)
    base = source.sample(20, np.random.default_rng(0))
    kept = [int(np.flatnonzero((frames[0] == row).all(axis=1))[0]) for row in base]
    assert len(set(kept)) == 20 and kept != sorted(kept)
    for frame, step in enumerate(steps - 100):
        assert motion.move(base, step) == pytest.approx(frames[frame, kept], abs=1e-14)
    half = (frames[1, kept] + frames[2, kept]) / 2
    assert motion.move(base, 20) == pytest.approx(half)
    held = Replay(motion.frames, motion.steps, between="hold")
    assert held.move(base, [29.9]) == pytest.approx(frames[1, kept])
    assert held.move(base, [30]) == pytest.approx(frames[2, kept])
    twice = motion.with_speed(2.0)
    assert np.array_equal(twice.move(base, 10), motion.move(base, 20))
    index = np.array([3, 19])
    assert np.array_equal(motion.move(base[index], 20, index), motion.move(base, 20)[index])
    assert motion.drift(base[index], 20, index) == pytest.approx(
        np.sqrt(np.mean(((frames[2] - frames[1])[np.array(kept)[index]] ** 2).sum(-1))) / 20
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: make_motion("wobble"), "unknown motion 'wobble'; choose from approach, expand"),
        (lambda: make_motion("replay"), r"needs its frames: Replay\(frames, steps\)"),
        (lambda: make_motion("shear", angle=1), r"unknown setting \['angle'\]; choose from"),
        (lambda: make_motion("stationary", speed=1), r"unknown setting \['speed'\]"),
        (
            lambda: make_motion("translate", speed=-1),
            r"number >= 0 \(length per step\), got -1; .*dir",
        ),
        (lambda: make_motion("rotate", speed=-1), r"radians per step; .*clockwise=True\), got -1"),
        (lambda: (Translate() + Shear()).with_speed(2), "sum has no single speed"),
        (lambda: Motion.from_dict({"motion": "wobble"}), "unknown motion 'wobble'; choose from"),
        (lambda: Translate("fast"), "speed must be a number >= 0 .* got 'fast'"),
        (lambda: Translate(float("inf")), "speed must be a number >= 0 .* got inf"),
        (lambda: Translate(True), "speed must be a number >= 0 .* got True"),
        (lambda: Translate(start=-1), "start must be a number >= 0 .* got -1"),
        (lambda: Translate(duration=0), "duration must be a number > 0 .* got 0"),
        (lambda: Translate(direction=(0, 0)), "not all zero, got"),
        (
            lambda: Translate(direction=(1, 0)).move(np.zeros((3, 5)), 1),
            "must have 5 numbers .*got 2",
        ),
        (lambda: Shrink(1.5), r"speed must be <= 1 \(share of the remaining way"),
        (lambda: Shrink(scale=-0.1), "scale must be a finite number >= 0"),
        (lambda: Shrink(scale=(1, 2)).move(np.zeros((3, 5)), 1), "one number or 5 .*got 2"),
        (lambda: Rotate().move(np.zeros((3, 1)), 1), r"D >= 2, got shape \(3, 1\)"),
        (lambda: Rotate(center=float("nan")), "center must be a finite number"),
        (lambda: (Translate() + Shear()).move(np.zeros((3, 1)), 1), "D >= 2, got shape"),
        (lambda: SplitMerge(distance=0), "distance must be a number > 0"),
        (lambda: Oscillate(amplitude=0), "amplitude must be a number > 0"),
        (lambda: Oscillate(speed=1.0, period=100.0), "give speed or period, not both"),
        (lambda: RandomWalk(seed=-1), "seed must be an integer >= 0, got -1"),
        (lambda: stop_at(Translate(), -1), "step must be a number >= 0"),
        (lambda: Replay(np.zeros((3, 4))), r"frames must be \(T, N, D\) .* got shape \(3, 4\)"),
        (lambda: Replay(np.full((2, 1, 1), np.nan)), r"2 numbers are NaN .* first at \[0, 0, 0\]"),
        (lambda: Replay(np.zeros((3, 4, 2)), (0, 2, 1)), "3 increasing numbers"),
        (lambda: Replay(np.zeros((3, 4, 2)), between="cubic"), "'linear' or 'hold'"),
        (
            lambda: Replay(np.zeros((3, 4, 2))).move(np.zeros((5, 2)), 1),
            "points 0 to 3, asked .* 4",
        ),
        (lambda: Replay(np.zeros((3, 4, 2))).move(np.zeros((4, 3)), 1), "D=2, the points have D=3"),
        (lambda: replay(np.zeros((3, 4, 2)), points=5), "points must be 1 to 4, .* got 5"),
    ],
)
def test_bad_settings_are_refused_and_explained(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_motion_adds_only_to_motions():
    with pytest.raises(TypeError):
        Translate() + 1
