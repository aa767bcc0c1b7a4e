"""The checks of the course's exercises pass right answers, and name each mistake they know."""

import math

import numpy as np
import pytest
import torch

from vqlab import make
from vqlab.drift.theory import steady_lag
from vqlab.quantizers.codebooks import Table
from vqlab.quantizers.moving_average import MovingAverage
from vqlab.quantizers.updates import cells
from vqlab.teach import (
    check_autopsy,
    check_gradients,
    check_kernel_pull,
    check_lloyd_step,
    check_moving_average,
    check_paper,
    check_rescues,
    check_steps_until_lost,
    check_use,
)
from vqlab.teach.lives import steps_until_lost
from vqlab.teach.pulls import kernel_pull
from vqlab.teach.steps import lloyd_step


def near(z, c):
    return ((z[:, None] - c) ** 2).sum(2).argmin(1)


def summed(rows, i, size):
    out = np.zeros((size, rows.shape[1]))
    np.add.at(out, i, rows)
    return out


# --- right answers, most of them the library's own -----------------------------------------------

def average(n, m, z, i, decay):
    rule, table = MovingAverage(decay, epsilon=0.0), Table(len(n), 2, trainable=False).double()
    rule.attach(table)
    rule.counts, rule.sums = torch.tensor(n), torch.tensor(m)
    z, i = torch.tensor(z), torch.tensor(i)
    rule.move(cells(z, i, None, len(n)), table)
    return rule.counts, rule.sums, rule.sums / rule.counts[:, None]


def gradients(z, c, i, g, beta):
    z, c = (torch.tensor(x, requires_grad=True) for x in (z, c))
    chosen = c[torch.tensor(i)]
    out = z + (chosen - z).detach()
    loss = ((z.detach() - chosen) ** 2).mean() + beta * ((z - chosen.detach()) ** 2).mean()
    return torch.autograd.grad(loss + (torch.tensor(g) * out).sum(), (z, c))


def use(i, size):
    n = np.bincount(i, minlength=size)
    p = n[n > 0] / n.sum()
    return (n > 0).mean(), np.exp(-(p * np.log(p)).sum()), 1 - (1 - 1 / size) ** len(i)


def autopsy(z, c, hits, window):
    i = near(z, c)
    lag = [np.linalg.norm(c[k] - z[i == k].mean(0)) if (i == k).any() else np.nan
           for k in range(len(c))]
    return hits[-window:].sum(0) == 0, lag


def revive(c, hits, z):
    out = c.copy()
    out[hits == 0] = z[: (hits == 0).sum()]
    return out


def carry(c, z, moves, tau):
    squared = ((z[:, None] - c) ** 2).sum(2)
    w = np.exp(-(squared - squared.min(0)) / tau)
    return c + w.T @ moves / w.sum(0)[:, None]


def test_right_answers_pass():
    assert "passed" in check_paper([3, 2, 0], 6)
    assert "passed" in check_lloyd_step(lloyd_step)
    assert "passed" in check_moving_average(average)
    assert "passed" in check_gradients(gradients)
    assert "passed" in check_use(use)
    assert "passed" in check_autopsy(autopsy)
    assert "passed" in check_steps_until_lost(steps_until_lost)
    assert "passed" in check_kernel_pull(kernel_pull)
    assert "passed" in check_rescues(revive, carry)


def test_the_kernel_is_that_of_the_library():
    rng = np.random.default_rng(0)
    z, c = rng.normal(size=(30, 2)), rng.normal(size=(6, 2))
    nsvq = make("nsvq", dim=2, codebook_size=6, init=torch.tensor(c), bandwidth=2.0, strength=1.0)
    loss = nsvq.double()(torch.tensor(z)).terms["neighbours"]
    (slope,) = torch.autograd.grad(loss, next(nsvq.parameters()))
    # the loss is a mean over N D numbers, with D = 2 the square's 2 cancels
    assert np.allclose(kernel_pull(z, c, 2.0), -slope.numpy(), atol=1e-6)


