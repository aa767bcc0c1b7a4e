"""Duel, phases, gradients, kernel, recordings and the chooser, without a browser."""

import numpy as np
import pytest

import vqlab
from vqlab.explorers import (
    Chooser,
    duel_explorer,
    gradient_explorer,
    kernel_explorer,
    phase_explorer,
    phases,
    recording,
)
from vqlab.explorers import duel as duels
from vqlab.explorers.gradients import CODES, TARGET
from vqlab.explorers.worker import Stale

pytestmark = pytest.mark.usefixtures("small")


def unpacked(packed):
    return np.frombuffer(packed["data"], np.float32).reshape(packed["shape"])


def test_a_duel_is_paired():
    duel = duel_explorer("ema", "vq", "nsvq", motion="translate", speed=0.05)
    duel.wait()
    runs = list(duel.runs.values())
    for run in runs[1:]:
        np.testing.assert_array_equal(run.latents, runs[0].latents)
        np.testing.assert_array_equal(run.codes[0], runs[0].codes[0])
    layout = duel.stage.scene["layout"]
    assert layout["xaxis"]["range"] == layout["xaxis2"]["range"] == layout["xaxis3"]["range"]
    first = duel.runs["vq"]
    duel.controls["left"].value = "ema-revival"  # the others are not run again
    duel.wait()
    assert list(duel.runs) == ["ema-revival", "vq", "nsvq"] and duel.runs["vq"] is first
    duel.controls["right"].value = "nobody"
    duel.wait()
    assert list(duel.runs) == ["ema-revival", "vq"]


def test_a_run_that_ends_as_the_setting_changes_does_not_count_for_the_new_one(monkeypatch):
    duel, real = duel_explorer("ema", "vq"), duels.simulate
    duel.wait()

    def late(*args, **kwargs):
        run = real(*args, **kwargs)
        if kwargs["seed"] == 1 and duel.settings["seed"] == 1:
            with monkeypatch.context() as patch:  # the other thread has not asked yet
                patch.setattr(duel, "ask", lambda: None)
                duel.controls["seed"].value = 2
        return run

    monkeypatch.setattr(duels, "simulate", late)
    duel.controls["seed"].value = 1
    duel.wait()
    duel.ask()
    duel.wait()
    assert [run.seed for run in duel.runs.values()] == [2, 2]


@pytest.mark.parametrize("name", ["source", "motion", "speed", "codes", "start", "steps", "seed",
                                  "view"])  # fmt: skip
def test_a_duel_at_both_ends(name):
    duel = duel_explorer("ema", "vq")
    options = [o[1] if isinstance(o, tuple) else o for o in duel.controls[name].options]
    for value in (options[-1], options[0]):
        duel.controls[name].value = value
        duel.wait()
        assert duel.message == "" and duel.stage.scene["version"] == duel.version


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(phases, "SPEEDS", np.array([0.1, 0.4]))
    monkeypatch.setattr(phases, "SIZES", (4, 48))
    monkeypatch.setattr(phases, "RATES", {"vq": (1.0, 16.0), "ema": (0.02, 0.5)})
    phases._border.cache_clear()
    yield
    phases._border.cache_clear()


def test_the_map_fills_and_a_click_plays_its_cell(coarse):
    phase = phase_explorer()
    phase.cell = (1, 0)
    phase.ask()
    phase.wait(120)
    values = phase.values
    assert np.isfinite(values).all()
    assert values[0, 0] > values[1, 1]  # few and slow live, many and fast die
    assert not phase.dragged({"kind": "drag", "x": 0.3, "y": 5.0}, phase.stage)
    phase._heard(phase.stage, {"kind": "click", "x": 0.33, "y": 5.0}, [])
    phase.wait(120)
    assert phase.cell == (0, 1)
    assert phase.run.codebook_size == 4 and phase.run.settings["motion"]["speed"] == 0.4
    assert phase.run.utilization[-1] == pytest.approx(values[0, 1])
    frames = phase.film.scene["frames"]
    assert frames[-1] == str(phase.run.steps[-1]) == "50"
    for name, value in (("axis", "rate"), ("method", "ema"), ("seed", 9)):
        phase.controls[name].value = value
        phase.wait(120)
        assert phase.message == "" and np.isfinite(phase.values).all()


def test_a_cell_is_what_it_was_run_with(coarse, monkeypatch):
    phase, real = phase_explorer(), phases.simulate
    phase.wait(120)

    def late(**kwargs):
        run = real(**kwargs)
        if phase.seed == 1:
            phase.controls["seed"].value = 2  # chosen after the run looked for the last time
        return run

    monkeypatch.setattr(phases, "simulate", late)
    phase.controls["seed"].value = 1
    phase.wait(120)
    assert {key[2] for key in phase._known} == {0, 1, 2} and phase.message == ""
    for key in (key for key in phase._known if key[2] == 2):
        run = real(**phases.cell_run(*key), record=21, probe=1)
        assert phase._known[key] == run.utilization[-1], key


