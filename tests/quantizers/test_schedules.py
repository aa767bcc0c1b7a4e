"""Schedules at the steps where their value is known."""

import pytest
import torch

from vqlab.quantizers import Constant, CosineSchedule, Exponential, Step, Warmup

t = torch.tensor


@pytest.mark.parametrize(
    "schedule, values",
    [
        (Constant(0.35), {0: 0.35, 10**6: 0.35}),
        (Exponential(4.0, 0.5, every=10), {0: 4.0, 5: 4 * 0.5**0.5, 10: 2.0, 20: 1.0, 10**4: 1e-8}),
        (Step(4.0, 0.5, every=10), {0: 4.0, 9: 4.0, 10: 2.0, 19: 2.0, 20: 1.0}),
        (CosineSchedule(3.0, 1.0, 100), {0: 3.0, 50: 2.0, 100: 1.0, 500: 1.0}),
        (Warmup(10, Step(4.0, 0.5, 10)), {0: 4.0, 10: 4.0, 19: 4.0, 20: 2.0}),
        (Warmup(10, Constant(4.0), start=1.0), {0: 1.0, 5: 2.5, 10: 4.0, 11: 4.0}),
    ],
)
def test_values(schedule, values):
    for step, value in values.items():
        assert float(schedule(t(step))) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(0.0),
        lambda: Step(-1.0),
        lambda: Exponential(1.0, factor=float("nan")),
        lambda: CosineSchedule(1.0, 1.0, 0),
        lambda: Warmup(0, Constant(1.0)),
    ],
)
def test_values_that_are_no_bandwidth_are_refused(make):
    with pytest.raises(ValueError, match="> 0"):
        make()
