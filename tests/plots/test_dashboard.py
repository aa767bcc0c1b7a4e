"""The dashboard: what its lines say is what the run holds."""

import numpy as np
import pytest
import torch

import vqlab
from vqlab import CodebookMonitor
from vqlab.measure import half_gap
from vqlab.plots import dashboard
from vqlab.plots.theme import SMALL


@pytest.fixture(scope="module")
def run():
    return vqlab.simulate("ema", codebook_size=16, steps=300, points=500, batch=50, seed=0,
                          progress=False)  # fmt: skip


def test_every_line_is_a_number_of_the_run(run):
    figure = dashboard(run, 20, title="a title")
    dashed, solid = figure.data[::2], figure.data[1::2]
    assert len(solid) == 6 and all(t.line.dash == "dash" for t in dashed)
    for frame in (5, -1):
        step = int(run.steps[frame])
        chosen = run.last_hit[frame] >= step - min(step, 20)
        assert solid[0].y[frame] == chosen.mean()
        silent = np.nan if step < 20 else (~chosen).sum()  # no look back is long enough yet
        np.testing.assert_equal(solid[2].y[frame], silent)
        assert solid[3].y[frame] == np.nanmedian(run.lag[frame])
        assert dashed[3].y[frame] == pytest.approx(np.median(half_gap(run.codes[frame])), rel=0.05)
        assert dashed[0].y[frame] == pytest.approx(1 - (15 / 16) ** (50 * min(step, 20)))
    np.testing.assert_array_equal(solid[1].y, run.perplexity)
    np.testing.assert_array_equal(solid[4].y, run.drift)
    np.testing.assert_array_equal(solid[5].y, run.distortion)
    sizes = [a.font.size for a in figure.layout.annotations]
    assert min(sizes) >= SMALL and figure.layout.title.text == "a title"


def test_pictures_stand_below(run):
    x = torch.rand(8, 3, 6, 6)
    figure = dashboard(run, 20, (x, 1 - x))
    for columns in (3, 2, 1):
        picture = dashboard(run, 20, (x, 1 - x), columns=columns).data[-1]
        assert picture.type == "image" and picture.xaxis == "x7"  # below the six panels
    assert figure.layout.height > dashboard(run, 20).layout.height


def test_errors_of_pictures_take_the_place_of_the_distortion():
    quantizer = vqlab.make("vq", dim=2, codebook_size=4).train()
    monitor, x = CodebookMonitor(quantizer), torch.zeros(2, 1, 4, 4)
    for step in range(1, 6):
        quantizer(torch.randn(9, 2))
        monitor.picture(x, x + 1 / step)
    figure = monitor.figure()
    np.testing.assert_allclose(figure.data[11].y[1:], 1 / np.arange(1, 6) ** 2, rtol=1e-6)


def test_something_else_is_refused():
    with pytest.raises(TypeError, match="expected a Run"):
        dashboard([1, 2], 3)