def test_the_speed_limit_is_the_steady_lag():
    for rate, share, gap in ((1.0, 0.1, 0.6), (0.2, 0.3, 1.0)):
        limit = rate * share * gap / 2
        assert steady_lag("vq", rate, limit, share) == pytest.approx(gap / 2)
        assert steps_until_lost(0.999 * limit, rate, share, gap) == math.inf
        steps = steps_until_lost(1.5 * limit, rate, share, gap)
        # closed form: h_t = v / pace (1 - (1 - pace)^t)
        exact = math.log(1 - 1 / 1.5) / math.log(1 - rate * share)
        assert steps == math.floor(exact) + 1


# --- mistakes ------------------------------------------------------------------------------------

@pytest.mark.parametrize(("indices", "distortion", "words"), [
    ([4, 3, 1], 6, "counted the codes from 1"),
    ([2, 3, 3], 6, "farthest"),
    ([2, 2, 2], 6, "dot product"),
    ([3, 2, 2], 6, "absolute"),
    ([3, 2, 0], 18, "Divide by their number"),
    ([3, 2, 0], (1 + 2 + 13**0.5) / 3, "not their squares"),
    ([3, 2, 0], 6**0.5, "root of the mean"),
    ([3, 2, 0], 3, "dimension"),
    ([3, 2, 0], 4.5, "number of codes"),
    ([3, 2], 6, "shape"),
])  # fmt: skip
def test_paper(indices, distortion, words):
    with pytest.raises(AssertionError, match=words):
        check_paper(indices, distortion)


def in_place(z, c):
    moved, d = lloyd_step(z, c)
    c[:] = moved
    return c, d


def naive_means(z, c):
    i = near(z, c)
    return np.array([z[i == k].sum(0) / (i == k).sum() for k in range(len(c))]), lloyd_step(z, c)[1]


