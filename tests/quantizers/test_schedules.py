"""Schedules at the steps where their value is known."""

import pytest
import torch

from vqlab.quantizers import Constant, CosineSchedule, Exponential, LearningAnnealing, Step, Warmup

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


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
def test_learning_annealing(shape):
    m = LearningAnnealing(steps=1040, warmup=40, shape=shape)
    end = 1.0 if shape == "constant" else 0.01
    values = {0: 0.005, 20: 0.5025, 40: 1, 200: 1, 340: 1, 690: (1 + end) / 2, 1040: end, 2000: end}
    for step, value in values.items():
        assert float(m(t(step))) == pytest.approx(value, rel=1e-12)
    assert float(LearningAnnealing(10)(t(0))) == 1


def test_learning_annealing_moves_an_optimizers_rate():
    m = LearningAnnealing(steps=100, warmup=10)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    follow = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: float(m(torch.tensor(s))))
    seen = [follow.get_last_lr()[0]]
    for _ in range(100):
        optimizer.step()
        follow.step()
        seen.append(follow.get_last_lr()[0])
    assert seen[0] == pytest.approx(0.01) and max(seen) == 2.0 and seen[-1] == pytest.approx(0.02)


@pytest.mark.parametrize(
    "options", [{"warmup": 100}, {"hold": 1.0}, {"shape": "square"}, {"end": 0.0}]
)
def test_learning_annealing_names_bad_settings(options):
    with pytest.raises(ValueError, match=r"100 of 100|1\.0|square|0\.0"):
        LearningAnnealing(100, **options)
