"""Lives, deaths and survival on a run worked by hand and on a classical table."""

import numpy as np
import pytest

from vqlab.drift.run import Run
from vqlab.measure.lifelines import age, dead, deaths, lives, rebirths, silence
from vqlab.measure.survival import kaplan_meier, survival


def test_silence_counts_the_steps_since_the_last_hit(run: Run) -> None:
    quiet = silence(run)
    np.testing.assert_array_equal(quiet[:, 0], 0)
    np.testing.assert_array_equal(quiet[:, 1], [0, 0, 6, 16, 26, 36])
    np.testing.assert_array_equal(quiet[:, 2], [0, 10, 20, 30, 40, 50])
    np.testing.assert_array_equal(quiet[:, 3], [0, 4, 14, 24, 2, 0])


def test_dead_is_silent_for_the_whole_window(run: Run) -> None:
    gone = dead(run, window=20)
    np.testing.assert_array_equal(gone[:, 0], False)
    np.testing.assert_array_equal(gone[:, 1], [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(gone[:, 2], [0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(gone[:, 3], [0, 0, 0, 1, 0, 0])
    # A longer patience sees fewer deaths; a code hit in the last step is alive for any window.
    assert dead(run, 50).sum() == 1
    assert not dead(run, 1)[-1, [0, 3]].any()


def test_each_code_has_its_lives(run: Run) -> None:
    seen = lives(run, window=20)
    rows = list(zip(seen.code, seen.first, seen.born, seen.ended, seen.died, strict=True))
    assert rows == [
        (0, True, 0, 50, False),
        (1, True, 0, 14, True),
        (2, True, 0, 0, True),
        (3, True, 0, 6, True),
        (3, False, 40, 50, False),
    ]
    np.testing.assert_array_equal(seen.duration, [50, 14, 0, 6, 10])


def test_deaths_and_rebirths_come_in_order_of_time(run: Run) -> None:
    codes, steps = deaths(run, 20)
    np.testing.assert_array_equal(codes, [2, 3, 1])
    np.testing.assert_array_equal(steps, [0, 6, 14])
    codes, steps = rebirths(run, 20)
    np.testing.assert_array_equal((codes, steps), ([3], [40]))
    codes, steps = rebirths(run, 30)
    assert len(codes) == len(steps) == 0


def test_a_code_still_quiet_at_the_end_is_censored_at_its_last_hit(run: Run) -> None:
    seen = lives(run, window=40)  # code 1 has been silent for 36 steps
    assert not seen.died[seen.code == 1]
    assert seen.ended[seen.code == 1] == 14


def test_age_starts_anew_after_a_rebirth(run: Run) -> None:
    ages = age(run, 20)
    np.testing.assert_array_equal(ages[:, 0], [0, 10, 20, 30, 40, 50])
    np.testing.assert_array_equal(ages[:, 1], [0, 10, 20, 30, 0, 0])
    np.testing.assert_array_equal(ages[:, 3], [0, 10, 20, 0, 0, 10])


@pytest.mark.parametrize("window", [0, -3, 51, 1.5])
def test_windows_out_of_range_are_refused(run: Run, window: float) -> None:
    for measure in (dead, lives, deaths, rebirths, age):
        with pytest.raises(ValueError, match="window must be from 1 to the run's 50 steps"):
            measure(run, window)


# Weeks in remission of 21 patients on 6-MP (Freireich et al. 1963), + = still in remission.
DEATHS = [6, 6, 6, 7, 10, 13, 16, 22, 23]
CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def test_kaplan_meier_by_hand() -> None:
    curve = kaplan_meier(DEATHS + CENSORED, [True] * 9 + [False] * 12)
    share, greenwood, worked = 1.0, 0.0, {}
    for time, at_risk, died in [
        (6, 21, 3), (7, 17, 1), (10, 15, 1), (13, 12, 1), (16, 11, 1), (22, 7, 1), (23, 6, 1)
    ]:  # fmt: skip
        share *= 1 - died / at_risk
        greenwood += died / (at_risk * (at_risk - died))
        half = 1.959964 * np.sqrt(greenwood) / np.log(share)
        worked[time] = (share, *sorted(share ** np.exp([half, -half])))
    for time, (expected, low, high) in worked.items():
        at = int(np.flatnonzero(curve.time == time)[0])
        assert curve.share[at] == pytest.approx(expected, rel=1e-12)
        assert curve.low[at] == pytest.approx(low, rel=1e-6)  # digits of 1.959964
        assert curve.high[at] == pytest.approx(high, rel=1e-6)
    # What the textbooks print.
    printed = [1, 0.857, 0.807, 0.753, 0.448]
    np.testing.assert_allclose(curve.at([5.9, 6, 9.5, 10, 100]), printed, atol=5e-4)
    assert curve.median == 23
    assert curve.at_risk[0] == 21 and curve.at_risk[curve.time == 10] == 15
    assert curve.deaths.sum() == 9 and curve.time[0] == 0 and curve.share[0] == 1


def test_censoring_is_used_for_what_it_says() -> None:
    rng = np.random.default_rng(0)
    life, leave = rng.exponential(10, 4000), rng.uniform(0, 20, 4000)
    seen, died = np.minimum(life, leave), life <= leave
    times = np.array([2.0, 5, 10, 15])
    # Binomial noise of 4,000 lives, a few hundred of them still at risk at the end.
    np.testing.assert_allclose(kaplan_meier(seen, died).at(times), np.exp(-times / 10), atol=0.03)
    naive = kaplan_meier(seen[died], np.ones(died.sum(), bool))
    assert naive.at([10.0])[0] < np.exp(-1) - 0.1


def test_edges_of_the_curve() -> None:
    nobody = kaplan_meier([3, 4], [False, False])
    np.testing.assert_array_equal(nobody.share, 1)
    assert nobody.median == np.inf and np.isnan(nobody.low).all()
    at_once = kaplan_meier([0, 0, 5, 5], [True, True, False, False])
    assert at_once.time[0] == 0 and at_once.share[0] == 0.5
    with pytest.raises(ValueError, match="n >= 1"):
        kaplan_meier([], [])
    with pytest.raises(ValueError, match=r"got \(2,\) and \(1,\)"):
        kaplan_meier([1, 2], [True])
    with pytest.raises(ValueError, match="finite and >= 0"):
        kaplan_meier([-1], [True])
    with pytest.raises(ValueError, match="confidence"):
        kaplan_meier([1], [True], confidence=95)


def test_survival_pools_runs(run: Run) -> None:
    one, two = survival(run, 20), survival([run, run], 20)
    np.testing.assert_array_equal(one.share, two.share)
    assert two.at_risk[0] == 2 * one.at_risk[0] == 8
    np.testing.assert_allclose(one.at([0, 6, 14]), [3 / 4, 2 / 4, 1 / 4])
    # More lives, narrower band.
    inside = (one.share > 0) & (one.share < 1)
    assert ((two.high - two.low)[inside] < (one.high - one.low)[inside]).all()
    assert survival(run, 20, first=False).at_risk[0] == 5
    with pytest.raises(ValueError, match="at least one run"):
        survival([], 20)
