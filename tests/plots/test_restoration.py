"""The knob's figure, read back: what each frame shows."""

import numpy as np
import pytest

from vqlab.plots import fidelity_slider

FACES = {k: np.full((2, 4, 4, 3), v, np.uint8) for k, v in {"input": 10, "truth": 90}.items()}
DRAWN = [np.full((2, 4, 4, 3), v, np.uint8) for v in (30, 60, 80)]
KNOB, SCORES = [0.0, 0.5, 1.0], [(20.0, 5.0), (21.0, 7.0), (20.5, 9.0)]


def test_each_frame_shows_its_setting():
    figure = fidelity_slider(FACES, DRAWN, KNOB, SCORES, {"wiener": (19.0, 12.0)}, start=1)
    assert [frame.name for frame in figure.frames] == ["0", "0.5", "1"]
    sheets = [frame.data[0].source for frame in figure.frames]
    assert len(set(sheets)) == 3 and figure.data[0].source == sheets[1]
    for frame, score in zip(figure.frames, SCORES, strict=True):
        image, mark = frame.traces
        assert figure.data[image].type == "image"
        assert (frame.data[1].x[0], frame.data[1].y[0]) == score
        assert figure.data[mark].mode == "markers"
    assert (figure.data[-1].x[0], figure.data[-1].y[0]) == SCORES[1]
    labels = [a.text for a in figure.layout.annotations]
    assert labels.index("input") < labels.index("restored") < labels.index("truth")
    assert [s.label for s in figure.layout.sliders[0].steps] == ["0", "0.5", "1"]


def test_the_line_goes_through_the_scores():
    figure = fidelity_slider(FACES, DRAWN, KNOB, SCORES)
    line = next(t for t in figure.data if t.type == "scatter" and t.mode.startswith("lines"))
    np.testing.assert_array_equal(np.stack([line.x, line.y], 1), SCORES)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="as many pictures and scores"):
        fidelity_slider(FACES, DRAWN[:2], KNOB, SCORES)
    with pytest.raises(ValueError, match="finite"):
        fidelity_slider(FACES, DRAWN, KNOB, [*SCORES[:2], (np.inf, 1.0)])