MISTAKES = [
    (check_lloyd_step, in_place, "Work on a copy"),
    (check_lloyd_step, naive_means, "NaN: 0/0"),
    (check_lloyd_step, lambda z, c: (np.nan_to_num(naive_means(z, c)[0]), 1.0), "origin"),
    (check_lloyd_step, lambda z, c: (c, 1.0), "not moved"),
    (check_lloyd_step, lambda z, c: (lloyd_step(z, c)[0], lloyd_step(z, lloyd_step(z, c)[0])[1]),
     "after the step"),
    (check_lloyd_step, lambda z, c: (lloyd_step(z, c)[0], len(z) * lloyd_step(z, c)[1]),
     "sum over"),
    (check_lloyd_step, lambda z, c: lloyd_step(z, c)[0], "two things"),
    (check_moving_average, lambda n, m, z, i, d: average(n, m, z, i, 1 - d), "exchanged"),
    (check_moving_average, lambda n, m, z, i, d: (d * n + np.bincount(i, minlength=len(n)), m, m),
     "without their factor"),
    (check_moving_average, lambda n, m, z, i, d: (average(n, m, z, i, d)[0], d * m + summed(
        z, i, len(n)), m), "without their factor"),
    (check_moving_average, lambda n, m, z, i, d: (*average(n, m, z, i, d)[:2], d * m / n[:, None]
        + (1 - d) * summed(z, i, len(n)) / np.bincount(i, minlength=len(n)).clip(1)[:, None]),
     "averages places"),
    (check_moving_average, lambda n, m, z, i, d: (*average(n, m, z, i, d)[:2], m / n[:, None]),
     "old sums over the old"),
    (check_use, lambda i, k: (use(i, k)[0] * k, *use(i, k)[1:]), "Divide by K"),
    (check_use, lambda i, k: (use(i, k)[0], math.log(use(i, k)[1]), 1), "entropy"),
    (check_use, lambda i, k: (*use(i, k)[:2], 1 - math.exp(-len(i) / k)), "large K only"),
    (check_use, lambda i, k: (*use(i, k)[:2], 1 - use(i, k)[2]), "missed"),
    (check_use, lambda i, k: (use(i, k)[0], use(i, k)[1]), "three numbers"),
    (check_autopsy, lambda z, c, h, w: (~autopsy(z, c, h, w)[0], 0), "the living"),
    (check_autopsy, lambda z, c, h, w: (h[-1] == 0, 0), "last step only"),
    (check_autopsy, lambda z, c, h, w: (h.sum(0) == 0, 0), "all steps"),
    (check_autopsy, lambda z, c, h, w: (h[-w - 1:].sum(0) == 0, 0), "one step too many"),
    (check_autopsy, lambda z, c, h, w: ((h[-w:] == 0).any(0), 0), "all of the window"),
    (check_autopsy, lambda z, c, h, w: (autopsy(z, c, h, w)[0],
                                        np.nan_to_num(autopsy(z, c, h, w)[1])), "NaN, not 0"),
    (check_autopsy, lambda z, c, h, w: (autopsy(z, c, h, w)[0],
                                        np.linalg.norm(c - z.mean(0), axis=1)), "all latents"),
    (check_steps_until_lost, lambda v, e, p, g: steps_until_lost(v, e, p, 2 * g), "half a gap"),
    (check_steps_until_lost, lambda v, e, p, g: steps_until_lost(v, e, 1, g), "share is missing"),
    (check_steps_until_lost, lambda v, e, p, g: steps_until_lost(v, e, p, g) + 1, "one too many"),
    (check_steps_until_lost, lambda v, e, p, g: int(g / 2 / v) + 1, "does not move|Return math"),
    (check_steps_until_lost, lambda v, e, p, g: min(steps_until_lost(v, e, p, g), 10**6),
     "Return math.inf"),
    (check_gradients, lambda z, c, i, g, b: (g, 0), "commitment's part"),
    (check_gradients, lambda z, c, i, g, b: (gradients(z, c, i, 0 * g, b)[0], 0), "g is missing"),
    (check_gradients, lambda z, c, i, g, b: (gradients(z, c, i, g, -b)[0], 0), "sign"),
    (check_gradients, lambda z, c, i, g, b: (gradients(z, c, i, g, b)[0],
        gradients(z, c, i, g, b)[1].numpy() + summed(g, i, len(c))), "g went to the codes"),
    (check_gradients, lambda z, c, i, g, b: (gradients(z, c, i, g, b)[0],
                                             b * gradients(z, c, i, g, b)[1]), "commitment only"),
    (check_kernel_pull, lambda z, c, t: kernel_pull(z, c, t, True), "chosen code takes part"),
    (check_kernel_pull, lambda z, c, t: kernel_pull(z, c, 1 / t), "do not multiply|divide by tau"),
    (check_kernel_pull, lambda z, c, t: -kernel_pull(z, c, t), "pushes"),
    (check_kernel_pull, lambda z, c, t: len(z) * kernel_pull(z, c, t), "Take the mean"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "mistake", "words"), MISTAKES)
def test_mistakes_are_named(check, mistake, words):
    with pytest.raises(AssertionError, match=words):
        check(mistake)


@pytest.mark.parametrize(("wrong_revive", "wrong_carry", "words"), [
    (lambda c, h, z: c, carry, "nothing was revived"),
    (lambda c, h, z: np.where(h[:, None] == 0, z[0], c), carry, "one place"),
    (lambda c, h, z: np.where(h[:, None] == 0, z[: len(c)], c), carry, "in order"),
    (lambda c, h, z: z[: len(c)], carry, "all codes were replaced"),
    (revive, lambda c, z, m, t: c + m.mean(0), "all codes move alike"),
    (revive, lambda c, z, m, t: 2 * c - carry(c, z, m, t), "against the drift"),
    (revive, lambda c, z, m, t: carry(c, z, m, t) - c, "Add them"),
    (revive, lambda c, z, m, t: carry(c, z, m, 1 / t), "do not multiply|far from all"),
])  # fmt: skip
def test_rescues(wrong_revive, wrong_carry, words):
    with pytest.raises(AssertionError, match=words):
        check_rescues(wrong_revive, wrong_carry)


def test_a_kernel_that_underflows_is_noticed():
    def plain(c, z, moves, tau):
        w = np.exp(-((z[:, None] - c) ** 2).sum(2) / tau)
        with np.errstate(invalid="ignore"):
            return c + w.T @ moves / w.sum(0)[:, None]

    with pytest.raises(AssertionError, match="far from all latents"):
        check_rescues(revive, plain)