def test_the_arrow_of_straight_through_points_from_the_code_to_the_target():
    gradients = gradient_explorer()
    for place in ([1.3, 0.5], [2.5, 1.4]):
        gradients._heard(gradients.stage, {"kind": "drag", "x": place[0], "y": place[1]}, [])
        gradients.wait()
        code = CODES[((CODES - place) ** 2).sum(1).argmin()]
        # d/dz of half the squared distance, passed straight through: target minus code.
        np.testing.assert_allclose(
            gradients.arrows["straight-through"], np.array(TARGET) - code, atol=1e-6
        )
    held = [t for t in gradients.stage.scene["data"] if (t.get("meta") or {}).get("drag")]
    assert len(held) == 6
    for trace in held:
        np.testing.assert_allclose(unpacked(trace["x"]), [2.5])
    for name in gradients.controls:
        options = [o[1] if isinstance(o, tuple) else o for o in gradients.controls[name].options]
        for value in (options[-1], options[0]):
            gradients.controls[name].value = value
            gradients.wait()
            assert gradients.message == ""
    assert gradients.noise == 0.05
    with pytest.raises(ValueError, match=r"0\.05, 0\.1"):
        gradient_explorer(noise=0.3)


def test_without_strength_the_fixed_point_is_that_of_vq():
    kernel = kernel_explorer(bandwidth=100.0, strength=0.0)
    kernel.wait()
    vq = vqlab.simulate("vq", codebook_size=16, points=600, batch=None, steps=400, rate=1.0,
                        record=41, probe=600, progress=False)  # fmt: skip
    np.testing.assert_allclose(kernel.rest.codes[-1], vq.codes[-1], atol=1e-4)
    low = kernel.bias
    kernel.controls["strength"].value = 4.0
    kernel.wait()
    assert kernel.bias > 1.5 * low  # a wide kernel that never narrows draws the codes together
    weights = kernel.weights(np.array([1.0, 0.5, 2.0]), 100.0)
    share = np.exp(-np.array([1.0, 0.5, 2.0]) / 100)
    expected = np.minimum(4.0 * share / share.sum(), 1.0)
    expected[1] = 1.0
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    kernel._heard(kernel.stage, {"kind": "drag", "x": 0.1, "y": 0.2}, [])
    kernel.wait()
    cross = [t for t in kernel.stage.scene["data"] if t.get("meta")]
    np.testing.assert_allclose(unpacked(cross[0]["x"]), [0.1])
    for value in (0.01, 100.0):
        kernel.controls["bandwidth"].value = value
        kernel.wait()
        assert kernel.message == "" and np.isfinite(kernel.bias)


def test_a_recording_is_a_film(tmp_path, monkeypatch):
    run = vqlab.simulate("ema", dim=5, codebook_size=8, points=200, steps=50, record=8,
                         optimum="final", progress=False)  # fmt: skip
    shown = vqlab.explore(run)
    assert shown.stage.scene["frames"] == [str(step) for step in run.steps]
    assert len(shown.curves.scene["data"]) == 12  # the dashboard's
    for view in ("lens", "world"):
        shown.controls["view"].value = view
        shown.wait()
        assert shown.message == ""

    def late(*args, **kwargs):  # something is turned while the curves are drawn
        shown.version += 1
        return vqlab.plots.dashboard(*args, **kwargs)

    shown.width = 600
    with monkeypatch.context() as patch, pytest.raises(Stale):
        patch.setattr(recording, "dashboard", late)
        shown.compute(shown.version)
    shown.compute(shown.version)
    assert shown.curves.scene["layout"]["width"] < 600
    assert [stage.words for stage in shown.stages] == [shown.words, "curves of the recording"]
    run.save(tmp_path / "run.npz")
    assert vqlab.explore(tmp_path / "run.npz").run.codebook_size == 8


def test_the_chooser_closes_what_it_leaves(alive, monkeypatch):
    monkeypatch.setattr(phases, "SPEEDS", np.array([0.2, 0.4]))
    before = alive()
    chooser = Chooser()
    chooser.explorer.wait()
    first = chooser.explorer
    for name in ("duel", "gradients", "kernel", "phase", "collapse"):
        left = chooser.explorer
        chooser.buttons.value = name
        assert left.stage is None and chooser.explorer is not left
    chooser.explorer.wait()
    assert chooser._place.children and first.controls == {}
    chooser.close()
    assert alive() == before


def test_explore_names_what_there_is():
    with pytest.raises(ValueError, match="collapse, duel, phase"):
        vqlab.explore("colapse")
    assert vqlab.explore("vqlab seed=4").settings["seed"] == 4
    assert vqlab.explore("duel", seed=3).settings["seed"] == 3
    with pytest.raises(ValueError, match="no such thing|unknown method|expected one of"):
        duel_explorer("vq", "no such thing")
    with pytest.raises(ValueError, match="two or three"):
        duel_explorer("vq")
